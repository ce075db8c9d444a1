"""What of a computed cell may be seen: numbers that are not to be shown become None here, and nowhere else.

Which cells are to be hidden is decided by dbt (``status``, ``is_count_shown``, ``is_share_shown`` of
``marts.indicator_quarterly``; DOMAIN 8). This module takes the numbers out before anything is rendered or published,
together with every number from which a hidden one follows.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, fields, replace

SPLIT_VIEW = "rolling_4q"
"""The one view whose splits are told: a quarter is the difference of two cohorts to date, so that with the splits of
all three views a cell that is hidden in one would follow from two others."""

SUPPRESSION_VERSION = "leadership-3"
"""Names the rules below and those of the mart; part of each release."""

SMALLEST_SPLIT_COUNT = 3
"""In a split a count and its complement are shown from here on (DOMAIN 8, leadership)."""

STATUSES = ("shown", "suppressed_small_n", "suppressed_secondary", "planned", "no_data")


@dataclass(frozen=True, slots=True, kw_only=True)
class IndicatorValue:
    """One cell of ``marts.indicator_quarterly``: counts of mentees, shares 0–1, None where not known or not shown."""

    indicator_code: str
    period_view: str  # quarter | rolling_4q | cohort_year
    quarter: str  # 2021-Q4
    split_by: str = "all"  # all | form | group | sex | age_band
    split_value: str = "all"
    status: str
    eligible: int | None = None
    due: int | None = None
    reached: int | None = None
    measured: int | None = None
    achieved: int | None = None
    share: float | None = None
    ci_low: float | None = None
    ci_high: float | None = None
    coverage: float | None = None
    coverage_band: str | None = None  # publish | caution | no_headline
    worst_case: float | None = None
    best_case: float | None = None
    deteriorated: int | None = None
    deterioration_known: int | None = None  # measured with a value before: out of how many deteriorated is counted
    is_count_shown: bool = True
    is_share_shown: bool = True
    definition_version: str

    @property
    def cell(self) -> tuple[str, str, str, str, str]:
        """What identifies it: indicator, view, quarter, split, value of the split."""
        return (self.indicator_code, self.period_view, self.quarter, self.split_by, self.split_value)

    @property
    def is_headline(self) -> bool:
        """Whether it covers everybody."""
        return self.split_by == "all"


COLUMNS = tuple(field.name for field in fields(IndicatorValue))
DETERIORATION = ("deteriorated", "deterioration_known")
COUNTS = ("eligible", "due", "reached", "measured", "achieved", *DETERIORATION)
SHARES = ("share", "ci_low", "ci_high", "worst_case", "best_case")
NUMBERS = (*COUNTS, *SHARES, "coverage", "coverage_band")
FUNNEL = ("eligible", "due", "reached", "coverage", "coverage_band", "worst_case", "best_case")

Table = tuple[str, str, str, str]
"""Indicator, view, quarter, split: the cells whose sum is a headline."""


def hide(values: Iterable[IndicatorValue]) -> tuple[IndicatorValue, ...]:
    """Return the cells with every number gone that must not be seen; the status says why, and no more than that.

    - planned: no number at all. No data (nobody measured): results and coverage go, for a result of nobody is not 0;
      how many there should be stays in the headline, and goes in a split, where it may be one child.
    - a split of another view than ``SPLIT_VIEW``: no number at all, and one status for all its cells.
    - counts hidden: no number at all. The group's size and coverage go too: with the headline and the other cells they
      would give the hidden count's bounds away. All hidden cells of a split have one status, and a cell without data
      is hidden with them: which of them is the small one, or that another is empty, would give the rest away
      (3 in two cells, one of which is known to hold at least 3).
    - the funnel (eligible, due, reached, coverage and the bounds made of them) goes in a whole split if it holds people
      whom nobody has measured in one cell: how many they are would be the difference from the headline.
    - share hidden (fewer than 10 measured): counts stay, every percent of the result goes.
    - companions (1.1b beside 1.1) keep silent in a split in which any of their family has a hidden cell: they count the
      same people, and what two of them say may leave one possibility for a third.
    - deteriorations inside a split follow the rule of counts by themselves, since the mart's status is about
      achievements. If one cell of the family fails, the whole split keeps silent, for the headline is public and the
      rest would be the difference.

    What follows from earlier releases is not decided here: see ``vmeste.releases.overlaps``. Doing it twice changes
    nothing.
    """
    given = list(values)
    tables = _tables(given)
    hidden = {table for table, cells in tables.items() if any(_is_hidden(cell) for cell in cells)}
    hidden_families = {_family_table(table) for table in hidden}
    unmeasured = {
        table for table, cells in tables.items() if any(cell.status == "no_data" and cell.eligible for cell in cells)
    }
    visible = []
    for value in given:
        table = value.cell[:4]
        if value.status not in STATUSES:
            known = ", ".join(STATUSES)
            raise ValueError(f"indicator {value.cell}: unknown status {value.status!r}, known are {known}")
        if value.is_headline:
            visible.append(_hide_headline(value))
        elif _is_companion(value) and _family_table(table) in hidden_families:
            visible.append(keep_silent(value))
        else:
            visible.append(_hide_cell(value, _status_of_hidden(tables[table]) if table in hidden else None))
            if table in unmeasured:
                visible[-1] = _without(visible[-1], FUNNEL)
    told = _tables(visible)
    silent = {_family_table(table) for table, cells in told.items() if not all(map(_may_tell_deteriorated, cells))}
    return tuple(
        _without(value, DETERIORATION) if not value.is_headline and _family_table(value.cell[:4]) in silent else value
        for value in visible
    )


def keep_silent(value: IndicatorValue) -> IndicatorValue:
    """Return a split's cell without any number, with the status that all cells of a silent split have."""
    status = "planned" if value.status == "planned" else "suppressed_secondary"
    return _without(replace(value, status=status), NUMBERS, is_count_shown=False, is_share_shown=False)


def _hide_headline(value: IndicatorValue) -> IndicatorValue:
    if value.status == "planned" or (value.status != "no_data" and not value.is_count_shown):
        return _without(value, NUMBERS, is_count_shown=False, is_share_shown=False)
    if value.status == "no_data":
        results = ("measured", "achieved", *DETERIORATION, *SHARES, "coverage", "coverage_band")
        return _without(value, results, is_share_shown=False)
    return value if value.is_share_shown else _without(value, SHARES)


def _hide_cell(value: IndicatorValue, status_of_hidden: str | None) -> IndicatorValue:
    """Hide a split's cell; the status is that of all hidden cells of its table, None if the table has none."""
    nothing_shown = {"is_count_shown": False, "is_share_shown": False}
    if value.period_view != SPLIT_VIEW:
        return keep_silent(value)
    if value.status == "planned":
        return _without(value, NUMBERS, **nothing_shown)
    if status_of_hidden is not None and (_is_hidden(value) or value.status == "no_data"):
        return _without(replace(value, status=status_of_hidden), NUMBERS, **nothing_shown)
    if value.status == "no_data":
        return _without(value, NUMBERS, **nothing_shown)
    return value if value.is_share_shown else _without(value, SHARES)


def _is_hidden(cell: IndicatorValue) -> bool:
    return cell.status not in ("planned", "no_data") and not cell.is_count_shown


def _status_of_hidden(cells: Iterable[IndicatorValue]) -> str:
    """Return one status for all: small, unless the whole split keeps silent because of something else."""
    is_silent = {cell.status for cell in cells if _is_hidden(cell)} == {"suppressed_secondary"}
    return "suppressed_secondary" if is_silent else "suppressed_small_n"


def _tables(values: Iterable[IndicatorValue]) -> dict[Table, list[IndicatorValue]]:
    tables: defaultdict[Table, list[IndicatorValue]] = defaultdict(list)
    for value in values:
        if not value.is_headline:
            tables[value.cell[:4]].append(value)
    return tables


def _family(indicator_code: str) -> str:
    """Return the indicator that a code belongs to: 1.1 of 1.1b."""
    found = re.match(r"\d+\.\d+", indicator_code)
    return found[0] if found else indicator_code


def _family_table(table: Table) -> Table:
    return (_family(table[0]), *table[1:])


def _is_companion(value: IndicatorValue) -> bool:
    return value.indicator_code != _family(value.indicator_code)


def _without(value: IndicatorValue, names: tuple[str, ...], **flags: bool) -> IndicatorValue:
    return replace(value, **dict.fromkeys(names), **flags)  # type: ignore[arg-type]  # every name is optional


def _may_tell_deteriorated(cell: IndicatorValue) -> bool:
    if cell.status == "no_data" or (cell.is_count_shown and cell.deteriorated is None):
        return True  # nobody, or an indicator that has no deterioration: nothing to tell
    if cell.deteriorated is None or cell.deterioration_known is None:
        return False
    return min(cell.deteriorated, cell.deterioration_known - cell.deteriorated) >= SMALLEST_SPLIT_COUNT
