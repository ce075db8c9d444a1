"""Which F2 answers for a milestone, before and after (DOMAIN 4, waves)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from tests.dbt.cohorts.facts import Milestone, Pair, Row, arrived_at
from tests.dbt.cohorts.scales import score

BASELINE_LENIENT_DAYS = 14


@dataclass
class Match:
    """The F2 around one milestone of a pair; before is None if there is none in the same wording."""

    milestone: Milestone
    after: Row | None
    before: Row | None
    is_strict: bool

    def change(self, scale: str) -> tuple[float | None, float | None]:
        """Return the scale before, from a strict baseline alone, and after."""
        return (score(self.before, scale) if self.is_strict else None), score(self.after, scale)


def unassisted(forms: dict[str, list[Row]], form: str, pair: Pair) -> list[Row]:
    """Return the pair's forms that no mentor helped to fill in."""
    return [row for row in forms.get(form, []) if row["pair_key"] == pair.key and row["assisted_by"] != "mentor"]


def matches(pair: Pair, forms: dict[str, list[Row]]) -> list[Match]:
    """Return the surveys of each of the pair's milestones."""
    reports = unassisted(forms, "f2_self_report", pair)
    return [_match(pair, milestone, reports) for milestone in pair.milestones()]


def _match(pair: Pair, milestone: Milestone, reports: list[Row]) -> Match:
    # of several the one with most valid scales, of those the nearest to the day, of those the one that arrived last
    after = min(
        (row for row in reversed(reports) if row["wave"] == milestone.wave and _is_in(row, milestone)),
        key=lambda row: (-_valid_scales(row), abs((row["filled_on"] - milestone.on).days)),
        default=None,
    )
    lenient = pair.start_on + timedelta(BASELINE_LENIENT_DAYS)
    before = max(
        (
            row
            for row in reports
            if after
            and row["wave"] == "baseline"
            and row["filled_on"] <= lenient
            and row["wording"] == after["wording"]
        ),
        key=lambda row: (row["filled_on"] <= pair.start_on, _valid_scales(row), row["filled_on"], arrived_at(row)),
        default=None,
    )
    return Match(milestone, after, before, bool(before and before["filled_on"] <= pair.start_on))


def _is_in(row: Row, milestone: Milestone) -> bool:
    return bool(milestone.opens <= row["filled_on"] <= milestone.closes)


def _valid_scales(row: Row) -> int:
    return sum(score(row, scale) is not None for scale in ("SUP", "LIF", "MOT"))
