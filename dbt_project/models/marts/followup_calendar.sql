with

scheduled as (

    select * from {{ ref('int_followups_scheduled') }}

),

pairs as (

    select * from {{ ref('int_pairs_assembled') }}

),

-- who has died is not asked again; who has withdrawn the consent to be asked has no follow-up left in scheduled
deceased as (

    select distinct pairs.mentee_key
    from {{ ref('stg_f7_followup') }} as followups
    inner join pairs on followups.pair_key = pairs.pair_key
    where followups.reach = 'died'

),

final as (

    select
        pairs.organisation_code,
        pairs.programme_code,
        scheduled.pair_key,
        pairs.reporting_form as form,
        scheduled.horizon,
        case
            when scheduled.followup_submission_key is not null then 'done'
            when scheduled.is_window_closed then 'missed'
            when scheduled.window_opens_on <= {{ as_of_on() }} then 'open'
            else 'not_yet_due'
        end as state,
        scheduled.reach,
        scheduled.followup_submission_key is null
        and not scheduled.is_window_closed
        and scheduled.due_on <= {{ as_of_on() }} + {{ parameter_int('followup_ahead_days') }} as is_due_soon,
        scheduled.due_on,
        scheduled.window_opens_on,
        scheduled.window_closes_on
    from scheduled
    inner join pairs on scheduled.pair_key = pairs.pair_key
    left join deceased on scheduled.mentee_key = deceased.mentee_key
    where
        scheduled.followup_submission_key is not null
        or scheduled.is_window_closed
        or deceased.mentee_key is null

)

select * from final
