"""The design of the reference cohort gives the promised figures, without dbt and without the pipeline."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest

_spec = spec_from_file_location("five_indicators", Path(__file__).with_name("five_indicators.py"))
assert _spec is not None
assert _spec.loader is not None
oracle = module_from_spec(_spec)
_spec.loader.exec_module(oracle)


def accepted(cohort: Any, planted: dict[str, Any], *, but: str | None = None) -> list[Any]:
    """The rows that must reach raw: all but the quarantined ones; ``but`` names a family that is let through."""
    quarantined = {
        fault["submission_id"]
        for fault in planted["faults"]
        if fault["handling"] == "quarantined" and fault["family"] != but
    }
    return [record for record in cohort.records if record.submission_id not in quarantined]


def figures(records: list[Any], as_of: str) -> dict[str, dict[str, int]]:
    moment = datetime.fromisoformat(as_of)
    return oracle.five_indicators(oracle.current_rows(records, moment), 2021, moment)


def test_figures_at_the_cut_off(cohort: Any, planted: dict[str, Any], expected: dict[str, Any]) -> None:
    assert figures(accepted(cohort, planted), expected["cut_off"]) == expected["indicators"]


def test_figures_are_those_reported(expected: dict[str, Any]) -> None:
    """The practice's percents are truncated: 17 of 21 is 80.95 and was printed as 80."""
    for code, reported in expected["reported"].items():
        if reported["count"] is None:
            continue
        indicator = expected["indicators"][code]
        assert (indicator["achieved"], indicator["measured"]) == (reported["count"], reported["implied_denominator"])
        assert 100 * indicator["achieved"] // indicator["measured"] == reported["percent"]


def test_late_arrivals_change_later_figures_only(
    cohort: Any, planted: dict[str, Any], expected: dict[str, Any]
) -> None:
    later = figures(accepted(cohort, planted), expected["later"]["as_of"])
    for code, values in expected["later"]["indicators"].items():
        assert later[code] == values
        assert values != expected["indicators"][code]
    for code in ("1.1", "3.1"):
        assert later[code] == expected["indicators"][code]


def test_mentor_assisted_form_would_change_the_figure(
    cohort: Any, planted: dict[str, Any], expected: dict[str, Any]
) -> None:
    """The fault has teeth: let through as if nobody had helped, it lifts 2.2."""
    records = [
        replace(record, answers=dict(record.answers) | {"assisted_by": "none"})
        for record in accepted(cohort, planted, but="mentor_assisted")
        if record.form_id != "f2_self_report" or record.answers["assisted_by"] != "mentor"
    ]
    assert figures(records, expected["cut_off"])["2.2"]["achieved"] == expected["indicators"]["2.2"]["achieved"] + 1


@pytest.mark.parametrize(("form_id", "code"), [("f2_self_report", "3.1"), ("f3_mentee_feedback", "2.2")])
def test_edit_decides(cohort: Any, planted: dict[str, Any], expected: dict[str, Any], form_id: str, code: str) -> None:
    """The first versions alone give one achievement less: the edit must win."""
    firsts = [record for record in accepted(cohort, planted) if not (record.form_id == form_id and record.updated_at)]
    assert figures(firsts, expected["cut_off"])[code]["achieved"] == expected["indicators"][code]["achieved"] - 1
