with

registrations as (

    select * from {{ ref('stg_r1_mentee') }}

),

-- two forms about the same first day: the one that arrived last holds
first_days as (

    select distinct on (mentee_key, status_from)
        mentee_key,
        status_from,
        status
    from registrations
    order by mentee_key asc, status_from asc, arrived_at desc, submission_key desc

),

final as (

    select
        mentee_key,
        status,
        status_from as valid_from,
        lead(status_from) over (partition by mentee_key order by status_from) - 1 as valid_to
    from first_days

)

select * from final
