{{ config(
    materialized='incremental',
    incremental_strategy='touched',
    unique_key='submission_key',
    touched_by=['raw.f6_observation'],
    indexes=[{'columns': ['submission_key'], 'unique': true}],
) }}

with

source as (

    {{ current_versions(source('raw', 'f6_observation')) }}

),

renamed as (

    select
        -- ids
        {{ submission_key() }} as submission_key,
        pair_key,

        -- strings
        _form_version as form_version,
        wave,
        observer,
        basis,
        adapt_level as adaptation_level,
        obs_money,
        obs_shopping,
        obs_food,
        obs_cleaning,
        obs_transport,
        obs_offices,
        obs_help,
        obs_conflict,
        obs_study,
        obs_work,

        -- numbers
        cast(mot_obs as integer) as observed_motivation,
        adults_out as adult_count,

        -- dates
        filled_on,

        -- times
        _submitted_at as submitted_at,
        _arrived_at as arrived_at
    from source

)

select * from renamed
