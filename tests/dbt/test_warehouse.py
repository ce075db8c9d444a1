"""dbt against a real PostgreSQL: an empty warehouse, and the two macros on which honest numbers rest."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row
from statsmodels.stats.proportion import proportion_confint

from tests.unit.releases.disclosure_attacker import suppressed
from vmeste.settings import Settings
from vmeste.warehouse import transform
from vmeste.warehouse.connect import connect

SMALLEST_BASE = 10
PUBLIC_HEADLINE, PUBLIC_CELL = 20, 10
TABLES = 400
KINDS_OF_CELLS = {
    ("shown", True, True),
    ("shown", True, False),
    ("suppressed_small_n", True, False),
    ("suppressed_small_n", False, False),
    ("suppressed_secondary", False, False),
    ("no_data", True, False),
}
"""Status, whether leadership sees counts, whether the public does."""

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
    about_the_tree = {"tree_acyclic", "tree_no_orphan", "results_supported", "definitions_complete"}
    met = rows(connection, "select check_code from marts.evidence_readiness where status = 'met'")
    assert {row["check_code"] for row in met} == about_the_tree


@pytest.mark.parametrize(
    ("relation", "seed"),
    [("evidence_readiness", "readiness_checks"), ("results_tree_nodes", "results_nodes")],
)
def test_without_data_the_one_programme_is_unknown_and_nothing_is_left_out(
    connection: psycopg.Connection[dict[str, Any]], relation: str, seed: str
) -> None:
    found = rows(
        connection, f"select organisation_code, programme_code, count(*) as rows from marts.{relation} group by 1, 2"
    )
    expected = rows(connection, f"select count(*) as rows from seeds.{seed}")
    assert found == [{"organisation_code": "unknown", "programme_code": "unknown"} | expected[0]]


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


def random_table(chance: random.Random) -> dict[str, tuple[int, int]]:
    """One to six cells: how many achieved and how many did not."""
    largest = chance.choice([3, 8, 30])
    return {
        f"{number:02}": (0, 0) if chance.random() < 0.15 else (chance.randint(0, largest), chance.randint(0, largest))
        for number in range(chance.randint(1, 6))
    }


def test_cells_are_hidden_as_the_rules_say(
    connection: psycopg.Connection[dict[str, Any]], compile_sql: Compile
) -> None:
    """Several hundred tables, beside the rules written down in Python.

    That no hidden cell follows from what is left is shown for those rules in tests/unit/releases, with a solver.
    """
    chance = random.Random(8)  # noqa: S311  (tables made up, not a secret)
    tables = {f"{number:03}": random_table(chance) for number in range(TABLES)}
    connection.execute(
        "create temporary table cells (table_key text, split_by text, split_value text, measured bigint, "
        "achieved bigint, is_planned boolean)"
    )
    with connection.cursor() as cursor:
        for key, cells in tables.items():
            margin = (sum(sum(counts) for counts in cells.values()), sum(counts[0] for counts in cells.values()))
            rows_of_table = [(key, "all", "all", *margin)]
            rows_of_table += [(key, "form", value, a + c, a) for value, (a, c) in cells.items()]
            cursor.executemany("insert into cells values (%s, %s, %s, %s, %s, false)", rows_of_table)
    marked = compile_sql(
        "with given as (select * from cells) {{ suppressed_cells('given', table_keys=['table_key']) }}"
    )
    found = {(row["table_key"], row["split_value"]): row for row in rows(connection, marked)}
    assert len(found) == sum(len(cells) + 1 for cells in tables.values())
    for key, cells in tables.items():
        margin = found[key, "all"]
        assert margin["is_count_shown"]
        assert margin["is_public_shown"] == (margin["measured"] >= PUBLIC_HEADLINE)
        statuses = suppressed(cells)
        for value, counts in cells.items():
            row, status, measured = found[key, value], statuses[value], sum(counts)
            is_told = status == "told"
            if is_told:
                status = "shown" if measured >= SMALLEST_BASE else "suppressed_small_n"
            assert (row["status"], row["is_count_shown"]) == (status, is_told or status == "no_data"), (cells, row)
            assert row["is_share_shown"] == (status == "shown"), (cells, row)
            is_split_public = all(min(pair) >= PUBLIC_CELL for pair in cells.values() if sum(pair))
            is_public = measured > 0 and margin["measured"] >= PUBLIC_HEADLINE and is_split_public
            assert row["is_public_shown"] == is_public, (cells, row)
    seen = {(row["status"], row["is_count_shown"], row["is_public_shown"]) for row in found.values()}
    assert seen == KINDS_OF_CELLS


def test_a_planned_indicator_is_planned_for_everybody(
    connection: psycopg.Connection[dict[str, Any]], compile_sql: Compile
) -> None:
    marked = compile_sql(
        "with given as (select 't' as table_key, 'all' as split_by, 'all' as split_value, 40 as measured, "
        "20 as achieved, true as is_planned) {{ suppressed_cells('given', table_keys=['table_key']) }}"
    )
    (row,) = rows(connection, marked)
    assert (row["status"], row["is_count_shown"], row["is_share_shown"], row["is_public_shown"]) == (
        "planned",
        False,
        False,
        False,
    )
