"""The demonstration: the whole job once, through the real scheduler, told on the terminal as it goes."""

from __future__ import annotations

import json
import shutil
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from rich.console import Console
from rich.table import Table

from vmeste.approvers import get_approvers
from vmeste.local import airflow
from vmeste.local.rest import RUN_ENDED, TASK_ENDED, ApiError, Session
from vmeste.settings import Settings
from vmeste.warehouse import embedded, migrate, transform
from vmeste.warehouse.connect import connect

QUARTER = "2021-Q4"
"""The last quarter of the reference cohort."""

DAGS = ("ingest_forms", "transform_warehouse", "refresh_quarterly_indicators")
APPROVE = "Approve"
RUN_SECONDS = 900
LOOK_SECONDS = 0.5
LOG_LINES = 12
LINE_LENGTH = 300
FAILURES_TOLD = 3
THINKING_SECONDS = 3
"""Between a question and its answer: an answer that comes before the scheduler has seen the task pause, fails it."""


class DemoFailed(Exception):
    """A step did not do what it should; the message names the task and holds the end of its log."""


def run(settings: Settings, out: Path, console: Console | None = None) -> Path:
    """Do the whole job on the reference cohort and return the folder with the page and the workbook.

    Starts what is not running (PostgreSQL, Airflow) and stops what it started, also after a failure or Ctrl-C.

    Raises:
        DemoFailed: a run failed; the message holds the end of the failed task's log.
    """
    # 80 columns, what rich takes for a pipe, are too few for the tables
    console = console or Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else 120)
    console.print("[bold]Vmeste: from form exports to the quarterly page[/], on an invented cohort of 48 pairs")
    began = time.monotonic()
    previous = signal.signal(signal.SIGTERM, _interrupt)
    try:
        with ExitStack() as undo:
            _start_database(settings, console, undo)
            address = _start_airflow(settings, console, undo)
            admin = Session(address, airflow.ADMIN)
            _wait_for_dags(admin, console)
            before = admin.latest_run("transform_warehouse")
            is_changed = _ingest(settings, console, admin)
            _transform(settings, console, admin, before, is_changed)
            release_id = _refresh(settings, console, admin, address)
            folder = _copy(settings, release_id, out)
            _show_indicators(settings, console)
            _show_quarantine(settings, console)
            _show_where_next(console, folder)
        return folder
    except ApiError as error:
        raise DemoFailed(str(error)) from error
    finally:
        signal.signal(signal.SIGTERM, previous)
        console.print(f"[dim]{time.monotonic() - began:.0f} s in all[/]")


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


@contextmanager
def _step(console: Console, title: str) -> Iterator[list[str]]:
    """Show a step while it runs, and its time when it is done; what is put into the list is said beside it."""
    began = time.monotonic()
    said: list[str] = []
    try:
        yield said
    except BaseException:
        console.print(f"[red]✗[/] {title} [dim]{time.monotonic() - began:.1f} s[/]")
        raise
    beside = f": {'; '.join(said)}" if said else ""
    console.print(f"[green]✓[/] {title}{beside} [dim]{time.monotonic() - began:.1f} s[/]")


def _start_database(settings: Settings, console: Console, undo: ExitStack) -> None:
    if settings.is_embedded and not embedded.is_running(settings):
        undo.callback(_stop_database, settings, console)
    with _step(console, "PostgreSQL") as said:
        applied = migrate.migrate(settings)
        said.append(f"{len(applied)} migrations applied" if applied else "as it was left")


def _stop_database(settings: Settings, console: Console) -> None:
    with _step(console, "PostgreSQL stopped"):
        embedded.stop(settings)


def _start_airflow(settings: Settings, console: Console, undo: ExitStack) -> airflow.Address:
    if running := airflow.address(settings):
        console.print(f"[green]✓[/] Airflow runs already at {running.url}")
        return running
    with _step(console, "dbt's manifest, from which Airflow draws the models"):
        transform.parse(settings)
    with _step(console, "Airflow's metadata") as said:
        said.append("made" if airflow.migrate(settings) else "as it was left")
    undo.callback(_stop_airflow, settings, console)
    with _step(console, "Airflow: api-server, scheduler, dag-processor, triggerer") as said, console.status("starting"):
        address = airflow.start(settings)
        said.append(f"{address.url} (users and passwords: {address.passwords})")
    return address


def _stop_airflow(settings: Settings, console: Console) -> None:
    with _step(console, "Airflow stopped"):
        airflow.stop(settings)


def _wait_for_dags(admin: Session, console: Console) -> None:
    with _step(console, f"{len(DAGS)} DAGs"), console.status("reading"):
        until = time.monotonic() + RUN_SECONDS
        while missing := set(DAGS) - admin.dag_ids():
            if errors := admin.import_errors():
                raise DemoFailed("Airflow cannot read " + "; ".join(errors))
            if time.monotonic() > until:
                raise DemoFailed(f"Airflow has not found {', '.join(sorted(missing))} after {RUN_SECONDS} s")
            time.sleep(LOOK_SECONDS)
        for dag_id in DAGS:
            admin.unpause(dag_id)


def _ingest(settings: Settings, console: Console, admin: Session) -> bool:
    """Read all forms; say whether any brought something."""
    with _step(console, "ingest_forms") as said:
        run_id = admin.trigger("ingest_forms")
        _finish(settings, console, admin, "ingest_forms", run_id)
        with connect(settings, "vmeste_loader") as connection:
            rows: list[Any] = connection.execute(
                "select form_id, server_count, accepted, quarantined, voided, unchanged, released from ops.sync_runs "
                "where run_id = %s order by finished_at",
                (run_id,),
            ).fetchall()
        total = [sum(column) for column in zip(*[row[1:] for row in rows], strict=True)]
        has_news = bool(rows) and total[0] > 0
        if has_news:
            said.append(f"{total[0]} rows of {len(rows)} forms")
        else:
            said.append("no form has news" + (f"; {len(rows)} tried their quarantined rows again" if rows else ""))
    if has_news:
        table = Table("form", "server has", "= accepted", "+ quarantined", "+ voided", "+ unchanged", "released")
        for column in table.columns[1:]:
            column.justify = "right"
        for row in [*rows, ("[bold]all[/]", *total)]:
            table.add_row(*[str(cell) for cell in row])
        console.print(table)
    return any(accepted + voided + released for _, _, accepted, _, voided, _, released in rows)


def _transform(
    settings: Settings, console: Console, admin: Session, before: dict[str, Any] | None, is_changed: bool
) -> None:
    """Wait for the run that the changed forms started; without changes, make sure that the marts are there."""
    dag_id = "transform_warehouse"
    if not is_changed and before is not None and before["state"] == "success":
        console.print(f"[green]✓[/] {dag_id}: nothing has changed, the marts stand")
        return
    with _step(console, dag_id) as said:
        if is_changed:
            until = time.monotonic() + RUN_SECONDS
            while (started := admin.latest_run(dag_id)) is None or (before and started == before):
                if time.monotonic() > until:
                    raise DemoFailed(f"the forms' assets have not started {dag_id} after {RUN_SECONDS} s")
                time.sleep(LOOK_SECONDS)
            run_id = started["dag_run_id"]
        else:
            run_id = admin.trigger(dag_id)
        _finish(settings, console, admin, dag_id, run_id)
        models = sum("dbt." in task["task_id"] for task in admin.tasks(dag_id, run_id))
        checked = admin.returned(dag_id, run_id, "validate_marts")
        said.append(
            f"{models} tasks of dbt, {sum(mart['rules'] for mart in checked.values())} expectations on the marts"
        )


def _refresh(settings: Settings, console: Console, admin: Session, address: airflow.Address) -> str:
    """Run the quarter, answering its approvals as the two people who may; return the release's id."""
    dag_id = "refresh_quarterly_indicators"
    approvers = get_approvers()
    open_approvals = {"approve_method": approvers.method_owner, "approve_director": approvers.director}

    def answer(tasks: list[dict[str, Any]]) -> None:
        for task in tasks:
            if task["state"] == "awaiting_input" and task["task_id"] in open_approvals:
                user = open_approvals.pop(task["task_id"])
                time.sleep(THINKING_SECONDS)
                Session(address, user).answer(dag_id, run_id, task["task_id"], APPROVE)
                console.print(f"  {task['task_id']}: {user} approves")

    with _step(console, f"{dag_id} {QUARTER}") as said:
        run_id = admin.trigger(dag_id, partition_key=QUARTER)
        _finish(settings, console, admin, dag_id, run_id, answer)
        said.append(admin.returned(dag_id, run_id, "tell_outcome"))
        release_id: str = admin.returned(dag_id, run_id, "render")["release_id"]
    return release_id


def _finish(
    settings: Settings,
    console: Console,
    admin: Session,
    dag_id: str,
    run_id: str,
    look: Callable[[list[dict[str, Any]]], None] | None = None,
) -> None:
    """Wait until a run has ended, showing what it is at.

    Raises:
        DemoFailed: it failed, or did not end in time.
    """
    until = time.monotonic() + RUN_SECONDS
    with console.status(dag_id) as status:
        while time.monotonic() < until:
            run = admin.run(dag_id, run_id)
            tasks = admin.tasks(dag_id, run_id)
            if look:
                look(tasks)
            if run["state"] in RUN_ENDED:
                break
            states = Counter("done" if task["state"] in TASK_ENDED else task["state"] for task in tasks)
            at_work = [_name(task) for task in tasks if task["state"] in ("running", "awaiting_input")]
            status.update(f"{dag_id}: {states['done']} of {len(tasks)} tasks done; {', '.join(at_work[:4])}")
            time.sleep(LOOK_SECONDS)
        else:
            raise DemoFailed(f"{dag_id} has not ended after {RUN_SECONDS} s: see {settings.home / 'logs'}")
    if run["state"] == "failed":
        failed = sorted((task for task in tasks if task["state"] == "failed"), key=lambda task: task["end_date"] or "")
        told = [_told(settings, task) for task in failed[:FAILURES_TOLD]]
        rest = len(failed) - len(told)
        raise DemoFailed("\n".join([f"{dag_id} failed", *told, *([f"  and {rest} tasks more"] if rest else [])]))


def _name(task: dict[str, Any]) -> str:
    label = task.get("rendered_map_index")
    return f"{task['task_id']} ({label})" if label and task["map_index"] >= 0 else str(task["task_id"])


def _told(settings: Settings, task: dict[str, Any]) -> str:
    """Return the end of a failed task's log, in plain lines."""
    folder = settings.home / "logs" / f"dag_id={task['dag_id']}" / f"run_id={task['dag_run_id']}"
    folder /= f"task_id={task['task_id']}"
    if task["map_index"] >= 0:
        folder /= f"map_index={task['map_index']}"
    log = folder / f"attempt={task['try_number']}.log"
    lines = []
    for line in log.read_text(encoding="utf-8").splitlines() if log.exists() else []:
        try:
            entry = json.loads(line)
        except ValueError:
            lines.append(line)
            continue
        lines.append(str(entry.get("event", "")))
        lines += [f"{error['exc_type']}: {error['exc_value']}" for error in entry.get("error_detail") or []]
    shown = "\n    ".join(line[:LINE_LENGTH] for line in lines[-LOG_LINES:]) or "it wrote no log"
    return f"  {_name(task)}, its log is {log}:\n    {shown}"


def _copy(settings: Settings, release_id: str, out: Path) -> Path:
    out.mkdir(parents=True, exist_ok=True)
    for kind in ("pdf", "html", "xlsx"):
        shutil.copyfile(settings.releases / release_id / f"{release_id}.{kind}", out / f"release.{kind}")
    return out


def _show_indicators(settings: Settings, console: Console) -> None:
    with connect(settings, "vmeste_transformer") as connection:
        rows: list[Any] = connection.execute(
            """
            select
                published.indicator_code,
                definitions.short_name_ru,
                published.achieved,
                published.measured,
                published.eligible,
                published.share,
                published.ci_low,
                published.ci_high,
                published.coverage,
                published.coverage_band,
                published.status,
                legacy.reported_text_ru
            from published.current_indicator_values as published
            inner join seeds.indicator_definitions as definitions
                on published.indicator_code = definitions.indicator_code and definitions.is_current
                and definitions.kind = 'headline'
            left join seeds.legacy_indicators as legacy on published.indicator_code = legacy.indicator_code
            where published.quarter = %s and published.period_view = 'rolling_4q' and published.split_by = 'all'
            order by published.indicator_code
            """,
            (QUARTER,),
        ).fetchall()
    table = Table(title=f"{QUARTER}, the last four quarters, as released", title_justify="left")
    for heading in ("", "показатель", "n/N", "доля", "95% интервал", "охват", "в отчёте практики"):
        table.add_column(heading)
    for code, name, achieved, measured, eligible, share, low, high, coverage, band, status, reported in rows:
        has_share = share is not None
        flag = {"caution": " (осторожно)", "no_headline": " (мало, не заголовок)"}.get(band, "")
        table.add_row(
            code,
            name,
            f"{achieved}/{measured}" if achieved is not None else status,
            f"{share:.1%}" if has_share else "–",
            f"{low:.0%}–{high:.0%}" if has_share else "–",
            f"{coverage:.0%} из {eligible}{flag}" if coverage is not None else "–",
            reported or "–",
        )
    console.print(table)


def _show_quarantine(settings: Settings, console: Console) -> None:
    with connect(settings, "vmeste_loader") as connection:
        rows: list[Any] = connection.execute(
            "select form_id, rule, count(*) from quarantine.rows, unnest(rules) as rule where state = 'open' "
            "group by form_id, rule order by form_id, rule"
        ).fetchall()
    table = Table("form", "rule", "rows", title="In quarantine, with a remedy for each", title_justify="left")
    for row in rows:
        table.add_row(*[str(cell) for cell in row])
    console.print(table if rows else "Nothing is in quarantine.")


def _show_where_next(console: Console, folder: Path) -> None:
    places = {
        str(folder / "release.pdf"): "the page for leadership (.html the same on the screen, .xlsx with every figure)",
        "vmeste quarantine list": "each refused row, its rules, what to do",
        'vmeste sql "select * from published.current_indicator_values"': "what dashboards read",
        'vmeste sql "select * from ops.sync_runs"': "the proof that no row was lost",
        "make up": "Airflow's pages on this machine; `make down` stops it",
    }
    console.print("[bold]Where to look next[/]")
    for place, what in places.items():
        console.print(f"  {place}   [dim]{what}[/]")
