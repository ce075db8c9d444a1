"""The command line ``vmeste``: the same steps as the DAGs, in one process, and a look at what is there."""

from __future__ import annotations

import logging
import os
import sys
import time
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, LiteralString

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from vmeste.releases.command import app as release_app
from vmeste.releases.command import known_errors as errors_of_releases
from vmeste.settings import Settings, SettingsError, get_settings

app = typer.Typer(no_args_is_help=True, add_completion=False, help=__doc__, pretty_exceptions_enable=False)
forms_app = typer.Typer(no_args_is_help=True, help="The instruments: check them, build them for a form server.")
sources_app = typer.Typer(no_args_is_help=True, help="Where filled-in forms come from.")
quarantine_app = typer.Typer(no_args_is_help=True, help="Rows that were refused, why, and what to do about them.")
app.add_typer(forms_app, name="forms")
app.add_typer(sources_app, name="sources")
bi_app = typer.Typer(no_args_is_help=True, help="Superset: the dashboards of what was released.")
app.add_typer(quarantine_app, name="quarantine")
app.add_typer(bi_app, name="bi")
app.add_typer(release_app, name="release")

console = Console()
errors = Console(stderr=True)


def main() -> None:
    """Run the command line: an error that we know is one clear message, not a traceback."""
    try:
        app()
    except _known_errors() as error:
        errors.print(f"[bold red]{type(error).__name__}[/]: {escape(str(error))}", highlight=False, soft_wrap=True)
        raise SystemExit(1) from None


def _known_errors() -> tuple[type[Exception], ...]:
    import psycopg

    from vmeste.backups import BackupError
    from vmeste.forms import FormError
    from vmeste.landing import LandingError
    from vmeste.local.airflow import AirflowServiceError
    from vmeste.local.demo import DemoFailed
    from vmeste.local.superset import SupersetError
    from vmeste.privacy.subject import ErasureError
    from vmeste.quality.marts import MartsRejected
    from vmeste.quality.suites import SuiteError
    from vmeste.results_tree import ResultsTreeError
    from vmeste.sources.errors import SourceError
    from vmeste.warehouse.bi_reader import BiReaderError
    from vmeste.warehouse.embedded import EmbeddedServerError
    from vmeste.warehouse.migrate import MigrationError
    from vmeste.warehouse.raw_tables import RawTableError
    from vmeste.warehouse.transform import TransformError

    return (
        SettingsError,
        BackupError,
        FormError,
        SourceError,
        LandingError,
        SuiteError,
        MartsRejected,
        ErasureError,
        ResultsTreeError,
        BiReaderError,
        EmbeddedServerError,
        AirflowServiceError,
        DemoFailed,
        SupersetError,
        MigrationError,
        RawTableError,
        TransformError,
        *errors_of_releases(),
        psycopg.Error,
    )


@contextmanager
def _step(title: str) -> Iterator[None]:
    started = time.monotonic()
    yield
    console.print(f"[green]✓[/] {title} [dim]{time.monotonic() - started:.1f} s[/]", highlight=False)


@app.callback()
def _options(
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Show what each step logs.")] = False,
) -> None:
    # Airflow's object storage, which landing uses, sets up logging of its own when it is imported
    os.environ.setdefault("AIRFLOW__LOGGING__LOGGING_LEVEL", "INFO" if verbose else "WARNING")
    logging.basicConfig(
        level=logging.INFO if verbose else logging.WARNING, format="%(levelname)s %(name)s: %(message)s"
    )


@app.command()
def migrate() -> None:
    """Start the embedded PostgreSQL if it is used, bring schemas, roles and raw tables up to date."""
    from vmeste.warehouse.migrate import migrate as bring_up_to_date

    with _step("warehouse and vault are up to date"):
        applied = bring_up_to_date(get_settings())
    for name in applied:
        console.print(f"  applied {name}", highlight=False)


@app.command("bi-login")
def bi_login(
    renew: Annotated[bool, typer.Option("--renew", help="Draw another password.")] = False,
    organisation: Annotated[str, typer.Option(help="A login of its own that sees this organisation's rows only.")] = "",
) -> None:
    """Make the login with which dashboards read the schema published, and nothing else; its password is not printed."""
    from vmeste.warehouse import bi_reader

    settings = get_settings()
    _migrate(settings)
    with _step(f"{bi_reader.user_of(organisation)} may read what was released"):
        file = bi_reader.ensure(settings, renew=renew, organisation=organisation)
    console.print(f"  its password: {file}", highlight=False, soft_wrap=True)


@app.command()
def init() -> None:
    """Do what a deployment needs before its services start: schemas, dbt's manifest, logins and passwords.

    Each machine with a home of its own needs it once after each new version; done twice it changes nothing.
    """
    from vmeste.local import airflow, superset
    from vmeste.warehouse import bi_reader
    from vmeste.warehouse import transform as dbt

    settings = get_settings()
    _migrate(settings)
    with _step("dbt's manifest is written"):
        dbt.parse(settings)
    airflow.draw_passwords(settings)
    bi_reader.ensure(settings)
    superset.draw_users(settings)
    for who, file in (("Airflow", airflow.passwords_file(settings)), ("Superset", superset.users_file(settings))):
        console.print(f"  users and passwords of {who}: {file}", highlight=False, soft_wrap=True)


@app.command()
def ingest(
    accept_deletions: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SOURCE:FORM",
            help="Believe this form's source however many submissions it no longer has. May be given more than once.",
        ),
    ] = None,
) -> None:
    """Read every source once: extract, validate, load."""
    settings = get_settings()
    _migrate(settings)
    if not _ingest(settings, frozenset(accept_deletions or ())):
        raise typer.Exit(1)


@app.command()
def reconcile() -> None:
    """Read every source from the beginning and say which submissions differ from ours; nothing is written."""
    from vmeste import reconcile as comparing

    settings = get_settings()
    _migrate(settings)
    agrees = True
    for found in comparing.reconcile(settings):
        title = f"{found.source}, {found.form_id}: {found.at_source} at the source, {found.here} here"
        if found.agrees:
            console.print(f"[green]✓[/] {title}", highlight=False)
            continue
        agrees = False
        errors.print(f"[bold red]✗ {title}[/]", highlight=False, soft_wrap=True)
        for what, ids in (("only at the source", found.only_there), ("only here", found.only_here)):
            for submission_id in ids:
                errors.print(f"    {what}: {escape(submission_id)}", highlight=False, soft_wrap=True)
        if found.error:
            errors.print(f"    {escape(found.error)}", highlight=False, soft_wrap=True)
    if not agrees:
        raise typer.Exit(1)


@app.command()
def transform(
    as_of: Annotated[str, typer.Option(help="Count only what had arrived at this moment (ISO 8601 with zone).")] = "",
    full_refresh: Annotated[bool, typer.Option(help="Build anew what is otherwise kept by increments.")] = False,
) -> None:
    """Build and test the marts, then hold them to their expectations."""
    settings = get_settings()
    _migrate(settings)
    _transform(settings, as_of, full_refresh=full_refresh)


@app.command()
def run() -> None:
    """Ingest and transform: the whole way to the marts without a scheduler, for debugging and for tests."""
    settings = get_settings()
    _migrate(settings)
    is_whole = _ingest(settings)
    _transform(settings, "")
    if not is_whole:
        errors.print("[bold yellow]Something above was refused or failed; everything else is done.[/]")
        raise typer.Exit(1)


def _migrate(settings: Settings) -> None:
    from vmeste.warehouse.migrate import migrate as bring_up_to_date

    with _step("warehouse and vault are up to date"):
        bring_up_to_date(settings)


def _ingest(settings: Settings, accepts_deletions: frozenset[str] = frozenset()) -> bool:
    """Read every source; a form that fails does not keep the others from their turn."""
    from datetime import UTC, datetime

    from vmeste import ingest as steps

    planned = {f"{item['source']}:{item['form_id']}" for items in steps.plan(settings).values() for item in items}
    if unknown := accepts_deletions - planned:
        raise typer.BadParameter(f"{', '.join(unknown)}: expected one of {', '.join(sorted(planned))}")
    run_id = f"cli {datetime.now(UTC).isoformat()}"
    is_whole = True
    for stage, items in steps.plan(settings).items():
        for item in items:
            title = f"{stage}: {item['source']}, {item['form_id']}"
            started = time.monotonic()
            try:
                batch = steps.extract(
                    settings,
                    item["source"],
                    item["form_id"],
                    run_id,
                    accepts_deletions=f"{item['source']}:{item['form_id']}" in accepts_deletions,
                )
                counts = steps.load(settings, batch) if batch else None
            except Exception as error:
                logging.getLogger(__name__).debug("%s failed", title, exc_info=True)
                said = str(error).removeprefix(f"{item['source']}, {item['form_id']}: ")
                errors.print(f"[bold red]✗ {title}[/]: {escape(said)}", highlight=False, soft_wrap=True)
                is_whole = False
                continue
            console.print(
                f"[green]✓[/] {title}: {_said(counts)} [dim]{time.monotonic() - started:.1f} s[/]", highlight=False
            )
            if counts and counts["notes"] and not counts["server_count"]:
                errors.print(f"[yellow]  {escape('; '.join(counts['notes']))}[/]", highlight=False, soft_wrap=True)
            if counts and counts["error"]:
                errors.print(f"[bold yellow]  refused[/] {escape(counts['error'])}", highlight=False, soft_wrap=True)
                is_whole = False
    for line in steps.overlooked(settings):
        errors.print(f"[bold yellow]  not read[/] {escape(line)}", highlight=False, soft_wrap=True)
        is_whole = False
    return is_whole


def _said(counts: dict[str, Any] | None) -> str:
    if counts is None:
        return "nothing new"
    said = (
        f"{counts['server_count']} = {counts['accepted']} accepted + {counts['quarantined']} quarantined + "
        f"{counts['voided']} voided + {counts['unchanged']} unchanged"
    )
    return said + (f", {counts['released']} released from quarantine" if counts["released"] else "")


def _transform(settings: Settings, as_of: str, *, full_refresh: bool = False) -> None:
    from datetime import datetime

    from vmeste.warehouse import checks
    from vmeste.warehouse import transform as dbt

    with _step("marts are built and tested"):
        dbt.build(settings, as_of=datetime.fromisoformat(as_of) if as_of else None, full_refresh=full_refresh)
    with _step("marts meet their expectations"):
        checks.validate_marts(settings)


@app.command()
def erase(
    code: Annotated[str, typer.Argument(help="The person's code, as on the card.", show_default=False)] = "",
    reason: Annotated[str, typer.Option(help="On what ground; goes into the act, so name nobody.")] = "",
    yes: Annotated[bool, typer.Option("--yes", help="Do it. Without this it is only counted what would go.")] = False,
    kind: Annotated[str, typer.Option(help="mentee or mentor, if the code does not say which.")] = "",
    organisation: Annotated[str, typer.Option(help="Refuse if the person is registered elsewhere.")] = "",
    by: Annotated[str, typer.Option(help="Who asks for it.", show_default="the user of this machine")] = "",
    request_only: Annotated[
        bool, typer.Option("--request-only", help="Only note the request and print its id, for the DAG erase_subject.")
    ] = False,
    request: Annotated[str, typer.Option(help="Go on with a request, instead of a code.")] = "",
) -> None:
    """Erase a person everywhere: first without --yes, which changes nothing and says what would go."""
    import getpass

    from vmeste.privacy import erasure

    settings = get_settings()
    if bool(code) == bool(request):
        raise typer.BadParameter("name a code or a --request")
    if kind not in {"", "mentee", "mentor"}:
        raise typer.BadParameter("--kind is mentee or mentor")
    if code and not reason.strip():
        raise typer.BadParameter("say why: --reason")
    _migrate(settings)
    wanted: Any = kind or None
    if code and not (yes or request_only):
        found = erasure.look(settings, code, wanted, organisation or None)
        console.print(f"would erase a {found.kind}; nothing was changed. With --yes it is done", highlight=False)
        _print_table(["place", "count"], sorted(found.counts.items()))
        return
    erasure_id = request or erasure.request(
        settings, code, reason, by or getpass.getuser(), wanted, organisation or None
    )
    if request_only:
        typer.echo(erasure_id)
        return
    report = erasure.run(settings, erasure_id)
    _print_table(["place", "count"], sorted(report.counts.items()))
    console.print(f"erased; the act: {report.act}", highlight=False, soft_wrap=True)


@app.command()
def backup(
    out: Annotated[Path | None, typer.Option(help="Where backups lie; VMESTE_HOME/backups by default.")] = None,
) -> None:
    """Copy warehouse, vault, landed batches and pages; then remove backups older than VMESTE_BACKUP_DAYS."""
    from vmeste import backups

    settings = get_settings()
    _migrate(settings)
    with _step("copied and added up"):
        folder = backups.backup(settings, out)
    console.print(f"  {folder}: keep its folder vault apart from the rest", highlight=False, soft_wrap=True)


@app.command()
def restore(folder: Annotated[Path, typer.Argument(help="A backup, as `vmeste backup` has written it.")]) -> None:
    """Fill an empty home from a backup, and verify every release in it."""
    from vmeste import backups

    with _step("restored and compared with what was copied"):
        manifest = backups.restore(get_settings(), folder)
    console.print(
        f"  {sum(manifest.raw_rows.values())} versions in raw, {len(manifest.releases)} releases verified, as of "
        f"{manifest.made_at}. Whoever was erased after that is here again: erase them again (docs/erase-a-person.md)",
        highlight=False,
        soft_wrap=True,
    )


@app.command()
def sql(
    statement: Annotated[str, typer.Argument(help='What to ask the warehouse, e.g. "select * from marts.dim_pair".')],
) -> None:
    """Ask the warehouse and print the rows."""
    import psycopg

    from vmeste.warehouse import embedded
    from vmeste.warehouse.connect import warehouse_url

    settings = get_settings()
    embedded.start(settings)
    with psycopg.connect(warehouse_url(settings)) as connection:
        cursor = connection.execute(statement.encode())
        if cursor.description is None:
            console.print(cursor.statusmessage)
            return
        _print_table([column.name for column in cursor.description], cursor)


def _print_table(names: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Print rows: a table for people, tab-separated lines for programs."""
    shown = (["" if value is None else _printable(str(value)) for value in row] for row in rows)
    if not sys.stdout.isatty():
        for line in (names, *shown):
            typer.echo("\t".join(line))
        return
    table = Table(*names)
    for line in shown:
        table.add_row(*[escape(cell) for cell in line])
    console.print(table)


def _printable(text: str) -> str:
    """Return a text without letters that steer a terminal: answers and ids come from whoever fills in a form."""
    steering = ("Cc", "Cf", "Cs")
    kept = (letter if letter == "\n" or unicodedata.category(letter) not in steering else "\ufffd" for letter in text)
    return "".join(kept)


def _escaped(text: str) -> str:
    return escape(_printable(text))


@app.command()
def url(database: Annotated[str, typer.Argument(help="warehouse or vault")]) -> None:
    """Print a database's address for other tools (it holds a password)."""
    from vmeste.warehouse import embedded
    from vmeste.warehouse.connect import vault_url, warehouse_url

    if database not in {"warehouse", "vault"}:
        raise typer.BadParameter("there is a warehouse and a vault")
    settings = get_settings()
    embedded.start(settings)
    typer.echo(warehouse_url(settings) if database == "warehouse" else vault_url(settings))


@app.command()
def up() -> None:
    """Start Airflow and the embedded PostgreSQL on this machine, unless they run."""
    from vmeste.local import airflow

    address = airflow.up(get_settings())
    console.print(f"Airflow is at {address.url}; its users and passwords are in {address.passwords}", soft_wrap=True)


@app.command()
def down() -> None:
    """Stop Airflow, Superset and the embedded PostgreSQL."""
    from vmeste.local import airflow, superset

    dashboards = ["Superset"] if superset.down(get_settings()) else []
    stopped = airflow.down(get_settings())
    console.print(f"stopped {', '.join([*stopped, *dashboards, 'PostgreSQL'])}")


@bi_app.command("up")
def bi_up() -> None:
    """Make Superset's environment and what belongs into it, and start it on this machine; twice changes nothing."""
    from vmeste.local import superset

    settings = get_settings()
    _provision_superset()
    running = superset.address(settings) or superset.start(settings)
    console.print(f"Superset is at {running.url}; its users and passwords are in {running.users}", soft_wrap=True)


@bi_app.command("provision")
def bi_provision() -> None:
    """Bring roles, users, the connection and the dashboards to what the folder superset says; start nothing."""
    _provision_superset()


@bi_app.command("down")
def bi_down() -> None:
    """Stop Superset."""
    from vmeste.local import superset

    console.print("stopped Superset" if superset.down(get_settings()) else "Superset did not run")


def _provision_superset() -> None:
    from vmeste.local import superset

    settings = get_settings()
    with _step("Superset's environment"):
        superset.make_environment(settings)
    _migrate(settings)
    for name, password in superset.draw_users(settings).items():
        # told this once; the file keeps it
        console.print(f"  {name}: {password}", highlight=False, markup=False)
    with _step("roles, users and dashboards"):
        superset.provision(settings)


@app.command()
def demo(out: Annotated[Path, typer.Option(help="Where the page and the workbook go.")] = Path("build/demo")) -> None:
    """Do the whole job once, for real, on the reference cohort, and stop what was started."""
    from vmeste.local import demo as story

    story.run(get_settings(), out)


@app.command()
def tree(
    out: Annotated[Path, typer.Option(help="Where the page and the picture go.")] = Path("docs"),
    check: Annotated[
        bool, typer.Option(help="Write nothing: fail if what lies there is not what the seeds give.")
    ] = False,
) -> None:
    """Draw the results tree from dbt's seeds: a page with a Mermaid diagram, and an SVG."""
    from vmeste.results_tree.write import stale, write

    seeds = get_settings().root / "dbt_project" / "seeds"
    if not check:
        for path in write(seeds, out):
            console.print(str(path), highlight=False)
        return
    outdated = stale(seeds, out)
    if outdated:
        errors.print(f"{', '.join(outdated)} in {out}: not what the seeds give; run `vmeste tree`", highlight=False)
        raise typer.Exit(1)
    console.print("[green]✓[/] the tree is drawn as the seeds have it")


@forms_app.command("check")
def forms_check() -> None:
    """Refuse forms that a server, a check or a reader would stumble over."""
    from vmeste.forms.check import check

    problems = check(get_settings().forms)
    for problem in problems:
        errors.print(escape(str(problem)), highlight=False, soft_wrap=True)
    if problems:
        raise typer.Exit(1)
    console.print("[green]✓[/] all forms are sound")


@forms_app.command("build")
def forms_build(out: Annotated[Path, typer.Option(help="Where the files go.")] = Path("build/forms")) -> None:
    """Write the .xlsx and XForm XML that a form server takes, and LimeSurvey's .txt."""
    from vmeste.forms.build import build

    for path in build(get_settings().forms, out):
        console.print(str(path), highlight=False)


@forms_app.command("diff")
def forms_diff(
    old: Annotated[str, typer.Argument(help="A form, a folder of forms, or either at a git revision: HEAD~1:forms.")],
    new: Annotated[str, typer.Argument(help="The same of the new forms, e.g. forms.")],
    mapping: Annotated[
        Path | None,
        typer.Option(help="A YAML file that says what became of renamed and removed questions and choices."),
    ] = None,
) -> None:
    """Say which changes of the instruments are safe; refuse those that would break the history of answers."""
    from vmeste.forms.diff import Verdict, compare_forms, forms_at
    from vmeste.forms.mapping import read_mapping, sources_entry

    mappings = read_mapping(mapping) if mapping else {}
    with forms_at(old) as before, forms_at(new) as after:
        changes = compare_forms(before, after, mappings)
        entries = [sources_entry(form_id, said, before[form_id], after[form_id]) for form_id, said in mappings.items()]
    if not changes:
        console.print("[green]✓[/] nothing has changed")
        return
    _print_table(
        ["", "form", "what", "change", "way out"],
        [
            (change.verdict.name.lower(), change.form_id, change.subject, change.message, change.way_out)
            for change in changes
        ],
    )
    if any(entries):
        console.print("\nSo that old exports are still read, add to these forms in sources.yml:", highlight=False)
        console.print(escape("".join(entries)), highlight=False, soft_wrap=True)
    if any(change.verdict is Verdict.BREAKS for change in changes):
        errors.print("[bold red]Some changes would break the history of answers.[/]")
        raise typer.Exit(1)


@sources_app.command("check")
def sources_check() -> None:
    """Try every source with one request: address, credentials and rights."""
    from vmeste.sources import SourceError, load_sources, open_source

    is_sound = True
    for config in load_sources(get_settings().sources).sources:
        try:
            said = open_source(config).check()
            console.print(f"[green]✓[/] {config.name}: {escape(said)}", highlight=False, soft_wrap=True)
        except SourceError as error:
            is_sound = False
            said = str(error).removeprefix(f"{config.name}: ")
            errors.print(f"[bold red]✗ {config.name}[/]: {escape(said)}", highlight=False, soft_wrap=True)
    if not is_sound:
        raise typer.Exit(1)


@quarantine_app.command("list")
def quarantine_list(
    every: Annotated[bool, typer.Option("--all", help="Also those that have been resolved.")] = False,
) -> None:
    """Show refused rows: where each came from, which rules it broke, what to do."""
    rows = _quarantined(
        "select form_id, coalesce(origin, source), submission_id, array_to_string(rules, ', '), remedy_ru, state, "
        "first_seen_at::date::text from quarantine.rows where state = 'open' or %s order by form_id, quarantine_id",
        every,
    )
    if not rows:
        console.print("nothing is in quarantine")
        return
    _print_table(["form", "where", "submission", "rules", "what to do", "state", "first seen"], rows)


def _quarantined(statement: LiteralString, parameter: Any) -> list[tuple[Any, ...]]:
    from vmeste.warehouse import embedded
    from vmeste.warehouse.connect import connect

    settings = get_settings()
    embedded.start(settings)
    with connect(settings, "vmeste_loader") as connection:
        return connection.execute(statement, (parameter,)).fetchall()


@quarantine_app.command("show")
def quarantine_show(
    submission: Annotated[str, typer.Argument(help="The submission's id, as `quarantine list` shows it.")],
) -> None:
    """Show all that was refused of one submission: its answers (never a vault answer), its rules, what became of it."""
    versions = _quarantined(
        "select form_id, coalesce(origin, source), form_version, arrived_at, state, resolved_by, rules, remedy_ru, "
        "payload from quarantine.rows where submission_id = %s order by arrived_at, quarantine_id",
        submission,
    )
    if not versions:
        errors.print(f"nothing of submission {submission} was ever refused: see `vmeste quarantine list --all`")
        raise typer.Exit(1)
    for form_id, where, version, arrived_at, state, resolved_by, rules, remedy, payload in versions:
        console.print(
            _escaped(f"{form_id}, version {version}, {where}, arrived {arrived_at:%Y-%m-%d %H:%M %Z}: {state}")
            + (f" by {_escaped(resolved_by)}" if resolved_by else ""),
            highlight=False,
            soft_wrap=True,
        )
        console.print(f"  rules: {', '.join(rules)}\n  {escape(remedy)}", highlight=False, soft_wrap=True)
        for name, answer in payload.items():
            console.print(f"    {_escaped(name)}: {_escaped(str(answer))}", highlight=False, soft_wrap=True)


@quarantine_app.command("lists")
def quarantine_lists(
    out: Annotated[Path | None, typer.Option(help="Where they go.", show_default="VMESTE_HOME/quarantine")] = None,
) -> None:
    """Write each curator's refused rows as a workbook; maintain_warehouse does so every night."""
    from vmeste import quarantine_lists as lists

    settings = get_settings()
    _migrate(settings)
    for curator, count in lists.write(settings, out).items():
        console.print(f"{curator}: {count}", highlight=False)


@quarantine_app.command("retry")
def quarantine_retry() -> None:
    """Try all open rows again now, without asking their sources; a sync does the same by itself."""
    from datetime import UTC, datetime

    from vmeste import ingest as steps

    settings = get_settings()
    _migrate(settings)
    results = steps.retry(settings, f"retry {datetime.now(UTC).isoformat()}")
    for counts in results:
        console.print(f"{counts['source']}, {counts['form_id']}: released {counts['released']}", highlight=False)
    if not results:
        console.print("nothing is in quarantine")


@quarantine_app.command("waive")
def quarantine_waive(
    submission: Annotated[str, typer.Argument(help="The submission's id, as `quarantine list` shows it.")],
    by: Annotated[str, typer.Option(help="Who decided so.")],
) -> None:
    """Close a refused row for good: it will be neither accepted nor tried again."""
    from vmeste.warehouse import embedded
    from vmeste.warehouse.connect import connect

    settings = get_settings()
    embedded.start(settings)
    with connect(settings, "vmeste_loader") as connection:
        waived = connection.execute(
            "update quarantine.rows set state = 'waived', resolved_at = now(), resolved_by = %s "
            "where submission_id = %s and state = 'open'",
            (by, submission),
        ).rowcount
    if not waived:
        errors.print(f"no open row of submission {submission}: see `vmeste quarantine list`")
        raise typer.Exit(1)
    console.print(f"waived {waived}")


if __name__ == "__main__":
    main()
