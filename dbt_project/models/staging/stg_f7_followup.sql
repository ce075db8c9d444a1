{{ config(
    materialized='incremental',
    incremental_strategy='touched',
    unique_key='submission_key',
    touched_by=['raw.f7_followup'],
    indexes=[{'columns': ['submission_key'], 'unique': true}],
) }}

with

source as (

    {{ current_versions(source('raw', 'f7_followup')) }}

),

renamed as (

    select
        -- ids
        {{ submission_key() }} as submission_key,
        pair_key,

        -- strings
        _form_version as form_version,
        informant,
        reach,
        freq as contact_frequency,
        initiator as contact_initiator,
        status as occupation,
        wording,
        sup1,
        sup2,
        sup3,
        sup4r,
        sup5,

        -- numbers
        cast(horizon as integer) as horizon,
        attempts as attempt_count,
        channels as channel_count,
        sup_n_xm as adult_count_without_mentor,

        -- booleans
        {{ yes_no('contact') }} as is_in_contact,
        {{ yes_no('worse') }} as got_worse,

        -- dates
        filled_on,
        last_on as last_contact_on,

        -- times
        _submitted_at as submitted_at,
        _arrived_at as arrived_at
    from source

)

select * from renamed
