with

pairs as (

    select * from {{ ref('int_pairs_assembled') }}
    where is_started

),

scores as (

    select * from {{ ref('int_surveys_scored') }}
    where
        form_id = 'f2_self_report'
        and wave = 'baseline'
        and assisted_by <> 'mentor'
        and score is not null

),

-- before the first F2 of all nobody was asked: that is no data
self_reports as (

    select * from {{ ref('stg_f2_self_report') }}

),

complete_baselines as (

    select pairs.pair_key
    from pairs
    inner join scores
        on
            pairs.pair_key = scores.pair_key
            and pairs.start_on >= scores.filled_on
    group by pairs.pair_key
    having count(distinct scores.scale_code) = 3

),

final as (

    select
        'M11' as measure_code,
        pairs.pair_key,
        pairs.start_on as event_on,
        cast(null as text) as own_split_by,
        cast(null as text) as own_split_value,
        (select count(*) from self_reports) > 0 as is_measured,
        complete_baselines.pair_key is not null as is_achieved,
        cast(null as bigint) as exposure
    from pairs
    left join complete_baselines on pairs.pair_key = complete_baselines.pair_key

)


select * from final
