{{ config(
    materialized='incremental',
    incremental_strategy='touched',
    unique_key='submission_key',
    touched_by=['raw.f3_mentee_feedback'],
    indexes=[{'columns': ['submission_key'], 'unique': true}],
) }}

with

source as (

    {{ current_versions(source('raw', 'f3_mentee_feedback')) }}

),

renamed as (

    select
        -- ids
        {{ submission_key() }} as submission_key,
        pair_key,

        -- strings
        wave,
        assisted_by,
        fb1,
        fb2,
        fb3,
        fb4,
        fb5r,
        fb6r,
        fb7,

        -- numbers
        cast(fb_all as integer) as overall_rating,

        -- booleans
        {{ yes_no('fb_safe') }} as was_unsafe,

        -- dates
        filled_on,

        -- times
        _submitted_at as submitted_at,
        _arrived_at as arrived_at
    from source

)

select * from renamed
