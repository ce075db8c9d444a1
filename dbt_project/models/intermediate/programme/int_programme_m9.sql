with

pairs as (

    select * from {{ ref('int_pairs_assembled') }}

),

incidents as (

    select * from {{ ref('stg_f8_incident') }}

),

months as (

    select * from {{ ref('int_pair_months_counted') }}
    where is_active_month

),

surveys as (

    select * from {{ ref('int_surveys_matched') }}
    where is_all_started and is_window_closed

),

scores as (

    select * from {{ ref('int_surveys_scored') }}

),

spreads as (

    select
        scales.scale_code,
        cast(sd.value as double precision) * sqrt(2 * (1 - cast(r.value as double precision))) as spread
    from (values ('SUP'), ('LIF'), ('MOT')) as scales (scale_code)
    inner join {{ parameters_in_force() }} as sd on 'sd1_' || lower(scales.scale_code) = sd.parameter_code
    inner join {{ parameters_in_force() }} as r on 'reliability_' || lower(scales.scale_code) = r.parameter_code

),

-- reliable deterioration: RC = (after − before) / (SD1 · √2 · √(1 − r)) at or below −1.96
deteriorations as (

    select
        'M9_deteriorated' as measure_code,
        surveys.pair_key,
        surveys.milestone_on as event_on,
        'scale' as own_split_by,
        spreads.scale_code as own_split_value,
        score_after.score is not null and score_before.score is not null as is_measured,
        coalesce(
            (score_after.score - score_before.score) / nullif(spreads.spread, 0)
            <= -cast({{ parameter('reliable_change_min') }} as double precision),
            false
        ) as is_achieved,
        cast(null as bigint) as exposure
    from surveys
    cross join spreads
    left join scores as score_before
        on
            surveys.before_submission_key = score_before.submission_key
            and surveys.is_baseline_strict
            and spreads.scale_code = score_before.scale_code
    left join scores as score_after
        on
            surveys.after_submission_key = score_after.submission_key
            and spreads.scale_code = score_after.scale_code

),

reporting_organisations as (

    select distinct
        pairs.organisation_code,
        pairs.programme_code
    from incidents
    inner join pairs on incidents.pair_key = pairs.pair_key

),

-- an incident adds to the numerator, an active month to the exposure; of an organisation without a single F8 nothing is
-- known of either
exposures as (

    select
        'M9_incidents' as measure_code,
        months.pair_key,
        months.month_starts_on as event_on,
        cast(null as text) as own_split_by,
        cast(null as text) as own_split_value,
        reporting_organisations.organisation_code is not null as is_measured,
        false as is_achieved,
        cast(1 as bigint) as exposure
    from months
    left join reporting_organisations
        on
            months.organisation_code = reporting_organisations.organisation_code
            and months.programme_code = reporting_organisations.programme_code

),

linked_incidents as (

    select
        'M9_incidents' as measure_code,
        incidents.pair_key,
        incidents.occurred_on as event_on,
        cast(null as text) as own_split_by,
        cast(null as text) as own_split_value,
        true as is_measured,
        true as is_achieved,
        cast(0 as bigint) as exposure
    from incidents
    inner join pairs on incidents.pair_key = pairs.pair_key
    where incidents.programme_link in ('definite', 'possible')

),

harms as (

    select
        pair_key,
        filled_on,
        'f3' as instrument,
        was_unsafe as was_harmed
    from {{ ref('stg_f3_mentee_feedback') }}
    where assisted_by <> 'mentor'

    union all

    select
        pair_key,
        filled_on,
        'f7' as instrument,
        got_worse as was_harmed
    from {{ ref('stg_f7_followup') }}
    where reach = 'completed'

),

reports as (

    select
        'M9_reported' as measure_code,
        harms.pair_key,
        harms.filled_on as event_on,
        'instrument' as own_split_by,
        harms.instrument as own_split_value,
        harms.was_harmed is not null as is_measured,
        coalesce(harms.was_harmed, false) as is_achieved,
        cast(null as bigint) as exposure
    from harms
    inner join pairs on harms.pair_key = pairs.pair_key

),

abrupt_incidents as (

    select distinct pair_key
    from incidents
    where category = 'abrupt_end'

),

-- neither a farewell nor a warning, or an incident that says so; one of the two is enough to know that it was not
abrupt_endings as (

    select
        'M9_abrupt' as measure_code,
        pairs.pair_key,
        pairs.ended_on as event_on,
        cast(null as text) as own_split_by,
        cast(null as text) as own_split_value,
        abrupt_incidents.pair_key is not null
        or (pairs.had_farewell or pairs.was_warned_14_days) is not null as is_measured,
        abrupt_incidents.pair_key is not null
        or coalesce(not (pairs.had_farewell or pairs.was_warned_14_days), false) as is_achieved,
        cast(null as bigint) as exposure
    from pairs
    left join abrupt_incidents on pairs.pair_key = abrupt_incidents.pair_key
    where pairs.is_started and pairs.is_ended and not pairs.is_converted

),

final as (

    select * from deteriorations
    union all
    select * from exposures
    union all
    select * from linked_incidents
    union all
    select * from reports
    union all
    select * from abrupt_endings

)


select * from final
