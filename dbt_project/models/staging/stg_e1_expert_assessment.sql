with

source as (

    {{ current_versions(source('raw', 'e1_expert_assessment')) }}

),

renamed as (

    select
        -- ids
        {{ submission_key() }} as submission_key,
        organisation_code,
        programme_code,

        -- numbers
        year as assessment_year,

        -- dates
        assessed_on,

        -- times
        _submitted_at as submitted_at,
        _arrived_at as arrived_at
    from source

)

select * from renamed
