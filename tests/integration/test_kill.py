"""Kill -9 in mid-sync and run again: the same rows, once."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.memory_source import REGISTRY, MemorySource
from vmeste import ingest
from vmeste.settings import ROOT, Settings
from vmeste.warehouse.connect import connect

WORKER = """
import os, signal, sys
from pathlib import Path
from vmeste import ingest, landing
from vmeste.privacy import vault
from vmeste.settings import Settings
from vmeste.warehouse import load
from tests.integration.test_kill import people

home, name, where = sys.argv[1:]
settings = Settings(home=Path(home), warehouse_url="", vault_url="")
memory = people(name)
ingest.load_sources = lambda path: type("Config", (), {"sources": [memory]})
ingest.open_source = lambda config: config

def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)

def after(module, attribute):
    whole = getattr(module, attribute)
    def run(*arguments, **named):
        whole(*arguments, **named)
        die()
    setattr(module, attribute, run)

if where == "before the vault commits":
    after(vault, "split")
elif where == "before the batch is landed":
    landing.write = die
elif where == "while the batch is written":
    landing.pq.ParquetWriter.write_table = die
elif where == "after the versions":
    after(load, "_append_versions")
elif where == "after the quarantine":
    after(load, "_quarantine")
elif where == "before the commit":
    after(load, "_record")

batch = ingest.extract(settings, name, "r1_mentee", "run")
ingest.load(settings, batch)
if where == "after the commit":
    die()
"""

PLACES = (
    "before the vault commits",
    "before the batch is landed",
    "while the batch is written",
    "after the versions",
    "after the quarantine",
    "before the commit",
    "after the commit",
)


def people(name: str) -> MemorySource:
    """A source of forty mentees, ten of them with an answer that is not in the list."""
    memory = MemorySource(name)
    for number in range(40):
        answers = REGISTRY["r1_mentee"] | {"mentee_code": f"{name}-{number}"}
        if number % 4 == 0:
            answers["sex"] = "unheard-of"
        memory.add("r1_mentee", f"{name}-{number}", **answers)
    return memory


def killed(settings: Settings, name: str, where: str) -> int:
    """Sync in a process of its own that is killed at a place; return its exit code."""
    return subprocess.run(
        [sys.executable, "-c", WORKER, str(settings.home), name, where],
        cwd=ROOT,
        env={"PYTHONPATH": f"{ROOT / 'plugins'}:{ROOT}", "PATH": "/usr/bin:/bin", "HOME": str(settings.home)},
        check=False,
        capture_output=True,
    ).returncode


@pytest.mark.parametrize("where", PLACES)
def test_nothing_is_lost_or_doubled(settings: Settings, monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    name = f"kill_{PLACES.index(where)}"
    assert killed(settings, name, where) == -signal.SIGKILL
    memory = people(name)
    monkeypatch.setattr(ingest, "load_sources", lambda path: type("Config", (), {"sources": [memory]}))
    monkeypatch.setattr(ingest, "open_source", lambda config: config)
    batch = ingest.extract(settings, name, "r1_mentee", "run")
    assert batch is not None
    ingest.load(settings, batch)
    with connect(settings) as connection:
        counts = connection.execute(
            """
            select
                (select count(*) from raw.r1_mentee where _source = %(name)s),
                (select count(distinct _submission_id) from raw.r1_mentee where _source = %(name)s),
                (select count(*) from quarantine.rows where source = %(name)s and state = 'open'),
                (select array_agg(server_count = accepted + quarantined + voided + unchanged)
                    from ops.sync_runs where source = %(name)s),
                (select cursor from ops.cursors where source = %(name)s)
            """,
            {"name": name},
        ).fetchone()
    assert counts == (30, 30, 10, [True], {"read": 40})
    assert not list(Path(settings.home / "landing").rglob("*.part")) or where == "while the batch is written"
    assert REGISTRY["r1_mentee"]["full_name"] not in landed_text(settings)


def landed_text(settings: Settings) -> str:
    return "".join(
        path.read_bytes().decode("utf-8", errors="ignore")
        for path in (settings.home / "landing").rglob("*")
        if path.is_file()
    )
