-- Each check of the seed is measured by exactly one subject for each programme; nothing is measured that is no check.
with

measured as (

    {% for subject in [
        'artefacts', 'catalogue', 'followups', 'harm', 'indicators', 'measures', 'pairs', 'refreshes'
    ] %}
        select
            organisation_code,
            programme_code,
            check_code
        from {{ ref('readiness_of_' ~ subject) }}
        {% if not loop.last %}
            union all
        {% endif %}
    {% endfor %}

),

counted as (

    select
        organisation_code,
        programme_code,
        check_code,
        count(*) as row_count
    from measured
    group by organisation_code, programme_code, check_code

),

checks as (

    select
        programmes.organisation_code,
        programmes.programme_code,
        checks.check_code
    from {{ ref('int_programmes_run') }} as programmes
    cross join {{ ref('readiness_checks') }} as checks

)

select
    checks.organisation_code,
    checks.programme_code,
    checks.check_code,
    counted.check_code as measured_code,
    counted.row_count
from checks
full outer join counted
    on
        checks.organisation_code = counted.organisation_code
        and checks.programme_code = counted.programme_code
        and checks.check_code = counted.check_code
where
    checks.check_code is null
    or counted.row_count is distinct from 1
