with

source as (

    {{ current_versions(source('raw', 'f1_needs')) }}

),

renamed as (

    select
        -- ids
        {{ submission_key() }} as submission_key,
        mentee_key,

        -- strings
        source as assessed_from,
        form_pref as preferred_form,

        -- numbers
        cast(need_support as integer) as need_support,
        cast(need_life as integer) as need_life,
        cast(need_house as integer) as need_house,
        cast(need_comm as integer) as need_comm,
        cast(need_study as integer) as need_study,
        cast(need_work as integer) as need_work,
        cast(need_world as integer) as need_world,
        cast(need_admin as integer) as need_admin,

        -- dates
        filled_on,

        -- times
        _submitted_at as submitted_at,
        _arrived_at as arrived_at
    from source

)

select * from renamed
