with

source as (

    {{ current_members(source('raw', 's2_plan__goals'), source('raw', 's2_plan')) }}

),

renamed as (

    select
        -- ids
        {{ submission_key() }} as submission_key,
        _position as member_number,

        -- strings
        domain as need_domain,

        -- numbers
        goal_no as goal_number,
        cast(attainment as integer) as attainment,

        -- dates
        reviewed_on,

        -- times
        _submitted_at as submitted_at,
        _arrived_at as arrived_at
    from source

)

select * from renamed
