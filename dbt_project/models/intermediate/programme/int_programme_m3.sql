with

months as (

    select * from {{ ref('int_pair_months_counted') }}
    where is_active_month

),

final as (

    select
        'M3' as measure_code,
        months.pair_key,
        months.month_starts_on as event_on,
        cast(null as text) as own_split_by,
        cast(null as text) as own_split_value,
        true as is_measured,
        months.meeting_count >= {{ parameter('pair_month_min_meetings') }} as is_achieved,
        cast(null as bigint) as exposure
    from months

)


select * from final
