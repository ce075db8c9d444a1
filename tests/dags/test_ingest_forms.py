"""The wiring of the sync, and what its last two tasks say."""

from __future__ import annotations

import runpy
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from airflow.sdk import RetryAction

from vmeste.settings import ROOT, get_settings
from vmeste.sources import load_sources
from vmeste.sources.errors import (
    FormUnusable,
    ReadIncomplete,
    SourceDenied,
    SourceNotFound,
    SourceThrottled,
    SourceUnreachable,
)

if TYPE_CHECKING:
    from airflow.dag_processing.dagbag import DagBag
    from airflow.sdk import DAG

    from vmeste.settings import Settings

STAGES = ["people", "pairs", "periods", "surveys"]

TWO_CENTRES = """\
stages:
  pairs: [r3_pair]
  surveys: [f4_meeting, f7_followup]
sources:
  - {name: north, kind: files, location: /srv/north, time_zone: Europe/Moscow,
     forms: {r3_pair: {files: "r3*"}, f4_meeting: {files: "f4*"}}}
  - {name: south, kind: files, location: /srv/south, time_zone: Europe/Moscow,
     forms: {r3_pair: {files: "r3*"}, f7_followup: {files: "f7*"}}}
  - {name: west, kind: limesurvey, server: "https://west.example.org", connection: west, time_zone: Europe/Moscow,
     forms: {f4_meeting: {survey: 1}, f7_followup: {survey: 2}}}
"""


@pytest.fixture
def dag(bag: DagBag) -> DAG:
    return bag.dags["ingest_forms"]


class Ti:
    """A task instance that knows what the loads returned and how the tasks ended."""

    dag_id, run_id = "ingest_forms", "run"

    def __init__(self, loaded: list[Any], states: dict[str, str] | None = None) -> None:
        self.loaded, self.states = loaded, states or {}

    def xcom_pull(self, task_ids: list[str]) -> list[Any]:
        assert task_ids == [f"centre.{stage}.load" for stage in STAGES]
        return self.loaded

    def get_task_states(self, dag_id: str, task_ids: list[str], run_ids: list[str]) -> dict[str, dict[str, str]]:
        assert {name.split(".")[-1] for name in task_ids} == {"extract", "load"}
        return {self.run_id: self.states}


def counts(form_id: str, *, is_changed: bool = True, error: str | None = None) -> dict[str, Any]:
    return {"form_id": form_id, "has_changed_rows": is_changed, "error": error}


class Outlets(dict[Any, Any]):
    """Collects what is announced, as Airflow's accessor does."""

    def __missing__(self, alias: Any) -> list[Any]:
        class Events(list[Any]):
            add = list.append

        return self.setdefault(alias, Events())


def test_the_stages_are_those_of_the_sources(settings: Settings) -> None:
    assert list(load_sources(settings.sources).stages) == STAGES


def test_a_stage_waits_for_the_one_before(dag: DAG) -> None:
    for earlier, later in pairwise(STAGES):
        assert dag.get_task(f"centre.{later}.extract").upstream_task_ids == {f"centre.{earlier}.load"}


@pytest.mark.parametrize("stage", STAGES)
def test_a_branch_extracts_then_loads(dag: DAG, stage: str) -> None:
    assert f"centre.{stage}.extract" in dag.get_task(f"centre.{stage}.load").upstream_task_ids
    for step in ("extract", "load"):  # labelled by source and form, not by number
        assert "form_id" in dag.get_task(f"centre.{stage}.{step}").map_index_template


def test_a_failed_branch_holds_up_neither_the_next_stage_nor_the_announcement(dag: DAG) -> None:
    for name in [f"centre.{stage}.extract" for stage in STAGES] + ["announce_changes", "report_failures"]:
        assert dag.get_task(name).trigger_rule == "all_done", name


def test_a_source_waits_for_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sources = tmp_path / "sources.yml"
    sources.write_text(TWO_CENTRES, encoding="utf-8")
    monkeypatch.setenv("VMESTE_SOURCES", str(sources))
    get_settings.cache_clear()
    try:
        dag = runpy.run_path(str(ROOT / "dags" / "ingest_forms.py"))["ingest_forms"]()
    finally:
        monkeypatch.undo()
        get_settings.cache_clear()
    for name in ("north", "south"):
        assert dag.get_task(f"{name}.pairs.extract").upstream_task_ids == set()
        assert dag.get_task(f"{name}.surveys.extract").upstream_task_ids == {f"{name}.pairs.load"}
    loads = {f"{name}.{stage}.load" for name in ("north", "south") for stage in ("pairs", "surveys")}
    loads.add("west.surveys.load")
    # forms of one server wait for one another without keeping a slot
    assert dag.get_task("west.surveys.extract").max_active_tis_per_dagrun == 1
    assert dag.get_task("north.surveys.extract").max_active_tis_per_dagrun is None
    assert dag.get_task("report_failures").upstream_task_ids == loads
    assert dag.get_task("announce_changes").upstream_task_ids == loads


def test_the_announcement_waits_for_a_source_that_is_down_no_longer_than_for_one_more_try(dag: DAG) -> None:
    assert dag.get_task("centre.people.extract").retries == 1
    assert dag.get_task("centre.people.load").retries == 3


def test_only_forms_that_changed_are_announced_and_together(dag: DAG) -> None:
    task = dag.get_task("announce_changes")
    outlets = Outlets()
    loaded = [counts("f4_meeting"), counts("f9_closure", is_changed=False), None, counts("r1_mentee")]
    task.python_callable(outlet_events=outlets, ti=Ti(loaded))
    (announced,) = outlets.values()
    assert [asset.name for asset in announced] == ["raw/f4_meeting", "raw/r1_mentee"]


def test_a_run_in_which_nothing_failed_is_not_failed(dag: DAG) -> None:
    states = {"centre.people.load_0": "success", "centre.people.load_1": "skipped"}
    dag.get_task("report_failures").python_callable(ti=Ti([counts("r1_mentee")], states))


def test_a_failed_branch_fails_the_run_and_is_named(dag: DAG) -> None:
    states = {"centre.people.load_0": "success", "centre.surveys.extract_2": "failed"}
    with pytest.raises(RuntimeError, match=r"surveys\.extract_2"):
        dag.get_task("report_failures").python_callable(ti=Ti([counts("r1_mentee")], states))


def test_a_refused_file_fails_the_run_although_the_rest_of_its_form_is_loaded(dag: DAG) -> None:
    with pytest.raises(RuntimeError, match=r"f4_meeting: broken\.csv"):
        dag.get_task("report_failures").python_callable(ti=Ti([counts("f4_meeting", error="broken.csv: 0 bytes")]))


def test_a_file_that_no_form_reads_fails_the_run(dag: DAG, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vmeste.ingest.overlooked", lambda settings: ["stray.csv: no form has files of this name"])
    with pytest.raises(RuntimeError, match=r"not read: stray\.csv"):
        dag.get_task("report_failures").python_callable(ti=Ti([counts("r1_mentee")]))


@pytest.mark.parametrize(
    ("raised", "action", "minutes"),
    [
        (SourceUnreachable("503"), RetryAction.RETRY, 1),
        (ReadIncomplete("56 and 55"), RetryAction.RETRY, 1),
        (SourceThrottled("locked for ten minutes"), RetryAction.RETRY, 10),
        (psycopg.OperationalError("gone"), RetryAction.RETRY, 1),
        (SourceDenied("401"), RetryAction.FAIL, None),
        (SourceNotFound("404"), RetryAction.FAIL, None),
        (FormUnusable("two fields, one name"), RetryAction.FAIL, None),
        (RuntimeError("a mistake of ours"), RetryAction.FAIL, None),
    ],
)
def test_the_cause_decides_whether_a_task_is_tried_again(
    dag: DAG, raised: Exception, action: RetryAction, minutes: int | None
) -> None:
    policy = dag.get_task("centre.people.extract").retry_policy
    decision = policy.evaluate(raised, 1, 3)
    assert decision.action == action
    assert decision.retry_delay == (timedelta(minutes=minutes) if minutes else None)
