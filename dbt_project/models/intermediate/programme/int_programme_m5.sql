with

-- a converted pair goes on: there is nothing to say farewell to
pairs as (

    select * from {{ ref('int_pairs_assembled') }}
    where is_started and is_ended and not is_converted

),

final as (

    select
        measures.measure_code,
        pairs.pair_key,
        pairs.ended_on as event_on,
        cast(null as text) as own_split_by,
        cast(null as text) as own_split_value,
        measures.is_done is not null as is_measured,
        coalesce(measures.is_done, false) as is_achieved,
        cast(null as bigint) as exposure
    from pairs
    cross join
        lateral (
            values
            ('M5_farewell', pairs.had_farewell),
            ('M5_warned', pairs.was_warned_14_days)
        ) as measures (measure_code, is_done)

)


select * from final
