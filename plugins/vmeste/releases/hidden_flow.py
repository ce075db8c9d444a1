"""What of the pair flow by form may be seen: active at the end of a quarter, started and ended in it.

All pairs are public, and what one form has the other has not. The three columns hang together: active is what was
active before, more those that started, less those that ended. So a column that is hidden may follow from the others,
this quarter or a later one. A release tells the columns for which at least three pairs stand in both forms, as many as
leave each smaller number, of its own quarter and of those before, three possibilities, or as many as the headlines
leave.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from vmeste.releases.disclosure import SMALLEST_SPLIT_COUNT

Row = dict[str, Any]
Range = tuple[int, int]

COLUMNS = ("active_at_end", "started", "ended")
FORMS = ("short", "long")

CHOICES: tuple[tuple[str, ...], ...] = (
    ("active_at_end", "started", "ended"),
    ("active_at_end", "ended"),
    ("active_at_end", "started"),
    ("active_at_end",),
    ("started", "ended"),
    ("ended",),
    ("started",),
    (),
)
"""What to tell by form, the best first."""


@dataclass(frozen=True, slots=True)
class Told:
    """What releases told of one quarter by form: column → number of short pairs, and of long ones."""

    short: Mapping[str, int] = field(default_factory=dict)
    long: Mapping[str, int] = field(default_factory=dict)


def hide_flow(rows: Sequence[Row], quarter: str, told: Mapping[str, Told], released: Collection[str]) -> list[Row]:
    """Return the three rows of a quarter without the numbers that must not be seen.

    A quarter that was released before tells by form only what stood, if it has not changed. A quarter that is released
    after a later one tells nothing by form.

    Args:
        rows: quarter, form, active_at_end, started and ended of ``marts.pair_flow_quarterly``, all quarters.
        quarter: the release's.
        told: quarter → what releases told of it by form, superseded ones too.
        released: the quarters that have been released.
    """
    flow = {(row["quarter"], row["form"]): row for row in rows}
    own = {form: flow[quarter, form] for form in ("all", *FORMS)}
    if quarter in released:
        shown = tuple(
            column
            for column in COLUMNS
            if (told.get(quarter, Told()).short.get(column), told.get(quarter, Told()).long.get(column))
            == (own["short"][column], own["long"][column])
        )
    elif any(later > quarter for later in released):
        shown = ()
    else:
        shown = _choice(flow, quarter, told)
    hidden = dict.fromkeys(column for column in COLUMNS if column not in shown)
    return [
        own["all"] | {"status": "shown"},
        *(own[form] | hidden | {"status": "suppressed_small_n" if hidden else "shown"} for form in FORMS),
    ]


def told_flow(rows: Iterable[Row]) -> dict[str, Told]:
    """Return quarter → what releases told by form, from their rows, the oldest release first."""
    found: dict[str, Told] = {}
    for row in rows:
        if row["form"] in FORMS:
            before = found.get(row["quarter"], Told())
            parts = {"short": before.short, "long": before.long}
            # what was seen first stays known: a later revision tells the same or nothing
            told = {column: row[column] for column in COLUMNS if row[column] is not None}
            parts[row["form"]] = {**told, **parts[row["form"]]}
            found[row["quarter"]] = Told(**parts)
    return found


def _choice(flow: Mapping[tuple[str, str], Row], quarter: str, told: Mapping[str, Told]) -> tuple[str, ...]:
    quarters = sorted({name for name, _ in flow if name <= quarter})
    known = [name for name in quarters[:-1] if "active_at_end" in told.get(name, Told()).short]
    # before the first pair nobody was active, and everybody knows
    start = told[known[-1]].short["active_at_end"] if known else 0
    chain = quarters[quarters.index(known[-1]) + 1 :] if known else quarters
    for choice in CHOICES:
        if any(flow[quarter, form][column] < SMALLEST_SPLIT_COUNT for column in choice for form in FORMS):
            continue
        own = Told(short={column: flow[quarter, "short"][column] for column in choice})
        if _is_safe(start, chain, flow, {**told, quarter: own}):
            return choice
    return ()


def _is_safe(start: int, chain: Sequence[str], flow: Mapping[tuple[str, str], Row], told: Mapping[str, Told]) -> bool:
    """Whether every number that is hidden may still be one of several, or could be told by itself."""
    limits = [
        {
            column: (known.short[column],) * 2 if column in known.short else (0, flow[name, "all"][column])
            for column in COLUMNS
        }
        for name in chain
        for known in [told.get(name, Told())]
    ]
    found = ranges(start, limits)
    if found is None:
        return False
    return all(
        high - low + 1 >= min(SMALLEST_SPLIT_COUNT, flow[name, "all"][column] + 1)
        for name, ranges_of in zip(chain, found, strict=True)
        for column, (low, high) in ranges_of.items()
        if column not in told.get(name, Told()).short
        and any(flow[name, form][column] < SMALLEST_SPLIT_COUNT for form in FORMS)
    )


def ranges(start: int, limits: Sequence[Mapping[str, Range]]) -> list[dict[str, Range]] | None:
    """Return the lowest and the highest that each number may be, given the limits of all; None if they contradict.

    The quarters are a chain in which each active is the one before, more started, less ended, so that going through it
    forwards and back finds every limit.

    Args:
        start: active before the first quarter.
        limits: column → lowest and highest, for each quarter in time order.
    """
    forward: list[Range] = [(start, start)]
    for quarter in limits:
        (low, high), (started, ended) = forward[-1], (quarter["started"], quarter["ended"])
        forward.append(_both((low + started[0] - ended[1], high + started[1] - ended[0]), quarter["active_at_end"]))
    active = [forward[-1]]
    for quarter, before in zip(reversed(limits), reversed(forward[:-1]), strict=True):
        (low, high), (started, ended) = active[0], (quarter["started"], quarter["ended"])
        active.insert(0, _both((low - started[1] + ended[0], high - started[0] + ended[1]), before))
    if any(low > high for low, high in active):
        return None
    found = []
    for quarter, before, after in zip(limits, active, active[1:], strict=False):
        gained = (after[0] - before[1], after[1] - before[0])
        started, ended = quarter["started"], quarter["ended"]
        found.append(
            {
                "active_at_end": after,
                "started": _both((gained[0] + ended[0], gained[1] + ended[1]), started),
                "ended": _both((started[0] - gained[1], started[1] - gained[0]), ended),
            }
        )
    return found


def _both(one: Range, other: Range) -> Range:
    return max(one[0], other[0]), min(one[1], other[1])
