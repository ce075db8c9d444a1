"""Landing to raw, validation included, beside a bare COPY of the same rows; and beside dlt and ``to_sql``.

``python -m benchmarks.load 1000000`` prints one report: times, ratios to COPY, the largest memory. dlt and SQLAlchemy's
``to_sql`` are slow: they take a part of the rows (``--others``) and are scaled up to the same number.
"""

from __future__ import annotations

import argparse
import os
import resource
import tempfile
import time
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg

from benchmarks.meetings import MEETINGS_A_PAIR, SOURCE, meetings, registry
from vmeste import ingest, landing
from vmeste.forms.columns import answer_columns
from vmeste.settings import Settings
from vmeste.warehouse import embedded
from vmeste.warehouse.connect import connect
from vmeste.warehouse.load import load
from vmeste.warehouse.migrate import migrate
from vmeste.warehouse.raw_tables import POSTGRES_TYPES


def land(settings: Settings, form_id: str, submissions: Any, count: int, run_id: str) -> str:
    """Land submissions as ``ingest.extract`` does, without a source in front."""
    form = ingest.forms(settings)[form_id]
    now = datetime.now(UTC).isoformat()
    header = landing.BatchHeader("", run_id, SOURCE, form_id, form.version, now, now, count, None, {}, (), ())
    rows = ingest.landed_chunks(settings, form, submissions)
    return landing.write(settings.landing_url, header, list(answer_columns(form)), rows)


def timed(what: str, step: Callable[[], Any]) -> float:
    started = time.perf_counter()
    step()
    taken = time.perf_counter() - started
    print(f"{what:<40} {taken:8.1f} s   memory so far {memory_mb():6.0f} MB", flush=True)
    return taken


def memory_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def write_rows(batch: str, file: Path) -> None:
    """Write the batch as the file that a bare COPY takes."""
    with landing.opened(batch) as opened, file.open("w", encoding="utf-8") as text:
        for chunk in opened.chunks():
            chunk.to_pandas().to_csv(text, header=False, index=False)


def copy(settings: Settings, file: Path, columns: dict[str, str]) -> None:
    """COPY the rows into a table of their own with raw's types."""
    system = {name: "timestamptz" if name.endswith("_at") else "text" for name in landing.SYSTEM_COLUMNS}
    types = system | {name: POSTGRES_TYPES[kind] for name, kind in columns.items()}
    with connect(settings) as connection, file.open("rb") as rows:
        connection.execute("drop table if exists ops.copied")
        listed = ", ".join(f"{name} {kind}" for name, kind in types.items())
        connection.execute(f"create table ops.copied ({listed})".encode())
        with connection.cursor().copy("copy ops.copied from stdin with (format csv)") as stream:
            while block := rows.read(1 << 20):
                stream.write(block)


def by_to_sql(settings: Settings, batch: str) -> None:
    """The same rows by pandas and SQLAlchemy."""
    import pandas as pd
    import sqlalchemy

    from vmeste.warehouse.connect import warehouse_url

    engine = sqlalchemy.create_engine(warehouse_url(settings).replace("postgresql://", "postgresql+psycopg://"))
    with landing.opened(batch) as opened, engine.begin() as connection:
        for chunk in opened.chunks():
            frame: pd.DataFrame = chunk.to_pandas()
            frame.to_sql("by_to_sql", connection, schema="ops", if_exists="append", index=False)


def by_dlt(settings: Settings, batch: str) -> None:
    """The same rows by dlt, which infers, normalises and loads; it needs ``pip install dlt[postgres]``."""
    import dlt

    from vmeste.warehouse.connect import warehouse_url

    # it would look for its settings among Airflow's variables, and log for each that there is no such table
    os.environ |= {"PROVIDERS__ENABLE_AIRFLOW_SECRETS": "false", "RUNTIME__DLTHUB_TELEMETRY": "false"}
    with (
        landing.opened(batch) as opened,
        tempfile.TemporaryDirectory() as folder,
        (settings.home / "dlt.log").open("w", encoding="utf-8") as log,
        redirect_stdout(log),
        redirect_stderr(log),
    ):
        pipeline = dlt.pipeline(
            "benchmark",
            destination=dlt.destinations.postgres(with_host(warehouse_url(settings))),
            dataset_name="by_dlt",
            pipelines_dir=folder,
        )
        rows = (row for chunk in opened.chunks() for row in chunk.to_pylist())
        pipeline.run(rows, table_name="meetings").raise_on_failed_jobs()
    with connect(settings) as connection:
        (kept,) = connection.execute("select count(*) from by_dlt.meetings").fetchone() or (0,)
    assert kept == opened.row_count, f"{kept} of {opened.row_count} rows arrived"


def with_host(address: str) -> str:
    """Return an address with a host in its usual place: dlt wants one, and the socket in the query is what counts."""
    parts = urlsplit(address)
    who, _, host = parts.netloc.rpartition("@")
    return urlunsplit(parts._replace(scheme="postgresql", netloc=f"{who}@{host or 'localhost'}"))


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rows", type=int, nargs="?", default=1_000_000)
    parser.add_argument("--others", type=int, default=20_000, help="rows for dlt and to_sql; 0 leaves them out")
    options = parser.parse_args()
    home = Path(tempfile.mkdtemp(prefix="vmeste-benchmark-"))
    settings = Settings(home=home, warehouse_url="", vault_url="")
    migrate(settings)
    try:
        run(settings, options.rows, options.others)
    finally:
        embedded.stop(settings)


def run(settings: Settings, count: int, others: int) -> None:
    """Print the report."""
    form = ingest.forms(settings)["f4_meeting"]
    for form_id, submissions in registry(-(-count // MEETINGS_A_PAIR)).items():
        load(settings, ingest.forms(settings)[form_id], land(settings, form_id, submissions, len(submissions), "r"))
    batch = ""

    def landed() -> None:
        nonlocal batch
        batch = land(settings, "f4_meeting", meetings(count), count, "first")

    timed(f"submissions to landing ({count:,})", landed)
    file = settings.home / "rows.csv"
    write_rows(batch, file)
    bare = timed("bare COPY of the same rows", lambda: copy(settings, file, answer_columns(form)))
    file.unlink()
    loaded = timed("landing to raw, validation included", lambda: load(settings, form, batch))
    with connect(settings) as connection:
        (kept,) = connection.execute("select count(*) from raw.f4_meeting").fetchone() or (0,)
    assert kept == count, f"{kept} of {count} rows were accepted"
    print(f"landing to raw: {loaded / bare:.1f} times a bare COPY; {count / loaded:,.0f} rows/s")
    if others:
        part = land(settings, "f4_meeting", meetings(others), others, "others")
        for name, other in (("to_sql", by_to_sql), ("dlt", by_dlt)):
            try:
                taken = timed(f"{name} ({others:,} rows)", partial(other, settings, part))
            except (ImportError, psycopg.Error) as error:
                print(f"{name}: left out ({error})")
                continue
            print(f"{name}: {taken / others * count / bare:.1f} times a bare COPY")


if __name__ == "__main__":
    main()
