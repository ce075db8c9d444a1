with

source as (

    {{ current_versions(source('raw', 'f9_closure')) }}

),

renamed as (

    select
        -- ids
        {{ submission_key() }} as submission_key,
        pair_key,

        -- strings
        initiator,
        reason,

        -- booleans
        {{ yes_no('planned') }} as is_planned,
        {{ yes_no('bye') }} as had_farewell,
        {{ yes_no('warned14') }} as was_warned_14_days,
        {{ yes_no('after_agree') }} as has_agreement_after,
        {{ yes_no('rematch') }} as wants_rematch,

        -- dates
        ended_on,

        -- times
        _submitted_at as submitted_at,
        _arrived_at as arrived_at
    from source

)

select * from renamed
