"""What of the results that last may be seen: M8 after 6 and 12 months, as of a cut-off.

Unlike a window of four quarters this table only grows: what two releases tell differs by the follow-ups that came in
between. So a split is told again only as it stood, or when at least three sustained and three did not in each of its
cells since each release that told it. Headlines are public by purpose and stay.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from vmeste.releases.disclosure import SMALLEST_SPLIT_COUNT, SPLIT_VIEW, IndicatorValue, hide, keep_silent

Row = dict[str, Any]

REASONS = ("refused", "unreachable", "gone", "missed")
"""Why nobody answered. They are told of the contact alone: a result has the follow-ups of those who had reached it,
and the difference would be the few who had not."""

_SCHEDULE = ("scheduled", "not_yet_due")


def hide_sustainability(rows: Iterable[Row], told: Sequence[Row], quarter: str) -> list[Row]:
    """Return the table without the numbers that must not be seen; the status says why.

    - splits: counts, complements and secondary suppression as for indicators. The results are companions of the contact
      at the same horizon: they are about some of the same people, and keep silent beside a hidden cell.
    - a split has no schedule and no reasons, and only the contact has a funnel by split.
    - the reasons of a headline are told all or none: if each of them is at least three, and has stayed as it was told
      or grown by at least three.

    Args:
        rows: as in ``marts.sustainability``.
        told: rows of releases, superseded ones too.
        quarter: the release's.
    """
    everything = list(rows)
    given = [row for row in everything if row["scheduled"] is not None]
    hidden = {cell.cell: cell for cell in hide(_cell(row, quarter) for row in given)}
    tables: dict[tuple[str, int, str], list[Row]] = {}
    for row in given:
        if row["split_by"] != "all":
            tables.setdefault((row["result_code"], row["horizon"], row["split_by"]), []).append(row)
    for table, cells in tables.items():
        now = [hidden[_cell(row, quarter).cell] for row in cells]
        if not all(_has_grown(now, before) for before in _releases(table, told, quarter)):
            hidden |= {cell.cell: keep_silent(cell) for cell in now}
    # what keeps silent now silences its companions
    hidden = {cell.cell: cell for cell in hide(hidden.values())}
    return [
        row
        if row["scheduled"] is None  # not asked at this horizon: there is no number
        else _headline(row, told)
        if row["split_by"] == "all"
        else _split(row, hidden[_cell(row, quarter).cell])
        for row in everything
    ]


def _cell(row: Row, quarter: str) -> IndicatorValue:
    # the name makes each result a companion of the contact: see `disclosure`
    family = f"{row['horizon']}.0"
    is_contact = row["result_code"] == "contact"
    return IndicatorValue(
        indicator_code=family if is_contact else f"{family} {row['result_code']}",
        period_view=SPLIT_VIEW,
        quarter=quarter,
        split_by=row["split_by"],
        split_value=row["split_value"],
        status=row["status"],
        eligible=row["due"] if is_contact else None,
        reached=row["completed"] if is_contact else None,
        measured=row["measured"],
        achieved=row["sustained"],
        share=row["share"],
        ci_low=row["ci_low"],
        ci_high=row["ci_high"],
        coverage=row["coverage"] if is_contact else None,
        worst_case=row["worst_case"] if is_contact else None,
        best_case=row["best_case"] if is_contact else None,
        is_count_shown=row["is_count_shown"],
        is_share_shown=row["is_share_shown"],
        definition_version="",
    )


def _split(row: Row, cell: IndicatorValue) -> Row:
    return (
        row
        | dict.fromkeys((*_SCHEDULE, *REASONS))
        | {
            "status": cell.status,
            "due": cell.eligible,
            "completed": cell.reached,
            "coverage": cell.coverage,
            "worst_case": cell.worst_case,
            "best_case": cell.best_case,
            "measured": cell.measured,
            "sustained": cell.achieved,
            "share": cell.share,
            "ci_low": cell.ci_low,
            "ci_high": cell.ci_high,
            "is_count_shown": cell.is_count_shown,
            "is_share_shown": cell.is_share_shown,
        }
    )


def _headline(row: Row, told: Sequence[Row]) -> Row:
    # of a planned result the schedule is known, and told
    shown = row | {"is_count_shown": True}
    before = [
        former
        for former in told
        if (former["result_code"], former["horizon"], former["split_by"]) == (row["result_code"], row["horizon"], "all")
        and former["refused"] is not None
    ]
    may_tell = row["result_code"] == "contact" and all((row[name] or 0) >= SMALLEST_SPLIT_COUNT for name in REASONS)
    if not may_tell or not all(_moved_enough([row[name] - former[name] for name in REASONS]) for former in before):
        shown |= dict.fromkeys(REASONS)
    return shown


def _releases(table: tuple[str, int, str], told: Sequence[Row], quarter: str) -> list[list[IndicatorValue]]:
    """Return what each release told of a table, in cells."""
    found: dict[str, list[IndicatorValue]] = {}
    for row in told:
        if (row["result_code"], row["horizon"], row["split_by"]) == table and row["measured"] is not None:
            found.setdefault(row["release_id"], []).append(_cell(row, quarter))
    return list(found.values())


def _has_grown(now: Sequence[IndicatorValue], before: Sequence[IndicatorValue]) -> bool:
    """Whether a table, beside what a release told, tells of no few: as it stood, or with enough more of each."""
    present = {cell.split_value: _parts(cell) for cell in now if cell.measured is not None}
    former = {cell.split_value: _parts(cell) for cell in before}
    if present.keys() != former.keys():
        return False
    moves = {value: [new - old for new, old in zip(present[value], former[value], strict=True)] for value in present}
    if not any(map(any, moves.values())):
        return True
    return all(
        min(sustained, not_sustained) >= SMALLEST_SPLIT_COUNT and _moved_enough([unmeasured])
        for sustained, not_sustained, unmeasured in moves.values()
    )


def _parts(cell: IndicatorValue) -> tuple[int, int, int]:
    """Return how many sustained it, how many did not, and, of the contact, of how many nobody knows."""
    measured, achieved = cell.measured or 0, cell.achieved or 0
    return achieved, measured - achieved, 0 if cell.eligible is None else cell.eligible - measured


def _moved_enough(moves: Sequence[int]) -> bool:
    return all(move == 0 or move >= SMALLEST_SPLIT_COUNT for move in moves)
