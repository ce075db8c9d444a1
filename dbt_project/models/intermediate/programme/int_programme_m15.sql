with

pairs as (

    select * from {{ ref('int_pairs_assembled') }}

),

-- from the end of the day of the meeting, whatever hour it was
meetings as (

    select
        'M15_meetings' as measure_code,
        entries.pair_key,
        entries.held_on as event_on,
        entries.submitted_at
        <= cast(entries.held_on + 1 as timestamp) at time zone '{{ var("time_zone") }}'
        + make_interval(hours => {{ parameter_int('meeting_log_max_hours') }}) as is_in_time
    from {{ ref('stg_f4_meeting') }} as entries
    inner join pairs on entries.pair_key = pairs.pair_key
    where entries.held_on between pairs.start_on and coalesce(pairs.ended_on, entries.held_on)

),

incidents as (

    select
        'M15_triage' as measure_code,
        reports.pair_key,
        {{ local_date('reports.reported_at') }} as event_on,
        {{ is_triaged_in_time('reports') }} as is_in_time
    from {{ ref('stg_f8_incident') }} as reports
    inner join pairs on reports.pair_key = pairs.pair_key
    where reports.severity >= {{ parameter('triage_min_severity') }}

),

united as (

    select * from meetings
    union all
    select * from incidents

),

final as (

    select
        measure_code,
        pair_key,
        event_on,
        cast(null as text) as own_split_by,
        cast(null as text) as own_split_value,
        is_in_time is not null as is_measured,
        coalesce(is_in_time, false) as is_achieved,
        cast(null as bigint) as exposure
    from united

)


select * from final
