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
