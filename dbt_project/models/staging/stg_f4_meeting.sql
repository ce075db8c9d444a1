{{ config(
    materialized='incremental',
    incremental_strategy='touched',
    unique_key='submission_key',
    touched_by=['raw.f4_meeting'],
    indexes=[{'columns': ['submission_key'], 'unique': true}],
) }}

with

source as (

    {{ current_versions(source('raw', 'f4_meeting')) }}

),

renamed as (

    select
        -- ids
        {{ submission_key() }} as submission_key,
        pair_key,

        -- strings
        mode,
        status,
        upper(activity) as activity,
        goals,

        -- numbers
        duration_min,
        cast(mentee_mood as integer) as mentee_mood,

        -- booleans
        {{ yes_no('concern') }} as has_concern,

        -- dates
        held_on,

        -- times
        start_time,
        _submitted_at as submitted_at,
        _arrived_at as arrived_at
    from source

)

select * from renamed
