with

-- a converted pair has no follow-up, and its mentee has not left the programme
followups as (

    select * from {{ ref('int_followups_scheduled') }}
    where horizon = 12

),

surveys as (

    select * from {{ ref('int_surveys_matched') }}
    where milestone = 'end'

),

told_on_the_phone as (

    select * from {{ ref('stg_f7_followup') }}
    where reach = 'completed' and informant = 'mentee'

),

written as (

    select * from {{ ref('stg_f2_self_report') }}
    where wave = 'fu12' and assisted_by <> 'mentor'

),

occupations as (

    select
        followups.pair_key,
        1 as precedence,
        written.submission_key,
        written.occupation,
        written.filled_on,
        written.arrived_at
    from followups
    inner join written
        on
            followups.pair_key = written.pair_key
            and written.filled_on between followups.window_opens_on and followups.window_closes_on

    union all

    select
        followups.pair_key,
        2 as precedence,
        told_on_the_phone.submission_key,
        told_on_the_phone.occupation,
        told_on_the_phone.filled_on,
        told_on_the_phone.arrived_at
    from followups
    inner join told_on_the_phone on followups.followup_submission_key = told_on_the_phone.submission_key

),

-- what the person wrote goes before what he or she said to the specialist, an answer before none, the latest first
answers as (

    select distinct on (pair_key) *
    from occupations
    order by
        pair_key asc,
        occupation is not null desc,
        precedence asc,
        filled_on desc,
        arrived_at desc,
        submission_key desc

),

final as (

    select
        followups.pair_key,
        followups.mentee_key,
        'end' as milestone,
        followups.due_on as event_on,
        followups.ended_on as cohort_on,
        surveys.milestone_group_on as group_on,
        -- not yet due is not missing: nobody is eligible before the window has closed
        followups.is_all_started
        and followups.is_window_closed
        and surveys.mentee_group_at_milestone = 'graduate' as is_eligible,
        followups.is_window_closed,
        answers.pair_key is not null as is_reached,
        answers.occupation is not null as is_measured,
        coalesce(answers.occupation in ('study', 'work', 'both'), false) as is_achieved,
        cast(null as boolean) as is_deteriorated,
        cast(null as double precision) as value_before,
        cast(cast(answers.occupation in ('study', 'work', 'both') as integer) as double precision) as value_after
    from followups
    inner join surveys on followups.pair_key = surveys.pair_key
    left join answers on followups.pair_key = answers.pair_key

)

select * from final
