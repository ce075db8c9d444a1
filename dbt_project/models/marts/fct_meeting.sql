with

meetings as (

    select * from {{ ref('stg_f4_meeting') }}

),

pairs as (

    select * from {{ ref('int_pairs_assembled') }}

),

final as (

    select
        meetings.submission_key as meeting_key,
        meetings.pair_key,
        pairs.mentee_key,
        pairs.mentor_key,
        pairs.organisation_code,
        pairs.programme_code,
        {{ quarter_code('meetings.held_on') }} as quarter,
        meetings.mode,
        meetings.status,
        meetings.activity as activity_node_code,
        meetings.goals,
        cast(meetings.duration_min as integer) as duration_min,
        meetings.mentee_mood,
        meetings.status = 'held' as is_held,
        meetings.has_concern,
        meetings.held_on,
        meetings.start_time,
        meetings.submitted_at
    from meetings
    inner join pairs on meetings.pair_key = pairs.pair_key
    -- validation refuses these, unless the pair's end arrived after the meeting
    where meetings.held_on between pairs.start_on and coalesce(pairs.ended_on, meetings.held_on)

)

select * from final
