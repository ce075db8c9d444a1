"""Numbered SQL files bring a database to the present state, each once; ``ops.migrations`` is the ledger.

Plain SQL: the schemas are the contract with dbt and BI, and a model layer between would hide it.
"""

from __future__ import annotations

import hashlib
import logging
from pathlib import Path
from typing import Any

import psycopg

from vmeste.forms import load_forms
from vmeste.settings import Settings
from vmeste.warehouse import connect, embedded
from vmeste.warehouse.raw_tables import ensure_table

logger = logging.getLogger(__name__)

FOLDER = Path(__file__).parent / "migrations"


class MigrationError(Exception):
    """A migration cannot be applied, or one that was applied has been altered since."""


def migrate(settings: Settings) -> list[str]:
    """Start the embedded server if it is used, apply what is missing, make the raw tables of all forms.

    Returns the names of the migrations applied now.
    """
    embedded.start(settings)
    applied = []
    with psycopg.connect(connect.warehouse_url(settings)) as warehouse:
        applied += apply(warehouse, FOLDER)
    with psycopg.connect(connect.vault_url(settings)) as vault:
        applied += apply(vault, FOLDER / "vault")
    with connect.connect(settings, "vmeste_loader") as loader:
        for form in load_forms(settings.forms).values():
            ensure_table(loader, form)
    return applied


def apply(connection: psycopg.Connection[tuple[Any, ...]], folder: Path) -> list[str]:
    """Apply the numbered files of a folder that the database has not seen, in one transaction.

    Raises:
        MigrationError: a file that was applied has other content now, or lacks a privilege.
    """
    # two processes that start at once must not both apply
    connection.execute("select pg_advisory_xact_lock(hashtext('vmeste.migrations'))")
    if connection.execute("select to_regclass('ops.migrations')").fetchone() == (None,):
        connection.execute("create schema if not exists ops")
        connection.execute(
            "create table ops.migrations (name text primary key, sha256 text not null, "
            "applied_at timestamptz not null default now())"
        )
    ledger: dict[str, str] = dict(connection.execute("select name, sha256 from ops.migrations").fetchall())
    applied = []
    for file in sorted(folder.glob("[0-9]*.sql")):
        text = file.read_text(encoding="utf-8")
        digest = hashlib.sha256(text.encode()).hexdigest()
        if file.name in ledger:
            if ledger[file.name] != digest:
                raise MigrationError(f"{file.name} was applied with other content: write a new migration instead")
            continue
        logger.info("applying %s", file.name)
        try:
            connection.execute(text.encode())
        except psycopg.errors.InsufficientPrivilege as error:
            raise MigrationError(
                f"{file.name}: {error.diag.message_primary}. The user of VMESTE_WAREHOUSE_URL must own the database "
                "and have CREATEROLE"
            ) from error
        connection.execute("insert into ops.migrations (name, sha256) values (%s, %s)", (file.name, digest))
        applied.append(file.name)
    connection.commit()
    return applied
