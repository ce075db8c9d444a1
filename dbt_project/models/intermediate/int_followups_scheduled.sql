with

pairs as (

    select * from {{ ref('int_pairs_assembled') }}
    where is_started and is_ended

),

horizons as (

    select
        6 as horizon,
        {{ parameter_int('fu6_opens_days_before') }} as days_before,
        {{ parameter_int('fu6_closes_days_after') }} as days_after
    union all
    select
        12 as horizon,
        {{ parameter_int('fu12_opens_days_before') }} as days_before,
        {{ parameter_int('fu12_closes_days_after') }} as days_after

),

-- a converted pair goes on as another: its mentee has not left the programme, there is nothing to follow up
due as (

    select
        pairs.pair_key,
        pairs.mentee_key,
        pairs.mentee_group_at_start,
        horizons.horizon,
        pairs.active_days >= {{ parameter('started_min_active_days') }} as is_all_started,
        pairs.ended_on,
        {{ months_after('pairs.ended_on', 'horizons.horizon') }} as due_on,
        horizons.days_before,
        horizons.days_after
    from pairs
    cross join horizons
    where not pairs.is_converted

),

windows as (

    select
        due.pair_key,
        due.mentee_key,
        due.mentee_group_at_start,
        due.horizon,
        due.is_all_started,
        due.due_on + due.days_after < {{ as_of_on() }} as is_window_closed,
        due.ended_on,
        due.due_on,
        due.due_on - due.days_before as window_opens_on,
        due.due_on + due.days_after as window_closes_on
    from due

),

-- nobody is asked after having withdrawn the consent to it: such a follow-up is not due, and not missing either
withdrawals as (

    select
        person_key as mentee_key,
        withdrawn_on
    from {{ ref('int_consents_withdrawn') }}
    where subject = 'mentee' and purpose = 'followup'

),

followups as (

    select * from {{ ref('stg_f7_followup') }}

),

-- of several attempts the one that tells most: completed by the mentee, completed by another, the last of the rest
answers as (

    select distinct on (windows.pair_key, windows.horizon)
        windows.pair_key,
        windows.horizon,
        followups.submission_key,
        followups.informant,
        followups.reach,
        followups.is_in_contact,
        followups.got_worse,
        followups.filled_on,
        followups.last_contact_on
    from windows
    inner join followups
        on
            windows.pair_key = followups.pair_key
            and windows.horizon = followups.horizon
            and followups.filled_on between windows.window_opens_on and windows.window_closes_on
    left join withdrawals on windows.mentee_key = withdrawals.mentee_key
    where withdrawals.withdrawn_on is null or followups.filled_on < withdrawals.withdrawn_on
    order by
        windows.pair_key asc,
        windows.horizon asc,
        followups.reach = 'completed' desc,
        followups.informant = 'mentee' desc,
        followups.filled_on desc,
        followups.arrived_at desc,
        followups.submission_key desc

),

final as (

    select
        windows.*,
        answers.submission_key as followup_submission_key,
        answers.informant,
        answers.reach,
        answers.is_in_contact,
        answers.got_worse,
        answers.filled_on,
        answers.last_contact_on
    from windows
    left join answers
        on
            windows.pair_key = answers.pair_key
            and windows.horizon = answers.horizon
    left join withdrawals on windows.mentee_key = withdrawals.mentee_key
    where
        withdrawals.withdrawn_on is null
        or answers.pair_key is not null
        or windows.window_closes_on < withdrawals.withdrawn_on

)

select * from final
