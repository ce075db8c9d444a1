{%- set subjects = [
    'readiness_of_artefacts', 'readiness_of_catalogue', 'readiness_of_followups', 'readiness_of_harm',
    'readiness_of_indicators', 'readiness_of_measures', 'readiness_of_pairs', 'readiness_of_refreshes'
] -%}

with

programmes as (

    select * from {{ ref('int_programmes_run') }}

),

checks as (

    select * from {{ ref('readiness_checks') }}

),

recommendations as (

    select * from {{ ref('recommendations') }}

),

counts as (

    {% for subject in subjects %}
        select
            organisation_code,
            programme_code,
            check_code,
            counted,
            counted_of,
            is_due,
            lacking_ru
        from {{ ref(subject) }}
        {% if not loop.last %}
            union all
        {% endif %}
    {% endfor %}

),

-- nothing to count out of is not 0
known as (

    select
        programmes.organisation_code,
        programmes.programme_code,
        checks.*,
        coalesce(counts.is_due, true) as is_due,
        counts.lacking_ru,
        case when counts.counted_of is null or counts.counted_of > 0 then counts.counted end as counted,
        counts.counted_of
    from programmes
    cross join checks
    left join counts
        on
            programmes.organisation_code = counts.organisation_code
            and programmes.programme_code = counts.programme_code
            and checks.check_code = counts.check_code

),

graded as (

    select
        known.*,
        case
            when not known.is_due then 'not_yet_due'
            when known.counted is null then 'not_computable'
            when known.counted = 0 then 'not_met'
            when known.counted < known.threshold * coalesce(known.counted_of, 1) then 'partial'
            when known.limited_ru is not null then 'partial'
            else 'met'
        end as status
    from known

),

measured as (

    select
        graded.*,
        graded.status in ('met', 'partial', 'not_met') as is_measured,
        cast(graded.counted as double precision) / coalesce(graded.counted_of, 1) as figure,
        replace(cast(trim_scale(graded.threshold) as text), '.', ',') as threshold_ru
    from graded

),

final as (

    select
        measured.organisation_code,
        measured.programme_code,
        measured.check_code,
        measured.recommendation_id,
        recommendations.section,
        recommendations.year,
        measured.evidence,
        measured.status,
        case when measured.is_measured then measured.figure end as measured,
        case when measured.is_measured then measured.counted end as counted,
        case when measured.is_measured then measured.counted_of end as counted_of,
        cast(measured.threshold as double precision) as threshold,
        measured.check_ru || case measured.status
            when 'not_computable' then ': не вычисляется — ' || coalesce(measured.lacking_ru, 'пока нет данных')
            when 'not_yet_due' then ': срок ещё не наступил — ' || coalesce(measured.lacking_ru, 'случаев пока нет')
            else
                ': '
                || replace(cast(trim_scale(round(cast(measured.figure as numeric), 2)) as text), '.', ',')
                || coalesce(' (' || measured.counted || '/' || measured.counted_of || ')', '')
                || ' при пороге ' || measured.threshold_ru
                || coalesce('; ' || measured.limited_ru, '')
        end as explanation_ru,
        measured.sort_order
    from measured
    inner join recommendations on measured.recommendation_id = recommendations.recommendation_id

)

select * from final
