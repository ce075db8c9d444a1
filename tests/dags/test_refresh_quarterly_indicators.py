"""The wiring of a release: two people, in order, and what a rejection does."""

from __future__ import annotations

from itertools import pairwise
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

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
RENDERED = {"release_id": "2021-Q4-r2", "state": "draft", "checksum": "0" * 64}


@pytest.fixture
def dag(bag: DagBag) -> DAG:
    return bag.dags["refresh_quarterly_indicators"]


class Ti:
    """A task instance that knows how the tasks ended and what the release returned."""

    dag_id, run_id = "refresh_quarterly_indicators", "run"

    def __init__(self, approve_method: str, approve_director: str, release: str) -> None:
        self.states = {"approve_method": approve_method, "approve_director": approve_director, "release": release}

    def get_task_states(self, dag_id: str, task_ids: list[str], run_ids: list[str]) -> dict[str, dict[str, str]]:
        return {self.run_id: {name: self.states[name] for name in task_ids}}

    def xcom_pull(self, task_ids: str) -> Any:
        assert task_ids == "release"
        return {"release_id": "2021-Q4-r2", "pdf": "r.pdf"}


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
        dag.get_task("gate").python_callable(dag_run=SimpleNamespace(partition_key=None))


@pytest.mark.parametrize(
    ("states", "said"),
    [
        (("success", "success", "success"), "2021-Q4-r2 is released: r.pdf"),
        (("success", "skipped", "skipped"), "2021-Q4-r2 was rejected by demo_psychologist: nothing is released"),
        (("success", "success", "skipped"), "2021-Q4-r2 was rejected by demo_director: nothing is released"),
        (("skipped", "skipped", "skipped"), "2021-Q4-r2 stands already with the same figures: nothing is changed"),
    ],
)
def test_the_outcome_says_what_became_of_it(dag: DAG, states: tuple[str, str, str], said: str) -> None:
    assert dag.get_task("tell_outcome").python_callable(RENDERED, ti=Ti(*states)) == said
