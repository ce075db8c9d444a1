with

programmes as (

    select * from {{ ref('int_programmes_run') }}

),

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
        organisation_code,
        programme_code,
        horizon,
        coalesce(due, 0) as due,
        coalesce(completed, 0) as completed
    from cells
    where result_code = 'contact'

),

sustained_results as (

    select
        programmes.organisation_code,
        programmes.programme_code,
        results.node_code,
        coalesce(bool_or(cells.measured > 0), false) as is_known,
        coalesce(bool_or(cells.due > 0), false) as is_result_due
    from programmes
    cross join results
    left join cells
        on
            programmes.organisation_code = cells.organisation_code
            and programmes.programme_code = cells.programme_code
            and results.node_code = cells.result_code
    group by programmes.organisation_code, programmes.programme_code, results.node_code

),

graduates as (

    select
        organisation_code,
        programme_code,
        count(distinct mentee_key) as answered
    from followups
    where
        is_in_window
        and reach = 'completed'
        and informant = 'mentee'
    group by organisation_code, programme_code

),

counts as (

    select
        contacts.organisation_code,
        contacts.programme_code,
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
        contacts.organisation_code,
        contacts.programme_code,
        'fu12_eligible' as check_code,
        contacts.due as counted,
        cast(null as bigint) as counted_of,
        contacts.due > 0 as is_due
    from contacts
    where contacts.horizon = 12

    union all

    select
        programmes.organisation_code,
        programmes.programme_code,
        'programme_graduates_answered' as check_code,
        coalesce(max(graduates.answered), 0) as counted,
        cast(null as bigint) as counted_of,
        coalesce(sum(contacts.due), 0) > 0 as is_due
    from programmes
    left join contacts
        on
            programmes.organisation_code = contacts.organisation_code
            and programmes.programme_code = contacts.programme_code
    left join graduates
        on
            programmes.organisation_code = graduates.organisation_code
            and programmes.programme_code = graduates.programme_code
    group by programmes.organisation_code, programmes.programme_code

    union all

    select
        sustained_results.organisation_code,
        sustained_results.programme_code,
        'results_sustainability' as check_code,
        count(*) filter (where sustained_results.is_known) as counted,
        count(*) as counted_of,
        -- R1 and R3 are asked after twelve months only: what nobody could know yet is not missing
        coalesce(bool_or(sustained_results.is_known) or bool_and(sustained_results.is_result_due), false) as is_due
    from sustained_results
    group by sustained_results.organisation_code, sustained_results.programme_code

    union all

    select
        cells.organisation_code,
        cells.programme_code,
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
    group by cells.organisation_code, cells.programme_code, horizon_checks.check_code

),

final as (

    select
        organisation_code,
        programme_code,
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
