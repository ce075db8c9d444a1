with

cases as (

    select * from {{ ref('int_programme_cases') }}

),

pair_months as (

    select * from {{ ref('int_pair_months_counted') }}

),

-- as in M3: before the first meeting of all was logged a month without meetings is no data, not a dose of 0
first_log as (

    select min(month_starts_on) as month_starts_on
    from pair_months
    where meeting_count > 0

),

pairs as (

    select * from {{ ref('dim_pair') }}

),

mentees as (

    select * from {{ ref('dim_mentee') }}

),

measures as (

    select * from {{ ref('programme_measures') }}

),

windows as (

    select * from {{ ref('int_windows_opened') }}

),

-- what every measure is split by; a converted pair counts under long
pair_splits as (

    select
        pairs.pair_key,
        splits.split_by,
        splits.split_value
    from pairs
    left join mentees on pairs.mentee_key = mentees.mentee_key
    cross join
        lateral (
            values
            ('all', 'all'),
            ('form', pairs.reporting_form),
            ('group', pairs.mentee_group_at_start),
            ('sex', coalesce(mentees.sex, 'unknown'))
        ) as splits (split_by, split_value)

),

-- by quarter first: a window is made of whole quarters, and sums of sums are cheaper than rows in every window
case_counts as (

    select
        cases.measure_code,
        {{ quarter_starts_on('cases.event_on') }} as quarter_starts_on,
        pair_splits.split_by,
        pair_splits.split_value,
        count(*) as eligible,
        count(*) filter (where cases.is_measured) as measured,
        count(*) filter (where cases.is_measured and cases.is_achieved) as achieved,
        sum(cases.exposure) as exposure,
        sum(cases.exposure) filter (where cases.is_measured) as measured_exposure
    from cases
    inner join pair_splits on cases.pair_key = pair_splits.pair_key
    group by
        cases.measure_code,
        {{ quarter_starts_on('cases.event_on') }},
        pair_splits.split_by,
        pair_splits.split_value

    union all

    select
        cases.measure_code,
        {{ quarter_starts_on('cases.event_on') }} as quarter_starts_on,
        cases.own_split_by as split_by,
        cases.own_split_value as split_value,
        count(*) as eligible,
        count(*) filter (where cases.is_measured) as measured,
        count(*) filter (where cases.is_measured and cases.is_achieved) as achieved,
        sum(cases.exposure) as exposure,
        sum(cases.exposure) filter (where cases.is_measured) as measured_exposure
    from cases
    where cases.own_split_by is not null
    group by
        cases.measure_code, {{ quarter_starts_on('cases.event_on') }}, cases.own_split_by, cases.own_split_value

),

measure_splits as (

    select
        measures.measure_code,
        measures.indicator_code,
        measures.kind,
        measures.needs_monitoring,
        'all' as split_by,
        'all' as split_value
    from measures

    union

    select
        measures.measure_code,
        measures.indicator_code,
        measures.kind,
        measures.needs_monitoring,
        case_counts.split_by,
        case_counts.split_value
    from measures
    inner join case_counts on measures.measure_code = case_counts.measure_code

    union

    select
        measures.measure_code,
        measures.indicator_code,
        measures.kind,
        measures.needs_monitoring,
        pair_splits.split_by,
        pair_splits.split_value
    from measures
    cross join pair_splits
    where measures.kind = 'median'

),

-- of a rate the denominator is the exposure
cells as (

    select
        measure_splits.measure_code,
        measure_splits.indicator_code,
        measure_splits.kind,
        measure_splits.needs_monitoring,
        windows.quarter,
        windows.period_view,
        measure_splits.split_by,
        measure_splits.split_value,
        false as is_planned,
        cast(coalesce(sum(case measure_splits.kind
            when 'share' then case_counts.eligible
            else case_counts.exposure
        end), 0) as bigint) as eligible,
        cast(coalesce(sum(case measure_splits.kind
            when 'share' then case_counts.measured
            else case_counts.measured_exposure
        end), 0) as bigint) as measured,
        cast(coalesce(sum(case_counts.achieved), 0) as bigint) as achieved
    from measure_splits
    cross join windows
    left join case_counts
        on
            measure_splits.measure_code = case_counts.measure_code
            and measure_splits.split_by = case_counts.split_by
            and measure_splits.split_value = case_counts.split_value
            and case_counts.quarter_starts_on between windows.window_starts_on and windows.window_ends_on
    where measure_splits.kind <> 'median'
    group by
        measure_splits.measure_code,
        measure_splits.indicator_code,
        measure_splits.kind,
        measure_splits.needs_monitoring,
        windows.quarter,
        windows.period_view,
        measure_splits.split_by,
        measure_splits.split_value

),

suppressed as (

    {{ suppressed_cells('cells', table_keys=['measure_code', 'period_view', 'quarter']) }}

),

-- nobody told of harm, and too few were heard: that is insufficient monitoring, not safety
monitored as (

    select
        suppressed.*,
        suppressed.needs_monitoring
        and suppressed.measured > 0
        and suppressed.achieved = 0
        and coalesce(
            responses.achieved < {{ parameter('monitoring_min_response') }} * responses.measured
            or responses.measured = 0,
            true
        ) as is_unmonitored
    from suppressed
    left join cells as responses
        on
            responses.measure_code = 'M9_response'
            and suppressed.period_view = responses.period_view
            and suppressed.quarter = responses.quarter
            and suppressed.split_by = responses.split_by
            and suppressed.split_value = responses.split_value

),

shares as (

    select
        monitored.*,
        monitored.measured > 0 and not monitored.is_unmonitored as has_data,
        monitored.measured >= {{ parameter('percent_min_measured') }} and not monitored.is_unmonitored as has_share
    from monitored

),

doses as (

    select
        pair_months.pair_key,
        pair_months.month_starts_on,
        dose_measures.measure_code,
        dose_measures.units,
        case
            when pair_months.month_starts_on >= first_log.month_starts_on
                then cast(dose_measures.dose as double precision)
        end as dose
    from pair_months
    cross join first_log
    cross join
        lateral (
            values
            ('M2_hours', 60, pair_months.held_minutes),
            ('M2_meetings', 1, pair_months.meeting_count)
        ) as dose_measures (measure_code, units, dose)
    where pair_months.is_active_month

),

-- doses stay whole minutes and meetings until they have been added up: a sum of whole numbers is the same in any order
dose_counts as (

    select
        doses.measure_code,
        windows.quarter,
        windows.period_view,
        pair_splits.split_by,
        pair_splits.split_value,
        count(*) as eligible,
        count(doses.dose) as measured,
        count(distinct doses.pair_key) filter (where doses.dose is not null) as pair_count,
        sum(doses.dose) / max(doses.units) as total,
        percentile_cont(array[0.25, 0.5, 0.75]) within group (order by doses.dose) as quartiles,
        max(doses.units) as units
    from doses
    inner join pair_splits on doses.pair_key = pair_splits.pair_key
    inner join windows on doses.month_starts_on between windows.window_starts_on and windows.window_ends_on
    group by
        doses.measure_code,
        windows.quarter,
        windows.period_view,
        pair_splits.split_by,
        pair_splits.split_value

),

dose_cells as (

    select
        measure_splits.measure_code,
        measure_splits.indicator_code,
        windows.quarter,
        windows.period_view,
        measure_splits.split_by,
        measure_splits.split_value,
        coalesce(dose_counts.eligible, 0) as eligible,
        coalesce(dose_counts.measured, 0) as measured,
        coalesce(dose_counts.pair_count, 0) as pair_count,
        dose_counts.total,
        dose_counts.quartiles,
        dose_counts.units
    from measure_splits
    cross join windows
    left join dose_counts
        on
            measure_splits.measure_code = dose_counts.measure_code
            and windows.quarter = dose_counts.quarter
            and windows.period_view = dose_counts.period_view
            and measure_splits.split_by = dose_counts.split_by
            and measure_splits.split_value = dose_counts.split_value
    where measure_splits.kind = 'median'

),

-- a median adds up to nothing, so no hidden one follows from a margin; few pairs behind it would tell about them
dose_shown as (

    select
        dose_cells.*,
        dose_cells.measured >= {{ parameter('percent_min_measured') }}
        and dose_cells.pair_count >= {{ parameter('split_min_count') }} as is_shown
    from dose_cells

),

final as (

    select
        shares.quarter,
        shares.period_view,
        shares.indicator_code,
        shares.measure_code,
        shares.split_by,
        shares.split_value,
        case when shares.is_unmonitored then 'insufficient_monitoring' else shares.status end as status,
        shares.eligible,
        shares.measured as denominator,
        case when shares.has_data then cast(shares.achieved as double precision) end as numerator,
        case
            when shares.has_share
                then
                    case shares.kind when 'rate' then 100 else 1 end
                    * cast(shares.achieved as double precision) / shares.measured
        end as value,
        case
            when shares.has_share and shares.kind = 'rate'
                then 100 * {{ poisson_low('shares.achieved') }} / shares.measured
            when shares.has_share then {{ wilson_low('shares.achieved', 'shares.measured') }}
        end as ci_low,
        case
            when shares.has_share and shares.kind = 'rate'
                then 100 * {{ poisson_high('shares.achieved') }} / shares.measured
            when shares.has_share then {{ wilson_high('shares.achieved', 'shares.measured') }}
        end as ci_high,
        cast(null as double precision) as q1,
        cast(null as double precision) as q3,
        cast(shares.measured as double precision) / nullif(shares.eligible, 0) as coverage,
        shares.is_count_shown and not shares.is_unmonitored as is_count_shown,
        shares.is_share_shown and not shares.is_unmonitored as is_share_shown
    from shares

    union all

    select
        dose_shown.quarter,
        dose_shown.period_view,
        dose_shown.indicator_code,
        dose_shown.measure_code,
        dose_shown.split_by,
        dose_shown.split_value,
        case
            when dose_shown.measured = 0 then 'no_data'
            when dose_shown.is_shown then 'shown'
            else 'suppressed_small_n'
        end as status,
        dose_shown.eligible,
        dose_shown.measured as denominator,
        dose_shown.total as numerator,
        case when dose_shown.is_shown then dose_shown.quartiles[2] / dose_shown.units end as value,
        cast(null as double precision) as ci_low,
        cast(null as double precision) as ci_high,
        case when dose_shown.is_shown then dose_shown.quartiles[1] / dose_shown.units end as q1,
        case when dose_shown.is_shown then dose_shown.quartiles[3] / dose_shown.units end as q3,
        cast(dose_shown.measured as double precision) / nullif(dose_shown.eligible, 0) as coverage,
        dose_shown.is_shown or dose_shown.measured = 0 as is_count_shown,
        dose_shown.is_shown as is_share_shown
    from dose_shown

)

select * from final
