with

figures as (

    select * from {{ ref('programme_indicator_quarterly') }}
    where
        period_view = 'rolling_4q'
        and split_by = 'all'

),

latest as (

    select *
    from figures
    where quarter = (select max(last_quarter.quarter) from figures as last_quarter)

),

measures as (

    select * from {{ ref('programme_measures') }}
    where indicator_code = 'M9'

),

incidents as (

    select count(*) as reported
    from {{ ref('fct_incident') }}

),

monitoring as (

    select
        coalesce(
            bool_or(numerator >= {{ parameter('monitoring_min_response') }} * denominator and denominator > 0), false
        ) as is_sufficient
    from latest
    where measure_code = 'M9_response'

),

triage as (

    select
        coalesce(max(eligible), 0) as severe,
        coalesce(max(denominator), 0) as time_over,
        cast(max(numerator) as bigint) as in_time
    from latest
    where measure_code = 'M15_triage'

),

-- nothing to triage yet: the hours are not over, or there was nothing grave and those who would tell were asked
triaged as (

    select
        'incidents_triaged' as check_code,
        triage.in_time as counted,
        triage.time_over as counted_of,
        triage.time_over > 0
        or incidents.reported = 0
        or (triage.severe = 0 and not monitoring.is_sufficient) as is_due,
        case
            when incidents.reported = 0 then 'форма F8 ещё не заполнялась'
            when triage.severe > triage.time_over and triage.time_over = 0
                then 'за последние четыре квартала были такие происшествия, но 24 часа ещё не прошли'
            when triage.time_over = 0 and not monitoring.is_sufficient
                then 'о таких происшествиях не сообщали, но ответили менее 60%: недостаточный мониторинг'
            when triage.time_over = 0 then 'за последние четыре квартала таких происшествий не было'
        end as lacking_ru
    from triage
    cross join incidents
    cross join monitoring

),

published as (

    select
        'm9_published' as check_code,
        count(*) filter (where latest.status = 'shown') as counted,
        count(*) as counted_of,
        true as is_due,
        cast(null as text) as lacking_ru
    from measures
    left join latest on measures.measure_code = latest.measure_code

),

final as (

    select * from triaged
    union all
    select * from published

)

select * from final
