"""Airflow runs already, as after `make up`: again the demonstration, a rejection, a file that nobody can read."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import Told, tell
from vmeste.local import airflow
from vmeste.local.rest import RUN_ENDED, ApiError, Session
from vmeste.settings import Settings
from vmeste.warehouse.connect import connect

REFRESH = "refresh_quarterly_indicators"


def wait(session: Session, dag_id: str, run_id: str) -> str:
    while (state := session.run(dag_id, run_id)["state"]) not in RUN_ENDED:
        time.sleep(0.5)
    return str(state)


def wait_for_task(session: Session, dag_id: str, run_id: str, task_id: str, state: str) -> None:
    while {task["task_id"]: task["state"] for task in session.tasks(dag_id, run_id)}.get(task_id) != state:
        assert session.run(dag_id, run_id)["state"] not in RUN_ENDED, f"{task_id} never was {state}"
        time.sleep(0.5)
    # an answer before the scheduler has seen the task pause would fail it
    time.sleep(3)


@pytest.fixture(scope="module")
def before(database: Settings) -> list[Any]:
    return released(database)


def released(settings: Settings) -> list[Any]:
    with connect(settings, "vmeste_transformer") as connection:
        return connection.execute("select release_id, checksum, released_at from published.releases").fetchall()


def test_a_second_demonstration_is_quicker_and_changes_nothing(
    before: list[Any], running: airflow.Address, first: Told, settings: Settings, place: Path
) -> None:
    second = tell(settings, place / "second")
    assert "no form has news" in second.text
    assert "the marts stand" in second.text
    assert "nothing is changed" in second.text
    assert released(settings) == before
    assert second.seconds < first.seconds
    for kind in ("pdf", "html", "xlsx"):
        name = f"release.{kind}"
        assert (second.folder / name).read_bytes() == (first.folder / name).read_bytes(), name
    assert airflow.address(settings) is not None, "what ran before runs on"


def test_a_rejected_quarter_is_not_released(before: list[Any], running: airflow.Address, settings: Settings) -> None:
    admin, psychologist = Session(running, airflow.ADMIN), Session(running, "demo_psychologist")
    run_id = admin.trigger(REFRESH, partition_key="2021-Q3")
    wait_for_task(admin, REFRESH, run_id, "approve_method", "awaiting_input")
    for session in (admin, Session(running, "demo_director")):
        with pytest.raises(ApiError, match="not a respondent"):
            session.answer(REFRESH, run_id, "approve_method", "Reject")
    psychologist.answer(REFRESH, run_id, "approve_method", "Reject")
    assert wait(admin, REFRESH, run_id) == "success"
    states = {task["task_id"]: task["state"] for task in admin.tasks(REFRESH, run_id)}
    assert (states["approve_director"], states["release"]) == ("skipped", "skipped")
    assert "2021-Q3-r1 was rejected by demo_psychologist" in admin.returned(REFRESH, run_id, "tell_outcome")
    assert released(settings) == before


def test_another_key_is_refused_when_it_is_given(running: airflow.Address) -> None:
    with pytest.raises(ApiError, match="2021-Q4"):
        Session(running, airflow.ADMIN).trigger(REFRESH, partition_key="2021/4")


def test_a_quarter_that_is_not_over_is_stopped_at_the_gate(running: airflow.Address) -> None:
    admin = Session(running, airflow.ADMIN)
    run_id = admin.trigger(REFRESH, partition_key="2198-Q4")
    assert wait(admin, REFRESH, run_id) == "failed"
    states = {task["task_id"]: task["state"] for task in admin.tasks(REFRESH, run_id)}
    assert states["gate"] == "failed"


def test_an_unreadable_file_fails_the_run_and_holds_up_no_other(
    running: airflow.Address, settings: Settings, place: Path
) -> None:
    (place / "examples" / "reference_cohort" / "f3_mentee_feedback_empty.csv").touch()
    admin = Session(running, airflow.ADMIN)
    run_id = admin.trigger("ingest_forms")
    assert wait(admin, "ingest_forms", run_id) == "failed"
    failed = [task for task in admin.tasks("ingest_forms", run_id) if task["state"] == "failed"]
    assert [task["task_id"] for task in failed if task["task_id"] == "report_failures"]
    folder = settings.home / "logs" / "dag_id=ingest_forms" / f"run_id={run_id}" / "task_id=report_failures"
    (log,) = folder.glob("attempt=1.log")
    assert "f3_mentee_feedback_empty.csv" in log.read_text(encoding="utf-8")
