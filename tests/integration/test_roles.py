"""Least privilege: each role is refused what it need not do, by trying it."""

from __future__ import annotations

import psycopg
import pytest

from vmeste.settings import Settings
from vmeste.warehouse import embedded
from vmeste.warehouse.connect import Role, connect, vault_url, warehouse_url


@pytest.mark.parametrize(
    ("role", "statement"),
    [
        ("vmeste_bi", "select * from raw.f2_self_report"),
        ("vmeste_bi", "select * from quarantine.rows"),
        ("vmeste_bi", "select * from ops.sync_runs"),
        ("vmeste_bi", "select * from secret_marts.figures"),
        ("vmeste_bi", "insert into published.releases default values"),
        ("vmeste_bi", "select * from ledger.outcomes"),
        ("vmeste_bi", "select * from ledger.restatement_causes"),
        ("vmeste_bi", "select * from ledger.seals"),
        ("vmeste_bi", "create table public.mine (x int)"),
        ("vmeste_bi", "create schema mine"),
        ("vmeste_transformer", "insert into raw.f2_self_report (pair_key) values ('x')"),
        ("vmeste_transformer", "delete from raw.f2_self_report"),
        ("vmeste_transformer", "select payload from quarantine.rows"),
        ("vmeste_transformer", "update quarantine.rows set state = 'waived'"),
        ("vmeste_transformer", "create table published.mine (x int)"),
        ("vmeste_transformer", "update ledger.outcomes set is_due = true"),
        ("vmeste_transformer", "delete from ledger.restatement_causes"),
        ("vmeste_transformer", "alter table published.releases disable trigger all"),
        ("vmeste_loader", "select * from ledger.outcomes"),
        ("vmeste_loader", "select * from published.indicator_values"),
        ("vmeste_loader", "delete from ops.sync_runs"),
        ("vmeste_loader", "create schema mine"),
        ("vmeste_loader", "delete from ops.erasures"),
        ("vmeste_transformer", "update ops.erasures set kind = 'mentor'"),
        ("vmeste_eraser", "delete from ops.sync_runs"),
        ("vmeste_eraser", "delete from ops.erasures"),
        ("vmeste_eraser", "insert into quarantine.rows default values"),
        ("vmeste_eraser", "select * from published.indicator_values"),
        ("vmeste_eraser", "select * from ledger.outcomes"),
        ("vmeste_eraser", "create schema mine"),
    ],
)
def test_a_role_is_refused_what_it_need_not_do(settings: Settings, role: Role, statement: str) -> None:
    with connect(settings, "vmeste_transformer") as owner:
        owner.execute("create schema if not exists secret_marts")
        owner.execute("create table if not exists secret_marts.figures (x int)")
    with connect(settings, role) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute(statement.encode())


@pytest.mark.parametrize(
    ("role", "statement"),
    [
        ("vmeste_bi", "select * from published.indicator_values"),
        ("vmeste_bi", "select * from published.current_indicator_values"),
        ("vmeste_transformer", "select * from raw.f2_self_report"),
        ("vmeste_transformer", "select rules, state from quarantine.rows"),
        ("vmeste_transformer", "create schema if not exists a_new_layer"),
        ("vmeste_loader", "select * from quarantine.rows"),
    ],
)
def test_a_role_may_do_its_work(settings: Settings, role: Role, statement: str) -> None:
    with connect(settings, role) as connection:
        connection.execute(statement.encode())
        connection.rollback()


ACTIONS = {
    "select": "select * from {table} limit 0",
    "insert": "insert into {table} default values",
    "update": "update {table} set {column} = {column} where false",
    "delete": "delete from {table} where false",
    "truncate": "truncate {table}",
    "alter": "alter table {table} add column made_up integer",
    "drop": "drop table {table}",
}
READ, ADD = {"select"}, {"select", "insert"}
CHANGE = ADD | {"update"}
WORK = CHANGE | {"delete"}
MAY: dict[Role, dict[str, set[str]]] = {
    "vmeste_loader": {
        # its own: a form that gets a question gets a column
        "raw": set(ACTIONS),
        "quarantine": set(ACTIONS),
        "ops": set(),
        "ops.check_results": ADD,
        "ops.cursors": CHANGE,
        "ops.sync_runs": CHANGE,
        "ops.denials": WORK,
        "ops.troubles": WORK,
        "ops.erasures": READ,
        "ops.source_organisations": ADD,
    },
    "vmeste_transformer": {
        "raw": READ,
        "ops": set(),
        "ops.check_results": READ,
        "ops.erasures": READ,
        "ops.sync_runs": READ,
        "ops.source_organisations": READ,
        "ledger": ADD,
        "ledger.readers": set(),  # whom a policy asks, by its owner's right
        "ledger.standing_cells": READ,  # noted by a trigger
        "ledger.candidate": WORK,
        "ledger.outcomes": ADD | {"delete"},  # who is erased goes; what was counted never changes
        "published": ADD,
    },
    "vmeste_bi": {
        "published": READ,
        "published.releases": set(),  # but for the columns that name nobody's address or words
        "published.restatements": set(),
    },
    "vmeste_eraser": {
        "raw": WORK,
        "quarantine": WORK - {"insert"},
        "ops": set(),
        "ops.cursors": CHANGE - {"insert"},
        "ops.sync_runs": CHANGE - {"insert"},
        "ops.erasures": CHANGE,
    },
}
"""Role → schema or table → what it may do there; nothing where neither is named."""


@pytest.mark.parametrize("role", MAY)
def test_a_role_may_do_what_is_listed_and_nothing_else(settings: Settings, role: Role) -> None:
    """Every action on every table of ours is tried, and taken back."""
    with connect(settings) as owner:
        tables = owner.execute(
            "select nspname, relname, (select attname from pg_attribute "
            "where attrelid = pg_class.oid and attnum > 0 and attidentity = '' order by attnum limit 1) "
            "from pg_class inner join pg_namespace on pg_namespace.oid = relnamespace "
            "where relkind = 'r' and nspname in ('raw', 'quarantine', 'ops', 'published', 'ledger') order by 1, 2"
        ).fetchall()
    assert len(tables) > 50
    wrong = []
    with connect(settings, role) as connection:
        for schema, name, column in tables:
            allowed = MAY[role].get(f"{schema}.{name}", MAY[role].get(schema, set()))
            for action, statement in ACTIONS.items():
                try:
                    with connection.transaction(force_rollback=True):
                        connection.execute(statement.format(table=f"{schema}.{name}", column=column).encode())
                    may = True
                except psycopg.errors.InsufficientPrivilege:
                    may = False
                except psycopg.Error:
                    may = True  # stopped by something else: a trigger, or a column that must not be null
                if may != (action in allowed):
                    wrong.append(f"{action} {schema}.{name}: {'done' if may else 'refused'}")
    assert wrong == []


@pytest.mark.parametrize("role", MAY)
@pytest.mark.parametrize(
    "statement",
    [
        "create role made_up",
        "alter role vmeste_bi login",
        "set role vmeste_keeper",
        "create database made_up",
        "copy (select 1) to program 'cat'",
        "select pg_read_file('postgresql.conf')",
        "alter system set log_statement = 'all'",
        "create table ops.made_up (x integer)",
        "create table published.made_up (x integer)",
        "create table ledger.made_up (x integer)",
        "create table public.made_up (x integer)",
        "drop schema ops cascade",
        "drop schema published cascade",
        "alter default privileges for role vmeste_keeper grant select on tables to vmeste_bi",
        "select pg_terminate_backend(pid) from pg_stat_activity where usename = 'postgres'",
    ],
)
def test_no_role_goes_beyond_its_schemas(settings: Settings, role: Role, statement: str) -> None:
    with connect(settings, role) as connection:
        connection.autocommit = True
        if statement == "set role vmeste_keeper":
            found = connection.execute("select pg_has_role(%s, 'vmeste_keeper', 'member')", (role,)).fetchone()
            assert found == (False,)
            return
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(statement.encode())


def test_the_vault_is_closed_to_the_warehouse_user(settings: Settings) -> None:
    address = warehouse_url(settings).replace("/vmeste?", "/vmeste_vault?")
    with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
        psycopg.connect(address)


def test_the_vault_user_is_refused_in_the_warehouse(settings: Settings) -> None:
    address = vault_url(settings).replace("/vmeste_vault?", "/vmeste?")
    with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
        psycopg.connect(address)


def test_nobody_enters_without_a_password(settings: Settings) -> None:
    for user in embedded.USERS:
        address = embedded.url(settings, user)
        without = address.replace(address.split("://")[1].split("@")[0], user)
        with pytest.raises(psycopg.OperationalError, match="password"):
            psycopg.connect(without)
    assert (settings.home / "secrets" / "postgres.json").stat().st_mode & 0o077 == 0
