"""The night: each thing is told by a task of its own, and only if there is something to tell."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from vmeste.notifications.messages import message
from vmeste.notifications.notifier import Notice

if TYPE_CHECKING:
    from airflow.dag_processing.dagbag import DagBag
    from airflow.sdk import DAG

NOW = datetime(2022, 1, 17, 0, 30, tzinfo=UTC)
RUN = SimpleNamespace(start_date=NOW)
COUNTS = {
    "tell_quarantine": {"open_now": 2, "open_before": 1, "arrived": 1, "resolved": 0},
    "tell_follow_ups": {"due_now": 1, "due_now_6": 1, "due_now_12": 0, "closing": 0, "open_now": 4},
}
ASKED = {"tell_quarantine": "growing_quarantine", "tell_follow_ups": "due_follow_ups"}


@pytest.fixture
def dag(bag: DagBag) -> DAG:
    return bag.dags["maintain_warehouse"]


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[Notice]:
    """What is sent, each as the message it would be."""
    notices: list[Notice] = []

    def note(self: Notice, context: Any) -> None:
        message(self.event, self.facts | {"link": self.facts.get("link", "http://localhost/x")})
        notices.append(self)

    monkeypatch.setattr(Notice, "__call__", note)
    return notices


def test_a_task_that_tells_holds_up_no_other(dag: DAG) -> None:
    for name in ("tell_quarantine", "tell_follow_ups", "remind_approvers"):
        assert dag.get_task(name).upstream_task_ids == {"write_quarantine_lists"}


@pytest.mark.parametrize("name", ASKED)
@pytest.mark.parametrize("before", [None, NOW - timedelta(days=3)])
def test_the_night_looks_from_the_last_one_on(
    name: str, before: datetime | None, dag: DAG, told: list[Notice], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []

    def count(_: Any, since: datetime, until: datetime) -> dict[str, int]:
        asked.append((since, until))
        return COUNTS[name]

    monkeypatch.setattr(f"vmeste.notifications.nightly.{ASKED[name]}", count)
    dag.get_task(name).python_callable(dag_run=RUN, prev_start_date_success=before)
    assert asked == [(before or NOW - timedelta(days=1), NOW)]
    assert [notice.facts for notice in told] == [COUNTS[name]]


@pytest.mark.parametrize("name", ASKED)
def test_nothing_new_is_not_told(name: str, dag: DAG, told: list[Notice], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"vmeste.notifications.nightly.{ASKED[name]}", lambda *_: None)
    dag.get_task(name).python_callable(dag_run=RUN)
    assert told == []


def test_whoever_is_waited_for_is_reminded(dag: DAG, told: list[Notice]) -> None:
    """Of two that wait for one person, one message with the newest; of what is answered or not asked yet, none."""
    states = {
        "manual__2022-01-15T00:00:00": {"approve_method": "success", "approve_director": "awaiting_input"},
        "manual__2022-01-16T00:00:00": {"approve_method": "awaiting_input", "approve_director": None},
        "manual__2022-01-17T00:00:00": {"approve_method": "awaiting_input", "approve_director": None},
        "manual__2022-01-18T00:00:00": {"approve_method": "skipped", "approve_director": "skipped"},
        "manual__2022-01-19T00:00:00": {"approve_method": "failed"},
    }
    asked: dict[str, Any] = {}

    def get_task_states(**given: Any) -> Any:
        asked.update(given)
        return states

    dag.get_task("remind_approvers").python_callable(ti=SimpleNamespace(get_task_states=get_task_states))
    assert asked == {"dag_id": "refresh_quarterly_indicators", "task_ids": ["approve_method", "approve_director"]}
    assert {(notice.event, notice.facts["role"], notice.facts["waiting"]) for notice in told} == {
        ("reminder", "method", 2),
        ("reminder", "director", 1),
    }
    links = {notice.facts["role"]: notice.facts["link"] for notice in told}
    assert links["method"].endswith("/runs/manual__2022-01-17T00%3A00%3A00/tasks/approve_method/required_actions")


def test_nobody_waits_nobody_is_reminded(dag: DAG, told: list[Notice]) -> None:
    dag.get_task("remind_approvers").python_callable(ti=SimpleNamespace(get_task_states=lambda **_: {}))
    assert told == []
