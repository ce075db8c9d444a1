"""For each condition that a relation's rules say: a row that keeps it and a row that breaks it, made by hand."""

from __future__ import annotations

from typing import Any

Values = dict[str, Any]

CONDITIONS: dict[str, tuple[Values, Values]] = {
    "artefacts_do_not_expire_before_they_are_issued": (
        {"issued_on": "2021-01-02", "valid_to": "2021-01-02"},
        {"issued_on": "2021-01-02", "valid_to": "2021-01-01"},
    ),
    "contact_survival_interval_encloses_the_curve": (
        {"ci_low": 0.5, "survival": 0.5, "ci_high": 1},
        {"ci_low": 0.5, "survival": 0.6, "ci_high": 0.59},
    ),
    "contact_survival_lies_between_its_bounds": (
        {"worst_case": 0.5, "survival": 0.5, "best_case": 0.6},
        {"worst_case": 0.5, "survival": 0.49, "best_case": 0.6},
    ),
    "dim_pair_mentee_is_not_the_mentor": (
        {"mentee_key": "one", "mentor_key": "other"},
        {"mentee_key": "one", "mentor_key": "one"},
    ),
    "evidence_readiness_a_status_has_its_measure": ({"status": "met", "measured": 1}, {"status": "met"}),
    "evidence_readiness_met_reaches_the_threshold": (
        {"status": "met", "measured": 60, "threshold": 60},
        {"status": "met", "measured": 59, "threshold": 60},
    ),
    "fct_indicator_outcome_funnel_only_narrows": (
        dict.fromkeys(("is_achieved", "is_measured", "is_reached", "is_due", "is_eligible"), True),
        dict.fromkeys(("is_achieved", "is_measured", "is_reached", "is_due"), True) | {"is_eligible": False},
    ),
    "fct_indicator_outcome_worse_is_never_more": (
        {"is_deteriorated": True, "value_before": 3, "value_after": 2},
        {"is_deteriorated": True, "value_before": 3, "value_after": 3},
    ),
    "fct_survey_score_needs_80_percent_valid": (
        {"score": 3, "valid_item_count": 4, "item_count": 5},
        {"score": 3, "valid_item_count": 3, "item_count": 5},
    ),
    "fct_survey_score_scale_belongs_to_its_form": (
        {"form_id": "f7_followup", "scale_code": "SUP"},
        {"form_id": "f7_followup", "scale_code": "MOT"},
    ),
    "indicator_definitions_companion_names_its_headline": (
        {"kind": "companion", "companion_of": "2.1"},
        {"kind": "companion"},
    ),
    "indicator_quarterly_completers_are_some_of_all": (
        dict.fromkeys(("completers_eligible", "eligible", "completers_measured", "measured"), 10)
        | {"completers_share": 0.5, "completers_achieved": 5, "achieved": 5},
        dict.fromkeys(("completers_eligible", "eligible", "completers_measured", "measured"), 10)
        | {"completers_share": 0.5, "completers_achieved": 5, "achieved": 4},
    ),
    "indicator_quarterly_no_share_below_ten_measured": ({"share": 0.5, "measured": 10}, {"share": 0.5, "measured": 9}),
    "indicator_quarterly_planned_has_no_numbers": ({"status": "planned"}, {"status": "planned", "eligible": 0}),
    "instrument_versions_major_version_is_the_number_of_a_form_version": (
        {"major_version": "2021010100", "form_version": "2021010100"},
        {"major_version": "2021010101", "form_version": "2021010100"},
    ),
    "int_indicators_united_worse_is_never_more": (
        {"is_deteriorated": True, "value_before": 3, "value_after": 2},
        {"is_deteriorated": True, "value_before": 3, "value_after": 4},
    ),
    "int_mentee_statuses_dated_never_end_before_they_begin": (
        {"valid_from": "2021-01-02", "valid_to": "2021-01-02"},
        {"valid_from": "2021-01-02", "valid_to": "2021-01-01"},
    ),
    "int_pairs_assembled_end_is_not_before_start": (
        {"start_on": "2021-01-02", "ended_on": "2021-01-02"},
        {"start_on": "2021-01-02", "ended_on": "2021-01-01"},
    ),
    "int_surveys_scored_score_lies_within_the_scale": ({"score": 5}, {"score": 5.1}),
    "match_survival_bounds_enclose_the_curve": (
        {"ci_low": 0, "survival": 0.5, "ci_high": 0.5},
        {"ci_low": 0, "survival": 0.5, "ci_high": 1.1},
    ),
    "parameters_reliability_is_a_correlation": (
        {"parameter_code": "reliability_sup", "value": 1},
        {"parameter_code": "reliability_sup", "value": 1.1},
    ),
    "parameters_spread_is_not_negative": (
        {"parameter_code": "sd1_sup", "value": 0},
        {"parameter_code": "sd1_sup", "value": -0.1},
    ),
    "programme_indicator_quarterly_interval_encloses_the_value": (
        {"ci_low": 0.5, "value": 0.5, "ci_high": 0.6},
        {"ci_low": 0.5, "value": 0.7, "ci_high": 0.6},
    ),
    "programme_indicator_quarterly_no_data_is_never_zero": (
        {"denominator": 0, "status": "no_data"},
        {"denominator": 0, "status": "no_data", "numerator": 0},
    ),
    "readiness_checks_a_document_check_names_its_kind": (
        {"evidence": "artefact", "artefact_kind": "plan", "is_after_assessment": False},
        {"evidence": "artefact", "artefact_kind": "plan"},
    ),
    "readiness_checks_a_measure_check_names_its_cell": (
        dict.fromkeys(("measure_code", "measure_figure", "split_by", "split_value"), "x"),
        dict.fromkeys(("measure_code", "measure_figure", "split_by"), "x"),
    ),
    "readiness_checks_data_come_from_forms": (
        {"evidence": "data", "source_forms": "f2_self_report"},
        {"evidence": "data"},
    ),
    "readiness_rollup_every_check_has_one_status": (
        {"checks": 2, "met": 1, "partly_met": 0, "not_met": 1, "not_computable": 0, "not_yet_due": 0},
        {"checks": 2, "met": 1, "partly_met": 0, "not_met": 0, "not_computable": 0, "not_yet_due": 0},
    ),
    "sustainability_everybody_due_has_one_outcome": (
        {"scheduled": 3, "not_yet_due": 1, "due": 2, "completed": 1, "refused": 1}
        | {"unreachable": 0, "gone": 0, "missed": 0, "measured": 1, "sustained": 1},
        {"scheduled": 3, "not_yet_due": 1, "due": 2, "completed": 1, "refused": 0}
        | {"unreachable": 0, "gone": 0, "missed": 0, "measured": 1, "sustained": 1},
    ),
    "sustainability_share_lies_between_its_bounds": (
        {"worst_case": 0.5, "share": 0.5, "best_case": 0.5},
        {"worst_case": 0.5, "share": 0.4, "best_case": 0.5},
    ),
}
"""Rule → (row that keeps it, row that breaks it); columns that are not named are NULL."""
