"""What dashboards read is frozen with a release, hidden, sealed, and cannot be changed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from tests.integration.small_marts import MARTS, small_marts
from tests.integration.test_publish import APPROVALS, changed, in_quarter
from tests.unit.releases.synthetic import cell, made_up_candidate
from vmeste.releases.companion_tables import COMPANIONS
from vmeste.releases.publish import PublishError, declare_error, publish, verify
from vmeste.releases.quarters import Quarter
from vmeste.settings import Settings
from vmeste.warehouse.connect import Role, connect

QUARTER = Quarter(2040, 4)
TABLES = tuple(companion.table for companion in COMPANIONS)


@pytest.fixture(scope="module")
def release(settings: Settings) -> Iterator[str]:
    """A release of a small made-up programme."""
    with small_marts(settings, QUARTER) as (connection, computed):
        candidate = in_quarter(made_up_candidate(), QUARTER)
        yield publish(connection, candidate, APPROVALS, "unknown", "demo-engineer", computed=computed)


def rows(settings: Settings, query: str, role: Role = "vmeste_bi") -> list[dict[str, Any]]:
    with connect(settings, role) as connection, connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(query.encode()).fetchall()


@pytest.mark.parametrize("table", TABLES)
def test_every_table_is_frozen_with_the_release(settings: Settings, release: str, table: str) -> None:
    found = rows(settings, f"select * from published.{table}")
    assert found
    assert {row["release_id"] for row in found} == {release}
    current = rows(settings, f"select * from published.current_{table}")
    whose = {"organisation_code": "unknown", "programme_code": "unknown"}
    assert [{"is_newest": True, **whose, **row} for row in found] == current


@pytest.mark.parametrize("table", TABLES)
def test_a_table_that_is_published_has_its_row_named_by_its_key(settings: Settings, release: str, table: str) -> None:
    """The seal tells rows apart by the same columns as the primary key."""
    (key,) = rows(
        settings,
        "select array_agg(attname::text order by attname) as names from pg_constraint "
        "inner join pg_attribute on attrelid = conrelid and attnum = any(conkey) "
        f"where conrelid = 'published.{table}'::regclass and contype = 'p' and attname <> 'release_id'",
    )
    (companion,) = (found for found in COMPANIONS if found.table == table)
    assert sorted(companion.names) == key["names"]


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize(
    ("statement", "error"),
    [
        ("update published.{} set release_id = release_id", psycopg.errors.RestrictViolation),
        ("delete from published.{}", psycopg.errors.RestrictViolation),
        ("truncate published.{}", psycopg.errors.RestrictViolation),
        ("insert into published.{0} select * from published.{0} limit 1", psycopg.errors.RestrictViolation),
    ],
    ids=["update", "delete", "truncate", "insert"],
)
@pytest.mark.parametrize("role", ["vmeste_transformer", "vmeste_bi", None])
def test_what_was_released_refuses_change(
    settings: Settings, release: str, table: str, statement: str, error: type[Exception], role: Role | None
) -> None:
    """The owner of the tables, as whom nobody acts, meets the triggers; the others lack the privilege as well."""
    with connect(settings, role) as connection:
        if role is None:
            connection.execute("set role vmeste_keeper")
        expected = error if role is None else (error, psycopg.errors.InsufficientPrivilege)
        with pytest.raises(expected):
            connection.execute(statement.format(table).encode())


@pytest.mark.parametrize("table", TABLES)
def test_a_changed_row_is_found_in_its_place(settings: Settings, release: str, table: str) -> None:
    """Whoever owns the tables can switch their triggers off; the seal tells."""
    with connect(settings) as owner:
        (column,) = owner.execute(
            "select attname from pg_attribute where attrelid = %s::regclass and attnum > 0 and not attisdropped "
            "and atttypid = 'text'::regtype and attname <> 'release_id' order by attnum desc limit 1",
            (f"published.{table}",),
        ).fetchone() or ("",)
        owner.execute(f"alter table published.{table} disable trigger user".encode())
        values = {"status": "planned", "form": "long"}
        owner.execute(f"alter table published.{table} drop constraint if exists {table}_status_check".encode())
        owner.execute(f"alter table published.{table} drop constraint if exists hidden_curves_are_null".encode())
        where = f"ctid = (select min(ctid) from published.{table})"
        changed_rows = owner.execute(
            f"update published.{table} set {column} = %s where {where}".encode(), (values.get(column, "другое"),)
        )
        assert changed_rows.rowcount == 1
        assert any(problem.startswith(f"published.{table}, ") for problem in verify(owner, release))
        owner.rollback()
        owner.execute(f"alter table published.{table} disable trigger user".encode())
        owner.execute(f"delete from published.{table} where {where}".encode())
        assert any(
            problem.startswith(f"published.{table}, ") and "gone" in problem for problem in verify(owner, release)
        )
        owner.rollback()
        assert verify(owner, release) == ()


def test_small_numbers_are_hidden_with_the_status_that_says_why(settings: Settings, release: str) -> None:
    measures = rows(
        settings, "select measure_code, split_value, status, denominator from published.programme_values order by 1, 2"
    )
    assert [tuple(row.values()) for row in measures] == [
        ("M11", "all", "shown", 44),
        # the flow does not tell who started by form, so how many this is out of is not told either
        ("M11", "long", "suppressed_secondary", None),
        ("M11", "short", "suppressed_secondary", None),
        ("M4", "all", "shown", 40),
        ("M4", "long", "suppressed_secondary", None),
        ("M4", "short", "suppressed_secondary", None),
    ]
    lasting = rows(settings, "select split_value, due, refused, sustained from published.sustainability order by 1")
    assert [tuple(row.values()) for row in lasting] == [
        ("all", 26, None, 15),
        ("long", None, None, None),
        ("short", None, None, None),
    ]
    flow = rows(settings, "select form, active_at_end, started, ended from published.pair_flow order by 1")
    assert [tuple(row.values()) for row in flow] == [
        ("all", 40, 44, 4),
        ("long", 22, None, None),
        ("short", 18, None, None),
    ]
    curve = rows(
        settings, "select day, events, survival from published.survival_curves where curve = 'match' and form = 'all'"
    )
    assert [tuple(row.values()) for row in curve] == [(0, None, 1.0), (153, 3, 0.93), (244, 20, 0.48)]
    checks = rows(
        settings, "select check_code, status, counted, explanation_ru from published.readiness_checks order by 1"
    )
    assert [tuple(row.values()) for row in checks] == [
        ("mentors_cleared", "partial", None, "Доля: число скрыто — мало наблюдений; порог 0,9"),
        ("needs_assessed", "partial", 20, "20"),
        ("tree_acyclic", "met", 1, "1"),
    ]


def test_the_tree_is_drawn_from_the_seeds_of_the_candidate(settings: Settings, release: str) -> None:
    (picture,) = rows(settings, "select picture_code, title_ru, svg from published.pictures")
    assert picture["picture_code"] == "results_tree"
    assert picture["svg"].startswith("<svg ")
    assert "показатель 1.1" in picture["svg"]


def test_a_mart_that_is_missing_releases_nothing(settings: Settings, release: str) -> None:
    quarter = Quarter(2041, 1)
    with small_marts(settings, quarter) as (connection, computed):
        connection.execute(f"drop table {MARTS}.expert_levels".encode())
        connection.commit()
        with pytest.raises(psycopg.errors.UndefinedTable):
            publish(connection, in_quarter(made_up_candidate(), quarter), APPROVALS, "unknown", "x", computed=computed)
        assert connection.execute("select from published.releases where quarter = '2041-Q1'").fetchall() == []


def test_a_refused_release_leaves_no_rows(settings: Settings, release: str) -> None:
    quarter = Quarter(2041, 2)
    with small_marts(settings, quarter) as (connection, computed):
        with pytest.raises(PublishError):
            publish(connection, in_quarter(made_up_candidate(), quarter), (), "unknown", "x", computed=computed)
        assert connection.execute("select from published.pair_flow where quarter = '2041-Q2'").fetchall() == []


def test_a_revision_after_an_erasure_does_not_show_who_is_missing(settings: Settings, release: str) -> None:
    """The same quarter counted anew lacks exactly that person; what has not changed is told again."""
    quarter = Quarter(2042, 1)
    candidate = in_quarter(made_up_candidate(), quarter)
    with small_marts(settings, quarter) as (connection, computed):
        first = publish(
            connection,
            candidate,
            APPROVALS,
            "unknown",
            "demo-engineer",
            computed=replace(computed, built_at=datetime(2042, 4, 15, tzinfo=UTC)),
        )
        with connect(settings, "vmeste_eraser") as eraser:
            eraser.execute(
                "insert into ops.erasures values ('made up', 'mentee', '2042-05-01', '{}', '{}') on conflict do nothing"
            )
        connection.execute(
            f"update {MARTS}.pair_flow_quarterly set active_at_end = 39, started = 43 where form = 'all'".encode()
        )
        connection.commit()
        declare_error(connection, str(quarter), "made up for this test", "somebody")
        moved = changed(candidate, cell("1.1", 15, 21, 21))
        second = publish(connection, moved, APPROVALS, "unknown", "demo-engineer", computed=computed)
        assert (first, second) == ("2042-Q1-r1", "2042-Q1-r2")
        found = connection.execute(
            "select release_id, status, active_at_end, ended from published.pair_flow where form = 'all' "
            "and quarter = '2042-Q1' order by 1"
        ).fetchall()
        assert found == [(first, "shown", 40, 4), (second, "suppressed_secondary", None, None)]
        measures = connection.execute(
            "select release_id, denominator from published.programme_values where split_by = 'all' "
            "and measure_code = 'M4' and quarter = '2042-Q1' order by 1"
        ).fetchall()
        assert measures == [(first, 40), (second, 40)]
        with connect(settings) as owner:
            owner.execute("delete from ops.erasures where erasure_id = 'made up'")
