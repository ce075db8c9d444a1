"""Counts beside the indicators: one or two follow-ups of a form, a few rows of a form that are late or refused.

What is one or two follow-ups of one form is told of neither, or the margin would tell it. Of one to four rows it is
said that they are fewer than five, as in ``published.late_rows_shown``; a sum that holds such a count is told as the
least that it may be, from what is told.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from vmeste.releases.disclosure import SMALLEST_SPLIT_COUNT

if TYPE_CHECKING:
    from vmeste.releases.candidate import FollowUpCount

SMALLEST_ROWS = 5
"""Rows of a form are counted out from here on."""

FOLLOW_UPS = ("due_soon", "open_now", "missed")


def hide_follow_ups(counts: Iterable[FollowUpCount]) -> tuple[FollowUpCount, ...]:
    """Return the follow-ups by form and horizon; a column of a horizon is hidden for both forms or for none."""
    rows = list(counts)
    hidden = _hidden([(row.horizon, row.form, row) for row in rows], FOLLOW_UPS)
    return tuple(
        replace(row, **dict.fromkeys(name for name in FOLLOW_UPS if (row.horizon, name) in hidden))  # type: ignore[arg-type]
        if row.form != "all"
        else row
        for row in rows
    )


def told_rows(count: int) -> int | None:
    """Return how many rows there are; None where they are few."""
    return None if 0 < count < SMALLEST_ROWS else count


def least(counts: Iterable[int]) -> tuple[int, bool]:
    """Return the sum of counts of rows, or the least that it may be, and whether it is the sum itself."""
    told = [told_rows(count) for count in counts]
    return sum(1 if count is None else count for count in told), None not in told


def _hidden(rows: Sequence[tuple[Hashable, str, FollowUpCount]], names: Sequence[str]) -> set[tuple[Hashable, str]]:
    by_group: defaultdict[Hashable, list[FollowUpCount]] = defaultdict(list)
    for group, form, row in rows:
        if form != "all":
            by_group[group].append(row)
    return {
        (group, name)
        for group, found in by_group.items()
        for name in names
        if any(0 < getattr(row, name) < SMALLEST_SPLIT_COUNT for row in found)
    }
