-- of cells the planner expects few, and would compare each with every other of its organisation
{{ config(sql_header="set work_mem = '64MB'; set jit = off; set enable_nestloop = off; set enable_mergejoin = off;") }}

with

outcomes as (

    select * from {{ ref('fct_indicator_outcome') }}
    where is_eligible

),

definitions as (

    select * from {{ ref('indicator_definitions') }}
    where is_current

),

-- which versions of which parameters an indicator was computed with
parameter_versions as (

    select
        definitions.indicator_code,
        string_agg(
            in_force.parameter_code || ' v' || in_force.parameter_version || ' = ' || trim_scale(in_force.value),
            '; '
            order by in_force.parameter_code
        ) as parameter_versions
    from definitions
    inner join {{ parameters_in_force() }} as in_force
        on in_force.parameter_code = any(string_to_array(definitions.parameters, ' '))
    group by definitions.indicator_code

),

windows as (

    select * from {{ ref('int_organisation_windows_opened') }}

),

-- counted once for each combination of the splits, so that a split adds up counts and does not go through people again
combinations as (

    select
        organisation_code,
        programme_code,
        indicator_code,
        period_view,
        quarter,
        form,
        mentee_group,
        sex,
        age_band,
        count(*) as eligible,
        count(*) filter (where is_due) as due,
        count(*) filter (where is_reached) as reached,
        count(*) filter (where is_measured) as measured,
        count(*) filter (where is_achieved) as achieved,
        count(is_deteriorated) as deterioration_known,
        count(*) filter (where is_deteriorated) as deteriorated,
        count(is_at_ceiling) as ceiling_known,
        count(*) filter (where is_at_ceiling) as at_ceiling,
        count(*) filter (where is_completer) as completers_eligible,
        count(*) filter (where is_completer and is_measured) as completers_measured,
        count(*) filter (where is_completer and is_achieved) as completers_achieved
    from outcomes
    group by
        organisation_code, programme_code, indicator_code, period_view, quarter, form, mentee_group, sex, age_band

),

outcome_splits as (

    select
        combinations.*,
        splits.split_by,
        splits.split_value
    from combinations
    cross join
        lateral (
            values
            ('all', 'all'),
            ('form', combinations.form),
            ('group', combinations.mentee_group),
            ('sex', combinations.sex),
            ('age_band', combinations.age_band)
        ) as splits (split_by, split_value)

),

split_values as (

    select
        organisation_code,
        programme_code,
        'all' as split_by,
        'all' as split_value
    from windows
    union
    select
        organisation_code,
        programme_code,
        split_by,
        split_value
    from outcome_splits

),

counts as (

    select
        organisation_code,
        programme_code,
        indicator_code,
        period_view,
        quarter,
        split_by,
        split_value,
        cast(sum(eligible) as bigint) as eligible,
        cast(sum(due) as bigint) as due,
        cast(sum(reached) as bigint) as reached,
        cast(sum(measured) as bigint) as measured,
        cast(sum(achieved) as bigint) as achieved,
        cast(sum(deterioration_known) as bigint) as deterioration_known,
        cast(sum(deteriorated) as bigint) as deteriorated,
        cast(sum(ceiling_known) as bigint) as ceiling_known,
        cast(sum(at_ceiling) as bigint) as at_ceiling,
        cast(sum(completers_eligible) as bigint) as completers_eligible,
        cast(sum(completers_measured) as bigint) as completers_measured,
        cast(sum(completers_achieved) as bigint) as completers_achieved
    from outcome_splits
    group by organisation_code, programme_code, indicator_code, period_view, quarter, split_by, split_value

),

-- a planned indicator stays planned until the window in which somebody is eligible for the first time
first_eligible as (

    select
        organisation_code,
        programme_code,
        indicator_code,
        min(event_date) as first_event_on,
        min(cohort_on) as first_cohort_on
    from outcomes
    group by organisation_code, programme_code, indicator_code

),

cells as (

    select
        windows.organisation_code,
        windows.programme_code,
        definitions.indicator_code,
        windows.period_view,
        windows.quarter,
        split_values.split_by,
        split_values.split_value,
        definitions.definition_version,
        definitions.kind,
        parameter_versions.parameter_versions,
        definitions.status = 'planned'
        and coalesce(
            case windows.period_view
                when 'cohort_year' then first_eligible.first_cohort_on
                else first_eligible.first_event_on
            end > windows.window_ends_on,
            true
        ) as is_planned,
        coalesce(counts.eligible, 0) as eligible,
        coalesce(counts.due, 0) as due,
        coalesce(counts.reached, 0) as reached,
        coalesce(counts.measured, 0) as measured,
        coalesce(counts.achieved, 0) as achieved,
        coalesce(counts.deterioration_known, 0) as deterioration_known,
        coalesce(counts.deteriorated, 0) as deteriorated,
        coalesce(counts.ceiling_known, 0) as ceiling_known,
        coalesce(counts.at_ceiling, 0) as at_ceiling,
        coalesce(counts.completers_eligible, 0) as completers_eligible,
        coalesce(counts.completers_measured, 0) as completers_measured,
        coalesce(counts.completers_achieved, 0) as completers_achieved
    from definitions
    cross join windows
    inner join split_values
        on
            windows.organisation_code = split_values.organisation_code
            and windows.programme_code = split_values.programme_code
    left join parameter_versions on definitions.indicator_code = parameter_versions.indicator_code
    left join first_eligible
        on
            windows.organisation_code = first_eligible.organisation_code
            and windows.programme_code = first_eligible.programme_code
            and definitions.indicator_code = first_eligible.indicator_code
    left join counts
        on
            windows.organisation_code = counts.organisation_code
            and windows.programme_code = counts.programme_code
            and definitions.indicator_code = counts.indicator_code
            and windows.period_view = counts.period_view
            and windows.quarter = counts.quarter
            and split_values.split_by = counts.split_by
            and split_values.split_value = counts.split_value

),

suppressed as (

    {{ suppressed_cells(
        'cells',
        table_keys=['organisation_code', 'programme_code', 'indicator_code', 'period_view', 'quarter']
    ) }}

),

-- bounds are shares too: they are given from the same number of measured people on as the share
shares as (

    select
        suppressed.*,
        not suppressed.is_planned and suppressed.measured > 0 as has_data,
        not suppressed.is_planned
        and suppressed.measured >= {{ parameter('percent_min_measured') }} as has_share,
        not suppressed.is_planned
        and suppressed.completers_measured >= {{ parameter('percent_min_measured') }} as has_completers_share,
        cast(suppressed.measured as double precision) / nullif(suppressed.eligible, 0) as covered
    from suppressed

),

final as (

    select
        organisation_code,
        programme_code,
        quarter,
        period_view,
        indicator_code,
        kind,
        split_by,
        split_value,
        definition_version,
        parameter_versions,
        status,
        case
            when is_planned or covered is null then null
            when covered >= cast({{ parameter('coverage_publish_min') }} as double precision) then 'publish'
            when covered >= cast({{ parameter('coverage_caution_min') }} as double precision) then 'caution'
            else 'no_headline'
        end as coverage_band,
        case when not is_planned then eligible end as eligible,
        case when not is_planned then due end as due,
        case when not is_planned then reached end as reached,
        case when not is_planned then measured end as measured,
        case when has_data then achieved end as achieved,
        case when has_data and deterioration_known > 0 then deteriorated end as deteriorated,
        case when has_data and deterioration_known > 0 then deterioration_known end as deterioration_known,
        case when has_share then cast(achieved as double precision) / measured end as share,
        case when has_share then {{ wilson_low('achieved', 'measured') }} end as ci_low,
        case when has_share then {{ wilson_high('achieved', 'measured') }} end as ci_high,
        case when not is_planned then covered end as coverage,
        case when has_share then cast(achieved as double precision) / eligible end as worst_case,
        case
            when has_share then cast(achieved + eligible - measured as double precision) / eligible
        end as best_case,
        case when has_data and ceiling_known > 0 then at_ceiling end as at_ceiling,
        case when not is_planned then completers_eligible end as completers_eligible,
        case when not is_planned then completers_measured end as completers_measured,
        case when has_data and completers_measured > 0 then completers_achieved end as completers_achieved,
        case
            when has_completers_share then cast(completers_achieved as double precision) / completers_measured
        end as completers_share,
        case
            when has_completers_share then {{ wilson_low('completers_achieved', 'completers_measured') }}
        end as completers_ci_low,
        case
            when has_completers_share then {{ wilson_high('completers_achieved', 'completers_measured') }}
        end as completers_ci_high,
        is_count_shown,
        is_share_shown,
        is_public_shown
    from shares

)

select * from final
