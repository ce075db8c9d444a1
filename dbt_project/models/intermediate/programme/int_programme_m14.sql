with

pairs as (

    select * from {{ ref('int_pairs_assembled') }}

),

assessments as (

    select distinct on (pairs.pair_key)
        pairs.pair_key,
        pairs.organisation_code,
        pairs.programme_code,
        pairs.start_on,
        needs.*
    from pairs
    inner join {{ ref('stg_f1_needs') }} as needs
        on
            pairs.mentee_key = needs.mentee_key
            and pairs.start_on >= needs.filled_on
    where pairs.is_started
    order by pairs.pair_key asc, needs.filled_on desc, needs.arrived_at desc, needs.submission_key desc

),

domains as (

    select
        assessments.pair_key,
        assessments.organisation_code,
        assessments.programme_code,
        assessments.start_on + {{ parameter_int('plan_due_days') }} as due_on,
        domains.need_domain
    from assessments
    cross join
        lateral (
            values
            ('support', assessments.need_support),
            ('life', assessments.need_life),
            ('house', assessments.need_house),
            ('comm', assessments.need_comm),
            ('study', assessments.need_study),
            ('work', assessments.need_work),
            ('world', assessments.need_world),
            ('admin', assessments.need_admin)
        ) as domains (need_domain, need)
    where domains.need >= {{ parameter('need_min_for_goal') }}

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

answered as (

    select distinct
        plans.pair_key,
        goals.need_domain
    from plans
    inner join goals on plans.submission_key = goals.submission_key

),

final as (

    select
        'M14' as measure_code,
        domains.pair_key,
        domains.due_on as event_on,
        'need' as own_split_by,
        domains.need_domain as own_split_value,
        coalesce(plans_begun.first_on <= domains.due_on, false) as is_measured,
        answered.pair_key is not null as is_achieved,
        cast(null as bigint) as exposure
    from domains
    left join answered
        on
            domains.pair_key = answered.pair_key
            and domains.need_domain = answered.need_domain
    left join plans_begun
        on
            domains.organisation_code = plans_begun.organisation_code
            and domains.programme_code = plans_begun.programme_code
    where domains.due_on < {{ as_of_on() }}

)


select * from final
