with

source as (

    {{ current_versions(source('raw', 'f5_mentor_feedback')) }}

),

renamed as (

    select
        -- ids
        {{ submission_key() }} as submission_key,
        pair_key,

        -- strings
        wave,
        ms1,
        ms2,
        ms3r,
        ms4r,
        ms5,
        ms6,
        ms7,

        -- numbers
        cast(ch_sup as integer) as change_sup,
        cast(ch_lif as integer) as change_lif,
        cast(ch_mot as integer) as change_mot,
        burnout,

        -- dates
        filled_on,

        -- times
        _submitted_at as submitted_at,
        _arrived_at as arrived_at
    from source

)

select * from renamed
