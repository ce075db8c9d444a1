with

pairs as (

    select * from {{ ref('int_pairs_assembled') }}
    where is_started and is_ended

),

final as (

    select
        'M4' as measure_code,
        pairs.pair_key,
        pairs.ended_on as event_on,
        cast(null as text) as own_split_by,
        cast(null as text) as own_split_value,
        true as is_measured,
        pairs.is_closed_early as is_achieved,
        cast(null as bigint) as exposure
    from pairs

)


select * from final
