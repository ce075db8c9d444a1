-- Every recommendation is answered by at least one check, and every check stands in the mart once for each programme.
with

answers as (

    select
        programmes.organisation_code,
        programmes.programme_code,
        recommendations.recommendation_id,
        checks.check_code,
        count(readiness.check_code) as row_count
    from {{ ref('int_programmes_run') }} as programmes
    cross join {{ ref('recommendations') }} as recommendations
    left join {{ ref('readiness_checks') }} as checks
        on recommendations.recommendation_id = checks.recommendation_id
    left join {{ ref('evidence_readiness') }} as readiness
        on
            programmes.organisation_code = readiness.organisation_code
            and programmes.programme_code = readiness.programme_code
            and checks.check_code = readiness.check_code
            and recommendations.recommendation_id = readiness.recommendation_id
    group by
        programmes.organisation_code,
        programmes.programme_code,
        recommendations.recommendation_id,
        checks.check_code

)

select *
from answers
where row_count <> 1
