"""Run dbt: from raw to the marts, for today or as of a cut-off."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Literal

import psycopg

from vmeste.settings import Settings
from vmeste.warehouse.connect import warehouse_url

logger = logging.getLogger(__name__)

Target = Literal["current", "candidate"]
"""``current`` fills the marts; ``candidate`` fills their twins (``candidate_marts`` …) as of a cut-off."""


class TransformError(Exception):
    """dbt failed: the message names the models or tests."""


TLS = ("sslmode", "sslrootcert", "sslcert", "sslkey")
"""What of an address says how the connection is protected, and goes on to dbt."""


def dbt_environment(settings: Settings) -> dict[str, str]:
    """Return what ``dbt_project/profiles.yml`` reads from the environment."""
    parts = psycopg.conninfo.conninfo_to_dict(warehouse_url(settings))
    return {
        "VMESTE_DBT_HOST": str(parts.get("host", "localhost")),
        "VMESTE_DBT_PORT": str(parts.get("port", 5432)),
        "VMESTE_DBT_USER": str(parts.get("user", "")),
        "VMESTE_DBT_PASSWORD": str(parts.get("password", "")),
        "VMESTE_DBT_DBNAME": str(parts.get("dbname", "")),
        **{f"VMESTE_DBT_{name.upper()}": str(parts.get(name, "")) for name in TLS},
        "DBT_PROFILES_DIR": str(settings.root / "dbt_project"),
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
        "DO_NOT_TRACK": "1",
    }


def target_path(settings: Settings, target: Target) -> Path:
    """Return where dbt keeps its manifest and results; two targets never share a folder."""
    return settings.home / "dbt" / target


def variables(settings: Settings, as_of: datetime | None) -> dict[str, str]:
    """Return the variables of the dbt project."""
    return {"as_of": as_of.isoformat() if as_of else "", "time_zone": settings.timezone}


def parse(settings: Settings, target: Target = "current") -> Path:
    """Write the project's manifest and return its path."""
    _dbt(settings, target, ["parse"])
    return target_path(settings, target) / "manifest.json"


def document(settings: Settings) -> dict[str, Path]:
    """Write what dbt's documentation is made of: ``manifest`` and ``catalog`` (columns, no rows), and its empty page.

    Returns:
        ``manifest``, ``catalog``, ``index`` → file. They lie apart from those of a build, which may run meanwhile.

    Raises:
        TransformError: the project cannot be read, or the warehouse cannot be asked.
    """
    folder = settings.home / "dbt" / "documented"
    _dbt(settings, "current", ["docs", "generate"], folder)
    return {"manifest": folder / "manifest.json", "catalog": folder / "catalog.json", "index": folder / "index.html"}


def build(
    settings: Settings,
    target: Target = "current",
    as_of: datetime | None = None,
    *,
    full_refresh: bool = False,
    with_unit_tests: bool = False,
    only: str | None = None,
) -> None:
    """Seed, run and test the whole project.

    Args:
        settings: where the project and its database are.
        target: which schemas to fill.
        as_of: only what had arrived at this moment counts; ``None`` is all that has arrived.
        full_refresh: build what is kept by increments anew. With an ``as_of``, and where rules changed, dbt does so by
            itself.
        with_unit_tests: run dbt's unit tests too. They speak of the code and not of the data, so that the project's
            tests run them and no refresh does; data tests always run.
        only: this model and what it stands on, without tests; ``None`` is everything.

    Raises:
        TransformError: a model or a test failed; the message names each.
    """
    if as_of is not None and as_of.tzinfo is None:
        raise ValueError("as_of needs a time zone")
    arguments = ["build", "--vars", json.dumps(variables(settings, as_of))]
    if only is not None:
        arguments += ["--select", f"+{only}", "--exclude-resource-type", "unit_test", "--exclude-resource-type", "test"]
    elif not with_unit_tests:
        arguments += ["--exclude-resource-type", "unit_test"]
    if full_refresh:
        arguments.append("--full-refresh")
    _dbt(settings, target, arguments)


def parse_option(project: Path, folder: Path) -> str:
    """Return whether dbt may start from what it parsed last time, and note the indicators' files for the next time.

    ``int_indicators_united`` takes its models from the files that there are, so that dbt has to look again when there
    are others (``partial_parse`` in ``dbt_project.yml``); to parse everything costs a third of a build of few rows.
    """
    files = "\n".join(sorted(file.name for file in (project / "models").rglob("int_indicator_*.sql")))
    noted = folder / "indicators.txt"
    if noted.exists() and noted.read_text(encoding="utf-8") == files:
        return "--partial-parse"
    noted.write_text(files, encoding="utf-8")
    (folder / "partial_parse.msgpack").unlink(missing_ok=True)  # a run that is killed before it has parsed leaves none
    return "--no-partial-parse"


def _dbt(settings: Settings, target: Target, arguments: list[str], folder: Path | None = None) -> None:
    folder = folder or target_path(settings, target)
    folder.mkdir(parents=True, exist_ok=True)
    command = [
        str(Path(sys.executable).parent / "dbt"),
        *arguments,
        parse_option(settings.root / "dbt_project", folder),
        "--project-dir",
        str(settings.root / "dbt_project"),
        "--target",
        target,
        "--target-path",
        str(folder),
        "--log-path",
        str(folder / "logs"),
        "--no-use-colors",
        # each statement at level debug costs a tenth of a build; a failure is told in full without them
        "--log-level-file",
        "info",
    ]
    # a process of its own: dbt keeps global state, and its memory goes back when it ends
    outcome = subprocess.run(
        command,
        env=os.environ | dbt_environment(settings),
        cwd=settings.root,
        capture_output=True,
        text=True,
        check=False,
    )
    for line in outcome.stdout.splitlines():
        logger.info("%s", line)
    if outcome.returncode != 0:
        raise TransformError(_failures(folder) or (outcome.stdout + outcome.stderr)[-2000:])


def _failures(folder: Path) -> str:
    """Return one line for each model or test that failed."""
    results = folder / "run_results.json"
    if not results.exists():
        return ""
    failed = [
        f"{result['unique_id'].split('.', 2)[2]}: {_first_lines(str(result['message']))}"
        for result in json.loads(results.read_text(encoding="utf-8"))["results"]
        if result["status"] in {"error", "fail", "runtime error"}
    ]
    return "dbt: " + "; ".join(failed) if failed else ""


def _first_lines(message: str) -> str:
    """Return what went wrong: dbt's first line says where, the next what."""
    return " ".join(line.strip() for line in message.splitlines()[:2])
