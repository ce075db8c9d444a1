-- Exactly one version of a parameter is valid on each day: the first has no first day, each later one begins later, and
-- the newest is marked as current. None would silently switch a rule off, two would make the figure a matter of chance.
with

versions as (

    select
        parameter_code,
        parameter_version,
        is_current,
        valid_from,
        lag(parameter_version) over version_order as version_before,
        lag(valid_from) over version_order as valid_before,
        lead(parameter_version) over version_order is null as is_newest
    from {{ ref('parameters') }}
    window version_order as (
        partition by parameter_code
        order by parameter_version
    )

)

select *
from versions
where
    is_current is distinct from is_newest
    or (version_before is null) <> (valid_from is null)
    or valid_from <= valid_before
