{#-
    An indicator "the scale is higher after than before" at the grain pair × milestone: 2.1 and 3.1 differ in the
    scale and in who is eligible. Measured needs the strict baseline (filled in by the start of the pair) and a valid
    scale at both waves in the same wording; a lenient baseline is found in int_surveys_matched, but is not counted.

    eligible: condition on a row `surveys` of int_surveys_matched, beside "active at least 60 days".
-#}
{% macro scale_gain(indicator_code, scale_code, eligible) -%}
    with

    surveys as (

        select * from {{ ref("int_surveys_matched") }}

    ),

    scores as (

        select * from {{ ref("int_surveys_scored") }}
        where scale_code = '{{ scale_code }}'

    ),

    final as (

        select
            '{{ indicator_code }}' as indicator_code,
            surveys.pair_key,
            surveys.mentee_key,
            surveys.milestone,
            surveys.milestone_on as event_on,
            surveys.milestone_on as cohort_on,
            surveys.start_on as group_on,
            surveys.is_all_started and {{ eligible }} as is_eligible,
            surveys.is_window_closed,
            surveys.after_submission_key is not null as is_reached,
            score_before.score is not null and score_after.score is not null as is_measured,
            coalesce(score_after.score > score_before.score, false) as is_achieved,
            score_after.score < score_before.score as is_deteriorated,
            score_before.score as value_before,
            score_after.score as value_after
        from surveys
        left join scores as score_before
            on
                surveys.before_submission_key = score_before.submission_key
                and surveys.is_baseline_strict
        left join scores as score_after on surveys.after_submission_key = score_after.submission_key

    )

    select * from final
{%- endmacro %}
