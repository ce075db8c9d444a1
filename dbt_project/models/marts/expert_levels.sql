with

reported as (

    select * from {{ ref('standard_levels') }}

),

assessments as (

    select * from {{ ref('stg_e1_expert_assessment') }}

),

assessed_sections as (

    select * from {{ ref('stg_e1_expert_assessment_sections') }}

),

sections as (

    select * from {{ ref('standard_sections') }}

),

united as (

    select
        organisation_code,
        programme_code,
        section,
        year,
        level_code,
        level_ru,
        'report' as source_kind,
        confirmed as is_confirmed,
        cast(null as date) as assessed_on
    from reported

    union all

    select
        assessments.organisation_code,
        assessments.programme_code,
        assessed_sections.section_code as section,
        cast(assessments.assessment_year as integer) as year,
        assessed_sections.level_code,
        case assessed_sections.level_code
            when 'initial' then 'начальный'
            when 'basic' then 'базовый'
            else 'другой'
        end as level_ru,
        'form' as source_kind,
        true as is_confirmed,
        assessments.assessed_on
    from assessments
    inner join assessed_sections on assessments.submission_key = assessed_sections.submission_key

),

final as (

    select
        united.organisation_code,
        united.programme_code,
        united.section,
        sections.name_ru as section_ru,
        united.year,
        united.source_kind,
        united.level_code,
        united.level_ru,
        united.is_confirmed,
        united.assessed_on,
        sections.sort_order
    from united
    inner join sections on united.section = sections.section

)

select * from final
