with recursive

programmes as (

    select * from {{ ref('int_programmes_run') }}

),

nodes as (

    select * from {{ ref('results_nodes') }}

),

edges as (

    select * from {{ ref('results_edges') }}

),

-- the headline indicators alone: a companion stands beside its indicator and closes no gap
definitions as (

    select * from {{ ref('indicator_definitions') }}
    where
        is_current
        and kind = 'headline'

),

figures as (

    select * from {{ ref('indicator_quarterly') }}
    where
        period_view = 'rolling_4q'
        and split_by = 'all'

),

latest as (

    select *
    from figures
    where quarter = (select max(last_quarter.quarter) from figures as last_quarter)

),

-- everything that a node leads to, however far
paths as (

    select
        from_node_code as node_code,
        to_node_code as later_code
    from edges

    union

    select
        paths.node_code,
        edges.to_node_code as later_code
    from paths
    inner join edges on paths.later_code = edges.from_node_code

),

onward as (

    select
        paths.node_code,
        bool_or(later.level = 'impact') as reaches_impact,
        bool_or(paths.node_code = paths.later_code) as is_on_cycle
    from paths
    inner join nodes as later on paths.later_code = later.node_code
    group by paths.node_code

),

supported as (

    select distinct paths.later_code as node_code
    from paths
    inner join nodes as earlier on paths.node_code = earlier.node_code
    where earlier.level = 'activity'

),

indicators as (

    select
        programmes.organisation_code,
        programmes.programme_code,
        definitions.node_code,
        definitions.indicator_code,
        coalesce(latest.status, definitions.status) as status,
        coalesce(latest.status not in ('planned', 'no_data'), false) as has_data,
        definitions.indicator_code || ': ' || case
            when coalesce(latest.status, definitions.status) = 'planned' then 'планируется'
            when latest.status is null or latest.status = 'no_data' then 'нет данных'
            when latest.coverage_band = 'no_headline' then 'есть данные, охват ниже 60%'
            when latest.status = 'shown' then 'есть данные'
            else 'мало наблюдений'
        end as status_ru,
        definitions.sort_order
    from programmes
    cross join definitions
    left join latest
        on
            programmes.organisation_code = latest.organisation_code
            and programmes.programme_code = latest.programme_code
            and definitions.indicator_code = latest.indicator_code

),

by_node as (

    select
        organisation_code,
        programme_code,
        node_code,
        count(*) as indicator_count,
        count(*) filter (where has_data) as indicators_with_data,
        bool_and(status = 'planned') as is_planned,
        string_agg(indicator_code, ', ' order by sort_order, indicator_code) as indicator_codes,
        string_agg(status_ru, '; ' order by sort_order, indicator_code) as indicators_ru
    from indicators
    group by organisation_code, programme_code, node_code

),

published as (

    select
        result_code as node_code,
        count(*) as indicator_count
    from definitions
    group by result_code

),

final as (

    select
        programmes.organisation_code,
        programmes.programme_code,
        nodes.node_code,
        nodes.level,
        nodes.text_ru,
        nodes.is_for_wards,
        nodes.is_for_graduates,
        case
            when nodes.level = 'activity' then 'activity'
            when by_node.node_code is null then 'gap'
            when by_node.indicators_with_data > 0 then 'with_data'
            when by_node.is_planned then 'planned'
            else 'no_data'
        end as status,
        coalesce(by_node.indicator_count, 0) as indicator_count,
        coalesce(by_node.indicators_with_data, 0) as indicators_with_data,
        coalesce(published.indicator_count, 0) as published_indicator_count,
        by_node.indicator_codes,
        nodes.level = 'activity' or supported.node_code is not null as has_activity,
        nodes.level = 'impact' or coalesce(onward.reaches_impact, false) as reaches_impact,
        coalesce(onward.is_on_cycle, false) as is_on_cycle,
        not (nodes.level = 'activity' or supported.node_code is not null)
        or not (nodes.level = 'impact' or coalesce(onward.reaches_impact, false)) as is_orphan,
        case
            when nodes.level = 'activity' then 'деятельность: измеряется показателями программы'
            when by_node.node_code is null then 'пробел: показателя нет, изменение не измеряется'
            else by_node.indicators_ru
        end as explanation_ru,
        nodes.sort_order
    from programmes
    cross join nodes
    left join by_node
        on
            programmes.organisation_code = by_node.organisation_code
            and programmes.programme_code = by_node.programme_code
            and nodes.node_code = by_node.node_code
    left join published on nodes.node_code = published.node_code
    left join onward on nodes.node_code = onward.node_code
    left join supported on nodes.node_code = supported.node_code

)

select * from final
