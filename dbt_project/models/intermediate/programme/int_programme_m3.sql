with

months as (

    select * from {{ ref('int_pair_months_counted') }}
    where is_active_month

),

-- before the first meeting of all was logged nobody kept the log: that is no data, not a month without meetings
first_log as (

    select min(month_starts_on) as month_starts_on
    from {{ ref('int_pair_months_counted') }}
    where meeting_count > 0

),

final as (

    select
        'M3' as measure_code,
        months.pair_key,
        months.month_starts_on as event_on,
        cast(null as text) as own_split_by,
        cast(null as text) as own_split_value,
        coalesce(months.month_starts_on >= first_log.month_starts_on, false) as is_measured,
        months.meeting_count >= {{ parameter('pair_month_min_meetings') }} as is_achieved,
        cast(null as bigint) as exposure
    from months
    cross join first_log

)


select * from final
