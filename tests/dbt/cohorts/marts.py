"""One warehouse for all cohorts: dbt compiles the marts once, each cohort runs that SQL in a transaction of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import psycopg

from tests.dbt.cohorts.dates import AS_OF
from tests.dbt.cohorts.generator import Submissions
from vmeste.settings import Settings
from vmeste.warehouse import transform

MARTS = (
    "match_survival",
    "contact_survival",
    "sustainability",
    "programme_indicator_quarterly",
    "programme_quarterly",
    "indicator_quarterly",
    "followup_calendar",
    "pair_flow_quarterly",
)
READINESS = ("results_tree_nodes", "results_tree_coverage", "evidence_readiness", "readiness_rollup")
"""What stands on the marts: filled when asked for alone."""

COHORTS_BETWEEN_CLEANINGS = 20
Connection = psycopg.Connection[dict[str, Any]]


def compile_marts(settings: Settings) -> list[tuple[str, str]]:
    """Build the marts without their tests; return name and SQL of each table on the way, in the order of building."""
    target = settings.home / "dbt" / "cohorts"
    outcome = subprocess.run(
        [
            str(Path(sys.executable).parent / "dbt"),
            "--quiet",
            "build",
            "--exclude-resource-type",
            "test",
            "unit_test",
            "--select",
            *(f"+{mart}" for mart in (*MARTS, *READINESS)),
            "--vars",
            json.dumps(transform.variables(settings, AS_OF)),
            "--project-dir",
            str(settings.root / "dbt_project"),
            "--target-path",
            str(target),
            "--log-path",
            str(target / "logs"),
        ],
        env=os.environ | transform.dbt_environment(settings),
        capture_output=True,
        text=True,
        check=False,
    )
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
    nodes = json.loads((target / "manifest.json").read_text(encoding="utf-8"))["nodes"]
    ordered: dict[str, None] = {}

    def visit(name: str) -> None:
        if name.startswith("model.") and name not in ordered:
            for parent in nodes[name]["depends_on"]["nodes"]:
                visit(parent)
            ordered[name] = None

    for mart in (*MARTS, *READINESS):
        visit(f"model.vmeste.{mart}")
    filled = [nodes[name] for name in ordered if nodes[name]["config"]["materialized"] in {"table", "incremental"}]
    return [(f"{node['schema']}.{node['name']}", node["compiled_code"]) for node in filled]


class Marts:
    """The compiled marts on one connection."""

    def __init__(self, connection: Connection, models: list[tuple[str, str]]) -> None:
        """Take the connection; the columns of each table are read once."""
        self.connection = connection
        # planning these statements costs more than running them: once is enough, and psycopg forgets at each rollback
        connection.prepare_threshold = None
        connection.execute("set jit = off")
        connection.execute("set max_parallel_workers_per_gather = 0")
        found = connection.execute(
            "select table_schema || '.' || table_name as name, string_agg(quote_ident(column_name), ', ') as columns "
            "from information_schema.columns where table_schema in ('staging', 'intermediate', 'marts') group by 1"
        ).fetchall()
        self.relations = [relation for relation, _ in models]
        # between two cohorts all of them are empty: plans made for what an analysis then finds take minutes a cohort
        raw = connection.execute("select tablename from pg_tables where schemaname = 'raw'").fetchall()
        self.filled = [*(f"raw.{row['tablename']}" for row in raw), *self.relations]
        for relation in self.filled:
            connection.execute(f"alter table {relation} set (autovacuum_enabled = off)".encode())
        columns = {row["name"]: row["columns"] for row in found}
        for number, (relation, code) in enumerate(models):
            chosen = columns[relation]
            filling = f"insert into {relation} ({chosen}) select {chosen} from ({code}) as made"
            connection.execute(f"prepare fill_{number} as {filling}".encode())
        self.forgotten = 0
        self.empty()

    def fill(self, cohort: Submissions, with_readiness: bool = False) -> None:
        """Fill raw and the tables with the cohort; ``forget`` takes all of it back."""
        forms: dict[str, list[dict[str, Any]]] = {}
        for form, row in cohort.rows:
            forms.setdefault(form, []).append(row)
        for form, rows in forms.items():
            names = ", ".join(dict.fromkeys(name for row in rows for name in row))
            self.connection.execute(
                f"insert into raw.{form} ({names}) select {names} "
                f"from jsonb_populate_recordset(null::raw.{form}, %s::jsonb)".encode(),
                [json.dumps(rows, default=lambda value: value.isoformat())],
            )
        for number, relation in enumerate(self.relations):
            if with_readiness or relation.removeprefix("marts.") not in READINESS:
                self.connection.execute(f"execute fill_{number}".encode())

    def rows(self, statement: str) -> list[dict[str, Any]]:
        """Return what a statement finds."""
        return self.connection.execute(statement.encode()).fetchall()

    def forget(self) -> None:
        """Leave the warehouse as empty as it was."""
        self.connection.rollback()
        self.forgotten += 1
        if self.forgotten % COHORTS_BETWEEN_CLEANINGS == 0:
            self.empty()

    def empty(self) -> None:
        """Empty each table for good: what was taken back still lies in its pages, and each statement reads past it."""
        self.connection.execute(f"truncate {', '.join(self.filled)}".encode())
        self.connection.commit()
