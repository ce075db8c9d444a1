"""Would two published figures together tell of one person what neither tells alone?

After an erasure a figure of the same people computed anew lacks exactly one of them. Whoever has both tables subtracts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

SMALLEST_DIFFERENCE = 3
"""So many people at least must be in the difference, among those who achieved and among those who did not, unless the
difference is nobody: the rule of a published cell, applied to the cell that subtraction makes."""

Cell = tuple[str, str, str, str, str]
"""indicator_code, period_view, quarter, split_by, split_value."""


@dataclass(frozen=True, slots=True)
class Counts:
    """What a published cell shows; ``None`` where it is hidden, so that nothing can be subtracted."""

    eligible: int | None
    measured: int | None
    achieved: int | None
    deterioration_known: int | None = None
    deteriorated: int | None = None


def isolating(frozen: Mapping[Cell, Counts], later: Mapping[Cell, Counts]) -> list[Cell]:
    """Return the cells in which the later table beside the frozen one would show a group too small to be shown.

    Args:
        frozen: what a release shows and goes on showing.
        later: what another table would show of the same cells; cells that only one of them has are safe.

    Returns:
        The cells that must be hidden in the later table, in the order of their names. The frozen one stays: nobody can
        take back what was read.
    """
    return sorted(cell for cell in frozen.keys() & later.keys() if _is_isolating(frozen[cell], later[cell]))


def _is_isolating(frozen: Counts, later: Counts) -> bool:
    if _is_small(_difference(frozen.eligible, later.eligible)):
        return True
    return _tells(_difference(frozen.measured, later.measured), _difference(frozen.achieved, later.achieved)) or _tells(
        _difference(frozen.deterioration_known, later.deterioration_known),
        _difference(frozen.deteriorated, later.deteriorated),
    )


def _tells(of: int | None, some: int | None) -> bool:
    """Say whether a difference of people, and of those among them whom something befell, is a small group."""
    if of is None or some is None:
        return _is_small(of) or _is_small(some)
    if of == some == 0:
        return False
    # who left and who came cannot be told apart, so a side that moved by fewer than three people is a small group
    return min(abs(some), abs(of - some)) < SMALLEST_DIFFERENCE


def _difference(before: int | None, after: int | None) -> int | None:
    return None if before is None or after is None else after - before


def _is_small(difference: int | None) -> bool:
    return difference is not None and 0 < abs(difference) < SMALLEST_DIFFERENCE
