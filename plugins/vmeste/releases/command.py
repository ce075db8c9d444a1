"""``vmeste release``: prepare a quarter, look at what stands, prove that it is what was released.

Nothing is published from here: a release needs the answers of two people, and those are given in Airflow.
"""

from __future__ import annotations

import getpass
import json
import logging
from datetime import UTC, datetime
from typing import Annotated, Any, LiteralString

import typer

from vmeste.settings import Settings, get_settings

app = typer.Typer(no_args_is_help=True, help="Quarterly releases: prepare, look at, verify; approvals are in Airflow.")

_REFUSALS: LiteralString = (
    "select role, user_name, kind, refused_at::date as refused, reason from ledger.refusals "
    "where release_id = %s order by refused_at"
)
ORGANISATION = typer.Option(help="Whose, where several organisations are registered.")
PROGRAMME = typer.Option(help="Which programme, where the organisation has several.")
KNOWN = typer.Option(help="For a restatement: the later quarter as of whose cut-off it is computed, e.g. 2022-Q1.")


def known_errors() -> tuple[type[Exception], ...]:
    """Return the errors of releases whose message says all."""
    from vmeste.releases.candidate import CandidateError
    from vmeste.releases.explaining import ExplanationError
    from vmeste.releases.programmes import ProgrammeNotChosen
    from vmeste.releases.publish import PublishError
    from vmeste.releases.refusals import CandidateBusy, ChecksFailed, FilesNotWritten, GateClosed

    return (
        CandidateError,
        ExplanationError,
        ProgrammeNotChosen,
        PublishError,
        CandidateBusy,
        ChecksFailed,
        FilesNotWritten,
        GateClosed,
    )


@app.command()
def prepare(
    quarter: Annotated[str, typer.Argument(help="Which quarter, e.g. 2021-Q4.")],
    known: Annotated[str, KNOWN] = "",
    by: Annotated[str, typer.Option(help="Who prepares it; the director who releases must be another.")] = "",
    organisation: Annotated[str, ORGANISATION] = "",
    programme: Annotated[str, PROGRAMME] = "",
) -> None:
    """Compute a quarter as of its cut-off and write its page and workbook as a draft, as the DAG does."""
    from vmeste.release_dags import DAG_ID, release_dags
    from vmeste.releases import steps

    settings = _of(_ready(), organisation, programme)
    as_of = _quarter(known) if known else None
    # after a change of the rules it may take minutes: say what is being rebuilt
    logging.getLogger(steps.__name__).setLevel(logging.INFO)
    said = steps.prepare(settings, _quarter(quarter), by or f"cli:{getpass.getuser()}", datetime.now(UTC), as_of)
    typer.echo(said["verdict"])
    for name in ("checksum", "html", "pdf", "xlsx"):
        typer.echo(f"  {name}: {said[name]}")
    if said["state"] != "released":
        dag_id = release_dags(settings).get(settings.organisation, DAG_ID)
        parameters = f" and the parameter known = {known}" if known else ""
        typer.echo(
            f"To release it, trigger {dag_id} with the partition key {quarter}{parameters}: two people approve there"
        )


@app.command()
def verify(
    release_id: Annotated[
        str, typer.Argument(metavar="[RELEASE]", help="Which one, e.g. 2021-Q4-r1; all if none.")
    ] = "",
) -> None:
    """Recompute checksum and seal of each release from the rows that stand; name each row and column that differs."""
    from vmeste.releases import publish
    from vmeste.warehouse.connect import connect

    problems = 0
    with connect(_ready(), "vmeste_transformer") as connection:
        names = [release_id] if release_id else publish.released_ids(connection)
        for name in names:
            found = publish.verify(connection, name)
            problems += len(found)
            typer.echo(f"{name}: " + ("as released" if not found else f"{len(found)} differences"))
            for problem in found:
                typer.echo(f"  {problem}", err=True)
    if not names:
        typer.echo("nothing has been released")
    if problems:
        raise typer.Exit(1)


@app.command("list")
def list_releases() -> None:
    """List all releases with their state, oldest quarter first."""
    _ready()
    _print(
        "select ledger.release_id, ledger.state, "
        "to_char(ledger.cutoff_at at time zone time_zone, 'YYYY-MM-DD') as cutoff, "
        "to_char(ledger.released_at at time zone time_zone, 'YYYY-MM-DD') as released, "
        "array_to_string(reasons, ', ') as why, left(ledger.checksum, 12) as checksum "
        "from published.release_ledger as ledger inner join published.releases using (release_id) "
        "order by ledger.quarter, ledger.revision"
    )


@app.command()
def show(release_id: Annotated[str, typer.Argument(metavar="RELEASE", help="Which one, e.g. 2021-Q4-r1.")]) -> None:
    """Show a release: approvals, headlines, what it restated and why, what came late, who refused a draft of it."""
    from vmeste.releases.publish import PublishError, read_release
    from vmeste.warehouse.connect import connect

    with connect(_ready(), "vmeste_transformer") as connection:
        try:
            found = read_release(connection, release_id)
        except PublishError:
            if not _print(_REFUSALS, release_id, title="Not released; its drafts were refused"):
                raise
            return
    typer.echo(
        f"{found.release_id}: {found.state}, as of {found.cutoff_at.isoformat()}, prepared by {found.prepared_by}"
    )
    for approval in found.approvals:
        comment = f": {approval.comment}" if approval.comment else ""
        typer.echo(f"  {approval.role}: {approval.user}, {approval.approved_at:%Y-%m-%d %H:%M %Z}{comment}")
    parts: tuple[tuple[str, LiteralString], ...] = (
        (
            "Headlines",
            "select indicator_code, period_view, quarter, status, achieved, measured, eligible, "
            "round(share::numeric * 100, 1) as percent, definition_version from published.indicator_values "
            "where release_id = %s and split_by = 'all' order by indicator_code, period_view, quarter",
        ),
        (
            "Restated",
            "select indicator_code, period_view, old ->> 'achieved' as old_n, old ->> 'measured' as old_of, "
            "new ->> 'achieved' as new_n, new ->> 'measured' as new_of, round(moved_points::numeric, 1) as points, "
            "round(moved_by_rows_points::numeric, 1) as by_rows, is_break, rows_by_kind "
            "from published.restatements where release_id = %s order by indicator_code, period_view",
        ),
        (
            "Why",
            "select indicator_code, period_view, cause, step, entered, left_out from ledger.restatement_causes "
            "where release_id = %s and step in ('achieved', 'measured', 'eligible') order by 1, 2, 3, 4",
        ),
        (
            "Late for earlier quarters: submissions",
            "select quarter, form_id, kind, submissions from ledger.late_rows where release_id = %s order by 1, 2, 3",
        ),
        (
            "Late for earlier quarters: headlines",
            "select of_release_id, indicator_code, period_view, old ->> 'achieved' as old_n, "
            "old ->> 'measured' as old_of, new ->> 'achieved' as new_n, new ->> 'measured' as new_of, "
            "round(moved_points::numeric, 1) as points, is_break, array_to_string(reasons, ', ') as revision_due, "
            "causes "
            "from ledger.late_effects where release_id = %s order by 1, 2, 3",
        ),
        (
            "Errors answered",
            "select error_id, declared_by, declared_at::date as declared, reason from ledger.mended_errors "
            "inner join ledger.declared_errors using (error_id) where release_id = %s order by 1",
        ),
        ("Refused drafts", _REFUSALS),
    )
    for title, query in parts:
        _print(query, release_id, title=title)


@app.command("declare-error")
def declare_error(
    quarter: Annotated[str, typer.Argument(help="Which released quarter is wrong, e.g. 2021-Q4.")],
    reason: Annotated[str, typer.Option(help="What is wrong, for those who will read the restatement.")],
    by: Annotated[str, typer.Option(help="Who declares it.")],
    organisation: Annotated[str, ORGANISATION] = "",
    programme: Annotated[str, PROGRAMME] = "",
) -> None:
    """Declare an error in a released quarter: its next preparation becomes a revision, however little it moves."""
    from vmeste.releases import publish
    from vmeste.warehouse.connect import connect

    with connect(_of(_ready(), organisation, programme), "vmeste_transformer") as connection:
        publish.declare_error(connection, str(_quarter(quarter)), reason, by)
    typer.echo(f"declared; mend it, then run {quarter} again: the revision will name this error")


@app.command()
def withdraw(
    release_id: Annotated[str, typer.Argument(metavar="RELEASE", help="The draft that was approved, e.g. 2021-Q4-r1.")],
    role: Annotated[str, typer.Option(help="Whose approval: method or director.")],
    by: Annotated[str, typer.Option(help="Who withdraws.")],
    reason: Annotated[str, typer.Option(help="Why.")],
) -> None:
    """Withdraw an approval before the release is written; afterwards only an error can be declared."""
    from vmeste.releases import publish
    from vmeste.warehouse.connect import connect

    with connect(_of(_ready(), release_id=release_id), "vmeste_transformer") as connection:
        publish.withdraw(
            connection, release_id=release_id, role=role, user=by, withdrawn_at=datetime.now(UTC), reason=reason
        )
    typer.echo(f"withdrawn: {release_id} will not be released by the approvals given until now")


def _of(settings: Settings, organisation: str = "", programme: str = "", release_id: str = "") -> Settings:
    """Return settings that name one programme of one organisation."""
    from vmeste.releases.programmes import chosen

    asked = {name: code for name, code in (("organisation", organisation), ("programme", programme)) if code}
    return chosen(settings.model_copy(update=asked), release_id)[0]


def _ready() -> Settings:
    from vmeste.warehouse.migrate import migrate

    settings = get_settings()
    migrate(settings)
    return settings


def _quarter(text: str) -> Any:
    from vmeste.releases.quarters import Quarter

    try:
        return Quarter.parse(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def _print(query: LiteralString, *parameters: str, title: str = "") -> int:
    """Print rows as tab-separated lines under a title, nothing if there are none; return how many there are."""
    from vmeste.warehouse.connect import connect

    with connect(get_settings(), "vmeste_transformer") as connection:
        cursor = connection.execute(query, parameters)
        rows = cursor.fetchall()
        names = [column.name for column in cursor.description or []]
    if not rows:
        if not title:
            typer.echo("nothing has been released")
        return 0
    if title:
        typer.echo(f"\n{title}")
    for row in (names, *rows):
        typer.echo("\t".join(_said(cell) for cell in row))
    return len(rows)


def _said(cell: Any) -> str:
    if cell is None:
        return ""
    return json.dumps(cell, ensure_ascii=False) if isinstance(cell, dict) else str(cell)
