-- Each check of the seed is measured by exactly one subject, and nothing is measured that is no check.
with

measured as (

    {% for subject in [
        'artefacts', 'catalogue', 'followups', 'harm', 'indicators', 'measures', 'pairs', 'refreshes'
    ] %}
        select check_code from {{ ref('readiness_of_' ~ subject) }}
        {% if not loop.last %}
            union all
        {% endif %}
    {% endfor %}

),

counted as (

    select
        check_code,
        count(*) as row_count
    from measured
    group by check_code

)

select
    checks.check_code,
    counted.check_code as measured_code,
    counted.row_count
from {{ ref('readiness_checks') }} as checks
full outer join counted on checks.check_code = counted.check_code
where
    checks.check_code is null
    or counted.row_count is distinct from 1
