"""After an erasure a solver is given all that releases told before and tell now: it must not find the person.

It knows the rules, that one person was erased, and every number; it does not know whether that person was counted,
in which quarter, and how. Nobody comes late here: late rows would only make it harder.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import numpy as np
import pytest
from scipy.optimize import Bounds, LinearConstraint, milp

from tests.unit.releases.synthetic import cell
from vmeste.privacy.differences import Counts
from vmeste.releases import erasures
from vmeste.releases.companion_tables import NUMBERS
from vmeste.releases.disclosure import IndicatorValue
from vmeste.releases.erasures import Told, silent_headlines
from vmeste.releases.hidden_erased import (
    changed_checks,
    hide_flow_of_the_erased,
    hide_growing_of_the_erased,
    hide_measures_of_the_erased,
    without_the_erased,
)
from vmeste.releases.overlaps import window_of
from vmeste.releases.quarters import Quarter

VIEWS = ("quarter", "rolling_4q", "cohort_year")
KINDS = ("achieved", "missed", "unmeasured")
QUARTERS = tuple(str(Quarter(year, number)) for year in (2030, 2031, 2032) for number in (1, 2, 3, 4))
ERASED_AFTER = 5
"""Releases of the first six quarters counted the person."""

Row = dict[str, Any]


@dataclass
class Attacker:
    """Numbers of each quarter with everybody in it, and the one person's part of them."""

    names: Sequence[str]
    quarters: Sequence[str]
    rows: list[tuple[np.ndarray, float, float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.places = {
            (who, name, quarter): place
            for place, (who, name, quarter) in enumerate(product(("all", "one"), self.names, self.quarters))
        }
        self.add({("one", name, quarter): 1 for name in self.names for quarter in self.quarters}, 0, 1)
        for name, quarter in product(self.names, self.quarters):  # the one is among all
            self.add({("all", name, quarter): 1, ("one", name, quarter): -1}, 0, np.inf)

    def add(self, parts: Mapping[tuple[str, str, str], float], low: float, high: float) -> None:
        row = np.zeros(len(self.places))
        for place, factor in parts.items():
            row[self.places[place]] += factor
        self.rows.append((row, low, high))

    def learn(self, names: Iterable[str], quarters: Iterable[str], number: float, *, without_the_one: bool) -> None:
        """Take in a number that is told: a sum of names over quarters."""
        parts: dict[tuple[str, str, str], float] = {}
        for name, quarter in product(names, [one for one in quarters if one in self.quarters]):
            parts["all", name, quarter] = 1
            if without_the_one:
                parts["one", name, quarter] = -1
        self.add(parts, number, number)

    def knows(self, names: Iterable[str], quarters: Iterable[str]) -> bool:
        """Say whether it is sure that the one is, or is not, in one of these places."""
        goal = np.zeros(len(self.places))
        for name, quarter in product(names, quarters):
            goal[self.places["one", name, quarter]] = 1
        ends = [
            milp(
                sign * goal,
                constraints=LinearConstraint(
                    np.array([row for row, _, _ in self.rows]),
                    [low for _, low, _ in self.rows],
                    [high for _, _, high in self.rows],
                ),
                integrality=np.ones(len(goal)),
                bounds=Bounds(0, 200),
            )
            for sign in (1, -1)
        ]
        assert all(end.success for end in ends), "what the releases say contradicts itself"
        return round(ends[0].fun) == round(-ends[1].fun)


def figure(people: Mapping[str, Mapping[str, int]], view: str, quarter: str) -> IndicatorValue:
    inside = [people[one] for one in window_of(view, quarter) if one in people]
    achieved, missed, unmeasured = (sum(one[kind] for one in inside) for kind in KINDS)
    return cell("1.1", achieved, achieved + missed, achieved + missed + unmeasured, view=view, quarter=quarter)


def counts(value: IndicatorValue) -> Counts:
    return Counts(value.eligible, value.measured, value.achieved, value.deterioration_known, value.deteriorated)


def told_after(where: str, kind: str, releases: Sequence[str]) -> tuple[Attacker, list[tuple[str, str]]]:
    """Release quarters, erase one, release on; return the attacker and what was hidden."""
    people = {quarter: {"achieved": 5, "missed": 4, "unmeasured": 2} for quarter in QUARTERS}
    less = {q: dict(kinds) for q, kinds in people.items()}
    less[where][kind] -= 1
    attacker, told, hidden = Attacker(KINDS, QUARTERS), {}, []
    for quarter in QUARTERS[: ERASED_AFTER + 1]:
        for view in VIEWS:
            value = figure(people, view, quarter)
            learn(attacker, value, without_the_one=False)
            gone = where in window_of(view, quarter)
            parts = ("eligible", *(("measured",) if kind != "unmeasured" else ()))
            erased = dict.fromkeys(parts, 1) if gone else {}
            told["1.1", view, quarter] = [Told(counts(value), erased)]
    for release in releases:
        # a release carries its quarter, and its workbook the headlines of eight quarters before
        upto = [quarter for quarter in QUARTERS if quarter <= release][-9:]
        now = {("1.1", view, q): figure(less, view, q) for view in VIEWS for q in upto}
        silent = silent_headlines(told, now)
        hidden += [key[1:] for key in silent]
        for key, value in now.items():
            if key not in silent:
                learn(attacker, value, without_the_one=True)
    return attacker, hidden


def learn(attacker: Attacker, value: IndicatorValue, *, without_the_one: bool) -> None:
    assert value.measured is not None
    assert value.achieved is not None
    assert value.eligible is not None
    numbers = (value.achieved, value.measured - value.achieved, value.eligible - value.measured)
    for name, number in zip(KINDS, numbers, strict=True):
        attacker.learn([name], window_of(value.period_view, value.quarter), number, without_the_one=without_the_one)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("where", [2, 4, 5])
def test_no_release_after_an_erasure_tells_of_the_one(where: int, kind: str) -> None:
    """A revision, and every quarter after it."""
    attacker, hidden = told_after(QUARTERS[where], kind, QUARTERS[ERASED_AFTER:])
    assert hidden
    assert not attacker.knows([kind], QUARTERS)
    assert not attacker.knows(KINDS, QUARTERS), "not even that somebody was counted"
    assert not attacker.knows(KINDS, [QUARTERS[where]])


def test_the_solver_finds_what_a_year_beside_its_quarters_tells(monkeypatch: pytest.MonkeyPatch) -> None:
    """The rule of one window alone: the quarters that were told, less the next year, is the one."""
    monkeypatch.setattr(erasures, "overlapping", lambda *_: frozenset())
    attacker, _ = told_after(QUARTERS[4], "achieved", QUARTERS[ERASED_AFTER + 1 :])
    assert attacker.knows(["achieved"], QUARTERS)


def test_only_windows_that_hold_the_quarter_are_hidden() -> None:
    _, hidden = told_after(QUARTERS[4], "achieved", QUARTERS[ERASED_AFTER + 1 :])
    assert {quarter for view, quarter in hidden if view == "rolling_4q"} == set(QUARTERS[4:8])
    assert {quarter for view, quarter in hidden if view == "quarter"} == {QUARTERS[4]}
    assert {quarter for view, quarter in hidden if view == "cohort_year"} == set(QUARTERS[4:8])


def test_a_figure_that_was_told_just_so_stays() -> None:
    """Somebody late, counted in the year and not in the quarter that was released before."""
    told = {
        ("1.1", "quarter", "2031-Q1"): [Told(Counts(11, 9, 5), {})],
        ("1.1", "rolling_4q", "2031-Q2"): [Told(Counts(45, 37, 21), {"eligible": 1})],
    }
    now = {
        ("1.1", "quarter", "2031-Q1"): cell("1.1", 5, 9, 11, view="quarter", quarter="2031-Q1"),
        ("1.1", "quarter", "2031-Q2"): cell("1.1", 5, 9, 11, view="quarter", quarter="2031-Q2"),
        ("1.1", "rolling_4q", "2031-Q2"): cell("1.1", 20, 36, 44, quarter="2031-Q2"),
        ("1.1", "rolling_4q", "2032-Q2"): cell("1.1", 20, 36, 44, quarter="2032-Q2"),
    }
    assert silent_headlines(told, now) == {
        ("1.1", "quarter", "2031-Q2"),  # the one may have been counted there: no release has told this quarter
        ("1.1", "rolling_4q", "2031-Q2"),
    }


# Pairs and measures: a pair that was active, or ended early, or in time.

PLACES = ("active", "early", "in time")


def flow_rows(quarter: str, active: int, started: int, ended: int) -> list[Row]:
    return [
        {"quarter": quarter, "form": form, "active_at_end": a, "started": s, "ended": e, "status": "shown"}
        for form, a, s, e in (("all", active, started, ended), ("short", None, None, None), ("long", None, None, None))
    ]


def measure(view: str, quarter: str, ended: int, early: int) -> Row:
    return {
        "measure_code": "M4",
        "indicator_code": "M4",
        "period_view": view,
        "quarter": quarter,
        "split_by": "all",
        "split_value": "all",
        "status": "shown",
        "eligible": ended,
        "denominator": ended,
        "numerator": float(early),
        "value": early / ended,
        "ci_low": None,
        "ci_high": None,
        "q1": None,
        "q3": None,
        "coverage": 1.0,
        "is_count_shown": True,
        "is_share_shown": True,
    }


@dataclass
class PairAttacker:
    """What somebody knows of pairs: started and ended of each quarter, early ones among them, and where the one is."""

    rows: list[tuple[dict[str, float], float, float]] = field(default_factory=list)

    def learn(self, parts: dict[str, float], number: float) -> None:
        self.rows.append((parts, number, number))

    def range(self, goal: Sequence[str]) -> tuple[int, int]:
        everywhere = {
            f"{one}{kind} {quarter}" for one in ("", "one ") for kind in ("ended", "early") for quarter in QUARTERS
        }
        names = sorted({name for parts, _, _ in self.rows for name in parts} | everywhere | {*goal})
        one = [name for name in names if name.startswith(("one active", "one ended"))]
        rows = [*self.rows, (dict.fromkeys(one, 1.0), 0, 1)]
        for name in names:
            if name.startswith("one ended "):
                rows.append(({name: -1.0, name.removeprefix("one "): 1.0}, 0, np.inf))
            if name.startswith("one early "):
                rows.append(({name: -1.0, name.removeprefix("one "): 1.0}, 0, np.inf))
                rows.append(({name: -1.0, name.replace("early", "ended"): 1.0}, 0, np.inf))
        matrix = [[parts.get(name, 0.0) for name in names] for parts, _, _ in rows]
        found = []
        for sign in (1, -1):
            end = milp(
                [sign * float(name in goal) for name in names],
                constraints=LinearConstraint(matrix, [low for _, low, _ in rows], [high for *_, high in rows]),
                integrality=np.ones(len(names)),
                bounds=Bounds(0, 200),
            )
            assert end.success, end.message
            found.append(sign * round(end.fun))
        return found[0], found[1]


def pairs_told(place: str, *, with_rule: bool = True) -> tuple[PairAttacker, list[str]]:
    """Release six quarters, erase one pair, release six more; return the attacker and the quarters with hidden flow."""
    attacker, hidden = PairAttacker(), []
    started, ended, early = 6, 5, 2
    flow_told: list[Row] = []
    measures_told: list[Row] = []
    active = 30
    for number, quarter in enumerate(QUARTERS):
        is_after = number > ERASED_AFTER
        gone = QUARTERS[4] if place != "active" else None
        active += started - ended
        own_flow = flow_rows(quarter, active - int(is_after and place == "active"), started, ended)
        lacking = {f"{one}-r1" for one in QUARTERS[: ERASED_AFTER + 1]} if is_after and with_rule else set()
        shown = hide_flow_of_the_erased(own_flow, flow_told, lacking)
        own = []
        for view in VIEWS:
            inside = [one for one in window_of(view, quarter) if one in QUARTERS]
            lost = int(is_after and gone in inside)
            own.append(
                measure(view, quarter, ended * len(inside) - lost, early * len(inside) - lost * (place == "early"))
            )
        told = hide_measures_of_the_erased(
            own, measures_told, lacking, [*flow_told, *shown], NUMBERS["programme_values"]
        )
        if shown[0]["active_at_end"] is None:
            hidden.append(quarter)
        else:
            stock = {f"started {one}": 1.0 for one in QUARTERS[: number + 1]} | {"at first": 1.0}
            stock |= {f"ended {one}": -1.0 for one in QUARTERS[: number + 1]}
            attacker.learn(stock | ({"one active": -1.0} if is_after else {}), shown[0]["active_at_end"])
            attacker.learn({f"started {quarter}": 1.0}, shown[0]["started"])
            attacker.learn({f"ended {quarter}": 1.0}, shown[0]["ended"])
        for row in told:
            if row["denominator"] is not None:
                inside = [one for one in window_of(row["period_view"], quarter) if one in QUARTERS]
                for name, value in (("ended", row["denominator"]), ("early", row["numerator"])):
                    parts = {f"{name} {one}": 1.0 for one in inside}
                    if is_after:
                        parts |= {f"one {name} {one}": -1.0 for one in inside if one <= QUARTERS[ERASED_AFTER]}
                    attacker.learn(parts, value)
        flow_told += [row | {"release_id": f"{quarter}-r1"} for row in shown]
        measures_told += [row | {"release_id": f"{quarter}-r1"} for row in told]
    return attacker, hidden


@pytest.mark.parametrize("place", PLACES)
def test_pairs_and_measures_of_later_quarters_tell_nothing_of_the_one(place: str) -> None:
    attacker, hidden = pairs_told(place)
    assert hidden == ([QUARTERS[ERASED_AFTER + 1]] if place == "active" else [])
    # where the pair was not, numbers that lack nobody say so: that it was nowhere else is not told
    for goal in {"active": ["active"]}.get(place, [f"ended {QUARTERS[4]}", f"early {QUARTERS[4]}"]):
        low, high = attacker.range([f"one {goal}"])
        assert low < high, goal


@pytest.mark.parametrize("place", PLACES)
def test_the_solver_finds_the_pair_without_the_rule(place: str) -> None:
    attacker, _ = pairs_told(place, with_rule=False)
    found = {
        "active": ["one active"],
        "early": [f"one early {QUARTERS[4]}"],
        "in time": [f"one ended {QUARTERS[4]}"],
    }
    low, high = attacker.range(found[place])
    assert low == high == 1


def test_a_revision_tells_again_what_has_not_changed_and_nothing_else() -> None:
    former = [measure("quarter", "2031-Q1", 20, 4), measure("rolling_4q", "2031-Q1", 60, 9)]
    rows = [measure("quarter", "2031-Q1", 20, 4), measure("rolling_4q", "2031-Q1", 59, 9)]
    names = ("measure_code", "period_view", "quarter", "split_by", "split_value")
    kept, hidden = without_the_erased(rows, former, names, NUMBERS["programme_values"])
    assert kept == rows[0]
    assert hidden["status"] == "suppressed_secondary"
    assert {hidden[name] for name in NUMBERS["programme_values"]} == {None}
    assert not hidden["is_count_shown"]
    assert not hidden["is_share_shown"]


def test_a_number_that_the_revision_before_did_not_tell_is_no_number_to_tell_now() -> None:
    former = [measure("quarter", "2031-Q1", 20, 4) | {"numerator": None, "value": None}]
    names = ("measure_code", "period_view", "quarter", "split_by", "split_value")
    (hidden,) = without_the_erased([measure("quarter", "2031-Q1", 20, 4)], former, names, NUMBERS["programme_values"])
    assert hidden["denominator"] is None


def test_checks_of_readiness_with_other_numbers_are_named() -> None:
    former = [
        {"check_code": code, "measured": 0.5, "counted": 10, "counted_of": 20} for code in ("same", "fewer", "untold")
    ]
    former[2] |= {"counted": None, "counted_of": None}
    rows = [row | {} for row in former]
    rows[1] |= {"counted_of": 19}
    rows[2] |= {"counted": 10, "counted_of": 20}
    rows.append({"check_code": "new", "measured": 1.0, "counted": None, "counted_of": None})
    assert changed_checks(rows, former) == {"fewer", "untold", "new"}


@pytest.mark.parametrize(
    ("now", "is_told"),
    [
        ((26, 20, 15), True),  # as it was told
        ((25, 19, 14), False),  # the one who is gone had it
        ((27, 21, 16), False),
        ((35, 26, 18), True),  # three with it, three without, and three of whom nobody knows
        ((34, 26, 18), False),
    ],
)
def test_what_lasts_is_told_again_when_enough_have_come(now: tuple[int, int, int], is_told: bool) -> None:
    def row(due: int, measured: int, sustained: int) -> Row:
        named = {"result_code": "contact", "horizon": 6, "split_by": "all", "split_value": "all", "status": "shown"}
        numbers = dict.fromkeys(NUMBERS["sustainability"], 1)
        return named | numbers | {"due": due, "measured": measured, "sustained": sustained, "release_id": "r1"}

    (shown,) = hide_growing_of_the_erased([row(*now)], [row(26, 20, 15)], {"r1"}, NUMBERS["sustainability"])
    assert (shown["due"] is not None) is is_told
    assert (shown["status"] == "shown") is is_told
    (without,) = hide_growing_of_the_erased([row(*now)], [row(26, 20, 15)], set(), NUMBERS["sustainability"])
    assert without["due"] is not None, "nobody was erased since"
