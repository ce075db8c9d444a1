with

edges as (

    select * from {{ ref('results_edges') }}

),

nodes as (

    select * from {{ ref('results_nodes') }}

),

final as (

    select
        edges.from_node_code,
        edges.to_node_code,
        causes.level as from_level,
        effects.level as to_level,
        causes.text_ru as from_text_ru,
        effects.text_ru as to_text_ru,
        edges.confirmed as is_confirmed,
        case when edges.confirmed then 'подтверждена центром' else 'выведена из текстов, центром не подтверждена' end
            as explanation_ru
    from edges
    inner join nodes as causes on edges.from_node_code = causes.node_code
    inner join nodes as effects on edges.to_node_code = effects.node_code

)

select * from final
