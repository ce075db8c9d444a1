with

programmes as (

    select * from {{ ref('int_programmes_run') }}

),

checks as (

    select * from {{ ref('readiness_checks') }}
    where artefact_kind is not null

),

-- what nobody has seen yet, and what is not issued yet as of the cut-off, is no document; a document names no
-- organisation, so it is in force for each
artefacts as (

    select * from {{ ref('artefacts') }}
    where
        confirmed
        and issued_on <= {{ as_of_on() }}

),

-- a report of which only the year is known may have come on any day of it
assessments as (

    select
        organisation_code,
        programme_code,
        max(coalesce(assessed_on, make_date(year, 12, 31))) as last_on
    from {{ ref('expert_levels') }}
    where is_confirmed
    group by organisation_code, programme_code

),

counted as (

    select
        programmes.organisation_code,
        programmes.programme_code,
        checks.check_code,
        count(artefacts.artefact_code) as registered,
        count(*) filter (
            where
            artefacts.artefact_code is not null
            and coalesce(artefacts.valid_to >= {{ as_of_on() }}, true)
            and (not checks.is_after_assessment or coalesce(artefacts.issued_on > assessments.last_on, true))
        ) as in_force
    from programmes
    cross join checks
    left join assessments
        on
            programmes.organisation_code = assessments.organisation_code
            and programmes.programme_code = assessments.programme_code
    left join artefacts on checks.artefact_kind = artefacts.kind
    group by programmes.organisation_code, programmes.programme_code, checks.check_code

),

final as (

    select
        organisation_code,
        programme_code,
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
