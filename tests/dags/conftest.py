"""The DAGs as Airflow reads them: no scheduler, no database."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from vmeste.settings import ROOT, Settings, get_settings

if TYPE_CHECKING:
    from airflow.dag_processing.dagbag import DagBag

# Airflow reads these when it is first imported, which is before any fixture could set them
os.environ.setdefault("AIRFLOW_HOME", tempfile.mkdtemp(prefix="vmeste-airflow-"))
os.environ.setdefault("AIRFLOW__CORE__LOAD_EXAMPLES", "False")
os.environ.setdefault("AIRFLOW__COSMOS__ENABLE_TELEMETRY", "False")

NOWHERE = "postgresql://nobody:nothing@localhost:1/"
"""dbt's parser wants an address and does not connect to it; nor does a DAG file."""


@pytest.fixture(scope="package")
def environment() -> Iterator[pytest.MonkeyPatch]:
    """Settings for parsing: a fresh home, an address that nobody answers; others do want a database."""
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as home:
        patch.setenv("VMESTE_HOME", home)
        patch.setenv("VMESTE_WAREHOUSE_URL", f"{NOWHERE}vmeste")
        patch.setenv("VMESTE_VAULT_URL", f"{NOWHERE}vault")
        get_settings.cache_clear()
        yield patch
        get_settings.cache_clear()


@pytest.fixture(scope="package")
def settings(environment: pytest.MonkeyPatch) -> Settings:
    return get_settings()


@pytest.fixture(scope="package")
def manifest(settings: Settings) -> Path:
    """dbt's manifest, from which the DAG of the transformation is drawn."""
    from vmeste.warehouse import transform

    return transform.parse(settings)


@pytest.fixture(scope="package")
def bag(manifest: Path) -> DagBag:
    """All DAG files of the repository."""
    from airflow.dag_processing.dagbag import DagBag

    return DagBag(str(ROOT / "dags"))
