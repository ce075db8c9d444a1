-- A definition that names a parameter which there is not would promise a version that nobody can look up.
select
    definitions.indicator_code,
    named.parameter_code
from {{ ref('indicator_definitions') }} as definitions
cross join lateral regexp_split_to_table(definitions.parameters, ' +') as named (parameter_code)
left join {{ ref('parameters') }} as known on named.parameter_code = known.parameter_code
where known.parameter_code is null
