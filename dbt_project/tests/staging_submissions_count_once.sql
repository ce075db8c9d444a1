-- One test for all forms: their models get the version that counts from one macro. Numbers are quicker to compare than
-- keys; keys that have the same number are then compared themselves.
{% set models = [
    "stg_r1_mentee",
    "stg_r2_mentor",
    "stg_r3_pair",
    "stg_r4_pair_event",
    "stg_r5_consent",
    "stg_f1_needs",
    "stg_f2_self_report",
    "stg_f3_mentee_feedback",
    "stg_f4_meeting",
    "stg_f5_mentor_feedback",
    "stg_f6_observation",
    "stg_f7_followup",
    "stg_f8_incident",
    "stg_f9_closure",
    "stg_s1_supervision",
    "stg_s2_plan",
    "stg_e1_expert_assessment",
] %}

with

counted as (

    {% for name in models %}
        select
            '{{ name }}' as model_name,
            submission_key,
            count(*) as row_count
        from {{ ref(name) }}
        where
            submission_key is null
            or hashtextextended(submission_key, 0) in (
                select hashtextextended(repeated.submission_key, 0) from {{ ref(name) }} as repeated
                group by hashtextextended(repeated.submission_key, 0)
                having count(*) > 1
            )
        group by submission_key
        having count(*) > 1 or submission_key is null
        {% if not loop.last %}
            union all
        {% endif %}
    {% endfor %}

)

select * from counted
