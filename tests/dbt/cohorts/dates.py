"""The cut-off of the random cohorts, and dates as DOMAIN counts them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

import pandas as pd

MOSCOW = ZoneInfo("Europe/Moscow")
AS_OF = datetime(2022, 1, 14, 21, tzinfo=UTC)
"""Midnight in Moscow: in UTC it is still the day before."""

TODAY = AS_OF.astimezone(MOSCOW).date()


@cache
def months_after(day: date, months: int) -> date:
    """Return the date so many months later; a month without that day gives its last one."""
    return (pd.Timestamp(day) + pd.DateOffset(months=months)).date()


def days(first: date, end: date) -> Iterator[date]:
    """Yield the days from the first up to the end, the end out."""
    for number in range((end - first).days):
        yield first + timedelta(number)


def quarter_of(day: date) -> str:
    """Return the calendar quarter as people write it: 2021-Q4."""
    return f"{day.year}-Q{(day.month + 2) // 3}"


def quarter_starts(day: date) -> date:
    """Return the first day of the date's quarter."""
    return date(day.year, day.month - (day.month - 1) % 3, 1)


def windows(first_day: date | None) -> dict[tuple[str, str], tuple[date, date]]:
    """Return period view and quarter → first and last day, for each quarter that is over, from the first day's on."""
    found: dict[tuple[str, str], tuple[date, date]] = {}
    if first_day is None:
        return found
    opens = quarter_starts(first_day)
    while (closes := months_after(opens, 3) - timedelta(1)) < TODAY:
        quarter = quarter_of(opens)
        found["quarter", quarter] = (opens, closes)
        found["rolling_4q", quarter] = (months_after(opens, -9), closes)
        found["cohort_year", quarter] = (date(opens.year, 1, 1), closes)
        opens = closes + timedelta(1)
    return found
