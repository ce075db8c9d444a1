"""Airflow runs already, as after `make up`: again the demonstration, a rejection, a file that nobody can read."""

from __future__ import annotations

import time
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.dags.receivers import Mailbox
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


def told(mailbox: Mailbox, event: str, known: int = 0) -> list[str]:
    """Wait for a mail beyond those known whose subject holds some words; return who got it."""
    until = time.monotonic() + 60
    while time.monotonic() < until:
        for recipients, mail in mailbox.mails[known:]:
            if event in str(mail["Subject"]):
                return [address.partition("@")[0] for address in recipients]
        time.sleep(0.2)
    raise AssertionError(f"nobody was told of {event}: {[str(mail['Subject']) for _, mail in mailbox.mails]}")


def subjects(mailbox: Mailbox, known: int) -> list[str]:
    return [str(mail["Subject"]) for _, mail in mailbox.mails[known:]]


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


def test_a_rejected_quarter_is_not_released(
    before: list[Any], running: airflow.Address, settings: Settings, mailbox: Mailbox
) -> None:
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
    assert told(mailbox, "2021-Q3-r1 ждёт согласования методологом") == ["method"]
    assert told(mailbox, "2021-Q3-r1 отклонён") == ["engineer", "method", "director"]


def test_a_cutoff_before_the_data_fails_the_checks_and_is_told(
    before: list[Any], running: airflow.Address, settings: Settings, mailbox: Mailbox
) -> None:
    admin, known = Session(running, airflow.ADMIN), len(mailbox.mails)
    run_id = admin.trigger(REFRESH, partition_key="2010-Q1")
    assert wait(admin, REFRESH, run_id) == "failed"
    states = {task["task_id"]: task["state"] for task in admin.tasks(REFRESH, run_id)}
    assert (states["validate"], states["release"]) == ("failed", "upstream_failed")
    assert released(settings) == before
    assert told(mailbox, "проверка не пройдена", known) == ["engineer", "method"]
    (log,) = (settings.home / "logs" / f"dag_id={REFRESH}" / f"run_id={run_id}" / "task_id=validate").glob("*=1.log")
    assert "either nothing had arrived by its cut-off" in log.read_text(encoding="utf-8")


def test_follow_ups_that_became_due_and_a_quarantine_that_grew_are_told_at_night(
    running: airflow.Address, settings: Settings, mailbox: Mailbox
) -> None:
    """The cohort's own follow-ups were due years ago: one is made up that is due today."""
    with connect(settings, "vmeste_transformer") as connection:
        connection.execute(
            "insert into marts.followup_calendar (pair_key, form, horizon, state, due_on, window_opens_on, "
            "window_closes_on) values ('made up', 'short', 6, 'open', %(today)s, %(today)s - 30, %(today)s + 60)",
            {"today": datetime.now(settings.zone).date()},
        )
    admin, known = Session(running, airflow.ADMIN), len(mailbox.mails)
    admin.unpause("maintain_warehouse")
    assert wait(admin, "maintain_warehouse", admin.trigger("maintain_warehouse")) == "success"
    assert told(mailbox, "повторн", known) == ["method"]
    assert told(mailbox, "в карантине стало больше", known) == ["engineer", "method"]


def test_another_key_is_refused_when_it_is_given(running: airflow.Address) -> None:
    with pytest.raises(ApiError, match="2021-Q4"):
        Session(running, airflow.ADMIN).trigger(REFRESH, partition_key="2021/4")


def test_a_quarter_that_is_not_over_is_stopped_at_the_gate(running: airflow.Address, mailbox: Mailbox) -> None:
    admin, known = Session(running, airflow.ADMIN), len(mailbox.mails)
    run_id = admin.trigger(REFRESH, partition_key="2198-Q4")
    assert wait(admin, REFRESH, run_id) == "failed"
    states = {task["task_id"]: task["state"] for task in admin.tasks(REFRESH, run_id)}
    assert states["gate"] == "failed"
    assert told(mailbox, f"сбой: {REFRESH}, gate", known) == ["engineer"]


def test_an_unreadable_file_fails_the_run_and_holds_up_no_other(
    running: airflow.Address, settings: Settings, place: Path, mailbox: Mailbox
) -> None:
    empty = place / "examples" / "reference_cohort" / "f3_mentee_feedback_empty.csv"
    empty.touch()
    admin, known = Session(running, airflow.ADMIN), len(mailbox.mails)
    run_id = admin.trigger("ingest_forms")
    assert wait(admin, "ingest_forms", run_id) == "failed"
    failed = [task for task in admin.tasks("ingest_forms", run_id) if task["state"] == "failed"]
    assert [task["task_id"] for task in failed if task["task_id"] == "report_failures"]
    folder = settings.home / "logs" / "dag_id=ingest_forms" / f"run_id={run_id}" / "task_id=report_failures"
    (log,) = folder.glob("attempt=1.log")
    assert "f3_mentee_feedback_empty.csv" in log.read_text(encoding="utf-8")
    assert told(mailbox, "сбой: ingest_forms, report_failures", known) == ["engineer"]
    # an hour later the same is no news; when it is mended, that is
    assert wait(admin, "ingest_forms", admin.trigger("ingest_forms")) == "failed"
    empty.unlink()
    assert wait(admin, "ingest_forms", admin.trigger("ingest_forms")) == "success"
    assert told(mailbox, "снова работает: ingest_forms", known) == ["engineer"]
    time.sleep(3)  # the run's own message, were there one, comes from the DAG processor
    assert len([subject for subject in subjects(mailbox, known) if "ingest_forms" in subject]) == 2
