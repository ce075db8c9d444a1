"""``Notice``: the one notifier that our DAGs name; it finds the facts of an event in the context, and never fails."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from airflow.sdk import BaseNotifier

logger = logging.getLogger(__name__)

RUN_ID = re.compile(r"[a-z_]+__\d{4}-[\dT:.+-]+(?:__\d{4}-Q[1-4])?(?:_{1,2}[A-Za-z0-9]{8})?")
"""Run ids as Airflow makes them: one that a person chose may say anything, and is not told."""

CHECKS = {"validate", "validate_marts"}
"""Tasks whose failure is a failed check."""


class Notice(BaseNotifier):  # type: ignore[misc]  # Airflow's imports are skipped
    """Tells people of one event; which facts it has is found in the context of the task, the run or the deadline.

    Args:
        event: ``awaiting_approval``, ``outcome`` (released or rejected, as ``tell_outcome`` has it), ``failed`` (a
            task, or a check), ``overdue``, or any event of ``messages.AUDIENCE`` with its facts given.
        facts: what the context does not know.
        unless_told_by: a task that says itself when its failure is news: the run's own message keeps silent then.
        context: given by Airflow when a deadline is missed.
    """

    def __init__(
        self, event: str, facts: Mapping[str, Any] | None = None, context: Any = None, unless_told_by: str = ""
    ) -> None:
        super().__init__(context=context)
        self.event = event
        self.facts = dict(facts or {})
        self.unless_told_by = unless_told_by

    def __call__(self, *args: Any) -> None:
        """Send; of a context that lacks something, or a receiver that does not answer, only the log tells."""
        try:
            self.notify(args[0] if args else self.context)
        except Exception as error:
            logger.warning("nobody was told of %s: %s", self.event, type(error).__name__, exc_info=error)

    def notify(self, context: Any) -> None:
        """Send by mail and webhook, within the seconds of ``sending.SECONDS``."""
        from vmeste.notifications.messages import message
        from vmeste.notifications.sending import send
        from vmeste.notifications.settings import get_notification_settings

        if self.unless_told_by and _was_judged(context, self.unless_told_by):
            return
        found = _found(self.event, context, self.facts)
        if found is None:
            return
        send(get_notification_settings(), message(*found))
        if self.event == "outcome" and found[0] == "released":
            _send_page(context["ti"].xcom_pull(task_ids=context["ti"].task_id, key="outcome"))

    async def async_notify(self, context: Any) -> None:
        """Do the same in the triggerer, where a deadline is told of, without holding up its loop."""
        await asyncio.to_thread(self, context)


def _found(event: str, context: Any, facts: dict[str, Any]) -> tuple[str, dict[str, Any]] | None:
    """Return the event as it is told, and its facts; None if there is nothing to tell."""
    if event == "awaiting_approval":
        rendered = context["ti"].xcom_pull(task_ids="render")
        told = {"release_id": rendered["release_id"], "page": _page(rendered), "link": _answer_link(context)}
        return event, told | facts
    if event == "outcome":
        outcome = context["ti"].xcom_pull(task_ids=context["ti"].task_id, key="outcome")
        if outcome is None:
            return None
        told = {"release_id": outcome["release_id"], "link": _run_link(context)}
        if outcome["event"] == "released":
            return "released", told | {"page": _page(outcome)}
        return "rejected", told | {"role": outcome["role"]}
    if event == "failed":
        dag_id, task_id = _dag_id(context), _task_id(context)
        told = {"dag_id": dag_id, "link": _run_link(context)} | ({"task_id": task_id} if task_id else {})
        if task_id.rpartition(".")[2] in CHECKS:
            return "check_failed", told
        return event, told
    if event == "recovered":
        return event, {"dag_id": _dag_id(context), "link": _run_link(context)}
    if event == "overdue":
        return event, {"quarter": context["dag_run"]["partition_key"], "link": _run_link(context)} | facts
    return event, facts if "link" in facts else {"link": _run_link(context)} | facts


TELLING = "telling"
"""Key under which a task leaves what it made of its own failure: an event that it has told, or '' for no news."""


def _was_judged(context: Any, task_id: str) -> bool:
    """Say whether a task failed that has itself decided whether that is news; in doubt it has not."""
    if _task_id(context) != task_id:
        return False
    try:
        return context["ti"].xcom_pull(task_ids=task_id, key=TELLING) is not None
    except Exception:
        logger.warning("whether %s has told of its failure is not known: it is told", task_id, exc_info=True)
        return False


def _send_page(outcome: Mapping[str, str]) -> None:
    """Send the page of a release to its readers, if there are any, and if it is the file that was released."""
    from vmeste.notifications.messages import message
    from vmeste.notifications.sending import send
    from vmeste.notifications.settings import get_notification_settings
    from vmeste.releases import pack
    from vmeste.sites.navigation import PREFIX

    settings = get_notification_settings()
    release_id, pdf = outcome["release_id"], Path(outcome["pdf"])
    if not settings.addresses(("readers",)):
        return
    if pdf.name in pack.differing(release_id, pdf.parent) or not pdf.is_file():
        logger.warning("%s is not sent to its readers: the file is not the one that was released", pdf.name)
        return
    facts = {"release_id": release_id, "link": f"{_base()}{PREFIX}/latest/{release_id}"}
    send(settings, message("page", facts, pdf))


def approval_link(dag_id: str, run_id: str, task_id: str) -> str:
    """Return where an approval is answered, in this Airflow."""
    return f"{_run_address(dag_id, run_id)}/tasks/{task_id}/required_actions"


def _answer_link(context: Any) -> str:
    ti = context["ti"]
    return approval_link(ti.dag_id, ti.run_id, ti.task_id)


def _run_link(context: Any) -> str:
    return _run_address(_dag_id(context), _run_id(context))


def _base() -> str:
    """Return the address under which people open Airflow."""
    from airflow.sdk.configuration import conf

    return str(conf.get("api", "base_url", fallback="") or "http://localhost:8080").rstrip("/")


def _run_address(dag_id: str, run_id: str) -> str:
    address = f"{_base()}/dags/{dag_id}"
    return f"{address}/runs/{quote(run_id)}" if RUN_ID.fullmatch(run_id) else address


def _dag_id(context: Any) -> str:
    run = context.get("dag_run")
    if isinstance(run, Mapping):  # of a deadline: what the API says of the run
        return str(run["dag_id"])
    return str(context["dag"].dag_id)


def _run_id(context: Any) -> str:
    run = context.get("dag_run")
    if isinstance(run, Mapping):
        return str(run["dag_run_id"])
    return str(context["run_id"])


def _task_id(context: Any) -> str:
    ti = context.get("ti")
    return "" if ti is None else str(ti.task_id)


def _page(rendered: Mapping[str, str]) -> str:
    """Return where the page is: its address if releases are served somewhere, otherwise its path."""
    from vmeste.notifications.settings import get_notification_settings

    served = get_notification_settings().releases_url
    parts = rendered["pdf"].split("/")
    # <release>/[draft/]<release>.pdf
    below = parts[parts.index(rendered["release_id"]) :]
    return f"{served.rstrip('/')}/{'/'.join(below)}" if served else rendered["pdf"]
