with

cells as (

    select * from {{ ref('sustainability') }}
    where split_by = 'all'

),

results as (

    select * from {{ ref('results_nodes') }}
    where level = 'medium_term'

),

followups as (

    select * from {{ ref('fct_followup') }}

),

contacts as (

    select
        horizon,
        coalesce(due, 0) as due,
        coalesce(completed, 0) as completed
    from cells
    where result_code = 'contact'

),

sustained_results as (

    select
        results.node_code,
        coalesce(bool_or(cells.measured > 0), false) as is_known,
        coalesce(bool_or(cells.due > 0), false) as is_result_due
    from results
    left join cells on results.node_code = cells.result_code
    group by results.node_code

),

counts as (

    select
        horizon_checks.check_code,
        contacts.completed as counted,
        contacts.due as counted_of,
        contacts.due > 0 as is_due
    from contacts
    inner join (values ('fu6_response', 6), ('fu12_response', 12), ('fu12_studied', 12))
        as horizon_checks (check_code, horizon)
        on contacts.horizon = horizon_checks.horizon

    union all

    select
        'fu12_eligible' as check_code,
        contacts.due as counted,
        cast(null as bigint) as counted_of,
        contacts.due > 0 as is_due
    from contacts
    where contacts.horizon = 12

    union all

    select
        'programme_graduates_answered' as check_code,
        (
            select count(distinct followups.mentee_key)
            from followups
            where followups.is_in_window and followups.reach = 'completed' and followups.informant = 'mentee'
        ) as counted,
        cast(null as bigint) as counted_of,
        coalesce(sum(contacts.due), 0) > 0 as is_due
    from contacts

    union all

    select
        'results_sustainability' as check_code,
        count(*) filter (where sustained_results.is_known) as counted,
        count(*) as counted_of,
        -- R1 and R3 are asked after twelve months only: what nobody could know yet is not missing
        coalesce(bool_or(sustained_results.is_known) or bool_and(sustained_results.is_result_due), false) as is_due
    from sustained_results

    union all

    select
        horizon_checks.check_code,
        count(*) filter (where cells.status = 'shown') as counted,
        count(*) as counted_of,
        coalesce(sum(cells.due), 0) > 0 as is_due
    from cells
    inner join (values ('m8_published', 6), ('m8_published', 12), ('sustainability_12_released', 12))
        as horizon_checks (check_code, horizon)
        on cells.horizon = horizon_checks.horizon
    -- R1 and R3 are not asked after six months
    where cells.scheduled is not null
    group by horizon_checks.check_code

),

final as (

    select
        check_code,
        counted,
        counted_of,
        is_due,
        case
            when is_due then null
            when check_code = 'results_sustainability' then 'окно опроса закрылось ещё не по каждому результату'
            else 'окно опроса ещё ни у кого не закрылось'
        end as lacking_ru
    from counts

)

select * from final
