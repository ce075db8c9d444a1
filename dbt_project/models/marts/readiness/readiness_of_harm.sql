with

programmes as (

    select * from {{ ref('int_programmes_run') }}

),

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

    select
        organisation_code,
        programme_code,
        count(*) as reported
    from {{ ref('fct_incident') }}
    group by organisation_code, programme_code

),

heard as (

    select
        organisation_code,
        programme_code,
        bool_or(numerator >= {{ parameter('monitoring_min_response') }} * denominator and denominator > 0)
            as is_sufficient
    from latest
    where measure_code = 'M9_response'
    group by organisation_code, programme_code

),

triage as (

    select *
    from latest
    where measure_code = 'M15_triage'

),

-- what is known of the harm in a programme: nothing reported is 0, nobody heard is not sufficient
monitored as (

    select
        programmes.organisation_code,
        programmes.programme_code,
        coalesce(incidents.reported, 0) as reported,
        coalesce(heard.is_sufficient, false) as is_sufficient,
        coalesce(triage.eligible, 0) as severe,
        coalesce(triage.denominator, 0) as time_over,
        cast(triage.numerator as bigint) as in_time
    from programmes
    left join incidents
        on
            programmes.organisation_code = incidents.organisation_code
            and programmes.programme_code = incidents.programme_code
    left join heard
        on
            programmes.organisation_code = heard.organisation_code
            and programmes.programme_code = heard.programme_code
    left join triage
        on
            programmes.organisation_code = triage.organisation_code
            and programmes.programme_code = triage.programme_code

),

-- nothing to triage yet: the hours are not over, or there was nothing grave and those who would tell were asked
triaged as (

    select
        organisation_code,
        programme_code,
        'incidents_triaged' as check_code,
        in_time as counted,
        time_over as counted_of,
        time_over > 0
        or reported = 0
        or (severe = 0 and not is_sufficient) as is_due,
        case
            when reported = 0 then 'форма F8 ещё не заполнялась'
            when severe > time_over and time_over = 0
                then 'за последние четыре квартала были такие происшествия, но 24 часа ещё не прошли'
            when time_over = 0 and not is_sufficient
                then 'о таких происшествиях не сообщали, но ответили менее 60%: недостаточный мониторинг'
            when time_over = 0 then 'за последние четыре квартала таких происшествий не было'
        end as lacking_ru
    from monitored

),

published as (

    select
        programmes.organisation_code,
        programmes.programme_code,
        'm9_published' as check_code,
        count(*) filter (where latest.status = 'shown') as counted,
        count(*) as counted_of,
        true as is_due,
        cast(null as text) as lacking_ru
    from programmes
    cross join measures
    left join latest
        on
            programmes.organisation_code = latest.organisation_code
            and programmes.programme_code = latest.programme_code
            and measures.measure_code = latest.measure_code
    group by programmes.organisation_code, programmes.programme_code

),

final as (

    select * from triaged
    union all
    select * from published

)

select * from final
