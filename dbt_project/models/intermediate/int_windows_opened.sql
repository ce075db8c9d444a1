with

pairs as (

    select * from {{ ref('stg_r3_pair') }}

),

quarters as (

    select
        cast(quarter_start as date) as quarter_starts_on,
        {{ quarter_ends_on('quarter_start') }} as quarter_ends_on
    from
        generate_series(
            (select date_trunc('quarter', min(cast(pairs.start_on as timestamp))) from pairs),
            cast({{ as_of_on() }} as timestamp),
            interval '3 months'
        ) as quarter_start

),

ended_quarters as (

    select
        {{ quarter_code('quarter_starts_on') }} as quarter,
        quarter_starts_on,
        quarter_ends_on
    from quarters
    where quarter_ends_on < {{ as_of_on() }}

),

final as (

    select
        ended_quarters.quarter,
        views.period_view,
        views.window_starts_on,
        ended_quarters.quarter_ends_on as window_ends_on
    from ended_quarters
    cross join
        lateral (
            values
            ('quarter', ended_quarters.quarter_starts_on),
            ('rolling_4q', {{ months_after('ended_quarters.quarter_starts_on', -9) }}),
            ('cohort_year', cast(date_trunc('year', ended_quarters.quarter_starts_on) as date))
        ) as views (period_view, window_starts_on)

)

select * from final
