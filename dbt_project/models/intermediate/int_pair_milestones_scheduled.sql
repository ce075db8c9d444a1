with

pairs as (

    select * from {{ ref('int_pairs_assembled') }}
    where is_started

),

ends as (

    select
        pairs.pair_key,
        'end' as milestone,
        'endline' as wave,
        pairs.ended_on as milestone_on
    from pairs
    where pairs.is_ended

),

anniversaries as (

    select
        pairs.pair_key,
        'anniversary' as milestone,
        'annual_' || years.number * 12 as wave,
        {{ months_after('pairs.start_on', 'years.number * 12') }} as milestone_on
    from pairs
    cross join
        lateral generate_series(
            1,
            cast(
                extract(year from coalesce(pairs.ended_on, {{ as_of_on() }})) - extract(year from pairs.start_on)
                as integer
            )
        ) as years (number)
    where pairs.form = 'long'

),

-- a pair that ends within the window of its anniversary fills in the endline instead of the annual wave
kept_anniversaries as (

    select anniversaries.*
    from anniversaries
    inner join pairs on anniversaries.pair_key = pairs.pair_key
    where
        anniversaries.milestone_on <= {{ as_of_on() }}
        and (
            pairs.ended_on is null
            or pairs.ended_on > anniversaries.milestone_on + {{ parameter_int('endline_window_days') }}
        )

),

milestones as (

    select * from ends
    union all
    select * from kept_anniversaries

),

final as (

    select
        pairs.pair_key,
        pairs.mentee_key,
        milestones.milestone,
        milestones.wave,
        pairs.mentee_group_at_start,
        {{ days_within(
            "pairs.active_periods * datemultirange(daterange(null, milestones.milestone_on, '[)'))"
        ) }} >= {{ parameter('started_min_active_days') }} as is_all_started,
        milestones.milestone_on + {{ parameter_int('endline_window_days') }} < {{ as_of_on() }} as is_window_closed,
        pairs.start_on,
        milestones.milestone_on,
        milestones.milestone_on - {{ parameter_int('endline_window_days') }} as window_opens_on,
        milestones.milestone_on + {{ parameter_int('endline_window_days') }} as window_closes_on
    from milestones
    inner join pairs on milestones.pair_key = pairs.pair_key

)

select * from final
