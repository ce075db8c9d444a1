{#-
    1.1 and its two components at the grain pair × milestone: graduates on the endline's date, what they say about study
    and work at the endline.

    is_measured, is_achieved: conditions on a row `valued` with value_after (MOT) and after_intent.
    has_scale: whether MOT belongs to it, and with it values before and after and deterioration.
-#}
{% macro motivated_at_endline(is_measured, is_achieved, has_scale=true) -%}
    with

    surveys as (

        select * from {{ ref("int_surveys_matched") }}

    ),

    scores as (

        select * from {{ ref("int_surveys_scored") }}
        where scale_code = 'MOT'

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

    final as (

        select
            valued.pair_key,
            valued.mentee_key,
            valued.milestone,
            valued.milestone_on as event_on,
            valued.milestone_on as cohort_on,
            valued.milestone_group_on as group_on,
            valued.is_all_started and valued.mentee_group_at_milestone = 'graduate' as is_eligible,
            valued.is_window_closed,
            valued.after_submission_key is not null as is_reached,
            {{ is_measured }} as is_measured,
            coalesce({{ is_achieved }}, false) as is_achieved,
            {% if has_scale -%}
                valued.value_after < valued.value_before as is_deteriorated,
                valued.value_before,
                valued.value_after
            {%- else -%}
                cast(null as boolean) as is_deteriorated,
                cast(null as double precision) as value_before,
                cast(null as double precision) as value_after
            {%- endif %}
        from valued

    )

    select * from final
{%- endmacro %}
