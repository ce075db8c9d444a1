"""The candidate's indicators as of many cut-offs: dbt compiles them once, then the cut-off is put into the SQL.

A dbt run costs ten seconds for each cut-off; the statements themselves a second.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import psycopg

from vmeste.settings import Settings
from vmeste.warehouse import transform
from vmeste.warehouse.connect import connect

MARK = datetime.fromisoformat("2031-01-15T00:00:00+03:00")
WANTED = "model.vmeste.indicator_quarterly"


class Rebuilder:
    """The models that ``indicator_quarterly`` stands on, in their order, as dbt compiled them."""

    def __init__(self, settings: Settings) -> None:
        """Build everything once, as of a moment that stands for all others."""
        self.settings = settings
        transform.build(settings, "candidate", MARK)
        folder = transform.target_path(settings, "candidate")
        nodes = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["nodes"]
        results = json.loads((folder / "run_results.json").read_text(encoding="utf-8"))["results"]
        needed, waiting = set(), [WANTED]
        while waiting:
            name = waiting.pop()
            if name not in needed and name in nodes:
                needed.add(name)
                waiting += nodes[name]["depends_on"].get("nodes", [])
        self.statements = [
            (
                result["unique_id"] in needed,
                result["relation_name"],
                nodes[result["unique_id"]]["config"]["materialized"],
                result["compiled_code"],
            )
            for result in results
            if result["unique_id"].startswith("model.") and result.get("compiled_code")
        ]

    def build(self, as_of: datetime, *, whole: bool = False) -> datetime:
        """Fill the candidate's indicators as of a moment, or all its marts, and return when that began."""
        with connect(self.settings, "vmeste_transformer") as connection:
            (built_at,) = connection.execute("select clock_timestamp()").fetchone() or (None,)
            for is_needed, relation, kind, statement in self.statements:
                if not is_needed and not whole:
                    continue
                self._make(connection, relation, kind, statement.replace(MARK.isoformat(), as_of.isoformat()))
        assert built_at is not None
        return built_at

    def _make(self, connection: psycopg.Connection[Any], relation: str, kind: str, statement: str) -> None:
        if kind == "view":
            connection.execute(f"create or replace view {relation} as {statement}".encode())
            return
        connection.execute(f"delete from {relation}".encode())
        connection.execute(f"insert into {relation} {statement}".encode())
