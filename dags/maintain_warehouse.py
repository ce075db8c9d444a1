"""# maintain_warehouse: what has to be done every night

**Every night at 03:30.** Writes each curator's refused rows as a workbook, `<curator code>.xlsx`, into
`VMESTE_HOME/quarantine`; rows that lead to no curator are in `без куратора.xlsx`. A list is whole or not there, and one
without rows disappears. The folder is for the pipeline's user alone: the lists name pairs by code.

Then it tells (`docs/notifications.md`): that the quarantine has grown since the last night, that follow-ups have become
due, that an approval of a release still waits. Messages have counts alone; without a receiver nothing is sent.

It also builds what Airflow's navigation leads to, in `VMESTE_HOME/sites`: Data Docs (the rules of forms and marts, and
how many rows broke each at the last load) and dbt's documentation. Neither holds a row or an answer. An old site stays
until the new one stands.

**What to do when it fails.** The log names the step. A database that does not answer is tried again by itself.

**To repeat**: trigger the DAG; it writes the same lists anew, and tells what has come since the last night.
`vmeste quarantine lists` writes them without a scheduler.
"""

from datetime import datetime, timedelta
from typing import Any

from airflow.sdk import CronTriggerTimetable, dag, task

from vmeste.notifications.notifier import Notice
from vmeste.settings import get_settings
from vmeste.tags import Tag


@dag(
    schedule=CronTriggerTimetable("30 3 * * *", timezone=get_settings().timezone),
    catchup=False,
    max_active_runs=1,
    doc_md=__doc__,
    tags=[Tag.MAINTENANCE],
    on_failure_callback=Notice("failed"),
    default_args={"retries": 2, "retry_delay": timedelta(minutes=5)},
)
def maintain_warehouse() -> None:
    """Wire the nightly steps; see the module's docstring."""

    @task
    def write_quarantine_lists() -> dict[str, int]:
        from vmeste import quarantine_lists
        from vmeste.settings import get_settings

        return quarantine_lists.write(get_settings())

    @task
    def tell_quarantine(*, dag_run: Any, prev_start_date_success: datetime | None = None, **context: Any) -> None:
        from vmeste.notifications import nightly
        from vmeste.settings import get_settings

        counts = nightly.growing_quarantine(get_settings(), *night(dag_run, prev_start_date_success))
        if counts:
            Notice("quarantine_growing", counts)({"dag_run": dag_run, **context})

    @task
    def tell_follow_ups(*, dag_run: Any, prev_start_date_success: datetime | None = None, **context: Any) -> None:
        from vmeste.notifications import nightly
        from vmeste.settings import get_settings

        counts = nightly.due_follow_ups(get_settings(), *night(dag_run, prev_start_date_success))
        if counts:
            Notice("follow_ups_due", counts)({"dag_run": dag_run, **context})

    @task
    def remind_approvers(*, ti: Any) -> None:
        from vmeste.notifications import nightly
        from vmeste.notifications.notifier import approval_link
        from vmeste.release_dags import release_dags
        from vmeste.settings import get_settings

        tasks = ["approve_method", "approve_director"]
        for dag_id in release_dags(get_settings()).values():
            waiting = nightly.waiting_approvals(ti.get_task_states(dag_id=dag_id, task_ids=tasks))
            for role, runs in waiting.items():
                link = approval_link(dag_id, runs[-1], f"approve_{role}")
                Notice("reminder", {"role": role, "waiting": len(runs), "link": link})({})

    @task
    def build_data_docs() -> None:
        from vmeste.settings import get_settings
        from vmeste.sites import data_docs

        data_docs.build(get_settings())

    @task
    def build_dbt_docs() -> None:
        from vmeste.settings import get_settings
        from vmeste.sites import dbt_docs

        dbt_docs.build(get_settings())

    build_data_docs()
    build_dbt_docs()
    write_quarantine_lists() >> [tell_quarantine(), tell_follow_ups(), remind_approvers()]


def night(dag_run: Any, before: datetime | None) -> tuple[datetime, datetime]:
    """Return the moments between which this night looks: from the last run that succeeded, or a day, to this one."""
    return before or dag_run.start_date - timedelta(days=1), dag_run.start_date


maintain_warehouse()
