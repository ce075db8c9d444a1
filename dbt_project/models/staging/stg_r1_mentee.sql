with

source as (

    {{ current_versions(source('raw', 'r1_mentee')) }}

),

renamed as (

    select
        -- ids
        {{ submission_key() }} as submission_key,
        mentee_key,
        organisation_code,

        -- strings
        record,
        sex,
        status,

        -- numbers
        birth_year,

        -- dates
        status_from,

        -- times
        _submitted_at as submitted_at,
        _arrived_at as arrived_at
    from source

)

select * from renamed
