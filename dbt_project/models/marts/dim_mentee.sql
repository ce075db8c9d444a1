with

registrations as (

    select distinct on (mentee_key) *
    from {{ ref('stg_r1_mentee') }}
    order by mentee_key asc, arrived_at desc, submission_key desc

),

statuses as (

    select * from {{ ref('int_mentee_statuses_dated') }}
    where
        valid_from <= {{ as_of_on() }}
        and (valid_to is null or valid_to >= {{ as_of_on() }})

),

monitored as (

    select distinct mentee_key
    from {{ ref('stg_r5_consent') }}
    where
        subject = 'mentee'
        and 'monitoring' = any(string_to_array(purposes, ' '))
        and valid_from <= {{ as_of_on() }}
        and (withdrawn_on is null or withdrawn_on > {{ as_of_on() }})

),

final as (

    select
        registrations.mentee_key,
        registrations.organisation_code,
        registrations.sex,
        coalesce(statuses.status, 'unknown') as current_status,
        cast(registrations.birth_year as integer) as birth_year,
        monitored.mentee_key is not null as has_monitoring_consent
    from registrations
    left join statuses on registrations.mentee_key = statuses.mentee_key
    left join monitored on registrations.mentee_key = monitored.mentee_key
    left join {{ ref('int_consents_withdrawn') }} as withdrawn
        on
            registrations.mentee_key = withdrawn.person_key
            and withdrawn.subject = 'mentee'
            and withdrawn.purpose = 'monitoring'
    where withdrawn.person_key is null

)

select * from final
