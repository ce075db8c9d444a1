"""Superset on this machine: an environment of its own, made once, and one server as a child process.

All it writes is in ``VMESTE_HOME``; it listens on 127.0.0.1 only and reads the warehouse as ``vmeste_bi_reader``, who
may read what was released and nothing else. `provision`, `start` and `down` are what the command line calls.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
from pydantic_settings import BaseSettings, SettingsConfigDict

from vmeste.local.airflow import tail
from vmeste.settings import Settings
from vmeste.warehouse import bi_reader, embedded, migrate

DATABASE = "superset"
USERS = {"admin": "Admin", "engineer": "Инженер данных", "leader": "Руководитель"}
"""Who may sign in from the start → role (``superset/provision.py``); their passwords are drawn once."""

START_SECONDS = 120
STOP_SECONDS = 20


class SupersetError(Exception):
    """Superset cannot be made, provisioned or started; the message names the log and the way out."""


class SupersetSettings(BaseSettings):
    """What a deployment may set otherwise.

    ``VMESTE_SUPERSET_METADATA_URL`` is Superset's own database (needed beside a warehouse of one's own),
    ``VMESTE_SUPERSET_VENV`` an environment that has been made elsewhere from ``superset/requirements.txt``,
    ``VMESTE_SUPERSET_URL`` where people open dashboards, for Airflow's navigation (empty: where they run here).
    """

    model_config = SettingsConfigDict(env_prefix="VMESTE_", env_file=".env", extra="ignore", frozen=True)

    superset_metadata_url: str = ""
    superset_venv: Path | None = None
    superset_url: str = ""


@dataclass(frozen=True, slots=True)
class Address:
    """Where the running Superset is reached, and who may sign in there (the file holds name → role and password)."""

    url: str
    users: Path


def down(settings: Settings) -> bool:
    """Stop the server; say whether it ran."""
    process = _running(settings)
    if process is None:
        return False
    children = process.children(recursive=True)
    with contextlib.suppress(psutil.NoSuchProcess):
        # at once: a browser that keeps its connection open would hold a graceful end up
        process.send_signal(signal.SIGQUIT)
    _, alive = psutil.wait_procs([process, *children], timeout=STOP_SECONDS)
    for left in alive:
        with contextlib.suppress(psutil.NoSuchProcess):
            left.kill()
    _pid_file(settings).unlink(missing_ok=True)
    return True


def provision(settings: Settings) -> str:
    """Bring metadata, roles, users, connection and dashboards to what ``superset/`` says; return what was said.

    Raises:
        SupersetError: the environment cannot be made, or provisioning failed; the message names its log.
    """
    make_environment(settings)
    migrate.migrate(settings)
    bi_reader.ensure(settings)
    draw_users(settings)
    log = _log(settings, "superset-provision")
    with log.open("wb") as output:
        done = subprocess.run(
            [python(settings), settings.root / "superset" / "provision.py"],
            env=environment(settings),
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    if done.returncode:
        raise SupersetError(f"Superset was not provisioned; its log is {log}:\n{tail(log)}")
    return tail(log, 1)


def start(settings: Settings) -> Address:
    """Start the server and wait until it answers.

    Raises:
        SupersetError: it ended early or did not answer in time; the message names its log.
    """
    port = _port(settings)
    url = f"http://127.0.0.1:{port}"
    log = _log(settings, "superset")
    with log.open("wb") as output:
        process = subprocess.Popen(
            [
                python(settings).with_name("gunicorn"),
                *("--bind", f"127.0.0.1:{port}", "--worker-class", "gthread", "--workers", "1", "--threads", "8"),
                *("--timeout", "120", "superset.app:create_app()"),
            ],
            env=environment(settings),
            cwd=settings.root,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            # a Ctrl-C in the terminal must reach us alone
            start_new_session=True,
        )
    _pid_file(settings).write_text(
        json.dumps([process.pid, psutil.Process(process.pid).create_time()]), encoding="utf-8"
    )
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until:
        if process.poll() is not None:
            raise SupersetError(f"Superset ended at its start; its log is {log}:\n{tail(log)}")
        with contextlib.suppress(httpx.HTTPError):
            if httpx.get(f"{url}/health", timeout=5).is_success:
                return Address(url, users_file(settings))
        time.sleep(0.3)
    down(settings)
    raise SupersetError(f"Superset did not answer within {START_SECONDS} s; its log is {log}:\n{tail(log)}")


def address(settings: Settings) -> Address | None:
    """Return where the running Superset is, or ``None`` when it does not run."""
    if _running(settings) is None:
        return None
    port = (_home(settings) / "port").read_text(encoding="utf-8")
    return Address(f"http://127.0.0.1:{port}", users_file(settings))


def environment(settings: Settings) -> dict[str, str]:
    """Return the environment of Superset's processes: this one's, with what ``superset_config.py`` asks for.

    Raises:
        SupersetError: a warehouse of one's own, and no database named for Superset's metadata.
    """
    source = settings.root / "superset"
    return {
        **{name: value for name, value in os.environ.items() if name not in {"PYTHONPATH", "VIRTUAL_ENV"}},
        "SUPERSET_CONFIG_PATH": str(source / "superset_config.py"),
        "SUPERSET_HOME": str(_home(settings)),
        "SUPERSET_SECRET_KEY": _secret_key(settings),
        "VMESTE_SUPERSET_METADATA_URL": _as_sqlalchemy(_metadata_url(settings)),
        "VMESTE_BI_URL": _as_sqlalchemy(bi_reader.url(settings)),
        "VMESTE_BI_USERS": str(users_file(settings)),
        "SCARF_ANALYTICS": "false",
        "DO_NOT_TRACK": "1",
    }


def draw_users(settings: Settings) -> dict[str, str]:
    """Draw the passwords of those who have none; return only the new ones, to be told once: name → password."""
    file = users_file(settings)
    present = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    new = {name: secrets.token_urlsafe(12) for name in USERS if name not in present}
    if new:
        drawn = {name: {"role": USERS[name], "password": password} for name, password in new.items()}
        _write_secret(file, json.dumps({**present, **drawn}, ensure_ascii=False, indent=2))
    return new


def users_file(settings: Settings) -> Path:
    """Return where name → role, password and, for whoever sees one organisation only, organisation lie."""
    return settings.home / "secrets" / "superset_users.json"


def make_environment(settings: Settings) -> None:
    """Install ``superset/requirements.txt`` into an environment of Superset's own, unless that is there.

    Raises:
        SupersetError: the packages cannot be installed; the message names the log.
    """
    if SupersetSettings().superset_venv is not None:
        return
    venv, requirements = _home(settings) / "venv", settings.root / "superset" / "requirements.txt"
    wanted = hashlib.sha256(requirements.read_bytes() + sys.version.encode()).hexdigest()
    stamp = venv / "made"
    if stamp.exists() and stamp.read_text(encoding="utf-8") == wanted:
        return
    log = _log(settings, "superset-install")
    uv = Path(sys.prefix) / "bin" / "uv"
    install = ("-q", "--require-hashes", "-r", str(requirements))
    # as for the environment of ours: uv reads no pip.conf, so pip does it where uv reaches no index
    commands = [
        [sys.executable, "-m", "venv", "--clear", str(venv)],
        # uv compiles nothing unless it is told to, and each start would compile Superset's 3,000 files anew
        [str(uv), "pip", "install", "--compile-bytecode", "--python", str(venv / "bin" / "python"), *install],
        [str(venv / "bin" / "pip"), "install", "--disable-pip-version-check", *install],
    ]
    with log.open("wb") as output:
        made, by_uv = (subprocess.run(command, stdout=output, stderr=output).returncode for command in commands[:2])
        done = not made and (not by_uv or not subprocess.run(commands[2], stdout=output, stderr=output).returncode)
    if not done:
        raise SupersetError(f"Superset's environment was not made; its log is {log}:\n{tail(log)}")
    stamp.write_text(wanted, encoding="utf-8")


def python(settings: Settings) -> Path:
    """Return the Python of Superset's environment."""
    return (SupersetSettings().superset_venv or _home(settings) / "venv") / "bin" / "python"


def _metadata_url(settings: Settings) -> str:
    given = SupersetSettings().superset_metadata_url
    if given:
        return given
    if not settings.is_embedded:
        raise SupersetError(
            "Superset needs a database for its metadata: set VMESTE_SUPERSET_METADATA_URL, "
            "e.g. postgresql://superset:password@host:5432/superset"
        )
    return embedded.make_database(settings, DATABASE)


def _as_sqlalchemy(url: str) -> str:
    return "postgresql+psycopg2://" + url.split("://", 1)[1]


def _secret_key(settings: Settings) -> str:
    file = settings.home / "secrets" / "superset.json"
    if not file.exists():
        _write_secret(file, json.dumps({"secret_key": secrets.token_urlsafe(48)}))
    return str(json.loads(file.read_text(encoding="utf-8"))["secret_key"])


def _write_secret(file: Path, text: str) -> None:
    """Write a file that only this user may read."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.parent.chmod(0o700)
    part = file.with_suffix(".part")
    part.unlink(missing_ok=True)
    part.touch(mode=0o600)
    part.write_text(text, encoding="utf-8")
    part.rename(file)


def _home(settings: Settings) -> Path:
    home = settings.home / "superset"
    home.mkdir(parents=True, exist_ok=True)
    return home


def _pid_file(settings: Settings) -> Path:
    return _home(settings) / "pid.json"


def _log(settings: Settings, name: str) -> Path:
    log = settings.home / "logs" / f"{name}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    return log


def _port(settings: Settings) -> int:
    """Return the port of last time if it is free, otherwise another free one, and remember it."""
    file = _home(settings) / "port"
    wanted = int(file.read_text(encoding="utf-8")) if file.exists() else 0
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", wanted))
        except OSError:
            probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    file.write_text(str(port), encoding="utf-8")
    return port


def _running(settings: Settings) -> psutil.Process | None:
    """Return the server's process if it is the one that was started: its number may be another's by now."""
    file = _pid_file(settings)
    if not file.exists():
        return None
    pid, created = json.loads(file.read_text(encoding="utf-8"))
    with contextlib.suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        if process.create_time() == created and process.status() != psutil.STATUS_ZOMBIE:
            return process
    return None
