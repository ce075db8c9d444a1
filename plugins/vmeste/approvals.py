"""An approval that asks for a reason beside the answer, and keeps it whichever way the answer goes."""

from __future__ import annotations

from typing import Any

from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk import Param

ANSWER = "answer"
"""XCom key of the answer: ``user``, ``at`` (ISO), ``approved``, ``reason`` (may be empty)."""

REASON = "reason"


def reason_field() -> dict[str, Param]:
    """Return the ``params`` of the task: Airflow merges them with the DAG's before the operator sees them."""
    text = "При отказе: что не так и кто это исправит"
    return {REASON: Param("", type="string", title="Причина", description=text)}


class ReasonedApproval(ApprovalOperator):  # type: ignore[misc]  # the provider has no types
    """Approve or reject, with a text field for the reason.

    Airflow's own operator loses the answer of a rejection: it skips what follows by an exception, and nothing is
    returned. This one writes the answer down first.
    """

    def execute(self, context: Any) -> Any:
        """Tell who is asked, then ask.

        In this order: Airflow's own tells between asking and waiting, and takes an answer that comes meanwhile for a
        task that was killed.
        """
        notifiers: Any = self.notifiers
        self.notifiers: Any = ()
        for notifier in notifiers:
            notifier(context)
        return super().execute(context)

    def execute_complete(self, context: Any, event: dict[str, Any]) -> Any:
        """Keep the answer, then go on or skip as Airflow does."""
        if "error" not in event:
            user = event["responded_by_user"] or {}
            context["ti"].xcom_push(
                key=ANSWER,
                value={
                    "user": user.get("id", ""),
                    "at": event["responded_at"].isoformat(),
                    "approved": event["chosen_options"] == [self.APPROVE],
                    "reason": str((event["params_input"] or {}).get(REASON) or "").strip(),
                },
            )
        return super().execute_complete(context=context, event=event)
