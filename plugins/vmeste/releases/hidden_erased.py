"""What of a release's tables may be seen after somebody was erased: nothing that, beside what was told, leaves the one.

Whoever has an older release has numbers that counted the person. A number told now lacks that person, so that it says
who is missing wherever the older ones give what it would have been:

- a revision: the same row of the revision before;
- a window of quarters that were told one by one: their sum, with the quarter that came;
- pairs active at a quarter's end: those of the quarter before, more those that started, less those that ended;
- what only grows (the follow-ups of all who ended): the older number itself.

A number that is what was expected lacks nobody, and is told.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from vmeste.releases.disclosure import SMALLEST_SPLIT_COUNT
from vmeste.releases.hidden_flow import COLUMNS as FLOW_COLUMNS
from vmeste.releases.hidden_measures import COUNTED_IN_FLOW
from vmeste.releases.overlaps import window_of

Row = dict[str, Any]

SILENT = "suppressed_secondary"
_FLAGS = ("is_count_shown", "is_share_shown")
_SUMS = ("eligible", "denominator", "numerator")
_TOLERANCE = 1e-6

Sums = tuple[float, ...] | None
"""What adds up over quarters: people and cases; None where it is hidden."""


def without_the_erased(
    rows: Iterable[Row], former: Iterable[Row], names: Sequence[str], numbers: Sequence[str]
) -> list[Row]:
    """Hide each row of a revision that differs from the revision before: the difference may be the person.

    Args:
        rows: as they would be told otherwise.
        former: the rows of the last revision that was built before somebody was erased.
        names: the columns that name a row.
        numbers: the columns that must not be seen.
    """
    stood = {tuple(row[name] for name in names): row for row in former}
    return [
        row
        if row["status"] in ("planned", "no_data") or _is_same(row, stood.get(tuple(row[n] for n in names)), numbers)
        else _silent(row, numbers)
        for row in rows
    ]


def changed_checks(rows: Iterable[Row], former: Iterable[Row]) -> frozenset[str]:
    """Return the checks of readiness whose numbers are not those of the revision before."""
    numbers = ("measured", "counted", "counted_of")
    stood = {row["check_code"]: row for row in former}
    return frozenset(
        row["check_code"] for row in rows if not _is_same(row, stood.get(row["check_code"]), numbers, tolerance=1e-9)
    )


def hide_flow_of_the_erased(rows: Sequence[Row], told: Iterable[Row], lacking: Collection[str]) -> list[Row]:
    """Hide the pair flow of a quarter at whose beginning somebody was active, as was told, who is not in it any more.

    All columns go, of all forms: were those that started and ended told, the next quarter would tell the rest.

    Args:
        rows: the quarter's, all forms.
        told: rows that releases of other quarters told, superseded ones too.
        lacking: the releases that were built before somebody was erased.
    """
    own = next(row for row in rows if row["form"] == "all")
    if own["active_at_end"] is None:
        return list(rows)
    before = window_of("rolling_4q", own["quarter"])[1]
    expected = {
        row["active_at_end"] + own["started"] - own["ended"]
        for row in told
        if row["quarter"] == before
        and row["form"] == "all"
        and row["release_id"] in lacking
        and row["active_at_end"] is not None
    }
    if expected <= {own["active_at_end"]}:
        return list(rows)
    return [row | dict.fromkeys(FLOW_COLUMNS) | {"status": SILENT} for row in rows]


def hide_measures_of_the_erased(
    rows: Sequence[Row],
    told: Sequence[Row],
    lacking: Collection[str],
    flow: Iterable[Row],
    numbers: Sequence[str],
) -> list[Row]:
    """Hide the measures of a window that is not the sum of its quarters as they were told.

    Those that are out of a column of the pair flow go with it: they would tell the number that is hidden there.

    Args:
        rows: measures of one quarter, as ``hidden_measures`` leaves them.
        told: rows that releases told, superseded ones too.
        lacking: the releases that were built before somebody was erased.
        flow: rows of the pair flow, told and this release's own.
        numbers: the columns that must not be seen.
    """
    quarters: dict[tuple[str, str], set[Sums]] = {}
    for row in told:
        if (row["period_view"], row["split_by"]) == ("quarter", "all"):
            quarters.setdefault((row["measure_code"], row["quarter"]), set()).add(_sums(row))
    for row in rows:
        if (row["period_view"], row["split_by"]) == ("quarter", "all"):
            quarters[row["measure_code"], row["quarter"]] = {_sums(row)}
    stood: dict[tuple[str, ...], list[Row]] = {}
    for row in told:
        stood.setdefault(_place(row), []).append(row)
    touched = {row["quarter"] for row in told if row["release_id"] in lacking}
    of_all = [row for row in flow if row["form"] == "all"]
    flowless = {row["quarter"] for row in of_all} - {row["quarter"] for row in of_all if row["ended"] is not None}
    return [
        row
        if row["status"] in ("planned", "no_data")
        or any(_is_same(row, former, numbers) for former in stood.get(_place(row), ()))
        or not (_counts_hidden_flow(row, flowless) or _lacks_somebody(row, quarters, touched))
        else _silent(row, numbers)
        for row in rows
    ]


def hide_growing_of_the_erased(
    rows: Iterable[Row], told: Iterable[Row], lacking: Collection[str], numbers: Sequence[str]
) -> list[Row]:
    """Hide what lasts, for all mentees, unless it is as it was told or has grown by enough of each kind.

    Args:
        rows: of ``published.sustainability``.
        told: rows that releases told, superseded ones too.
        lacking: the releases that were built before somebody was erased.
        numbers: the columns that must not be seen.
    """
    before: dict[tuple[str, int], list[Row]] = {}
    for row in told:
        if row["split_by"] == "all" and row["release_id"] in lacking and row["due"] is not None:
            before.setdefault((row["result_code"], row["horizon"]), []).append(row)
    return [
        row
        if row["split_by"] != "all"
        or row["due"] is None
        or all(_has_grown(row, former) for former in before.get((row["result_code"], row["horizon"]), ()))
        else _silent(row, numbers)
        for row in rows
    ]


def _lacks_somebody(row: Row, quarters: Mapping[tuple[str, str], set[Sums]], touched: Collection[str]) -> bool:
    if row["split_by"] != "all" or row["period_view"] == "quarter":
        return False
    window = window_of(row["period_view"], row["quarter"])
    if not {*window[1:]} & {*touched}:
        return False
    parts = [quarters.get((row["measure_code"], quarter), set()) for quarter in window]
    if any(len(part) != 1 for part in parts):
        return True
    sums = [next(iter(part)) for part in parts]
    own = _sums(row)
    known = [part for part in sums if part is not None]
    if own is None or len(known) != len(sums):
        return True
    return any(abs(sum(part[place] for part in known) - own[place]) > _TOLERANCE for place in range(len(_SUMS)))


def _counts_hidden_flow(row: Row, flowless: Collection[str]) -> bool:
    is_counted = any(row["measure_code"] in measures for measures in COUNTED_IN_FLOW.values())
    return is_counted and not {*flowless}.isdisjoint(window_of(row["period_view"], row["quarter"]))


def _place(row: Row) -> tuple[str, ...]:
    return tuple(row[name] for name in ("measure_code", "period_view", "quarter", "split_by", "split_value"))


def _has_grown(row: Row, former: Row) -> bool:
    moves = [now - then for now, then in zip(_kinds(row), _kinds(former), strict=True)]
    return not any(moves) or all(move >= SMALLEST_SPLIT_COUNT for move in moves)


def _kinds(row: Row) -> tuple[int, int, int]:
    """Return how many sustained it, how many did not, and of how many due ones nobody knows."""
    measured, sustained = row["measured"] or 0, row["sustained"] or 0
    return sustained, measured - sustained, (row["due"] or 0) - measured


def _sums(row: Row) -> Sums:
    """Return what adds up over quarters; None where it is hidden, nothing where there was nobody."""
    if row["status"] in ("planned", "no_data"):
        return tuple(float(row[name] or 0) for name in _SUMS)
    if row["denominator"] is None or row["numerator"] is None:
        return None
    return tuple(float(row[name] or 0) for name in _SUMS)


def _is_same(row: Row, former: Row | None, numbers: Sequence[str], tolerance: float = 0) -> bool:
    return former is not None and all(
        row[name] is None or (former[name] is not None and abs(row[name] - former[name]) <= tolerance)
        for name in numbers
    )


def _silent(row: Row, numbers: Sequence[str]) -> Row:
    return row | dict.fromkeys(numbers) | {"status": SILENT} | {name: False for name in _FLAGS if name in row}
