with

programmes as (

    select * from {{ ref('int_programmes_run') }}

),

checks as (

    select * from {{ ref('evidence_readiness') }}

),

recommendations as (

    select * from {{ ref('recommendations') }}

),

sections as (

    select * from {{ ref('standard_sections') }}

),

rolled_up as (

    select
        checks.organisation_code,
        checks.programme_code,
        rows_of_scopes.scope,
        rows_of_scopes.code,
        count(*) as checks,
        count(*) filter (where checks.status = 'met') as met,
        count(*) filter (where checks.status = 'partial') as partly_met,
        count(*) filter (where checks.status = 'not_met') as not_met,
        count(*) filter (where checks.status = 'not_computable') as not_computable,
        count(*) filter (where checks.status = 'not_yet_due') as not_yet_due,
        count(*) filter (where checks.status = 'not_computable' and checks.evidence = 'artefact') as lacking_documents
    from checks
    cross join
        lateral (values ('recommendation', checks.recommendation_id), ('section', checks.section))
            as rows_of_scopes (scope, code)
    group by checks.organisation_code, checks.programme_code, rows_of_scopes.scope, rows_of_scopes.code

),

named as (

    select
        'recommendation' as scope,
        recommendation_id as code,
        text_ru as name_ru,
        section,
        year,
        sort_order
    from recommendations

    union all

    select
        'section' as scope,
        section as code,
        name_ru,
        section,
        cast(null as integer) as year,
        sort_order
    from sections

),

-- all of it is met, or some of it, or none; a document alone is never all of it where data are asked for as well. A
-- section has counts and no status: the level is the experts' to give.
final as (

    select
        programmes.organisation_code,
        programmes.programme_code,
        named.scope,
        named.code,
        named.name_ru,
        named.section,
        named.year,
        case
            when named.scope = 'section' then null
            when rolled_up.met = rolled_up.checks then 'met'
            when rolled_up.met + rolled_up.partly_met > 0 then 'partial'
            when rolled_up.not_met > 0 then 'not_met'
            when rolled_up.not_computable > 0 then 'not_computable'
            else 'not_yet_due'
        end as status,
        coalesce(rolled_up.checks, 0) as checks,
        coalesce(rolled_up.met, 0) as met,
        coalesce(rolled_up.partly_met, 0) as partly_met,
        coalesce(rolled_up.not_met, 0) as not_met,
        coalesce(rolled_up.not_computable, 0) as not_computable,
        coalesce(rolled_up.not_yet_due, 0) as not_yet_due,
        concat_ws(
            '; ',
            'выполнено проверок: ' || coalesce(rolled_up.met, 0) || ' из ' || coalesce(rolled_up.checks, 0),
            'частично: ' || nullif(rolled_up.partly_met, 0),
            'не выполнено: ' || nullif(rolled_up.not_met, 0),
            'не хватает документов: ' || nullif(rolled_up.lacking_documents, 0),
            'не хватает данных: ' || nullif(rolled_up.not_computable - rolled_up.lacking_documents, 0),
            'срок не наступил: ' || nullif(rolled_up.not_yet_due, 0)
        ) as explanation_ru,
        named.sort_order
    from programmes
    cross join named
    left join rolled_up
        on
            programmes.organisation_code = rolled_up.organisation_code
            and programmes.programme_code = rolled_up.programme_code
            and named.scope = rolled_up.scope
            and named.code = rolled_up.code

)

select * from final
