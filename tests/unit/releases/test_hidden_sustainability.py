"""Results that last, by split and by release: a table that only grows must not tell who came to it last."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from scipy.optimize import Bounds, LinearConstraint, milp

from tests.unit.releases.disclosure_attacker import suppressed
from vmeste.releases.hidden_sustainability import REASONS, hide_sustainability

Row = dict[str, Any]
Counts = Mapping[str, tuple[int, int, int]]
"""Value of a split → how many sustained, did not, and were not measured."""

QUARTER = "2031-Q4"
KINDS = ("sustained", "lost", "unknown")

slow = hypothesis_settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True
)


def row(result: str, split: tuple[str, str], counts: tuple[int, int, int], status: str, reasons: int = 0) -> Row:
    sustained, lost, unknown = counts
    measured, due = sustained + lost, sum(counts)
    has_share = measured >= 10
    return {
        "result_code": result,
        "horizon": 6,
        "split_by": split[0],
        "split_value": split[1],
        "status": status,
        "scheduled": due + 3,
        "not_yet_due": 3,
        "due": due,
        "completed": measured,
        **dict.fromkeys(REASONS[:3], reasons),
        "missed": unknown - 3 * reasons,
        "measured": measured,
        "sustained": sustained if measured else None,
        "share": sustained / measured if has_share else None,
        "ci_low": 0.1 if has_share else None,
        "ci_high": 0.9 if has_share else None,
        "coverage": measured / due if due else None,
        "worst_case": sustained / due if has_share else None,
        "best_case": (sustained + unknown) / due if has_share else None,
        "is_count_shown": status in ("told", "no_data"),
        "is_share_shown": status == "told" and has_share,
    }


def mart(counts: Counts, result: str = "contact", reasons: int = 0) -> list[Row]:
    """Return the headline and a split as the mart has them: statuses by DOMAIN, numbers and all."""
    total = tuple(map(sum, zip(*counts.values(), strict=True)))
    statuses = suppressed({value: cell[:2] for value, cell in counts.items()})
    rows = [
        row(result, ("all", "all"), (total[0], total[1], total[2]), "told" if sum(total[:2]) else "no_data", reasons)
    ]
    rows += [row(result, ("form", value), cell, statuses[value]) for value, cell in counts.items()]
    return [
        one | {"status": "shown" if one["is_share_shown"] else "suppressed_small_n"} if one["status"] == "told" else one
        for one in rows
    ]


def released(rows: list[Row], told: list[Row], number: int) -> list[Row]:
    return [one | {"release_id": f"r{number}"} for one in hide_sustainability(rows, told, QUARTER)]


class Attacker:
    """Knows what releases told of a table that grows, and asks what a cell holds, or what came to it since."""

    def __init__(self, releases: list[list[Row]], values: list[str]) -> None:
        self.places = {key: n for n, key in enumerate(product(range(len(releases)), values, KINDS))}
        lines, numbers = [], []
        for number, rows in enumerate(releases):
            for one in rows:
                cells = values if one["split_by"] == "all" else [one["split_value"]]
                parts = {
                    "sustained": one["sustained"],
                    "lost": None if one["sustained"] is None else one["measured"] - one["sustained"],
                    "unknown": None if one["due"] is None or one["measured"] is None else one["due"] - one["measured"],
                }
                for kind, told in parts.items():
                    if told is not None:
                        lines.append(
                            sum((self.line(number, value, kind) for value in cells), np.zeros(len(self.places)))
                        )
                        numbers.append(told)
        self.known = LinearConstraint(np.array(lines), numbers, numbers) if lines else None

    def line(self, release: int, value: str, kind: str, since: int = 0) -> np.ndarray:
        line = np.zeros(len(self.places))
        # who is measured later was unknown before, so only what has been decided grows
        for number in range(since, release + 1) if kind != "unknown" else [release]:
            line[self.places[number, value, kind]] = 1
        return line

    def range(self, goal: np.ndarray) -> tuple[int, int]:
        found = [
            milp(sign * goal, constraints=self.known, integrality=np.ones(len(goal)), bounds=Bounds(0, 500))
            for sign in (1, -1)
        ]
        assert all(one.success for one in found)
        return round(found[0].fun), -round(found[1].fun)


cells = st.tuples(st.integers(0, 9), st.integers(0, 9), st.integers(0, 4))


@slow
@given(
    st.integers(2, 3).flatmap(
        lambda size: st.lists(st.lists(cells, min_size=size, max_size=size), min_size=1, max_size=3)
    )
)
def test_neither_a_small_cell_nor_who_came_since_follows(increments: list[list[tuple[int, int, int]]]) -> None:
    values = [f"{number}" for number in range(len(increments[0]))]
    counts: dict[str, tuple[int, int, int]] = dict.fromkeys(values, (0, 0, 0))
    told: list[Row] = []
    releases, every = [], []
    for number, came in enumerate(increments):
        counts = {
            value: (counts[value][0] + new[0], counts[value][1] + new[1], new[2])
            for value, new in zip(values, came, strict=True)
        }
        every.append(counts)
        releases.append(released(mart(counts), told, number))
        told += releases[-1]
    attacker = Attacker(releases, values)
    outsider = Attacker([[one for one in rows if one["split_by"] == "all"] for rows in releases], values)
    for number, value, kind in product(range(len(releases)), values, KINDS[:2]):
        since = [0, number] if number else [0]
        for start in since:
            goal = attacker.line(number, value, kind, start)
            low, high = attacker.range(goal)
            if low == high and low < 3:
                assert outsider.range(outsider.line(number, value, kind, start)) == (low, high), (
                    number,
                    value,
                    kind,
                    low,
                )


def test_the_attacker_finds_what_a_table_told_twice_would_tell() -> None:
    """One more short pair kept contact: the difference of two tables, each of which may be told by itself."""
    first, second = {"short": (6, 5, 0), "long": (7, 6, 0)}, {"short": (7, 5, 0), "long": (7, 6, 0)}
    attacker = Attacker([released(mart(first), [], 0), released(mart(second), [], 1)], ["short", "long"])
    assert attacker.range(attacker.line(1, "short", "sustained", 1)) == (1, 1)
    told = released(mart(first), [], 0)
    after = released(mart(second), told, 1)
    assert [one["measured"] for one in after] == [25, None, None]
    assert {one["status"] for one in after if one["split_by"] != "all"} == {"suppressed_secondary"}
    assert [one["measured"] for one in released(mart(first), told, 1)] == [24, 11, 13], "as it stood"
    more = {"short": (9, 8, 0), "long": (10, 9, 0)}
    assert [one["measured"] for one in released(mart(more), told, 1)] == [36, 17, 19], "enough of each came"


def test_why_nobody_answered_is_told_all_or_none() -> None:
    counts = {"short": (6, 5, 7), "long": (7, 6, 7)}
    enough = released(mart(counts, reasons=3), [], 0)
    assert [enough[0][name] for name in REASONS] == [3, 3, 3, 5]
    assert {one[name] for one in enough[1:] for name in REASONS} == {None}
    few = released(mart(counts, reasons=2), [], 0)
    assert [few[0][name] for name in REASONS] == [None] * 4
    later = {"short": (6, 5, 7), "long": (7, 6, 8)}
    assert [released(mart(later, reasons=3), enough, 1)[0][name] for name in REASONS] == [None] * 4, "one more missed"
    assert [released(mart(counts, reasons=3), enough, 1)[0][name] for name in REASONS] == [3, 3, 3, 5]


def test_a_result_has_neither_funnel_nor_reasons_beside_the_contact() -> None:
    """The follow-ups of a result are those of the contact, less the few who had not reached it."""
    counts = {"short": (6, 5, 7), "long": (7, 6, 7)}
    rows = released([*mart(counts, reasons=3), *mart(counts, "R2", reasons=3)], [], 0)
    result = [one for one in rows if one["result_code"] == "R2"]
    assert [one["refused"] for one in result] == [None] * 3
    assert [(one["due"], one["measured"]) for one in result] == [(38, 24), (None, 11), (None, 13)]


@pytest.mark.parametrize("hidden", ["contact", "R2"])
def test_a_result_keeps_silent_beside_a_hidden_contact(hidden: str) -> None:
    fine, small = {"short": (6, 5, 0), "long": (7, 6, 0)}, {"short": (1, 9, 0), "long": (7, 6, 0)}
    rows = [*mart(small if hidden == "contact" else fine), *mart(small if hidden == "R2" else fine, "R2")]
    told = {one["result_code"]: one["measured"] for one in released(rows, [], 0) if one["split_value"] == "short"}
    assert told == ({"contact": None, "R2": None} if hidden == "contact" else {"contact": 11, "R2": None})


def test_what_is_not_asked_stays_without_numbers() -> None:
    not_asked = row("R1", ("form", "short"), (0, 0, 0), "no_data") | {"scheduled": None, "due": None, "measured": None}
    assert hide_sustainability([not_asked], [], QUARTER) == [not_asked]
