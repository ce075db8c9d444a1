"""# refresh_quarterly_indicators: a quarter, from its cut-off to its release

**On day 15 after a quarter's end, 06:00 of the programme's zone.** The partition key is the quarter: `2021-Q4`. Figures
are computed as of the cut-off (day 15, 00:00): what arrived later waits for the next refresh.

1. `gate`: the cut-off has passed and the last sync of every form was complete.
2. `build_candidate`: dbt builds the quarter's own marts (schemas `candidate_*`); nobody's dashboard changes.
3. `validate`: expectations on those marts, and the claims that a release makes.
4. `render`: the pack (page, workbook, annex for the experts, results tree, checksums), as a draft, under
   `VMESTE_HOME/releases`.
5. `stop_if_released`: what stands released needs no approval, nor do differences too small for a restatement.
6. `approve_method`, then `approve_director`: two people, named by `VMESTE_METHOD_OWNER` and `VMESTE_DIRECTOR`, answer
   in Airflow under *Required actions*. Nobody else can. Whoever started the run cannot be the one who releases.
7. `release`: freezes the figures in `published`; a changed quarter becomes a new revision with a restatement. What
   came late for earlier quarters, and what it does to their headlines, is frozen beside it.
8. `tell_outcome`: says what became of it: released, standing already, or rejected by whom and why.

**Several organisations in one warehouse**: where the files of sources name them (`organisation_code`), each has a DAG
of its own, `refresh_quarterly_indicators__<organisation>`, with its own approvers
(`VMESTE_DIRECTOR=one=anna,two=boris`): none waits for what another has not sent.

Who is told of what by mail or webhook: `docs/notifications.md`. A run that has not ended after
`VMESTE_NOTIFY_RELEASE_DAYS` is told as late.

**A rejection** skips the release; the previous one stays. The reason that the approver writes is kept
(`vmeste release show`). Mend what was wrong and run the quarter again.

**To run a quarter by hand** (also a past one): *Trigger* → partition key `2021-Q4`. The same quarter again gives the
same figures; if they stand released, nothing changes. Several at once:
`airflow backfill create --dag-id refresh_quarterly_indicators --from-date 2020-01-01 --to-date 2021-12-31`.

**To restate a quarter** after late rows: *Trigger* → partition key `2021-Q4` and the parameter `known` = `2022-Q1`, the
quarter as of whose cut-off it is computed. The page of a refresh names the quarters of which a revision is due.

**What to do when it fails.** `gate` lists the forms that are not complete: run `ingest_forms`. `validate` names each
rule or claim: nothing is shown for approval until it holds. `release` may be repeated: it builds the candidate again if
another run has taken its place, and refuses when that gives other figures than those approved: run the quarter again.
A full disk or a page that cannot be made leaves nothing released.
"""

from datetime import datetime, timedelta
from typing import Any

from airflow.sdk import (
    AsyncCallback,
    DeadlineAlert,
    DeadlineReference,
    ExceptionRetryPolicy,
    Param,
    RetryAction,
    RetryRule,
    TriggerRule,
    dag,
    task,
)

from vmeste.approvals import ANSWER, ReasonedApproval, reason_field
from vmeste.approvers import get_approvers
from vmeste.notifications.notifier import Notice
from vmeste.notifications.settings import get_notification_settings
from vmeste.release_dags import release_dags
from vmeste.settings import get_settings
from vmeste.tags import Tag
from vmeste.timetables import QuarterPartitionTimetable

SETTINGS = get_settings()
DAYS = get_notification_settings().release_days

BODY = """Выпуск {{ ti.xcom_pull(task_ids='render')['release_id'] }}, расчёт на дату отсечения.

{{ ti.xcom_pull(task_ids='render')['verdict'] }}

{{ ti.xcom_pull(task_ids='render')['summary'] }}

Страница: `{{ ti.xcom_pull(task_ids='render')['pdf'] }}`
"""

RETRIES = ExceptionRetryPolicy(
    rules=[
        RetryRule(
            exception=["psycopg.OperationalError"],
            action=RetryAction.RETRY,
            retry_delay=timedelta(minutes=1),
            reason="the database does not answer: try again",
        ),
        RetryRule(
            exception=["vmeste.releases.refusals.CandidateBusy"],
            action=RetryAction.RETRY,
            retry_delay=timedelta(minutes=1),
            reason="another refresh uses the candidate's schemas: wait for it",
        ),
    ],
    default=RetryAction.FAIL,
)


def wire(organisation: str) -> None:
    """Wire the steps; see the module's docstring."""

    @task
    def gate(*, dag_run: Any, params: Any) -> dict[str, Any]:
        from vmeste.releases import steps
        from vmeste.releases.quarters import Quarter

        if dag_run.partition_key is None:
            raise ValueError("no partition key: trigger with one, for instance 2021-Q4")
        return steps.gate(settings_of(params), Quarter.parse(dag_run.partition_key), dag_run.start_date, known(params))

    @task
    def build_candidate(*, dag_run: Any, params: Any) -> None:
        from vmeste.releases import steps
        from vmeste.releases.quarters import Quarter

        steps.build_candidate(settings_of(params), Quarter.parse(dag_run.partition_key), known(params))

    @task
    def validate(*, dag_run: Any, params: Any) -> dict[str, Any]:
        from vmeste.releases import steps
        from vmeste.releases.quarters import Quarter

        return steps.validate(settings_of(params), Quarter.parse(dag_run.partition_key), known(params))

    @task
    def render(*, dag_run: Any, params: Any) -> dict[str, str]:
        from vmeste.releases import steps
        from vmeste.releases.quarters import Quarter

        quarter = Quarter.parse(dag_run.partition_key)
        return steps.render(settings_of(params), quarter, prepared_by(dag_run), known(params))

    @task.short_circuit(ignore_downstream_trigger_rules=False)
    def stop_if_released(rendered: dict[str, str]) -> bool:
        return rendered["state"] != "released"

    def approval(role: str, who: str, subject: str) -> ReasonedApproval:
        return ReasonedApproval(
            task_id=f"approve_{role}",
            notifiers=Notice("awaiting_approval", {"role": role}),
            subject=subject,
            body=BODY,
            params=reason_field(),
            assigned_users=[{"id": who, "name": who}],
            # an answer in the very moment of asking makes the scheduler take the task for killed: ask again
            retries=1,
            retry_delay=timedelta(seconds=10),
        )

    @task
    def release(
        validation: dict[str, Any], rendered: dict[str, str], *, dag_run: Any, ti: Any, params: Any
    ) -> dict[str, str]:
        from vmeste.releases import steps
        from vmeste.releases.publish import Approval
        from vmeste.releases.quarters import Quarter

        answers = {role: ti.xcom_pull(task_ids=f"approve_{role}", key=ANSWER) for role in ("method", "director")}
        approvals = [
            Approval(role, answer["user"], datetime.fromisoformat(answer["at"]), answer["reason"] or None)
            for role, answer in answers.items()
        ]
        return steps.release(
            settings_of(params),
            Quarter.parse(dag_run.partition_key),
            prepared_by(dag_run),
            approvals,
            rendered["checksum"],
            validation,
            known(params),
        )

    @task(trigger_rule=TriggerRule.NONE_FAILED, on_success_callback=Notice("outcome"))
    def tell_outcome(rendered: dict[str, str], *, ti: Any) -> str:
        from vmeste.releases import steps

        tasks = ["approve_method", "approve_director", "release"]
        states = ti.get_task_states(dag_id=ti.dag_id, task_ids=tasks, run_ids=[ti.run_id])[ti.run_id]
        if states["release"] == "success":
            released = ti.xcom_pull(task_ids="release")
            ti.xcom_push(key="outcome", value={"event": "released", **released})
            return f"{released['release_id']} is released: {released['pdf']}"
        for role in ("director", "method"):
            if states[f"approve_{role}"] != "success":
                continue
            answer = ti.xcom_pull(task_ids=f"approve_{role}", key=ANSWER)
            at = datetime.fromisoformat(answer["at"])
            steps.keep_rejection(get_settings(), rendered, role, answer["user"], at, answer["reason"])
            ti.xcom_push(key="outcome", value={"event": "rejected", "release_id": rendered["release_id"], "role": role})
            why = answer["reason"] or "no reason was given"
            return f"{rendered['release_id']} was rejected by {answer['user']} ({why}): nothing is released"
        return rendered["verdict"]

    approvers = get_approvers().of(organisation)
    validated, rendered = validate(), render()
    approve_method = approval(
        "method", approvers.method_owner, "Согласовать методику и расчёт: {{ dag_run.partition_key }}"
    )
    approve_director = approval("director", approvers.director, "Выпустить показатели: {{ dag_run.partition_key }}")
    released = release(validated, rendered)
    (
        gate()
        >> build_candidate()
        >> validated
        >> rendered
        >> stop_if_released(rendered)
        >> approve_method
        >> approve_director
        >> released
        >> tell_outcome(rendered)
    )


def prepared_by(dag_run: Any) -> str:
    """Return who started a run: a user, or the calendar."""
    return dag_run.triggering_user_name or "calendar"


def known(params: Any) -> Any:
    """Return the quarter of the parameter `known`; None for a quarter as of its own cut-off."""
    from vmeste.releases.quarters import Quarter

    return Quarter.parse(params["known"]) if params.get("known") else None


def settings_of(params: Any) -> Any:
    """Return the settings of the programme whose quarter a run refreshes."""
    named = {name: params[name] for name in ("organisation", "programme") if params.get(name)}
    return get_settings().model_copy(update=named)


def refresh(organisation: str, dag_id: str) -> None:
    """Make the DAG of one organisation, or of the only one where the sources name none."""

    @dag(
        dag_id=dag_id,
        schedule=QuarterPartitionTimetable(timezone=SETTINGS.timezone),
        catchup=False,
        max_active_runs=1,  # a quarter's differences are from the quarters before
        doc_md=__doc__,
        params={
            "known": Param(
                None,
                type=["null", "string"],
                pattern=r"^\d{4}-Q[1-4]$",
                title="Known as of",
                description="Only for a restatement: the later quarter as of whose cut-off it is computed",
            ),
            "organisation": Param(
                organisation or None,
                type=["null", "string"],
                title="Organisation",
                description="Only where several are registered and the sources do not name them",
            ),
            "programme": Param(
                None,
                type=["null", "string"],
                title="Programme",
                description="Only where the organisation has several",
            ),
        },
        tags=[Tag.RELEASE],
        on_failure_callback=Notice("failed"),
        deadline=DeadlineAlert(
            reference=DeadlineReference.DAGRUN_QUEUED_AT,
            interval=timedelta(days=DAYS),
            callback=AsyncCallback(Notice, kwargs={"event": "overdue", "facts": {"days": DAYS}}),
            name="released in time",
        ),
        # of many organisations one builds its candidate at a time: the others wait for their turn
        default_args={"retries": 60 if organisation else 3, "retry_policy": RETRIES},
    )
    def refresh_quarterly_indicators() -> None:
        wire(organisation)

    refresh_quarterly_indicators()


for organisation, dag_id in release_dags(SETTINGS).items():
    refresh(organisation, dag_id)
