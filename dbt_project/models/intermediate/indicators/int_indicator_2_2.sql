with

milestones as (

    select * from {{ ref('int_pair_milestones_scheduled') }}

),

-- a form that a mentor helped to fill in is quarantined on its way in; this keeps it out whatever happens there
feedback_forms as (

    select * from {{ ref('stg_f3_mentee_feedback') }}
    where assisted_by <> 'mentor'

),

scores as (

    select * from {{ ref('int_surveys_scored') }}
    where scale_code = 'FB'

),

scored_forms as (

    select
        feedback_forms.*,
        scores.score,
        scores.score is not null and feedback_forms.overall_rating is not null as is_valid
    from feedback_forms
    inner join scores on feedback_forms.submission_key = scores.submission_key

),

-- the valid endline form around the end, else the latest valid form of the 90 days before; at an anniversary the
-- latest of the 90 days up to it. A form that cannot be scored stands only where there is no other.
counted_forms as (

    select distinct on (milestones.pair_key, milestones.milestone_on)
        milestones.pair_key,
        milestones.milestone_on,
        scored_forms.submission_key,
        scored_forms.is_valid,
        scored_forms.score,
        scored_forms.overall_rating,
        scored_forms.was_unsafe,
        scored_forms.filled_on
    from milestones
    inner join scored_forms
        on
            milestones.pair_key = scored_forms.pair_key
            and (
                scored_forms.filled_on between
                milestones.milestone_on - {{ parameter_int('feedback_lookback_days') }} and milestones.milestone_on
                or (
                    milestones.milestone = 'end'
                    and scored_forms.wave = 'endline'
                    and scored_forms.filled_on between milestones.window_opens_on and milestones.window_closes_on
                )
            )
    order by
        milestones.pair_key asc,
        milestones.milestone_on asc,
        scored_forms.is_valid desc,
        milestones.milestone = 'end'
        and scored_forms.wave = 'endline'
        and scored_forms.filled_on between milestones.window_opens_on and milestones.window_closes_on desc,
        scored_forms.filled_on desc,
        scored_forms.arrived_at desc,
        scored_forms.submission_key desc

),

final as (

    select
        milestones.pair_key,
        milestones.mentee_key,
        milestones.milestone,
        milestones.milestone_on as event_on,
        milestones.milestone_on as cohort_on,
        milestones.start_on as group_on,
        milestones.is_all_started as is_eligible,
        case milestones.milestone
            when 'end' then milestones.is_window_closed
            else milestones.milestone_on < {{ as_of_on() }}
        end as is_window_closed,
        counted_forms.submission_key is not null as is_reached,
        coalesce(counted_forms.is_valid, false) as is_measured,
        coalesce(
            counted_forms.score >= {{ parameter('feedback_min_score') }}
            and counted_forms.overall_rating >= {{ parameter('feedback_min_score') }}
            and counted_forms.was_unsafe is not true,
            false
        ) as is_achieved,
        -- feedback on a mentor has no before
        cast(null as boolean) as is_deteriorated,
        cast(null as double precision) as value_before,
        counted_forms.score as value_after
    from milestones
    left join counted_forms
        on
            milestones.pair_key = counted_forms.pair_key
            and milestones.milestone_on = counted_forms.milestone_on

)

select * from final
