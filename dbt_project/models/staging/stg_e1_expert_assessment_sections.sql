with

source as (

    {{ current_members(source('raw', 'e1_expert_assessment__sections'), source('raw', 'e1_expert_assessment')) }}

),

renamed as (

    select
        -- ids
        {{ submission_key() }} as submission_key,
        _position as member_number,

        -- strings
        section as section_code,
        level as level_code,

        -- times
        _submitted_at as submitted_at,
        _arrived_at as arrived_at
    from source

)

select * from renamed
