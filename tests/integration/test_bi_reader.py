"""Dashboards log in as a user who reads the released tables and the live views, and is refused everything else."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row
from typer.testing import CliRunner

from vmeste import cli
from vmeste.settings import Settings
from vmeste.warehouse import bi_reader, embedded
from vmeste.warehouse.connect import connect

NOW = datetime.now(UTC)


@pytest.fixture(scope="module")
def reader(settings: Settings) -> str:
    """The address with which dashboards connect."""
    bi_reader.ensure(settings)
    return bi_reader.url(settings)


@pytest.fixture(scope="module")
def filled(settings: Settings) -> None:
    """Syncs, refused rows and late rows to look at; no test changes them."""
    sync = (
        "insert into ops.sync_runs (batch_id, run_id, source, form_id, started_at, finished_at, server_count, "
        "received, accepted, quarantined, voided, unchanged, state, error) "
        "values (%s, 'r', 'centre', %s, %s, %s, %s, %s, %s, 0, 0, 0, %s, %s)"
    )
    with connect(settings, "vmeste_loader") as loader:
        for batch, form, hours, rows, state, error in (
            ("b1", "f4_meeting", 50, 7, "complete", None),
            ("b2", "f4_meeting", 2, 0, "failed", "the server said something"),
            ("b3", "f7_followup", 3, 4, "complete", None),
        ):
            at = NOW - timedelta(hours=hours)
            loader.execute(sync.encode(), (batch, form, at, at, rows, rows, rows, state, error))
        for number, (days, rules, state) in enumerate(
            (
                (0, ["duplicate"], "open"),
                (1, ["duplicate", "future"], "open"),
                (7.9, ["duplicate"], "open"),
                (8, ["duplicate"], "open"),
                (30.9, ["duplicate"], "open"),
                (31, ["duplicate"], "open"),
                (40, ["duplicate"], "waived"),
            )
        ):
            loader.execute(
                "insert into quarantine.rows (source, form_id, submission_id, content_hash, form_version, "
                "submitted_at, rules, remedy_ru, payload, state, first_seen_at, batch_id) "
                "values ('centre', 'f4_meeting', %s, 'x', '1', now(), %s, 'исправить', '{}', %s, %s, 'b1')",
                (str(number), rules, state, NOW - timedelta(days=days, minutes=5)),
            )
    with connect(settings, "vmeste_transformer") as transformer:
        transformer.execute(
            "insert into published.releases (release_id, quarter, revision, state, cutoff_at, prepared_by, "
            "prepared_at, definition_version, code_revision, suppression_version, validation, provenance, checksum) "
            "values ('2050-Q1-r1', '2050-Q1', 1, 'draft', now(), 'x', now(), '1', 'x', 'x', '{}', '{}', "
            "repeat('0', 64))"
        )
        for kind, count in (("added", 5), ("edited", 4), ("voided", 1)):
            transformer.execute(
                "insert into ledger.late_rows values ('2050-Q1-r1', '2049-Q4', 'f7_followup', %s, %s)", (kind, count)
            )


@pytest.fixture
def dashboards(reader: str, filled: None) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(reader, row_factory=dict_row) as connection:
        yield connection
        connection.rollback()


@pytest.mark.parametrize(
    "statement",
    [
        "select * from raw.f2_self_report",
        "select * from quarantine.rows",
        "select count(*) from quarantine.rows",
        "select * from ops.sync_runs",
        "select error from ops.sync_runs",
        "select * from ops.erasures",
        "select * from ledger.late_rows",
        "select * from ledger.restatement_causes",
        "select * from ledger.outcomes",
        "select * from ledger.seals",
        "select rows_by_kind from published.restatements",
        "select provenance from published.releases",
        "create table published.mine (x int)",
        "create schema mine",
        "set role vmeste_keeper",
        "set role vmeste_transformer",
        "set role vmeste_loader",
    ],
)
def test_dashboards_are_refused_what_they_need_not_read(dashboards: psycopg.Connection[Any], statement: str) -> None:
    # the session is read only by default; whoever is not refused for this reason must be for the other
    dashboards.execute("set transaction read write")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        dashboards.execute(statement.encode())


@pytest.mark.parametrize("statement", ["insert into published.pictures values ('x', 'results_tree', 'x', 'x')"])
def test_dashboards_write_nothing(dashboards: psycopg.Connection[Any], statement: str) -> None:
    with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
        dashboards.execute(statement.encode())
    dashboards.rollback()
    dashboards.execute("set transaction read write")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        dashboards.execute(statement.encode())


def test_dashboards_read_everything_else_of_published(dashboards: psycopg.Connection[Any]) -> None:
    names = [
        row["name"]
        for row in dashboards.execute(
            "select relname::text as name from pg_class where relnamespace = 'published'::regnamespace "
            "and relkind in ('r', 'v') order by 1"
        )
    ]
    assert len(names) > 30
    kept_back = {"releases": ["provenance"], "restatements": ["rows_by_kind"]}
    for name in names:
        columns = [
            row["name"]
            for row in dashboards.execute(
                "select attname::text as name from pg_attribute where attrelid = %s::regclass and attnum > 0",
                (f"published.{name}",),
            )
            if row["name"] not in kept_back.get(name, [])
        ]
        dashboards.execute(f"select {', '.join(columns)} from published.{name} limit 1".encode())


def test_the_vault_does_not_let_dashboards_in(reader: str, filled: None) -> None:
    with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
        psycopg.connect(reader.replace("/vmeste?", "/vmeste_vault?"))


def test_the_password_lies_in_one_file_and_is_printed_nowhere(
    settings: Settings, reader: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = bi_reader.secrets_file(settings)
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o077 == 0
    former = json.loads(file.read_text(encoding="utf-8"))
    assert former["user"] == bi_reader.USER
    assert len(former["password"]) >= 32
    monkeypatch.setattr(cli, "get_settings", lambda: settings)
    said = CliRunner().invoke(cli.app, ["bi-login"])
    assert said.exit_code == 0, said.output
    assert json.loads(file.read_text(encoding="utf-8")) == former, "another call draws no other password"
    renewed = CliRunner().invoke(cli.app, ["bi-login", "--renew"])
    password = json.loads(file.read_text(encoding="utf-8"))["password"]
    assert password != former["password"]
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(reader)
    psycopg.connect(bi_reader.url(settings)).close()
    log = (settings.home / "postgres" / "log").read_text(encoding="utf-8", errors="replace")
    for secret in (former["password"], password):
        assert secret not in said.output + renewed.output + log
    # for the other tests of this file
    bi_reader.secrets_file(settings).write_text(json.dumps(former), encoding="utf-8")
    bi_reader.ensure(settings)


def test_a_login_that_was_not_made_says_how_to_make_it(settings: Settings) -> None:
    elsewhere = settings.model_copy(update={"home": settings.home / "elsewhere"})
    with pytest.raises(bi_reader.BiReaderError, match="bi-login"):
        bi_reader.url(elsewhere)


def test_a_user_who_may_make_no_logins_is_told_so(settings: Settings) -> None:
    vault = embedded.url(settings, "vmeste_vault")
    poor = settings.model_copy(update={"warehouse_url": vault, "vault_url": vault})
    with pytest.raises(bi_reader.BiReaderError, match="CREATEROLE"):
        bi_reader.ensure(poor)


def test_the_last_sync_of_each_form_is_shown_without_its_error(dashboards: psycopg.Connection[Any]) -> None:
    rows = dashboards.execute("select * from published.sync_status order by form_id").fetchall()
    assert list(rows[0]) == [
        *("source", "form_id", "last_started_at", "last_finished_at", "state", "server_count", "received", "accepted"),
        *("quarantined", "voided", "unchanged", "hours_since_success", "organisation_code"),
    ]
    told = [(row["form_id"], row["state"], row["server_count"], round(row["hours_since_success"])) for row in rows]
    assert told == [("f4_meeting", "failed", 0, 50), ("f7_followup", "complete", 4, 3)]


def test_refused_rows_are_counted_by_age(dashboards: psycopg.Connection[Any]) -> None:
    rows = dashboards.execute("select * from published.quarantine_ages order by rule, sort_order").fetchall()
    assert list(rows[0]) == ["form_id", "rule", "age_band_ru", "sort_order", "open_rows", "organisation_code"]
    assert [(row["rule"], row["age_band_ru"], row["open_rows"]) for row in rows] == [
        ("duplicate", "до 1 дня", 1),
        ("duplicate", "1–7 дней", 2),
        ("duplicate", "8–30 дней", 2),
        ("duplicate", "больше 30 дней", 1),
        ("future", "1–7 дней", 1),
    ]


def test_fewer_than_five_late_rows_are_not_counted_out(dashboards: psycopg.Connection[Any]) -> None:
    rows = dashboards.execute(
        "select kind, submissions, status from published.late_rows_shown order by kind"
    ).fetchall()
    assert [tuple(row.values()) for row in rows] == [
        ("added", 5, "shown"),
        ("edited", None, "suppressed_small_n"),
        ("voided", None, "suppressed_small_n"),
    ]


@pytest.mark.parametrize(
    "statement",
    [
        "select error from ops.sync_runs",
        "select notes from ops.sync_runs",
        "select payload from quarantine.rows",
        "select submission_id from quarantine.rows",
        "select * from ops.erasures",
        "select * from raw.f2_self_report",
    ],
)
def test_the_owner_of_the_views_reads_what_they_count_and_no_more(settings: Settings, statement: str) -> None:
    with connect(settings) as connection:
        connection.execute("set role vmeste_keeper")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(statement.encode())


def test_every_column_of_published_is_explained(settings: Settings, dashboards: psycopg.Connection[Any]) -> None:
    text = (settings.root / "docs" / "published.md").read_text(encoding="utf-8")
    columns = dashboards.execute(
        "select relname::text as relation, attname::text as name from pg_attribute "
        "inner join pg_class on pg_class.oid = attrelid where relnamespace = 'published'::regnamespace "
        "and relkind in ('r', 'v') and attnum > 0 and not attisdropped "
        # those of the indicators and of what a release was computed by are the seeds' and the marts' own
        "and relname not in "
        "('indicator_values', 'current_indicator_values', 'indicator_definitions', 'parameters')"
    ).fetchall()
    assert len(columns) > 200
    missing = {(row["relation"], row["name"]) for row in columns if f"`{row['name']}`" not in text}
    missing -= {("releases", "provenance"), ("restatements", "rows_by_kind"), ("restatements", "previous_release_id")}
    assert not missing
    relations = {row["relation"] for row in columns}
    assert not {name for name in relations if name.removeprefix("current_") not in text}
