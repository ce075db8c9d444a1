with

source as (

    {{ current_versions(source('raw', 's1_supervision')) }}

),

renamed as (

    select
        -- ids
        {{ submission_key() }} as submission_key,
        supervisor_key,

        -- strings
        kind,

        -- numbers
        duration_min,

        -- dates
        held_on,

        -- times
        _submitted_at as submitted_at,
        _arrived_at as arrived_at
    from source

)

select * from renamed
