"""Why a headline differs from what was released: every mentee who entered or left a step of its funnel has one cause.

Three states of the same window are compared, mentee by mentee: as released (``ledger.outcomes``), as released but by
today's rules (rebuilt as of the old cut-off, only if the rules changed), and as the candidate has it. The first step
is the definition's; what remains follows from the submissions of that mentee that came, changed or went in between;
what no submission explains, time did: a window closed, a follow-up came due. A submission about a day after the
cut-off is not late either: nobody could have sent it sooner. Erased people are in none of the states: they are what the
released count had beyond them. The causes add up to the difference, or an error is raised.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

STEPS = ("eligible", "due", "reached", "measured", "achieved", "deterioration_known", "deteriorated")
ROW_CAUSES = ("added", "edited", "voided", "several", "unexplained", "not_kept")
"""What rows did; the rule of restatement judges these."""
CAUSES = (*ROW_CAUSES, "erased", "definition", "due")
CAUSES_RU = {
    "added": "поступили новые записи",
    "edited": "записи исправлены",
    "voided": "записи отозваны",
    "several": "записи и поступили, и изменены",
    "erased": "данные человека удалены",
    "definition": "изменены правила расчёта",
    "due": "наступил срок или произошло после среза",
    "unexplained": "причина не найдена",
    "not_kept": "выпущено до того, как причины стали храниться",
}

EVENT_COLUMNS = (
    "held_on",
    "filled_on",
    "ended_on",
    "occurred_on",
    "start_on",
    "withdrawn_on",
    "valid_from",
    "status_from",
)
"""The date of what a form reports, the first that it has; a form without one reports no event."""

ARRIVED_AT = sql.SQL("coalesce(_updated_at, _submitted_at, _ingested_at)")
"""When the form server received a version; the same as in dbt's ``current_versions``."""

Key = tuple[str, str, str]  # indicator, period view, quarter
Moves = dict[str, dict[str, tuple[int, int]]]
"""cause → step → mentees who entered, mentees who left."""


class ExplanationError(Exception):
    """The causes do not add up to the difference: a fault of this program or of the ledger, never of the data."""


@dataclass(frozen=True, slots=True)
class Released:
    """What a comparison needs to know of a release: its cut-off, when its marts were built, the forms it rests on."""

    release_id: str
    quarter: str
    cutoff_at: datetime
    cutoff_on: date  # the day of the cut-off in the programme's zone
    built_at: datetime | None  # None: released before outcomes were kept
    forms: Mapping[str, frozenset[str]]  # indicator → forms


def net(moves: Mapping[str, Mapping[str, tuple[int, int]]], step: str, causes: Iterable[str] = CAUSES) -> int:
    """Return by how much a step's count grew by some causes."""
    return sum(entered - left for cause in causes for entered, left in [moves.get(cause, {}).get(step, (0, 0))])


def explain(
    connection: psycopg.Connection[Any],
    released: Released,
    old: Mapping[Key, Mapping[str, int]],
    new: Mapping[Key, Mapping[str, int]],
    cutoff_at: datetime,
    *,
    outcomes: sql.Composable,
    rebuilt: sql.Composable | None = None,
) -> dict[Key, Moves]:
    """Return the causes of every difference between released and present headlines.

    Args:
        connection: acts as ``vmeste_transformer``; temporary tables are made on it.
        released: the release that stood.
        old: counts of its headlines by step, as published.
        new: counts of the same headlines now.
        cutoff_at: as of when ``outcomes`` were built.
        outcomes: the relation with the grain of ``marts.fct_indicator_outcome`` that ``new`` was counted from.
        rebuilt: the same as of the release's own cut-off by today's rules; None if the rules are the same.

    Raises:
        ExplanationError: the causes do not add up.
    """
    found: defaultdict[Key, Moves] = defaultdict(dict)
    if released.built_at is not None:
        _note_changes(connection, released, cutoff_at)
        quarters = sorted({quarter for _, _, quarter in old.keys() | new.keys()})
        for row in _moves(connection, released, quarters, cutoff_at, outcomes, rebuilt):
            key = (row["indicator_code"], row["period_view"], row["quarter"])
            if key in old or key in new:
                found[key].setdefault(row["cause"], {})[row["step"]] = (row["entered"], row["left_out"])
    nothing = dict.fromkeys(STEPS, 0)
    for key in old.keys() | new.keys():
        before, after = old.get(key, nothing), new.get(key, nothing)
        remainder = {step: after.get(step, 0) - before.get(step, 0) - net(found[key], step) for step in STEPS}
        gone = {step: (max(0, moved), max(0, -moved)) for step, moved in remainder.items() if moved}
        if not gone:
            continue
        if released.built_at is None:
            found[key]["not_kept"] = gone
        elif any(entered for entered, _ in gone.values()):
            raise ExplanationError(
                f"{released.release_id}, {' '.join(key)}: more mentees are in the released count's ledger than were "
                f"released ({gone}): run `vmeste release verify {released.release_id}`"
            )
        else:
            erased = found[key].setdefault("erased", {})
            for step, (_, left) in gone.items():
                erased[step] = (erased.get(step, (0, 0))[0], erased.get(step, (0, 0))[1] + left)
    return {key: moves for key, moves in found.items() if moves}


def columns_of_raw(connection: psycopg.Connection[Any]) -> dict[str, set[str]]:
    """Return the raw tables of submissions with their columns, in name order."""
    rows = connection.execute(
        "select c.relname, array_agg(a.attname::text) from pg_class c join pg_namespace n on n.oid = c.relnamespace "
        "join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped "
        "where n.nspname = 'raw' and c.relkind in ('r', 'p') group by 1 order by 1"
    ).fetchall()
    return {name: set(columns) for name, columns in rows if "_submission_id" in columns}


def _note_changes(connection: psycopg.Connection[Any], released: Released, cutoff_at: datetime) -> None:
    """Fill ``pg_temp.changes``: mentee × form × what came to a submission between the two states."""
    connection.execute(
        "create temporary table if not exists changes "
        "(mentee_key text not null, form_id text not null, kind text not null, is_backdated boolean not null)"
    )
    connection.execute("create temporary table if not exists explained_by (indicator_code text, form_id text)")
    connection.execute("truncate pg_temp.changes, pg_temp.explained_by")
    columns = columns_of_raw(connection)
    for form_id in sorted({form for forms in released.forms.values() for form in forms} & columns.keys()):
        mentee = _mentee(columns[form_id])
        if mentee is None:
            continue
        connection.execute(
            sql.SQL(
                "insert into pg_temp.changes "
                "with {net}, dated as ({dated}) "
                "select distinct people.mentee_key, {name}, net.kind, net.is_backdated "
                "from net inner join ({mentee}) as people using (_source, _submission_id) "
                "left join dated using (_source, _submission_id) "
                "where net.kind is not null and people.mentee_key is not null "
                "and (dated.event_on is null or dated.event_on < %(old_on)s)"
            ).format(
                net=net_changes(form_id),
                dated=event_dates(form_id, columns[form_id]),
                name=sql.Literal(form_id),
                mentee=mentee.format(form=sql.Identifier(form_id)),
            ),
            {
                "old": released.cutoff_at,
                "old_on": released.cutoff_on,
                "built": released.built_at,
                "new": cutoff_at,
            },
        )
    with connection.cursor() as cursor:
        cursor.executemany(
            "insert into pg_temp.explained_by values (%s, %s)",
            [(code, form_id) for code, forms in released.forms.items() for form_id in sorted(forms)],
        )


def net_changes(form_id: str) -> sql.Composed:
    """Return CTEs that end in ``net``: each submission that counts otherwise than before, and what came to it.

    Takes the parameters ``old`` (cut-off), ``built`` (when the release read raw) and ``new`` (cut-off).
    """
    return sql.SQL(
        "versions as (select _source, _submission_id, _operation, _ingested_at, _content_hash, "
        "{arrived} as arrived_at, {arrived} <= %(old)s and _ingested_at <= %(built)s as was_known "
        "from raw.{form} where {arrived} <= %(new)s and _source <> all((select ops.unseen_sources())::text[])), "
        "former as (select distinct on (_source, _submission_id) * from versions where was_known "
        "order by _source, _submission_id, arrived_at desc, _ingested_at desc, _content_hash desc), "
        "latter as (select distinct on (_source, _submission_id) * from versions "
        "order by _source, _submission_id, arrived_at desc, _ingested_at desc, _content_hash desc), "
        "net as (select _source, _submission_id, latter.arrived_at <= %(old)s as is_backdated, "
        "case when former._operation = 'upsert' and latter._operation = 'upsert' then 'edited' "
        "when latter._operation = 'upsert' then 'added' when former._operation = 'upsert' then 'voided' end as kind "
        "from latter left join former using (_source, _submission_id) "
        "where (latter.arrived_at, latter._ingested_at, latter._content_hash, latter._operation) is distinct from "
        "(former.arrived_at, former._ingested_at, former._content_hash, former._operation))"
    ).format(form=sql.Identifier(form_id), arrived=ARRIVED_AT)


def event_dates(form_id: str, columns: set[str]) -> sql.Composed:
    """Return a query of the day that each submission reports of, as its last version that names one has it."""
    event = next((sql.Identifier(name) for name in EVENT_COLUMNS if name in columns), None)
    return sql.SQL(
        "select distinct on (_source, _submission_id) _source, _submission_id, {event} as event_on from raw.{form} "
        "where {event} is not null order by _source, _submission_id, {arrived} desc, _ingested_at desc"
    ).format(
        event=event if event is not None else sql.SQL("null::date"),
        form=sql.Identifier(form_id),
        arrived=ARRIVED_AT,
    )


def _mentee(columns: set[str]) -> sql.SQL | None:
    """Return a query of whose a submission is: of each of its versions, for an edit may move it to another pair."""
    if "mentee_key" in columns:
        return sql.SQL("select distinct _source, _submission_id, mentee_key from raw.{form}")
    if "pair_key" in columns:
        return sql.SQL(
            "select distinct told._source, told._submission_id, pairs.mentee_key from raw.{form} as told "
            "inner join raw.r3_pair as pairs on told.pair_key = pairs.pair_key"
        )
    return None


_FUNNEL = sql.SQL(
    "select indicator_code, period_view, quarter, mentee_key, steps.step from {relation} as outcomes cross join "
    "lateral (values ('eligible', true), ('due', is_due), ('reached', is_reached), ('measured', is_measured), "
    "('achieved', is_achieved), ('deterioration_known', is_deteriorated is not null), "
    "('deteriorated', coalesce(is_deteriorated, false))) as steps (step, is_in) where steps.is_in and {condition}"
)


def _moves(
    connection: psycopg.Connection[Any],
    released: Released,
    quarters: Iterable[str],
    cutoff_at: datetime,
    outcomes: sql.Composable,
    rebuilt: sql.Composable | None,
) -> list[dict[str, Any]]:
    """Return entered and left by indicator, view, quarter, cause and step."""
    own = sql.SQL("release_id = %(release_id)s")
    eligible = sql.SQL("is_eligible and quarter = any(%(quarters)s)")
    frozen = sql.SQL("ledger.outcomes")
    query = sql.SQL(
        "with former as materialized ({former}), middle as materialized ({middle}), latter as materialized ({latter}), "
        "known as (select mentee_key from raw.r1_mentee union select mentee_key from raw.r3_pair), "
        "kinds as (select indicator_code, mentee_key, "
        "array_agg(distinct kind) filter (where is_backdated) as backdated, "
        "array_agg(distinct kind) filter (where {counts_now}) as present "
        "from pg_temp.changes inner join pg_temp.explained_by using (form_id) group by 1, 2), "
        "steps_moved as ("
        "select 'rules' as stage, coalesce(former.indicator_code, middle.indicator_code) as indicator_code, "
        "coalesce(former.period_view, middle.period_view) as period_view, "
        "coalesce(former.quarter, middle.quarter) as quarter, "
        "coalesce(former.mentee_key, middle.mentee_key) as mentee_key, "
        "coalesce(former.step, middle.step) as step, former.step is null as is_entered "
        "from former full join middle using (indicator_code, period_view, quarter, mentee_key, step) "
        "where former.step is null or middle.step is null "
        "union all "
        "select 'rows', coalesce(middle.indicator_code, latter.indicator_code), "
        "coalesce(middle.period_view, latter.period_view), coalesce(middle.quarter, latter.quarter), "
        "coalesce(middle.mentee_key, latter.mentee_key), coalesce(middle.step, latter.step), middle.step is null "
        "from middle full join latter using (indicator_code, period_view, quarter, mentee_key, step) "
        "where middle.step is null or latter.step is null), "
        "caused as (select steps_moved.*, "
        "case when known.mentee_key is null then 'erased' "
        "when cardinality(chosen.kinds) > 1 then 'several' "
        "when cardinality(chosen.kinds) = 1 then chosen.kinds[1] "
        "when steps_moved.stage = 'rules' then 'definition' "
        "when %(new)s > %(old)s then 'due' else 'unexplained' end as cause "
        "from steps_moved left join kinds using (indicator_code, mentee_key) "
        "left join known using (mentee_key) "
        "cross join lateral (select case steps_moved.stage when 'rules' then kinds.backdated else kinds.present end "
        "as kinds) as chosen) "
        "select indicator_code, period_view, quarter, cause, step, "
        "count(*) filter (where is_entered) as entered, count(*) filter (where not is_entered) as left_out "
        "from caused group by 1, 2, 3, 4, 5 order by 1, 2, 3, 4, 5"
    ).format(
        former=_FUNNEL.format(relation=frozen, condition=own),
        middle=_FUNNEL.format(relation=frozen, condition=own)
        if rebuilt is None
        else _FUNNEL.format(relation=rebuilt, condition=eligible),
        latter=_FUNNEL.format(relation=outcomes, condition=eligible),
        # what was backdated is in the rebuilt state already
        counts_now=sql.SQL("true" if rebuilt is None else "not is_backdated"),
    )
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(
            query,
            {
                "release_id": released.release_id,
                "quarters": list(quarters),
                "old": released.cutoff_at,
                "new": cutoff_at,
            },
        ).fetchall()
