{{ config(
    materialized='incremental',
    incremental_strategy='differences',
    unique_key=['pair_key', 'month_starts_on'],
    indexes=[{'columns': ['pair_key', 'month_starts_on'], 'unique': true}],
) }}

with

pairs as (

    select * from {{ ref('int_pairs_assembled') }}
    where is_started

),

-- of the pair's period alone: a meeting may have been accepted before the pair's end was known
meetings as (

    select
        entries.pair_key,
        entries.held_on,
        entries.duration_min
    from {{ ref('stg_f4_meeting') }} as entries
    inner join pairs on entries.pair_key = pairs.pair_key
    where
        entries.status = 'held'
        and entries.held_on between pairs.start_on and coalesce(pairs.ended_on, entries.held_on)

),

months as (

    select
        pairs.pair_key,
        pairs.organisation_code,
        pairs.programme_code,
        pairs.reporting_form,
        pairs.active_periods,
        cast(month_start as date) as month_starts_on,
        cast(month_start + interval '1 month' as date) as next_month_starts_on
    from pairs
    cross join
        lateral generate_series(
            date_trunc('month', cast(pairs.start_on as timestamp)),
            cast(coalesce(pairs.ended_on, {{ as_of_on() }}) as timestamp),
            interval '1 month'
        ) as month_start

),

active_months as (

    select
        months.pair_key,
        months.organisation_code,
        months.programme_code,
        months.reporting_form,
        months.month_starts_on,
        {{ days_within(
            "months.active_periods * datemultirange(daterange(months.month_starts_on, months.next_month_starts_on))"
        ) }} as active_days,
        months.next_month_starts_on - months.month_starts_on as month_days
    from months

),

held as (

    select
        pair_key,
        cast(date_trunc('month', held_on) as date) as month_starts_on,
        count(*) as meeting_count,
        coalesce(sum(duration_min), 0) as held_minutes
    from meetings
    group by pair_key, cast(date_trunc('month', held_on) as date)

),

final as (

    select
        active_months.pair_key,
        active_months.organisation_code,
        active_months.programme_code,
        active_months.reporting_form,
        active_months.active_days,
        coalesce(held.meeting_count, 0) as meeting_count,
        coalesce(held.held_minutes, 0) as held_minutes,
        active_months.active_days
        >= {{ parameter('pair_month_min_active_share') }} * active_months.month_days as is_active_month,
        active_months.month_starts_on
    from active_months
    left join held
        on
            active_months.pair_key = held.pair_key
            and active_months.month_starts_on = held.month_starts_on

)

select * from final
