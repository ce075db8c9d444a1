with

measured as (

    select * from {{ ref('programme_indicator_quarterly') }}
    where split_by in ('all', 'form')

),

windows as (

    select * from {{ ref('int_organisation_windows_opened') }}

),

measure_codes as (

    select measure_code from (values ('M2_hours'), ('M2_meetings'), ('M4')) as codes (measure_code)

),

forms as (

    select form from (values ('all'), ('short'), ('long')) as codes (form)

),

-- a form of which nothing is known has its row all the same
final as (

    select
        windows.organisation_code,
        windows.programme_code,
        measure_codes.measure_code,
        windows.quarter,
        windows.period_view,
        forms.form,
        coalesce(measured.status, 'no_data') as status,
        case when measured.is_count_shown and measured.denominator > 0 then measured.numerator end as numerator,
        case when measured.is_count_shown and measured.denominator > 0 then measured.denominator end as denominator,
        case when measured.is_share_shown then measured.value end as value,
        case when measured.is_share_shown then measured.ci_low end as ci_low,
        case when measured.is_share_shown then measured.ci_high end as ci_high,
        case when measured.is_share_shown then measured.q1 end as q1,
        case when measured.is_share_shown then measured.q3 end as q3
    from windows
    cross join measure_codes
    cross join forms
    left join measured
        on
            windows.organisation_code = measured.organisation_code
            and windows.programme_code = measured.programme_code
            and measure_codes.measure_code = measured.measure_code
            and windows.quarter = measured.quarter
            and windows.period_view = measured.period_view
            and forms.form = measured.split_value

)

select * from final
