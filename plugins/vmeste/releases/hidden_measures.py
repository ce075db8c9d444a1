"""What of the programme's measures may be seen: M2–M15 by split, under the rules that hold for indicators.

A split of a measure is a table like that of an indicator, so the same functions hide it (``disclosure``, ``overlaps``).
Four things are a measure's own:

- A case need not be a person: months, meetings, forms, needs. Three of them may be one pair's, so a split of pairs is
  told only if at least three pairs ran in each of its cells.
- A median adds up to nothing: it is told where the mart shows it, without the sums and counts that do add up.
- What a measure by form is out of may be the year's sum of a column of the pair flow (``hidden_flow``): it is told only
  if the flow tells each of the four quarters, so that it adds nothing.
- Measures about the same pairs (M4, M5 and abrupt endings, say) keep silent together: what two of them say may leave
  one possibility for a third.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from vmeste.releases.disclosure import SMALLEST_SPLIT_COUNT, SPLIT_VIEW, IndicatorValue, hide, keep_silent
from vmeste.releases.overlaps import WINDOW, ClosedQuarters, hide_differences
from vmeste.releases.quarters import Quarter

Row = dict[str, Any]

ONE_CASE_A_PAIR = frozenset(
    {"M4", "M5_farewell", "M5_warned", "M6_sup", "M6_lif", "M6_mot", "M9_abrupt", "M11", "M13_plans"}
)
"""Of every other measure a pair may have several cases; a new one counts among them until it is named here."""

FAMILIES: tuple[frozenset[str], ...] = (
    frozenset({"M4", "M5_farewell", "M5_warned", "M9_abrupt"}),
    frozenset({"M6_sup", "M6_lif", "M6_mot"}),
    frozenset({"M9_reported", "M9_response"}),
    frozenset({"M10_confirmed", "M10_conflict"}),
)
"""Measures about the same cases."""

COUNTED_IN_FLOW = {
    "ended": frozenset({"M4", "M5_farewell", "M5_warned", "M9_abrupt"}),
    "started": frozenset({"M11", "M13_plans"}),
}
"""Measures whose size by form is the year's sum of a column of the pair flow."""

PAIR_SPLITS = frozenset({"form", "group", "sex"})

Pairs = Mapping[tuple[str, str], int]
"""Split and value → how many pairs ran in the window."""


def hide_measures(
    rows: Iterable[Row],
    *,
    medians: Collection[str],
    told: Sequence[IndicatorValue],
    closed_quarters: ClosedQuarters,
    pairs: Pairs,
    flow_told: Mapping[str, Collection[str]],
) -> list[Row]:
    """Return the measures of one quarter without the numbers that must not be seen; the status says why.

    Args:
        rows: as in ``marts.programme_indicator_quarterly``.
        medians: the measures that are medians.
        told: the split cells that stand in releases, as ``cell_of`` makes them.
        closed_quarters: measure, split and quarter of each table of a single quarter in which a cell is hidden.
        pairs: how many pairs ran in the rolling year.
        flow_told: column of the pair flow (started, ended) → the quarters for which releases tell it by form, this one
            included.
    """
    given = list(rows)
    cells = [cell_of(row) for row in given if row["measure_code"] not in medians]
    silent = {cell.cell[:4] for cell in cells if not cell.is_headline and not _has_pairs(cell, pairs)}
    silent |= {cell.cell[:4] for cell in cells if _says_more_than_flow(cell, flow_told)}
    silent |= {cell.cell[:4] for cell in cells if not cell.is_headline and cell.status == "insufficient_monitoring"}
    cells = [keep_silent(cell) if cell.cell[:4] in silent else cell for cell in cells]
    sure = {cell.cell: cell for cell in cells if cell.status == "insufficient_monitoring"}
    cells = list(hide(cell for cell in cells if cell.cell not in sure))
    of_pairs = [cell for cell in cells if cell.indicator_code in ONE_CASE_A_PAIR]
    of_others = [cell for cell in cells if cell.indicator_code not in ONE_CASE_A_PAIR]
    hidden = {
        cell.cell: cell
        for cell in _silent_families(
            [
                *hide_differences(of_pairs, told, closed_quarters),
                # a quarter in which a cell has few pairs is not known to be open
                *hide_differences(of_others, told, None),
            ]
        )
    }
    shown = []
    for row in given:
        if row["measure_code"] in medians:
            shown.append(_median(row))
        else:
            key = cell_of(row).cell
            shown.append(_nothing(row) if key in sure else _row_of(row, hidden[key]))
    return shown


def cell_of(row: Mapping[str, Any]) -> IndicatorValue:
    """Return a measure's row as the cell of a table: eligible, denominator and numerator in an indicator's words."""
    numerator = row["numerator"]
    return IndicatorValue(
        indicator_code=row["measure_code"],
        period_view=row["period_view"],
        quarter=row["quarter"],
        split_by=row["split_by"],
        split_value=row["split_value"],
        status=row["status"],
        eligible=row["eligible"],
        measured=row["denominator"],
        achieved=None if numerator is None else int(numerator),
        share=row["value"],
        ci_low=row["ci_low"],
        ci_high=row["ci_high"],
        coverage=row["coverage"],
        is_count_shown=row["is_count_shown"],
        is_share_shown=row["is_share_shown"],
        definition_version="",
    )


def _row_of(row: Row, cell: IndicatorValue) -> Row:
    return row | {
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


def _median(row: Row) -> Row:
    """A headline has its sums; a split has none, for they add up to the margin."""
    values = {} if row["is_share_shown"] else dict.fromkeys(("value", "ci_low", "ci_high", "q1", "q3"))
    if row["split_by"] == "all":
        if row["status"] == "no_data":
            return row | values | {"numerator": None}
        return row | values | {"is_count_shown": True}
    counts = dict.fromkeys(("eligible", "denominator", "numerator", "coverage"))
    status = row["status"] if row["is_share_shown"] else "suppressed_small_n"
    return row | values | counts | {"status": status, "is_count_shown": False}


def _nothing(row: Row) -> Row:
    numbers = ("eligible", "denominator", "numerator", "value", "ci_low", "ci_high", "q1", "q3", "coverage")
    return row | dict.fromkeys(numbers) | {"is_count_shown": False, "is_share_shown": False}


def _has_pairs(cell: IndicatorValue, pairs: Pairs) -> bool:
    if cell.indicator_code in ONE_CASE_A_PAIR or cell.split_by not in PAIR_SPLITS or not cell.eligible:
        return True
    return pairs.get((cell.split_by, cell.split_value), 0) >= SMALLEST_SPLIT_COUNT


def _says_more_than_flow(cell: IndicatorValue, flow_told: Mapping[str, Collection[str]]) -> bool:
    """Whether the size of a year's cell by form is not what the quarters of the pair flow add up to.

    Beside the flow such a size leaves one number for a quarter, or for the pairs that ended, that is hidden there.
    """
    if cell.split_by != "form" or cell.period_view != SPLIT_VIEW:
        return False
    window = [Quarter.parse(cell.quarter)]
    while len(window) < WINDOW:
        window.append(window[-1].previous)
    return any(
        not {str(quarter) for quarter in window} <= set(flow_told.get(column, ()))
        for column, measures in COUNTED_IN_FLOW.items()
        if cell.indicator_code in measures
    )


def _silent_families(cells: Iterable[IndicatorValue]) -> list[IndicatorValue]:
    given = list(cells)
    hidden = {
        (family, cell.split_by)
        for cell in given
        if not cell.is_headline and cell.period_view == SPLIT_VIEW and cell.status.startswith("suppressed")
        if not cell.is_count_shown
        for family in FAMILIES
        if cell.indicator_code in family
    }
    return [
        keep_silent(cell)
        if not cell.is_headline
        and any(cell.indicator_code in family and (family, cell.split_by) in hidden for family in FAMILIES)
        else cell
        for cell in given
    ]
