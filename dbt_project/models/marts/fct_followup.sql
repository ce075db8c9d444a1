with

followups as (

    select * from {{ ref('stg_f7_followup') }}

),

pairs as (

    select * from {{ ref('int_pairs_assembled') }}

),

scheduled as (

    select * from {{ ref('int_followups_scheduled') }}

),

final as (

    select
        followups.submission_key as followup_key,
        followups.pair_key,
        pairs.mentee_key,
        pairs.organisation_code,
        pairs.programme_code,
        followups.informant,
        followups.reach,
        followups.contact_frequency,
        followups.contact_initiator,
        followups.occupation,
        followups.horizon,
        cast(followups.attempt_count as integer) as attempt_count,
        cast(followups.channel_count as integer) as channel_count,
        cast(followups.adult_count_without_mentor as integer) as adult_count_without_mentor,
        followups.filled_on - followups.last_contact_on as days_since_contact,
        followups.is_in_contact,
        followups.got_worse,
        coalesce(
            followups.filled_on between scheduled.window_opens_on and scheduled.window_closes_on, false
        ) as is_in_window,
        coalesce(followups.submission_key = scheduled.followup_submission_key, false) as is_counted,
        scheduled.due_on,
        followups.filled_on,
        followups.last_contact_on
    from followups
    inner join pairs on followups.pair_key = pairs.pair_key
    left join scheduled
        on
            followups.pair_key = scheduled.pair_key
            and followups.horizon = scheduled.horizon

)

select * from final
