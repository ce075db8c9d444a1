with

pairs as (

    select * from {{ ref('stg_r3_pair') }}

),

registered as (

    select distinct
        organisation_code,
        programme_code
    from pairs

),

-- where nobody is registered yet every table says so once, instead of being empty
final as (

    select
        organisation_code,
        programme_code
    from registered
    union all
    select
        'unknown' as organisation_code,
        'unknown' as programme_code
    where not exists (select * from registered)

)

select * from final
