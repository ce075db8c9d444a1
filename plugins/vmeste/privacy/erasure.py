"""Erasing a person: out of the vault, landing, raw, quarantine, logs, Airflow and every derived table.

The order makes a killed erasure safe to repeat: first the tombstones, so that nothing comes back meanwhile, and a note
in the vault of what is looked for; last the note itself. Whatever stands between changes nothing the second time.
"""

from __future__ import annotations

import json
import logging
import re
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pyarrow as pa
import pyarrow.compute as pc
from psycopg import sql

from vmeste import landing, quarantine_lists
from vmeste.forms import Form, load_forms
from vmeste.forms.columns import answer_columns, key_column
from vmeste.forms.repeats import members_of, members_text
from vmeste.privacy import act, server_files
from vmeste.privacy.code_spaces import names_of, written
from vmeste.privacy.subject import (
    MENTORS_OWN,
    ErasureError,
    Kind,
    Report,
    Subject,
    fate,
    is_telling,
    marked,
    names_anybody,
    words_of,
)
from vmeste.privacy.tombstones import (
    NOTE_SUBMISSION,
    STUB_AT,
    STUB_PREFIX,
    STUB_VERSION,
    clean,
    digest,
    secret_of,
    stub_id,
)
from vmeste.privacy.words import overwrite, patterns, replace_in_tables, texts_of
from vmeste.settings import Settings
from vmeste.warehouse import transform
from vmeste.warehouse.connect import airflow_url, connect, vault_url
from vmeste.warehouse.turns import erasing

logger = logging.getLogger(__name__)

DERIVED = ("staging", "intermediate", "marts", "candidate_staging", "candidate_intermediate", "candidate_marts")
"""Schemas that dbt makes of raw: dropped whole, and the marts of today built anew."""

_FINISHED = ("completed", "closed_early", "converted", "cancelled")


def look(settings: Settings, code: str, kind: Kind | None = None, organisation: str | None = None) -> Report:
    """Count what an erasure would take, and change nothing.

    Raises:
        ErasureError: the code leads to nobody, to more than one, or to somebody who cannot be erased yet.
    """
    forms = load_forms(settings.forms)
    with psycopg.connect(vault_url(settings)) as vault:
        subject, _ = _asked(settings, vault, forms, code, kind, organisation)
        vault.rollback()
    report = Report("", subject.kind)
    _collect(settings, forms, subject, report)
    _count_rest(settings, subject, report)
    return report


def request(
    settings: Settings,
    code: str,
    reason: str,
    requested_by: str,
    kind: Kind | None = None,
    organisation: str | None = None,
) -> str:
    """Note in the vault that a person is to be erased and return the request's id, which tells nothing of them.

    Raises:
        ErasureError: as ``look``; or no reason is given.
    """
    if not reason.strip():
        raise ErasureError("say why: --reason, e.g. «заявление законного представителя от 01.11.2026, № 12»")
    forms = load_forms(settings.forms)
    with psycopg.connect(vault_url(settings)) as vault:
        subject, running = _asked(settings, vault, forms, code, kind, organisation)
        if running:
            return running
        rows = vault.execute(
            "insert into vault.erasures (kind, reason, requested_by, subject) values (%s, %s, %s, %s) "
            "returning erasure_id",
            (subject.kind, reason.strip(), requested_by, subject.as_json()),
        ).fetchall()
    return str(rows[0][0])


def run(settings: Settings, erasure_id: str, *, rebuilds: bool = True) -> Report:
    """Erase the person of a request; one that was killed goes on, one that is done changes nothing.

    Args:
        settings: of the pipeline.
        erasure_id: what ``request`` returned.
        rebuilds: whether the marts are built anew here; False leaves that to the caller.

    Raises:
        ErasureError: there is no such request, or something of the person was found at the end.
    """
    forms = load_forms(settings.forms)
    with psycopg.connect(vault_url(settings)) as vault:
        found = vault.execute(
            "select kind, state, subject, reason, requested_by, requested_at from vault.erasures where erasure_id = %s",
            (erasure_id,),
        ).fetchone()
    if found is None:
        raise ErasureError(f"there is no erasure {erasure_id}: `vmeste erase CODE --reason …` makes one")
    kind, state, kept, reason, requested_by, requested_at = found
    report = Report(erasure_id, kind)
    if state == "done":
        logger.info("erasure %s is done: nothing to do", erasure_id)
        report.act = act.path_of(settings, erasure_id)
        return report
    if state != "emptied":
        subject = Subject.from_json(kept)
        with erasing(settings):
            _collect(settings, forms, subject, report)
            _bar(settings, erasure_id, subject)
            _empty_landing(settings, forms, subject)
            _empty_warehouse(settings, forms, subject, report)
            _empty_vault(settings, subject, report)
            _empty_derived(settings, subject, report)
            _empty_files(settings, subject, report)
            _empty_airflow(settings, subject, report)
        if rebuilds:
            transform.build(settings)
        _prove(settings, subject)
        report = _remembered(settings, report)
        report.act = act.write(settings, report, reason, requested_by, requested_at, datetime.now(UTC))
        with psycopg.connect(vault_url(settings)) as vault:
            vault.execute(
                "update vault.erasures set state = 'emptied', subject = null, counts = %s where erasure_id = %s",
                (json.dumps(report.counts), erasure_id),
            )
    server_files.purge(settings)
    with psycopg.connect(vault_url(settings)) as vault:
        vault.execute(
            "update vault.erasures set state = 'done', finished_at = now() where erasure_id = %s", (erasure_id,)
        )
    report.act = act.path_of(settings, erasure_id)
    return report


def _asked(
    settings: Settings,
    vault: psycopg.Connection[Any],
    forms: Mapping[str, Form],
    code: str,
    kind: Kind | None,
    organisation: str | None,
) -> tuple[Subject, str | None]:
    """Return who is meant and, if an erasure of theirs has begun, its id."""
    code = clean(code)
    secret = secret_of(vault)
    kinds: tuple[Kind, ...] = (kind,) if kind else ("mentee", "mentor")
    names = names_of(vault, code, organisation)
    for each in kinds:
        known = vault.execute(
            "select erasures.erasure_id, erasures.state, erasures.subject, erasures.finished_at "
            "from vault.tombstones inner join vault.erasures using (erasure_id) "
            "where tombstones.kind = %s and tombstones.digest = any(%s)",
            (each, [digest(secret, each, name) for name in names]),
        ).fetchone()
        if known and known[1] == "running":
            return Subject.from_json(known[2]), str(known[0])
        if known and known[1] == "emptied":
            raise ErasureError(f"this {each} is erased but for the server's files: `vmeste erase --request {known[0]}`")
        if known:
            raise ErasureError(
                f"this {each} was erased on {known[3]:%Y-%m-%d} (act {known[0]}). What comes again from the sources is "
                "not loaded; remove it there"
            )
    found = vault.execute(
        "select kind, key, code from vault.keys where kind = any(%s) and code = any(%s)", (list(kinds), names)
    ).fetchall()
    if not found:
        raise ErasureError(
            "no mentee or mentor has this code. Write it as on the card, letter for letter (Latin and Cyrillic letters "
            "differ); a pair's code is not a person's"
        )
    if len({found_kind for found_kind, _, _ in found}) < len(found):
        raise ErasureError("people of several organisations have this code: say whose, --organisation")
    if len(found) > 1:
        raise ErasureError("a mentee and a mentor both have this code: say which, --kind mentee or --kind mentor")
    ((found_kind, key, name),) = found
    for erasure_id, subject in vault.execute(
        "select erasure_id, subject from vault.erasures where state in ('requested', 'running')"
    ):
        if subject["key"] == key:
            return Subject.from_json(subject), str(erasure_id)
    subject = Subject(found_kind, key, f"{STUB_PREFIX}{uuid4()}", {key: name})
    _refuse_wrong_organisation(settings, subject, organisation)
    if subject.kind == "mentor":
        _refuse_active(settings, subject)
    return subject, None


def _refuse_wrong_organisation(settings: Settings, subject: Subject, organisation: str | None) -> None:
    if organisation is None:
        return
    registry = {"mentee": "r1_mentee", "mentor": "r2_mentor"}[subject.kind]
    with connect(settings, "vmeste_eraser") as warehouse:
        rows = warehouse.execute(
            sql.SQL("select distinct organisation_code from {} where {} = %s").format(
                sql.Identifier("raw", registry), sql.Identifier(f"{subject.kind}_key")
            ),
            (subject.key,),
        ).fetchall()
    if organisation not in {code for (code,) in rows}:
        raise ErasureError(
            f"this {subject.kind} is not registered at {organisation}: look at the card, or leave --organisation out"
        )


def _refuse_active(settings: Settings, subject: Subject) -> None:
    with connect(settings, "vmeste_eraser") as warehouse:
        rows = warehouse.execute(
            """
            with pairs as (
                select distinct on (pair_key) pair_key, mentor_key, _operation
                from raw.r3_pair
                where pair_key is not null
                order by pair_key, coalesce(_updated_at, _submitted_at) desc, _ingested_at desc
            )

            select count(*) from pairs
            where
                mentor_key = %s and _operation = 'upsert'
                and not exists (
                    select from raw.f9_closure as closures
                    where closures.pair_key = pairs.pair_key and closures.ended_on <= current_date
                )
                and not exists (
                    select from raw.r4_pair_event as events
                    where events.pair_key = pairs.pair_key and events.to_state = any(%s)
                )
            """,
            (subject.key, list(_FINISHED)),
        ).fetchall()
    active = rows[0][0]
    if active:
        raise ErasureError(
            f"this mentor has {active} pair(s) that have not ended: close them first (form F9, or R4 if the pair never "
            "began), let a sync take that in, and ask again"
        )


# What there is of a person


def _collect(settings: Settings, forms: Mapping[str, Form], subject: Subject, report: Report) -> None:
    """Find pairs, submissions and words, and count rows by place; nothing is changed."""
    registrations = forms["r3_pair"]
    newest: dict[str, tuple[Any, str | None]] = {}
    for row in _rows(settings, registrations, None):
        pair, mentor = row.get("pair_key"), row.get("mentor_key")
        if not pair:
            continue
        if subject.kind == "mentee" and row.get("mentee_key") == subject.key:
            subject.pairs.add(pair)
        arrived = row["_arrived_at"]
        if pair not in newest or newest[pair][0] <= arrived:
            newest[pair] = (arrived, mentor)
    if subject.kind == "mentor":
        subject.pairs |= {pair for pair, (_, mentor) in newest.items() if mentor == subject.key}
    with psycopg.connect(vault_url(settings)) as vault:
        known = vault.execute(
            "select key, code from vault.keys where key = any(%s)", (list(subject.keys | subject.pairs),)
        )
        subject.codes |= dict(known.fetchall())
    for form in forms.values():
        for row in _rows(settings, form, subject):
            if fate(subject, form, row) == "goes":
                subject.submissions.add((row["_source"], form.form_id, row["_submission_id"]))
                subject.words |= words_of(form, row)
    for form in forms.values():
        for row in _rows(settings, form, subject):
            found = _fate(subject, form, row)
            if found != "stays":
                report.counts[f"{row['_place']} ({'rows' if found == 'goes' else 'rows marked'})"] += 1
    report.submissions.update(form_id for _, form_id, _ in subject.submissions)
    with psycopg.connect(vault_url(settings)) as vault:
        for question, answer in _vault_answers(vault, subject):
            report.counts["vault answers"] += 1
            text = json.loads(answer) if question.startswith("_extra.") else answer
            if isinstance(text, str) and is_telling(text):
                subject.words.add(text)
        rows = vault.execute("select count(*) from vault.keys where key = any(%s)", (list(subject.keys),)).fetchall()
        report.counts["vault keys"] += rows[0][0]


def _fate(subject: Subject, form: Form, row: Mapping[str, Any]) -> str:
    """Return ``fate``, and for a version that names nobody that of its submission."""
    is_theirs = (row["_source"], form.form_id, row["_submission_id"]) in subject.submissions
    if is_theirs and not names_anybody(form, row) and row.get("_form_version") != STUB_VERSION:
        return "goes"
    return fate(subject, form, row)


def _rows(settings: Settings, form: Form, subject: Subject | None) -> Iterator[dict[str, Any]]:
    """Yield every version of a form that is kept anywhere, as landed text; ``_place`` says where."""
    with connect(settings, "vmeste_eraser") as warehouse:
        for _, row in _raw_rows(warehouse, form, subject):
            yield row | {"_place": "raw"}
        for _, row in _quarantined_rows(warehouse, form):
            yield row | {"_place": "quarantine"}
    for address in landing.batches(settings.landing_url):
        if address.split("/")[-2] != form.form_id:
            continue
        with landing.opened(address) as batch:
            for table in batch.chunks():
                for row in _concerned(table, form, subject).to_pylist():
                    arrived = datetime.fromisoformat(row["_updated_at"] or row["_submitted_at"])
                    yield row | {"_source": batch.header.source, "_arrived_at": arrived, "_place": "landing"}


def _concerned(table: pa.Table, form: Form, subject: Subject | None) -> pa.Table:
    """Return the rows of a landed chunk that may concern a subject: most batches hold none."""
    if subject is None:
        return table
    keys = pa.array(sorted(subject.keys | subject.pairs), pa.string())
    ids = pa.array(sorted({held for _, form_id, held in subject.submissions if form_id == form.form_id}), pa.string())
    found = pc.is_in(table["_submission_id"], ids)
    for question in form.questions:
        name = key_column(question.name)
        if question.key and name in table.column_names:
            found = pc.or_(found, pc.is_in(table[name], keys))
    for repeat in form.repeats:
        if repeat.name in table.column_names:
            named = pc.match_substring_regex(table[repeat.name], "|".join(keys.to_pylist()))
            found = pc.or_(found, pc.fill_null(named, False))
    return table.filter(found)


def _raw_rows(
    warehouse: psycopg.Connection[Any], form: Form, subject: Subject | None
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield (row's address, row) of a raw table: what may concern a subject, or everything."""
    names = [*answer_columns(form), "_source", "_submission_id", "_form_version", "_content_hash", "_extra"]
    repeats = {repeat.name for repeat in form.repeats}
    keyed = [key_column(question.name) for question in form.questions if question.key]
    conditions = [
        sql.SQL("_submission_id = any(%(ids)s)"),
        *(sql.SQL("{} = any(%(keys)s)").format(sql.Identifier(name)) for name in keyed),
    ]
    conditions += [sql.SQL("{}::text ~ %(pattern)s").format(sql.Identifier(name)) for name in repeats]
    query = sql.SQL("select ctid::text, coalesce(_updated_at, _submitted_at), {} from {} where {}").format(
        sql.SQL(", ").join(sql.SQL("{}::text").format(sql.Identifier(name)) for name in names),
        sql.Identifier("raw", form.form_id),
        sql.SQL("true") if subject is None else sql.SQL(" or ").join(conditions),
    )
    keys = sorted(subject.keys | subject.pairs) if subject else []
    ids = sorted({held for _, form_id, held in subject.submissions if form_id == form.form_id}) if subject else []
    with warehouse.cursor() as cursor:
        for address, arrived_at, *values in cursor.stream(query, {"keys": keys, "ids": ids, "pattern": "|".join(keys)}):
            row = dict(zip(names, values, strict=True))
            for name in repeats:
                members = members_of(row[name])
                row[name] = members_text(members) if members is not None else row[name]
            yield address, row | {"_arrived_at": arrived_at}


def _quarantined_rows(warehouse: psycopg.Connection[Any], form: Form) -> Iterator[tuple[int, dict[str, Any]]]:
    rows = warehouse.execute(
        "select quarantine_id, source, submission_id, form_version, content_hash, arrived_at, payload "
        "from quarantine.rows where form_id = %s",
        (form.form_id,),
    ).fetchall()
    for number, source, submission_id, version, content, arrived_at, payload in rows:
        extra = payload.pop("_extra", None)
        yield (
            number,
            payload
            | {
                "_source": source,
                "_submission_id": submission_id,
                "_form_version": version,
                "_content_hash": content,
                "_arrived_at": arrived_at,
                "_extra": json.dumps(extra, ensure_ascii=False) if extra else None,
            },
        )


def _vault_answers(vault: psycopg.Connection[Any], subject: Subject) -> list[tuple[str, str]]:
    statement = sql.SQL("select question, answer from vault.answers where {}").format(_THEIRS)
    return vault.execute(statement, _theirs(subject)).fetchall()


_THEIRS = sql.SQL("""
    (source, form_id, submission_id) in (select * from unnest(%(sources)s::text[], %(forms)s::text[], %(ids)s::text[]))
    or (keys && %(keys)s::text[] and (%(is_mentee)s or question like '\\_extra.%%' or keys <@ %(keys)s::text[]))
""")


def _theirs(subject: Subject) -> dict[str, Any]:
    sources, form_ids, ids = zip(*subject.submissions, strict=True) if subject.submissions else ((), (), ())
    return {
        "sources": list(sources),
        "forms": list(form_ids),
        "ids": list(ids),
        "keys": list(subject.keys),
        "is_mentee": subject.kind == "mentee",
    }


def _pattern(subject: Subject) -> str | None:
    own = {key: written(name) for key, name in subject.codes.items() if key in subject.keys}
    drawn = {key for _, _, key in subject.submissions if len(key) >= 12}
    return patterns(subject.words | subject.keys | drawn, own.values())


# Taking it out, place by place


def _bar(settings: Settings, erasure_id: str, subject: Subject) -> None:
    """Set the tombstones, and note what is looked for: from here on nothing of the person is loaded any more."""
    with psycopg.connect(vault_url(settings)) as vault:
        secret = secret_of(vault)
        stones = [(subject.kind, subject.key, None)]
        forms = None if subject.kind == "mentee" else sorted(MENTORS_OWN)
        stones += [("pair", pair, forms) for pair in sorted(subject.pairs)]  # type: ignore[misc]
        with vault.cursor() as cursor:
            cursor.executemany(
                "insert into vault.tombstones (kind, digest, erasure_id, marker, form_ids) values (%s, %s, %s, %s, %s) "
                "on conflict do nothing",
                [
                    (kind, digest(secret, kind, subject.codes[key]), erasure_id, subject.marker, form_ids)
                    for kind, key, form_ids in stones
                    if key in subject.codes
                ],
            )
            originals = _original_ids(vault, subject)
            cursor.executemany(
                NOTE_SUBMISSION,
                [
                    (
                        source,
                        form_id,
                        digest(secret, source, form_id, originals.get(held, held)),
                        stub_id(secret, source, form_id, originals.get(held, held)),
                        erasure_id,
                    )
                    for source, form_id, held in sorted(subject.submissions)
                ],
            )
        vault.execute(
            "update vault.erasures set state = 'running', subject = %s where erasure_id = %s",
            (subject.as_json(), erasure_id),
        )


def _original_ids(vault: psycopg.Connection[Any], subject: Subject) -> dict[str, str]:
    """Return what the source calls those submissions whose id was exchanged in the vault."""
    rows = vault.execute(
        "select key, code from vault.keys where kind = 'submission' and key = any(%s)",
        ([held for _, _, held in subject.submissions],),
    )
    return dict(rows.fetchall())


def _stub_ids(settings: Settings, subject: Subject) -> dict[tuple[str, str, str], str]:
    with psycopg.connect(vault_url(settings)) as vault:
        secret, originals = secret_of(vault), _original_ids(vault, subject)
    return {
        (source, form_id, held): stub_id(secret, source, form_id, originals.get(held, held))
        for source, form_id, held in subject.submissions
    }


def _empty_landing(settings: Settings, forms: Mapping[str, Form], subject: Subject) -> None:
    """Write batches anew in which the person's rows are empty ones: as many as before, so that counts still agree."""
    stubs = _stub_ids(settings, subject)
    pattern = _pattern(subject)
    landing.remove_unfinished(settings.landing_url)
    for address in landing.batches(settings.landing_url):
        source, form_id, _ = address.split("/")[-3:]
        form = forms.get(form_id)
        if form is None:
            continue
        with landing.opened(address) as batch:
            if not any(len(_concerned(table, form, subject)) for table in batch.chunks()) and not (
                pattern and any(re.search(pattern, line) for line in (*batch.header.notes, *batch.header.refusals))
            ):
                continue

        change = partial(_changed, subject, form, source, stubs)

        def said(line: str) -> str:
            return re.sub(pattern, "[erased]", line) if pattern else line

        landing.rewrite(address, change, said)


def _changed(
    subject: Subject,
    form: Form,
    source: str,
    stubs: Mapping[tuple[str, str, str], str],
    row: dict[str, str | None],
) -> dict[str, str | None]:
    """Return a landed row as it is kept."""
    found = _fate(subject, form, row | {"_source": source})
    if found == "goes":
        held = row["_submission_id"] or ""
        return _stub(row, stubs.get((source, form.form_id, held), held))
    return marked(subject, form, row) if found == "marked" else row


def _stub(row: Mapping[str, str | None], stub: str) -> dict[str, str | None]:
    empty: dict[str, str | None] = dict.fromkeys(row)
    return empty | {
        "_submission_id": stub,
        "_form_version": STUB_VERSION,
        "_submitted_at": STUB_AT.isoformat(),
        "_operation": "void",
        "_content_hash": landing.content_hash({}),
    }


def _empty_warehouse(settings: Settings, forms: Mapping[str, Form], subject: Subject, report: Report) -> None:
    """Take raw and quarantine in one transaction, and note by form what went."""
    stubs = _stub_ids(settings, subject)
    pattern = _pattern(subject)
    with connect(settings, "vmeste_eraser") as warehouse:
        for form in forms.values():
            _empty_raw(warehouse, form, subject, stubs)
            _empty_quarantine(warehouse, form, subject)
        if pattern:
            for table, count in replace_in_tables(warehouse, pattern, ["ops"]).items():
                report.counts[f"messages in {table}"] += count
        warehouse.execute(
            "insert into ops.erasures (erasure_id, kind, erased_at, submissions, counts) "
            "values (%s, %s, now(), %s, %s) on conflict do nothing",
            (report.erasure_id, subject.kind, json.dumps(report.submissions), json.dumps(report.counts)),
        )


def _empty_raw(
    warehouse: psycopg.Connection[Any], form: Form, subject: Subject, stubs: Mapping[tuple[str, str, str], str]
) -> None:
    table = sql.Identifier("raw", form.form_id)
    rows = [(address, row, _fate(subject, form, row)) for address, row in _raw_rows(warehouse, form, subject)]
    gone = [address for address, _, found in rows if found == "goes"]
    for address, row, found in rows:
        if found != "marked":
            continue
        kept = marked(subject, form, row)
        names = [name for name in kept if kept[name] != row[name]]
        repeats = {repeat.name for repeat in form.repeats}
        warehouse.execute(
            sql.SQL("update {} set {} where ctid = %s::tid").format(
                table,
                sql.SQL(", ").join(
                    sql.SQL("{} = {}").format(sql.Identifier(name), sql.SQL("%s::jsonb" if name in repeats else "%s"))
                    for name in names
                ),
            ),
            [*(kept[name] for name in names), address],
        )
    warehouse.execute(sql.SQL("delete from {} where ctid = any(%s::tid[])").format(table), (gone,))
    with warehouse.cursor() as cursor:
        cursor.executemany(
            sql.SQL(
                "insert into {table} (_source, _submission_id, _form_version, _submitted_at, _content_hash, "
                "_operation, _ingested_at, _batch_id) select %s, %s, %s, %s, %s, 'void', now(), 'erasure' "
                "where not exists (select from {table} where _source = %s and _submission_id = %s) "
                "on conflict do nothing"
            ).format(table=table),
            [
                (source, stub, STUB_VERSION, STUB_AT, landing.content_hash({}), source, stub)
                for (source, form_id, _), stub in sorted(stubs.items())
                if form_id == form.form_id
            ],
        )


def _empty_quarantine(warehouse: psycopg.Connection[Any], form: Form, subject: Subject) -> None:
    for number, row in list(_quarantined_rows(warehouse, form)):
        found = _fate(subject, form, row)
        if found == "goes":
            warehouse.execute("delete from quarantine.rows where quarantine_id = %s", (number,))
        elif found == "marked":
            kept = marked(subject, form, row)
            payload = {name: value for name, value in kept.items() if not name.startswith("_")}
            if isinstance(row["_extra"], str):
                payload["_extra"] = json.loads(row["_extra"])
            warehouse.execute(
                "update quarantine.rows set payload = %s, content_hash = %s where quarantine_id = %s",
                (json.dumps(payload, ensure_ascii=False), kept["_content_hash"], number),
            )


def _empty_vault(settings: Settings, subject: Subject, report: Report) -> None:
    """Take answers and keys: from here on the code leads nowhere."""
    with psycopg.connect(vault_url(settings)) as vault:
        vault.execute(sql.SQL("delete from vault.answers where {}").format(_THEIRS), _theirs(subject))
        vault.execute(
            "update vault.answers set keys = array_replace(keys, %s, %s) where %s = any(keys)",
            (subject.key, subject.marker, subject.key),
        )
        made = [held for _, _, held in subject.submissions]
        vault.execute(
            "delete from vault.keys where key = any(%s) or (kind = 'submission' and key = any(%s))",
            (list(subject.keys), made),
        )


def _empty_derived(settings: Settings, subject: Subject, report: Report) -> None:
    """Drop what dbt made of raw, and take the person out of what explains released figures."""
    with connect(settings, "vmeste_transformer") as warehouse:
        for schema in DERIVED:
            warehouse.execute(sql.SQL("drop schema if exists {} cascade").format(sql.Identifier(schema)))
        report.counts["derived schemas dropped"] += len(DERIVED)
        if _exists(warehouse, "ledger.outcomes"):
            report.counts["ledger outcomes"] += warehouse.execute(
                "delete from ledger.outcomes where mentee_key = any(%s)", (list(subject.keys),)
            ).rowcount
        if _exists(warehouse, "ledger.candidate"):
            warehouse.execute("delete from ledger.candidate")


def _exists(warehouse: psycopg.Connection[Any], relation: str) -> bool:
    return warehouse.execute("select to_regclass(%s) is not null", (relation,)).fetchall() == [(True,)]


def _empty_files(settings: Settings, subject: Subject, report: Report) -> None:
    """Write over the person's words in logs, write the curators' lists anew, remove drafts of releases."""
    if settings.releases.exists():
        for draft in settings.releases.glob("*/draft"):
            shutil.rmtree(draft)
            report.counts["drafts of releases"] += 1
    if (settings.home / "quarantine").exists():
        for former in (settings.home / "quarantine").iterdir():
            former.unlink()
        quarantine_lists.write(settings)
        report.counts["curators' lists written anew"] += 1
    report.counts.update(_in_files(settings, subject, is_tried=False))


def _in_files(settings: Settings, subject: Subject, *, is_tried: bool) -> Counter[str]:
    pattern = _pattern(subject)
    found: Counter[str] = Counter()
    if pattern is None or not settings.home.exists():
        return found
    landed = settings.landing_url.removeprefix("file://")
    apart = [settings.home / name for name in ("postgres", "secrets", "erasures", "releases", "backups")]
    files = list(texts_of(settings.home, [*apart, Path(landed)]))
    files += [path for path in (settings.home / "postgres").glob("log*") if path.is_file()]
    for path in files:
        if count := overwrite(path, pattern, is_tried=is_tried):
            found["words in logs"] += count
    return found


def _empty_airflow(settings: Settings, subject: Subject, report: Report, *, is_tried: bool = False) -> None:
    """Take the person's words out of Airflow's tables: XCom, rendered fields, run configurations, events."""
    pattern, address = _pattern(subject), airflow_url(settings)
    if pattern is None or address is None:
        return
    with psycopg.connect(address) as airflow:
        for count in replace_in_tables(airflow, pattern, ["public"], is_tried=is_tried).values():
            report.counts["rows of Airflow"] += count


def _count_rest(settings: Settings, subject: Subject, report: Report) -> None:
    """Count for a look what is not found row by row."""
    report.counts.update(_in_files(settings, subject, is_tried=True))
    _empty_airflow(settings, subject, report, is_tried=True)
    with connect(settings, "vmeste_transformer") as warehouse:
        for table, count in _still_named(warehouse, subject.keys, DERIVED):
            report.counts[f"derived: {table}"] += count
        if _exists(warehouse, "ledger.outcomes"):
            rows = warehouse.execute(
                "select count(*) from ledger.outcomes where mentee_key = any(%s)", (list(subject.keys),)
            ).fetchall()
            report.counts["ledger outcomes"] += rows[0][0]


def _still_named(
    warehouse: psycopg.Connection[Any], keys: Iterable[str], schemas: Iterable[str]
) -> list[tuple[str, int]]:
    """Return the tables of some schemas in which a column of keys holds any of these, and in how many rows."""
    columns = warehouse.execute(
        "select table_schema, table_name, array_agg(column_name::text) from information_schema.columns "
        "inner join information_schema.tables using (table_schema, table_name) "
        "where table_type = 'BASE TABLE' and table_schema = any(%s) and column_name like '%%\\_key' "
        "and data_type = 'text' group by 1, 2 order by 1, 2",
        (list(schemas),),
    ).fetchall()
    found = []
    for schema, table, names in columns:
        condition = sql.SQL(" or ").join(sql.SQL("{} = any(%(k)s)").format(sql.Identifier(name)) for name in names)
        rows = warehouse.execute(
            sql.SQL("select count(*) from {} where {}").format(sql.Identifier(schema, table), condition),
            {"k": list(keys)},
        ).fetchall()
        if rows[0][0]:
            found.append((f"{schema}.{table}", rows[0][0]))
    return found


def _prove(settings: Settings, subject: Subject) -> None:
    """Look once more, after the marts were built: a transformation may have run meanwhile.

    Raises:
        ErasureError: names the tables, and says to run the same request again.
    """
    with connect(settings, "vmeste_transformer") as warehouse:
        left = _still_named(warehouse, subject.keys, DERIVED)
    with connect(settings, "vmeste_eraser") as warehouse:
        left += _still_named(warehouse, subject.keys, ["raw"])
    if left:
        raise ErasureError(
            f"{', '.join(table for table, _ in left)} still name the person: something was built meanwhile. Nothing is "
            "lost; ask for the erasure again, and it goes on"
        )


def _remembered(settings: Settings, report: Report) -> Report:
    """Return the counts of the first run: one that went on after having been killed finds less."""
    with connect(settings, "vmeste_eraser") as warehouse:
        rows = warehouse.execute(
            "select counts, submissions from ops.erasures where erasure_id = %s", (report.erasure_id,)
        ).fetchall()
        counts, submissions = rows[0]
        merged = Counter(counts)
        for place, count in report.counts.items():
            merged[place] = max(merged[place], count)
        warehouse.execute(
            "update ops.erasures set counts = %s where erasure_id = %s", (json.dumps(merged), report.erasure_id)
        )
    return Report(report.erasure_id, report.kind, merged, Counter(submissions))
