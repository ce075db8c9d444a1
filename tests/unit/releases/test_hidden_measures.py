"""Programme measures and lasting results by split: the rules of indicators hold, and what is a measure's own.

The same attacker as for indicators is given all that releases tell of a measure: he must not find a hidden cell.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from tests.unit.releases.disclosure_attacker import Counts, hidden_cells_found, suppressed, table_of, window
from vmeste.releases.disclosure import IndicatorValue
from vmeste.releases.hidden_measures import cell_of, hide_measures
from vmeste.releases.quarters import Quarter

FIRST = Quarter(2030, 1)
VIEWS = ("quarter", "rolling_4q", "cohort_year")
MANY = {(split, value): 99 for split in ("form", "group", "sex") for value in ("a", "b", "c")}
YEAR = tuple(str(quarter) for quarter in window("rolling_4q", FIRST))
Row = dict[str, Any]
Stream = dict[Quarter, Counts]


def stream(seed: int) -> Stream:
    """Return some quarters of a measure: achieved, missed and unmeasured of each value of a split."""
    chance = random.Random(seed)  # noqa: S311  (made up, not a secret)
    largest, values = chance.choice([1, 3, 8, 15]), ("a", "b", "c")[: chance.choice([2, 3])]
    quarters = [FIRST]
    while len(quarters) < 6:
        quarters.append(quarters[-1].next)
    least = 3 if largest == 15 else 0
    return {
        quarter: {
            value: (
                least + chance.randint(0, largest),
                least + chance.randint(0, largest),
                chance.choice([0, 0, 2]),
                0,
                0,
            )
            for value in values
        }
        for quarter in quarters
    }


def truth(
    code: str, split_by: str, history: Stream, quarter: Quarter, suppress: Callable[..., Any] = suppressed
) -> list[IndicatorValue]:
    """Return the cells of a quarter in all views as the mart has them, numbers and all."""
    cells = []
    for view in VIEWS:
        inside = [history[found] for found in window(view, quarter) if found in history]
        counts = {value: tuple(map(sum, zip(*(one[value] for one in inside), strict=True))) for value in inside[0]}
        cells += table_of(code, view, quarter, split_by, counts, suppress)
    return cells


def row_of(cell: IndicatorValue) -> Row:
    return {
        "quarter": cell.quarter,
        "period_view": cell.period_view,
        "indicator_code": cell.indicator_code.split("_")[0],
        "measure_code": cell.indicator_code,
        "split_by": cell.split_by,
        "split_value": cell.split_value,
        "status": cell.status,
        "eligible": cell.eligible,
        "denominator": cell.measured,
        "numerator": None if cell.achieved is None else float(cell.achieved),
        "value": cell.share,
        "ci_low": cell.ci_low,
        "ci_high": cell.ci_high,
        "q1": None,
        "q3": None,
        "coverage": cell.coverage,
        "is_count_shown": cell.is_count_shown,
        "is_share_shown": cell.is_share_shown,
    }


def shown(rows: Sequence[Row], **given: Any) -> list[Row]:
    defaults: dict[str, Any] = {
        "medians": (),
        "told": [],
        "closed_quarters": frozenset(),
        "pairs": MANY,
        "flow_told": dict.fromkeys(("started", "ended"), YEAR),
    }
    return hide_measures(rows, **(defaults | given))


def released(code: str, split_by: str, history: Stream) -> list[list[IndicatorValue]]:
    """Release each quarter, and return what each release tells."""
    told: list[IndicatorValue] = []
    closed: set[tuple[str, str, str]] = set()
    releases = []
    for quarter in history:
        cells = truth(code, split_by, history, quarter)
        closed |= {
            (code, split_by, cell.quarter)
            for cell in cells
            if cell.period_view == "quarter" and not cell.is_count_shown
        }
        rows = shown([row_of(cell) for cell in cells], told=told, closed_quarters=frozenset(closed))
        releases.append([cell_of(row) for row in rows])
        told += [
            cell
            for cell in releases[-1]
            if not cell.is_headline and cell.period_view == "rolling_4q" and cell.measured is not None
        ]
    return releases


@pytest.mark.parametrize("seed", (0, 1, 2, 3, 5))
@pytest.mark.parametrize(("code", "split_by"), [("M11", "sex"), ("M3", "form")])
def test_no_hidden_cell_of_a_measure_follows(code: str, split_by: str, seed: int) -> None:
    history = stream(seed)
    everything = [cell for quarter in history for cell in truth(code, split_by, history, quarter)]
    assert list(hidden_cells_found(everything, released(code, split_by, history))) == []


def test_the_streams_tell_something_and_hide_something() -> None:
    told = {
        any(not cell.is_headline and cell.measured is not None for cell in cells)
        for seed in range(10)
        for cells in released("M11", "sex", stream(seed))
    }
    assert told == {True, False}


def table(code: str, counts: Counts, split_by: str = "form", quarter: Quarter = FIRST) -> list[Row]:
    return [row_of(cell) for cell in table_of(code, "rolling_4q", quarter, split_by, counts)]


def numbers(rows: Sequence[Row]) -> list[int | None]:
    return [row["denominator"] for row in rows if row["split_by"] != "all"]


COUNTS: Counts = {"a": (5, 6, 0, 0, 0), "b": (7, 8, 0, 0, 0)}


def test_months_of_two_pairs_are_not_told_as_months_of_many() -> None:
    assert numbers(shown(table("M3", COUNTS))) == [11, 15]
    few = {("form", "a"): 2, ("form", "b"): 30}
    assert numbers(shown(table("M3", COUNTS), pairs=few)) == [None, None]
    assert numbers(shown(table("M4", COUNTS), pairs=few)) == [11, 15], "a pair is one case of it: its counts say it all"
    assert numbers(shown(table("M7", COUNTS, "instrument"), pairs={})) == [11, 15], "every pair has every instrument"


def test_measures_of_the_same_pairs_keep_silent_together() -> None:
    rows = [
        *table("M4", COUNTS),
        *table("M5_warned", {"a": (1, 9, 0, 0, 0), "b": (7, 8, 0, 0, 0)}),
        *table("M11", COUNTS),
    ]
    assert numbers(shown(rows)) == [None, None, None, None, 11, 15]
    assert numbers(shown([*table("M4", COUNTS), *table("M5_warned", COUNTS)])) == [11, 15, 11, 15]


def test_a_year_by_form_adds_nothing_to_the_pair_flow() -> None:
    """Four endings by form in the year, and what the flow tells of three quarters: the fourth would be the rest."""
    whole = set(YEAR)
    for code, column, other in (("M4", "ended", "started"), ("M11", "started", "ended")):
        for told in (whole - {YEAR[1]}, {YEAR[0]}, set()):
            assert numbers(shown(table(code, COUNTS), flow_told={column: told, other: whole})) == [None, None]
        assert numbers(shown(table(code, COUNTS), flow_told={column: whole})) == [11, 15]
        assert numbers(shown(table(code, COUNTS, "sex"), flow_told={})) == [11, 15]


def test_a_median_of_a_split_comes_without_what_adds_up() -> None:
    rows = table("M2_hours", COUNTS)
    rows = [row | {"q1": 1.0, "q3": 2.0} for row in rows]
    told = shown(rows, medians={"M2_hours"})
    assert [(row["denominator"], row["numerator"], row["value"] is None) for row in told] == [
        (26, 12.0, False),
        (None, None, False),
        (None, None, False),
    ]
    few = [row | {"status": "suppressed_small_n", "is_count_shown": False, "is_share_shown": False} for row in rows[1:]]
    assert [(row["value"], row["q1"], row["status"]) for row in shown([rows[0], *few], medians={"M2_hours"})][1:] == [
        (None, None, "suppressed_small_n")
    ] * 2


def test_insufficient_monitoring_is_said_of_all_and_tells_no_number() -> None:
    """Nobody told of harm and few answered: in a split that would be a count of 0."""
    rows = [
        row | {"status": "insufficient_monitoring", "is_count_shown": False, "is_share_shown": False, "numerator": None}
        for row in table("M9_reported", COUNTS)
    ]
    told = shown(rows)
    assert [row["status"] for row in told] == [
        "insufficient_monitoring",
        "suppressed_secondary",
        "suppressed_secondary",
    ]
    assert {row["denominator"] for row in told} == {None}
