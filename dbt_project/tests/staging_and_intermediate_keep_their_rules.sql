-- The rules of the members of repeats and of everything intermediate.
{{ config(meta={'tells_rules': true}) }}

{{ broken_rules(
    [
        "int_consents_withdrawn",
        "int_followups_scheduled",
        "int_forms_due",
        "int_indicators_united",
        "int_mentee_statuses_dated",
        "int_observations_matched",
        "int_pair_milestones_scheduled",
        "int_pair_months_counted",
        "int_pair_periods_kept",
        "int_pairs_assembled",
        "int_programmes_run",
        "int_results_followed",
        "int_surveys_matched",
        "int_surveys_scored",
        "int_windows_opened",
        "stg_e1_expert_assessment_plan_items",
        "stg_e1_expert_assessment_sections",
        "stg_s1_supervision_mentors",
        "stg_s2_plan_goals",
    ],
    looked_up=["indicator_definitions"]
) }}
