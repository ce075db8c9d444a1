"""What a release may tell beside those that stand: no hidden cell may follow from the difference between two.

A window of four quarters less the next one is a quarter that left less a quarter that came; a revision less the one
before it is a few late children. So a split is told

- again for the same quarter only as it stood;
- for a window that overlaps with windows told before only if each quarter of all of them could be shown by itself:
  then there is nothing to be found out;
- otherwise only for a window that overlaps with none, which is once in four quarters.

Headlines are public by purpose and stay. What is not told has no number, and one status for all its cells.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Set
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from vmeste.releases.disclosure import COLUMNS, COUNTS, SPLIT_VIEW, IndicatorValue, hide, keep_silent
from vmeste.releases.quarters import Quarter

WINDOW = 4
"""Quarters in a window of ``SPLIT_VIEW``."""

ClosedQuarters = Set[tuple[str, str, str]]
"""Indicator, split and quarter of each table of a single quarter in which a cell could not be shown."""


def read_told(connection: psycopg.Connection[Any]) -> tuple[IndicatorValue, ...]:
    """Return the cells of splits that released revisions tell, superseded ones too: what was seen stays known."""
    query = sql.SQL(
        "select {} from published.indicator_values join published.releases using (release_id) "
        "where releases.state = 'released' and split_by <> 'all' and period_view = %s and measured is not null "
        "order by release_id, indicator_code, split_by, split_value"
    ).format(sql.SQL(", ").join(sql.Identifier("indicator_values", name) for name in COLUMNS))
    with connection.cursor(row_factory=dict_row) as cursor:
        return tuple(IndicatorValue(**row) for row in cursor.execute(query, (SPLIT_VIEW,)))


def hide_differences(
    values: Iterable[IndicatorValue], told: Sequence[IndicatorValue], closed_quarters: ClosedQuarters | None
) -> tuple[IndicatorValue, ...]:
    """Silence each split that, beside what releases have told before, could give a hidden cell away.

    Args:
        values: cells as ``disclosure.hide`` leaves them; doing it twice changes nothing.
        told: the cells of splits that stand in releases (``read_told``).
        closed_quarters: the quarters that cannot be shown by themselves; None: nobody knows, so all of them.
    """
    given = list(values)
    tables: dict[tuple[str, str, str], list[IndicatorValue]] = {}
    for value in given:
        if not value.is_headline and value.period_view == SPLIT_VIEW:
            tables.setdefault(_table(value), []).append(value)
    silent = {table for table, cells in tables.items() if not _may_be_told(table, cells, told, closed_quarters)}
    # hidden once more: what keeps silent now silences its companions
    return hide(
        keep_silent(value)
        if not value.is_headline and value.period_view == SPLIT_VIEW and _table(value) in silent
        else value
        for value in given
    )


def window_of(view: str, quarter: str) -> tuple[str, ...]:
    """Return the quarters that a view of a quarter covers, the last one first.

    Args:
        view: quarter, rolling_4q or cohort_year (the year up to the quarter).
        quarter: the last one, such as 2021-Q4.
    """
    last = Quarter.parse(quarter)
    count = {"quarter": 1, SPLIT_VIEW: WINDOW, "cohort_year": last.number}[view]
    found = [last]
    while len(found) < count:
        found.append(found[-1].previous)
    return tuple(map(str, found))


def _may_be_told(
    table: tuple[str, str, str],
    cells: Sequence[IndicatorValue],
    told: Sequence[IndicatorValue],
    closed_quarters: ClosedQuarters | None,
) -> bool:
    code, split_by, quarter = table
    stood = [value for value in told if _table(value)[:2] == (code, split_by)]
    again = {_said(value) for value in stood if value.quarter == quarter}
    if again:
        return again == {_said(value) for value in cells if value.measured is not None}
    chain = _chain(_number(quarter), {_number(value.quarter) for value in stood})
    if len(chain) == 1:
        return True
    if closed_quarters is None:
        return False
    closed = {
        _number(name)
        for found_code, found_split, name in closed_quarters
        if (found_code, found_split) == (code, split_by)
    }
    return not any(last - back in closed for last in chain for back in range(WINDOW))


def _chain(start: int, others: set[int]) -> set[int]:
    """Return the windows that overlap with the first, and with those in turn, by the number of their last quarter."""
    chain, waiting = {start}, [start]
    while waiting:
        last = waiting.pop()
        found = {other for other in others - chain if abs(other - last) < WINDOW}
        chain |= found
        waiting += found
    return chain


def _table(value: IndicatorValue) -> tuple[str, str, str]:
    return (value.indicator_code, value.split_by, value.quarter)


def _said(value: IndicatorValue) -> tuple[str, tuple[int | None, ...]]:
    return (value.split_value, tuple(getattr(value, name) for name in COUNTS))


def _number(quarter: str) -> int:
    parsed = Quarter.parse(quarter)
    return parsed.year * 4 + parsed.number
