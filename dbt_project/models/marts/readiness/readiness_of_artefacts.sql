with

checks as (

    select * from {{ ref('readiness_checks') }}
    where artefact_kind is not null

),

-- what nobody has seen yet, and what is not issued yet as of the cut-off, is no document
artefacts as (

    select * from {{ ref('artefacts') }}
    where
        confirmed
        and issued_on <= {{ as_of_on() }}

),

-- a report of which only the year is known may have come on any day of it
assessments as (

    select max(coalesce(assessed_on, make_date(year, 12, 31))) as last_on
    from {{ ref('expert_levels') }}
    where is_confirmed

),

counted as (

    select
        checks.check_code,
        count(artefacts.artefact_code) as registered,
        count(*) filter (
            where
            artefacts.artefact_code is not null
            and coalesce(artefacts.valid_to >= {{ as_of_on() }}, true)
            and (not checks.is_after_assessment or coalesce(artefacts.issued_on > assessments.last_on, true))
        ) as in_force
    from checks
    cross join assessments
    left join artefacts on checks.artefact_kind = artefacts.kind
    group by checks.check_code

),

final as (

    select
        check_code,
        case when registered > 0 then in_force end as counted,
        cast(null as bigint) as counted_of,
        true as is_due,
        case
            when registered = 0 then 'нужен документ: в реестре нет подтверждённого документа этого вида'
        end as lacking_ru
    from counted

)

select * from final
