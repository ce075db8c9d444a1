"""The two steps of a sync, as the DAG and the command line call them: extract to landing, validate and load."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import asdict, replace
from datetime import UTC, datetime
from itertools import chain, islice
from typing import Any

import psycopg

from vmeste import landing
from vmeste.forms import Form, load_forms
from vmeste.forms.columns import answer_columns
from vmeste.forms.repeats import members_of, members_text
from vmeste.privacy import vault
from vmeste.privacy.code_spaces import prefix_of
from vmeste.settings import Settings
from vmeste.sources import ServerConfig, SourceConfig, load_sources, open_source
from vmeste.sources.base import LONGEST_ID, LONGEST_STATE, Extraction, Submission, indexable
from vmeste.sources.errors import DeletionsDoubted, SourceError
from vmeste.sources.files import FilesSource
from vmeste.warehouse.connect import connect, vault_url
from vmeste.warehouse.known import KnownSubmissions
from vmeste.warehouse.load import SyncResult
from vmeste.warehouse.load import load as load_batch
from vmeste.warehouse.turns import turn, waits_for_erasures

logger = logging.getLogger(__name__)

ROWS_A_CHUNK = 50_000
"""So many rows are split and landed at a time: memory holds the answers of one chunk, whatever a source has."""

DELETIONS_BELIEVED = 20
DELETED_SHARE_BELIEVED = 0.2
"""What a read no longer finds counts as deleted up to so many submissions, or up to this share of what we hold."""

EMPTIED_BELIEVED = 5
"""A form that is empty all of a sudden is believed to have been emptied up to so many submissions."""


def forms(settings: Settings) -> dict[str, Form]:
    """Return the forms of this repository."""
    return load_forms(settings.forms)


def form_of(settings: Settings, form_id: str) -> Form:
    """Return one form.

    Raises:
        SourceError: sources.yml reads a form that is not defined.
    """
    known = forms(settings)
    if form_id not in known:
        raise SourceError(f"{form_id}: {settings.forms} has no such form. Expected one of {', '.join(known)}")
    return known[form_id]


def plan(settings: Settings) -> dict[str, list[dict[str, str]]]:
    """Return stage → (source, form) to be read, in the order in which they depend on one another."""
    config = load_sources(settings.sources)
    return {
        stage: [
            {"source": source.name, "form_id": form_id}
            for source in config.sources
            for form_id in form_ids
            if form_id in source.forms
        ]
        for stage, form_ids in config.stages.items()
    }


def others_sources(settings: Settings, organisation: str) -> set[str]:
    """Return the sources that hold another organisation's forms; a source that says nothing holds everybody's."""
    organisations = load_sources(settings.sources).organisations
    return {source for source, code in organisations.items() if organisation and code != organisation}


def _claim(settings: Settings, warehouse: psycopg.Connection[Any], source: str, organisation: str | None) -> str:
    """Keep whose forms a source holds, so that a release counts its own rows; return what stands before its codes.

    Raises:
        SourceError: the source was read as another organisation's.
    """
    (claimed, was_read) = warehouse.execute(
        "select (select organisation_code from ops.source_organisations where source = %s), "
        "exists (select from ops.sync_runs where source = %s)",
        (source, source),
    ).fetchone() or (None, False)
    if claimed not in (None, organisation):
        raise SourceError(
            f"{source} was read as a source of {claimed}, and sources.yml says {organisation or 'nothing'} now: the "
            "same codes would be other people. Give it back its organisation_code, or another name"
        )
    if organisation is None:
        return ""
    # the vault first: a crash in between must not make a source that was read before look like a new one
    with psycopg.connect(vault_url(settings)) as connection:
        prefix = prefix_of(connection, organisation, was_read_before=claimed is None and was_read)
    if claimed is None:
        warehouse.execute(
            "insert into ops.source_organisations values (%s, %s) on conflict do nothing", (source, organisation)
        )
    return prefix


def overlooked(settings: Settings) -> list[str]:
    """Return a line for each file that lies in a source's folder and that no form would read.

    A folder that cannot be listed is not mentioned here: each of its forms says so.
    """
    lines: list[str] = []
    for config in load_sources(settings.sources).sources:
        try:
            lines += [f"{refusal.name}: {refusal.reason}" for refusal in open_source(config).overlooked()]
        except SourceError:
            continue
    return lines


def retry(settings: Settings, run_id: str) -> list[dict[str, Any]]:
    """Try the open quarantined rows again without asking their sources; return each sync's counts."""
    with connect(settings, "vmeste_loader") as warehouse:
        waiting = warehouse.execute(
            "select distinct source, form_id from quarantine.rows where state = 'open'"
        ).fetchall()
    results = []
    # in reading order: a pair that is released now may release its meetings
    for item in (item for items in plan(settings).values() for item in items):
        if (item["source"], item["form_id"]) in waiting:
            batch = extract(settings, item["source"], item["form_id"], run_id, asks_source=False)
            if batch is not None:
                results.append(load(settings, batch))
    return results


@waits_for_erasures
def extract(
    settings: Settings,
    source: str,
    form_id: str,
    run_id: str,
    *,
    asks_source: bool = True,
    accepts_deletions: bool = False,
) -> str | None:
    """Read what is new, put identifying answers into the vault, land the rest; return the batch's address.

    Returns ``None`` when the source has nothing new and no quarantined row waits for another try. With ``asks_source``
    false only those rows are tried, whatever the source has. ``accepts_deletions`` believes the source however many
    submissions it no longer has.

    Raises:
        SourceError: the source cannot be read; names the source, the form and the way out.
    """
    started_at = datetime.now(UTC)
    form = form_of(settings, form_id)
    config = next(entry for entry in load_sources(settings.sources).sources if entry.name == source)
    origin = open_source(config)
    with connect(settings, "vmeste_loader") as warehouse:
        warehouse.autocommit = True  # a slow source must not hold a transaction open
        prefix = _claim(settings, warehouse, source, config.organisation_code)
        found = warehouse.execute(
            "select cursor from ops.cursors where source = %s and form_id = %s", (source, form_id)
        ).fetchone()
        cursor: Any = found[0] if found else None
        waiting = warehouse.execute(
            "select exists (select from quarantine.rows where state = 'open' and source = %s and form_id = %s)",
            (source, form_id),
        ).fetchone()
        known = KnownSubmissions(warehouse, source, form_id)
        if isinstance(origin, FilesSource) and asks_source:
            for name in origin.move_read(form, cursor):
                logger.info("%s, %s: %s was read and is moved to %s", source, form_id, name, origin.move_read_to)
        with _named(f"{source}, {form_id}"), _turn(warehouse, config) if asks_source else nullcontext():
            has_news = asks_source and (cursor is None or origin.has_news(form, cursor, known))
            if asks_source and not has_news:
                warehouse.execute(
                    "update ops.cursors set asked_at = %s where source = %s and form_id = %s",
                    (started_at, source, form_id),
                )
            if not has_news and (waiting == (False,) or cursor is None):
                logger.info("%s, %s: nothing new", source, form_id)
                return None
            extraction = origin.extract(form, cursor, known) if has_news else Extraction(0, (), cursor)
        present = None if extraction.present_ids is None else frozenset(map(id_in_raw, extraction.present_ids))
        if present:
            with psycopg.connect(vault_url(settings)) as vault_connection:
                present = vault.held_ids(vault_connection, source, form_id, present)
        vanished = _vanished(known, present, f"{source}, {form_id}", accepts_deletions=accepts_deletions)
        deleted_at = known.deleted_at() if present is not None else {}
    given = (_returned(submission, deleted_at, started_at) for submission in extraction.submissions)
    gone = (
        Submission(source, form_id, key, form.version, started_at, {}, updated_at=started_at, is_deleted=True)
        for key in vanished
    )
    refusals = tuple(f"{refusal.name}: {refusal.reason}" for refusal in extraction.refusals)
    for note in extraction.notes:
        logger.info("%s, %s: %s", source, form_id, note)
    for refusal in refusals:
        logger.error("%s, %s: refused %s", source, form_id, refusal)
    header = landing.BatchHeader(
        "",
        run_id,
        source,
        form_id,
        form.version,
        started_at.isoformat(),
        datetime.now(UTC).isoformat(),
        extraction.server_count,
        cursor,
        extraction.cursor or {},
        extraction.notes,
        refusals,
        len(vanished),
        extraction.server_total,
    )
    rows = landed_chunks(settings, form, chain(given, gone), prefix)
    return landing.write(settings.landing_url, header, list(answer_columns(form)), rows)


@contextmanager
def _named(place: str) -> Iterator[None]:
    """Name source and form in an error from below, where only the request was known."""
    try:
        yield
    except SourceError as error:
        if not str(error).startswith(place.split(", ")[0]):
            error.args = (f"{place}: {error}",)
        raise


def _turn(warehouse: psycopg.Connection[Any], config: SourceConfig) -> AbstractContextManager[None]:
    return turn(warehouse, config.name, config.connection) if isinstance(config, ServerConfig) else nullcontext()


def _vanished(
    known: KnownSubmissions, present: frozenset[str] | None, place: str, *, accepts_deletions: bool
) -> list[str]:
    """Return what a read that was proven whole no longer has.

    Raises:
        DeletionsDoubted: so much that narrowed rights or an emptied server are likelier than people who delete.
    """
    if present is None:
        return []
    live = known.held()
    vanished = sorted(live - present)
    is_much = len(vanished) > max(DELETIONS_BELIEVED, DELETED_SHARE_BELIEVED * len(live))
    is_all = not live & present and len(vanished) > EMPTIED_BELIEVED
    if (is_much or is_all) and not accepts_deletions:
        raise DeletionsDoubted(
            f"{place}: {len(vanished)} of {len(live)} submissions are no longer there. Nothing was loaded. Look "
            "whether the source's user still sees all of them, and whether the form was replaced. If they were "
            f"deleted on purpose: vmeste ingest --accept-deletions {place.replace(', ', ':')}"
        )
    return vanished


def _returned(submission: Submission, deleted_at: Mapping[str, datetime], started_at: datetime) -> Submission:
    """Return a submission that is there again with a moment after the deletion that we had concluded.

    What it says itself is when it was sent in or edited, which lies before: it would count as deleted for good.
    """
    deletion = deleted_at.get(id_in_raw(submission.submission_id))
    arrived_at = submission.updated_at or submission.submitted_at
    if deletion is None or submission.is_deleted or arrived_at > deletion:
        return submission
    return replace(submission, updated_at=started_at)


def landed_chunks(
    settings: Settings, form: Form, submissions: Iterable[Submission], prefix: str = ""
) -> Iterator[list[dict[str, str | None]]]:
    """Yield landed rows a chunk at a time; what identifies people is in the vault before a chunk leaves here.

    ``prefix`` stands before the codes in the vault (``privacy.code_spaces``).
    """
    remaining = iter(submissions)
    while chunk := [_storable(form, submission) for submission in islice(remaining, ROWS_A_CHUNK)]:
        with psycopg.connect(vault_url(settings)) as connection:
            opened = vault.split(connection, form, chunk, prefix)
        yield [_landed(submission) for submission in opened]


@waits_for_erasures
def load(settings: Settings, batch: str) -> dict[str, Any]:
    """Validate and load a landed batch; return its counts (``SyncResult`` as a dictionary)."""
    with landing.opened(batch) as landed:
        header = landed.header
    result = load_batch(settings, form_of(settings, header.form_id), batch)
    logger.info("%s", describe(result))
    return asdict(result) | {"has_changed_rows": result.has_changed_rows, "notes": list(header.notes)}


def describe(result: SyncResult) -> str:
    """Return one line about a sync for logs and terminals."""
    return (
        f"{result.source}, {result.form_id}: server {result.server_count} = accepted {result.accepted} + quarantined "
        f"{result.quarantined} + voided {result.voided} + unchanged {result.unchanged}"
        + (f"; vanished at the source {result.vanished}" if result.vanished else "")
        + (f"; released from quarantine {result.released}" if result.released else "")
        + (f"; REFUSED {result.error}" if result.error else "")
    )


def _landed(submission: Submission) -> dict[str, str | None]:
    """Return a submission as a landed row: answers and system columns as text."""
    answers = submission.answers
    updated_at = submission.updated_at
    operation = "delete" if submission.is_deleted else "upsert" if submission.is_counted else "void"
    return {
        **answers,
        "_submission_id": submission.submission_id,
        "_form_version": submission.form_version,
        "_submitted_at": submission.submitted_at.astimezone(UTC).isoformat(),
        "_updated_at": updated_at.astimezone(UTC).isoformat() if updated_at else None,
        "_review_state": submission.review_state,
        "_operation": operation,
        "_content_hash": landing.content_hash(answers),
        "_extra": json.dumps(dict(submission.extra), ensure_ascii=False) if submission.extra else None,
    }


def _storable(form: Form, submission: Submission) -> Submission:
    """Return a submission that a database can hold, nothing of it left out."""
    written = (submission.submission_id, submission.form_version, submission.review_state, *submission.answers.values())
    is_short = len(submission.submission_id) <= LONGEST_ID and len(submission.review_state or "") <= LONGEST_STATE
    is_plain = not form.repeats and not submission.extra and all(text is None or text.isprintable() for text in written)
    if is_short and is_plain:
        return submission  # as most are
    repeats = {repeat.name for repeat in form.repeats}

    def storable(name: str, answer: str) -> str | None:
        members = members_of(answer) if name in repeats else None
        # JSON hides such characters behind a backslash
        return _text(answer) if members is None else members_text(_texts(members))

    return replace(
        submission,
        submission_id=id_in_raw(submission.submission_id),
        form_version=_text(submission.form_version),
        review_state=(
            indexable(_text(submission.review_state), LONGEST_STATE) if submission.review_state is not None else None
        ),
        answers={
            name: None if answer is None else storable(name, answer) for name, answer in submission.answers.items()
        },
        extra=_texts(submission.extra),
    )


def id_in_raw(text: str) -> str:
    """Return a submission's id as raw has it."""
    return indexable(_text(text), LONGEST_ID)


def _text(text: str) -> str:
    """PostgreSQL has no NUL, UTF-8 no half characters; a replacement character shows that there was one."""
    if text.isprintable():  # neither can be in it, and most texts are
        return text
    return text.replace("\x00", "\ufffd").encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _texts(value: Any) -> Any:
    match value:
        case str():
            return _text(value)
        case Mapping():
            return {_text(str(name)): _texts(inner) for name, inner in value.items()}
        case list() | tuple():
            return [_texts(inner) for inner in value]
        case float() if not math.isfinite(value):
            return repr(value)
    return value
