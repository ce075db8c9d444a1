"""The programme's measures M2 to M15: the cases of each, and the numbers of a cell made of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

import numpy as np

from tests.dbt.cohorts.dates import AS_OF, MOSCOW, TODAY, days, months_after, quarter_starts
from tests.dbt.cohorts.facts import Pair, Row
from tests.dbt.cohorts.headline import PERCENT_MIN, Numbers
from tests.dbt.cohorts.intervals import poisson, wilson
from tests.dbt.cohorts.scales import score
from tests.dbt.cohorts.surveys import matches, unassisted

FEWEST_PAIRS = 3
NEEDS = ("support", "life", "house", "comm", "study", "work", "world", "admin")


@dataclass
class Case:
    """One thing that a measure counts: None is not known. Of a rate: incidents and pair-months."""

    measure: str
    pair: Pair
    on: date
    is_achieved: bool | None
    own: tuple[str, str] | None = None
    exposure: int | None = None

    def splits(self) -> list[tuple[str, str]]:
        """Return every split and value under which it counts."""
        return [*self.pair.splits().items(), *([self.own] if self.own else [])]


@dataclass
class Month:
    """An active calendar month of a pair, with what was held in it; None: before anybody kept a log."""

    pair: Pair
    on: date
    minutes: int | None
    meetings: int | None


def months(pairs: list[Pair], forms: dict[str, list[Row]]) -> list[Month]:
    """Return the months of which the pair was active in at least half of the days."""
    by_key = {pair.key: pair for pair in pairs if pair.is_started}
    held: dict[tuple[str, date], list[int]] = {}
    for row in forms.get("f4_meeting", []):
        pair = by_key.get(row["pair_key"])
        if pair and row["status"] == "held" and _is_within(row["held_on"], pair):
            held.setdefault((pair.key, row["held_on"].replace(day=1)), []).append(row["duration_min"])
    first = min((on for _, on in held), default=date.max)
    found = []
    for pair in by_key.values():
        counted: dict[date, int] = {}
        for day in pair.active:
            month = day.replace(day=1)
            counted[month] = counted.get(month, 0) + 1
        for month, active in counted.items():
            if 2 * active >= (months_after(month, 1) - month).days:
                meetings = held.get((pair.key, month), [])
                known = month >= first
                found.append(Month(pair, month, sum(meetings) if known else None, len(meetings) if known else None))
    return found


def _is_within(day: date, pair: Pair) -> bool:
    return bool(pair.start_on <= day and (pair.ended_on is None or day <= pair.ended_on))


def cases(pairs: list[Pair], forms: dict[str, list[Row]]) -> Iterator[Case]:
    """Yield the cases of M3 to M6 and M11 to M15."""
    started = [pair for pair in pairs if pair.is_started]
    for month in months(pairs, forms):
        yield Case("M3", month.pair, month.on, None if month.meetings is None else month.meetings >= 2)
    for pair in started:
        if pair.ended_on:
            yield Case("M4", pair, pair.ended_on, pair.is_closed_early)
            if not pair.is_converted:
                yield Case("M5_farewell", pair, pair.ended_on, pair.had_farewell)
                yield Case("M5_warned", pair, pair.ended_on, pair.was_warned)
    yield from _attrition(started, forms)
    yield from _baselines(started, forms)
    yield from _supervision(started, forms)
    yield from _plans(started, forms)
    yield from _timeliness(pairs, forms)


def _strict_baseline(pair: Pair, scale: str, forms: dict[str, list[Row]]) -> float | None:
    valid = [
        (row["filled_on"], number, value)
        for number, row in enumerate(unassisted(forms, "f2_self_report", pair))
        if row["wave"] == "baseline" and row["filled_on"] <= pair.start_on
        if (value := score(row, scale)) is not None
    ]
    return max(valid)[2] if valid else None


def _attrition(pairs: list[Pair], forms: dict[str, list[Row]]) -> Iterator[Case]:
    for scale in ("SUP", "LIF", "MOT"):
        followed = []
        for pair in pairs:
            for match in matches(pair, forms):
                milestone = match.milestone
                baseline = _strict_baseline(pair, scale, forms)
                is_over = milestone.kind == "end" and milestone.is_all_started and milestone.closes < TODAY
                if is_over and baseline is not None:
                    followed.append((pair, milestone.on, baseline, score(match.after, scale) is None))
        limits = np.percentile([baseline for _, _, baseline, _ in followed], [100 / 3, 200 / 3]) if followed else ()
        for pair, on, baseline, is_lost in followed:
            low, high = (float(limit) + 1e-12 for limit in limits)
            tertile = "low" if baseline <= low else "middle" if baseline <= high else "high"
            yield Case(f"M6_{scale.lower()}", pair, on, is_lost, ("baseline_tertile", tertile))


def _baselines(pairs: list[Pair], forms: dict[str, list[Row]]) -> Iterator[Case]:
    for pair in pairs:
        complete = all(_strict_baseline(pair, scale, forms) is not None for scale in ("SUP", "LIF", "MOT"))
        yield Case("M11", pair, pair.start_on, complete if forms.get("f2_self_report") else None)


def _supervision(pairs: list[Pair], forms: dict[str, list[Row]]) -> Iterator[Case]:
    attended = {
        (mentor["mentor_key"], row["held_on"]) for row in forms.get("s1_supervision", []) for mentor in row["mentors"]
    }
    first = min((on for _, on in attended), default=date.max)
    opens = quarter_starts(min((pair.start_on for pair in pairs), default=TODAY))
    while (closes := months_after(opens, 3) - timedelta(1)) < TODAY:
        quarter = set(days(opens, closes + timedelta(1)))
        # under the pair that began last
        mentors: dict[str, Pair] = {}
        for pair in sorted(pairs, key=lambda one: (one.start_on, one.key.encode())):
            if pair.active & quarter:
                mentors[pair.mentor] = pair
        for mentor, pair in mentors.items():
            came = any(who == mentor and on in quarter for who, on in attended)
            yield Case("M12", pair, closes, came if first <= closes else None)
        opens = closes + timedelta(1)


def _plans(pairs: list[Pair], forms: dict[str, list[Row]]) -> Iterator[Case]:
    plans = forms.get("s2_plan", [])
    first = min((row["approved_on"] for row in plans), default=date.max)
    for pair in pairs:
        own = [row for row in plans if row["pair_key"] == pair.key]
        goals = [goal for row in own for goal in row["goals"]]
        due = pair.start_on + timedelta(30)
        if due < TODAY:
            in_time = any(row["approved_on"] <= due for row in own)
            yield Case("M13_plans", pair, due, in_time if first <= due else None)
        for goal in goals:
            if goal["reviewed_on"]:
                attained = None if goal["attainment"] is None else int(goal["attainment"]) >= 0
                yield Case(
                    "M13_goals", pair, date.fromisoformat(goal["reviewed_on"]), attained, ("need", goal["domain"])
                )
        assessed = [
            (row["filled_on"], number, row)
            for number, row in enumerate(forms.get("f1_needs", []))
            if row["mentee_key"] == pair.mentee and row["filled_on"] <= pair.start_on
        ]
        if assessed and due < TODAY:
            needs = max(assessed)[2]
            for need in NEEDS:
                if int(needs[f"need_{need}"]) >= 2:
                    answered = any(goal["domain"] == need for goal in goals)
                    yield Case("M14", pair, due, answered if first <= due else None, ("need", need))


def _timeliness(pairs: list[Pair], forms: dict[str, list[Row]]) -> Iterator[Case]:
    by_key = {pair.key: pair for pair in pairs}
    for row in forms.get("f4_meeting", []):
        pair = by_key.get(row["pair_key"])
        if pair and _is_within(row["held_on"], pair):
            midnight = datetime.combine(row["held_on"] + timedelta(1), time(), MOSCOW)
            yield Case("M15_meetings", pair, row["held_on"], row["_submitted_at"] <= midnight + timedelta(hours=72))
    for row in forms.get("f8_incident", []):
        pair = by_key.get(row["pair_key"])
        if pair and int(row["sev"]) >= 3:
            over = row["reported_at"] + timedelta(hours=24)
            in_time = None
            if row["triaged_at"]:
                in_time = row["triaged_at"] <= over
            elif over < AS_OF:
                in_time = False
            yield Case("M15_triage", pair, row["reported_at"].astimezone(MOSCOW).date(), in_time)


def share(found: list[Case]) -> Numbers:
    """Return the numbers of a cell of a share."""
    known = [case.is_achieved for case in found if case.is_achieved is not None]
    numbers = _empty(len(found), len(known)) | {"numerator": sum(known) if known else None}
    if len(known) >= PERCENT_MIN:
        low, high = wilson(sum(known), len(known))
        numbers |= {"value": sum(known) / len(known), "ci_low": low, "ci_high": high}
    return numbers


def rate(found: list[Case]) -> Numbers:
    """Return the numbers of a cell of a rate per 100 pair-months."""
    eligible = sum(case.exposure or 0 for case in found)
    exposure = sum(case.exposure or 0 for case in found if case.is_achieved is not None)
    events = sum(case.is_achieved is True for case in found)
    numbers = _empty(eligible, exposure) | {"numerator": events if exposure else None}
    if exposure >= PERCENT_MIN:
        low, high = (100 * limit / exposure for limit in poisson(events))
        numbers |= {"value": 100 * events / exposure, "ci_low": low, "ci_high": high}
    return numbers


def dose(found: list[Month], unit: str) -> Numbers:
    """Return the numbers of a cell of M2: hours or meetings of the pair-months of a window."""
    known = [(month.pair.key, month.minutes if unit == "M2_hours" else month.meetings) for month in found]
    doses = [(key, amount) for key, amount in known if amount is not None]
    per = 60 if unit == "M2_hours" else 1
    numbers = _empty(len(found), len(doses))
    numbers["numerator"] = sum(amount for _, amount in doses) / per if doses else None
    if len(doses) >= PERCENT_MIN and len({key for key, _ in doses}) >= FEWEST_PAIRS:
        q1, median, q3 = np.percentile([amount / per for _, amount in doses], [25, 50, 75])
        numbers |= {"value": float(median), "q1": float(q1), "q3": float(q3)}
    return numbers


def _empty(eligible: int, denominator: int) -> Numbers:
    empty: Numbers = dict.fromkeys(("numerator", "value", "ci_low", "ci_high", "q1", "q3"))
    coverage = denominator / eligible if eligible else None
    return empty | {"eligible": eligible, "denominator": denominator, "coverage": coverage}
