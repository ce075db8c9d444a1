"""dbt against a real PostgreSQL: an empty warehouse, and the two macros on which honest numbers rest."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from psycopg.rows import dict_row
from statsmodels.stats.proportion import proportion_confint

from vmeste.settings import Settings
from vmeste.warehouse import transform
from vmeste.warehouse.connect import connect

SMALLEST_COUNT = 3
SMALLEST_BASE = 10

Compile = Callable[[str], str]


@pytest.fixture(scope="module", autouse=True)
def _empty_warehouse(settings: Settings) -> None:
    """Build everything, with all tests, on raw tables that have no row."""
    transform.build(settings, with_unit_tests=True)


@pytest.fixture(scope="module")
def compile_sql(settings: Settings) -> Compile:
    """Return what dbt makes of a piece of SQL with macros."""

    def compiled(code: str) -> str:
        target = settings.home / "dbt" / "inline"
        project = str(settings.root / "dbt_project")
        outcome = subprocess.run(
            [
                str(Path(sys.executable).parent / "dbt"),
                "--quiet",
                "compile",
                "--inline",
                code,
                "--output",
                "json",
                "--project-dir",
                project,
                "--target-path",
                str(target),
                "--log-path",
                str(target / "logs"),
            ],
            env=os.environ | transform.dbt_environment(settings),
            capture_output=True,
            text=True,
            check=True,
        )
        return str(json.loads(outcome.stdout)["compiled"])

    return compiled


@pytest.fixture(scope="module")
def connection(settings: Settings) -> Iterator[psycopg.Connection[dict[str, Any]]]:
    with connect(settings, "vmeste_transformer") as opened:
        opened.row_factory = dict_row  # type: ignore[assignment]
        yield opened  # type: ignore[misc]


def rows(connection: psycopg.Connection[dict[str, Any]], statement: str) -> list[dict[str, Any]]:
    return connection.execute(statement.encode()).fetchall()


@pytest.mark.parametrize(
    "relation",
    [
        "dim_pair",
        "fct_meeting",
        "fct_indicator_outcome",
        "indicator_quarterly",
        "pair_flow_quarterly",
        "programme_quarterly",
    ],
)
def test_nothing_in_nothing_out(connection: psycopg.Connection[dict[str, Any]], relation: str) -> None:
    assert rows(connection, f"select * from marts.{relation}") == []


def test_without_data_no_recommendation_about_data_is_met(connection: psycopg.Connection[dict[str, Any]]) -> None:
    about_the_tree = {"tree_reaches_impact", "results_supported", "definitions_complete"}
    met = rows(connection, "select check_code from marts.evidence_readiness where status = 'met'")
    assert {row["check_code"] for row in met} == about_the_tree


def test_each_column_of_each_relation_is_described(
    connection: psycopg.Connection[dict[str, Any]], settings: Settings
) -> None:
    manifest = json.loads(transform.parse(settings).read_text(encoding="utf-8"))
    described = {
        (node["schema"], node["name"]): set(node["columns"])
        for node in manifest["nodes"].values()
        if node["resource_type"] in {"model", "seed"} and node["config"]["materialized"] != "ephemeral"
    }
    found = rows(
        connection,
        "select table_schema, table_name, array_agg(column_name::text) as columns from information_schema.columns "
        "where table_schema in ('staging', 'intermediate', 'marts', 'seeds') group by 1, 2",
    )
    assert {(row["table_schema"], row["table_name"]): set(row["columns"]) for row in found} == described


def test_wilson_bounds_agree_with_statsmodels(
    connection: psycopg.Connection[dict[str, Any]], compile_sql: Compile
) -> None:
    bounds = compile_sql(
        "select k, n, {{ wilson_low('k', 'n') }} as low, {{ wilson_high('k', 'n') }} as high "
        "from generate_series(0, 60) as n cross join lateral generate_series(0, n) as k"
    )
    for row in rows(connection, bounds):
        if row["n"] == 0:
            assert (row["low"], row["high"]) == (None, None)
        else:
            expected = proportion_confint(row["k"], row["n"], method="wilson")
            assert (row["low"], row["high"]) == pytest.approx(expected, abs=1e-9), row


@pytest.fixture(scope="module")
def suppress(
    connection: psycopg.Connection[dict[str, Any]], compile_sql: Compile
) -> Callable[[list[tuple[int, int]]], list[dict[str, Any]]]:
    """Return the cells of one split as the macro marks them, in the order given."""
    marked = compile_sql(
        "with given as (select * from cells) {{ suppressed_cells('given', table_keys=['table_key']) }}"
    )
    connection.execute(
        "create temporary table cells (table_key text, split_by text, split_value text, measured bigint, "
        "achieved bigint, is_planned boolean)"
    )

    def run(cells: list[tuple[int, int]]) -> list[dict[str, Any]]:
        connection.execute("truncate cells")
        with connection.cursor() as cursor:
            cursor.executemany(
                "insert into cells values ('t', 'form', %s, %s, %s, false)",
                [(f"{number:02}", measured, achieved) for number, (measured, achieved) in enumerate(cells)],
            )
        return rows(connection, marked + " order by split_value")

    return run


@st.composite
def a_split(draw: st.DrawFn) -> list[tuple[int, int]]:
    """One to six cells: how many were measured, how many of them achieved."""
    cells = []
    for _ in range(draw(st.integers(1, 6))):
        measured = draw(st.integers(0, 14))
        cells.append((measured, draw(st.integers(0, measured))))
    return cells


@hypothesis_settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True
)
@given(cells=a_split())
def test_no_hidden_cell_follows_from_the_margin(
    suppress: Callable[[list[tuple[int, int]]], list[dict[str, Any]]], cells: list[tuple[int, int]]
) -> None:
    marked = suppress(cells)
    assert len(marked) == len(cells)
    hidden = [row for row in marked if not row["is_count_shown"]]
    shown = [row for row in marked if row["is_count_shown"] and row["measured"] > 0]
    for row in shown:
        assert min(row["achieved"], row["measured"] - row["achieved"]) >= SMALLEST_COUNT
        assert row["is_share_shown"] == (row["measured"] >= SMALLEST_BASE)
        assert row["status"] == ("shown" if row["is_share_shown"] else "suppressed_small_n")
    for row in marked:
        if row["measured"] == 0:
            assert (row["status"], row["is_count_shown"], row["is_share_shown"]) == ("no_data", True, False)
    small = [row for row in hidden if row["status"] == "suppressed_small_n"]
    secondary = sorted(
        (row for row in hidden if row["status"] == "suppressed_secondary"),
        key=lambda row: (row["measured"], row["achieved"], row["split_value"]),
    )
    if hidden and shown:
        assert is_safe(hidden)
    # no more than needed: only beside a small cell, the smallest first, and not one too many
    if secondary:
        assert small
        assert not is_safe([*small, *secondary[:-1]])
        assert all(row["measured"] >= secondary[-1]["measured"] for row in shown)


def is_safe(hidden: list[dict[str, Any]]) -> bool:
    """Whether what anybody can compute of the hidden cells, everybody less the shown ones, tells of none of them."""
    achieved = sum(row["achieved"] for row in hidden)
    missed = sum(row["measured"] - row["achieved"] for row in hidden)
    return len(hidden) >= 2 and min(achieved, missed) >= SMALLEST_COUNT
