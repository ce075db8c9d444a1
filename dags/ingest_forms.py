"""# ingest_forms: what people filled in, into the warehouse

**Every hour.** Each source that `forms/sources.yml` names is a group of its own. In it each form is a branch: `extract`
puts identifying answers into the vault and lands the rest, `load` validates and loads it in one transaction. A form
without news costs one look at its source and is skipped. The forms of a source are read in stages (people, pairs,
periods, surveys), because a later stage is checked against what the earlier ones brought. What comes too early, a
meeting of a pair that another source has yet to bring, waits in quarantine and is taken by the next run.

**A branch that fails holds up no other, and a source that is down no other source.** The rest is loaded, and announced
at the end, so that the marts are rebuilt once a run; then `report_failures` fails the run and says what failed.

**What to do when it fails.** The message of `report_failures` names source, form and reason.

- *A file was refused* (unreadable, of another form, ambiguous): mend or remove the file. The next run reads it.
- *A file was not read* because its name fits no form: rename it, add it to `sources.yml`, or move it away.
- *A critical rule failed*: nothing of that batch was loaded. The log of `load` names the rule, the rows and the remedy.
- *The server counts otherwise than what arrived*: the next run reads again; `vmeste reconcile` says what differs.
- *Many submissions are no longer there*: nothing was deleted. Look at the source, then either mend its rights or say
  that they were deleted on purpose: `vmeste ingest --accept-deletions SOURCE:FORM`.
- *Credentials were refused*: mend the connection; the button «Test» beside it, or `vmeste sources check`, tries it.
- *The same again, hour after hour*: people are told when it begins, once a day while it lasts, and when it is over.
- Single rows that broke a rule do not fail the run: see `vmeste quarantine list`; each run tries the open ones again.

**To repeat**: clear the failed task or just wait an hour. A repeated task changes nothing that is there already.
"""

from datetime import timedelta
from typing import Any

from airflow.sdk import (
    Asset,
    AssetAlias,
    CronTriggerTimetable,
    ExceptionRetryPolicy,
    RetryAction,
    RetryRule,
    TaskGroup,
    TriggerRule,
    dag,
    task,
    task_group,
)

from vmeste.notifications.notifier import TELLING, Notice
from vmeste.settings import get_settings
from vmeste.sources import load_sources
from vmeste.tags import Tag

CONFIG = load_sources(get_settings().sources)
SERVERS = {source.name for source in CONFIG.sources if source.kind != "files"}
STAGES = [
    (source.name, stage, forms)
    for source in CONFIG.sources
    for stage, form_ids in CONFIG.stages.items()
    if (forms := [form_id for form_id in form_ids if form_id in source.forms])
]

# An alias, because only a run knows which forms changed: an outlet proper would announce all of them, always.
RAW = AssetAlias("raw")

LABEL = "{{ task.op_kwargs['source'] }} · {{ task.op_kwargs['form_id'] }}"

# What waiting can mend is tried again; what only a person can mend fails at once.
RETRIES = ExceptionRetryPolicy(
    rules=[
        RetryRule(
            exception=["vmeste.sources.errors.SourceThrottled"],
            action=RetryAction.RETRY,
            retry_delay=timedelta(minutes=10),
            reason="the source asks for patience, or has locked us out for a while: try again later",
        ),
        RetryRule(
            exception=[
                "vmeste.sources.errors.SourceUnreachable",
                "psycopg.OperationalError",
                "builtins.ConnectionError",
                "builtins.TimeoutError",
            ],
            action=RetryAction.RETRY,
            retry_delay=timedelta(minutes=1),
            reason="the database or the source does not answer: try again",
        ),
    ],
    default=RetryAction.FAIL,
)


@dag(
    # by itself Airflow makes up, within six minutes, for the hour before a first start: a demonstration that reads the
    # forms itself would find no news
    schedule=CronTriggerTimetable("0 * * * *", timezone=get_settings().timezone, run_immediately=timedelta(0)),
    catchup=False,
    max_active_runs=1,
    doc_md=__doc__,
    tags=[Tag.INGESTION],
    on_failure_callback=Notice("failed", unless_told_by="report_failures"),
    default_args={"retries": 3, "retry_policy": RETRIES},
)
def ingest_forms() -> None:
    """Wire the stages; see the module's docstring."""

    # once more and no more: the connector itself was patient, the next run is an hour away, and the announcement of
    # what other sources brought waits for this one
    @task(map_index_template=LABEL, trigger_rule=TriggerRule.ALL_DONE, retries=1)
    def extract(source: str, form_id: str, run_id: str | None = None) -> str:
        from airflow.sdk.exceptions import AirflowSkipException

        from vmeste import ingest
        from vmeste.settings import get_settings

        batch = ingest.extract(get_settings(), source, form_id, str(run_id))
        if batch is None:
            raise AirflowSkipException(f"{source}, {form_id}: nothing new")
        return batch

    @task(map_index_template=LABEL)
    def load(source: str, form_id: str, batch: str) -> dict[str, Any]:
        from vmeste import ingest
        from vmeste.settings import get_settings

        return ingest.load(get_settings(), batch)

    @task(trigger_rule=TriggerRule.ALL_DONE, outlets=[RAW])
    def announce_changes(*, outlet_events: Any, ti: Any) -> list[str]:
        # one task for all forms: events that commit together start the transformation once
        loaded = ti.xcom_pull(task_ids=[f"{source}.{stage}.load" for source, stage, _ in STAGES])
        changed = [counts["form_id"] for counts in loaded if counts and counts["has_changed_rows"]]
        for form_id in changed:
            outlet_events[RAW].add(Asset(f"raw/{form_id}"))
        return changed

    @task(trigger_rule=TriggerRule.ALL_DONE, retries=0)
    def report_failures(*, ti: Any, dag_run: Any, **context: Any) -> None:
        from vmeste import ingest
        from vmeste.notifications import troubles
        from vmeste.settings import get_settings

        tasks = [f"{source}.{stage}.{step}" for source, stage, _ in STAGES for step in ("extract", "load")]
        states = ti.get_task_states(dag_id=ti.dag_id, task_ids=tasks, run_ids=[ti.run_id])[ti.run_id]
        failed = [name for name, state in states.items() if state == "failed"]
        loaded = ti.xcom_pull(task_ids=[f"{source}.{stage}.load" for source, stage, _ in STAGES])
        refused = [counts for counts in loaded if counts and counts.get("error")]
        overlooked = ingest.overlooked(get_settings())
        # the names of files may hold more than may be kept
        places = [*failed, *(counts["form_id"] for counts in refused)]
        places += [f"{len(overlooked)} files that no form reads"] if overlooked else []
        telling = troubles.note(get_settings(), places, dag_run.start_date)
        ti.xcom_push(key=TELLING, value=telling)
        if telling:
            Notice(telling)({"ti": ti, "dag_run": dag_run, **context})
        failures = [
            *(f"{name} failed: see its log" for name in failed),
            *(f"{counts['form_id']}: {counts['error']}" for counts in refused),
            *(f"not read: {line}" for line in overlooked),
        ]
        if failures:
            raise RuntimeError(f"{len(failures)} failed, everything else is loaded: {'; '.join(failures)}")

    def read_stage(name: str, stage: str, forms: list[str]) -> Any:
        # forms of one server are read one after the other: who waits must not keep a slot from other sources
        reads = extract.override(max_active_tis_per_dagrun=1) if name in SERVERS else extract

        @task_group(group_id=stage)
        def branch(source: str, form_id: str) -> None:
            batch = reads(source=source, form_id=form_id)
            load(source=source, form_id=form_id, batch=batch)

        return branch.expand_kwargs([{"source": name, "form_id": form_id} for form_id in forms])

    announced, reported = announce_changes(), report_failures()
    groups = {source.name: TaskGroup(source.name) for source in CONFIG.sources}
    before: dict[str, Any] = {}
    for source, stage, forms in STAGES:
        with groups[source]:
            branches = read_stage(source, stage, forms)
        if source in before:
            before[source] >> branches
        branches >> [announced, reported]
        before[source] = branches


ingest_forms()
