"""Airflow on this machine: its four services as child processes, each in a process group of its own.

All they write is in ``VMESTE_HOME``; they listen on 127.0.0.1 only. `start` and `stop` are the two ends.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import httpx
import psutil

from vmeste.approvers import get_approvers
from vmeste.local import PRELOAD
from vmeste.settings import Settings
from vmeste.warehouse import embedded, transform
from vmeste.warehouse import migrate as warehouse

logger = logging.getLogger(__name__)

ADMIN = "admin"
SERVICES = {
    "api-server": ["api-server"],
    # the api-server reads the logs from the disk; a second server for them would occupy a fixed port
    "scheduler": ["scheduler", "--skip-serve-logs"],
    "dag-processor": ["dag-processor"],
    "triggerer": ["triggerer", "--skip-serve-logs"],
}
START_SECONDS = 180
STOP_SECONDS = 20


class AirflowServiceError(Exception):
    """A service did not start or ended early; the message names its log."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where the running Airflow is reached and who may sign in there (the file holds name → password)."""

    url: str
    passwords: Path


def environment(settings: Settings, port: int) -> dict[str, str]:
    """Return the environment of Airflow's processes: this one's, with our settings resolved and Airflow's added."""
    home = settings.home / "airflow"
    own = _own_secrets(settings)
    url = f"http://127.0.0.1:{port}"
    approvers = get_approvers()
    users = {ADMIN: "admin", approvers.method_owner: "user", approvers.director: "user"}
    return {
        **os.environ,
        **_resolved(settings),
        "LD_LIBRARY_PATH": _library_path(),
        # dbt's profile reads its connection from here, so that no password stands in a DAG
        **transform.dbt_environment(settings),
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(settings.root / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(home / "plugins"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
        # who may see connections may try them: the button beside a form server's connection
        "AIRFLOW__CORE__TEST_CONNECTION": "Enabled",
        # four for the transformation (see its max_active_tasks), two for whatever else is due
        "AIRFLOW__CORE__PARALLELISM": "6",
        "AIRFLOW__CORE__FERNET_KEY": own["fernet_key"],
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": ",".join(f"{name}:{role}" for name, role in users.items()),
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(passwords_file(settings)),
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{url}/execution/",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": embedded.airflow_url(settings),
        "AIRFLOW__API__HOST": "127.0.0.1",
        "AIRFLOW__API__PORT": str(port),
        "AIRFLOW__API__BASE_URL": url,
        "AIRFLOW__API__WORKERS": "1",
        "AIRFLOW__API__SECRET_KEY": own["secret_key"],
        "AIRFLOW__API_AUTH__JWT_SECRET": own["jwt_secret"],
        # defaults are for a server that idles: a step of a short DAG must not wait for the next heartbeat
        "AIRFLOW__SCHEDULER__SCHEDULER_HEARTBEAT_SEC": "1",
        "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.5",
        "AIRFLOW__DAG_PROCESSOR__PARSING_PROCESSES": "1",
        # parsing costs seconds of a core: a DAG's file changes rarely, a changed one is seen after a minute
        "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "60",
        "AIRFLOW__DAG_PROCESSOR__STALE_DAG_THRESHOLD": "200",
        # two cores under load answer late; the default of 5 s would fail tasks
        "AIRFLOW__WORKERS__EXECUTION_API_TIMEOUT": "30",
        # the supervisor of a task that ends between two of its looks waits for this long: 5 s a task by default
        "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL": "1",
        "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(settings.home / "logs"),
        "AIRFLOW__LOGGING__DAG_PROCESSOR_CHILD_PROCESS_LOG_DIRECTORY": str(settings.home / "logs" / "dag_processor"),
        "AIRFLOW__LOGGING__COLORED_CONSOLE_LOG": "False",
        # it tells of each of its 300 functions when it is imported
        "AIRFLOW__LOGGING__NAMESPACE_LEVELS": "great_expectations=WARNING",
        "AIRFLOW__COSMOS__ENABLE_TELEMETRY": "False",
        # copies every event for a second try of dbt, which we do not make: 900 requests a run
        "AIRFLOW__COSMOS__ENABLE_WATCHER_RELIABLE_RETRY": "False",
        "AIRFLOW__COSMOS__CACHE_DIR": str(settings.home / "cosmos"),
        "AIRFLOW__COSMOS__ENABLE_MEMORY_OPTIMISED_IMPORTS": "True",
        "DBT_USE_COLORS": "False",
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
        "SCARF_ANALYTICS": "false",
        "DO_NOT_TRACK": "1",
    }


def up(settings: Settings) -> Address:
    """Start whatever is not running, PostgreSQL and Airflow, on an up-to-date warehouse and dbt project.

    Raises:
        AirflowServiceError: a service ended or is not healthy in time.
    """
    if running := address(settings):
        return running
    warehouse.migrate(settings)
    transform.parse(settings)
    return start(settings)


def down(settings: Settings) -> list[str]:
    """Stop what `up` started; return the names of the services that ran."""
    stopped = stop(settings)
    embedded.stop(settings)
    return stopped


def migrate(settings: Settings) -> bool:
    """Bring Airflow's metadata to the installed version; say whether there was anything to do."""
    stamp = settings.home / "airflow" / "migrated"
    present = version("apache-airflow")
    if stamp.exists() and stamp.read_text(encoding="utf-8") == present:
        return False
    log = _log(settings, "migrate")
    with log.open("ab") as output:
        command = [sys.executable, "-m", "airflow", "db", "migrate"]
        done = subprocess.run(command, env=environment(settings, _port(settings)), stdout=output, stderr=output)
    if done.returncode:
        raise AirflowServiceError(f"`airflow db migrate` failed; its log is {log}:\n{tail(log)}")
    stamp.write_text(present, encoding="utf-8")
    return True


def start(settings: Settings, changes: Mapping[str, str] | None = None) -> Address:
    """Start the services and wait until each says that it is healthy.

    Args:
        settings: whose home they write to.
        changes: variables of their environment that are other than here, another executor for instance.

    Raises:
        AirflowServiceError: they run already, or one of them ended or is not healthy in time.
    """
    if running := _running(settings):
        raise AirflowServiceError(f"Airflow already runs ({', '.join(running)}): `make down` stops it")
    migrate(settings)
    draw_passwords(settings)
    port = _port(settings)
    children = environment(settings, port) | dict(changes or {})
    processes: dict[str, subprocess.Popen[bytes]] = {}
    try:
        for name, arguments in SERVICES.items():
            with _log(settings, name).open("wb") as output:
                processes[name] = subprocess.Popen(
                    [sys.executable, "-m", "airflow", *arguments],
                    env=children | ({PRELOAD: "1"} if name == "scheduler" else {}),
                    cwd=settings.root,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    # a Ctrl-C in the terminal must reach us alone: we then stop them in order
                    start_new_session=True,
                )
            _remember(settings, {name: process.pid for name, process in processes.items()})
        url = f"http://127.0.0.1:{port}"
        _wait_until_healthy(settings, url, processes)
    except BaseException:
        stop(settings)
        raise
    return Address(url, passwords_file(settings))


def stop(settings: Settings) -> list[str]:
    """End the services that `start` started, and their children; return their names."""
    running = _running(settings)
    services = list(running.values())
    children = []
    for service in services:
        with contextlib.suppress(psutil.NoSuchProcess):
            children += service.children(recursive=True)
    # a service ends its children itself, given the time; what it left behind is ended after it
    for processes, seconds in ((services, STOP_SECONDS), (children, STOP_SECONDS // 4)):
        _signal(processes, signal.SIGTERM)
        until = time.monotonic() + seconds
        while any(map(_is_alive, processes)) and time.monotonic() < until:
            time.sleep(0.1)
        _signal(processes, signal.SIGKILL)
    _pids_file(settings).unlink(missing_ok=True)
    return list(running)


def address(settings: Settings) -> Address | None:
    """Return where the running Airflow is, or ``None`` when it does not run."""
    if not _running(settings):
        return None
    return Address(f"http://127.0.0.1:{_port_file(settings).read_text(encoding='utf-8')}", passwords_file(settings))


def tail(log: Path, lines: int = 20) -> str:
    """Return a log's last lines."""
    if not log.exists():
        return f"(no log at {log})"
    return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])


def _wait_until_healthy(settings: Settings, url: str, processes: dict[str, subprocess.Popen[bytes]]) -> None:
    until = time.monotonic() + START_SECONDS
    health: dict[str, Any] = {}
    while time.monotonic() < until:
        for name, process in processes.items():
            if process.poll() is not None:
                log = _log(settings, name)
                raise AirflowServiceError(f"Airflow's {name} ended at its start; its log is {log}:\n{tail(log)}")
        with contextlib.suppress(httpx.HTTPError, ValueError):
            health = httpx.get(f"{url}/api/v2/monitor/health", timeout=5).json()
            # a heartbeat of the last run may still count as fresh, so the processes are asked above
            if all(
                health[part]["status"] == "healthy"
                for part in ("metadatabase", "scheduler", "dag_processor", "triggerer")
            ):
                return
        time.sleep(0.5)
    raise AirflowServiceError(
        f"Airflow was not healthy after {START_SECONDS} s: {health or 'no answer'}; "
        f"its logs are in {settings.home / 'logs'}"
    )


def _resolved(settings: Settings) -> dict[str, str]:
    """Return our settings as variables: the services run in another folder and must not look for another .env."""
    given = settings.model_dump(mode="json")
    return {f"VMESTE_{name.upper()}": str(value) for name, value in given.items() if value}


def _library_path() -> str:
    """Return where libraries are looked for; ``bin/system_libraries`` may have unpacked Pango into the environment."""
    return ":".join(filter(None, [os.environ.get("LD_LIBRARY_PATH"), str(Path(sys.prefix) / "system")]))


def _own_secrets(settings: Settings) -> dict[str, str]:
    """Read the keys that Airflow signs and encrypts with, drawing them at the first call."""
    return _drawn_once(
        settings.home / "secrets" / "airflow.json",
        {
            # a Fernet key is 32 random bytes in URL-safe base64
            "fernet_key": urlsafe_b64encode(secrets.token_bytes(32)).decode(),
            "secret_key": secrets.token_urlsafe(48),
            "jwt_secret": secrets.token_urlsafe(48),
        },
    )


def draw_passwords(settings: Settings) -> None:
    """Draw the users' passwords: left to Airflow, it would print them into its log."""
    approvers = get_approvers()
    names = (ADMIN, approvers.method_owner, approvers.director)
    _drawn_once(passwords_file(settings), {name: secrets.token_urlsafe(16) for name in names})


def _drawn_once(file: Path, drawn: dict[str, str]) -> dict[str, str]:
    """Return the file's content, completed by what it lacks of ``drawn``; only this user may read it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.parent.chmod(0o700)
    present: dict[str, str] = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    if not drawn.keys() <= present.keys():
        present = {**drawn, **present}
        part = file.with_suffix(".part")
        part.touch(mode=0o600)
        part.write_text(json.dumps(present), encoding="utf-8")
        part.rename(file)
    return present


def passwords_file(settings: Settings) -> Path:
    """Return where the users' passwords lie; only this user may read it."""
    return settings.home / "secrets" / "airflow_users.json"


def _port_file(settings: Settings) -> Path:
    return settings.home / "airflow" / "port"


def _pids_file(settings: Settings) -> Path:
    return settings.home / "airflow" / "pids.json"


def _log(settings: Settings, name: str) -> Path:
    log = settings.home / "logs" / f"{name}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    return log


def _port(settings: Settings) -> int:
    """Return the port of last time if it is free, otherwise another free one, and remember it."""
    file = _port_file(settings)
    wanted = int(file.read_text(encoding="utf-8")) if file.exists() else 0
    with socket.socket() as probe:
        # as the server will do: a port in the state TIME_WAIT is free
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", wanted))
        except OSError:
            probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(str(port), encoding="utf-8")
    return port


def _remember(settings: Settings, pids: dict[str, int]) -> None:
    """Write down name → process id and start time: an id alone may belong to another process later."""
    started = {name: [pid, psutil.Process(pid).create_time()] for name, pid in pids.items()}
    _pids_file(settings).write_text(json.dumps(started), encoding="utf-8")


def _running(settings: Settings) -> dict[str, psutil.Process]:
    file = _pids_file(settings)
    if not file.exists():
        return {}
    running = {}
    for name, (pid, created) in json.loads(file.read_text(encoding="utf-8")).items():
        with contextlib.suppress(psutil.NoSuchProcess):
            process = psutil.Process(pid)
            if process.create_time() == created and _is_alive(process):
                running[name] = process
    return running


def _signal(processes: list[psutil.Process], number: signal.Signals) -> None:
    for process in filter(_is_alive, processes):
        with contextlib.suppress(psutil.NoSuchProcess):
            process.send_signal(number)


def _is_alive(process: psutil.Process) -> bool:
    """Say whether a process runs; one that has ended and that nobody has asked after (a zombie) does not."""
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
