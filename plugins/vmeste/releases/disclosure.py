"""What of a computed cell may be seen: numbers that are not to be shown become None here, and nowhere else.

Which cells are to be hidden is decided by dbt (``status``, ``is_count_shown``, ``is_share_shown`` of
``marts.indicator_quarterly``; DOMAIN 8). This module takes the numbers out before anything is rendered or published,
together with every number from which a hidden one follows.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, fields, replace

SPLIT_VIEW = "rolling_4q"
"""The one view whose splits are told: a quarter is the difference of two cohorts to date, so that with the splits of
all three views a cell that is hidden in one would follow from two others."""

SUPPRESSION_VERSION = "leadership-1"
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


def hide(values: Iterable[IndicatorValue]) -> tuple[IndicatorValue, ...]:
    """Return the cells with every number gone that must not be seen; the status says why.

    - planned: no number at all. No data (nobody measured): results and coverage go, for a result of nobody is not 0;
      how many there should be stays in the headline, and goes in a split, where it may be one child.
    - a split of another view than ``SPLIT_VIEW``: no number at all.
    - counts hidden: no number at all. The group's size and coverage go too: with the headline and the other cells they
      would give the hidden count's bounds away.
    - share hidden (fewer than 10 measured): counts stay, every percent of the result goes.
    - deteriorations inside a split follow the rule of counts by themselves, since the mart's status is about
      achievements. If one cell fails, the whole split keeps silent, for the headline is public and the rest would be
      the difference.

    Doing it twice changes nothing.
    """
    visible = [_hide_cell(value) for value in values]
    splits: defaultdict[tuple[str, str, str, str], list[IndicatorValue]] = defaultdict(list)
    for value in visible:
        if not value.is_headline:
            splits[value.cell[:4]].append(value)
    silent = {split for split, cells in splits.items() if not all(_may_tell_deteriorated(cell) for cell in cells)}
    return tuple(_without(value, DETERIORATION) if value.cell[:4] in silent else value for value in visible)


def _hide_cell(value: IndicatorValue) -> IndicatorValue:
    if value.status not in STATUSES:
        raise ValueError(f"indicator {value.cell}: unknown status {value.status!r}, known are {', '.join(STATUSES)}")
    nothing_shown = {"is_count_shown": False, "is_share_shown": False}
    if not value.is_headline and value.period_view != SPLIT_VIEW:
        status = "suppressed_secondary" if value.status == "shown" else value.status
        hidden = replace(value, status=status)
        return _without(hidden, (*COUNTS, *SHARES, "coverage", "coverage_band"), **nothing_shown)
    if value.status == "planned" or (value.status != "no_data" and not value.is_count_shown):
        return _without(value, (*COUNTS, *SHARES, "coverage", "coverage_band"), **nothing_shown)
    if value.status == "no_data":
        if not value.is_headline:
            return _without(value, (*COUNTS, *SHARES, "coverage", "coverage_band"), **nothing_shown)
        results = ("measured", "achieved", *DETERIORATION, *SHARES, "coverage", "coverage_band")
        return _without(value, results, is_share_shown=False)
    if not value.is_share_shown:
        return _without(value, SHARES)
    return value


def _without(value: IndicatorValue, names: tuple[str, ...], **flags: bool) -> IndicatorValue:
    return replace(value, **dict.fromkeys(names), **flags)  # type: ignore[arg-type]  # every name is optional


def _may_tell_deteriorated(cell: IndicatorValue) -> bool:
    if cell.status == "no_data" or (cell.is_count_shown and cell.deteriorated is None):
        return True  # nobody, or an indicator that has no deterioration: nothing to tell
    if cell.deteriorated is None or cell.deterioration_known is None:
        return False
    return min(cell.deteriorated, cell.deterioration_known - cell.deteriorated) >= SMALLEST_SPLIT_COUNT
