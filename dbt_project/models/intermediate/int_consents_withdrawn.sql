with

consents as (

    select
        consents.subject,
        coalesce(consents.mentee_key, consents.mentor_key) as person_key,
        purposes.purpose,
        consents.given_by,
        consents.given_by = 'self' or consents.subject = 'mentor' as is_own,
        coalesce(consents.has_child_assent, consents.given_by = 'self' or consents.subject = 'mentor') as is_agreed,
        consents.valid_from,
        case when consents.withdrawn_on <= {{ as_of_on() }} then consents.withdrawn_on end as withdrawn_on
    from {{ ref('stg_r5_consent') }} as consents
    cross join lateral unnest(string_to_array(consents.purposes, ' ')) as purposes (purpose)
    where consents.valid_from <= {{ as_of_on() }}

),

registrations as (

    select distinct on (mentee_key)
        mentee_key,
        birth_year
    from {{ ref('stg_r1_mentee') }}
    order by mentee_key asc, arrived_at desc, submission_key desc

),

withdrawals as (

    select
        subject,
        person_key,
        purpose,
        max(withdrawn_on) as withdrawn_on,
        max(withdrawn_on) filter (where is_own) as own_withdrawn_on
    from consents
    where person_key is not null
    group by subject, person_key, purpose
    having max(withdrawn_on) is not null

),

-- what was signed after the withdrawal brings a person back, and a representative cannot end an adult's own consent
in_force as (

    select distinct
        withdrawals.subject,
        withdrawals.person_key,
        withdrawals.purpose
    from withdrawals
    inner join consents
        on
            withdrawals.subject = consents.subject
            and withdrawals.person_key = consents.person_key
            and withdrawals.purpose = consents.purpose
    left join registrations on withdrawals.person_key = registrations.mentee_key
    where
        consents.withdrawn_on is null
        and consents.is_agreed
        and (
            consents.valid_from > withdrawals.withdrawn_on
            or (
                consents.is_own
                and (withdrawals.own_withdrawn_on is null or consents.valid_from > withdrawals.own_withdrawn_on)
                and extract(year from withdrawals.withdrawn_on) - registrations.birth_year
                >= 18
            )
        )

),

final as (

    select
        withdrawals.subject,
        withdrawals.person_key,
        withdrawals.purpose,
        withdrawals.withdrawn_on
    from withdrawals
    left join in_force
        on
            withdrawals.subject = in_force.subject
            and withdrawals.person_key = in_force.person_key
            and withdrawals.purpose = in_force.purpose
    where in_force.person_key is null

)

select * from final
