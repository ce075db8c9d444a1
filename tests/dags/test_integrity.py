"""What must hold of every DAG file."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from vmeste.notifications.notifier import Notice
from vmeste.settings import ROOT
from vmeste.tags import Tag

if TYPE_CHECKING:
    from airflow.dag_processing.dagbag import DagBag

FILES = sorted((ROOT / "dags").glob("*.py"))
HEAVY = ("adbc_driver_postgresql", "dbt.cli", "great_expectations", "matplotlib", "pandas", "weasyprint")


def test_there_are_dag_files() -> None:
    assert {file.stem for file in FILES} == {
        "ingest_forms",
        "transform_warehouse",
        "refresh_quarterly_indicators",
        "maintain_warehouse",
        "erase_subject",
    }


def test_no_file_fails_to_import(bag: DagBag) -> None:
    assert bag.import_errors == {}


def test_each_file_gives_the_dag_of_its_name(bag: DagBag) -> None:
    assert {dag_id: dag.fileloc for dag_id, dag in bag.dags.items()} == {file.stem: str(file) for file in FILES}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_the_docstring_is_the_operators_manual(bag: DagBag, file: Path) -> None:
    dag = bag.dags[file.stem]
    assert dag.doc_md
    assert dag.doc_md.startswith(f"# {dag.dag_id}: ")
    assert "**What to do when it fails.**" in dag.doc_md
    assert "**To " in dag.doc_md, "says how to repeat or run it by hand"


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_tags_come_from_the_one_set(bag: DagBag, file: Path) -> None:
    tags = bag.dags[file.stem].tags
    assert tags
    assert tags <= set(Tag)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_one_run_at_a_time_and_no_catching_up(bag: DagBag, file: Path) -> None:
    dag = bag.dags[file.stem]
    assert dag.max_active_runs == 1
    assert dag.catchup is False


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_failed_run_is_told_once(bag: DagBag, file: Path) -> None:
    """By the run, not by each of its tasks: ten forms of one source that is down are one message."""
    dag = bag.dags[file.stem]
    assert [notice.event for notice in as_list(dag.on_failure_callback)] == ["failed"]
    # Cosmos has callbacks of its own
    assert not any(isinstance(callback, Notice) for task in dag.tasks for callback in as_list(task.on_failure_callback))


def as_list(callback: Any) -> list[Any]:
    return list(callback) if isinstance(callback, (list, tuple)) else [callback]


@pytest.mark.parametrize(
    "name", ["ingest_forms", "refresh_quarterly_indicators", "maintain_warehouse", "erase_subject"]
)
def test_nothing_heavy_is_imported_at_parse_time(name: str, bag: DagBag) -> None:
    # Airflow itself loads some of these; the difference is ours
    code = f"""
import runpy, sys
import airflow.sdk, airflow.providers.standard.operators.hitl, vmeste.timetables
before = set(sys.modules)
runpy.run_path({str(ROOT / "dags" / f"{name}.py")!r})
print(*sorted(module for module in set(sys.modules) - before if module.startswith({HEAVY!r})))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1:] in ([], [""])
