"""The folder ``superset/assets`` and a running Superset say the same, and a second provisioning changes nothing."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import yaml

from tests.bi.conftest import ASSETS
from vmeste.local import superset
from vmeste.settings import Settings


def call(settings: Settings, *arguments: str) -> None:
    done = subprocess.run(
        [superset.python(settings), settings.root / "superset" / "provision.py", *arguments],
        env=superset.environment(settings),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-2000:]


def read(folder: Path) -> dict[str, Any]:
    return {
        str(file.relative_to(folder)): yaml.safe_load(file.read_text(encoding="utf-8"))
        for file in folder.rglob("*.yaml")
    }


def test_export_import_export_is_stable_and_equals_the_files(provisioned: Settings, tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    call(provisioned, "export", str(first), "import", str(first), "export", str(second))
    exported = read(first)
    assert exported == read(second)
    ours = read(ASSETS)
    assert sorted(exported) == sorted(ours)
    for name, asset in ours.items():
        assert exported[name] == _sorted(asset), name


def _sorted(asset: dict[str, Any]) -> dict[str, Any]:
    """Put a dataset's columns into the order of the normal form; files have them as their SQL does."""
    short = {name: value for name, value in asset.items() if value is not None}
    if "columns" in short:
        short["columns"] = sorted(short["columns"], key=lambda column: column["column_name"])
    return short
