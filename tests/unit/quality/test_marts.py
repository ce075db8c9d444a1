"""The expectations on the marts: each has a figure that breaks it, and sound figures break none."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from vmeste.quality.marts import suites
from vmeste.quality.validate import validate
from vmeste.settings import ROOT

SUITES = suites(ROOT / "expectations")

SOUND: dict[str, dict[str, Any]] = {
    "evidence_readiness": {
        "check_code": "response",
        "status": "partial",
        "measured": 0.75,
        "counted": 15,
        "counted_of": 20,
        "explanation_ru": "Доля пригодных анкет: 0,75 (15/20) при пороге 0,8",
    },
    "sustainability": {
        "status": "shown",
        "due": 15,
        "measured": 10,
        "share": 0.7,
        "ci_low": 0.4,
        "ci_high": 0.9,
        "coverage": 0.67,
    },
    "programme_indicator_quarterly": {
        "measure_code": "M4",
        "status": "shown",
        "denominator": 12,
        "numerator": 4.0,
        "value": 0.33,
        "q1": None,
        "q3": None,
        "coverage": 1.0,
    },
}

BROKEN: list[tuple[str, str, dict[str, Any]]] = [
    ("evidence_readiness", "explained", {"explanation_ru": None}),
    ("evidence_readiness", "no_level_is_predicted", {"explanation_ru": "Раздел достигнет базового уровня"}),
    ("evidence_readiness", "measured_is_not_negative", {"measured": -0.1}),
    ("evidence_readiness", "counted_at_most_counted_of", {"counted": 21}),
    ("sustainability", "ci_low_at_most_share", {"ci_low": 0.71}),
    ("sustainability", "share_at_most_ci_high", {"ci_high": 0.69}),
    ("sustainability", "coverage_is_a_share", {"coverage": 1.1}),
    ("sustainability", "no_percent_below_ten", {"measured": 9}),
    ("sustainability", "planned_is_empty", {"status": "planned"}),
    ("programme_indicator_quarterly", "q1_at_most_value", {"q1": 0.4}),
    ("programme_indicator_quarterly", "value_at_most_q3", {"q3": 0.2}),
    ("programme_indicator_quarterly", "value_is_not_negative", {"measure_code": "M2_hours", "value": -1.0}),
    ("programme_indicator_quarterly", "share_is_a_share", {"value": 1.2}),
    ("programme_indicator_quarterly", "coverage_is_a_share", {"coverage": 1.2}),
    ("programme_indicator_quarterly", "no_percent_below_ten", {"denominator": 9}),
    ("programme_indicator_quarterly", "silence_is_no_zero", {"status": "insufficient_monitoring", "value": None}),
]


@pytest.mark.parametrize("relation", SOUND)
def test_sound_figures_break_nothing_and_each_broken_one_breaks_its_rule_alone(relation: str) -> None:
    cases = [(rule, change) for name, rule, change in BROKEN if name == relation]
    assert {rule for rule, _ in cases} == {entry["meta"]["rule"] for entry in SUITES[relation].expectations}
    frame = pd.DataFrame([SOUND[relation], *(SOUND[relation] | change for _, change in cases)])
    verdict = validate(frame, SUITES[relation])
    assert verdict.blocking
    assert verdict.broken == {row: (rule,) for row, (rule, _) in enumerate(cases, start=1)}


@pytest.mark.parametrize(
    ("relation", "change"),
    [
        # a rate and a dose are no shares; a sample may grow beyond that of the year before
        ("programme_indicator_quarterly", {"measure_code": "M9_incidents", "value": 3.5}),
        ("programme_indicator_quarterly", {"measure_code": "M2_hours", "value": 6.5, "q1": 3.0, "q3": 9.0}),
        ("evidence_readiness", {"check_code": "sample_trend", "measured": 1.2, "counted": 24}),
        ("sustainability", {"status": "planned", "due": None, "measured": None, "share": None}),
    ],
)
def test_what_only_looks_odd_passes(relation: str, change: dict[str, Any]) -> None:
    frame = pd.DataFrame([SOUND[relation], SOUND[relation] | change])
    assert validate(frame, SUITES[relation]).blocking == ()
