"""When a released headline is restated: the whole rule of DOMAIN 6, in one place.

A new revision is due when the rows that came, changed or went move a headline by ``restatement_min_points`` or more,
when they carry it over a threshold (of people for a percent, of coverage for its bands), or when an error has been
declared. Everything else stays as it was released, stands in the ledger, and enters the next refresh.

What only time or the definition has moved is no reason: a follow-up that came due belongs to the next release and to
the maturing cohort, and a changed definition is a new version with a break, not a correction of what was said before.
Nor is an erasure by itself: beside what was released, a revision for one person's sake would tell of that person. But
where two releases of one window together tell of somebody erased, a revision is due that hides the figure
(``vmeste.releases.erasures``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

MOVED, THRESHOLD, DISCLOSURE, ERROR = "moved", "threshold", "disclosure", "error"
REASONS_RU = {
    MOVED: "доля сдвинулась на порог пересмотра или больше",
    THRESHOLD: "пересечён порог: числа измеренных или охвата",
    DISCLOSURE: "скрыто по правилу малых чисел",
    ERROR: "объявлена ошибка",
}
_TOLERANCE = 1e-9


@dataclass(frozen=True, slots=True)
class Thresholds:
    """The parameters of the rule, from the seed ``parameters``."""

    min_points: float  # restatement_min_points: percentage points
    min_measured: float  # percent_min_measured: people
    coverage_publish: float  # coverage_publish_min: share
    coverage_caution: float  # coverage_caution_min: share

    @classmethod
    def of(cls, parameters: Mapping[str, float]) -> Thresholds:
        """Take them from all parameters, by code.

        Raises:
            KeyError: one is missing.
        """
        return cls(
            parameters["restatement_min_points"],
            parameters["percent_min_measured"],
            parameters["coverage_publish_min"],
            parameters["coverage_caution_min"],
        )

    def share(self, counts: Mapping[str, int]) -> float | None:
        """Return achieved / measured where there are enough for a percent."""
        return counts["achieved"] / counts["measured"] if counts["measured"] >= max(1, self.min_measured) else None

    def band(self, counts: Mapping[str, int]) -> str | None:
        """Return the band of coverage; None where nobody is eligible."""
        if not counts["eligible"]:
            return None
        coverage = counts["measured"] / counts["eligible"]
        if coverage >= self.coverage_publish - _TOLERANCE:
            return "publish"
        return "caution" if coverage >= self.coverage_caution - _TOLERANCE else "no_headline"


def moved_points(thresholds: Thresholds, old: Mapping[str, int], new: Mapping[str, int]) -> float | None:
    """Return how far a share moved, in percentage points; None where one side has no percent."""
    before, after = thresholds.share(old), thresholds.share(new)
    return None if before is None or after is None else (after - before) * 100


def reasons(thresholds: Thresholds, old: Mapping[str, int], new: Mapping[str, int]) -> tuple[str, ...]:
    """Return why a headline is to be restated, empty if it is not.

    Args:
        thresholds: the parameters.
        old: counts of mentees (``eligible``, ``measured``, ``achieved``) that rows have not touched.
        new: the same with what rows did.
    """
    found = []
    moved = moved_points(thresholds, old, new)
    if moved is not None and abs(moved) >= thresholds.min_points - _TOLERANCE:
        found.append(MOVED)
    has_percent = [thresholds.share(counts) is not None for counts in (old, new)]
    if has_percent[0] != has_percent[1] or thresholds.band(old) != thresholds.band(new):
        found.append(THRESHOLD)
    return tuple(found)
