with

source as (

    {{ current_members(source('raw', 's1_supervision__mentors'), source('raw', 's1_supervision')) }}

),

renamed as (

    select
        -- ids
        {{ submission_key() }} as submission_key,
        mentor_key,

        -- numbers
        _position as member_number,

        -- times
        _submitted_at as submitted_at,
        _arrived_at as arrived_at
    from source

)

select * from renamed
