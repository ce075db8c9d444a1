with

followups as (

    select * from {{ ref('int_followups_scheduled') }}
    where is_all_started

),

pairs as (

    select * from {{ ref('int_pairs_assembled') }}

),

judged as (

    select
        followups.*,
        {{ is_contact_kept('followups') }} as is_contact_kept
    from followups

),

-- the first loss counts, on the day of the last contact if it is known; else on the day on which we learnt of it
told as (

    select
        pair_key,
        ended_on,
        min(horizon) filter (where not is_contact_kept) as lost_horizon,
        max(horizon) filter (where is_contact_kept) as kept_horizon,
        max(horizon) filter (where is_window_closed and is_contact_kept is null) as silent_horizon
    from judged
    group by pair_key, ended_on

),

days as (

    select
        told.pair_key,
        told.lost_horizon is not null as is_lost,
        max(coalesce(judged.last_contact_on, judged.filled_on) - told.ended_on) filter (
            where judged.horizon = told.lost_horizon
        ) as lost_day,
        greatest(max(judged.last_contact_on - told.ended_on) filter (
            where judged.is_contact_kept and judged.horizon < coalesce(told.lost_horizon, judged.horizon + 1)
        ), 0) as confirmed_day,
        -- nobody answered since the last answer, though a window has closed
        max(judged.due_on - told.ended_on) filter (
            where judged.horizon = told.silent_horizon and told.silent_horizon > coalesce(told.kept_horizon, 0)
        ) as silent_day
    from told
    inner join judged on told.pair_key = judged.pair_key
    group by told.pair_key, told.lost_horizon

),

scenarios as (

    select
        days.pair_key,
        scenarios.scenario,
        case
            when days.is_lost then greatest(days.lost_day, days.confirmed_day)
            when scenarios.scenario = 'best' then greatest(days.silent_day, days.confirmed_day)
            else days.confirmed_day
        end as duration_days,
        days.is_lost or (scenarios.scenario = 'worst' and days.silent_day is not null) as is_event
    from days
    cross join (values ('observed'), ('worst'), ('best')) as scenarios (scenario)

),

cases as (

    select
        pairs.organisation_code,
        pairs.programme_code,
        scenarios.scenario,
        forms.form,
        scenarios.duration_days,
        scenarios.is_event
    from scenarios
    inner join pairs on scenarios.pair_key = pairs.pair_key
    cross join lateral (values ('all'), (pairs.reporting_form)) as forms (form)

),

curves as (

    {{ kaplan_meier('cases', keys=['organisation_code', 'programme_code', 'scenario', 'form']) }}

),

-- the bounds at the days of the observed curve: the last step of each bound up to that day
bounds as (

    select distinct on (
        observed.organisation_code, observed.programme_code, observed.form, observed.day, bound.scenario
    )
        observed.organisation_code,
        observed.programme_code,
        observed.form,
        observed.day,
        bound.scenario,
        bound.survival
    from curves as observed
    inner join curves as bound
        on
            observed.organisation_code = bound.organisation_code
            and observed.programme_code = bound.programme_code
            and observed.form = bound.form
            and observed.day >= bound.day
            and bound.scenario <> 'observed'
    where observed.scenario = 'observed'
    order by
        observed.organisation_code asc,
        observed.programme_code asc,
        observed.form asc,
        observed.day asc,
        bound.scenario asc,
        bound.day desc

),

observed as (

    select * from curves
    where scenario = 'observed'

),

shown as (

    {{ suppressed_curves('observed', table_keys=['organisation_code', 'programme_code']) }}

),

final as (

    select
        shown.organisation_code,
        shown.programme_code,
        shown.form,
        shown.day,
        shown.at_risk,
        shown.events,
        shown.censored,
        shown.survival,
        shown.ci_low,
        shown.ci_high,
        worst.survival as worst_case,
        best.survival as best_case,
        shown.status,
        shown.is_count_shown,
        shown.is_share_shown
    from shown
    left join bounds as worst
        on
            shown.organisation_code = worst.organisation_code
            and shown.programme_code = worst.programme_code
            and shown.form = worst.form
            and shown.day = worst.day
            and worst.scenario = 'worst'
    left join bounds as best
        on
            shown.organisation_code = best.organisation_code
            and shown.programme_code = best.programme_code
            and shown.form = best.form
            and shown.day = best.day
            and best.scenario = 'best'

)

select * from final
