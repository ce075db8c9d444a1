"""What is claimed of each relation: each rule is kept by one row, broken by another, and told by name."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml

from tests.dbt.broken_rules import CONDITIONS, Values
from vmeste.settings import ROOT, Settings
from vmeste.warehouse import transform
from vmeste.warehouse.connect import connect

Connection = psycopg.Connection[tuple[Any, ...]]
Rule = dict[str, Any]

TESTED = re.compile(r"(tested as not materialized \(\s*select \* from )(\S+)(\s*\))")
SOMETHING = {"text": "one", "boolean": True, "date": "2021-01-01", "timestamp with time zone": "2021-01-01T00:00:00Z"}
"""A value of each type; of all others 1."""


@pytest.fixture(scope="module")
def tests(settings: Settings) -> dict[str, dict[str, Any]]:
    """Each relation of a warehouse without data: name → its rules, and its part of the SQL that asks for a layer's.

    Of what is not materialized the part begins as the whole does: with the SQL that it stands for.
    """
    transform.build(settings)
    folder = transform.target_path(settings, "current")
    nodes = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["nodes"]
    results = json.loads((folder / "run_results.json").read_text(encoding="utf-8"))["results"]
    rules = {node["name"]: node["config"]["meta"].get("rules") for node in nodes.values()}
    found = {}
    for result in results:
        if nodes.get(result["unique_id"], {"config": {}})["config"].get("meta", {}).get("tells_rules"):
            before, *parts = re.split(r"-- rules of (\w+)\n", result["compiled_code"])
            for relation, code in zip(parts[::2], parts[1::2], strict=True):
                asked = before + code.strip().removesuffix("union all")
                found[relation] = {"status": result["status"], "compiled_code": asked, "rules": rules[relation]}
    return found


@pytest.fixture(scope="module")
def connection(settings: Settings) -> Iterator[Connection]:
    with connect(settings, "vmeste_transformer") as opened:
        yield opened


def on_rows(connection: Connection, code: str) -> tuple[str, dict[str, str]]:
    """Make an empty table like the tested relation; return the test's SQL on it and the types of its columns."""
    before = code[: TESTED.search(code).end()]  # type: ignore[union-attr]
    connection.execute(
        f"create temporary table rows_tested on commit drop as {before} select * from tested limit 0) as rows_asked"
    )
    types = connection.execute(
        "select attname, format_type(atttypid, null) from pg_attribute "
        "where attrelid = 'rows_tested'::regclass and attnum > 0"
    ).fetchall()
    return TESTED.sub(r"\1pg_temp.rows_tested\3", code), dict(types)


def add(connection: Connection, row: Values, relation: str = "rows_tested") -> None:
    values = ", ".join("null" if value is None else f"'{value}'" for value in row.values())
    connection.execute(f"insert into {relation} ({', '.join(row)}) values ({values})")


def something(types: dict[str, str], columns: list[str]) -> Values:
    return {column: SOMETHING.get(types[column], 1) for column in columns}


def examples(
    connection: Connection, rule: Rule, types: dict[str, str], code: str
) -> tuple[list[Values], list[list[Values]]]:
    """Return rows that keep a rule, and of the rows that break it one list for each way to break it."""
    if "holds" in rule:
        kept, broken = CONDITIONS[rule["name"]]
        return [kept], [[broken]]
    if "not_null" in rule:
        return [something(types, [rule["not_null"]])], [[{rule["not_null"]: None}]]
    if "accepted" in rule:
        other = "none of these" if types[rule["column"]] == "text" else 9999
        return [{rule["column"]: rule["accepted"][0]}], [[{rule["column"]: other}]]
    if "known_in" in rule:
        column, field = rule["column"], rule.get("field", rule["column"])
        (known,) = re.findall(rf"select from (\S+) as known\s+where known\.{field} = tested\.{column}\b", code)
        add(connection, {field: "somebody"}, known)
        return [{column: "somebody"}, {column: None}], [[{column: "nobody"}]]
    row = something(types, rule.get("unique") or rule["identifies"])
    if "unique" in rule:
        return [row, dict.fromkeys(row), dict.fromkeys(row)], [[row, row]]
    return [row], [[row, row], *([row | {column: None}] for column in row)]


def told(connection: Connection, code: str) -> dict[str, tuple[str, int, str]]:
    return {name: (severity, count, first) for name, severity, count, first, _ in connection.execute(code).fetchall()}


def declared() -> list[str]:
    """Name every relation that says rules by reading the project, so that one whose rules nobody asks is missed."""
    files = [*(ROOT / "dbt_project").glob("models/**/*.yml"), *(ROOT / "dbt_project" / "seeds").glob("*.yml")]
    described = [yaml.safe_load(file.read_text("utf-8")) or {} for file in files]
    relations = [relation for file in described for relation in [*file.get("models", []), *file.get("seeds", [])]]
    return sorted(relation["name"] for relation in relations if "rules" in relation.get("config", {}).get("meta", {}))


@pytest.mark.parametrize("name", declared())
def test_each_rule_is_kept_and_broken(connection: Connection, tests: dict[str, dict[str, Any]], name: str) -> None:
    assert tests[name]["status"] == "pass"
    code = tests[name]["compiled_code"]
    rules = tests[name]["rules"]
    assert rules
    for rule in rules:
        with connection.transaction(force_rollback=True):
            on_table, types = on_rows(connection, code)
            kept, ways = examples(connection, rule, types, code)
            with connection.transaction(force_rollback=True):
                for row in kept:
                    add(connection, row)
                assert rule["name"] not in told(connection, on_table), f"{rule['name']} is broken by {kept}"
            for broken in ways:
                with connection.transaction(force_rollback=True):
                    for row in broken:
                        add(connection, row)
                    verdict = told(connection, on_table).get(rule["name"])
                    assert verdict, f"{rule['name']} is kept by {broken}"
                    assert verdict[:2] == (rule.get("severity", "error"), 1)


def test_each_condition_has_its_rows(tests: dict[str, dict[str, Any]]) -> None:
    conditions = [rule["name"] for test in tests.values() for rule in test["rules"] if "holds" in rule]
    assert sorted(conditions) == sorted(CONDITIONS)


def test_broken_rules_are_told_with_their_rows(settings: Settings, connection: Connection) -> None:
    for key, mentor in (("pair-1", "same"), ("pair-2", "other"), ("pair-2", "other")):
        add(connection, {"pair_key": key, "mentee_key": "same", "mentor_key": mentor}, "marts.dim_pair")
    connection.commit()
    project, target = settings.root / "dbt_project", settings.home / "dbt" / "told"
    outcome = subprocess.run(
        [
            *(str(Path(sys.executable).parent / "dbt"), "test", "--select", "facts_keep_their_rules"),
            *("--project-dir", str(project), "--target-path", str(target), "--log-path", str(target)),
        ],
        env=os.environ | transform.dbt_environment(settings),
        capture_output=True,
        text=True,
        check=False,
    )
    connection.execute("truncate marts.dim_pair")
    connection.commit()
    assert outcome.returncode == 1
    assert "dim_pair_mentee_is_not_the_mentor: 1 (pair-1)" in outcome.stdout
    assert "dim_pair_is_one_row_per_pair: 1 (pair-2)" in outcome.stdout
    assert "dim_pair_mentee_is_registered: 3 (pair-1 … pair-2)" in outcome.stdout
    assert "dim_pair_has_a_key" not in outcome.stdout
