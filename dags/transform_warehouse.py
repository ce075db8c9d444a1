"""# transform_warehouse: from raw to the marts

**When a form has changed** (the assets `raw/<form_id>` that `ingest_forms` announces, all of a run together). dbt
seeds, builds and tests the whole project in one process (the task `dbt_producer_watcher`); every model has a task that
shows its state. Then the marts are held to their expectations, and the asset `marts` says that they are new.

The set of tasks comes from dbt's manifest, which `vmeste up` and `vmeste demo` write before Airflow starts. After a
model was added or removed: `make down up`.

**What to do when it fails.**

- *A model or a dbt test failed*: the log of `dbt_producer_watcher` names it with the reason; models after it are not
  built, the marts before stay. Mend the model (or the data) and trigger this DAG again.
- *An expectation failed*: the log of `validate_marts` names relation, rule and remedy. The marts are built, but the
  asset is not announced.

**To repeat**: trigger the DAG. It always builds everything, so nothing needs to be cleared. `vmeste transform` does the
same without a scheduler.
"""

from typing import Any

from airflow.sdk import Asset, AssetAny, dag, task
from cosmos.airflow.task_group import DbtTaskGroup
from cosmos.config import ExecutionConfig, ProfileConfig, ProjectConfig, RenderConfig
from cosmos.constants import ExecutionMode, InvocationMode, LoadMode, SeedRenderingBehavior, TestBehavior

from vmeste.notifications.notifier import Notice
from vmeste.settings import get_settings
from vmeste.sources import load_sources
from vmeste.tags import Tag

SETTINGS = get_settings()
FORMS = [form_id for form_ids in load_sources(SETTINGS.sources).stages.values() for form_id in form_ids]
PROJECT = SETTINGS.root / "dbt_project"


@dag(
    schedule=AssetAny(*[Asset(f"raw/{form_id}") for form_id in FORMS]),
    catchup=False,
    max_active_runs=1,
    max_active_tasks=4,  # dbt and three models that wait for it; the executor's other slots are for other DAGs
    doc_md=__doc__,
    tags=[Tag.TRANSFORMATION],
    on_failure_callback=Notice("failed"),
    # a second try of the producer would not build: Cosmos skips it
    default_args={"retries": 0},
)
def transform_warehouse() -> None:
    """Wire dbt and the checks; see the module's docstring."""
    models = DbtTaskGroup(
        group_id="dbt",
        project_config=ProjectConfig(
            dbt_project_path=PROJECT,
            manifest_path=SETTINGS.home / "dbt" / "current" / "manifest.json",
            install_dbt_deps=False,
        ),
        # the connection itself comes from the environment (VMESTE_DBT_*), never from a DAG
        profile_config=ProfileConfig(
            profile_name="vmeste", target_name="current", profiles_yml_filepath=PROJECT / "profiles.yml"
        ),
        execution_config=ExecutionConfig(
            execution_mode=ExecutionMode.WATCHER,
            invocation_mode=InvocationMode.DBT_RUNNER,
            setup_operator_args={
                # With TestBehavior.NONE Cosmos names the resource types of `dbt build` and leaves tests out; named
                # here they run in the same process, without a second task for each model that only looks on. Unit tests
                # say nothing about the data: `make test` runs them.
                "dbt_cmd_flags": ["--resource-type", "test"],
            },
        ),
        render_config=RenderConfig(
            load_method=LoadMode.DBT_MANIFEST,
            test_behavior=TestBehavior.NONE,
            seed_rendering_behavior=SeedRenderingBehavior.NONE,  # built all the same; a task each would say little
            emit_datasets=False,
        ),
        operator_args={
            "vars": {"time_zone": SETTINGS.timezone},
            # Deferred, a model's task is started twice, and one that is resumed before the scheduler has seen its first
            # half end is taken for killed and failed. Waiting in a slot, it costs a look every two seconds.
            "deferrable": False,
            "poke_interval": 2,
        },
    )

    @task(outlets=[Asset("marts")])
    def validate_marts() -> dict[str, Any]:
        from vmeste.settings import get_settings
        from vmeste.warehouse.checks import validate_marts as hold_to_expectations

        return hold_to_expectations(get_settings())

    models >> validate_marts()


transform_warehouse()
