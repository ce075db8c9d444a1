-- No node leads back to itself: follow the edges from each node and see whether one comes home.
with recursive

edges as (

    select * from {{ ref('results_edges') }}

),

descendants as (

    select
        from_node_code as start_code,
        to_node_code as node_code
    from edges

    union

    select
        descendants.start_code,
        edges.to_node_code as node_code
    from descendants
    inner join edges on descendants.node_code = edges.from_node_code

)

select start_code
from descendants
where start_code = node_code
