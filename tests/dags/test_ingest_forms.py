"""The wiring of the sync, and what its last two tasks say."""

from __future__ import annotations

import runpy
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from airflow.sdk import RetryAction

from vmeste.notifications.notifier import TELLING, Notice
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
        self.pushed: dict[str, Any] = {}

    def xcom_push(self, key: str, value: Any) -> None:
        self.pushed[key] = value

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


BEGAN = SimpleNamespace(start_date=datetime(2026, 1, 2, 3, tzinfo=UTC))


@pytest.fixture
def noted(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """What the warehouse would be told that fails; it always says that this is no news."""
    found: list[list[str]] = []

    def note(settings: Settings, places: list[str], now: datetime) -> str:
        assert now == BEGAN.start_date
        found.append(places)
        return ""

    monkeypatch.setattr("vmeste.notifications.troubles.note", note)
    return found


def report(dag: DAG, ti: Ti) -> None:
    dag.get_task("report_failures").python_callable(ti=ti, dag_run=BEGAN, dag=dag, run_id=ti.run_id)


def test_a_run_in_which_nothing_failed_is_not_failed(dag: DAG, noted: list[list[str]]) -> None:
    states = {"centre.people.load_0": "success", "centre.people.load_1": "skipped"}
    report(dag, Ti([counts("r1_mentee")], states))
    assert noted == [[]]


def test_a_failed_branch_fails_the_run_and_is_named(dag: DAG, noted: list[list[str]]) -> None:
    states = {"centre.people.load_0": "success", "centre.surveys.extract_2": "failed"}
    with pytest.raises(RuntimeError, match=r"surveys\.extract_2"):
        report(dag, Ti([counts("r1_mentee")], states))
    assert noted == [["centre.surveys.extract_2"]]


def test_a_refused_file_fails_the_run_although_the_rest_of_its_form_is_loaded(dag: DAG, noted: list[list[str]]) -> None:
    with pytest.raises(RuntimeError, match=r"f4_meeting: broken\.csv"):
        report(dag, Ti([counts("f4_meeting", error="broken.csv: 0 bytes")]))
    assert noted == [["f4_meeting"]], "the name of a file is nothing to keep"


def test_a_file_that_no_form_reads_fails_the_run(
    dag: DAG, noted: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vmeste.ingest.overlooked", lambda settings: ["stray.csv: no form has files of this name"])
    with pytest.raises(RuntimeError, match=r"not read: stray\.csv"):
        report(dag, Ti([counts("r1_mentee")]))
    assert noted == [["1 files that no form reads"]]


@pytest.mark.parametrize("telling", ["failed", "recovered", ""])
def test_what_is_news_is_told_by_the_task_and_not_again_by_the_run(
    dag: DAG, telling: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    monkeypatch.setattr("vmeste.notifications.troubles.note", lambda *_: telling)
    monkeypatch.setattr(Notice, "notify", lambda self, context: told.append(self.event))
    ti = Ti([counts("r1_mentee")])
    report(dag, ti)
    assert told == ([telling] if telling else [])
    assert ti.pushed == {TELLING: telling}


@pytest.mark.parametrize(
    ("task_id", "pulled", "is_told"),
    [
        ("report_failures", "", False),  # no news, says the task
        ("report_failures", "failed", False),  # it has told
        ("report_failures", None, True),  # it could not say
        ("report_failures", RuntimeError("no answer"), True),
        ("announce_changes", "failed", True),
    ],
)
def test_a_run_is_told_of_once(
    dag: DAG, task_id: str, pulled: Any, is_told: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Failed(SimpleNamespace):
        def xcom_pull(self, task_ids: str, key: str) -> Any:
            assert (task_ids, key) == ("report_failures", TELLING)
            if isinstance(pulled, Exception):
                raise pulled
            return pulled

    sent = []
    monkeypatch.setattr("vmeste.notifications.sending.send", lambda settings, message: sent.append(message.event))
    (notice,) = dag.on_failure_callback if isinstance(dag.on_failure_callback, list) else [dag.on_failure_callback]
    notice({"dag": dag, "run_id": "scheduled__2022-01-15T03:00:00+00:00", "ti": Failed(task_id=task_id)})
    assert sent == (["failed"] if is_told else [])


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


def test_the_hour_before_the_first_start_is_not_made_up_for(bag: DagBag) -> None:
    """A demonstration at two past the hour reads the forms once."""
    schedule = bag.dags["ingest_forms"].timetable
    assert schedule.expression == "0 * * * *"
    # False would mean six minutes
    assert schedule.run_immediately == timedelta(0)
    assert schedule.run_immediately is not False
