"""The design of the reference cohort gives the promised figures, without dbt and without the pipeline."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest

_spec = spec_from_file_location("five_indicators", Path(__file__).with_name("five_indicators.py"))
assert _spec is not None
assert _spec.loader is not None
oracle = module_from_spec(_spec)
_spec.loader.exec_module(oracle)

VIEWS = ["rolling_4q", "cohort_year"]


def accepted(cohort: Any, planted: dict[str, Any], *, but: str | None = None) -> list[Any]:
    """The rows that must reach raw: all but the quarantined ones; ``but`` names a family that is let through."""
    quarantined = {
        fault["submission_id"]
        for fault in planted["faults"]
        if fault["handling"] == "quarantined" and fault["family"] != but
    }
    return [record for record in cohort.records if record.submission_id not in quarantined]


def figures(records: list[Any], as_of: str, view: str = "cohort_year") -> dict[str, dict[str, int]]:
    moment = datetime.fromisoformat(as_of)
    return oracle.five_indicators(oracle.current_rows(records, moment), 2021, moment, view)


@pytest.mark.parametrize("view", VIEWS)
def test_figures_at_the_cut_off(cohort: Any, planted: dict[str, Any], expected: dict[str, Any], view: str) -> None:
    assert view in expected["period_views"]
    assert figures(accepted(cohort, planted), expected["cut_off"], view) == expected["indicators"]


def test_figures_are_those_reported(expected: dict[str, Any]) -> None:
    """The practice's percents are truncated: 17 of 21 is 80.95 and was printed as 80."""
    for code, reported in expected["reported"].items():
        if reported["count"] is None:
            continue
        indicator = expected["indicators"][code]
        assert (indicator["achieved"], indicator["measured"]) == (reported["count"], reported["implied_denominator"])
        assert 100 * indicator["achieved"] // indicator["measured"] == reported["percent"]


@pytest.mark.parametrize("view", VIEWS)
def test_late_follow_up_changes_2_3_and_nothing_else(
    cohort: Any, planted: dict[str, Any], expected: dict[str, Any], view: str
) -> None:
    records, later = accepted(cohort, planted), expected["later"]
    assert figures(records, later["as_of"], view) == later["indicators"]
    assert [code for code, values in later["indicators"].items() if values != expected["indicators"][code]] == ["2.3"]
    # it is the late row that does it, not the time that has passed
    late = {fault["submission_id"] for fault in planted["faults"] if fault["handling"] == "late"}
    in_time = [record for record in records if record.submission_id not in late]
    assert figures(in_time, later["as_of"], view) == expected["indicators"]


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("day", ["2022-01-21", "2022-02-28", "2022-03-03", "2022-06-30", "2023-01-01", "2030-01-01"])
def test_reported_figures_stay_the_same_at_any_later_moment(
    cohort: Any, planted: dict[str, Any], expected: dict[str, Any], view: str, day: str
) -> None:
    """Readers look at the marts of today as well. In 2.3 the year of ends grows as further windows close."""
    today = figures(accepted(cohort, planted), f"{day}T00:00:00+03:00", view)
    for code in ("1.1", "2.1", "2.2", "3.1"):
        assert today[code] == expected["indicators"][code]
    is_grown = view == "cohort_year" and day >= "2022-03-03"
    assert (today["2.3"] != expected["later"]["indicators"]["2.3"]) == is_grown


def test_late_feedback_has_teeth(cohort: Any, planted: dict[str, Any], expected: dict[str, Any]) -> None:
    """It is the last to arrive: if that made it the latest, 2.2 would rise."""
    (late,) = [
        fault["submission_id"]
        for fault in planted["faults"]
        if fault["handling"] == "late" and fault["form"] == "f3_mentee_feedback"
    ]
    records = [
        replace(record, answers=dict(record.answers) | {"filled_on": date(2021, 12, 17)})
        if record.submission_id == late
        else record
        for record in accepted(cohort, planted)
    ]
    later = expected["later"]
    assert figures(records, later["as_of"])["2.2"]["achieved"] == later["indicators"]["2.2"]["achieved"] + 1


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
