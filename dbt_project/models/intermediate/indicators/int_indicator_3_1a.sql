with

self_reported as (

    select * from {{ ref('int_indicator_3_1') }}

),

observed as (

    select * from {{ ref('int_indicator_3_1o') }}

),

final as (

    select
        self_reported.pair_key,
        self_reported.mentee_key,
        self_reported.milestone,
        self_reported.event_on,
        self_reported.cohort_on,
        self_reported.group_on,
        self_reported.is_eligible,
        self_reported.is_window_closed,
        self_reported.is_reached and observed.is_reached as is_reached,
        self_reported.is_measured and observed.is_measured as is_measured,
        self_reported.is_measured
        and observed.is_measured
        and self_reported.is_achieved = observed.is_achieved as is_achieved,
        -- two views that differ are not a deterioration
        cast(null as boolean) as is_deteriorated,
        cast(null as double precision) as value_before,
        cast(null as double precision) as value_after
    from self_reported
    inner join observed
        on
            self_reported.pair_key = observed.pair_key
            and self_reported.event_on = observed.event_on

)

select * from final
