with

source as (

    select * from {{ source('published', 'releases') }}
    where
        state = 'released'
        and released_at <= {{ as_of_at() }}

),

renamed as (

    select
        -- ids
        release_id,
        organisation_code,
        programme_code,
        quarter,

        -- numbers
        revision,

        -- times
        cutoff_at,
        released_at
    from source

)

select * from renamed
