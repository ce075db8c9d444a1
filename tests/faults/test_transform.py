"""What breaks while dbt builds: dbt itself is killed, or the server. The next build makes what a whole one would."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import psutil
import psycopg
import pytest

from tests.dbt.cohorts.generator import Cohort
from tests.faults.test_ingestion import kill_the_server
from vmeste.settings import Settings
from vmeste.warehouse import embedded, transform
from vmeste.warehouse.connect import connect

WAIT = 120
"""Seconds that a build may take to reach the marts."""


def add(settings: Settings, seed: int) -> None:
    """Put a random cohort's submissions into raw."""
    forms: dict[str, list[dict[str, Any]]] = {}
    for form, row in Cohort(seed, prefix=f"{seed}-").rows:
        forms.setdefault(form, []).append(row | {"_source": f"cohort {seed}"})
    with connect(settings, "vmeste_loader") as connection:
        for form, rows in forms.items():
            names = ", ".join(dict.fromkeys(name for row in rows for name in row))
            connection.execute(
                f"insert into raw.{form} ({names}) select {names} "
                f"from jsonb_populate_recordset(null::raw.{form}, %s::jsonb)".encode(),
                [json.dumps(rows, default=lambda value: value.isoformat())],
            )


def marts(settings: Settings) -> dict[str, str]:
    """Return a digest of every relation that dbt has made, whatever the order of its rows."""
    with connect(settings) as connection:
        relations = connection.execute(
            "select quote_ident(table_schema) || '.' || quote_ident(table_name) from information_schema.tables "
            "where table_schema in ('staging', 'intermediate', 'marts') and table_type = 'BASE TABLE' order by 1"
        ).fetchall()
        digest = "select md5(coalesce(string_agg(made::text, '|' order by made::text), '')) from {} as made"
        return {name: str(connection.execute(digest.format(name).encode()).fetchall()) for (name,) in relations}


def kill_dbt(settings: Settings) -> None:
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            if "dbt" in " ".join(process.cmdline()) and str(settings.home) in " ".join(process.cmdline()):
                process.kill()


def until_marts_are_built(settings: Settings) -> None:
    """Wait for a statement that makes a mart."""
    deadline = time.monotonic() + WAIT
    with psycopg.connect(embedded.url(settings, embedded.WAREHOUSE), autocommit=True) as connection:
        while time.monotonic() < deadline:
            found = connection.execute(
                "select from pg_stat_activity where pid <> pg_backend_pid() and state <> 'idle' "
                """and query ilike '%create%table%"marts"."%'"""
            ).fetchone()
            if found is not None:
                return
            time.sleep(0.005)
    raise AssertionError("no mart was built in time")


@pytest.mark.parametrize(
    ("fault", "strike"),
    [("dbt is killed while it builds", kill_dbt), ("PostgreSQL is killed under dbt", kill_the_server)],
)
def test_a_build_is_broken_off(
    settings: Settings,
    record_property: Callable[[str, object], None],
    fault: str,
    strike: Callable[[Settings], None],
) -> None:
    record_property("fault", fault)
    add(settings, 2 if strike is kill_dbt else 3)
    with ThreadPoolExecutor(1) as pool:
        building = pool.submit(transform.build, settings)
        until_marts_are_built(settings)
        strike(settings)
        with pytest.raises(transform.TransformError):
            building.result(timeout=WAIT)
    embedded.start(settings)
    transform.build(settings)
    again = marts(settings)
    assert len(again) > 20
    assert not [name for name in again if "dbt_" in name], "what a build puts aside is gone"
    transform.build(settings, full_refresh=True)
    assert again == marts(settings)
