"""Somebody at the centre with every release in hand, who wants to know what a hidden cell holds.

He writes down what the releases say of one indicator and one split as equations over whole numbers: how many of each
value of the split were achieved, missed and unmeasured, and got worse or not, in each single quarter. A cell of a
window is a sum of quarters, a headline is a sum of cells. Then a solver tells him the lowest and the highest number
that a cell may hold. He is given more than he has: as if nobody were in two quarters of one window.

``suppressed`` and ``open_quarters`` say what the mart's macro says, from DOMAIN 8 and not from the macro's SQL.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import product

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import csr_array
from statsmodels.stats.proportion import proportion_confint

from tests.unit.releases.synthetic import cell
from vmeste.releases.disclosure import IndicatorValue
from vmeste.releases.quarters import Quarter

SMALLEST = 3
PERCENT_FROM = 10
KINDS = ("achieved", "missed", "unmeasured", "worse", "not_worse")

Counts = Mapping[str, tuple[int, ...]]
"""Value of a split → how many of each kind."""


class Attacker:
    """What is known of one indicator by one split, and what follows from it."""

    def __init__(self, quarters: Sequence[Quarter], values: Sequence[str]) -> None:
        """Know nothing yet but which quarters and values there are."""
        self._quarters, self._values = list(quarters), list(values)
        self._places = {key: place for place, key in enumerate(product(KINDS, map(str, quarters), values))}
        self._rows: list[tuple[dict[int, float], float, float]] = []
        self._known: LinearConstraint | None = None
        for quarter, value in product(map(str, quarters), values):
            # who got worse has been measured and has not achieved
            row = {self._places["worse", quarter, value]: 1.0, self._places["missed", quarter, value]: -1.0}
            self._rows.append((row, -np.inf, 0.0))

    def learn(self, cells: Iterable[IndicatorValue]) -> None:
        """Take in what cells say: their numbers, and their statuses."""
        self._known = None
        told = list(cells)
        for value in told:
            for kind, number in said(value).items():
                self._add(value, (kind,), number, number)
            if value.status == "no_data":
                self._add(value, ("achieved",), 0, 0)
                self._add(value, ("missed",), 0, 0)
        tables = {value.cell[:4] for value in told if not value.is_headline}
        for table in tables:
            hidden = [value for value in told if value.cell[:4] == table and value.measured is None]
            if {"suppressed_small_n", "suppressed_secondary"} <= {value.status for value in hidden}:
                # told apart, the secondary ones are known to be large enough
                for value in hidden:
                    if value.status == "suppressed_secondary":
                        self._add(value, ("achieved",), SMALLEST, np.inf)
                        self._add(value, ("missed",), SMALLEST, np.inf)

    def range(self, kind: str, view: str, quarter: Quarter, value: str) -> tuple[int, int]:
        """Return the lowest and the highest number that a cell may hold."""
        goal = np.zeros(len(self._places))
        for place in self._of(kind, view, quarter, value):
            goal[place] = 1.0
        return self._extreme(goal), -self._extreme(-goal)

    def _extreme(self, goal: np.ndarray) -> int:
        if self._known is None:
            self._known = self._constraint()
        # nobody believes in cells of thousands; without a bound a solver may say "unbounded"
        found = milp(goal, constraints=self._known, integrality=np.ones(len(goal)), bounds=Bounds(0, 1000))
        assert found.success, f"what the releases say contradicts itself: {found.message}"
        return round(found.fun)

    def _constraint(self) -> LinearConstraint:
        entries = [
            (line, place, factor) for line, (row, _, _) in enumerate(self._rows) for place, factor in row.items()
        ]
        lines, places, factors = zip(*entries, strict=True)
        shape = (len(self._rows), len(self._places))
        return LinearConstraint(
            csr_array((factors, (lines, places)), shape=shape),
            [low for _, low, _ in self._rows],
            [high for _, _, high in self._rows],
        )

    def _of(self, kind: str, view: str, quarter: Quarter, value: str) -> list[int]:
        inside = [str(found) for found in window(view, quarter) if found in self._quarters]
        values = self._values if value == "all" else [value]
        return [self._places[kind, name, found] for name, found in product(inside, values)]

    def _add(self, value: IndicatorValue, kinds: Sequence[str], low: float, high: float) -> None:
        quarter = Quarter.parse(value.quarter)
        row = dict.fromkeys(
            (place for kind in kinds for place in self._of(kind, value.period_view, quarter, value.split_value)), 1.0
        )
        if row:
            self._rows.append((row, low, high))


def hidden_cells_found(truth: Sequence[IndicatorValue], releases: Sequence[Sequence[IndicatorValue]]) -> Iterator[str]:
    """Yield each cell that DOMAIN hides and that follows from releases, though not from their headlines alone.

    A value that everybody has, as all of 1.1 are graduates, is no split: where a shown cell says so, its cells are the
    headlines.

    Args:
        truth: the cells of one indicator and one split, numbers and all, of each view and quarter.
        releases: what each release tells of the same indicator and split, and of its headline.
    """
    quarters = sorted({Quarter.parse(value.quarter) for value in truth})
    values = sorted({value.split_value for value in truth if not value.is_headline})
    attacker, outsider = Attacker(quarters, values), Attacker(quarters, values)
    for cells in releases:
        attacker.learn(cells)
        outsider.learn(value for value in cells if value.is_headline)
    told = {value.cell for cells in releases for value in cells if not value.is_headline and value.measured is not None}
    headlines = {value.cell[:3]: value.measured for value in truth if value.is_headline}
    whole = {value.split_value for value in truth if value.cell in told and value.measured == headlines[value.cell[:3]]}
    for value in truth:
        if value.split_value in whole and value.measured == headlines[value.cell[:3]]:
            continue
        if value.is_headline or value.cell in told or not value.measured or value.achieved is None:
            continue
        if min(value.achieved, value.measured - value.achieved) >= SMALLEST:
            continue
        for kind in ("achieved", "missed"):
            place = (kind, value.period_view, Quarter.parse(value.quarter), value.split_value)
            low, high = attacker.range(*place)
            if low == high and len(set(outsider.range(*place))) > 1:
                yield f"{value.cell}: {kind} must be {low}"


def window(view: str, quarter: Quarter) -> list[Quarter]:
    """Return the quarters of a view."""
    found = [quarter]
    while view == "rolling_4q" and len(found) < 4:
        found.append(found[-1].previous)
    while view == "cohort_year" and found[-1].number > 1:
        found.append(found[-1].previous)
    return found


def said(value: IndicatorValue) -> dict[str, int]:
    """Return the whole numbers that a cell tells, by its counts or by the figures made of them."""
    found = {}
    achieved, measured, eligible = value.achieved, value.measured, value.eligible
    if measured is None or achieved is None:
        counts = from_figures(value)
        if len(counts) == 1:
            achieved, measured = counts[0]
    if measured is not None and achieved is not None:
        found |= {"achieved": achieved, "missed": measured - achieved}
    if measured is not None and eligible is not None:
        found |= {"unmeasured": eligible - measured}
    if value.deteriorated is not None and value.deterioration_known is not None:
        found |= {
            "worse": value.deteriorated,
            "not_worse": value.deterioration_known - value.deteriorated,
        }
    return found


def from_figures(value: IndicatorValue, at_most: int = 60) -> list[tuple[int, int]]:
    """Return every n/N that gives the share, the interval and the coverage that are told; none if nothing is told."""
    if value.share is None and value.ci_low is None and value.ci_high is None:
        return []
    found = []
    for measured in range(1, at_most + 1):
        for achieved in range(measured + 1):
            low, high = proportion_confint(achieved, measured, method="wilson")
            figures = ((value.share, achieved / measured), (value.ci_low, low), (value.ci_high, high))
            if all(told is None or abs(told - figure) < 1e-9 for told, figure in figures):
                found.append((achieved, measured))
    return found


def suppressed(cells: Mapping[str, tuple[int, int]], *, with_secondary: bool = True) -> dict[str, str]:
    """Return the statuses of a split's cells, given achieved and missed of each; those with counts told are "told".

    What is hidden is a beginning of the order of size: up to the last small one, and on until two cells are hidden
    whose counts together are large enough.
    """
    order = sorted((sum(counts), value) for value, counts in cells.items() if sum(counts))
    small = [value for _, value in order if min(cells[value]) < SMALLEST]
    statuses = {value: "told" if sum(counts) else "no_data" for value, counts in cells.items()}
    statuses |= dict.fromkeys(small, "suppressed_small_n")
    if not small or not with_secondary:
        return statuses
    waiting = set(small)
    together = np.zeros(2, dtype=int)
    for count, (_, value) in enumerate(order):
        if not waiting and count >= 2 and min(together) >= SMALLEST:
            break
        if statuses[value] == "told":
            statuses[value] = "suppressed_secondary"
        waiting.discard(value)
        together += cells[value]
    return statuses


def table_of(
    code: str,
    view: str,
    quarter: Quarter,
    split_by: str,
    counts: Counts,
    suppress: Callable[[Mapping[str, tuple[int, int]]], dict[str, str]] = suppressed,
) -> list[IndicatorValue]:
    """Return the headline and the cells of one split as the mart has them, numbers and all."""
    cells = {value: (kinds[0], kinds[1]) for value, kinds in counts.items()}
    statuses = suppress(cells)
    total = tuple(map(sum, zip(*counts.values(), strict=True)))
    made = []
    for value, kinds in (("all", total), *counts.items()):
        achieved, missed, unmeasured, worse, not_worse = kinds
        measured = achieved + missed
        status = "told" if value == "all" and measured else "no_data" if value == "all" else statuses[value]
        is_told = status == "told"
        if is_told:
            status = "shown" if measured >= PERCENT_FROM else "suppressed_small_n"
        split = ("all", "all") if value == "all" else (split_by, value)
        known = worse + not_worse
        made.append(
            replace(
                cell(
                    code,
                    achieved,
                    measured,
                    measured + unmeasured,
                    view=view,
                    quarter=quarter,
                    split=split,
                    status=status,
                ),
                deteriorated=worse if known else None,
                deterioration_known=known or None,
                is_count_shown=is_told or status == "no_data",
                is_share_shown=status == "shown",
            )
        )
    return made
