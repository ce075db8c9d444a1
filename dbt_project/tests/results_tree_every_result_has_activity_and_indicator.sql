-- Each medium-term result has an activity that leads to it and an indicator published under it.
with recursive

edges as (

    select * from {{ ref('results_edges') }}

),

nodes as (

    select * from {{ ref('results_nodes') }}

),

sources as (

    select
        node_code as result_code,
        node_code
    from nodes
    where level = 'medium_term'

    union

    select
        sources.result_code,
        edges.from_node_code as node_code
    from sources
    inner join edges on sources.node_code = edges.to_node_code

),

activities as (

    select distinct sources.result_code
    from sources
    inner join nodes on sources.node_code = nodes.node_code
    where nodes.level = 'activity'

),

indicators as (

    select distinct result_code
    from {{ ref('indicator_definitions') }}
    where is_current and kind = 'headline'

)

select nodes.node_code
from nodes
left join activities on nodes.node_code = activities.result_code
left join indicators on nodes.node_code = indicators.result_code
where
    nodes.level = 'medium_term'
    and (activities.result_code is null or indicators.result_code is null)
