"""PostgreSQL's own files: a deleted row lies there until its table is written anew and the write-ahead log moved on."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable
from typing import Any

import psycopg
from psycopg import sql

from vmeste.settings import Settings
from vmeste.warehouse import embedded
from vmeste.warehouse.connect import airflow_url, vault_url, warehouse_url

logger = logging.getLogger(__name__)


def purge(settings: Settings) -> None:
    """Write anew the tables that an erasure touched, with the statistics on their values, then renew the server's log.

    On a server of one's own the log (WAL) is left to its administrator: the act says so.
    """
    _rewrite(warehouse_url(settings), ["raw", "quarantine", "ops", "ledger"])
    _rewrite(vault_url(settings), ["vault"])
    if address := airflow_url(settings):
        _rewrite(address, ["public"])
    if settings.is_embedded:
        _renew_log(settings)


def _rewrite(address: str, schemas: Iterable[str]) -> None:
    with psycopg.connect(address, autocommit=True) as connection:
        tables = connection.execute(
            "select pg_class.oid::regclass::text, pg_get_userbyid(relowner) from pg_class "
            "where relkind = 'r' and relnamespace::regnamespace::text = any(%s) order by 1",
            (list(schemas),),
        ).fetchall()
        for table, owner in tables:
            _vacuum(connection, table, owner)
        # the most frequent values of each column stand in the catalogue as well
        connection.execute("vacuum full pg_catalog.pg_statistic")


def _vacuum(connection: psycopg.Connection[Any], table: str, owner: str) -> None:
    connection.execute(sql.SQL("set role {}").format(sql.Identifier(owner)))
    try:
        connection.execute(sql.SQL("vacuum (full, analyze) {}").format(sql.SQL(table)))
    finally:
        connection.execute("reset role")


def _renew_log(settings: Settings) -> None:
    """Go through all segments of the log, whose old contents are kept for reuse, and have them removed."""
    with psycopg.connect(embedded.url(settings, "postgres"), autocommit=True) as server:
        server.execute("alter system set wal_recycle = off")
        server.execute("select pg_reload_conf()")
        time.sleep(0.3)  # the checkpointer reads the setting when it wakes
        segments = server.execute("select count(*) from pg_ls_waldir()").fetchall()[0][0]
        for _ in range(segments + 1):
            server.execute("select pg_logical_emit_message(false, 'vmeste', 'next segment')")
            server.execute("select pg_switch_wal()")
        server.execute("checkpoint")
        server.execute("checkpoint")
        server.execute("alter system reset wal_recycle")
        server.execute("select pg_reload_conf()")
