with

pairs as (

    select * from {{ ref('int_pairs_assembled') }}

),

plans as (

    select * from {{ ref('stg_s2_plan') }}

),

goals as (

    select * from {{ ref('stg_s2_plan_goals') }}

),

-- before an organisation's first plan there were none to make
plans_begun as (

    select
        pairs.organisation_code,
        pairs.programme_code,
        min(plans.approved_on) as first_on
    from plans
    inner join pairs on plans.pair_key = pairs.pair_key
    group by pairs.organisation_code, pairs.programme_code

),

first_plans as (

    select
        pair_key,
        min(approved_on) as approved_on
    from plans
    group by pair_key

),

due as (

    select
        pair_key,
        organisation_code,
        programme_code,
        start_on + {{ parameter_int('plan_due_days') }} as due_on
    from pairs
    where is_started

),

final as (

    select
        'M13_plans' as measure_code,
        due.pair_key,
        due.due_on as event_on,
        cast(null as text) as own_split_by,
        cast(null as text) as own_split_value,
        coalesce(plans_begun.first_on <= due.due_on, false) as is_measured,
        coalesce(first_plans.approved_on <= due.due_on, false) as is_achieved,
        cast(null as bigint) as exposure
    from due
    left join first_plans on due.pair_key = first_plans.pair_key
    left join plans_begun
        on
            due.organisation_code = plans_begun.organisation_code
            and due.programme_code = plans_begun.programme_code
    where due.due_on < {{ as_of_on() }}

    union all

    select
        'M13_goals' as measure_code,
        plans.pair_key,
        goals.reviewed_on as event_on,
        'need' as own_split_by,
        goals.need_domain as own_split_value,
        goals.attainment is not null as is_measured,
        coalesce(goals.attainment >= 0, false) as is_achieved,
        cast(null as bigint) as exposure
    from goals
    inner join plans on goals.submission_key = plans.submission_key
    inner join pairs on plans.pair_key = pairs.pair_key
    where pairs.is_started and goals.reviewed_on is not null

)


select * from final
