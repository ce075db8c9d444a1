"""Cohorts of almost nothing: one pair, nobody who answers, nothing to divide by."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from typing import Any

from tests.dbt.cohorts.dates import months_after
from tests.dbt.cohorts.generator import Submissions


def _add(submissions: Submissions, form: str, on: date, /, **given: Any) -> None:
    key = f"{form}-{len(submissions.rows)}"
    submissions.version(form, key, datetime.combine(on, time(9), UTC), None, given)


def _pair(submissions: Submissions, number: int, start: date) -> str:
    key = f"p{number}"
    keys = {"pair_key": key, "mentee_key": f"m{number}", "mentor_key": "t1"}
    _add(submissions, "r3_pair", start, **keys, form="short", start_on=start, planned_end_on=None)
    return key


def one_pair() -> Submissions:
    """Return one pair that goes on, and not one other form: not even the mentee's registration."""
    submissions = Submissions()
    _pair(submissions, 1, date(2021, 3, 1))
    return submissions


def all_missing() -> Submissions:
    """Return 12 pairs that ended a year and more ago; every form came in, and every answer is refused or empty."""
    submissions = Submissions()
    for number in range(12):
        start, ended = date(2020, 1, 10), date(2020, 9, 10)
        _add(
            submissions,
            "r1_mentee",
            date(2019, 1, 1),
            mentee_key=f"m{number}",
            sex="f",
            birth_year=2005,
            status="ward",
            status_from=date(2019, 1, 1),
        )
        key = _pair(submissions, number, start)
        for wave, on in (("baseline", start), ("endline", ended), ("fu12", months_after(ended, 12))):
            given = {"pair_key": key, "wave": wave, "filled_on": on, "wording": "ward", "assisted_by": "none"}
            _add(submissions, "f2_self_report", on, **given, sup1="99", sup2=None, lif1="99", mot1="99", intent=None)
        given = {"pair_key": key, "wave": "endline", "filled_on": ended, "assisted_by": "none"}
        _add(submissions, "f3_mentee_feedback", ended, **given, fb1="99", fb_all=None, fb_safe="99")
        _add(
            submissions,
            "f9_closure",
            ended,
            pair_key=key,
            ended_on=ended,
            reason="term_complete",
            bye="99",
            warned14=None,
        )
        for horizon in (6, 12):
            on = months_after(ended, horizon)
            reached = {"pair_key": key, "horizon": str(horizon), "filled_on": on, "informant": "mentee"}
            _add(submissions, "f7_followup", on, **reached, reach="completed", contact="99", last_on=None, worse="99")
    return submissions


def incident_without_a_month() -> Submissions:
    """Return a pair of five days, too short for an active month, and an incident of it."""
    submissions = Submissions()
    start, ended = date(2021, 3, 1), date(2021, 3, 6)
    key = _pair(submissions, 1, start)
    _add(submissions, "f9_closure", ended, pair_key=key, ended_on=ended, reason="safety", bye="0", warned14="0")
    _add(
        submissions,
        "f8_incident",
        start,
        pair_key=key,
        occurred_on=start,
        reported_at=datetime(2021, 3, 2, tzinfo=UTC),
        triaged_at=None,
        cat="conflict",
        sev="2",
        link="definite",
    )
    return submissions
