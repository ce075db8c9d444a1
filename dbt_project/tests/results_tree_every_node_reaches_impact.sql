-- Whatever the practice does or achieves on the way leads to the impact I1.
with recursive

edges as (

    select * from {{ ref('results_edges') }}

),

reaching as (

    select node_code
    from {{ ref('results_nodes') }}
    where node_code = 'I1'

    union

    select edges.from_node_code as node_code
    from reaching
    inner join edges on reaching.node_code = edges.to_node_code

)

select nodes.node_code
from {{ ref('results_nodes') }} as nodes
left join reaching on nodes.node_code = reaching.node_code
where reaching.node_code is null
