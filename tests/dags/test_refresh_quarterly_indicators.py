"""The wiring of a release: two people, in order, and what a rejection does."""

from __future__ import annotations

import copy
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from airflow.sdk import DeadlineReference
from airflow.sdk.exceptions import DownstreamTasksSkipped, ParamValidationError, TaskAwaitingInput

from vmeste.notifications.messages import message
from vmeste.notifications.notifier import Notice
from vmeste.releases.quarters import Quarter

if TYPE_CHECKING:
    from airflow.dag_processing.dagbag import DagBag
    from airflow.sdk import DAG

ORDER = [
    "gate",
    "build_candidate",
    "validate",
    "render",
    "stop_if_released",
    "approve_method",
    "approve_director",
    "release",
    "tell_outcome",
]
RENDERED = {
    "release_id": "2021-Q4-r2",
    "state": "draft",
    "checksum": "0" * 64,
    "verdict": "2021-Q4-r2 stands already with the same figures: nothing is changed",
}
AT = datetime(2022, 1, 17, 9, 0, tzinfo=UTC)


@pytest.fixture
def dag(bag: DagBag) -> DAG:
    return bag.dags["refresh_quarterly_indicators"]


class Ti:
    """A task instance that knows how the tasks ended and what the release returned."""

    dag_id, run_id = "refresh_quarterly_indicators", "run"

    def __init__(self, approve_method: str, approve_director: str, release: str) -> None:
        self.states = {"approve_method": approve_method, "approve_director": approve_director, "release": release}
        self.pushed: dict[str, Any] = {}

    def xcom_push(self, key: str, value: Any) -> None:
        self.pushed[key] = value

    def get_task_states(self, dag_id: str, task_ids: list[str], run_ids: list[str]) -> dict[str, dict[str, str]]:
        return {self.run_id: {name: self.states[name] for name in task_ids}}

    def xcom_pull(self, task_ids: str, key: str = "return_value") -> Any:
        if task_ids == "release":
            return {"release_id": "2021-Q4-r2", "pdf": "r.pdf"}
        assert key == "answer"
        return {"user": f"who {task_ids}", "at": AT.isoformat(), "approved": False, "reason": REASONS[task_ids]}


REASONS = {"approve_method": "ошибка в шкале", "approve_director": ""}


def test_the_steps_follow_one_another(dag: DAG) -> None:
    assert set(dag.task_ids) == set(ORDER)
    for earlier, later in pairwise(ORDER):
        assert earlier in dag.get_task(later).upstream_task_ids


def test_two_different_people_approve(dag: DAG) -> None:
    asked = [dag.get_task(name).assigned_users for name in ("approve_method", "approve_director")]
    assert asked == [
        [{"id": "demo_psychologist", "name": "demo_psychologist"}],
        [{"id": "demo_director", "name": "demo_director"}],
    ]


def test_a_rejection_does_not_let_the_release_run(dag: DAG) -> None:
    # Airflow skips what follows directly; with this rule the skip goes on to the release
    for name in ("approve_director", "release"):
        assert dag.get_task(name).trigger_rule == "all_success"
    assert dag.get_task("tell_outcome").trigger_rule == "none_failed"


@pytest.mark.parametrize(("state", "goes_on"), [("draft", True), ("released", False)])
def test_figures_that_stand_released_ask_nobody(dag: DAG, state: str, goes_on: bool) -> None:
    assert dag.get_task("stop_if_released").python_callable(RENDERED | {"state": state}) is goes_on


def test_without_a_partition_key_the_gate_says_how_to_give_one(dag: DAG) -> None:
    with pytest.raises(ValueError, match="2021-Q4"):
        dag.get_task("gate").python_callable(dag_run=SimpleNamespace(partition_key=None), params={})


@pytest.mark.parametrize(
    ("states", "said"),
    [
        (("success", "success", "success"), "2021-Q4-r2 is released: r.pdf"),
        (
            ("success", "skipped", "skipped"),
            "2021-Q4-r2 was rejected by who approve_method (ошибка в шкале): nothing is released",
        ),
        (
            ("success", "success", "skipped"),
            "2021-Q4-r2 was rejected by who approve_director (no reason was given): nothing is released",
        ),
        (("skipped", "skipped", "skipped"), "2021-Q4-r2 stands already with the same figures: nothing is changed"),
    ],
)
def test_the_outcome_says_what_became_of_it(
    dag: DAG, states: tuple[str, str, str], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: list[tuple[Any, ...]] = []
    monkeypatch.setattr("vmeste.releases.steps.keep_rejection", lambda _, *what: kept.append(what))
    ti = Ti(*states)
    assert dag.get_task("tell_outcome").python_callable(RENDERED, ti=ti) == said
    told = ti.pushed.get("outcome", {})
    assert told.get("event") == next(
        (event for event in ("rejected", "released") if f" {event} " in said or f" {event}:" in said), None
    )
    assert not {"reason", "user"} & set(told), "what a person wrote goes into no message"
    if "rejected" in said:
        role = "director" if states[1] == "success" else "method"
        assert kept == [(RENDERED, role, f"who approve_{role}", AT, REASONS[f"approve_{role}"])]
    else:
        assert kept == []


def test_what_is_asked_for_is_an_answer_and_a_reason(dag: DAG) -> None:
    """The DAG's own parameter is not asked of the approvers."""
    for name in ("approve_method", "approve_director"):
        assert set(dag.get_task(name).serialized_params) == {"reason"}
    assert set(dag.params) == {"known", "organisation", "programme"}


@pytest.mark.parametrize(("option", "goes_on"), [("Approve", True), ("Reject", False)])
@pytest.mark.parametrize("written", [{"reason": " опечатка в шкале "}, {}, None])
def test_an_answer_is_kept_whichever_way_it_goes(
    dag: DAG, option: str, goes_on: bool, written: dict[str, str] | None
) -> None:
    """Airflow's operator itself, resumed with the answer: a rejection skips what follows and returns nothing."""
    pushed: dict[str, Any] = {}
    operator = dag.get_task("approve_method")
    ti = SimpleNamespace(xcom_push=lambda key, value: pushed.update({key: value}), map_index=-1)
    event = {
        "chosen_options": [option],
        "params_input": written,
        "responded_at": AT,
        "responded_by_user": {"id": "demo_psychologist", "name": "demo_psychologist"},
    }
    context = {"ti": ti, "task": operator}
    if goes_on:
        operator.execute_complete(context, event)
    else:
        with pytest.raises(DownstreamTasksSkipped) as skipped:
            operator.execute_complete(context, event)
        assert list(skipped.value.tasks) == ["approve_director"]
    assert pushed["answer"] == {
        "user": "demo_psychologist",
        "at": AT.isoformat(),
        "approved": goes_on,
        "reason": "опечатка в шкале" if written else "",
    }


@pytest.mark.parametrize("known", ["2022-Q5", "x", 2022])
def test_the_parameter_known_is_a_quarter(dag: DAG, known: Any) -> None:
    params = copy.deepcopy(dag.params)
    for accepted in (None, "2022-Q1"):
        params["known"] = accepted
        assert params.validate()["known"] == accepted
    with pytest.raises(ParamValidationError):
        params["known"] = known
        params.validate()


def test_every_step_is_told_what_is_known(dag: DAG, monkeypatch: pytest.MonkeyPatch) -> None:
    """A restatement is built, checked, shown and released as of the same later cut-off."""
    asked: dict[str, Any] = {}

    def note(name: str) -> Any:
        def step(*given: Any) -> dict[str, str]:
            asked[name] = next(one for one in reversed(given) if isinstance(one, Quarter))
            return {}

        return step

    for name in ("gate", "build_candidate", "validate", "render", "release"):
        monkeypatch.setattr(f"vmeste.releases.steps.{name}", note(name))
    run = SimpleNamespace(partition_key="2021-Q4", start_date=AT, triggering_user_name="admin")
    params = {"known": "2022-Q1"}
    for name in ("gate", "build_candidate", "validate", "render"):
        dag.get_task(name).python_callable(dag_run=run, params=params)
    dag.get_task("release").python_callable({}, RENDERED, dag_run=run, ti=Ti("", "", ""), params=params)
    assert set(asked.values()) == {Quarter(2022, 1)}
    assert len(asked) == 5


def test_who_is_asked_is_told_before_the_question_is_there(dag: DAG, monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer given between asking and waiting would be lost: so nothing that takes time is done in between."""
    done: list[str] = []
    monkeypatch.setattr(
        "airflow.providers.standard.operators.hitl.upsert_hitl_detail", lambda **_: done.append("asked")
    )
    monkeypatch.setattr(Notice, "__call__", lambda self, context: done.append(f"told {self.facts['role']}"))
    for role in ("method", "director"):
        operator = copy.copy(dag.get_task(f"approve_{role}"))
        with pytest.raises(TaskAwaitingInput):
            operator.execute({"task_instance": SimpleNamespace(id="x")})
        assert done == [f"told {role}", "asked"]
        done.clear()


def test_a_release_that_takes_too_long_is_told(dag: DAG) -> None:
    """Serialised and read back, as the scheduler has it; the callback is one that the triggerer can await."""
    (alert,) = dag.deadline
    assert alert.reference == DeadlineReference.DAGRUN_QUEUED_AT
    assert alert.interval == timedelta(days=5)
    assert alert.callback.path == "vmeste.notifications.notifier.Notice"
    assert message("overdue", alert.callback.kwargs["facts"] | {"quarter": "2021-Q4", "link": "http://localhost/x"})


def test_the_outcome_is_told_when_it_is_known(dag: DAG) -> None:
    assert [notice.event for notice in dag.get_task("tell_outcome").on_success_callback] == ["outcome"]
