"""The steps of a quarterly release, as the DAG ``refresh_quarterly_indicators`` calls them.

Each step reads what it needs from the warehouse anew, so that any of them can be repeated alone.
"""

from __future__ import annotations

import logging
import subprocess
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from vmeste.forms import load_forms
from vmeste.ingest import plan
from vmeste.releases import candidate as candidates
from vmeste.releases.candidate import Candidate
from vmeste.releases.checks import failed_checks
from vmeste.releases.page import render_html, write_pdf
from vmeste.releases.publish import Approval, PublishError, Release, checksum_of, draft, publish, read_release
from vmeste.releases.quarters import Quarter
from vmeste.releases.russian import percent
from vmeste.releases.workbook import write_workbook
from vmeste.settings import Settings
from vmeste.warehouse import transform
from vmeste.warehouse.checks import validate_marts
from vmeste.warehouse.connect import connect

logger = logging.getLogger(__name__)

STEM = "release"
KINDS = ("html", "pdf", "xlsx")


class GateClosed(Exception):
    """The quarter cannot be refreshed yet; the message says what is missing and what to do."""


class ChecksFailed(Exception):
    """A claim about the candidate does not hold: nothing of it may be shown for approval."""


def gate(settings: Settings, quarter: Quarter, now: datetime) -> dict[str, Any]:
    """Let a quarter pass only after its cut-off, and when the last sync of every form was complete.

    Args:
        settings: names the sources, and the zone that decides the cut-off.
        quarter: the quarter to refresh.
        now: an aware moment: when the run began.

    Returns:
        ``cutoff_at`` (ISO), ``forms`` read, and ``quarantined`` rows still open.

    Raises:
        GateClosed: lists every reason.
    """
    cutoff_at = quarter.cutoff(settings.zone)
    if now < cutoff_at:
        raise GateClosed(f"{quarter} closes on {cutoff_at:%d.%m.%Y %H:%M %Z}: refresh it after that")
    wanted = {(item["source"], item["form_id"]) for items in plan(settings).values() for item in items}
    with connect(settings, "vmeste_transformer") as connection:
        rows = connection.execute(
            "select distinct on (source, form_id) source, form_id, state, error from ops.sync_runs "
            "order by source, form_id, finished_at desc"
        ).fetchall()
        waiting = connection.execute("select count(*) from quarantine.rows where state = 'open'").fetchone()
    states = {(str(source), str(form_id)): (state, error) for source, form_id, state, error in rows}
    reasons = [f"{source}, {form_id}: never read" for source, form_id in sorted(wanted - states.keys())]
    reasons += [
        f"{source}, {form_id}: the last sync is {states[source, form_id][0]} ({states[source, form_id][1]})"
        for source, form_id in sorted(wanted & states.keys())
        if states[source, form_id][0] != "complete"
    ]
    if reasons:
        raise GateClosed(
            f"{quarter} is not complete: {'; '.join(reasons)}. Mend the source, run ingest_forms, try again"
        )
    return {"cutoff_at": cutoff_at.isoformat(), "forms": len(wanted), "quarantined": waiting[0] if waiting else 0}


def build_candidate(settings: Settings, quarter: Quarter) -> None:
    """Build the candidate's marts as of the quarter's cut-off; the marts that people look at stay as they are."""
    transform.build(settings, target="candidate", as_of=quarter.cutoff(settings.zone))


def validate(settings: Settings, quarter: Quarter) -> dict[str, Any]:
    """Hold the candidate to the expectations on marts and to the claims that a release makes.

    Returns:
        relation → rows and rules checked.

    Raises:
        MartsRejected, ChecksFailed: name what failed.
    """
    summary = validate_marts(settings, "candidate")
    with connect(settings, "vmeste_transformer") as connection:
        problems = failed_checks(_candidate(settings, connection, quarter))
    if problems:
        raise ChecksFailed(f"{quarter}: {'; '.join(problems)}")
    return summary


def render(settings: Settings, quarter: Quarter, prepared_by: str) -> dict[str, str]:
    """Write the page and the workbook that the approvers look at.

    Returns:
        ``release_id``, ``state`` ('released' when this very release stands already), ``checksum`` of what is shown,
        ``summary`` in Markdown, and the files' paths ``html``, ``pdf``, ``xlsx``.
    """
    with connect(settings, "vmeste_transformer") as connection:
        candidate = _candidate(settings, connection, quarter)
        planned = draft(connection, candidate, code_revision=code_revision(settings), prepared_by=prepared_by)
    folder = settings.releases / planned.release_id
    if planned.state != "released":
        # a draft never lies where a release lies: approvers and readers must not take one for the other
        folder = folder / "draft"
    files = {kind: folder / f"{STEM}.{kind}" for kind in KINDS}
    if planned.state != "released" or not all(path.exists() for path in files.values()):
        # what was released is not written again: its caveats speak of the day on which it was approved
        _write(candidate, planned, folder)
    return {
        "release_id": planned.release_id,
        "state": planned.state,
        "checksum": planned.checksum,
        "summary": _summary(candidate),
        **{kind: str(path) for kind, path in files.items()},
    }


def release(
    settings: Settings,
    quarter: Quarter,
    prepared_by: str,
    approvals: Sequence[Approval],
    checksum: str,
    validation: Mapping[str, Any] | None = None,
) -> dict[str, str]:
    """Freeze the candidate that was approved, and write its page and workbook as released.

    Args:
        settings: names the warehouse and where files go.
        quarter: the quarter.
        prepared_by: the user who started the refresh.
        approvals: the method owner's, then the director's.
        checksum: what ``render`` showed to them.
        validation: what ``validate`` returned, kept with the release.

    Returns:
        ``release_id`` and the files' paths ``html``, ``pdf``, ``xlsx``.

    Raises:
        PublishError: other figures than those approved stand in the candidate, or an approval does not count.
    """
    with connect(settings, "vmeste_transformer") as connection:
        candidate = _candidate(settings, connection, quarter)
        if checksum_of(candidate) != checksum:
            raise PublishError(
                f"the candidate of {quarter} was built again with other figures after the page was shown: run the "
                "refresh again, so that what is approved is what is released"
            )
        release_id = publish(
            connection,
            candidate,
            approvals,
            code_revision(settings),
            prepared_by,
            validation={"marts": validation} if validation else None,
            approved_checksum=checksum,
        )
        released = read_release(connection, release_id)
    return {"release_id": release_id, **_write(candidate, released, settings.releases / release_id)}


def code_revision(settings: Settings) -> str:
    """Return the git commit of this repository, or 'unknown' outside of git."""
    try:
        found = subprocess.run(
            ["git", "rev-parse", "HEAD"], cwd=settings.root, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return found.stdout.strip()


def _candidate(settings: Settings, connection: Any, quarter: Quarter) -> Candidate:
    titles = {form.form_id: form.title_ru for form in load_forms(settings.forms).values()}
    return candidates.read_candidate(connection, quarter, zone=settings.zone, form_titles=titles)


def _write(candidate: Candidate, planned: Release, folder: Path) -> dict[str, str]:
    html = render_html(candidate, planned)
    files = {kind: folder / f"{STEM}.{kind}" for kind in KINDS}
    folder.mkdir(parents=True, exist_ok=True)
    files["html"].write_text(html, encoding="utf-8")
    write_pdf(html, files["pdf"])
    write_workbook(candidate, planned, files["xlsx"])
    return {kind: str(path) for kind, path in files.items()}


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
