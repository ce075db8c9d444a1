"""A real PostgreSQL in a fresh home folder for whoever asks."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from vmeste.settings import Settings
from vmeste.warehouse import embedded
from vmeste.warehouse.migrate import migrate


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    """A fresh home folder.

    Not pytest's own: as root the server runs as another user, and pytest shuts its folder to others at each start.
    """
    folder = Path(tempfile.mkdtemp(prefix="vmeste-test-"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def settings(home: Path) -> Iterator[Settings]:
    """Settings of a fresh home with a migrated warehouse and vault; the server ends with the module."""
    fresh = Settings(home=home, warehouse_url="", vault_url="")
    migrate(fresh)
    yield fresh
    embedded.stop(fresh)


TABLES = {"fault": "Faults, and whether every row survived", "harm": "Hostile input, and whether it was harmless"}
"""What a test notes of itself by ``record_property``, and the head of the table that tells of all of them."""


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what was broken and what was sent to do harm, each with how it ended."""
    for name, head in TABLES.items():
        rows = sorted(
            (str(value), outcome)
            for outcome in ("passed", "failed", "skipped")
            for report in terminalreporter.stats.get(outcome, ())
            for key, value in getattr(report, "user_properties", ())
            if key == name
        )
        if rows:
            terminalreporter.section(head)
            for value, outcome in rows:
                terminalreporter.write_line(f"{outcome:8} {value}")
