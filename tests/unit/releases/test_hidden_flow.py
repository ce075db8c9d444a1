"""Pairs of one form: somebody with every release in hand asks a solver what a hidden number may be.

He writes down what is public as equations over whole numbers: in each quarter active is what was active before, more
those that started, less those that ended, of short pairs and of long ones, and both forms make up all pairs.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from itertools import product

import numpy as np
import pytest
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import csr_array

from vmeste.releases.hidden_flow import COLUMNS, FORMS, Row, Told, hide_flow
from vmeste.releases.quarters import Quarter

FIRST = Quarter(2030, 1)
STREAMS = 20
Flow = dict[tuple[str, str], Row]


def stream(seed: int) -> Flow:
    """Return some quarters of a programme of some size, from its first pair on."""
    chance = random.Random(seed)  # noqa: S311  (made up, not a secret)
    largest = chance.choice([2, 4, 9, 20])
    quarter, active, flow = FIRST, dict.fromkeys(FORMS, 0), {}
    for _ in range(chance.randint(4, 8)):
        own = {}
        for form in FORMS:
            started = chance.choice([0, chance.randint(0, largest)])
            ended = chance.choice([0, chance.randint(0, active[form] + started)])
            active[form] += started - ended
            own[form] = {"active_at_end": active[form], "started": started, "ended": ended}
        own["all"] = {column: sum(own[form][column] for form in FORMS) for column in COLUMNS}
        flow |= {(str(quarter), form): {"quarter": str(quarter), "form": form, **own[form]} for form in own}
        quarter = quarter.next
    return flow


def released(flow: Flow, skipped: int = 0) -> dict[tuple[str, str], Row]:
    """Release the quarters one after another, from some quarter on, and return what is told."""
    told: dict[str, Told] = {}
    seen: dict[tuple[str, str], Row] = {}
    for quarter in sorted({name for name, _ in flow})[skipped:]:
        until = [row for (name, _), row in flow.items() if name <= quarter]
        for row in hide_flow(until, quarter, told, set(told)):
            seen[quarter, row["form"]] = row
        told[quarter] = Told(*({c: n for c in COLUMNS if (n := seen[quarter, form][c]) is not None} for form in FORMS))
    return seen


class Attacker:
    """Knows the equations, all pairs of every quarter, and what was told by form."""

    def __init__(self, flow: Flow, seen: Mapping[tuple[str, str], Row]) -> None:
        quarters = sorted({name for name, _ in flow})
        self.places = {key: place for place, key in enumerate(product(quarters, FORMS, COLUMNS))}
        rows: list[tuple[dict[int, int], int]] = []
        for number, quarter in enumerate(quarters):
            for form in FORMS:
                row = {self.places[quarter, form, "active_at_end"]: 1}
                row |= {self.places[quarter, form, "started"]: -1, self.places[quarter, form, "ended"]: 1}
                if number:
                    row[self.places[quarters[number - 1], form, "active_at_end"]] = -1
                rows.append((row, 0))
            for column in COLUMNS:
                both = {self.places[quarter, form, column]: 1 for form in FORMS}
                rows.append((both, flow[quarter, "all"][column]))
        for (quarter, form), told in seen.items():
            if form != "all":
                rows += [
                    ({self.places[quarter, form, column]: 1}, told[column])
                    for column in COLUMNS
                    if told[column] is not None
                ]
        matrix = np.zeros((len(rows), len(self.places)))
        for line, (row, _) in enumerate(rows):
            for place, factor in row.items():
                matrix[line, place] = factor
        numbers = [number for _, number in rows]
        self.known = LinearConstraint(csr_array(matrix), numbers, numbers)

    def range(self, quarter: str, form: str, column: str) -> tuple[int, int]:
        goal = np.zeros(len(self.places))
        goal[self.places[quarter, form, column]] = 1
        return self._extreme(goal), -self._extreme(-goal)

    def _extreme(self, goal: np.ndarray) -> int:
        found = milp(goal, constraints=self.known, integrality=np.ones(len(goal)), bounds=Bounds(0, 1000))
        assert found.success, found.message
        return round(found.fun)


def small_ones_found(flow: Flow, seen: Mapping[tuple[str, str], Row]) -> Iterator[str]:
    """Yield each number of one form below three that follows, though not from all pairs alone."""
    attacker, outsider = Attacker(flow, seen), Attacker(flow, {})
    for (quarter, form), row in flow.items():
        # of long pairs there are as many as the short ones leave
        for column in COLUMNS if form == "short" else ():
            if min(row[column], flow[quarter, "all"][column] - row[column]) >= 3:
                continue
            if seen.get((quarter, form), {}).get(column) is not None:
                yield f"{quarter} {form} {column}: told, though small"
            low, high = attacker.range(quarter, form, column)
            if high - low < 2 and high - low < np.diff(outsider.range(quarter, form, column))[0]:
                yield f"{quarter} {form} {column}: between {low} and {high}"


@pytest.mark.parametrize("seed", range(STREAMS))
def test_no_small_number_of_a_form_follows(seed: int) -> None:
    flow = stream(seed)
    assert list(small_ones_found(flow, released(flow, skipped=seed % 3))) == []


def test_the_attacker_finds_what_hiding_small_numbers_alone_would_tell() -> None:
    """Active of two quarters and those that started: the one long pair that ended is the rest."""
    found = 0
    for seed in range(STREAMS):
        flow = stream(seed)
        alone = {}
        for (quarter, form), row in flow.items():
            both = [flow[quarter, name] for name in FORMS]
            hidden = {c: None for c in COLUMNS if form != "all" and min(one[c] for one in both) < 3}
            alone[quarter, form] = row | hidden
        found += any(small_ones_found(flow, alone))
    assert found >= 3


def test_the_streams_have_what_they_are_to_show() -> None:
    """Each column is told somewhere and hidden somewhere, although it is large enough by itself."""
    kinds = set()
    for seed in range(10 * STREAMS):
        flow = stream(seed)
        for (quarter, form), row in released(flow).items():
            if form != "all":
                kinds |= {
                    (column, row[column] is not None)
                    for column in COLUMNS
                    if min(flow[quarter, name][column] for name in FORMS) >= 3
                }
    assert kinds == set(product(COLUMNS, (True, False)))


def rows(*quarters: tuple[tuple[int, int, int], tuple[int, int, int]]) -> list[Row]:
    """Return a flow from what each form has in each quarter: active, started, ended."""
    made, quarter = [], FIRST
    for short, long in quarters:
        both = tuple(map(sum, zip(short, long, strict=True)))
        for form, numbers in (("all", both), ("short", short), ("long", long)):
            made.append({"quarter": str(quarter), "form": form, **dict(zip(COLUMNS, numbers, strict=True))})
        quarter = quarter.next
    return made


def test_a_quarter_of_a_large_programme_is_told_whole() -> None:
    shown = hide_flow(rows(((8, 8, 0), (9, 9, 0)), ((9, 4, 3), (8, 3, 4))), str(FIRST.next), {}, ())
    assert {row["status"] for row in shown} == {"shown"}
    assert [row["active_at_end"] for row in shown] == [17, 9, 8]


def test_the_one_pair_that_ended_is_not_told_by_the_difference_of_two_quarters() -> None:
    """8 short and 9 long pairs, one of them ends: 7 and 9 would say that it was a short one."""
    flow = rows(((8, 8, 0), (9, 9, 0)), ((7, 0, 1), (9, 0, 0)))
    told = {str(FIRST): Told({"active_at_end": 8}, {"active_at_end": 9})}
    shown = hide_flow(flow, str(FIRST.next), told, {str(FIRST)})
    assert [(row["form"], row["active_at_end"], row["ended"]) for row in shown] == [
        ("all", 16, 1),
        ("short", None, None),
        ("long", None, None),
    ]


def test_a_revision_tells_what_stood_or_nothing() -> None:
    flow = rows(((8, 8, 0), (9, 9, 0)))
    stood = {str(FIRST): Told({"active_at_end": 8, "started": 7}, {"active_at_end": 9, "started": 9})}
    shown = hide_flow(flow, str(FIRST), stood, {str(FIRST)})
    assert [(row["active_at_end"], row["started"], row["ended"]) for row in shown][1:] == [
        (8, None, None),
        (9, None, None),
    ]


def test_an_older_quarter_released_afterwards_tells_nothing_by_form() -> None:
    flow = rows(((8, 8, 0), (9, 9, 0)), ((9, 4, 3), (8, 3, 4)))
    shown = hide_flow(flow, str(FIRST), {}, {str(FIRST.next)})
    assert [row["active_at_end"] for row in shown] == [17, None, None]
