with

source as (

    {{ current_versions(source('raw', 'r2_mentor')) }}

),

renamed as (

    select
        -- ids
        {{ submission_key() }} as submission_key,
        mentor_key,
        organisation_code,

        -- strings
        sex,

        -- numbers
        birth_year,

        -- dates
        criminal_record_on,
        criminal_record_valid_to,
        medical_on,
        medical_valid_to,
        interview_on,
        interview_valid_to,
        training_on,
        training_valid_to,

        -- times
        _submitted_at as submitted_at,
        _arrived_at as arrived_at
    from source

)

select * from renamed
