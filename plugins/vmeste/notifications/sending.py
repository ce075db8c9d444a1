"""Sending a message by Airflow's own notifiers, so that a receiver can neither fail nor hold up what tells of itself.

A mail goes through ``SmtpNotifier``, a webhook through ``HttpNotifier``; both take address and credentials from a
connection of Airflow. What has not been sent within ``SECONDS`` is left alone and said in the log. A log line names the
connection and the kind of the error, never an address, a credential or what was sent.
"""

from __future__ import annotations

import logging
import smtplib
import threading
import time
from collections.abc import Callable
from functools import cache, partial
from urllib.parse import urlsplit

from vmeste.notifications.messages import Message
from vmeste.notifications.settings import NotificationSettings

logger = logging.getLogger(__name__)

SECONDS = 20.0
"""So long a message may take altogether, whatever the receivers do."""
ATTEMPTS = 3
PAUSE = 2.0
"""Seconds between two attempts."""


def send(settings: NotificationSettings, message: Message) -> dict[str, bool]:
    """Send a message to all who are to be told; never raises.

    Args:
        settings: who is told by which connections.
        message: what.

    Returns:
        Way (``mail``, ``webhook``) → whether the receiver has taken it; empty if nobody is told.
    """
    ways: dict[str, Callable[[], None]] = {}
    to = settings.addresses(message.to)
    if settings.smtp and to:
        ways["mail"] = partial(_mail, settings.smtp, to, message)
    if settings.webhook and message.event != "page":
        ways["webhook"] = partial(_call, settings.webhook, message)
    if not ways:
        _say_once(
            f"nobody is told of {message.event}: set VMESTE_NOTIFY_SMTP with an address for "
            f"{', '.join(message.to)}, or VMESTE_NOTIFY_WEBHOOK"
        )
        return {}
    taken = dict.fromkeys(ways, False)
    until = time.monotonic() + SECONDS

    def attempt(way: str) -> None:
        taken[way] = _attempt(way, ways[way], message, until)

    # threads that die with the process: a receiver that never answers must not keep it alive
    threads = [threading.Thread(target=attempt, args=(way,), daemon=True, name=f"notify-{way}") for way in ways]
    for thread in threads:
        thread.start()
    for way, thread in zip(ways, threads, strict=True):
        thread.join(max(0.0, until - time.monotonic()))
        if thread.is_alive():
            logger.warning("%s by %s was not taken within %.0f s: going on without", message.event, way, SECONDS)
    return dict(taken)


def _attempt(way: str, act: Callable[[], None], message: Message, until: float) -> bool:
    for number in range(1, ATTEMPTS + 1):
        try:
            act()
        except Exception as error:
            is_last = number == ATTEMPTS or not _may_pass(error) or time.monotonic() + PAUSE >= until
            logger.warning(
                "%s by %s, attempt %s: %s%s",
                message.event,
                way,
                number,
                type(error).__name__,
                ": given up; try the connection with the button «Test» beside it" if is_last else ": trying again",
            )
            if is_last:
                return False
            time.sleep(PAUSE)
        else:
            logger.info("%s was sent by %s", message.event, way)
            return True
    return False


def _may_pass(error: Exception) -> bool:
    """Say whether the same attempt may succeed in a moment: what was refused for good must not be asked again."""
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return all(400 <= code < 500 for code, _ in error.recipients.values())
    if isinstance(error, smtplib.SMTPResponseException):
        return 400 <= error.smtp_code < 500
    if isinstance(error, OSError):  # connections, timeouts, and those of requests
        return True
    return str(error)[:1] == "5"  # HttpHook says "503:Service Unavailable"


def _mail(connection: str, to: list[str], message: Message) -> None:
    from airflow.providers.smtp.notifications.smtp import SmtpNotifier

    # called as it is, not through its templates: what stands in a message is not to be rendered again
    SmtpNotifier(
        to=to,
        subject=message.subject,
        html_content=message.html,
        smtp_conn_id=connection,
        files=[str(message.attachment)] if message.attachment else None,
        # an attachment beside alternatives would be one of them
        mime_subtype="mixed" if message.attachment else "alternative",
    ).notify({})


def _call(connection: str, message: Message) -> None:
    from airflow.providers.http.notifications import HttpNotifier
    from airflow.sdk import BaseHook
    from airflow.sdk.log import mask_secret

    # the path of a webhook often is its only secret, and HttpHook logs it when nobody answers
    path = urlsplit(BaseHook.get_connection(connection).host or "").path
    if len(path) > 1:
        mask_secret(path)
    HttpNotifier(http_conn_id=connection, json=message.json, extra_options={"timeout": SECONDS / 2}).notify({})


@cache
def _say_once(what: str) -> None:
    logger.info(what)
