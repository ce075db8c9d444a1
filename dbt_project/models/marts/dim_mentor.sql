with

registrations as (

    select distinct on (mentor_key) *
    from {{ ref('stg_r2_mentor') }}
    order by mentor_key asc, arrived_at desc, submission_key desc

),

final as (

    select
        registrations.mentor_key,
        registrations.organisation_code,
        registrations.sex,
        cast(registrations.birth_year as integer) as birth_year,
        {{ is_cleared('registrations', as_of_on()) }} as is_cleared
    from registrations
    left join {{ ref('int_consents_withdrawn') }} as withdrawn
        on
            registrations.mentor_key = withdrawn.person_key
            and withdrawn.subject = 'mentor'
            and withdrawn.purpose = 'monitoring'
    where withdrawn.person_key is null

)

select * from final
