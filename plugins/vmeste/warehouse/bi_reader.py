"""The login of dashboards: a user that can do what ``vmeste_bi`` may, which is to read ``published``, and no more.

The password is drawn once into ``VMESTE_HOME/secrets/bi_reader.json`` (mode 0600) and printed nowhere. The server
is given its SCRAM verifier alone, so that no log of statements holds it. A login of one organisation sees the rows of
that organisation, whatever it sets in its session: PostgreSQL's policies ask ``ledger.readers`` who it is.
"""

from __future__ import annotations

import json
import re
import secrets
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

import psycopg
from psycopg import sql

from vmeste.settings import Settings
from vmeste.warehouse.connect import warehouse_url

USER = "vmeste_bi_reader"
STATEMENT_TIMEOUT = "60s"


class BiReaderError(Exception):
    """The login is not there yet, or cannot be made; the message says what to do."""


def user_of(organisation: str = "") -> str:
    """Return the login's name: of dashboards that show all, or one organisation.

    Raises:
        BiReaderError: that cannot be an organisation's code.
    """
    if not re.fullmatch(r"[a-z0-9_]{0,40}", organisation):
        raise BiReaderError(f"{organisation!r} is no organisation's code: expected one as in the registration of pairs")
    return f"{USER}_of_{organisation}" if organisation else USER


def secrets_file(settings: Settings, organisation: str = "") -> Path:
    """Return where the password lies, as JSON of the user's name and password."""
    name = user_of(organisation).removeprefix("vmeste_")
    return settings.home / "secrets" / f"{name}.json"


def ensure(settings: Settings, *, renew: bool = False, organisation: str = "") -> Path:
    """Make the login, or bring it up to date, and return the file that holds its password.

    Args:
        settings: names the warehouse and the home.
        renew: draw another password; whoever uses the old one must be given the new file.
        organisation: whose rows the login sees; '' makes the login that sees all.

    Raises:
        BiReaderError: the warehouse's user may not make logins, or the schemas have not been made.
    """
    name = user_of(organisation)
    file = secrets_file(settings, organisation)
    password = secrets.token_urlsafe(32) if renew or not file.exists() else _password(file)
    with psycopg.connect(warehouse_url(settings)) as warehouse:
        verifier = warehouse.pgconn.encrypt_password(password.encode(), name.encode(), b"scram-sha-256").decode()
        is_there = warehouse.execute("select from pg_roles where rolname = %s", (name,)).fetchone() is not None
        user = sql.Identifier(name)
        try:
            # as made, it can do nothing but log in
            warehouse.execute(
                sql.SQL("{} role {} login password {}").format(
                    sql.SQL("alter" if is_there else "create"), user, sql.Literal(verifier)
                )
            )
            if organisation:  # before it may read anything
                warehouse.execute(
                    "insert into ledger.readers values (%s, %s) on conflict (reader) do nothing", (name, organisation)
                )
            warehouse.execute(sql.SQL("grant vmeste_bi to {}").format(user))
            for setting, value in (
                ("default_transaction_read_only", "on"),
                ("statement_timeout", STATEMENT_TIMEOUT),
                ("search_path", "published"),
            ):
                warehouse.execute(
                    sql.SQL("alter role {} set {} = {}").format(user, sql.SQL(setting), sql.Literal(value))
                )
        except psycopg.errors.InsufficientPrivilege as error:
            raise BiReaderError(
                f"the login {name} cannot be made: {error.diag.message_primary}. The user of VMESTE_WAREHOUSE_URL "
                "needs CREATEROLE and the right to grant vmeste_bi"
            ) from error
        except psycopg.errors.UndefinedObject as error:
            raise BiReaderError(f"{error.diag.message_primary}: run `vmeste migrate` first") from error
        # the file first: a password that the server knows and nobody else would lock everybody out
        _write(file, name, password)
    return file


def url(settings: Settings, organisation: str = "") -> str:
    """Return the warehouse's address for dashboards, password and all.

    Raises:
        BiReaderError: the login has not been made.
    """
    file = secrets_file(settings, organisation)
    if not file.exists():
        raise BiReaderError(f"there is no {file}: run `vmeste bi-login`")
    parts = urlsplit(warehouse_url(settings))
    server = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{user_of(organisation)}:{quote(_password(file), safe='')}@{server}"))


def _password(file: Path) -> str:
    return str(json.loads(file.read_text(encoding="utf-8"))["password"])


def _write(file: Path, user: str, password: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.parent.chmod(0o700)
    part = file.with_suffix(".part")
    part.unlink(missing_ok=True)
    part.touch(mode=0o600)
    part.write_text(json.dumps({"user": user, "password": password}), encoding="utf-8")
    part.rename(file)
