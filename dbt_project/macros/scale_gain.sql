{#-
    Indicators "the scale is higher after than before" at the grain pair × milestone: they differ in the scale and in
    who is eligible. Measured needs the strict baseline (filled in by the start of the pair) and a valid scale at both
    waves, in the same wording and major version; a lenient baseline is found in int_surveys_matched, but is not counted.

    eligible: condition on a row `surveys` of int_surveys_matched, beside "active at least 60 days".
    group_on: the column of `surveys` with the date that decides the mentee's group.
    reliable: achieved and deteriorated are changes of at least `reliable_change_min` reliable changes, not any.
-#}
{% macro scale_gain(scale_code, eligible, reliable=false, group_on="start_on") -%}
    with

    surveys as (

        select * from {{ ref("int_surveys_matched") }}

    ),

    scores as (

        select * from {{ ref("int_surveys_scored") }}
        where scale_code = '{{ scale_code }}'

    ),

    valued as (

        select
            surveys.*,
            score_before.score as value_before,
            score_after.score as value_after
        from surveys
        left join scores as score_before
            on
                surveys.before_submission_key = score_before.submission_key
                and surveys.is_baseline_strict
        left join scores as score_after on surveys.after_submission_key = score_after.submission_key

    ),

    changed as (

        select
            valued.*,
            {% if reliable -%}
                {{ reliable_change("valued.value_before", "valued.value_after", scale_code) }} as change
            {%- else -%}
                valued.value_after - valued.value_before as change
            {%- endif %}
        from valued

    ),

    final as (

        select
            surveys.pair_key,
            surveys.mentee_key,
            surveys.milestone,
            surveys.milestone_on as event_on,
            surveys.milestone_on as cohort_on,
            surveys.{{ group_on }} as group_on,
            surveys.is_all_started and {{ eligible }} as is_eligible,
            surveys.is_window_closed,
            surveys.after_submission_key is not null as is_reached,
            surveys.change is not null as is_measured,
            {% if reliable -%}
                coalesce(surveys.change >= {{ parameter("reliable_change_min") }}, false) as is_achieved,
                surveys.change <= -{{ parameter("reliable_change_min") }} as is_deteriorated,
            {%- else -%}
                coalesce(surveys.change > 0, false) as is_achieved,
                surveys.change < 0 as is_deteriorated,
            {%- endif %}
            surveys.value_before,
            surveys.value_after
        from changed as surveys

    )

    select * from final
{%- endmacro %}
