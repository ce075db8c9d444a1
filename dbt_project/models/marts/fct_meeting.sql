{{ config(
    materialized='incremental',
    incremental_strategy='touched',
    unique_key='meeting_key',
    touched_by=['stg_f4_meeting'],
    touched_with={'int_pair_periods_kept': 'pair_key'},
    indexes=[{'columns': ['meeting_key'], 'unique': true}],
    on_schema_change='fail',
) }}

with

meetings as (

    select * from {{ ref('stg_f4_meeting') }}

),

pairs as (

    select * from {{ ref('int_pair_periods_kept') }}

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
