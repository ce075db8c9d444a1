"""# erase_subject: a person out of everything

**By hand, for one request.** A code never stands in Airflow: `vmeste erase CODE --reason … --request-only` notes the
request in the vault and prints its id, which tells nothing of the person. Trigger this DAG with that id as
`request_id`. Syncs wait while it runs; the marts are built anew, and the act lies in `VMESTE_HOME/erasures`.

**What to do when it fails.** The log says at which place. Nothing comes back meanwhile, since the tombstones were set
first; clear the task, and it goes on from where it was.

**To do it without a scheduler**: `vmeste erase CODE --reason … --yes`, or `vmeste erase --request ID`.
"""

from typing import Any

from airflow.sdk import Asset, Param, dag, task

from vmeste.notifications.notifier import Notice
from vmeste.tags import Tag


@dag(
    schedule=None,
    catchup=False,
    max_active_runs=1,
    doc_md=__doc__,
    tags=[Tag.MAINTENANCE],
    on_failure_callback=Notice("failed"),
    params={"request_id": Param(type="string", pattern="^[0-9a-f-]{36}$", title="The id of the request")},
    default_args={"retries": 0},
)
def erase_subject() -> None:
    """Wire the one step; see the module's docstring."""

    @task(outlets=[Asset("marts")])
    def erase(*, params: dict[str, Any]) -> dict[str, int]:
        from vmeste.privacy import erasure
        from vmeste.settings import get_settings

        return dict(erasure.run(get_settings(), params["request_id"]).counts)

    erase()


erase_subject()
