with

surveys as (

    select * from {{ ref('int_surveys_matched') }}

),

scores as (

    select * from {{ ref('int_surveys_scored') }}
    where scale_code = 'MOT'

),

statuses as (

    select * from {{ ref('int_mentee_statuses_dated') }}

),

dated as (

    select
        surveys.*,
        coalesce(surveys.after_filled_on, surveys.milestone_on) as group_on,
        score_before.score as value_before,
        score_after.score as value_after
    from surveys
    left join scores as score_before
        on
            surveys.before_submission_key = score_before.submission_key
            and surveys.is_baseline_strict
    left join scores as score_after on surveys.after_submission_key = score_after.submission_key

),

final as (

    select
        '1.1' as indicator_code,
        dated.pair_key,
        dated.mentee_key,
        dated.milestone,
        dated.milestone_on as event_on,
        dated.milestone_on as cohort_on,
        dated.group_on,
        dated.is_all_started and coalesce(statuses.status = 'graduate', false) as is_eligible,
        dated.is_window_closed,
        dated.after_submission_key is not null as is_reached,
        dated.value_after is not null and dated.after_intent is not null as is_measured,
        coalesce(
            dated.value_after >= {{ parameter('motivation_min_score') }}
            and dated.after_intent in ('study', 'work', 'both'),
            false
        ) as is_achieved,
        dated.value_after < dated.value_before as is_deteriorated,
        dated.value_before,
        dated.value_after
    from dated
    left join statuses
        on
            dated.mentee_key = statuses.mentee_key
            and dated.group_on >= statuses.valid_from
            and (statuses.valid_to is null or dated.group_on <= statuses.valid_to)

)

select * from final
