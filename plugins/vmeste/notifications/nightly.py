"""What the night tells: a growing quarantine, follow-ups that are due, approvals that wait. Counts alone."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from vmeste.settings import Settings
from vmeste.warehouse.connect import connect

CLOSING_DAYS = 7
"""So many days before the window of a follow-up closes it is told of a last time."""

WAITS = "awaiting_input"


def growing_quarantine(settings: Settings, since: datetime, until: datetime) -> dict[str, int] | None:
    """Compare the refused rows that wait for a correction now with those of the last night.

    Args:
        settings: names the warehouse.
        since: an aware moment, of the last night.
        until: an aware moment, of this night.

    Returns:
        ``open_now``, ``open_before``, and in between ``arrived`` and ``resolved``; None unless there are more now.
    """
    with connect(settings, "vmeste_loader") as connection:
        row = connection.execute(
            "select count(*) filter (where first_seen_at <= %(until)s and (resolved_at is null or "
            "resolved_at > %(until)s)), "
            "count(*) filter (where first_seen_at <= %(since)s and (resolved_at is null or resolved_at > %(since)s)), "
            "count(*) filter (where first_seen_at > %(since)s and first_seen_at <= %(until)s), "
            "count(*) filter (where resolved_at > %(since)s and resolved_at <= %(until)s) from quarantine.rows",
            {"since": since, "until": until},
        ).fetchone()
    counts = dict(zip(("open_now", "open_before", "arrived", "resolved"), row or (0, 0, 0, 0), strict=True))
    return counts if counts["open_now"] > counts["open_before"] else None


def due_follow_ups(settings: Settings, since: datetime, until: datetime) -> dict[str, int] | None:
    """Count the follow-ups that have become due since the last night, and those whose window closes in a week.

    Returns:
        ``due_now``, of them ``due_now_6`` and ``due_now_12`` months after the end, ``closing``, and ``open_now``: all
        whose window is open without an answer; None unless one became due or is about to close, or there are no marts.
    """
    first, last = since.astimezone(settings.zone).date(), until.astimezone(settings.zone).date()
    days = {"first": first, "last": last, "ahead": timedelta(days=CLOSING_DAYS)}
    with connect(settings, "vmeste_transformer") as connection:
        if connection.execute("select to_regclass('marts.followup_calendar')").fetchone() == (None,):
            return None
        row = connection.execute(
            "with waiting as (select horizon, due_on, window_opens_on, window_closes_on from marts.followup_calendar "
            "where state not in ('done', 'missed')) "
            "select count(*) filter (where due_on > %(first)s and due_on <= %(last)s), "
            "count(*) filter (where due_on > %(first)s and due_on <= %(last)s and horizon = 6), "
            "count(*) filter (where due_on > %(first)s and due_on <= %(last)s and horizon = 12), "
            "count(*) filter (where window_closes_on > %(first)s + %(ahead)s "
            "and window_closes_on <= %(last)s + %(ahead)s), "
            "count(*) filter (where window_opens_on <= %(last)s and window_closes_on >= %(last)s) from waiting",
            days,
        ).fetchone()
    names = ("due_now", "due_now_6", "due_now_12", "closing", "open_now")
    counts = dict(zip(names, row or (0,) * len(names), strict=True))
    return counts if counts["due_now"] or counts["closing"] else None


def waiting_approvals(states: Mapping[str, Mapping[str, Any]]) -> dict[str, list[str]]:
    """Return role → ids of the runs in which its approval waits for an answer.

    Args:
        states: run id → task → state, of ``approve_method`` and ``approve_director``.
    """
    waiting: dict[str, list[str]] = {}
    for run_id, tasks in sorted(states.items()):
        for role in ("method", "director"):
            if str(tasks.get(f"approve_{role}")) == WAITS:
                waiting.setdefault(role, []).append(run_id)
    return waiting
