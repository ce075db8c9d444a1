with

programmes as (

    select * from {{ ref('int_programmes_run') }}

),

-- what the tree is does not depend on who measures; what is measured does, and is not asked for here
nodes as (

    select distinct
        node_code,
        level,
        published_indicator_count,
        has_activity,
        is_on_cycle,
        is_orphan
    from {{ ref('results_tree_nodes') }}

),

edges as (

    select * from {{ ref('results_tree_edges') }}

),

definitions as (

    select * from {{ ref('indicator_definitions') }}
    where
        is_current
        and kind = 'headline'

),

counts as (

    select
        'tree_acyclic' as check_code,
        count(*) filter (where not is_on_cycle) as counted,
        count(*) as counted_of
    from nodes

    union all

    select
        'tree_no_orphan' as check_code,
        count(*) filter (where not is_orphan) as counted,
        count(*) as counted_of
    from nodes

    union all

    select
        'tree_edges_confirmed' as check_code,
        count(*) filter (where is_confirmed) as counted,
        count(*) as counted_of
    from edges

    union all

    select
        'results_supported' as check_code,
        count(*) filter (where has_activity and published_indicator_count > 0) as counted,
        count(*) as counted_of
    from nodes
    where level = 'medium_term'

    union all

    select
        'definitions_complete' as check_code,
        count(*) filter (
            where num_nulls(name_ru, numerator_ru, denominator_ru, reference_date_ru, instrument) = 0
        ) as counted,
        count(*) as counted_of
    from definitions

    union all

    select
        'definitions_approved' as check_code,
        count(*) filter (where approved_on <= {{ as_of_on() }}) as counted,
        count(*) as counted_of
    from definitions

),

-- the tree and the definitions are the method's: they are the same for whoever works by it
final as (

    select
        programmes.organisation_code,
        programmes.programme_code,
        counts.check_code,
        counts.counted,
        counts.counted_of,
        true as is_due,
        cast(null as text) as lacking_ru
    from programmes
    cross join counts

)

select * from final
