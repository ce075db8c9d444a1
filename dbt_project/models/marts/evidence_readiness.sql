with recursive

checks as (

    select * from {{ ref('readiness_checks') }}

),

recommendations as (

    select * from {{ ref('recommendations') }}

),

nodes as (

    select * from {{ ref('results_nodes') }}

),

edges as (

    select * from {{ ref('results_edges') }}

),

result_indicators as (

    select
        indicator_code,
        node_code,
        result_code as published_under_node_code
    from {{ ref('indicator_definitions') }}
    where is_current and kind = 'headline'

),

definitions as (

    select * from {{ ref('indicator_definitions') }}
    where is_current and kind = 'headline'

),

indicators as (

    select * from {{ ref('indicator_quarterly') }}

),

pairs as (

    select * from {{ ref('dim_pair') }}
    where is_started

),

scores as (

    select * from {{ ref('fct_survey_score') }}

),

followups as (

    select * from {{ ref('fct_followup') }}

),

calendar as (

    select * from {{ ref('followup_calendar') }}

),

surveys as (

    select * from {{ ref('int_surveys_matched') }}

),

-- results: what is known of each indicator in the last four quarters
latest as (

    select
        indicators.*,
        indicators.status not in ('planned', 'no_data') as has_data
    from indicators
    where
        indicators.period_view = 'rolling_4q'
        and indicators.quarter = (select max(last_quarter.quarter) from indicators as last_quarter)

),

by_indicator as (

    select
        definitions.indicator_code,
        definitions.result_code,
        coalesce(bool_or(latest.has_data and latest.split_value = 'short'), false) as has_short,
        coalesce(bool_or(latest.has_data and latest.split_value = 'long'), false) as has_long,
        coalesce(
            bool_or(
                latest.split_by = 'all' and latest.share is not null
                and latest.coverage >= {{ parameter('coverage_caution_min') }}
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
    from definitions
    left join latest on definitions.indicator_code = latest.indicator_code
    group by definitions.indicator_code, definitions.result_code

),

-- the tree: upwards from I1 along the edges
reaching_impact as (

    select node_code
    from nodes
    where level = 'impact'

    union

    select edges.from_node_code as node_code
    from reaching_impact
    inner join edges on reaching_impact.node_code = edges.to_node_code

),

descending as (

    select
        node_code as result_code,
        node_code
    from nodes
    where level = 'medium_term'

    union

    select
        descending.result_code,
        edges.from_node_code as node_code
    from descending
    inner join edges on descending.node_code = edges.to_node_code

),

results as (

    select
        descending.result_code,
        bool_or(nodes.level = 'activity') as has_activity,
        count(distinct result_indicators.indicator_code) as indicator_count,
        count(distinct definitions.instrument) as instrument_count
    from descending
    inner join nodes on descending.node_code = nodes.node_code
    left join result_indicators
        on
            descending.result_code = result_indicators.published_under_node_code
            and descending.node_code = result_indicators.node_code
    left join definitions on result_indicators.indicator_code = definitions.indicator_code
    group by descending.result_code

),

full_results as (

    select
        result_code,
        bool_or(is_published_fully) as is_published_fully
    from by_indicator
    group by result_code

),

-- a form without valid scores is no data from before: change can be computed from none of it
with_strict_baseline as (

    select pair_key
    from scores
    where
        form_id = 'f2_self_report'
        and is_strict_baseline
        and score is not null
        and assisted_by <> 'mentor'
    group by pair_key
    having count(distinct scale_code) = 3

),

last_window as (

    select max(window_ends_on) as last_ends_on
    from {{ ref('int_windows_opened') }}

),

-- 0: ended in the last twelve months up to the last quarter's end, 1: in the twelve before
ended_pairs as (

    select
        pairs.pair_key,
        extract(year from age(last_window.last_ends_on, pairs.ended_on)) as years_ago
    from pairs
    cross join last_window
    where pairs.ended_on <= last_window.last_ends_on

),

closed_followups as (

    select *
    from calendar
    where window_closes_on < {{ as_of_on() }}

),

followup_checks as (

    select
        'fu6_response' as check_code,
        6 as horizon
    union all
    select
        'fu12_response' as check_code,
        12 as horizon
    union all
    select
        'fu12_studied' as check_code,
        12 as horizon

),

baseline_checks as (

    select
        'baseline_strict' as check_code,
        'all' as form
    union all
    select
        'baseline_strict_short' as check_code,
        'short' as form

),

-- each measure: a share or a number to compare with the check's threshold; NULL: there is nothing to measure yet
measures as (

    select
        'tree_reaches_impact' as check_code,
        cast(count(reaching_impact.node_code) as double precision) / nullif(count(*), 0) as measured,
        false as is_not_yet_due
    from nodes
    left join reaching_impact on nodes.node_code = reaching_impact.node_code

    union all

    select
        'tree_edges_confirmed' as check_code,
        {{ share_where('edges.confirmed') }} as measured,
        false as is_not_yet_due
    from edges

    union all

    select
        'results_supported' as check_code,
        {{ share_where('results.has_activity and results.indicator_count > 0') }} as measured,
        false as is_not_yet_due
    from results

    union all

    select
        'results_with_two_instruments' as check_code,
        {{ share_where('results.instrument_count >= 2') }} as measured,
        false as is_not_yet_due
    from results

    union all

    select
        'definitions_complete' as check_code,
        {{ share_where(
            "num_nulls(
                definitions.name_ru, definitions.numerator_ru, definitions.denominator_ru,
                definitions.reference_date_ru, definitions.instrument
            ) = 0"
        ) }} as measured,
        false as is_not_yet_due
    from definitions

    union all

    select
        'definitions_approved' as check_code,
        cast(count(definitions.approved_on) as double precision) / nullif(count(*), 0) as measured,
        false as is_not_yet_due
    from definitions

    union all

    select
        followup_checks.check_code,
        cast(count(*) filter (where closed_followups.reach = 'completed') as double precision)
        / nullif(count(closed_followups.pair_key), 0) as measured,
        count(closed_followups.pair_key) = 0 as is_not_yet_due
    from followup_checks
    left join closed_followups on followup_checks.horizon = closed_followups.horizon
    group by followup_checks.check_code

    union all

    select
        'programme_graduates_answered' as check_code,
        cast(count(distinct followups.mentee_key) as double precision) as measured,
        not exists (select 1 from closed_followups) as is_not_yet_due
    from followups
    where
        followups.reach = 'completed'
        and followups.informant = 'mentee'

    union all

    select
        'endline_response' as check_code,
        cast(count(surveys.after_submission_key) as double precision) / nullif(count(*), 0) as measured,
        count(*) = 0 as is_not_yet_due
    from surveys
    where
        surveys.milestone = 'end'
        and surveys.is_window_closed
        and surveys.is_all_started

    union all

    select
        'sample_trend' as check_code,
        cast(count(*) filter (where ended_pairs.years_ago = 0) as double precision)
        / nullif(count(*) filter (where ended_pairs.years_ago = 1), 0) as measured,
        false as is_not_yet_due
    from ended_pairs

    union all

    select
        'indicators_by_form' as check_code,
        {{ share_where('by_indicator.has_short and by_indicator.has_long') }} as measured,
        false as is_not_yet_due
    from by_indicator

    union all

    select
        'short_form_indicators' as check_code,
        {{ share_where('by_indicator.has_short') }} as measured,
        false as is_not_yet_due
    from by_indicator

    union all

    select
        'indicators_covered' as check_code,
        {{ share_where('by_indicator.is_covered') }} as measured,
        false as is_not_yet_due
    from by_indicator

    union all

    select
        'results_published_fully' as check_code,
        {{ share_where('full_results.is_published_fully') }} as measured,
        false as is_not_yet_due
    from full_results

    union all

    select
        'mentors_cleared' as check_code,
        {{ share_where('pairs.is_mentor_cleared_at_start') }} as measured,
        false as is_not_yet_due
    from pairs

    union all

    select
        baseline_checks.check_code,
        cast(count(with_strict_baseline.pair_key) as double precision)
        / nullif(count(pairs.pair_key), 0) as measured,
        false as is_not_yet_due
    from baseline_checks
    left join pairs on baseline_checks.form in ('all', pairs.form)
    left join with_strict_baseline on pairs.pair_key = with_strict_baseline.pair_key
    group by baseline_checks.check_code

),

graded as (

    select
        checks.*,
        measures.measured,
        case
            when checks.not_computable_ru is not null or measures.check_code is null then 'not_computable'
            when measures.is_not_yet_due then 'not_yet_due'
            when measures.measured is null then 'not_computable'
            when measures.measured >= checks.threshold then 'met'
            when measures.measured > 0 then 'partial'
            else 'not_met'
        end as status
    from checks
    left join measures on checks.check_code = measures.check_code

),

final as (

    select
        graded.check_code,
        graded.recommendation_id,
        recommendations.section,
        recommendations.year,
        graded.status,
        case when graded.status not in ('not_computable', 'not_yet_due') then graded.measured end as measured,
        cast(graded.threshold as double precision) as threshold,
        graded.check_ru || case graded.status
            when 'not_computable' then ': не вычисляется — ' || coalesce(graded.not_computable_ru, 'пока нет данных')
            when 'not_yet_due' then ': срок ещё не наступил'
            else
                ': ' || replace(cast(trim_scale(round(cast(graded.measured as numeric), 2)) as text), '.', ',')
                || ' при пороге ' || replace(cast(graded.threshold as text), '.', ',')
        end as explanation_ru,
        graded.sort_order
    from graded
    inner join recommendations on graded.recommendation_id = recommendations.recommendation_id

)

select * from final
