-- Every recommendation is answered by at least one check, and every check stands in the mart exactly once.
with

answers as (

    select
        recommendations.recommendation_id,
        checks.check_code,
        count(readiness.check_code) as row_count
    from {{ ref('recommendations') }} as recommendations
    left join {{ ref('readiness_checks') }} as checks
        on recommendations.recommendation_id = checks.recommendation_id
    left join {{ ref('evidence_readiness') }} as readiness
        on
            checks.check_code = readiness.check_code
            and recommendations.recommendation_id = readiness.recommendation_id
    group by recommendations.recommendation_id, checks.check_code

)

select *
from answers
where row_count <> 1
