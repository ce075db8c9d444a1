"""Follow-ups by form: what is one or two of one form is told of neither, or the margin would tell it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from vmeste.releases.disclosure import SMALLEST_SPLIT_COUNT

if TYPE_CHECKING:
    from vmeste.releases.candidate import FollowUpCount

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
