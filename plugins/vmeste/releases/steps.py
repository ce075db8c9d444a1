"""The steps of a quarterly release, as the DAG ``refresh_quarterly_indicators`` and the command line call them.

Each step reads what it needs from the warehouse anew, so that any of them can be repeated alone. ``known`` is the
quarter as of whose cut-off a release is computed: its own, or a later one for a restatement after late rows.
"""

from __future__ import annotations

import hashlib
import logging
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from vmeste.approvers import get_approvers
from vmeste.forms import load_forms
from vmeste.ingest import others_sources, plan
from vmeste.releases import candidate as candidates
from vmeste.releases import companion_tables, comparing, pack
from vmeste.releases.candidate import Candidate, with_told, without_follow_ups
from vmeste.releases.checks import failed_checks
from vmeste.releases.code_revisions import code_revision
from vmeste.releases.erasures import hide_erased
from vmeste.releases.explaining import ARRIVED_AT, columns_of_raw
from vmeste.releases.page import PageError
from vmeste.releases.programmes import OWN_PREFIX, chosen, show_own
from vmeste.releases.publish import (
    Approval,
    Assessment,
    Computed,
    PublishError,
    Release,
    checksum_of,
    draft,
    open_errors,
    publish,
    reject,
)
from vmeste.releases.quarters import Quarter
from vmeste.releases.refusals import CandidateBusy, ChecksFailed, FilesNotWritten, GateClosed
from vmeste.releases.russian import percent
from vmeste.settings import Settings
from vmeste.warehouse import transform
from vmeste.warehouse.checks import validate_marts
from vmeste.warehouse.connect import connect
from vmeste.warehouse.turns import ERASURE

logger = logging.getLogger(__name__)

KINDS = tuple(pack.KINDS)
BUILT_PREFIX = "candidate_"
BUILT_MARTS = f"{BUILT_PREFIX}marts"
MARTS = f"{OWN_PREFIX}marts"
"""The candidate's marts as the release's own programme sees them."""

_CLEAR = "clear the task `release`: the approvals still count"
BUILDS = 3
"""So often a candidate is built before rows that go on arriving are taken for a fault."""

_TURN = "vmeste.candidate"


def cutoff_of(settings: Settings, quarter: Quarter, known: Quarter | None = None) -> datetime:
    """Return as of when a quarter is computed: its own cut-off, a later one that is asked for, or that which stands.

    What has been restated as of a later cut-off is not taken back to an earlier one by preparing it again.

    Raises:
        GateClosed: ``known`` is before the quarter.
    """
    if known is not None and known < quarter:
        raise GateClosed(f"{quarter} cannot be computed as of {known}: name the quarter itself or a later one")
    own = (known or quarter).cutoff(settings.zone)
    with connect(settings, "vmeste_transformer") as connection:
        (stands,) = connection.execute(
            "select max(cutoff_at) from published.releases where state = 'released' and quarter = %s", (str(quarter),)
        ).fetchone() or (None,)
    return max(own, stands.astimezone(settings.zone)) if stands else own


def gate(settings: Settings, quarter: Quarter, now: datetime, known: Quarter | None = None) -> dict[str, Any]:
    """Let a quarter pass only after its cut-off, and when the last sync of every form came after it and was complete.

    Args:
        settings: names the sources, and the zone that decides the cut-off.
        quarter: the quarter to refresh.
        now: an aware moment: when the run began.
        known: as of the cut-off of which later quarter, for a restatement.

    Returns:
        ``cutoff_at`` (ISO), ``forms`` read, and ``quarantined`` rows still open.

    Raises:
        GateClosed: lists every reason.
    """
    settings, _ = chosen(settings)
    cutoff_at = cutoff_of(settings, quarter, known)
    if now < cutoff_at:
        raise GateClosed(f"{known or quarter} closes on {cutoff_at:%d.%m.%Y %H:%M %Z}: refresh it after that")
    others = others_sources(settings, settings.organisation)
    wanted = {
        (item["source"], item["form_id"])
        for items in plan(settings).values()
        for item in items
        if item["source"] not in others  # what another organisation has not sent holds nobody else up
    }
    with connect(settings, "vmeste_transformer") as connection:
        rows = connection.execute(
            "select distinct on (source, form_id) source, form_id, state, error, greatest(asked_at, ("
            "select max(asked.started_at) from ops.sync_runs as asked where asked.source = runs.source "
            "and asked.form_id = runs.form_id and asked.state = 'complete' "
            # a run that only tried quarantined rows again did not ask the source
            "and (asked.server_count > 0 or asked.cursor_from is distinct from asked.cursor_to))) "
            "from ops.sync_runs as runs left join ops.cursors using (source, form_id) "
            "order by source, form_id, finished_at desc"
        ).fetchall()
        waiting = connection.execute(
            "select count(*) from quarantine.rows where state = 'open' and source <> all(%s)", (sorted(others),)
        ).fetchone()
    syncs = {(str(source), str(form_id)): found for source, form_id, *found in rows}
    reasons = [f"{source}, {form_id}: never read" for source, form_id in sorted(wanted - syncs.keys())]
    for source, form_id in sorted(wanted & syncs.keys()):
        state, error, asked_at = syncs[source, form_id]
        if state != "complete":
            reasons.append(f"{source}, {form_id}: the last sync is {state} ({error})")
        elif asked_at is None or asked_at < cutoff_at:
            # what had arrived by the cut-off and was not read yet would be missing today and there tomorrow
            since = "never" if asked_at is None else f"{asked_at.astimezone(settings.zone):%d.%m.%Y %H:%M}"
            reasons.append(f"{source}, {form_id}: the source was last asked before the cut-off ({since})")
    if reasons:
        raise GateClosed(
            f"{quarter} is not complete: {'; '.join(reasons)}. Mend the source, run ingest_forms, try again"
        )
    return {"cutoff_at": cutoff_at.isoformat(), "forms": len(wanted), "quarantined": waiting[0] if waiting else 0}


def build_candidate(settings: Settings, quarter: Quarter, known: Quarter | None = None) -> None:
    """Build the candidate's marts as of the quarter's cut-off; the marts that people look at stay as they are.

    Releases that were computed by other rules are rebuilt first, as of their own cut-offs by today's rules: so that the
    ledger can say what the rules moved and what rows did.

    Raises:
        CandidateBusy: another refresh is at it.
        TransformError: a model or a test failed.
    """
    settings, _ = chosen(settings)
    with _turn(settings) as connection:
        _build(settings, connection, quarter, cutoff_of(settings, quarter, known))


def validate(settings: Settings, quarter: Quarter, known: Quarter | None = None) -> dict[str, Any]:
    """Hold the candidate to the expectations on marts and to the claims that a release makes.

    Returns:
        relation → rows and rules checked.

    Raises:
        MartsRejected, ChecksFailed: name what failed.
    """
    settings, _ = chosen(settings)
    with _turn(settings) as connection:
        candidate = _candidate(settings, connection, quarter, known)
        summary = validate_marts(settings, "candidate")
        problems = [*failed_checks(candidate), *_silent_changes(connection, candidate)]
    if problems:
        raise ChecksFailed(f"{quarter}: {'; '.join(problems)}")
    return summary


def render(settings: Settings, quarter: Quarter, prepared_by: str, known: Quarter | None = None) -> dict[str, str]:
    """Write the pack that the approvers look at: page, workbook, annex, results tree and their checksums.

    Returns:
        ``release_id``, ``state`` ('released' when nothing is to be released: the same figures stand, or others that
        are no restatement), ``checksum`` of what is shown, ``summary`` in Markdown, ``verdict`` in a sentence, and the
        files' paths by kind, as in ``pack.KINDS``.
    """
    settings, _ = chosen(settings)
    with _turn(settings) as connection:
        candidate = _candidate(settings, connection, quarter, known)
        found = _draft(settings, connection, candidate, prepared_by)
    planned = found.release
    folder = settings.releases / planned.release_id
    files = pack.files(planned.release_id, folder)
    if not found.stands:
        # a draft never lies where a release lies: approvers and readers must not take one for the other
        folder = folder / "draft"
        files = pack.files(planned.release_id, folder)
    is_same = planned.has_figures_of(candidate)
    if not found.stands or (is_same and not all(path.exists() for path in files.values())):
        # what was released is not written again: its files are those that were approved
        with (
            _explained(settings, "no draft is shown", "run the quarter again"),
            _written(settings, candidate, planned) as written,
        ):
            _put(planned.release_id, written, folder)
    return {
        "release_id": planned.release_id,
        "state": planned.state,
        "checksum": planned.checksum,
        "summary": _summary(candidate),
        "verdict": _verdict(found, is_same),
        **{kind: str(path) for kind, path in files.items()},
    }


def prepare(
    settings: Settings, quarter: Quarter, prepared_by: str, now: datetime, known: Quarter | None = None
) -> dict[str, str]:
    """Do all that comes before the approvals: gate, candidate, checks, the pack as a draft."""
    settings, _ = chosen(settings)
    gate(settings, quarter, now, known)
    build_candidate(settings, quarter, known)
    validate(settings, quarter, known)
    return render(settings, quarter, prepared_by, known)


def release(
    settings: Settings,
    quarter: Quarter,
    prepared_by: str,
    approvals: Sequence[Approval],
    checksum: str,
    validation: Mapping[str, Any] | None = None,
    known: Quarter | None = None,
) -> dict[str, str]:
    """Freeze the candidate that was approved, and write its pack as released.

    Files are written before the release is committed and put into their place after: a full disk or a page that cannot
    be made leaves the previous release as it was. If the machine stops in between, the same step again puts the files.

    Args:
        settings: names the warehouse and where files go.
        quarter: the quarter.
        prepared_by: the user who started the refresh.
        approvals: the method owner's, then the director's.
        checksum: what ``render`` showed to them.
        validation: what ``validate`` returned, kept with the release.
        known: as of the cut-off of which later quarter, for a restatement.

    Returns:
        ``release_id`` and the files' paths by kind, as in ``pack.KINDS``.

    Raises:
        PublishError: other figures than those approved stand in the candidate, or an approval does not count.
        FilesNotWritten: a full disk, or a page that cannot be made; says whether the release stands.
    """
    settings, _ = chosen(settings)
    _by_those_asked(approvals, settings.organisation)
    with _turn(settings) as connection:
        candidate = _candidate(settings, connection, quarter, known)
        if checksum_of(candidate) != checksum:
            raise PublishError(
                f"the candidate of {quarter} has other figures now than those that were approved (rows came that had "
                "arrived before the cut-off, someone was erased, or the rules changed): run the quarter again, so that "
                "what is approved is what is released"
            )
        folder, is_same = Path(), False
        with (
            _explained(settings, f"{quarter} is not released", _CLEAR),
            tempfile.TemporaryDirectory(prefix="release-", dir=_made(settings.releases)) as place,
        ):

            def write(released: Release) -> None:
                nonlocal folder, is_same
                folder = settings.releases / released.release_id
                is_same = released.has_figures_of(candidate)
                if is_same:  # not where others stand, and these are no restatement of them
                    # as it is frozen: another release may have told of the same people since the draft was shown
                    frozen = companion_tables.frozen(connection, quarter, released.release_id)
                    pack.write(with_told(candidate, frozen), released, Path(place), _seeds(settings))

            release_id = publish(
                connection,
                candidate,
                approvals,
                code_revision(settings),
                prepared_by,
                validation={"marts": validation} if validation else None,
                approved_checksum=checksum,
                computed=_computed(connection),
                before_commit=write,
            )
            files = pack.files(release_id, folder)
            if is_same and not all(path.exists() for path in files.values()):
                with _explained(settings, f"{release_id} is released, its files are not there yet", _CLEAR):
                    _put(release_id, Path(place), folder)
    return {"release_id": release_id, **{kind: str(path) for kind, path in files.items()}}


def keep_rejection(
    settings: Settings, rendered: Mapping[str, str], role: str, user: str, refused_at: datetime, reason: str
) -> None:
    """Keep who rejected a draft, when and why."""
    with connect(settings, "vmeste_transformer") as connection:
        reject(
            connection,
            release_id=rendered["release_id"],
            checksum=rendered["checksum"],
            role=role,
            user=user,
            refused_at=refused_at,
            reason=reason.strip() or "no reason was given",
        )


def rules_checksum(settings: Settings) -> str:
    """Return the SHA-256 over the models, macros and seeds of the dbt project: the rules by which figures are made."""
    digest = hashlib.sha256()
    project = settings.root / "dbt_project"
    files = [
        path
        for folder in ("macros", "models", "seeds")
        for path in (project / folder).rglob("*")
        if path.suffix in {".sql", ".csv"}
    ]
    for path in sorted(files):
        digest.update(f"{path.relative_to(project)}\0".encode() + path.read_bytes() + b"\0")
    return digest.hexdigest()


@contextmanager
def _turn(settings: Settings) -> Iterator[psycopg.Connection[Any]]:
    """Give a connection that alone may use the one set of candidate schemas, while nobody is being erased."""
    with (
        connect(settings, "vmeste_transformer") as keeper,
        connect(settings, "vmeste_transformer") as connection,
    ):
        keeper.autocommit = True
        keeper.execute("select pg_advisory_lock_shared(hashtext(%s))", (ERASURE,))
        if keeper.execute("select pg_try_advisory_lock(hashtext(%s))", (_TURN,)).fetchone() != (True,):
            raise CandidateBusy("another refresh is building or reading a candidate: try again when it has ended")
        yield connection


def _build(settings: Settings, connection: psycopg.Connection[Any], quarter: Quarter, as_of: datetime) -> None:
    rules = rules_checksum(settings)
    connection.execute("delete from ledger.candidate")
    connection.commit()
    _rebuild_former(settings, connection, quarter, as_of, rules)
    for _ in range(BUILDS):
        (built_at,) = connection.execute("select clock_timestamp()").fetchone() or (None,)
        arrived = _arrived(connection, as_of)
        transform.build(settings, target="candidate", as_of=as_of)
        if _arrived(connection, as_of) == arrived:
            break
        logger.info("rows were loaded while the candidate was built: building it again")
    else:
        raise CandidateBusy(
            f"rows that had arrived by {as_of.isoformat()} were loaded while {quarter} was built, {BUILDS} times: "
            "wait until ingest_forms has ended, then try again"
        )
    connection.execute(
        "insert into ledger.candidate (quarter, as_of, built_at, rules_checksum) values (%s, %s, %s, %s)",
        (str(quarter), as_of, built_at, rules),
    )
    connection.commit()


def _rebuild_former(
    settings: Settings, connection: psycopg.Connection[Any], quarter: Quarter, as_of: datetime, rules: str
) -> None:
    """Build the outcomes of releases that other rules computed, as of their own cut-offs: a run of dbt for each."""
    connection.execute(f"drop table if exists {BUILT_MARTS}.{comparing.REBUILT} cascade")
    former = connection.execute(
        "select release_id, cutoff_at from published.releases where built_at is not null "
        "and rules_checksum is distinct from %s and release_id = any(%s) order by release_id",
        (
            rules,
            [
                *comparing.earlier_releases(connection, quarter, as_of),
                *_standing_revision(connection, quarter),
            ],
        ),
    ).fetchall()
    connection.commit()
    for number, (release_id, cutoff_at) in enumerate(former, start=1):
        logger.info(
            "%s was computed by other rules: rebuilding it as of its cut-off, so that the ledger can tell what the "
            "rules moved from what rows did (%d of %d, then %s itself)",
            *(release_id, number, len(former), quarter),
        )
        transform.build(
            settings, target="candidate", as_of=cutoff_at.astimezone(settings.zone), only="fct_indicator_outcome"
        )
        _keep_rebuilt(connection, release_id)


def _standing_revision(connection: psycopg.Connection[Any], quarter: Quarter) -> list[str]:
    found = connection.execute(
        "select release_id from published.release_ledger where state = 'released' and quarter = %s", (str(quarter),)
    ).fetchall()
    return [release_id for (release_id,) in found]


def _keep_rebuilt(connection: psycopg.Connection[Any], release_id: str) -> None:
    table = sql.Identifier(BUILT_MARTS, comparing.REBUILT)
    connection.execute(
        sql.SQL(
            "create table if not exists {table} as "
            "select ''::text as release_id, outcomes.* from {marts}.fct_indicator_outcome as outcomes with no data"
        ).format(table=table, marts=sql.Identifier(BUILT_MARTS))
    )
    connection.execute(
        sql.SQL("insert into {table} select %s, outcomes.* from {marts}.fct_indicator_outcome as outcomes").format(
            table=table, marts=sql.Identifier(BUILT_MARTS)
        ),
        (release_id,),
    )
    connection.commit()


def _arrived(connection: psycopg.Connection[Any], as_of: datetime) -> dict[str, int]:
    """Count the versions that count as of a cut-off, by form. Raw only grows: the same count is the same content."""
    counts = {}
    for form_id in columns_of_raw(connection):
        query = sql.SQL("select count(*) from raw.{} where {} <= %s").format(sql.Identifier(form_id), ARRIVED_AT)
        (counts[form_id],) = connection.execute(query, (as_of,)).fetchone() or (0,)
    connection.commit()
    return counts


def _candidate(
    settings: Settings, connection: psycopg.Connection[Any], quarter: Quarter, known: Quarter | None
) -> Candidate:
    """Read the candidate, after building it again if another one has taken its place in the meantime."""
    as_of = cutoff_of(settings, quarter, known)
    stamp = connection.execute("select quarter, as_of, rules_checksum from ledger.candidate").fetchone()
    connection.commit()
    if stamp is None or stamp != (str(quarter), as_of, rules_checksum(settings)):
        logger.info("the candidate of %s as of %s is not there any more: building it again", quarter, as_of)
        _build(settings, connection, quarter, as_of)
    titles = {form.form_id: form.title_ru for form in load_forms(settings.forms).values()}
    _, programme = chosen(settings)
    show_own(connection, programme, BUILT_PREFIX)
    candidate = candidates.read_candidate(
        connection,
        quarter,
        OWN_PREFIX,
        cutoff_at=as_of,
        zone=settings.zone,
        form_titles=titles,
        programme_of=programme,
    )
    candidate = hide_erased(connection, candidate)
    found = _draft(settings, connection, candidate, "nobody")
    told = companion_tables.frozen(connection, quarter, found.release.release_id)
    candidate = with_told(candidate, told or companion_tables.told(connection, quarter, MARTS))
    if companion_tables.is_after_an_erasure(connection, quarter):
        candidate = without_follow_ups(candidate)
    own = comparing.kept(connection, found.release.release_id) if found.stands else ()
    return replace(
        candidate,
        breaks=comparing.breaks(connection, candidate),
        differences=(
            *(own or found.differences),
            *comparing.earlier_differences(connection, candidate, MARTS),
        ),
    )


def _computed(connection: psycopg.Connection[Any]) -> Computed:
    row = connection.execute("select built_at, rules_checksum from ledger.candidate").fetchone()
    return Computed(marts=MARTS) if row is None else Computed(marts=MARTS, built_at=row[0], rules_checksum=row[1])


def _draft(
    settings: Settings, connection: psycopg.Connection[Any], candidate: Candidate, prepared_by: str
) -> Assessment:
    return draft(
        connection,
        candidate,
        code_revision=code_revision(settings),
        prepared_by=prepared_by,
        computed=_computed(connection),
    )


def _silent_changes(connection: psycopg.Connection[Any], candidate: Candidate) -> list[str]:
    """Say which released headlines the rules moved although their definition has no new version."""
    silent = sorted(
        {(one.indicator_code, one.of_release_id, one.of_quarter) for one in candidate.differences if one.is_silent}
    )
    return [
        f"{code} of {release_id} comes out otherwise by today's rules, but its definition has no new version: raise "
        f"definition_version in seeds/indicator_definitions.csv, or, if the rules were wrong before, "
        f"`vmeste release declare-error {quarter} --reason …`"
        for code, release_id, quarter in silent
        if not open_errors(connection, quarter)
    ]


def _by_those_asked(approvals: Sequence[Approval], organisation: str) -> None:
    """Refuse an approval by anybody but the two people who are asked, whoever let the answer through."""
    approvers = get_approvers().of(organisation)
    asked = {"method": approvers.method_owner, "director": approvers.director}
    for approval in approvals:
        if approval.user.strip().casefold() != asked[approval.role].strip().casefold():
            raise PublishError(
                f"{approval.user} is not who approves as {approval.role} ({asked[approval.role]}): nothing is "
                "released; let the right person answer, or change VMESTE_METHOD_OWNER or VMESTE_DIRECTOR"
            )


def _verdict(found: Assessment, is_same: bool) -> str:
    release_id = found.release.release_id
    if not found.stands:
        why = f" ({', '.join(found.release.reasons)})" if found.release.reasons else ""
        return f"{release_id} is to be approved{why}"
    if is_same:
        return f"{release_id} stands already with the same figures: nothing is changed"
    moved = ", ".join(f"{one.indicator_code} {one.period_view}" for one in found.differences)
    return (
        f"{release_id} stands: what differs now ({moved or 'no headline'}) is no restatement; it is in the ledger of "
        "the next refresh"
    )


@contextmanager
def _explained(settings: Settings, what_stands: str, way_out: str) -> Iterator[None]:
    try:
        yield
    except (OSError, PageError) as error:
        raise FilesNotWritten(
            f"{what_stands}: page and workbook cannot be written to {settings.releases} ({error}). Mend that, then "
            f"{way_out}"
        ) from error


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@contextmanager
def _written(settings: Settings, candidate: Candidate, planned: Release) -> Iterator[Path]:
    """Write the files aside: a page that cannot be made must not leave half of a draft."""
    with tempfile.TemporaryDirectory(prefix="draft-", dir=_made(settings.releases)) as place:
        pack.write(candidate, planned, Path(place), _seeds(settings))
        yield Path(place)


def _put(release_id: str, written: Path, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    places = pack.files(release_id, folder)
    for kind, path in pack.files(release_id, written).items():
        shutil.move(path, places[kind])


def _seeds(settings: Settings) -> Path:
    return settings.root / "dbt_project" / "seeds"


def _summary(candidate: Candidate) -> str:
    """Return the five headlines as a Markdown table for the approval's form."""
    lines = ["| Показатель | n/N | Доля | Охват |", "| --- | --- | --- | --- |"]
    headlines = [definition for definition in candidate.definitions if definition.is_headline]
    for definition in sorted(headlines, key=lambda definition: definition.indicator_code):
        value = candidate.headline(definition.indicator_code, "rolling_4q")
        if value is None:
            continue
        counts = "–" if value.measured is None or value.achieved is None else f"{value.achieved}/{value.measured}"
        share = "–" if value.share is None else percent(value.share)
        coverage = "–" if value.coverage is None else percent(value.coverage)
        if value.coverage_band == "no_headline":
            coverage += ", не выносить в заголовок"
        lines.append(f"| {definition.indicator_code} {definition.short_name_ru} | {counts} | {share} | {coverage} |")
    return "\n".join(lines)
