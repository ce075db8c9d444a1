"""# maintain_warehouse: what has to be done every night

**Every night at 03:30.** Writes each curator's refused rows as a workbook, `<curator code>.xlsx`, into
`VMESTE_HOME/quarantine`; rows that lead to no curator are in `без куратора.xlsx`. A list is whole or not there, and one
without rows disappears. The folder is for the pipeline's user alone: the lists name pairs by code.

**What to do when it fails.** The log names the step. A database that does not answer is tried again by itself.

**To repeat**: trigger the DAG; it writes the same lists anew. `vmeste quarantine lists` does so without a scheduler.
"""

from datetime import timedelta

from airflow.sdk import CronTriggerTimetable, dag, task

from vmeste.settings import get_settings
from vmeste.tags import Tag


@dag(
    schedule=CronTriggerTimetable("30 3 * * *", timezone=get_settings().timezone),
    catchup=False,
    max_active_runs=1,
    doc_md=__doc__,
    tags=[Tag.MAINTENANCE],
    default_args={"retries": 2, "retry_delay": timedelta(minutes=5)},
)
def maintain_warehouse() -> None:
    """Wire the nightly steps; see the module's docstring."""

    @task
    def write_quarantine_lists() -> dict[str, int]:
        from vmeste import quarantine_lists
        from vmeste.settings import get_settings

        return quarantine_lists.write(get_settings())

    write_quarantine_lists()


maintain_warehouse()
