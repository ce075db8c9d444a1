"""A release beside what its headlines are now: the old value, the new one, the movement, its causes, the verdict.

Used twice: for a further revision of the same quarter, and at each refresh for the quarters released before it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from vmeste.releases.candidate import QUARTERS_BACK, Break, Candidate, CandidateError
from vmeste.releases.disclosure import COLUMNS, IndicatorValue
from vmeste.releases.explaining import (
    EVENT_COLUMNS,
    ROW_CAUSES,
    STEPS,
    ExplanationError,
    Key,
    Moves,
    Released,
    columns_of_raw,
    event_dates,
    explain,
    net,
    net_changes,
)
from vmeste.releases.programmes import quarter_of
from vmeste.releases.quarters import Quarter
from vmeste.releases.restating import DISCLOSURE, Thresholds, moved_points, reasons

COMPARED = ("status", *STEPS, "share", "ci_low", "ci_high", "coverage")
"""What of a headline counts as a difference between two revisions."""

REBUILT = "rebuilt_outcomes"
"""Table of the schema ``candidate_marts``: outcomes as of older cut-offs by today's rules, with their release."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One headline that is not what was released."""

    of_release_id: str
    quarter: str
    period_view: str
    indicator_code: str
    old: dict[str, Any]
    new: dict[str, Any]
    moves: Moves  # of what is hidden too: only the ledger may have those
    moved_points: float | None
    moved_by_rows_points: float | None
    is_break: bool
    is_hidden: bool
    reasons: tuple[str, ...]

    @property
    def of_quarter(self) -> str:
        """The quarter of the release, which carries cohorts of other quarters too."""
        return quarter_of(self.of_release_id)

    @property
    def is_silent(self) -> bool:
        """Whether the rules moved it although the definition says that it is the same."""
        return not self.is_break and "definition" in self.moves


def differences(
    connection: psycopg.Connection[Any], candidate: Candidate, release_id: str, marts: str | None
) -> tuple[Difference, ...]:
    """Compare a release's headlines with the candidate's: of its quarter, and of the cohorts that it carried.

    Args:
        connection: acts as ``vmeste_transformer``.
        candidate: what is known now; as of no earlier cut-off than the release.
        release_id: what was released.
        marts: the schema that the candidate was read from; None where there is none, so that no causes can be found.

    Raises:
        ExplanationError: the causes do not add up to the difference.
    """
    released, cells = _read(connection, release_id)
    old = {_key(value): value for value in cells}
    codes = {definition.indicator_code for definition in candidate.definitions}
    new = {
        key: value
        for key in {*old, *((code, view, quarter) for code in codes for _, view, quarter in old)}
        if (value := candidate.headline(key[0], key[1], Quarter.parse(key[2]))) is not None
    }
    true = {key: candidate.before_hiding.get(key, value) for key, value in new.items()}
    countable = {key for key in true if _is_countable(old.get(key)) and _is_countable(true[key])}
    causes = _causes(
        connection,
        candidate,
        released,
        {key: _counts(old[key]) for key in countable if key in old},
        {key: _counts(true[key]) for key in countable},
        marts,
    )
    thresholds = Thresholds.of({found.parameter_code: found.value for found in candidate.parameters})
    return tuple(
        _difference(
            thresholds,
            release_id,
            key,
            old.get(key),
            new[key],
            _counts(true[key]),
            causes.get(key, {}),
            # the cohort that a release carried is carried on: its next figure needs no revision
            is_judged=key[2] == released.quarter and not candidate.is_companion(key[0]),
            is_revealed=key in candidate.revealed,
        )
        for key in sorted(new)
        if _compared(old.get(key)) != _compared(new[key])
    )


def kept(connection: psycopg.Connection[Any], release_id: str) -> tuple[Difference, ...]:
    """Return what a revision changed, as it was kept when it was released."""
    with connection.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(
            "select restatements.*, ("
            "select coalesce(jsonb_object_agg(cause, steps), '{}') from ("
            "select cause, jsonb_object_agg(step, jsonb_build_array(entered, left_out)) as steps "
            "from ledger.restatement_causes as causes where causes.release_id = restatements.release_id "
            "and causes.quarter = restatements.quarter and causes.period_view = restatements.period_view "
            "and causes.indicator_code = restatements.indicator_code group by cause) as by_cause) as moves "
            "from published.restatements where release_id = %s order by indicator_code, period_view, quarter",
            (release_id,),
        ).fetchall()
    return tuple(
        Difference(
            of_release_id=row["previous_release_id"],
            quarter=row["quarter"],
            period_view=row["period_view"],
            indicator_code=row["indicator_code"],
            old=row["old"],
            new=row["new"],
            moves={
                cause: {step: (entered, left) for step, (entered, left) in steps.items()}
                for cause, steps in row["moves"].items()
            },
            moved_points=row["moved_points"],
            moved_by_rows_points=row["moved_by_rows_points"],
            is_break=row["is_break"],
            is_hidden=row["new"]["status"].startswith("suppressed") and row["new"]["eligible"] is None,
            reasons=tuple(row["reasons"]),
        )
        for row in rows
    )


def earlier_differences(
    connection: psycopg.Connection[Any], candidate: Candidate, marts: str | None
) -> tuple[Difference, ...]:
    """Compare the releases that stand for the quarters before, as far back as the candidate has headlines."""
    return tuple(
        difference
        for release_id in earlier_releases(connection, candidate.quarter, candidate.cutoff_at)
        for difference in differences(connection, candidate, release_id, marts)
    )


def earlier_releases(connection: psycopg.Connection[Any], quarter: Quarter, cutoff_at: Any) -> list[str]:
    """Return the releases that stand for up to eight quarters before one, oldest first."""
    first = quarter
    for _ in range(QUARTERS_BACK):
        first = first.previous
    rows = connection.execute(
        "select release_id from published.release_ledger "
        "where state = 'released' and quarter >= %s and quarter < %s and cutoff_at <= %s order by quarter",
        (str(first), str(quarter), cutoff_at),
    ).fetchall()
    return [release_id for (release_id,) in rows]


def breaks(connection: psycopg.Connection[Any], candidate: Candidate) -> tuple[Break, ...]:
    """Return the indicators that the latest release before the candidate's quarter had defined otherwise."""
    rows = connection.execute(
        "select indicator_code, release_id, definition_version, share from published.indicator_values "
        "where split_by = 'all' and period_view = 'rolling_4q' and (release_id, quarter) = ("
        "select release_id, quarter from published.release_ledger where state = 'released' and quarter < %s "
        "order by quarter desc limit 1) order by indicator_code",
        (str(candidate.quarter),),
    ).fetchall()
    now = {value.indicator_code: value.definition_version for value in candidate.own_values}
    return tuple(
        Break(code, release_id, version, now[code], share)
        for code, release_id, version, share in rows
        if code in now and now[code] != version
    )


def late_rows(connection: psycopg.Connection[Any], release_id: str, cutoff_at: Any) -> list[tuple[str, str, int]]:
    """Count by form and kind what came to submissions with an event in a released quarter: (form, kind, submissions).

    Erased submissions are counted for all quarters up to the release's cut-off: when their events were, nobody knows.
    """
    released, _ = _read(connection, release_id)
    if released.built_at is None:
        return []
    quarter = Quarter.parse(released.quarter)
    found = []
    for form_id, columns in columns_of_raw(connection).items():
        if not columns & set(EVENT_COLUMNS):
            continue
        rows = connection.execute(
            sql.SQL(
                "with {net}, dated as ({dated}) "
                "select net.kind, count(*) from net inner join dated using (_source, _submission_id) "
                "where net.kind is not null and dated.event_on between %(starts_on)s and %(ends_on)s "
                "group by 1 order by 1"
            ).format(net=net_changes(form_id), dated=event_dates(form_id, columns)),
            {
                "old": released.cutoff_at,
                "built": released.built_at,
                "new": cutoff_at,
                "starts_on": quarter.starts_on,
                "ends_on": quarter.ends_on,
            },
        ).fetchall()
        found += [(form_id, kind, count) for kind, count in rows]
    return sorted([*found, *((form, "erased", count) for form, count in _erased(connection, released).items())])


def rows_by_kind(
    connection: psycopg.Connection[Any], candidate: Candidate, release_id: str, code: str
) -> dict[str, dict[str, int]]:
    """Count for an indicator's forms how many submissions were added, edited, voided and erased since a release."""
    released, _ = _read(connection, release_id)
    if released.built_at is None:
        return {}
    found: dict[str, dict[str, int]] = {}
    there = columns_of_raw(connection)
    for form_id in sorted(candidate.forms.get(code, frozenset()) & there.keys()):
        rows = connection.execute(
            sql.SQL("with {net} select kind, count(*) from net where kind is not null group by 1 order by 1").format(
                net=net_changes(form_id)
            ),
            {"old": released.cutoff_at, "built": released.built_at, "new": candidate.cutoff_at},
        ).fetchall()
        if rows:
            found[form_id] = dict(rows)
    for form_id, count in _erased(connection, released).items():
        if form_id in candidate.forms.get(code, frozenset()):
            found.setdefault(form_id, {})["erased"] = count
    return found


def _erased(connection: psycopg.Connection[Any], released: Released) -> dict[str, int]:
    """Return by form how many submissions a release had counted that raw no longer knows of."""
    row = connection.execute(
        "select provenance from published.releases where release_id = %s", (released.release_id,)
    ).fetchone()
    had: dict[str, int] = {}
    for forms in (row[0] if row else {}).values():
        for form_id, versions in forms.items():
            had[form_id] = sum(counts["submissions"] for counts in versions.values())
    found = {}
    for form_id, count in sorted(had.items()):
        (has,) = connection.execute(
            sql.SQL("with {net} select count(*) from former where _operation = 'upsert'").format(
                net=net_changes(form_id)
            ),
            {"old": released.cutoff_at, "built": released.built_at, "new": released.cutoff_at},
        ).fetchone() or (0,)
        if count > has:
            found[form_id] = count - has
    return found


def _read(connection: psycopg.Connection[Any], release_id: str) -> tuple[Released, list[IndicatorValue]]:
    with connection.cursor(row_factory=dict_row) as cursor:
        release = cursor.execute(
            "select quarter, cutoff_at, (cutoff_at at time zone time_zone)::date as cutoff_on, built_at "
            "from published.releases where release_id = %s",
            (release_id,),
        ).fetchone()
        if release is None:
            raise CandidateError(f"there is no release {release_id}")
        query = sql.SQL("select {} from published.indicator_values where release_id = %s and split_by = 'all'").format(
            sql.SQL(", ").join(map(sql.Identifier, COLUMNS))
        )
        cells = [IndicatorValue(**row) for row in cursor.execute(query, (release_id,))]
    return (
        Released(
            release_id,
            release["quarter"],
            release["cutoff_at"],
            release["cutoff_on"],
            release["built_at"],
            {},
        ),
        cells,
    )


def _causes(
    connection: psycopg.Connection[Any],
    candidate: Candidate,
    released: Released,
    old: Mapping[Key, Mapping[str, int]],
    new: Mapping[Key, Mapping[str, int]],
    marts: str | None,
) -> dict[Key, Moves]:
    both = {key: counts for key, counts in new.items() if key in old}
    found = explain(
        connection,
        replace(released, built_at=None) if marts is None else replace(released, forms=candidate.forms),
        old,
        both,
        candidate.cutoff_at,
        outcomes=sql.Identifier(marts or "", "fct_indicator_outcome"),
        rebuilt=_rebuilt(connection, released, marts),
    )
    for key in new.keys() - old.keys():  # an indicator that was not defined then
        entered = {step: (count, 0) for step, count in new[key].items() if count}
        if entered:
            found[key] = {"definition": entered}
    for key, counts in both.items():
        for step in STEPS:
            if old[key][step] + net(found.get(key, {}), step) != counts[step]:
                raise ExplanationError(
                    f"{released.release_id}, {' '.join(key)}, {step}: {old[key][step]} and its causes give "
                    f"{old[key][step] + net(found.get(key, {}), step)}, not {counts[step]}"
                )
    return found


def _rebuilt(connection: psycopg.Connection[Any], released: Released, marts: str | None) -> sql.Composable | None:
    """Return the release's window by today's rules, if it was rebuilt for this comparison."""
    if marts is None or connection.execute("select to_regclass(%s)", (f"{marts}.{REBUILT}",)).fetchone() == (None,):
        return None
    table = sql.Identifier(marts, REBUILT)
    condition = sql.SQL("release_id = {}").format(sql.Literal(released.release_id))
    known = connection.execute(sql.SQL("select exists (select from {} where {})").format(table, condition)).fetchone()
    if known != (True,):
        return None
    return sql.SQL("(select * from {} where {})").format(table, condition)


def _difference(
    thresholds: Thresholds,
    release_id: str,
    key: Key,
    old: IndicatorValue | None,
    new: IndicatorValue,
    now: dict[str, int],
    moves: Moves,
    *,
    is_judged: bool,
    is_revealed: bool,
) -> Difference:
    # what the same rows would give as of today and by today's rules: the rule judges what rows did beyond it
    untouched = {step: now[step] - net(moves, step, ROW_CAUSES) for step in STEPS}
    is_break = old is not None and old.definition_version != new.definition_version
    # beside both figures the part of the rows would leave the part of whoever was erased
    by_rows = moved_points(thresholds, untouched, now) if new.is_count_shown and "erased" not in moves else None
    judged = reasons(thresholds, untouched, now) if is_judged else ()
    moved = None if old is None or old.share is None or new.share is None else (new.share - old.share) * 100
    code, view, quarter = key
    return Difference(
        of_release_id=release_id,
        quarter=quarter,
        period_view=view,
        indicator_code=code,
        old=_compared(old),
        new=_compared(new),
        moves=moves,
        moved_points=moved,
        moved_by_rows_points=by_rows,
        is_break=is_break or old is None,
        is_hidden=not _is_countable(new),
        reasons=(*judged, DISCLOSURE) if is_revealed else judged,
    )


def _key(value: IndicatorValue) -> Key:
    return (value.indicator_code, value.period_view, value.quarter)


def _is_countable(value: IndicatorValue | None) -> bool:
    """Whether a cell's counts may be said: planned and no data are 0 people, a hidden cell is silent."""
    return value is None or value.is_count_shown or value.status in ("planned", "no_data")


def _counts(value: IndicatorValue) -> dict[str, int]:
    return {step: getattr(value, step) or 0 for step in STEPS}


def _compared(value: IndicatorValue | None) -> dict[str, Any]:
    return {} if value is None else {name: getattr(value, name) for name in COMPARED}
