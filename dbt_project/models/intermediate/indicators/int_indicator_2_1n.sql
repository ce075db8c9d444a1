with

surveys as (

    select * from {{ ref('int_surveys_matched') }}

),

self_reports as (

    select * from {{ ref('stg_f2_self_report') }}

),

counted as (

    select
        surveys.*,
        case
            when report_before.adult_count_without_mentor between 0 and 20
                then cast(report_before.adult_count_without_mentor as double precision)
        end as value_before,
        case
            when report_after.adult_count_without_mentor between 0 and 20
                then cast(report_after.adult_count_without_mentor as double precision)
        end as value_after
    from surveys
    left join self_reports as report_before
        on
            surveys.before_submission_key = report_before.submission_key
            and surveys.is_baseline_strict
    left join self_reports as report_after on surveys.after_submission_key = report_after.submission_key

),

final as (

    select
        pair_key,
        mentee_key,
        milestone,
        milestone_on as event_on,
        milestone_on as cohort_on,
        start_on as group_on,
        is_all_started as is_eligible,
        is_window_closed,
        after_submission_key is not null as is_reached,
        value_before is not null and value_after is not null as is_measured,
        coalesce(value_after > value_before, false) as is_achieved,
        value_after < value_before as is_deteriorated,
        value_before,
        value_after
    from counted

)

select * from final
