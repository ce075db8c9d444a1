with

pairs as (

    select * from {{ ref('int_pairs_assembled') }}

),

scores as (

    select * from {{ ref('int_surveys_scored') }}
    where
        form_id = 'f2_self_report'
        and wave = 'baseline'
        and assisted_by <> 'mentor'
        and score is not null

),

-- before an organisation's first F2 nobody was asked: that is no data
asking_organisations as (

    select distinct
        pairs.organisation_code,
        pairs.programme_code
    from {{ ref('stg_f2_self_report') }} as self_reports
    inner join pairs on self_reports.pair_key = pairs.pair_key

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
        asking_organisations.organisation_code is not null as is_measured,
        complete_baselines.pair_key is not null as is_achieved,
        cast(null as bigint) as exposure
    from pairs
    left join complete_baselines on pairs.pair_key = complete_baselines.pair_key
    left join asking_organisations
        on
            pairs.organisation_code = asking_organisations.organisation_code
            and pairs.programme_code = asking_organisations.programme_code
    where pairs.is_started

)


select * from final
