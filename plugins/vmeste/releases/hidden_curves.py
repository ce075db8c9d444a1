"""What of a survival curve may be seen: points at the ends of months, never the day on which something happened.

A step of a Kaplan–Meier curve is somebody's last day. So the steps between two points are one, and points are left out
until each step

- holds at least three events, starts with at least ten at risk (below that there is no percent) and leaves at least
  three who are known to last longer;
- and, between the points that a release told before, holds as many events as it told, or at least three more.

Where no further point can be told the curve ends; a curve without a point is hidden whole. Both forms are told at the
same points, which are among those of all pairs: otherwise one form would be the difference. The share is rounded to a
hundredth, for the exact product of the steps gives away how many were at risk at each; how many were censored is
never told, and how many the curve is made of only for all forms.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import ROUND_HALF_UP, Decimal
from math import ceil
from typing import Any

from vmeste.releases.disclosure import SMALLEST_SPLIT_COUNT

Row = dict[str, Any]
Told = Mapping[int, int | None]
"""Day of a point → events since the point before; None on day 0."""

DAYS_A_MONTH = 365.25 / 12
SMALLEST_AT_RISK = 10
"""Percents are made of this many on."""

FORMS = ("all", "short", "long")


@dataclass(frozen=True, slots=True)
class _Curve:
    """A curve of the mart, day by day, and what releases told of it."""

    rows: Sequence[Row]  # by day
    told: Sequence[Told]

    @property
    def size(self) -> int:
        """Of how many anything is known after day 0."""
        return self.rows[0]["at_risk"] - self.rows[0]["censored"] if self.rows else 0

    def events(self, after: int, until: int) -> int:
        """How many events a step holds; the first step includes day 0."""
        return sum(row["events"] for row in self.rows if (after < row["day"] or not after) and row["day"] <= until)

    def at_risk(self, after: int) -> int:
        """How many were at risk when the step after a day began."""
        return self.size if not after else next((row["at_risk"] for row in self.rows if row["day"] > after), 0)

    def may_end(self, after: int, until: int) -> bool:
        """Say whether a step may be told, whatever was told before."""
        return (
            self.at_risk(after) >= SMALLEST_AT_RISK
            and self.events(after, until) >= SMALLEST_SPLIT_COUNT
            and self.at_risk(until) >= SMALLEST_SPLIT_COUNT
        )

    def stands_beside(self, after: int, until: int) -> bool:
        """Say whether the events of a step, less those that each release told, are none or enough."""
        return all(_stands_beside(former, after, until, self.events(after, until)) for former in self.told)

    def told_within(self, after: int, until: int) -> _Curve:
        """Return the same curve beside the releases alone that told a point within a step."""
        return replace(self, told=[former for former in self.told if any(after < day < until for day in former)])

    def at(self, day: int) -> Row:
        """Return the curve's row that holds on a day."""
        return [row for row in self.rows if row["day"] <= day][-1]


def hide_curve(curve: str, rows: Iterable[Row], told: Mapping[str, Sequence[Told]]) -> list[Row]:
    """Return the points of one curve, all pairs and both forms, that may be seen.

    Args:
        curve: contact or match.
        rows: form, day, at_risk, events, censored, survival, ci_low, ci_high of ``marts.contact_survival`` or
            ``marts.match_survival``.
        told: form → the points that each release told, superseded ones too.
    """
    given = sorted(rows, key=lambda row: int(row["day"]))
    curves = {form: _Curve([row for row in given if row["form"] == form], list(told.get(form, ()))) for form in FORMS}
    whole = curves["all"]
    if not whole.size:
        return [hidden_curve(curve, form, "no_data") for form in FORMS]
    last = int(whole.rows[-1]["day"])
    points = _parted(whole, _points([whole], _months(last)), _months(last))
    split = _points([curves["short"], curves["long"]], points)
    shown = []
    for form, days in (("all", points), ("short", split), ("long", split)):
        if not days:
            shown.append(hidden_curve(curve, form, "suppressed_small_n"))
            continue
        start = {"survival": 1.0, "ci_low": 1.0, "ci_high": 1.0, "at_risk": whole.size if form == "all" else None}
        shown.append(hidden_curve(curve, form, "shown") | start)
        for before, day in zip([0, *days], days, strict=False):
            at = curves[form].at(day)
            shown.append(
                hidden_curve(curve, form, "shown")
                | {name: _hundredth(at[name]) for name in ("survival", "ci_low", "ci_high")}
                | {"day": day, "events": curves[form].events(before, day)}
            )
    return shown


def _months(last: int) -> list[int]:
    """Return the day on which each month ends, up to the first one that is not before the last day."""
    months = ceil(last / DAYS_A_MONTH)
    return [ceil(month * DAYS_A_MONTH) for month in range(1, months + 1)]


def _points(curves: Sequence[_Curve], days: Iterable[int]) -> list[int]:
    """Choose, as early as may be, the points that all of some curves may have."""
    found: list[int] = []
    for day in days:
        after = found[-1] if found else 0
        if all(curve.may_end(after, day) and curve.stands_beside(after, day) for curve in curves):
            found.append(day)
    return found


def _parted(curve: _Curve, points: Sequence[int], days: Iterable[int]) -> list[int]:
    """Part the steps of all pairs further: what a release told whole may be told in parts.

    Not so of one form. If nothing came since, its parts would be those of the former release too, and beside the parts
    of all pairs that were told then leave the other form's.
    """
    found: list[int] = []
    for after, until in zip([0, *points], points, strict=False):
        here = curve.told_within(after, until)
        for day in days:
            start = max([after, *found])
            if start < day < until and all(
                here.may_end(*step) and here.stands_beside(*step) for step in ((start, day), (day, until))
            ):
                found.append(day)
        found.append(until)
    return found


def _stands_beside(former: Told, after: int, until: int, events: int) -> bool:
    """Whether a step, less what was told of it, holds no event or enough of them; both begin and end alike."""
    end = max(former)
    if after >= end:
        return True
    if until <= end and until not in former:
        return False
    gained = events - sum(count or 0 for day, count in former.items() if after < day <= until)
    return gained == 0 or gained >= SMALLEST_SPLIT_COUNT


def hidden_curve(curve: str, form: str, status: str) -> Row:
    """Return the one row of a curve that is not shown."""
    numbers = dict.fromkeys(("at_risk", "events", "censored", "survival", "ci_low", "ci_high"))
    return {"curve": curve, "form": form, "day": 0, "status": status, **numbers}


def _hundredth(share: float) -> float:
    return float(Decimal(repr(share)).quantize(Decimal("0.01"), ROUND_HALF_UP))
