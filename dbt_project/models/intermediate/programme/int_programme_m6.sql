with

pairs as (

    select * from {{ ref('int_pairs_assembled') }}

),

surveys as (

    select * from {{ ref('int_surveys_matched') }}
    where milestone = 'end' and is_all_started and is_window_closed

),

scores as (

    select * from {{ ref('int_surveys_scored') }}
    where form_id = 'f2_self_report' and score is not null

),

-- who could be lost: a valid scale by the start, whatever its wording
baselines as (

    select distinct on (pairs.pair_key, scores.scale_code)
        pairs.pair_key,
        pairs.organisation_code,
        pairs.programme_code,
        scores.scale_code,
        scores.score
    from pairs
    inner join scores
        on
            pairs.pair_key = scores.pair_key
            and scores.wave = 'baseline'
            and scores.assisted_by <> 'mentor'
            and pairs.start_on >= scores.filled_on
    order by
        pairs.pair_key asc,
        scores.scale_code asc,
        scores.filled_on desc,
        scores.arrived_at desc,
        scores.submission_key desc

),

followed as (

    select
        surveys.pair_key,
        surveys.milestone_on,
        baselines.organisation_code,
        baselines.programme_code,
        baselines.scale_code,
        baselines.score,
        endlines.submission_key is null as is_lost
    from surveys
    inner join baselines on surveys.pair_key = baselines.pair_key
    left join scores as endlines
        on
            surveys.after_submission_key = endlines.submission_key
            and baselines.scale_code = endlines.scale_code

),

-- of one organisation the same limits in every window, or a mentee would change tertile from quarter to quarter
tertiles as (

    select
        organisation_code,
        programme_code,
        scale_code,
        percentile_cont(1 / 3.0) within group (order by score) as lower_limit,
        percentile_cont(2 / 3.0) within group (order by score) as upper_limit
    from followed
    group by organisation_code, programme_code, scale_code

),

final as (

    select
        'M6_' || lower(followed.scale_code) as measure_code,
        followed.pair_key,
        followed.milestone_on as event_on,
        'baseline_tertile' as own_split_by,
        case
            when followed.score <= tertiles.lower_limit then 'low'
            when followed.score <= tertiles.upper_limit then 'middle'
            else 'high'
        end as own_split_value,
        true as is_measured,
        followed.is_lost as is_achieved,
        cast(null as bigint) as exposure
    from followed
    inner join tertiles
        on
            followed.organisation_code = tertiles.organisation_code
            and followed.programme_code = tertiles.programme_code
            and followed.scale_code = tertiles.scale_code

)


select * from final
