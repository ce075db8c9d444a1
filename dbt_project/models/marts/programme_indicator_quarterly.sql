-- nobody has counted what comes out of the union of all measures: the planner expects as many groups as rows, and would
-- sort them; of cells it expects one, and would compare each of them with every other
{{ config(sql_header="set work_mem = '64MB'; set jit = off; set enable_sort = off; set enable_nestloop = off;") }}

with

cases as (

    select * from {{ ref('int_programme_cases') }}

),

pair_months as (

    select * from {{ ref('int_pair_months_counted') }}

),

-- as in M3: before an organisation logged its first meeting a month without meetings is no data, not a dose of 0
first_logs as (

    select
        organisation_code,
        programme_code,
        min(month_starts_on) as month_starts_on
    from pair_months
    where meeting_count > 0
    group by organisation_code, programme_code

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

    select
        windows.*,
        dense_rank() over (order by windows.window_ends_on, windows.period_view) as window_number
    from {{ ref('int_organisation_windows_opened') }} as windows

),

organisations as (

    select distinct
        organisation_code,
        programme_code
    from windows

),

all_windows as (

    select distinct
        window_number,
        quarter,
        period_view,
        window_starts_on,
        window_ends_on
    from windows

),

pair_traits as (

    select
        pairs.pair_key,
        pairs.organisation_code,
        pairs.programme_code,
        pairs.reporting_form,
        pairs.mentee_group_at_start,
        coalesce(mentees.sex, 'unknown') as sex,
        dense_rank() over (
            order by
                pairs.organisation_code,
                pairs.programme_code,
                pairs.reporting_form,
                pairs.mentee_group_at_start,
                coalesce(mentees.sex, 'unknown')
        ) as trait_number
    from pairs
    left join mentees on pairs.mentee_key = mentees.mentee_key

),

-- what every measure is split by; a converted pair counts under long
trait_splits as (

    select
        traits.trait_number,
        traits.organisation_code,
        traits.programme_code,
        splits.split_by,
        splits.split_value,
        dense_rank() over (
            order by traits.organisation_code, traits.programme_code, splits.split_by, splits.split_value
        ) as split_number
    from (
        select distinct
            trait_number,
            organisation_code,
            programme_code,
            reporting_form,
            mentee_group_at_start,
            sex
        from pair_traits
    ) as traits
    cross join
        lateral (
            values
            ('all', 'all'),
            ('form', traits.reporting_form),
            ('group', traits.mentee_group_at_start),
            ('sex', traits.sex)
        ) as splits (split_by, split_value)

),

-- by quarter and by what pairs are first: windows and splits are made of these, and sums of sums are cheaper than rows
case_traits as (

    select
        cases.measure_code,
        pair_traits.organisation_code,
        pair_traits.programme_code,
        pair_traits.trait_number,
        cases.own_split_by,
        cases.own_split_value,
        {{ quarter_starts_on('cases.event_on') }} as quarter_starts_on,
        count(*) as eligible,
        count(*) filter (where cases.is_measured) as measured,
        count(*) filter (where cases.is_measured and cases.is_achieved) as achieved,
        sum(cases.exposure) as exposure,
        sum(cases.exposure) filter (where cases.is_measured) as measured_exposure
    from cases
    inner join pair_traits on cases.pair_key = pair_traits.pair_key
    group by
        cases.measure_code,
        pair_traits.organisation_code,
        pair_traits.programme_code,
        pair_traits.trait_number,
        cases.own_split_by,
        cases.own_split_value,
        {{ quarter_starts_on('cases.event_on') }}

),

case_splits as (

    select
        case_traits.*,
        trait_splits.split_by,
        trait_splits.split_value
    from case_traits
    inner join trait_splits on case_traits.trait_number = trait_splits.trait_number

    union all

    select
        case_traits.*,
        case_traits.own_split_by as split_by,
        case_traits.own_split_value as split_value
    from case_traits
    where case_traits.own_split_by is not null

),

case_counts as (

    select
        organisation_code,
        programme_code,
        measure_code,
        quarter_starts_on,
        split_by,
        split_value,
        sum(eligible) as eligible,
        sum(measured) as measured,
        sum(achieved) as achieved,
        sum(exposure) as exposure,
        sum(measured_exposure) as measured_exposure
    from case_splits
    group by organisation_code, programme_code, measure_code, quarter_starts_on, split_by, split_value

),

measure_splits as (

    select
        organisations.organisation_code,
        organisations.programme_code,
        measures.measure_code,
        measures.indicator_code,
        measures.kind,
        measures.needs_monitoring,
        'all' as split_by,
        'all' as split_value
    from measures
    cross join organisations

    union

    select
        case_counts.organisation_code,
        case_counts.programme_code,
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
        trait_splits.organisation_code,
        trait_splits.programme_code,
        measures.measure_code,
        measures.indicator_code,
        measures.kind,
        measures.needs_monitoring,
        trait_splits.split_by,
        trait_splits.split_value
    from measures
    cross join trait_splits
    where measures.kind = 'median'

),

-- of a rate the denominator is the exposure
cells as (

    select
        measure_splits.organisation_code,
        measure_splits.programme_code,
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
    inner join windows
        on
            measure_splits.organisation_code = windows.organisation_code
            and measure_splits.programme_code = windows.programme_code
    left join case_counts
        on
            measure_splits.organisation_code = case_counts.organisation_code
            and measure_splits.programme_code = case_counts.programme_code
            and measure_splits.measure_code = case_counts.measure_code
            and measure_splits.split_by = case_counts.split_by
            and measure_splits.split_value = case_counts.split_value
            and case_counts.quarter_starts_on between windows.window_starts_on and windows.window_ends_on
    where measure_splits.kind <> 'median'
    group by
        measure_splits.organisation_code,
        measure_splits.programme_code,
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

    {{ suppressed_cells(
        'cells',
        table_keys=['organisation_code', 'programme_code', 'measure_code', 'period_view', 'quarter']
    ) }}

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
            and suppressed.organisation_code = responses.organisation_code
            and suppressed.programme_code = responses.programme_code
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
        {{ quarter_starts_on('pair_months.month_starts_on') }} as quarter_starts_on,
        dose_measures.measure_code,
        dose_measures.units,
        case
            when pair_months.month_starts_on >= first_logs.month_starts_on
                then cast(dose_measures.dose as double precision)
        end as dose
    from pair_months
    left join first_logs
        on
            pair_months.organisation_code = first_logs.organisation_code
            and pair_months.programme_code = first_logs.programme_code
    cross join
        lateral (
            values
            ('M2_hours', 60, pair_months.held_minutes),
            ('M2_meetings', 1, pair_months.meeting_count)
        ) as dose_measures (measure_code, units, dose)
    where pair_months.is_active_month

),

-- doses stay whole minutes and meetings until they have been added up: a sum of whole numbers is the same in any order
dose_traits as (

    select
        doses.measure_code,
        doses.units,
        doses.quarter_starts_on,
        pair_traits.trait_number,
        doses.dose,
        count(*) as month_count
    from doses
    inner join pair_traits on doses.pair_key = pair_traits.pair_key
    group by doses.measure_code, doses.units, doses.quarter_starts_on, pair_traits.trait_number, doses.dose

),

-- numbers instead of names, as long as there are many rows to sort; units tell the two measures apart
dose_quarters as (

    select
        dose_traits.units,
        dose_traits.quarter_starts_on,
        trait_splits.split_number,
        dose_traits.dose,
        sum(dose_traits.month_count) as month_count
    from dose_traits
    inner join trait_splits on dose_traits.trait_number = trait_splits.trait_number
    group by dose_traits.units, dose_traits.quarter_starts_on, trait_splits.split_number, dose_traits.dose

),

-- how many months of a window had which dose; months without a dose come last and have no place among the others
dose_windows as (

    select
        dose_quarters.units,
        windows.window_number,
        dose_quarters.split_number,
        dose_quarters.dose,
        sum(dose_quarters.month_count) as month_count
    from dose_quarters
    inner join all_windows as windows
        on dose_quarters.quarter_starts_on between windows.window_starts_on and windows.window_ends_on
    group by dose_quarters.units, windows.window_number, dose_quarters.split_number, dose_quarters.dose

),

dose_places as (

    select
        dose_windows.*,
        sum(dose_windows.month_count) over (window_months order by dose_windows.dose) as last_place,
        cast(
            sum(case when dose_windows.dose is not null then dose_windows.month_count end) over window_months - 1
            as double precision
        ) as last_index
    from dose_windows
    window window_months as (partition by units, window_number, split_number)

),

-- percentile_cont of the months one by one: the dose at a place, between two places in proportion
dose_totals as (

    select
        units,
        window_number,
        split_number,
        cast(sum(month_count) as bigint) as eligible,
        cast(coalesce(max(last_index) + 1, 0) as bigint) as measured,
        sum(dose * month_count) / units as total,
        array[
            {% for share in (0.25, 0.5, 0.75) %}
                min(dose) filter (where last_place > floor({{ share }} * last_index))
                + (
                    min(dose) filter (where last_place > ceil({{ share }} * last_index))
                    - min(dose) filter (where last_place > floor({{ share }} * last_index))
                )
                * max({{ share }} * last_index - floor({{ share }} * last_index)){{ "," if not loop.last }}
            {% endfor %}
        ] as quartiles
    from dose_places
    group by units, window_number, split_number

),

-- a pair counts once in each window: in the first of its quarters there, the one whose quarter before lies outside
dose_pairs as (

    select
        dosed.units,
        dosed.quarter_starts_on,
        lag(dosed.quarter_starts_on) over (
            partition by dosed.units, dosed.pair_key
            order by dosed.quarter_starts_on
        ) as quarter_before,
        pair_traits.trait_number
    from (
        select distinct
            units,
            pair_key,
            quarter_starts_on
        from doses
        where dose is not null
    ) as dosed
    inner join pair_traits on dosed.pair_key = pair_traits.pair_key

),

dose_pair_traits as (

    select
        units,
        quarter_starts_on,
        quarter_before,
        trait_number,
        count(*) as pair_count
    from dose_pairs
    group by units, quarter_starts_on, quarter_before, trait_number

),

dose_pair_counts as (

    select
        dose_pair_traits.units,
        windows.window_number,
        trait_splits.split_number,
        cast(sum(dose_pair_traits.pair_count) as bigint) as pair_count
    from dose_pair_traits
    inner join all_windows as windows
        on
            dose_pair_traits.quarter_starts_on between windows.window_starts_on and windows.window_ends_on
            and (
                dose_pair_traits.quarter_before is null
                or dose_pair_traits.quarter_before < windows.window_starts_on
            )
    inner join trait_splits on dose_pair_traits.trait_number = trait_splits.trait_number
    group by dose_pair_traits.units, windows.window_number, trait_splits.split_number

),

split_names as (

    select distinct
        split_number,
        organisation_code,
        programme_code,
        split_by,
        split_value
    from trait_splits

),

dose_measures as (

    select distinct
        units,
        measure_code
    from dose_traits

),

dose_counts as (

    select
        split_names.organisation_code,
        split_names.programme_code,
        dose_measures.measure_code,
        windows.quarter,
        windows.period_view,
        split_names.split_by,
        split_names.split_value,
        dose_totals.*,
        dose_pair_counts.pair_count
    from dose_totals
    inner join all_windows as windows on dose_totals.window_number = windows.window_number
    inner join split_names on dose_totals.split_number = split_names.split_number
    inner join dose_measures on dose_totals.units = dose_measures.units
    left join dose_pair_counts
        on
            dose_totals.units = dose_pair_counts.units
            and dose_totals.window_number = dose_pair_counts.window_number
            and dose_totals.split_number = dose_pair_counts.split_number

),

dose_cells as (

    select
        measure_splits.organisation_code,
        measure_splits.programme_code,
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
    inner join windows
        on
            measure_splits.organisation_code = windows.organisation_code
            and measure_splits.programme_code = windows.programme_code
    left join dose_counts
        on
            measure_splits.organisation_code = dose_counts.organisation_code
            and measure_splits.programme_code = dose_counts.programme_code
            and measure_splits.measure_code = dose_counts.measure_code
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
        shares.organisation_code,
        shares.programme_code,
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
        dose_shown.organisation_code,
        dose_shown.programme_code,
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
