with

source as (

    {{ current_versions(source('raw', 'r4_pair_event')) }}

),

renamed as (

    select
        -- ids
        {{ submission_key() }} as submission_key,
        pair_key,

        -- strings
        from_state,
        to_state,
        initiator,

        -- dates
        occurred_on,

        -- times
        _submitted_at as submitted_at,
        _arrived_at as arrived_at
    from source

)

select * from renamed
