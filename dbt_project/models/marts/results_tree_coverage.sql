with

nodes as (

    select * from {{ ref('results_tree_nodes') }}
    where level <> 'activity'

),

counts as (

    select
        nodes.organisation_code,
        nodes.programme_code,
        scopes.level,
        count(*) as nodes,
        count(*) filter (where nodes.indicator_count > 0) as with_indicator,
        count(*) filter (where nodes.indicators_with_data > 0) as with_data,
        string_agg(nodes.node_code, ', ' order by nodes.sort_order) filter (where nodes.status = 'gap') as gaps
    from nodes
    cross join lateral (values (nodes.level), ('all')) as scopes (level)
    group by nodes.organisation_code, nodes.programme_code, scopes.level

),

final as (

    select
        organisation_code,
        programme_code,
        level,
        nodes,
        with_indicator,
        with_data,
        cast(with_indicator as double precision) / nodes as share_with_indicator,
        cast(with_data as double precision) / nodes as share_with_data,
        gaps,
        'с показателем: ' || with_indicator || ' из ' || nodes || ', с данными: ' || with_data || ' из ' || nodes
        || coalesce('; нет показателя: ' || gaps, '') as explanation_ru
    from counts

)

select * from final
