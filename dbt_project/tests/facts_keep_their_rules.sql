-- The rules of dimensions and facts: the rows about people.
{{ config(meta={'tells_rules': true}) }}

{{ broken_rules(
    [
        "dim_mentee",
        "dim_mentor",
        "dim_pair",
        "fct_followup",
        "fct_incident",
        "fct_indicator_outcome",
        "fct_meeting",
        "fct_survey_score",
    ]
) }}
