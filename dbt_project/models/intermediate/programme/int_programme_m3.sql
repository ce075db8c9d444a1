with

months as (

    select * from {{ ref('int_pair_months_counted') }}
    where is_active_month

),

-- before an organisation logged its first meeting nobody kept the log: that is no data, not a month without meetings
first_logs as (

    select
        organisation_code,
        programme_code,
        min(month_starts_on) as month_starts_on
    from {{ ref('int_pair_months_counted') }}
    where meeting_count > 0
    group by organisation_code, programme_code

),

final as (

    select
        'M3' as measure_code,
        months.pair_key,
        months.month_starts_on as event_on,
        cast(null as text) as own_split_by,
        cast(null as text) as own_split_value,
        coalesce(months.month_starts_on >= first_logs.month_starts_on, false) as is_measured,
        months.meeting_count >= {{ parameter('pair_month_min_meetings') }} as is_achieved,
        cast(null as bigint) as exposure
    from months
    left join first_logs
        on
            months.organisation_code = first_logs.organisation_code
            and months.programme_code = first_logs.programme_code

)


select * from final
