with

programmes as (

    select * from {{ ref('int_programmes_run') }}

),

definitions as (

    select * from {{ ref('indicator_definitions') }}
    where is_current

),

results as (

    select * from {{ ref('results_nodes') }}
    where level = 'medium_term'

),

indicators as (

    select * from {{ ref('indicator_quarterly') }}
    where period_view = 'rolling_4q'

),

-- what is known of each indicator in the last four quarters
latest as (

    select
        indicators.*,
        indicators.status not in ('planned', 'no_data') as has_data
    from indicators
    where indicators.quarter = (select max(last_quarter.quarter) from indicators as last_quarter)

),

by_indicator as (

    select
        programmes.organisation_code,
        programmes.programme_code,
        definitions.indicator_code,
        definitions.result_code,
        definitions.kind,
        definitions.instrument,
        definitions.scale_code,
        coalesce(bool_or(latest.has_data and latest.split_by = 'all'), false) as has_data,
        coalesce(bool_or(latest.has_data and latest.split_by = 'form' and latest.split_value = 'short'), false)
            as has_short,
        coalesce(bool_or(latest.has_data and latest.split_by = 'form' and latest.split_value = 'long'), false)
            as has_long,
        coalesce(
            bool_or(
                latest.split_by = 'all' and latest.share is not null
                and latest.coverage >= cast({{ parameter('coverage_caution_min') }} as double precision)
            ),
            false
        ) as is_covered,
        coalesce(
            bool_or(
                latest.split_by = 'all' and latest.share is not null and latest.ci_low is not null
                and latest.deteriorated is not null
            ),
            false
        ) as is_published_fully
    from programmes
    cross join definitions
    left join latest
        on
            programmes.organisation_code = latest.organisation_code
            and programmes.programme_code = latest.programme_code
            and definitions.indicator_code = latest.indicator_code
    group by
        programmes.organisation_code,
        programmes.programme_code,
        definitions.indicator_code,
        definitions.result_code,
        definitions.kind,
        definitions.instrument,
        definitions.scale_code

),

-- what is published under a result; a companion stands beside one, and what it is measured by counts for the result
headlines as (

    select *
    from by_indicator
    where kind = 'headline'

),

figures as (

    select
        quarterly.*,
        dense_rank() over (order by quarterly.quarter desc) as quarters_ago
    from {{ ref('programme_indicator_quarterly') }} as quarterly
    where quarterly.period_view = 'rolling_4q'

),

-- who else than the mentee speaks of a scale, and is heard (M10)
second_roles as (

    select
        figures.organisation_code,
        figures.programme_code,
        second_instruments.scale_code,
        second_instruments.instrument
    from figures
    inner join (values ('SUP', 'F5'), ('LIF', 'F6'), ('MOT', 'F6')) as second_instruments (scale_code, instrument)
        on figures.split_value = second_instruments.scale_code
    where
        figures.measure_code = 'M10_conflict'
        and figures.split_by = 'scale'
        and figures.quarters_ago = 1
        and figures.denominator > 0

),

instruments as (

    select
        organisation_code,
        programme_code,
        result_code,
        instrument
    from by_indicator
    where has_data

    union

    select
        by_indicator.organisation_code,
        by_indicator.programme_code,
        by_indicator.result_code,
        second_roles.instrument
    from by_indicator
    inner join second_roles
        on
            by_indicator.organisation_code = second_roles.organisation_code
            and by_indicator.programme_code = second_roles.programme_code
            and by_indicator.scale_code = second_roles.scale_code

),

by_result as (

    select
        programmes.organisation_code,
        programmes.programme_code,
        results.node_code as result_code,
        (
            select count(*)
            from instruments
            where
                programmes.organisation_code = instruments.organisation_code
                and programmes.programme_code = instruments.programme_code
                and results.node_code = instruments.result_code
        ) as instrument_count,
        (
            select coalesce(bool_or(headlines.is_published_fully), false)
            from headlines
            where
                programmes.organisation_code = headlines.organisation_code
                and programmes.programme_code = headlines.programme_code
                and results.node_code = headlines.result_code
        ) as is_published_fully
    from programmes
    cross join results

),

-- rolling four quarters beside the four before them
samples as (

    select
        programmes.organisation_code,
        programmes.programme_code,
        coalesce(sum(figures.numerator) filter (where figures.quarters_ago = 1), 0) as this_year,
        coalesce(sum(figures.numerator) filter (where figures.quarters_ago = 5), 0) as year_before
    from programmes
    left join figures
        on
            programmes.organisation_code = figures.organisation_code
            and programmes.programme_code = figures.programme_code
            and figures.measure_code = 'M7'
            and figures.split_by = 'instrument'
            and figures.split_value = 'f2_endline'
    group by programmes.organisation_code, programmes.programme_code

),

final as (

    select
        organisation_code,
        programme_code,
        'indicators_by_form' as check_code,
        count(*) filter (where has_short and has_long) as counted,
        count(*) as counted_of,
        true as is_due,
        cast(null as text) as lacking_ru
    from headlines
    group by organisation_code, programme_code

    union all

    select
        organisation_code,
        programme_code,
        'short_form_indicators' as check_code,
        count(*) filter (where has_short) as counted,
        count(*) as counted_of,
        true as is_due,
        cast(null as text) as lacking_ru
    from headlines
    group by organisation_code, programme_code

    union all

    select
        organisation_code,
        programme_code,
        'indicators_covered' as check_code,
        count(*) filter (where is_covered) as counted,
        count(*) as counted_of,
        true as is_due,
        cast(null as text) as lacking_ru
    from headlines
    group by organisation_code, programme_code

    union all

    select
        organisation_code,
        programme_code,
        'results_published_fully' as check_code,
        count(*) filter (where is_published_fully) as counted,
        count(*) as counted_of,
        true as is_due,
        cast(null as text) as lacking_ru
    from by_result
    group by organisation_code, programme_code

    union all

    select
        organisation_code,
        programme_code,
        'results_with_two_instruments' as check_code,
        count(*) filter (where instrument_count >= 2) as counted,
        count(*) as counted_of,
        true as is_due,
        cast(null as text) as lacking_ru
    from by_result
    group by organisation_code, programme_code

    union all

    select
        organisation_code,
        programme_code,
        'sample_trend' as check_code,
        cast(this_year as bigint) as counted,
        cast(year_before as bigint) as counted_of,
        year_before > 0 as is_due,
        case when year_before = 0 then 'за предыдущие четыре квартала анкет нет: сравнивать не с чем' end as lacking_ru
    from samples

)

select * from final
