{{ config(
    materialized='incremental',
    incremental_strategy='touched',
    unique_key=['submission_key', 'scale_code'],
    touched_by=['stg_f2_self_report', 'stg_f3_mentee_feedback', 'stg_f7_followup', 'stg_f6_observation'],
    indexes=[{'columns': ['submission_key', 'scale_code'], 'unique': true}],
) }}

with

self_reports as (

    select * from {{ ref('stg_f2_self_report') }}

),

feedback_forms as (

    select * from {{ ref('stg_f3_mentee_feedback') }}

),

-- only the person's own answers are a scale; a follow-up that found nobody has none
followups as (

    select * from {{ ref('stg_f7_followup') }}
    where reach = 'completed' and informant = 'mentee'

),

-- a card that the pair's mentor filled in does not count
observations as (

    select * from {{ ref('stg_f6_observation') }}
    where observer <> 'mentor'

),

scale_items as (

    select * from {{ ref('scale_items') }}

),

forms as (

    select
        self_reports.submission_key,
        'f2_self_report' as form_id,
        self_reports.pair_key,
        self_reports.wave,
        self_reports.wording,
        {{ instrument_major('f2_self_report', 'self_reports.form_version') }} as major_version,
        self_reports.assisted_by,
        self_reports.filled_on,
        self_reports.arrived_at,
        to_jsonb(self_reports) as answers
    from self_reports

    union all

    select
        feedback_forms.submission_key,
        'f3_mentee_feedback' as form_id,
        feedback_forms.pair_key,
        feedback_forms.wave,
        null as wording,
        -- feedback on a mentor has no before
        null as major_version,
        feedback_forms.assisted_by,
        feedback_forms.filled_on,
        feedback_forms.arrived_at,
        to_jsonb(feedback_forms) as answers
    from feedback_forms

    union all

    select
        followups.submission_key,
        'f7_followup' as form_id,
        followups.pair_key,
        'fu' || followups.horizon as wave,
        followups.wording,
        {{ instrument_major('f7_followup', 'followups.form_version') }} as major_version,
        null as assisted_by,
        followups.filled_on,
        followups.arrived_at,
        to_jsonb(followups) as answers
    from followups

    union all

    select
        observations.submission_key,
        'f6_observation' as form_id,
        observations.pair_key,
        observations.wave,
        null as wording,
        {{ instrument_major('f6_observation', 'observations.form_version') }} as major_version,
        null as assisted_by,
        observations.filled_on,
        observations.arrived_at,
        to_jsonb(observations) as answers
    from observations

),

answers as (

    select
        forms.submission_key,
        scale_items.scale_code,
        scale_items.is_reverse,
        scale_items.item_min,
        scale_items.item_max,
        case
            when forms.answers ->> scale_items.item_name ~ '^\d{1,4}$'
                then cast(forms.answers ->> scale_items.item_name as integer)
        end as answer
    from forms
    inner join scale_items on forms.form_id = scale_items.form_id

),

-- 99 (refused) and anything else outside the scale is no answer
items as (

    select
        submission_key,
        scale_code,
        case
            when answer not between item_min and item_max then null
            when is_reverse then item_min + item_max - answer
            else answer
        end as value
    from answers

),

scales as (

    select
        submission_key,
        scale_code,
        count(*) as item_count,
        count(value) as valid_item_count,
        avg(cast(value as double precision)) as mean_of_valid
    from items
    group by submission_key, scale_code

),

final as (

    select
        scales.submission_key,
        scales.scale_code,
        forms.form_id,
        forms.pair_key,
        forms.wave,
        forms.wording,
        forms.major_version,
        forms.assisted_by,
        scales.item_count,
        scales.valid_item_count,
        case
            when scales.valid_item_count >= {{ parameter('scale_min_valid_share') }} * scales.item_count
                then scales.mean_of_valid
        end as score,
        forms.filled_on,
        forms.arrived_at
    from scales
    inner join forms on scales.submission_key = forms.submission_key

)

select * from final
