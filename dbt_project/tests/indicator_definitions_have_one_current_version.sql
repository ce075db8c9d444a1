-- An indicator is computed by exactly one version of its definition.
select indicator_code
from {{ ref('indicator_definitions') }}
group by indicator_code
having count(*) filter (where is_current) <> 1
