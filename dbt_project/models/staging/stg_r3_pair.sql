with

source as (

    {{ current_versions(source('raw', 'r3_pair')) }}

),

renamed as (

    select
        -- ids
        {{ submission_key() }} as submission_key,
        pair_key,
        mentee_key,
        mentor_key,
        previous_pair_key,
        coalesce(organisation_code, 'unknown') as organisation_code,
        coalesce(programme_code, 'unknown') as programme_code,

        -- strings
        intake_code,
        form,

        -- dates
        proposed_on,
        start_on,
        planned_end_on,

        -- times
        _submitted_at as submitted_at,
        _arrived_at as arrived_at
    from source

)

select * from renamed
