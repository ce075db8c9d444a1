"""The five headline indicators: the whole funnel of each, in every window and split."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

from tests.dbt.cohorts.dates import TODAY
from tests.dbt.cohorts.facts import Milestone, Pair, Row, arrived_at
from tests.dbt.cohorts.intervals import wilson
from tests.dbt.cohorts.scales import score
from tests.dbt.cohorts.surveys import matches, unassisted

GOING_ON = {"study", "work", "both"}
PERCENT_MIN = 10
FEEDBACK_DAYS = 90
SPLITS = ("all", "form", "group", "sex", "age_band")
Cell = tuple[str, str, str, str, str]
Numbers = dict[str, float | None]


@dataclass
class Outcome:
    """What became of one milestone for one indicator."""

    indicator: str
    pair: Pair
    is_end: bool
    event_on: date
    cohort_on: date
    group: str
    is_eligible: bool
    is_due: bool
    is_reached: bool
    is_measured: bool
    is_achieved: bool
    is_worse: bool | None

    def splits(self) -> dict[str, str]:
        """Return the value of each split."""
        return self.pair.splits() | {"group": self.group, "age_band": self.pair.age_band}


def _funnel(
    indicator: str,
    pair: Pair,
    milestone: Milestone,
    *,
    group: str,
    eligible: bool,
    closed: bool,
    reached: bool,
    measured: bool,
    achieved: bool,
    worse: bool | None = None,
) -> Outcome:
    due = eligible and (closed or (reached and measured))
    counts = due and reached and measured
    return Outcome(
        indicator=indicator,
        pair=pair,
        is_end=milestone.kind == "end",
        event_on=milestone.on,
        cohort_on=milestone.on,
        group=group,
        is_eligible=eligible,
        is_due=due,
        is_reached=due and reached,
        is_measured=counts,
        is_achieved=counts and achieved,
        is_worse=worse if counts else None,
    )


def outcomes(pairs: list[Pair], forms: dict[str, list[Row]]) -> Iterator[Outcome]:
    """Yield the outcome of each milestone of each started pair for each indicator."""
    for pair in pairs:
        if not pair.is_started:
            continue
        at_start = pair.status_on(pair.start_on)
        for match in matches(pair, forms):
            milestone, closed = match.milestone, match.milestone.closes < TODAY
            for indicator, scale, eligible in (("2.1", "SUP", True), ("3.1", "LIF", at_start == "ward")):
                before, after = match.change(scale)
                both = before is not None and after is not None
                yield _funnel(
                    indicator,
                    pair,
                    milestone,
                    group=at_start,
                    eligible=milestone.is_all_started and eligible,
                    closed=closed,
                    reached=match.after is not None,
                    measured=both,
                    achieved=both and after > before,
                    worse=after < before if both else None,
                )
            before, after = match.change("MOT")
            intent = match.after["intent"] if match.after else None
            status = pair.status_on(match.after["filled_on"] if match.after else milestone.on)
            yield _funnel(
                "1.1",
                pair,
                milestone,
                group=status,
                eligible=milestone.is_all_started and status == "graduate",
                closed=closed,
                reached=match.after is not None,
                measured=after is not None and intent is not None,
                achieved=after is not None and after >= 3.5 and intent in GOING_ON,
                worse=after < before if before is not None and after is not None else None,
            )
            yield _feedback(pair, milestone, unassisted(forms, "f3_mentee_feedback", pair))
        for follow_up in pair.follow_ups:
            if follow_up.horizon == 6 and pair.ended_on:
                found = _funnel(
                    "2.3",
                    pair,
                    Milestone("end", "fu6", follow_up.due_on, pair.is_all_started),
                    group=at_start,
                    eligible=pair.is_all_started and follow_up.is_closed,
                    closed=follow_up.is_closed,
                    reached=bool(follow_up.form and follow_up.form["reach"] == "completed"),
                    measured=follow_up.is_kept is not None,
                    achieved=follow_up.is_kept is True,
                )
                found.cohort_on = pair.ended_on
                yield found


def _feedback(pair: Pair, milestone: Milestone, feedback: list[Row]) -> Outcome:
    def is_final(row: Row) -> bool:
        inside = milestone.opens <= row["filled_on"] <= milestone.closes
        return milestone.kind == "end" and row["wave"] == "endline" and inside

    def is_valid(row: Row) -> bool:
        return score(row, "FB") is not None and row["fb_all"] is not None

    form = max(
        (
            row
            for row in feedback
            if is_final(row) or milestone.on - timedelta(FEEDBACK_DAYS) <= row["filled_on"] <= milestone.on
        ),
        key=lambda row: (is_valid(row), is_final(row), row["filled_on"], arrived_at(row)),
        default=None,
    )
    value = score(form, "FB")
    return _funnel(
        "2.2",
        pair,
        milestone,
        group=pair.status_on(pair.start_on),
        eligible=milestone.is_all_started,
        closed=(milestone.closes if milestone.kind == "end" else milestone.on) < TODAY,
        reached=form is not None,
        measured=form is not None and is_valid(form),
        achieved=form is not None
        and value is not None
        and value >= 4
        and int(form["fb_all"] or 0) >= 4
        and form["fb_safe"] != "1",
    )


def headline(
    pairs: list[Pair], forms: dict[str, list[Row]], windows: dict[tuple[str, str], tuple[date, date]]
) -> tuple[dict[Cell, Numbers], set[tuple[str, str]]]:
    """Return the cells in which somebody is eligible, and the windows in which 2.3 is planned."""
    everything = list(outcomes(pairs, forms))
    cells: dict[Cell, Numbers] = {}
    planned = set()
    for (view, quarter), (opens, closes) in windows.items():
        contacts = [
            outcome.cohort_on if view == "cohort_year" else outcome.event_on
            for outcome in everything
            if outcome.indicator == "2.3" and outcome.is_eligible
        ]
        if min(contacts, default=date.max) > closes:
            planned.add((view, quarter))
        inside = [
            outcome
            for outcome in everything
            if opens <= (outcome.cohort_on if view == "cohort_year" else outcome.event_on) <= closes
        ]
        latest: dict[tuple[str, str], Outcome] = {}
        for outcome in sorted(
            inside, key=lambda one: (one.is_eligible, one.is_end, one.event_on, one.pair.key.encode())
        ):
            latest[outcome.indicator, outcome.pair.mentee] = outcome
        grouped: dict[Cell, list[Outcome]] = {}
        for outcome in latest.values():
            if outcome.is_eligible:
                for split, value in outcome.splits().items():
                    grouped.setdefault((outcome.indicator, view, quarter, split, value), []).append(outcome)
        cells |= {cell: _numbers(found) for cell, found in grouped.items()}
    return cells, planned


def _numbers(found: list[Outcome]) -> Numbers:
    eligible, measured = len(found), sum(one.is_measured for one in found)
    achieved = sum(one.is_achieved for one in found)
    known = [one.is_worse for one in found if one.is_worse is not None]
    numbers: Numbers = {
        "eligible": eligible,
        "due": sum(one.is_due for one in found),
        "reached": sum(one.is_reached for one in found),
        "measured": measured,
        "achieved": achieved if measured else None,
        "deteriorated": sum(known) if known else None,
        "deterioration_known": len(known) or None,
        "coverage": measured / eligible,
    }
    shares = dict.fromkeys(("share", "ci_low", "ci_high", "worst_case", "best_case"))
    if measured >= PERCENT_MIN:
        low, high = wilson(achieved, measured)
        shares = {
            "share": achieved / measured,
            "ci_low": low,
            "ci_high": high,
            "worst_case": achieved / eligible,
            "best_case": (achieved + eligible - measured) / eligible,
        }
    return numbers | shares
