with

source as (

    {{ current_versions(source('raw', 'f8_incident')) }}

),

renamed as (

    select
        -- ids
        {{ submission_key() }} as submission_key,
        pair_key,

        -- strings
        cat as category,
        link as programme_link,
        raised_by,
        action as actions_taken,

        -- numbers
        cast(sev as integer) as severity,

        -- dates
        occurred_on,
        resolved_on,

        -- times
        reported_at,
        triaged_at,
        _submitted_at as submitted_at,
        _arrived_at as arrived_at
    from source

)

select * from renamed
