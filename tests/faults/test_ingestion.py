"""What breaks around a load, for real: the server, the connection, the disk, a file, the clock.

Each fault hits the load of a form that has rows already. It is told by an error, nothing of it stays, and the run after
it brings every row once, with the cursor where it belongs.
"""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest

from tests.integration.memory_source import REGISTRY, MemorySource
from tests.integration.test_sync import MEETING, connected, in_chunks
from vmeste import ingest, landing
from vmeste.settings import Settings
from vmeste.warehouse import embedded
from vmeste.warehouse import load as loading
from vmeste.warehouse.connect import connect

FORM = "f4_meeting"
ROWS = 40
runs = count()
sources = count()


@pytest.fixture(scope="module", autouse=True)
def registry(settings: Settings) -> None:
    """One pair, read before every test."""
    with pytest.MonkeyPatch.context() as patch:
        memory = connected(MemorySource("registry"), patch)
        for form_id, answers in REGISTRY.items():
            memory.add(form_id, f"{form_id}-1", at="2021-01-01T10:00", **answers)
            assert ingest.load(settings, read(settings, memory, form_id))["accepted"] == 1


@pytest.fixture
def source(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[MemorySource]:
    """A source with one half of its rows in raw and the other half to come, in several chunks."""
    in_chunks(monkeypatch, 10)
    memory = connected(MemorySource(f"source_{next(sources)}"), monkeypatch)
    meetings(memory, range(ROWS // 2))
    ingest.load(settings, read(settings, memory, FORM))
    meetings(memory, range(ROWS // 2, ROWS))
    yield memory
    # the next test's meetings of this pair are on the same days, and would be repetitions
    with connect(settings) as connection:
        connection.execute(f"delete from raw.{FORM}".encode())


def meetings(memory: MemorySource, numbers: range) -> None:
    day = datetime(2021, 2, 1, tzinfo=UTC)
    for number in numbers:
        held_on = (day + timedelta(days=number)).date()
        memory.add(FORM, f"m{number}", at=f"{held_on}T20:00", held_on=held_on.isoformat(), **MEETING)


def read(settings: Settings, memory: MemorySource, form_id: str) -> str:
    batch = ingest.extract(settings, memory.name, form_id, f"run {next(runs)}")
    assert batch is not None
    return batch


def held(settings: Settings, memory: MemorySource) -> tuple[int, int, Any]:
    """Versions in raw, different submissions among them, and how far the cursor says that we have read."""
    with connect(settings) as connection:
        versions = connection.execute(
            f"select count(*), count(distinct _submission_id) from raw.{FORM} where _source = %s".encode(),
            (memory.name,),
        ).fetchall()[0]
        cursor = connection.execute(
            "select cursor from ops.cursors where source = %s and form_id = %s", (memory.name, FORM)
        ).fetchone()
    return (*versions, cursor and cursor[0])


BEFORE = (ROWS // 2, ROWS // 2, {"read": ROWS // 2})
AFTER = (ROWS, ROWS, {"read": ROWS})


def server(settings: Settings) -> psutil.Process:
    pid_file = embedded._data(settings) / "postmaster.pid"
    return psutil.Process(int(pid_file.read_text(encoding="utf-8").splitlines()[0]))


def kill_the_server(settings: Settings) -> None:
    postmaster = server(settings)
    for process in [*postmaster.children(recursive=True), postmaster]:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs([postmaster], timeout=10)


def restart_the_server(settings: Settings) -> None:
    embedded.stop(settings)
    embedded.start(settings)


def drop_the_connection(settings: Settings) -> None:
    with psycopg.connect(embedded.url(settings, embedded.WAREHOUSE), autocommit=True) as connection:
        dropped = connection.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid() "
            "and datname = current_database() and usename = current_user"
        ).fetchall()
    assert dropped


SERVER_FAULTS: dict[str, Callable[[Settings], None]] = {
    "PostgreSQL is killed": kill_the_server,
    "PostgreSQL is restarted": restart_the_server,
    "the connection is dropped": drop_the_connection,
}


@pytest.mark.parametrize("step", ["_ingest", "_append_versions", "_record"])
@pytest.mark.parametrize("fault", SERVER_FAULTS)
def test_the_database_goes_away(
    settings: Settings,
    source: MemorySource,
    monkeypatch: pytest.MonkeyPatch,
    record_property: Callable[[str, object], None],
    fault: str,
    step: str,
) -> None:
    record_property("fault", f"{fault} {'before the COPY' if step == '_ingest' else f'after {step}'}")
    whole, calls = getattr(loading, step), count()

    def broken(*arguments: Any, **named: Any) -> Any:
        # in the second chunk: the first lies in the transaction already
        is_now = next(calls) == (0 if step == "_record" else 1)
        if is_now and step == "_ingest":
            SERVER_FAULTS[fault](settings)
        outcome = whole(*arguments, **named)
        if is_now:
            SERVER_FAULTS[fault](settings)
        return outcome

    batch = read(settings, source, FORM)
    with monkeypatch.context() as patch:
        patch.setattr(loading, step, broken)
        with pytest.raises(Exception, match=r"(?i)connection|terminat|server|socket"):
            ingest.load(settings, batch)
    embedded.start(settings)
    assert held(settings, source) == BEFORE
    assert ingest.load(settings, batch)["accepted"] == ROWS // 2, "the same batch, as a repeated task loads it"
    assert held(settings, source) == AFTER


@pytest.mark.parametrize(
    ("fault", "damage"),
    [
        ("a landed batch is cut short", lambda content: content[: len(content) // 2]),
        ("a byte of a landed batch is altered", lambda content: content[:60] + b"\xff\x00" + content[62:]),
        ("a landed batch is empty", lambda content: b""),
    ],
)
def test_a_landed_batch_is_damaged(
    settings: Settings,
    source: MemorySource,
    record_property: Callable[[str, object], None],
    fault: str,
    damage: Callable[[bytes], bytes],
) -> None:
    record_property("fault", fault)
    batch = read(settings, source, FORM)
    file = Path(batch.removeprefix("file://"))
    file.write_bytes(damage(file.read_bytes()))
    with pytest.raises(landing.LandingError, match=r"\.parquet"):
        ingest.load(settings, batch)
    assert held(settings, source) == BEFORE
    ingest.load(settings, read(settings, source, FORM))
    assert held(settings, source) == AFTER


def test_the_disk_is_full_while_a_batch_is_landed(
    settings: Settings, source: MemorySource, record_property: Callable[[str, object], None]
) -> None:
    record_property("fault", "the disk is full while a batch is landed")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    # the kernel itself refuses to write on, as on a full disk; Python ignores the signal that comes with it
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, hard))
    try:
        with pytest.raises(OSError, match="File too large"):
            read(settings, source, FORM)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert held(settings, source) == BEFORE
    landed = Path(settings.landing_url.removeprefix("file://")) / source.name / FORM
    assert [file.name for file in landed.iterdir() if file.suffix != ".parquet"] == []
    ingest.load(settings, read(settings, source, FORM))
    assert held(settings, source) == AFTER


@contextmanager
def small_disk(settings: Settings) -> Iterator[Path]:
    """A disk of a few hundred kilobytes that the server may write to."""
    disk = Path(tempfile.mkdtemp(prefix="vmeste-disk-"))
    owner = embedded._data(settings).stat()
    options = f"size=256k,uid={owner.st_uid},gid={owner.st_gid},mode=0700"
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", disk], capture_output=True, text=True, check=False
    )
    if mounted.returncode:
        disk.rmdir()
        pytest.skip(f"this user may not mount a small disk: {mounted.stderr.strip()}")
    try:
        yield disk
    finally:
        subprocess.run(["umount", disk], check=True)
        disk.rmdir()


def test_the_servers_disk_is_full(
    settings: Settings, source: MemorySource, record_property: Callable[[str, object], None]
) -> None:
    record_property("fault", "PostgreSQL's disk is full")
    superuser = psycopg.connect(
        embedded.url(settings, embedded.WAREHOUSE).replace(
            f"{embedded.WAREHOUSE}:{embedded._passwords(settings)[embedded.WAREHOUSE]}",
            f"postgres:{embedded._passwords(settings)['postgres']}",
            1,
        ),
        autocommit=True,
    )
    meetings(source, range(ROWS, 130))
    batch = read(settings, source, FORM)
    with small_disk(settings) as disk, superuser:
        superuser.execute(f"create tablespace small location '{disk}'".encode())
        # without the room that former rows left behind
        superuser.execute(f"vacuum full raw.{FORM}".encode())
        superuser.execute(f"alter table raw.{FORM} set tablespace small".encode())
        filler = disk / "filler"
        with suppress(OSError), filler.open("wb") as file:
            while True:
                os.write(file.fileno(), b"\0" * 4096)
        with pytest.raises(Exception, match="No space left on device"):
            ingest.load(settings, batch)
        assert held(settings, source) == BEFORE
        filler.unlink()
        superuser.execute(f"alter table raw.{FORM} set tablespace pg_default".encode())
        superuser.execute("drop tablespace small")
    ingest.load(settings, batch)
    assert held(settings, source) == (130, 130, {"read": 130})


def test_two_runs_of_one_form_at_once(
    settings: Settings, source: MemorySource, record_property: Callable[[str, object], None]
) -> None:
    record_property("fault", "two runs of the same form at once")
    batches = [read(settings, source, FORM) for _ in range(2)]
    with ThreadPoolExecutor(2) as pool:
        told = list(pool.map(lambda batch: ingest.load(settings, batch), batches))
    assert sorted(counts["accepted"] for counts in told) == [0, ROWS // 2]
    assert held(settings, source) == AFTER


def test_an_older_copy_of_airflows_database_repeats_what_was_done(
    settings: Settings, source: MemorySource, record_property: Callable[[str, object], None]
) -> None:
    record_property("fault", "Airflow's database is restored from an older copy")
    # it has forgotten that these tasks were done: they come again, in the same run and with the same batch
    first = ingest.extract(settings, source.name, FORM, "the run of that night")
    assert first
    ingest.load(settings, first)
    meetings(source, range(ROWS, ROWS + 5))
    ingest.load(settings, read(settings, source, FORM))
    latest = (ROWS + 5, ROWS + 5, {"read": ROWS + 5})
    assert held(settings, source) == latest
    ingest.load(settings, first)
    assert held(settings, source) == latest, "the cursor does not go back with Airflow"
    again = ingest.extract(settings, source.name, FORM, "the run of that night")
    assert again
    ingest.load(settings, again)
    assert held(settings, source) == latest


@pytest.mark.parametrize("hours", [-48, 48], ids=["back", "forward"])
def test_the_clock_is_moved(
    settings: Settings,
    source: MemorySource,
    monkeypatch: pytest.MonkeyPatch,
    record_property: Callable[[str, object], None],
    hours: int,
) -> None:
    record_property("fault", f"the clock is moved {'back' if hours < 0 else 'forward'} by two days")

    class Moved(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:  # type: ignore[override]
            return datetime.now(tz) + timedelta(hours=hours)

    ingest.load(settings, read(settings, source, FORM))
    with monkeypatch.context() as patch:
        patch.setattr(ingest, "datetime", Moved)
        for held_on in ("2021-05-01", "2021-05-02"):
            # a source that hides when something was edited: ours is the only clock
            edited = next(found for found in source.submissions[FORM] if found.submission_id == "m0")
            source.submissions[FORM].remove(edited)
            source.add(FORM, "m0", at="2021-02-01T20:00", held_on=held_on, **MEETING)
            ingest.load(settings, read(settings, source, FORM))
    edited = next(found for found in source.submissions[FORM] if found.submission_id == "m0")
    source.submissions[FORM].remove(edited)
    source.add(FORM, "m0", at="2021-02-01T20:00", held_on="2021-05-03", **MEETING)
    ingest.load(settings, read(settings, source, FORM))
    with connect(settings) as connection:
        from vmeste.warehouse.references import current_versions

        counted = connection.execute(
            f"select held_on::text from ({current_versions(FORM, '*')}) as current "
            "where _source = %s and _submission_id = 'm0'".encode(),
            (source.name,),
        ).fetchall()
    assert counted == [("2021-05-03",)], "the answer that the source gave last is the one that counts"


def test_a_killed_writer_leaves_nothing_that_is_read(
    settings: Settings, source: MemorySource, record_property: Callable[[str, object], None]
) -> None:
    record_property("fault", "a writer is killed while it lands")
    folder = Path(settings.landing_url.removeprefix("file://")) / source.name / FORM
    whole = read(settings, source, FORM)
    shutil.copy(whole.removeprefix("file://"), folder / "half.part")
    assert set(landing.batches(settings.landing_url)) >= {whole}
    assert not any(address.endswith(".part") for address in landing.batches(settings.landing_url))
    ingest.load(settings, whole)
    assert held(settings, source) == AFTER
