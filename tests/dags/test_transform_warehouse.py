"""The transformation's DAG is drawn from dbt's manifest."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from vmeste.sources import load_sources

if TYPE_CHECKING:
    from airflow.dag_processing.dagbag import DagBag

    from vmeste.settings import Settings


def test_any_form_that_changed_starts_it(bag: DagBag, settings: Settings) -> None:
    condition = bag.dags["transform_warehouse"].timetable.asset_condition
    forms = {form_id for form_ids in load_sources(settings.sources).stages.values() for form_id in form_ids}
    assert type(condition).__name__ == "AssetAny"
    assert {asset.name for asset in condition.objects} == {f"raw/{form_id}" for form_id in forms}


def test_every_model_has_a_task(bag: DagBag, manifest: Path) -> None:
    nodes = json.loads(manifest.read_text(encoding="utf-8"))["nodes"].values()
    models = {node["name"] for node in nodes if node["resource_type"] == "model"}
    tasks = {name.removeprefix("dbt.").removesuffix("_run") for name in bag.dags["transform_warehouse"].task_ids}
    assert models
    assert models <= tasks


def test_data_tests_run_in_dbts_own_task(bag: DagBag) -> None:
    producer = bag.dags["transform_warehouse"].get_task("dbt.dbt_producer_watcher")
    flags = producer.dbt_cmd_flags
    types = {value for flag, value in pairwise(flags) if flag == "--resource-type"}
    assert {"test", "model", "seed"} <= types
    assert "unit_test" not in types


def test_the_marts_are_announced_only_after_their_expectations(bag: DagBag) -> None:
    task = bag.dags["transform_warehouse"].get_task("validate_marts")
    assert [asset.name for asset in task.outlets] == ["marts"]
    assert "dbt.dbt_producer_watcher_done" in task.upstream_task_ids


def test_no_password_stands_in_the_dag(bag: DagBag) -> None:
    producer = bag.dags["transform_warehouse"].get_task("dbt.dbt_producer_watcher")
    assert not producer.env
    assert "nothing" not in str(vars(producer))  # the password of the fixture's address
