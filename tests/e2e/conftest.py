"""One demonstration in a fresh home, through a real scheduler, for all tests of this folder."""

from __future__ import annotations

import io
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from rich.console import Console

from tests.dags.receivers import Mailbox, mail_server
from vmeste.local import airflow, demo
from vmeste.settings import ROOT, Settings
from vmeste.warehouse import embedded


@dataclass(frozen=True)
class Told:
    """What a demonstration wrote, where, and how long it took."""

    folder: Path
    text: str
    seconds: float


def tell(settings: Settings, out: Path) -> Told:
    written = io.StringIO()
    began = time.monotonic()
    folder = demo.run(settings, out, Console(file=written, width=160))
    return Told(folder, written.getvalue(), time.monotonic() - began)


@pytest.fixture(scope="session")
def place() -> Iterator[Path]:
    """A folder with the sources as people have them, to which tests may add files, and room for a home."""
    # not pytest's own folder: as root the database's server runs as another user, who may not look into that one
    folder = Path(tempfile.mkdtemp(prefix="vmeste-e2e-"))
    folder.chmod(0o755)
    shutil.copytree(ROOT / "examples" / "reference_cohort", folder / "examples" / "reference_cohort")
    (folder / "forms").mkdir()
    shutil.copy(ROOT / "forms" / "sources.yml", folder / "forms")
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def settings(place: Path) -> Settings:
    return Settings(home=place / "home", sources=place / "forms" / "sources.yml")


@pytest.fixture(scope="session")
def first(settings: Settings, place: Path) -> Told:
    """The first demonstration: it has started everything and stopped it again."""
    return tell(settings, place / "first")


@pytest.fixture(scope="session")
def database(first: Told, settings: Settings) -> Iterator[Settings]:
    """The demonstration's databases, running."""
    embedded.start(settings)
    yield settings
    embedded.stop(settings)


@pytest.fixture(scope="session")
def mailbox() -> Iterator[Mailbox]:
    """A mail server of this machine, and the settings by which Airflow's processes write to it."""
    with mail_server() as box, pytest.MonkeyPatch.context() as patch:
        patch.setenv("AIRFLOW_CONN_VMESTE_MAIL", box.connection)
        patch.setenv("VMESTE_NOTIFY_SMTP", "vmeste_mail")
        for role in ("engineer", "method", "director"):
            patch.setenv(f"VMESTE_NOTIFY_{role.upper()}", f"{role}@example.org")
        yield box


@pytest.fixture(scope="session")
def running(database: Settings, mailbox: Mailbox) -> Iterator[airflow.Address]:
    """Airflow on the demonstration's home, as `make up` starts it."""
    yield airflow.start(database)
    airflow.stop(database)


@pytest.fixture(scope="session")
def redis_server() -> str:
    """Redis's program, from Debian's package."""
    brought = subprocess.run(
        [ROOT / "bin" / "debian_command", sys.prefix, "redis-server", "redis-server"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert brought.returncode == 0, brought.stderr
    return brought.stdout.strip()
