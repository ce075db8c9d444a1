with

followups as (

    select * from {{ ref('int_followups_scheduled') }}
    where horizon = 6

),

judged as (

    select
        followups.*,
        followups.followup_submission_key is not null and followups.reach = 'completed' as is_completed,
        {{ is_contact_kept('followups') }} as is_contact_kept
    from followups

),

final as (

    select
        judged.pair_key,
        judged.mentee_key,
        'end' as milestone,
        judged.due_on as event_on,
        judged.ended_on as cohort_on,
        pairs.start_on as group_on,
        -- not yet due is not missing: nobody is eligible before the window has closed
        judged.is_all_started and judged.is_window_closed as is_eligible,
        judged.is_window_closed,
        judged.is_completed as is_reached,
        judged.is_contact_kept is not null as is_measured,
        coalesce(judged.is_contact_kept, false) as is_achieved,
        cast(null as boolean) as is_deteriorated,
        cast(null as double precision) as value_before,
        cast(cast(judged.is_contact_kept as integer) as double precision) as value_after
    from judged
    inner join {{ ref('int_pairs_assembled') }} as pairs on judged.pair_key = pairs.pair_key

)

select * from final
