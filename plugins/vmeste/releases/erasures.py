"""What released figures would tell of somebody who was erased since, and the silence that prevents it.

A frozen figure was read and stays. Two figures of the same people tell of one of them by subtraction: a release beside
what is computed now, or two releases of one window beside each other. Who was erased is in no table any more; that
somebody was, a released count says which has more people than the ledger still knows.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Set
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import psycopg
from psycopg.rows import dict_row

from vmeste.privacy.differences import Counts, isolating
from vmeste.releases.candidate import Candidate
from vmeste.releases.disclosure import IndicatorValue, keep_silent
from vmeste.releases.explaining import STEPS, Key
from vmeste.releases.overlaps import window_of

_TOLD = (
    "with known as (select mentee_key from raw.r1_mentee union select mentee_key from raw.r3_pair), "
    "kept as (select outcomes.* from ledger.outcomes inner join known using (mentee_key)) "
    "select cells.release_id, cells.indicator_code, cells.period_view, cells.quarter, "
    "cells.eligible, cells.due, cells.reached, cells.measured, cells.achieved, cells.deterioration_known, "
    "cells.deteriorated, "
    "case when releases.built_at is null then exists ("
    "select from ops.erasures where kind = 'mentee' and erased_at >= releases.released_at) end as may_lack, "
    "count(kept.mentee_key) as kept_eligible, "
    "count(*) filter (where kept.is_due) as kept_due, "
    "count(*) filter (where kept.is_reached) as kept_reached, "
    "count(*) filter (where kept.is_measured) as kept_measured, "
    "count(*) filter (where kept.is_achieved) as kept_achieved, "
    "count(kept.is_deteriorated) as kept_deterioration_known, "
    "count(*) filter (where kept.is_deteriorated) as kept_deteriorated "
    "from published.indicator_values as cells "
    "inner join published.releases as releases using (release_id) "
    "left join kept on cells.release_id = kept.release_id and cells.indicator_code = kept.indicator_code "
    "and cells.period_view = kept.period_view and cells.quarter = kept.quarter "
    "where cells.split_by = 'all' and releases.state = 'released' "
    "group by cells.release_id, cells.indicator_code, cells.period_view, cells.quarter, cells.split_by, "
    "cells.split_value, releases.release_id order by 1, 2, 3, 4"
)


@dataclass(frozen=True, slots=True)
class Told:
    """A headline as a release has it."""

    counts: Counts
    erased: Mapping[str, int]  # step → how many were counted in it and are erased now


def hide_erased(connection: psycopg.Connection[Any], candidate: Candidate) -> Candidate:
    """Hide the headlines that, beside a release, would tell of somebody who was erased since.

    Hidden are those of which a release counted somebody who is gone, if what differs now is too few people to be shown,
    and those of which two releases differ by too few people and one of these is gone. So are those of other windows in
    which a release counted that person: a year beside its quarters, told one by one, would be the difference.
    Superseded releases are asked as well: what was read stays known.
    """
    told = _read(connection)
    now = {_key(value): value for value in candidate.indicators if value.is_headline}
    revealed = frozenset(key for key in told.keys() & now.keys() if is_revealed(told[key]))
    silent = silent_headlines(told, now)
    return replace(
        candidate,
        # a split adds up to its headline
        indicators=tuple(keep_silent(value) if _key(value) in silent else value for value in candidate.indicators),
        before_hiding={key: now[key] for key in silent},
        revealed=revealed,
    )


def silent_headlines(told: Mapping[Key, list[Told]], now: Mapping[Key, IndicatorValue]) -> frozenset[Key]:
    """Return the headlines of now that must be hidden beside those that releases have told."""
    silent = frozenset(
        key for key in told.keys() & now.keys() if is_revealed(told[key]) or must_be_silent(told[key], now[key])
    )
    return silent | overlapping(told, now, silent)


def overlapping(told: Mapping[Key, list[Told]], now: Mapping[Key, IndicatorValue], silent: Set[Key]) -> frozenset[Key]:
    """Return the headlines of windows that hold a quarter in which somebody was counted who is gone.

    A figure that a release has told just so says nothing new and stays.

    Args:
        told: what releases have, by headline.
        now: what is computed now.
        silent: the headlines that are hidden beside the same one of a release.
    """
    gone = {
        key: max(max(one.erased.values(), default=0) for one in releases)
        for key, releases in told.items()
        if any(one.erased for one in releases) and (key in silent or key not in now)
    }
    touched: dict[str, dict[str, int]] = defaultdict(dict)
    # a window of one quarter says in which; of a longer one it is any, unless its quarters say of all who are gone
    for (code, view, quarter), people in sorted(gone.items(), key=lambda item: item[0][1] != "quarter"):
        window = window_of(view, quarter)
        if sum(touched[code].get(one, 0) for one in window) < people:
            touched[code] |= {one: max(people, touched[code].get(one, 0)) for one in window}
    return frozenset(
        key
        for key, value in now.items()
        if not touched[key[0]].keys().isdisjoint(window_of(key[1], key[2]))
        and not any(one.counts == _counts(value) for one in told.get(key, ()))
    )


def must_be_silent(told: list[Told], now: IndicatorValue) -> bool:
    """Say whether a release counted somebody who is gone, and the figure now differs from it by too few people."""
    return any(one.erased and _tells(one.counts, _counts(now)) for one in told)


def is_revealed(told: list[Told]) -> bool:
    """Say whether two releases of one window differ by too few people, of whom one is gone."""
    return any(one.erased != other.erased and _tells(one.counts, other.counts) for one, other in combinations(told, 2))


def _tells(one: Counts, other: Counts) -> bool:
    cell = ("", "", "", "all", "all")
    return bool(isolating({cell: one}, {cell: other}))


def _read(connection: psycopg.Connection[Any]) -> dict[Key, list[Told]]:
    told: defaultdict[Key, list[Told]] = defaultdict(list)
    with connection.cursor(row_factory=dict_row) as cursor:
        for row in cursor.execute(_TOLD):
            gone = {step: (row[step] or 0) - row[f"kept_{step}"] for step in STEPS}
            if row["may_lack"] is not None:  # released before outcomes were kept: nobody knows who is gone
                gone = {"eligible": 1} if row["may_lack"] else {}
            told[row["indicator_code"], row["period_view"], row["quarter"]].append(
                Told(_counts_of(row), {step: count for step, count in gone.items() if count > 0})
            )
    return dict(told)


def _key(value: IndicatorValue) -> Key:
    return (value.indicator_code, value.period_view, value.quarter)


def _counts(value: IndicatorValue) -> Counts:
    return _counts_of({step: getattr(value, step) for step in STEPS})


def _counts_of(row: Mapping[str, Any]) -> Counts:
    return Counts(
        eligible=row["eligible"],
        measured=row["measured"],
        achieved=row["achieved"],
        deterioration_known=row["deterioration_known"],
        deteriorated=row["deteriorated"],
    )
