"""Two workers behind Redis, each with a home of its own and one landing between them; one is killed while it loads."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
import redis

from vmeste.local import airflow
from vmeste.local.rest import RUN_ENDED, Session
from vmeste.reconcile import reconcile
from vmeste.settings import ROOT, Settings
from vmeste.warehouse import connect, embedded
from vmeste.warehouse.migrate import migrate

DAG = "ingest_forms"
FORMS = ("r1_mentee", "r2_mentor", "r3_pair", "r5_consent", "f3_mentee_feedback", "f4_meeting", "f7_followup")


@dataclass(frozen=True)
class Deployment:
    """What runs: Airflow with its broker, and the workers by name."""

    settings: Settings
    address: airflow.Address
    workers: dict[str, psutil.Process]
    logs: Path

    def received(self, name: str) -> int:
        """How many tasks a worker has been given."""
        return (self.logs / f"{name}.log").read_text(encoding="utf-8", errors="replace").count(" received")


@contextmanager
def process(command: list[str], env: Mapping[str, str], log: Path) -> Iterator[psutil.Process]:
    """A process of its own group, ended with all that it started."""
    with log.open("wb") as output:
        started = psutil.Popen(
            command, env=env, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )
    try:
        yield started
    finally:
        family = [*started.children(recursive=True), started] if started.is_running() else []
        for member in family:
            with suppress(psutil.NoSuchProcess):
                member.send_signal(signal.SIGTERM)
        for member in psutil.wait_procs(family, timeout=15)[1]:
            with suppress(psutil.NoSuchProcess):
                member.kill()
        started.wait()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="vmeste-celery-"))
    folder.chmod(0o755)
    exports = folder / "examples" / "reference_cohort"
    exports.mkdir(parents=True)
    for form_id in FORMS:
        for file in (ROOT / "examples" / "reference_cohort").glob(f"{form_id}_*"):
            shutil.copy(file, exports)
    (folder / "forms").mkdir()
    lines = (ROOT / "forms" / "sources.yml").read_text(encoding="utf-8").splitlines()
    kept = [line for line in lines if not line.startswith("      f") or line.strip().split(":")[0] in FORMS]
    (folder / "forms" / "sources.yml").write_text("\n".join(kept), encoding="utf-8")
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def deployment(folder: Path, redis_server: str) -> Iterator[Deployment]:
    settings = Settings(
        home=folder / "home", sources=folder / "forms" / "sources.yml", landing=f"file://{folder / 'landing'}"
    )
    (folder / "logs").mkdir()
    with ExitStack() as stack:
        port = free_port()
        stack.enter_context(
            process(
                [redis_server, "--bind", "127.0.0.1", "--port", str(port), "--save", "", "--dir", str(folder)],
                # where bin/debian_command unpacks for who is not root
                os.environ | {"LD_LIBRARY_PATH": str(Path(sys.prefix) / "debian/usr/lib/x86_64-linux-gnu")},
                folder / "logs" / "redis.log",
            )
        )
        broker = redis.Redis(port=port)
        until = time.monotonic() + 20
        while time.monotonic() < until:
            with suppress(redis.ConnectionError):
                broker.ping()
                break
            time.sleep(0.1)
        migrate(settings)
        stack.callback(embedded.stop, settings)
        changes = {
            "AIRFLOW__CORE__EXECUTOR": "CeleryExecutor",
            "AIRFLOW__CORE__DEFAULT_TASK_RETRY_DELAY": "3",
            "AIRFLOW__CELERY__BROKER_URL": f"redis://127.0.0.1:{port}/0",
            "AIRFLOW__CELERY__RESULT_BACKEND": f"db+{embedded.airflow_url(settings)}",
            # a worker that is gone is missed after these seconds; by default after five minutes
            "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "15",
            "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "3",
        }
        address = airflow.start(settings, changes)
        stack.callback(airflow.stop, settings)
        shared = airflow.environment(settings, int(address.url.rsplit(":", 1)[1])) | changes
        workers = {}
        for name in ("first", "second"):
            home = folder / name
            home.mkdir()
            own = {
                "VMESTE_HOME": str(home),
                "VMESTE_WAREHOUSE_URL": connect.warehouse_url(settings),
                "VMESTE_VAULT_URL": connect.vault_url(settings),
                "AIRFLOW_HOME": str(home / "airflow"),
            }
            command = [sys.executable, "-m", "airflow", "celery", "worker", "--skip-serve-logs", "--concurrency", "2"]
            command += ["--celery-hostname", f"{name}@localhost"]
            log = folder / "logs" / f"{name}.log"
            workers[name] = stack.enter_context(process(command, shared | own, log))
        yield Deployment(settings, address, workers, folder / "logs")


def loading(session: Session, run_id: str, worker: psutil.Process) -> str | None:
    """The task with which a worker is loading now, if it is."""
    for task in session.tasks(DAG, run_id):
        if task["task_id"].endswith(".load") and task["state"] == "running" and task["pid"]:
            with suppress(psutil.NoSuchProcess):
                if worker.pid in {parent.pid for parent in psutil.Process(task["pid"]).parents()}:
                    return f"{task['task_id']}[{task['map_index']}]"
    return None


def versions(settings: Settings) -> dict[str, tuple[int, int]]:
    """Form → versions in raw, and how many of them are different ones."""
    with connect.connect(settings, "vmeste_transformer") as connection:
        return {
            form: connection.execute(
                f"select count(*), count(distinct (_submission_id, _content_hash, _operation)) from raw.{form}"
            ).fetchone()  # type: ignore[misc]
            for form in FORMS
        }


def test_a_worker_killed_while_it_loads_costs_time_and_no_row(deployment: Deployment) -> None:
    session = Session(deployment.address, airflow.ADMIN)
    until = time.monotonic() + 60
    while DAG not in session.dag_ids() and time.monotonic() < until:
        time.sleep(0.5)
    session.unpause(DAG)
    run_id = session.trigger(DAG)
    victim = deployment.workers["first"]
    killed = None
    while (state := session.run(DAG, run_id)["state"]) not in RUN_ENDED:
        if killed is None and (killed := loading(session, run_id, victim)):
            # the machine is gone: the worker, its pool, the supervisors and the tasks
            for member in [victim, *victim.children(recursive=True)]:
                with suppress(psutil.NoSuchProcess):
                    member.kill()
        time.sleep(0.2)
    assert killed, "the first worker was never seen loading"
    assert state == "success", [task for task in session.tasks(DAG, run_id) if task["state"] == "failed"]
    assert deployment.received("first") and deployment.received("second")
    tries = {f"{task['task_id']}[{task['map_index']}]": task["try_number"] for task in session.tasks(DAG, run_id)}
    assert tries[killed] > 1, "another worker has taken it over"
    loaded = versions(deployment.settings)
    assert all(count and count == different for count, different in loaded.values()), loaded
    assert [found for found in reconcile(deployment.settings) if not found.agrees] == []
