with

milestones as (

    select * from {{ ref('int_pair_milestones_scheduled') }}

),

scores as (

    select * from {{ ref('int_surveys_scored') }}
    where scale_code = 'OBS'

),

-- a card that the pair's mentor filled in has no score
cards as (

    select
        observations.*,
        scores.score,
        {{ instrument_major('f6_observation', 'observations.form_version') }} as major_version
    from {{ ref('stg_f6_observation') }} as observations
    inner join scores on observations.submission_key = scores.submission_key

),

-- a card with a score before one without, then the nearest
afters as (

    select distinct on (milestones.pair_key, milestones.milestone_on)
        milestones.pair_key,
        milestones.milestone_on,
        cards.submission_key,
        cards.major_version,
        cards.score
    from milestones
    inner join cards
        on
            milestones.pair_key = cards.pair_key
            and milestones.wave = cards.wave
            and cards.filled_on between milestones.window_opens_on and milestones.window_closes_on
    order by
        milestones.pair_key asc,
        milestones.milestone_on asc,
        cards.score is not null desc,
        abs(cards.filled_on - milestones.milestone_on) asc,
        cards.arrived_at desc,
        cards.submission_key desc

),

-- strict: a card from before the practice, one with a score before one without, the latest
befores as (

    select distinct on (milestones.pair_key, milestones.milestone_on)
        milestones.pair_key,
        milestones.milestone_on,
        cards.submission_key,
        cards.score
    from milestones
    inner join afters
        on
            milestones.pair_key = afters.pair_key
            and milestones.milestone_on = afters.milestone_on
    inner join cards
        on
            milestones.pair_key = cards.pair_key
            and cards.wave = 'baseline'
            and afters.major_version = cards.major_version
            and milestones.start_on >= cards.filled_on
    order by
        milestones.pair_key asc,
        milestones.milestone_on asc,
        cards.score is not null desc,
        cards.filled_on desc,
        cards.arrived_at desc,
        cards.submission_key desc

),

final as (

    select
        milestones.*,
        afters.submission_key as after_submission_key,
        befores.submission_key as before_submission_key,
        befores.score as score_before,
        afters.score as score_after
    from milestones
    left join afters
        on
            milestones.pair_key = afters.pair_key
            and milestones.milestone_on = afters.milestone_on
    left join befores
        on
            milestones.pair_key = befores.pair_key
            and milestones.milestone_on = befores.milestone_on

)

select * from final
