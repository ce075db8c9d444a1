"""# refresh_quarterly_indicators: a quarter, from its cut-off to its release

**On day 15 after a quarter's end, 06:00 of the programme's zone.** The partition key is the quarter: `2021-Q4`. Figures
are computed as of the cut-off (day 15, 00:00): what arrived later waits for the next refresh.

1. `gate`: the cut-off has passed and the last sync of every form was complete.
2. `build_candidate`: dbt builds the quarter's own marts (schemas `candidate_*`); nobody's dashboard changes.
3. `validate`: expectations on those marts, and the claims that a release makes.
4. `render`: page and workbook, as a draft, under `VMESTE_HOME/releases`.
5. `stop_if_released`: figures that stand released already need no approval; the run ends here.
6. `approve_method`, then `approve_director`: two people, named by `VMESTE_METHOD_OWNER` and `VMESTE_DIRECTOR`, answer
   in Airflow under *Required actions*. Nobody else can. Whoever started the run cannot be the one who releases.
7. `release`: freezes the figures in `published`; a changed quarter becomes a new revision with a restatement.
8. `tell_outcome`: says what became of it: released, standing already, or rejected by whom.

**A rejection** skips the release; the previous one stays. Mend what was wrong and run the quarter again.

**To run a quarter by hand** (also a past one): *Trigger* → partition key `2021-Q4`. The same quarter again gives the
same figures; if they stand released, nothing changes.

**What to do when it fails.** `gate` lists the forms that are not complete: run `ingest_forms`. `validate` names each
rule or claim: nothing is shown for approval until it holds. `release` refuses when the candidate was rebuilt with other
figures after the page was shown: run the quarter again.
"""

from datetime import timedelta
from typing import Any

from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk import ExceptionRetryPolicy, RetryAction, RetryRule, TriggerRule, dag, task

from vmeste.approvers import get_approvers
from vmeste.settings import get_settings
from vmeste.tags import Tag
from vmeste.timetables import QuarterPartitionTimetable

SETTINGS = get_settings()
APPROVERS = get_approvers()

BODY = """Выпуск {{ ti.xcom_pull(task_ids='render')['release_id'] }}, расчёт на дату отсечения.

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
    ],
    default=RetryAction.FAIL,
)


@dag(
    schedule=QuarterPartitionTimetable(timezone=SETTINGS.timezone),
    catchup=False,
    max_active_runs=1,  # there is one set of candidate schemas
    doc_md=__doc__,
    tags=[Tag.RELEASE],
    default_args={"retries": 3, "retry_policy": RETRIES},
)
def refresh_quarterly_indicators() -> None:
    """Wire the steps; see the module's docstring."""

    @task
    def gate(*, dag_run: Any) -> dict[str, Any]:
        from vmeste.releases import steps
        from vmeste.releases.quarters import Quarter

        if dag_run.partition_key is None:
            raise ValueError("no partition key: trigger with one, for instance 2021-Q4")
        return steps.gate(get_settings(), Quarter.parse(dag_run.partition_key), dag_run.start_date)

    @task
    def build_candidate(*, dag_run: Any) -> None:
        from vmeste.releases import steps
        from vmeste.releases.quarters import Quarter

        steps.build_candidate(get_settings(), Quarter.parse(dag_run.partition_key))

    @task
    def validate(*, dag_run: Any) -> dict[str, Any]:
        from vmeste.releases import steps
        from vmeste.releases.quarters import Quarter

        return steps.validate(get_settings(), Quarter.parse(dag_run.partition_key))

    @task
    def render(*, dag_run: Any) -> dict[str, str]:
        from vmeste.releases import steps
        from vmeste.releases.quarters import Quarter

        return steps.render(get_settings(), Quarter.parse(dag_run.partition_key), prepared_by(dag_run))

    @task.short_circuit(ignore_downstream_trigger_rules=False)
    def stop_if_released(rendered: dict[str, str]) -> bool:
        return rendered["state"] != "released"

    def approval(task_id: str, who: str, subject: str) -> ApprovalOperator:
        return ApprovalOperator(
            task_id=task_id,
            subject=subject,
            body=BODY,
            assigned_users=[{"id": who, "name": who}],
            # an answer in the very moment of asking makes the scheduler take the task for killed: ask again
            retries=1,
            retry_delay=timedelta(seconds=10),
        )

    @task
    def release(validation: dict[str, Any], rendered: dict[str, str], *, dag_run: Any, ti: Any) -> dict[str, str]:
        from vmeste.releases import steps
        from vmeste.releases.publish import Approval
        from vmeste.releases.quarters import Quarter

        answers = {role: ti.xcom_pull(task_ids=f"approve_{role}") for role in ("method", "director")}
        approvals = [
            Approval(role, answer["responded_by_user"]["id"], answer["responded_at"])
            for role, answer in answers.items()
        ]
        return steps.release(
            get_settings(),
            Quarter.parse(dag_run.partition_key),
            prepared_by(dag_run),
            approvals,
            rendered["checksum"],
            validation,
        )

    @task(trigger_rule=TriggerRule.NONE_FAILED)
    def tell_outcome(rendered: dict[str, str], *, ti: Any) -> str:
        # a rejecting approval returns nothing: it has ended well, and what follows it is skipped
        steps = ["approve_method", "approve_director", "release"]
        states = ti.get_task_states(dag_id=ti.dag_id, task_ids=steps, run_ids=[ti.run_id])[ti.run_id]
        if states["release"] == "success":
            released = ti.xcom_pull(task_ids="release")
            return f"{released['release_id']} is released: {released['pdf']}"
        for step, who in (("approve_director", APPROVERS.director), ("approve_method", APPROVERS.method_owner)):
            if states[step] == "success":
                return f"{rendered['release_id']} was rejected by {who}: nothing is released"
        return f"{rendered['release_id']} stands already with the same figures: nothing is changed"

    validated, rendered = validate(), render()
    approve_method = approval(
        "approve_method", APPROVERS.method_owner, "Согласовать методику и расчёт: {{ dag_run.partition_key }}"
    )
    approve_director = approval(
        "approve_director", APPROVERS.director, "Выпустить показатели: {{ dag_run.partition_key }}"
    )
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


refresh_quarterly_indicators()
