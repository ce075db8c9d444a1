with

observations as (

    select * from {{ ref('int_observations_matched') }}

),

final as (

    select
        pair_key,
        mentee_key,
        milestone,
        milestone_on as event_on,
        milestone_on as cohort_on,
        start_on as group_on,
        is_all_started and mentee_group_at_start = 'ward' as is_eligible,
        is_window_closed,
        after_submission_key is not null as is_reached,
        score_before is not null and score_after is not null as is_measured,
        coalesce(score_after > score_before, false) as is_achieved,
        score_after < score_before as is_deteriorated,
        score_before as value_before,
        score_after as value_after
    from observations

)

select * from final
