"""Where the files of sources name several organisations, each has a DAG of its own that releases its quarters."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from airflow.dag_processing.dagbag import DagBag

from vmeste.approvers import get_approvers
from vmeste.settings import ROOT, get_settings

FILE = """\
organisation_code: {code}
stages: {{pairs: [r3_pair]}}
sources:
  - {{name: centre_{code}, kind: files, location: {code}, time_zone: Europe/Moscow, forms: {{r3_pair: {{files: "*"}}}}}}
"""


@pytest.fixture
def of_two(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[DagBag]:
    for code in ("one", "two"):
        (tmp_path / f"{code}.yml").write_text(FILE.format(code=code), encoding="utf-8")
    monkeypatch.setenv("VMESTE_SOURCES", str(tmp_path))
    monkeypatch.setenv("VMESTE_DIRECTOR", "one=anna,two=boris")
    get_settings.cache_clear()
    get_approvers.cache_clear()
    yield DagBag(str(ROOT / "dags" / "refresh_quarterly_indicators.py"))
    monkeypatch.undo()
    get_settings.cache_clear()
    get_approvers.cache_clear()


def test_each_has_its_dag_and_its_director(of_two: DagBag) -> None:
    assert of_two.import_errors == {}
    assert {
        dag_id: (dag.params["organisation"], dag.get_task("approve_director").assigned_users[0]["id"])
        for dag_id, dag in of_two.dags.items()
    } == {
        "refresh_quarterly_indicators__one": ("one", "anna"),
        "refresh_quarterly_indicators__two": ("two", "boris"),
    }
