with

source as (

    {{ current_versions(source('raw', 'r5_consent')) }}

),

renamed as (

    select
        -- ids
        {{ submission_key() }} as submission_key,
        mentee_key,
        mentor_key,

        -- strings
        subject,
        purposes,
        given_by,

        -- booleans
        {{ yes_no('child_assent') }} as has_child_assent,

        -- dates
        valid_from,
        withdrawn_on,

        -- times
        _submitted_at as submitted_at,
        _arrived_at as arrived_at
    from source

)

select * from renamed
