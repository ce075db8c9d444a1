with

windows as (

    select * from {{ ref('int_windows_opened') }}

),

forms as (

    select form from (values ('all'), ('short'), ('long')) as codes (form)

),

cells as (

    select
        windows.*,
        forms.form
    from windows
    cross join forms

),

pair_months as (

    select * from {{ ref('int_pair_months_counted') }}
    where is_active_month

),

pairs as (

    select * from {{ ref('dim_pair') }}
    where is_started and is_ended

),

doses as (

    select
        pair_months.pair_key,
        pair_months.reporting_form,
        pair_months.month_starts_on,
        measures.measure_code,
        cast(measures.dose as double precision) as dose
    from pair_months
    cross join
        lateral (
            values
            ('M2_hours', pair_months.held_minutes),
            ('M2_meetings', pair_months.meeting_count)
        ) as measures (measure_code, dose)

),

-- doses stay whole minutes and meetings until they have been added up: a sum of whole numbers is the same in any order
measure_codes as (

    select
        measure_code,
        units
    from (values ('M2_hours', 60), ('M2_meetings', 1)) as codes (measure_code, units)

),

dose_cells as (

    select
        measure_codes.measure_code,
        cells.quarter,
        cells.period_view,
        cells.form,
        sum(doses.dose) / measure_codes.units as numerator,
        count(doses.dose) as denominator,
        count(distinct doses.pair_key) as pair_count,
        percentile_cont(0.5) within group (order by doses.dose) / measure_codes.units as value,
        percentile_cont(0.25) within group (order by doses.dose) / measure_codes.units as q1,
        percentile_cont(0.75) within group (order by doses.dose) / measure_codes.units as q3
    from cells
    cross join measure_codes
    left join doses
        on
            measure_codes.measure_code = doses.measure_code
            and doses.month_starts_on between cells.window_starts_on and cells.window_ends_on
            and cells.form in ('all', doses.reporting_form)
    group by measure_codes.measure_code, measure_codes.units, cells.quarter, cells.period_view, cells.form

),

-- a median adds up to nothing, so no hidden one follows from a margin; few pairs behind it would tell about them
dose_measures as (

    select
        measure_code,
        quarter,
        period_view,
        form,
        case
            when denominator = 0 then 'no_data'
            when
                denominator < {{ parameter('percent_min_measured') }}
                or pair_count < {{ parameter('split_min_count') }}
                then 'suppressed_small_n'
            else 'shown'
        end as status,
        numerator,
        denominator,
        value,
        q1,
        q3
    from dose_cells

),

closure_cells as (

    select
        cells.quarter,
        cells.period_view,
        cells.form,
        case cells.form when 'all' then 'all' else 'form' end as split_by,
        cells.form as split_value,
        count(pairs.pair_key) as measured,
        count(pairs.pair_key) filter (where pairs.is_closed_early) as achieved,
        false as is_planned
    from cells
    left join pairs
        on
            pairs.ended_on between cells.window_starts_on and cells.window_ends_on
            and cells.form in ('all', pairs.reporting_form)
    group by cells.quarter, cells.period_view, cells.form

),

closures_suppressed as (

    {{ suppressed_cells('closure_cells', table_keys=['period_view', 'quarter']) }}

),

final as (

    select
        dose_measures.measure_code,
        dose_measures.quarter,
        dose_measures.period_view,
        dose_measures.form,
        dose_measures.status,
        case when dose_measures.status = 'shown' then dose_measures.numerator end as numerator,
        case when dose_measures.status = 'shown' then dose_measures.denominator end as denominator,
        case when dose_measures.status = 'shown' then dose_measures.value end as value,
        cast(null as double precision) as ci_low,
        cast(null as double precision) as ci_high,
        case when dose_measures.status = 'shown' then dose_measures.q1 end as q1,
        case when dose_measures.status = 'shown' then dose_measures.q3 end as q3
    from dose_measures

    union all

    select
        'M4' as measure_code,
        closures_suppressed.quarter,
        closures_suppressed.period_view,
        closures_suppressed.form,
        closures_suppressed.status,
        case
            when closures_suppressed.is_count_shown and closures_suppressed.measured > 0
                then cast(closures_suppressed.achieved as double precision)
        end as numerator,
        case
            when closures_suppressed.is_count_shown and closures_suppressed.measured > 0
                then closures_suppressed.measured
        end as denominator,
        case
            when closures_suppressed.is_share_shown
                then cast(closures_suppressed.achieved as double precision) / closures_suppressed.measured
        end as value,
        case
            when closures_suppressed.is_share_shown
                then {{ wilson_low('closures_suppressed.achieved', 'closures_suppressed.measured') }}
        end as ci_low,
        case
            when closures_suppressed.is_share_shown
                then {{ wilson_high('closures_suppressed.achieved', 'closures_suppressed.measured') }}
        end as ci_high,
        cast(null as double precision) as q1,
        cast(null as double precision) as q3
    from closures_suppressed

)

select * from final
