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
