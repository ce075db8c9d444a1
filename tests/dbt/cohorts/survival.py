"""M1 and the contact part of M8: the cases of each curve, and the curve itself by its definition."""

from __future__ import annotations

from tests.dbt.cohorts.dates import TODAY
from tests.dbt.cohorts.facts import Pair

Cases = list[tuple[int, bool]]


def of_form(pairs: list[Pair], form: str) -> list[Pair]:
    """Return the started pairs that count under a form."""
    return [pair for pair in pairs if pair.is_started and form in ("all", pair.reporting_form)]


def matches_lasted(pairs: list[Pair]) -> Cases:
    """Return how many days each match lasted, and whether it ended then: a conversion and the cut-off end none."""
    return [
        (((pair.ended_on or TODAY) - pair.start_on).days, pair.ended_on is not None and not pair.is_converted)
        for pair in pairs
    ]


def contacts_lasted(pairs: list[Pair]) -> dict[str, Cases]:
    """Return the cases of the observed curve of contact and of its bounds."""
    curves: dict[str, Cases] = {"survival": [], "worst_case": [], "best_case": []}
    for pair in pairs:
        if not pair.follow_ups or not pair.is_all_started or not pair.ended_on:
            continue
        confirmed, lost, silent = 0, None, None
        for follow_up in pair.follow_ups:
            form, kept = follow_up.form, follow_up.is_kept
            if lost is not None:
                break
            if form and kept is False:
                lost = max(((form["last_on"] or form["filled_on"]) - pair.ended_on).days, confirmed)
            elif form and kept:
                confirmed, silent = max(confirmed, (form["last_on"] - pair.ended_on).days), None
            elif follow_up.is_closed:
                silent = (follow_up.due_on - pair.ended_on).days
        for curve, cases in curves.items():
            if lost is not None:
                cases.append((lost, True))
            elif silent is not None and curve == "best_case":
                cases.append((max(silent, confirmed), False))
            else:
                cases.append((confirmed, silent is not None and curve == "worst_case"))
    return curves


def product_limit(cases: Cases) -> dict[int, tuple[int, int, int, float]]:
    """Return day → at risk, events, censored and survival, for day 0 and each day of a case."""
    survival, drawn = 1.0, {}
    for day in sorted({0, *(day for day, _ in cases)} if cases else ()):
        at_risk = sum(other >= day for other, _ in cases)
        events = sum(other == day and event for other, event in cases)
        survival *= 1 - events / at_risk
        drawn[day] = (at_risk, events, sum(other == day for other, _ in cases) - events, survival)
    return drawn
