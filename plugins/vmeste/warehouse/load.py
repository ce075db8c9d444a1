"""Load a landed batch: versions, quarantine, proof and cursor commit together or not at all.

Data goes in through ADBC (Arrow straight into COPY). A process that is killed leaves nothing behind; the same batch
again changes nothing; the same submission version again is counted as unchanged.
"""

from __future__ import annotations

import gc
import json
import logging
from collections import Counter
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from vmeste import landing
from vmeste.forms import Form
from vmeste.forms.columns import answer_columns
from vmeste.quality.members import member_rows, of_submissions
from vmeste.quality.suites import Suite, suite_for, suite_for_members
from vmeste.quality.typing import typed
from vmeste.quality.validate import Verdict, merge, validate
from vmeste.settings import Settings
from vmeste.warehouse.connect import warehouse_url
from vmeste.warehouse.known import newest_operations
from vmeste.warehouse.raw_tables import PIPELINE_COLUMNS, POSTGRES_TYPES
from vmeste.warehouse.references import enrich, is_first
from vmeste.warehouse.seen import SeenBefore
from vmeste.warehouse.versions import Settled, Version, moments_from, settle

logger = logging.getLogger(__name__)

ROWS_AT_ONCE = 200_000
"""So many rows are validated and loaded at a time: each round costs a second by itself, and memory holds one. Of two
submissions that repeat one another in different rounds the first that the source gave counts."""

RETRIED_AT_ONCE = 20_000
"""So many open quarantined rows are tried again at a time; their payload is looked at as text."""

COUNTS = (
    "server_count",
    "received",
    "accepted",
    "quarantined",
    "voided",
    "unchanged",
    "released",
    "suspended",
    "vanished",
)


class BatchBlocked(Exception):
    """A critical rule failed: nothing of the batch was loaded."""


class SyncIncomplete(Exception):
    """Not all that the server counts arrived: nothing of the batch was loaded."""


@dataclass(frozen=True, slots=True)
class SyncResult:
    """What became of a batch; ``server_count = accepted + quarantined + voided + unchanged``.

    Beside them, ``released`` counts rows that an earlier sync had refused, and ``suspended`` accepted submissions that
    no longer count because their newest version was refused. ``vanished`` counts what a complete read no longer found;
    the server does not count them, so they stand beside the sum. ``server_total`` is what it says it has in all.
    """

    batch_id: str
    source: str
    form_id: str
    state: str
    server_count: int
    received: int
    accepted: int
    quarantined: int
    voided: int
    unchanged: int
    released: int
    suspended: int
    vanished: int = 0
    server_total: int | None = None
    error: str | None = None

    @property
    def has_changed_rows(self) -> bool:
        """Whether raw holds anything now that it did not hold before."""
        return self.accepted + self.voided + self.released + self.suspended + self.vanished > 0


def load(settings: Settings, form: Form, address: str) -> SyncResult:
    """Validate a landed batch and load it in one transaction.

    Raises:
        LandingError: the batch is missing or damaged.
        SyncIncomplete: the batch holds fewer rows than the server counts.
        BatchBlocked: a critical rule failed; names the rules and what to do.
    """
    import adbc_driver_postgresql.dbapi as adbc

    suite = suite_for(form, settings.root / "expectations")
    with landing.opened(address) as batch:
        header = batch.header
        try:
            with adbc.connect(warehouse_url(settings, "vmeste_loader")) as connection, connection.cursor() as cursor:
                # two runs of the same form queue here instead of loading the same rows twice
                cursor.execute(
                    "select pg_advisory_xact_lock(hashtext($1))", parameters=[f"load {header.source} {header.form_id}"]
                )
                cursor.fetchall()
                recorded = _recorded(cursor, header)
                if recorded is not None:
                    logger.info("batch %s was loaded before: nothing to do", header.batch_id)
                    return recorded
                result = _load(cursor, settings, form, suite, batch)
                connection.commit()
                return result
        except BatchBlocked as error:
            _record_failure(settings, header, batch.row_count, "blocked", str(error))
            raise
        except SyncIncomplete as error:
            _record_failure(settings, header, batch.row_count, "failed", str(error))
            raise
        except Exception as error:
            # the text of an unexpected error may quote a row, and this table is read by many: its kind alone goes there
            kind = f"{type(error).__name__} {getattr(error, 'sqlstate', None) or ''}".strip()
            _record_failure(settings, header, batch.row_count, "failed", f"{kind}: see the log of this run")
            raise


def _load(cursor: Any, settings: Settings, form: Form, suite: Suite, batch: landing.Batch) -> SyncResult:
    header = batch.header
    arrived = batch.row_count - header.vanished
    if arrived != header.server_count:
        raise SyncIncomplete(
            f"{header.source}, {form.form_id}: the source counts {header.server_count} submissions, {arrived} "
            "arrived. Nothing was loaded; the next run reads again from the last complete sync"
        )
    counts: Counter[str] = Counter()
    checked = _Checked()
    news = _News.of(cursor, form, header)
    with_edit_times = batch.with_edit_times()
    seen_at = moments_from(datetime.fromisoformat(header.landed_at))
    chunks = batch.chunks(ROWS_AT_ONCE)
    if {"state_reached", "status_forward"} & set(suite.references.get("references", {})):
        # a row is judged by those before it in time, wherever they stand; these registers are small
        chunks = iter([pa.concat_tables(chunks)] if batch.row_count else [])
    for table in chunks:
        text = _read(table, header)
        is_given = np.arange(counts["rows"], counts["rows"] + len(text)) < header.server_count
        settled = _settle(cursor, form, header, text, seen_at, with_edit_times, news)
        for row, moment in settled.arrived_at.items():
            text.loc[row, ["_updated_at", "_arrived_at"]] = pd.Timestamp(moment)
        is_unchanged = text.index.isin(settled.unchanged)
        is_voided = ((text["_operation"] != "upsert") & ~is_unchanged).to_numpy()
        fresh = text[~is_unchanged & ~is_voided].reset_index(drop=True)
        verdict = _validated(cursor, settings, form, suite, header, fresh, checked, news)
        is_broken = _broken(verdict, fresh)
        _append_voids(cursor, form, header, text[is_voided])
        counts["rows"] += len(text)
        counts["accepted"] += int((~is_broken).sum())
        counts["quarantined"] += int(is_broken.sum())
        counts["voided"] += int((is_voided & is_given).sum())
        counts["unchanged"] += int((is_unchanged & is_given).sum())
        if header.server_count > len(text):
            logger.info("%s, %s: %d of %d", header.source, form.form_id, counts["rows"], header.server_count)
            # Great Expectations leaves each round's frames in cycles, which Python finds late: memory would grow
            gc.collect()
    _close_overtaken(cursor, form, header)
    while not (waiting := _open_quarantine(cursor, header)).empty:
        verdict = _validated(cursor, settings, form, suite, header, waiting, checked, news)
        counts["released"] += int((~_broken(verdict, waiting)).sum())
        _close_tried(cursor, header, waiting["_quarantine_id"], verdict)
    _prove_total(cursor, form, header)
    result = SyncResult(
        header.batch_id,
        header.source,
        header.form_id,
        "incomplete" if header.refusals else "complete",
        server_count=header.server_count,
        received=arrived,
        accepted=counts["accepted"],
        quarantined=counts["quarantined"],
        voided=counts["voided"],
        unchanged=counts["unchanged"],
        released=counts["released"],
        suspended=checked.suspended,
        vanished=header.vanished,
        server_total=header.server_total,
        error="; ".join(header.refusals) or None,
    )
    _record(cursor, header, result, checked)
    return result


@dataclass(slots=True)
class _Checked:
    """What the chunks of a batch add up to: elements and broken ones by (rule, severity), and suspended submissions."""

    elements: Counter[tuple[str, str]] = field(default_factory=Counter)
    unexpected: Counter[tuple[str, str]] = field(default_factory=Counter)
    suspended: int = 0

    def add(self, verdict: Verdict) -> None:
        for rule, severity, elements, unexpected in verdict.counts:
            self.elements[rule, severity] += elements
            self.unexpected[rule, severity] += unexpected


@dataclass(frozen=True, slots=True)
class _News:
    """What this load has seen of a form that raw held nothing of: there only its own rows can repeat one another.

    ``submissions`` and ``values`` are None where raw or quarantine held something before, so that they must be asked.
    """

    submissions: SeenBefore | None
    values: SeenBefore | None

    @classmethod
    def of(cls, cursor: Any, form: Form, header: landing.BatchHeader) -> _News:
        """Look at what is there before the first round."""
        cursor.execute(
            f"select exists (select from raw.{form.form_id} where _source = $1::text) "
            "or exists (select from quarantine.rows where source = $1::text and form_id = $2::text), "
            f"exists (select from raw.{form.form_id})",
            parameters=[header.source, header.form_id],
        )
        has_submissions, has_values = cursor.fetchone()
        return cls(None if has_submissions else SeenBefore(), None if has_values else SeenBefore())


def _read(table: pa.Table, header: landing.BatchHeader) -> pd.DataFrame:
    """Return a chunk as landed text, with the moments that order versions."""
    text: pd.DataFrame = table.to_pandas()
    text["_source"] = header.source
    for column in ("_submitted_at", "_updated_at"):
        text[column] = _instants(text[column])
    text["_arrived_at"] = text["_updated_at"].fillna(text["_submitted_at"])
    return text


def _validated(
    cursor: Any,
    settings: Settings,
    form: Form,
    suite: Suite,
    header: landing.BatchHeader,
    rows: pd.DataFrame,
    checked: _Checked,
    news: _News,
) -> Verdict:
    """Check rows of landed text, keep the sound ones in raw and the broken ones in quarantine.

    Returns:
        what was found. A row that lies in quarantine already (``_quarantine_id``) stays there.

    Raises:
        BatchBlocked: a critical rule failed; names the rules and what to do.
    """
    if rows.empty:
        return Verdict({}, {}, (), ())
    kinds = answer_columns(form)
    for missing in set(kinds) - set(rows.columns):  # a question that is newer than the batch
        rows[missing] = None
    landed_on = datetime.fromisoformat(header.landed_at).astimezone(settings.zone).date()
    references = suite.references.get("references", {})
    frame = enrich(cursor, typed(rows, kinds), form.form_id, references, settings.zone)
    on_rows, on_repeats = suite.split_by_column("_is_first")
    frame = frame.assign(_today=pd.Timestamp(landed_on))
    verdict = validate(frame, on_rows)
    for repeat in form.repeats:
        inner = suite_for_members(form, repeat, settings.root / "expectations")
        members = member_rows(frame, repeat)
        members = enrich(cursor, members, inner.name, inner.references.get("references", {}), settings.zone)
        verdict = merge(verdict, of_submissions(validate(members, inner), members))
    if on_repeats.expectations:
        sound = ~frame.index.isin(verdict.broken.keys())
        columns = {name: POSTGRES_TYPES[kinds.get(name, "text")] for name in references["unique"]}
        frame["_is_first"] = is_first(cursor, frame, form.form_id, columns, sound, news.values)
        verdict = merge(verdict, validate(frame, on_repeats))
    if verdict.blocking:
        raise BatchBlocked(
            f"{header.source}, {form.form_id}: blocked by {', '.join(verdict.blocking)}. "
            + " ".join(verdict.remedies[rule] for rule in verdict.blocking)
        )
    checked.add(verdict)
    is_broken = _broken(verdict, frame)
    noted = [list(rules) if (rules := verdict.noted.get(row)) else None for row in frame.index]
    warned = pd.Series(noted, index=frame.index, dtype=object)
    _append_versions(cursor, form, header, frame.assign(_warnings=warned)[~is_broken])
    if "_quarantine_id" not in rows.columns:
        checked.suspended += _quarantine(cursor, form, header, rows[is_broken], verdict)
    return verdict


def _broken(verdict: Verdict, rows: pd.DataFrame) -> npt.NDArray[np.bool_]:
    """Return a mask of shape (rows,)."""
    return np.asarray(rows.index.isin(verdict.broken.keys()))


def _prove_total(cursor: Any, form: Form, header: landing.BatchHeader) -> None:
    """Compare all that we hold with all that the server says it has.

    Raises:
        SyncIncomplete: they differ; both numbers are in the message.
    """
    if header.server_total is None:
        return
    operations = newest_operations(form.form_id, "$1::text", "$2::text")
    cursor.execute(
        f"select count(*) from ({operations}) as newest where operation != 'delete'",
        parameters=[header.source, header.form_id],
    )
    (held,) = cursor.fetchone()
    if held != header.server_total:
        raise SyncIncomplete(
            f"{header.source}, {form.form_id}: the source has {header.server_total} submissions, with this read we "
            f"would hold {held}. Nothing was loaded; the next run reads again. `vmeste reconcile` says which differ"
        )


def _recorded(cursor: Any, header: landing.BatchHeader) -> SyncResult | None:
    """Return what is known of a batch that was loaded before."""
    cursor.execute(
        f"select state, error, server_total, {', '.join(COUNTS)} from ops.sync_runs "
        "where batch_id = $1 and state in ('complete', 'incomplete')",
        parameters=[header.batch_id],
    )
    row = cursor.fetchone()
    if row is None:
        return None
    state, error, server_total, *counts = row
    return SyncResult(
        header.batch_id,
        header.source,
        header.form_id,
        state,
        error=error,
        server_total=server_total,
        **dict(zip(COUNTS, counts, strict=True)),
    )


def _settle(
    cursor: Any,
    form: Form,
    header: landing.BatchHeader,
    text: pd.DataFrame,
    seen_at: Iterator[datetime],
    with_edit_times: AbstractSet[str],
    news: _News,
) -> Settled:
    """Compare the batch with the versions of the same submissions in raw and in quarantine."""
    asked = text[["_submission_id"]]
    if news.submissions is not None:
        asked = asked[news.submissions.may_repeat(asked)]
        if asked.empty:
            return Settled(frozenset(), {})
    _ingest(cursor, "incoming_submissions", asked.drop_duplicates())
    cursor.execute("analyze incoming_submissions")  # without it PostgreSQL guesses, and sorts all of raw
    cursor.execute(
        f"""
        select
            known._submission_id as submission_id, known._content_hash as content_hash, known._operation as operation,
            known._review_state as review_state,
            coalesce(known._updated_at, known._submitted_at) as arrived_at, 'raw' as place
        from raw.{form.form_id} as known
        inner join incoming_submissions as incoming using (_submission_id)
        where known._source = $1::text
        union all
        select
            refused.submission_id, refused.content_hash, 'upsert', refused.review_state, refused.arrived_at,
            case when refused.state = 'open' and refused.last_tried_at < now() then 'open' else 'closed' end
        from quarantine.rows as refused
        where refused.source = $1::text and refused.form_id = $2::text
        """,
        parameters=[header.source, header.form_id],
    )
    known = [
        Version(
            row["submission_id"],
            (row["content_hash"], row["operation"], row["review_state"]),
            row["arrived_at"],
            row["place"],
        )
        for row in cursor.fetch_arrow_table().to_pylist()
    ]
    # of a submission that is new and comes once there is nothing to settle, and of most it is so
    ids = text["_submission_id"]
    concerned = text[ids.duplicated(keep=False) | ids.isin({version.submission_id for version in known})]
    incoming = [
        Version(submission_id, (content_hash, operation, review_state), arrived_at, has_time=has_time, row=row)
        for row, submission_id, content_hash, operation, review_state, arrived_at, has_time in zip(
            concerned.index,
            concerned["_submission_id"],
            concerned["_content_hash"],
            concerned["_operation"],
            concerned["_review_state"].astype(object).where(concerned["_review_state"].notna(), None),
            concerned["_arrived_at"].dt.to_pydatetime() if len(concerned) else (),
            concerned["_updated_at"].notna(),
            strict=True,
        )
    ]
    return settle(incoming, known, seen_at, with_edit_times)


def _open_quarantine(cursor: Any, header: landing.BatchHeader) -> pd.DataFrame:
    """Return open quarantined rows of the form that this sync has not tried yet, a chunk of them, as landed text."""
    cursor.execute(
        "select quarantine_id, submission_id, content_hash, form_version, review_state, payload::text, arrived_at, "
        "submitted_at, updated_at from quarantine.rows "
        "where state = 'open' and source = $1 and form_id = $2 and last_tried_at < now() "
        f"order by quarantine_id limit {RETRIED_AT_ONCE}",
        parameters=[header.source, header.form_id],
    )
    rows = []
    for entry in cursor.fetch_arrow_table().to_pylist():
        payload = json.loads(entry["payload"])
        extra = payload.pop("_extra", None)
        rows.append(
            payload
            | {
                "_quarantine_id": entry["quarantine_id"],
                "_source": header.source,
                "_submission_id": entry["submission_id"],
                "_content_hash": entry["content_hash"],
                "_form_version": entry["form_version"],
                "_review_state": entry["review_state"],
                "_operation": "upsert",
                "_submitted_at": entry["submitted_at"],
                "_updated_at": entry["updated_at"],
                "_arrived_at": entry["arrived_at"],
                "_extra": json.dumps(extra, ensure_ascii=False) if extra else None,
            }
        )
    waiting = pd.DataFrame(rows, columns=None if rows else ["_quarantine_id"])
    for column in ("_submitted_at", "_updated_at", "_arrived_at"):
        if rows:
            waiting[column] = _instants(waiting[column])
    return waiting


def _instants(moments: pd.Series) -> pd.Series:
    """Return ISO text or moments as UTC instants."""
    return pd.to_datetime(moments, utc=True, format="ISO8601").astype("datetime64[us, UTC]")


def _append_versions(cursor: Any, form: Form, header: landing.BatchHeader, accepted: pd.DataFrame) -> None:
    columns = answer_columns(form)
    pipeline = ["_source", "_submission_id", "_form_version", "_submitted_at", "_updated_at", "_review_state"]
    pipeline += ["_content_hash", "_operation", "_extra", "_warnings"]
    if accepted.empty:
        return
    _ingest(cursor, "incoming_accepted", accepted[[*columns, *pipeline]])
    types = {name: POSTGRES_TYPES[kind] for name, kind in columns.items()} | {
        name: kind.removesuffix(" not null") for name, kind in PIPELINE_COLUMNS.items()
    }
    names = [*columns, *pipeline]
    cursor.execute(
        f"insert into raw.{form.form_id} ({', '.join(names)}, _ingested_at, _batch_id) "
        f"select {', '.join(f'{name}::{types[name]}' for name in names)}, now(), $1::text "
        "from incoming_accepted on conflict do nothing",
        parameters=[header.batch_id],
    )


def _append_voids(cursor: Any, form: Form, header: landing.BatchHeader, voided: pd.DataFrame) -> None:
    """A submission that was deleted or rejected at the source stays, with a last version that says so."""
    if voided.empty:
        return
    pipeline = ["_source", "_submission_id", "_form_version", "_submitted_at", "_updated_at", "_review_state"]
    pipeline += ["_content_hash", "_operation"]
    _ingest(cursor, "incoming_voids", voided[pipeline])
    typed_names = [f"{name}::timestamptz" if name.endswith("_at") else name for name in pipeline]
    cursor.execute(
        f"insert into raw.{form.form_id} ({', '.join(pipeline)}, _ingested_at, _batch_id) "
        f"select {', '.join(typed_names)}, now(), $1::text from incoming_voids on conflict do nothing",
        parameters=[header.batch_id],
    )


def _quarantine(cursor: Any, form: Form, header: landing.BatchHeader, rejected: pd.DataFrame, verdict: Verdict) -> int:
    """Keep rejected rows whole, with every rule they broke and what to do about each.

    Where an older version of the submission counted, it counts no longer: the source does not say so any more. Returns
    how many were suspended so.
    """
    if rejected.empty:
        return 0
    answers = [name for name in rejected.columns if not name.startswith("_")]
    kept = pd.DataFrame(
        {
            "submission_id": rejected["_submission_id"],
            "content_hash": rejected["_content_hash"],
            "form_version": rejected["_form_version"],
            "submitted_at": rejected["_submitted_at"],
            "updated_at": rejected["_updated_at"],
            "review_state": rejected["_review_state"],
            "origin": [_extra(row).get("_origin") for row in rejected.to_dict("records")],
            "rules": [list(verdict.broken[row]) for row in rejected.index],
            "remedy_ru": [_remedy(verdict, row) for row in rejected.index],
            "payload": [
                json.dumps(
                    {name: row[name] for name in answers if isinstance(row[name], str)}
                    | ({"_extra": extra} if (extra := _extra(row)) else {}),
                    ensure_ascii=False,
                )
                for row in rejected.to_dict("records")
            ],
        }
    )
    _ingest(cursor, "incoming_rejected", kept)
    cursor.execute(
        """
        insert into quarantine.rows (
            source, form_id, submission_id, content_hash, form_version, submitted_at, updated_at, review_state,
            origin, rules, remedy_ru, payload, batch_id
        )
        select
            $1::text, $2::text, submission_id, content_hash, form_version, submitted_at, updated_at,
            review_state, origin, rules, remedy_ru, payload::jsonb, $3::text
        from incoming_rejected
        on conflict (source, form_id, submission_id, arrived_at, content_hash, review_state) do update
            set rules = excluded.rules, remedy_ru = excluded.remedy_ru, last_tried_at = now()
        """,
        parameters=[header.source, header.form_id, header.batch_id],
    )
    cursor.execute(
        f"""
        with suspended as (
        insert into raw.{form.form_id} (
            _source, _submission_id, _form_version, _submitted_at, _updated_at, _review_state, _content_hash,
            _operation, _ingested_at, _batch_id
        )
        select
            $1::text, refused.submission_id, refused.form_version, refused.submitted_at, refused.updated_at,
            refused.review_state, refused.content_hash, 'void', now(), $2::text
        from incoming_rejected as refused
        where exists (
            select from raw.{form.form_id} as counted
            where
                counted._source = $1::text
                and counted._submission_id = refused.submission_id
                and counted._operation = 'upsert'
                and coalesce(counted._updated_at, counted._submitted_at)
                <= coalesce(refused.updated_at, refused.submitted_at)
        )
        on conflict do nothing
        returning _submission_id
        )

        select count(*) from suspended
        """,
        parameters=[header.source, header.batch_id],
    )
    (suspended,) = cursor.fetchone()
    return int(suspended)


def _remedy(verdict: Verdict, row: int) -> str:
    """Return what to do about each rule that a row broke."""
    return "; ".join(dict.fromkeys(verdict.remedies[rule] for rule in verdict.broken.get(row, ())))


def _extra(row: Mapping[Any, Any]) -> dict[str, Any]:
    """Return what a row holds beyond its form's questions."""
    text = row["_extra"]
    extra: dict[str, Any] = json.loads(text) if isinstance(text, str) else {}
    return extra


def _close_overtaken(cursor: Any, form: Form, header: landing.BatchHeader) -> None:
    """Close open rows that were mended: by a newer version, or because this batch brought them again and they passed.

    A row that a newer version has overtaken is not tried again: released, it would count as the submission's present.
    """
    cursor.execute(
        f"""
        update quarantine.rows as earlier
        set
            state = case when same._submission_id is null then 'fixed_upstream' else 'released' end,
            last_tried_at = now(), resolved_at = now(), resolved_by = 'sync ' || $3::text
        from quarantine.rows as refused
        left join raw.{form.form_id} as same
            on
                same._source = refused.source
                and same._submission_id = refused.submission_id
                and same._operation = 'upsert'
                and same._content_hash = refused.content_hash
                and coalesce(same._updated_at, same._submitted_at) = refused.arrived_at
                and same._review_state is not distinct from refused.review_state
        where
            earlier.quarantine_id = refused.quarantine_id
            and earlier.state = 'open'
            and earlier.source = $1::text
            and earlier.form_id = $2::text
            and (
                same._submission_id is not null
                or exists (
                    select from raw.{form.form_id} as newer
                    where
                        newer._source = earlier.source
                        and newer._submission_id = earlier.submission_id
                        and coalesce(newer._updated_at, newer._submitted_at) > earlier.arrived_at
                )
                or exists (
                    select from quarantine.rows as newer
                    where
                        newer.source = earlier.source
                        and newer.form_id = earlier.form_id
                        and newer.submission_id = earlier.submission_id
                        and newer.arrived_at > earlier.arrived_at
                )
            )
        """,
        parameters=[header.source, header.form_id, header.batch_id],
    )


def _close_tried(cursor: Any, header: landing.BatchHeader, quarantine_ids: pd.Series, verdict: Verdict) -> None:
    """Note what open rows break now that they were tried again, and release those that passed."""
    tries = pd.DataFrame(
        {
            "quarantine_id": quarantine_ids.astype("int64"),
            "is_released": [row not in verdict.broken for row in quarantine_ids.index],
            "rules": [list(verdict.broken.get(row, ())) for row in quarantine_ids.index],
            "remedy_ru": [_remedy(verdict, row) for row in quarantine_ids.index],
        }
    )
    _ingest(cursor, "incoming_tries", tries)
    cursor.execute(
        """
        update quarantine.rows as earlier
        set
            last_tried_at = now(),
            state = case when is_released then 'released' else state end,
            resolved_at = case when is_released then now() end,
            resolved_by = case when is_released then 'sync ' || $1::text end,
            rules = case when is_released then earlier.rules else tried.rules end,
            remedy_ru = case when is_released then earlier.remedy_ru else tried.remedy_ru end
        from incoming_tries as tried
        where earlier.quarantine_id = tried.quarantine_id and earlier.state = 'open'
        """,
        parameters=[header.batch_id],
    )


def _record(cursor: Any, header: landing.BatchHeader, result: SyncResult, checked: _Checked) -> None:
    """Write the proof of completeness and move the cursor."""
    cursor.execute(
        f"""
        insert into ops.sync_runs (
            batch_id, run_id, source, form_id, started_at, finished_at, {", ".join(COUNTS)},
            server_total, cursor_from, cursor_to, state, error, notes
        )
        values (
            $1, $2, $3, $4, $5::text::timestamptz, clock_timestamp(),
            {", ".join(str(getattr(result, count)) for count in COUNTS)},
            {"null" if result.server_total is None else result.server_total},
            $6::text::jsonb, $7::text::jsonb, $8, nullif($9, ''),
            (select coalesce(array_agg(note), array[]::text[]) from jsonb_array_elements_text($10::text::jsonb) as note)
        )
        on conflict (batch_id) do update set
            finished_at = excluded.finished_at, state = excluded.state, error = excluded.error,
            server_total = excluded.server_total,
            {", ".join(f"{count} = excluded.{count}" for count in COUNTS)}
        """,
        parameters=[
            header.batch_id,
            header.run_id,
            header.source,
            header.form_id,
            header.started_at,
            json.dumps(header.cursor_from),
            json.dumps(header.cursor_to),
            result.state,
            result.error or "",
            json.dumps(header.notes, ensure_ascii=False),
        ],
    )
    cursor.execute(
        """
        insert into ops.cursors (source, form_id, cursor, batch_id, moved_at)
        values ($1, $2, $3::text::jsonb, $4, now())
        on conflict (source, form_id) do update
            set cursor = excluded.cursor, batch_id = excluded.batch_id, moved_at = excluded.moved_at
        """,
        parameters=[header.source, header.form_id, json.dumps(header.cursor_to), header.batch_id],
    )
    if checked.elements:
        names = ("rule", "severity", "element_count", "unexpected_count")
        found = [(*rule, count, checked.unexpected[rule]) for rule, count in checked.elements.items()]
        _ingest(cursor, "incoming_checks", pd.DataFrame(found, columns=list(names)))
        cursor.execute(
            f"insert into ops.check_results (batch_id, form_id, {', '.join(names)}) "
            f"select $1::text, $2::text, {', '.join(names)} from incoming_checks on conflict do nothing",
            parameters=[header.batch_id, header.form_id],
        )


def _record_failure(settings: Settings, header: landing.BatchHeader, received: int, state: str, error: str) -> None:
    """Keep a failed sync in the list of runs, in a transaction of its own."""
    import psycopg

    with psycopg.connect(warehouse_url(settings, "vmeste_loader")) as connection:
        connection.execute(
            "insert into ops.sync_runs (batch_id, run_id, source, form_id, started_at, finished_at, server_count, "
            "received, accepted, quarantined, voided, unchanged, state, error) "
            "values (%s, %s, %s, %s, %s, %s, %s, %s, 0, 0, 0, 0, %s, %s) on conflict (batch_id) do update "
            "set finished_at = excluded.finished_at, state = excluded.state, error = excluded.error",
            (
                header.batch_id,
                header.run_id,
                header.source,
                header.form_id,
                header.started_at,
                datetime.now(UTC),
                header.server_count,
                received,
                state,
                error,
            ),
        )


def _ingest(cursor: Any, name: str, frame: pd.DataFrame) -> None:
    """Put a frame into a temporary table of this transaction's connection."""
    fields = {
        "rules": pa.list_(pa.string()),
        "_warnings": pa.list_(pa.string()),
    }
    arrays = []
    for column in frame.columns:
        array = pa.array(frame[column], type=fields.get(column), from_pandas=True)
        if pa.types.is_null(array.type):
            array = array.cast(pa.string())
        arrays.append(array)
    cursor.adbc_ingest(name, pa.table(arrays, names=list(frame.columns)), mode="replace", temporary=True)
