with

followups as (

    select * from {{ ref('int_followups_scheduled') }}
    where is_all_started

),

surveys as (

    select * from {{ ref('int_surveys_matched') }}
    where milestone = 'end' and is_baseline_strict

),

scores as (

    select * from {{ ref('int_surveys_scored') }}

),

self_reports as (

    select * from {{ ref('stg_f2_self_report') }}

),

-- what there is to sustain: results 1 to 3 that were positive when the pair ended
positives as (

    select
        results.result_code,
        results.scale_code,
        indicators.pair_key
    from {{ ref('int_indicators_united') }} as indicators
    inner join (
        values ('1.1', 'R1', 'MOT'), ('2.1', 'R2', 'SUP'), ('3.1', 'R3', 'LIF')
    ) as results (indicator_code, result_code, scale_code) on indicators.indicator_code = results.indicator_code
    where
        indicators.milestone = 'end'
        and indicators.is_eligible
        and indicators.is_reached
        and indicators.is_measured
        and indicators.is_achieved

),

-- of the follow-up's window the valid F2 before the scale in F7, the latest first
answers as (

    select distinct on (followups.pair_key, followups.horizon, scores.scale_code)
        followups.pair_key,
        followups.horizon,
        scores.scale_code,
        scores.score,
        scores.wording,
        scores.major_version,
        self_reports.intent
    from followups
    inner join scores
        on
            followups.pair_key = scores.pair_key
            and scores.score is not null
            and (
                followups.followup_submission_key = scores.submission_key
                or (
                    scores.form_id = 'f2_self_report'
                    and scores.wave = 'fu' || followups.horizon
                    and scores.assisted_by <> 'mentor'
                    and scores.filled_on between followups.window_opens_on and followups.window_closes_on
                )
            )
    left join self_reports on scores.submission_key = self_reports.submission_key
    order by
        followups.pair_key asc,
        followups.horizon asc,
        scores.scale_code asc,
        scores.form_id asc,
        scores.filled_on desc,
        scores.arrived_at desc,
        scores.submission_key desc

),

baselines as (

    select
        surveys.pair_key,
        scores.scale_code,
        scores.score,
        scores.wording,
        scores.major_version
    from surveys
    inner join scores on surveys.before_submission_key = scores.submission_key

),

contacts as (

    select
        followups.*,
        'contact' as result_code,
        {{ is_contact_kept('followups') }} as is_sustained
    from followups

),

-- 1.1 is a level, 2.1 and 3.1 are a gain over the same baseline, asked in the same words and the same major version
results as (

    select
        followups.*,
        positives.result_code,
        case
            when positives.result_code = 'R1'
                then
                    answers.score >= {{ parameter('motivation_min_score') }}
                    and answers.intent in ('study', 'work', 'both')
            when answers.wording = baselines.wording and answers.major_version = baselines.major_version
                then answers.score > baselines.score
        end as is_sustained
    from followups
    inner join positives on followups.pair_key = positives.pair_key
    left join answers
        on
            followups.pair_key = answers.pair_key
            and followups.horizon = answers.horizon
            and positives.scale_code = answers.scale_code
    left join baselines
        on
            followups.pair_key = baselines.pair_key
            and positives.scale_code = baselines.scale_code
    -- motivation and life skills are not asked after six months
    where followups.horizon = 12 or positives.result_code = 'R2'

),

united as (

    select * from contacts
    union all
    select * from results

),

final as (

    select
        united.result_code,
        united.horizon,
        united.pair_key,
        united.mentee_key,
        united.mentee_group_at_start,
        case
            when not united.is_window_closed then 'not_yet_due'
            when united.reach = 'completed' or united.is_sustained is not null then 'completed'
            when united.reach in ('refused', 'unreachable') then united.reach
            when united.reach in ('moved', 'died') then 'gone'
            else 'missed'
        end as state,
        case when united.is_window_closed then united.is_sustained end as is_sustained,
        united.ended_on
    from united

)

select * from final
