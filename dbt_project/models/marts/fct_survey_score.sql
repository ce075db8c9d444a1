{{ config(
    materialized='incremental',
    incremental_strategy='touched',
    unique_key=['submission_key', 'scale_code'],
    touched_by=['int_surveys_scored'],
    touched_with={'int_pair_periods_kept': 'pair_key'},
    indexes=[{'columns': ['submission_key', 'scale_code'], 'unique': true}],
    on_schema_change='fail',
) }}

with

scores as (

    select * from {{ ref('int_surveys_scored') }}

),

pairs as (

    select * from {{ ref('int_pair_periods_kept') }}

),

final as (

    select
        scores.submission_key,
        scores.scale_code,
        scores.form_id,
        scores.pair_key,
        pairs.mentee_key,
        pairs.organisation_code,
        pairs.programme_code,
        scores.wave,
        scores.wording,
        scores.assisted_by,
        cast(scores.item_count as integer) as item_count,
        cast(scores.valid_item_count as integer) as valid_item_count,
        scores.score,
        scores.wave = 'baseline' and scores.filled_on <= pairs.start_on as is_strict_baseline,
        scores.filled_on
    from scores
    inner join pairs on scores.pair_key = pairs.pair_key

)

select * from final
