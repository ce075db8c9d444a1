with

surveys as (

    select * from {{ ref('int_surveys_matched') }}
    where is_all_started and is_baseline_strict and after_submission_key is not null

),

scores as (

    select * from {{ ref('int_surveys_scored') }}
    where score is not null

),

-- a mentor who has withdrawn the consent to monitoring says nothing any more
heard_pairs as (

    select pairs.pair_key
    from {{ ref('int_pairs_assembled') }} as pairs
    left join {{ ref('int_consents_withdrawn') }} as withdrawn
        on
            pairs.mentor_key = withdrawn.person_key
            and withdrawn.subject = 'mentor'
            and withdrawn.purpose = 'monitoring'
    where withdrawn.person_key is null

),

mentor_views as (

    select distinct on (surveys.pair_key, surveys.milestone_on)
        surveys.pair_key,
        surveys.milestone_on,
        feedback.change_sup
    from surveys
    inner join heard_pairs on surveys.pair_key = heard_pairs.pair_key
    inner join {{ ref('stg_f5_mentor_feedback') }} as feedback
        on
            surveys.pair_key = feedback.pair_key
            and feedback.change_sup is not null
            and feedback.filled_on between
            surveys.milestone_on - {{ parameter_int('feedback_lookback_days') }} and surveys.window_closes_on
    order by
        surveys.pair_key asc,
        surveys.milestone_on asc,
        feedback.filled_on desc,
        feedback.arrived_at desc,
        feedback.submission_key desc

),

observations as (

    select * from {{ ref('int_observations_matched') }}

),

cards as (

    select
        submission_key,
        observed_motivation
    from {{ ref('stg_f6_observation') }}

),

-- what the mentee tells beside what somebody else tells: 1 better, 0 the same, −1 worse, NULL not known
directions as (

    select
        surveys.pair_key,
        surveys.milestone_on,
        scales.scale_code,
        sign(cast(score_after.score - score_before.score as numeric)) as own_direction,
        case scales.scale_code
            when 'SUP' then sign(cast(mentor_views.change_sup as numeric))
            when 'LIF' then sign(cast(observations.score_after - observations.score_before as numeric))
            else sign(cast(cards_after.observed_motivation - cards_before.observed_motivation as numeric))
        end as other_direction
    from surveys
    cross join (values ('SUP'), ('LIF'), ('MOT')) as scales (scale_code)
    inner join scores as score_before
        on
            surveys.before_submission_key = score_before.submission_key
            and scales.scale_code = score_before.scale_code
    inner join scores as score_after
        on
            surveys.after_submission_key = score_after.submission_key
            and scales.scale_code = score_after.scale_code
    left join mentor_views
        on
            surveys.pair_key = mentor_views.pair_key
            and surveys.milestone_on = mentor_views.milestone_on
    left join observations
        on
            surveys.pair_key = observations.pair_key
            and surveys.milestone_on = observations.milestone_on
    left join cards as cards_before on observations.before_submission_key = cards_before.submission_key
    left join cards as cards_after on observations.after_submission_key = cards_after.submission_key

),

final as (

    select
        measures.measure_code,
        directions.pair_key,
        directions.milestone_on as event_on,
        'scale' as own_split_by,
        directions.scale_code as own_split_value,
        directions.other_direction is not null as is_measured,
        coalesce(
            case measures.measure_code
                when 'M10_confirmed' then directions.other_direction = 1
                else directions.own_direction * directions.other_direction = -1
            end,
            false
        ) as is_achieved,
        cast(null as bigint) as exposure
    from directions
    cross join (values ('M10_confirmed'), ('M10_conflict')) as measures (measure_code)
    -- a gain can be confirmed; a conflict is possible wherever both speak
    where measures.measure_code = 'M10_conflict' or directions.own_direction = 1

)


select * from final
