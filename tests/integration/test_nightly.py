"""What the night counts, in a real database: rows made by hand, counted by hand."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from vmeste.notifications import troubles
from vmeste.notifications.nightly import due_follow_ups, growing_quarantine
from vmeste.settings import Settings
from vmeste.warehouse.connect import connect

# 03:30 in Moscow
LAST, NOW = datetime(2022, 1, 16, 0, 30, tzinfo=UTC), datetime(2022, 1, 17, 0, 30, tzinfo=UTC)
ROW = (
    "insert into quarantine.rows (source, form_id, submission_id, content_hash, form_version, submitted_at, rules, "
    "remedy_ru, payload, batch_id, first_seen_at, state, resolved_at) "
    "values ('made-up', 'f4_meeting', %s, 'x', '1', '2022-01-01', '{a_rule}', '', '{}', 'b', %s, %s, %s)"
)
CALENDAR = """
drop schema if exists marts cascade;
create schema marts authorization vmeste_transformer;
create table marts.followup_calendar (
    pair_key text, horizon integer, state text, due_on date, window_opens_on date, window_closes_on date
);
alter table marts.followup_calendar owner to vmeste_transformer;
"""


@pytest.fixture
def quarantine(settings: Settings) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    with connect(settings, "vmeste_loader") as connection:
        connection.autocommit = True
        connection.execute("delete from quarantine.rows")
        yield connection


def test_a_quarantine_that_grows_is_counted(
    settings: Settings, quarantine: psycopg.Connection[tuple[object, ...]]
) -> None:
    for submission, seen, state, resolved in (
        ("old", "2022-01-10", "open", None),
        ("mended long ago", "2022-01-10", "fixed_upstream", "2022-01-12"),
        ("mended tonight", "2022-01-10", "released", "2022-01-16 12:00+00"),
        ("new", "2022-01-16 12:00+00", "open", None),
        ("new as well", "2022-01-17 00:30+00", "open", None),
        ("came and went", "2022-01-16 10:00+00", "waived", "2022-01-16 11:00+00"),
        ("after the run began", "2022-01-17 01:00+00", "open", None),
    ):
        quarantine.execute(ROW, (submission, seen, state, resolved))
    assert growing_quarantine(settings, LAST, NOW) == {"open_now": 3, "open_before": 2, "arrived": 3, "resolved": 2}


@pytest.mark.parametrize("seen", ["2022-01-10", None])
def test_a_quarantine_that_does_not_grow_is_no_news(
    settings: Settings, quarantine: psycopg.Connection[tuple[object, ...]], seen: str | None
) -> None:
    if seen is not None:
        quarantine.execute(ROW, ("old", seen, "open", None))
        quarantine.execute(ROW, ("mended", seen, "released", "2022-01-16 12:00+00"))
        quarantine.execute(ROW, ("new", "2022-01-16 12:00+00", "open", None))
    assert growing_quarantine(settings, LAST, NOW) is None


@pytest.fixture
def calendar(settings: Settings) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    with connect(settings) as connection:
        connection.autocommit = True
        connection.execute(CALENDAR)
        yield connection
        connection.execute("drop schema marts cascade")


def test_follow_ups_are_counted_from_the_last_night_on(
    settings: Settings, calendar: psycopg.Connection[tuple[object, ...]]
) -> None:
    """Due on the 17th is told on the 17th, not on the 16th or the 18th; the window is told a week before it closes."""
    for pair, horizon, state, due_on, opens_on, closes_on in (
        ("due today", 6, "open", "2022-01-17", "2021-12-18", "2022-03-18"),
        ("due today too", 12, "not_yet_due", "2022-01-17", "2021-12-18", "2022-04-17"),
        ("told yesterday", 6, "open", "2022-01-16", "2021-12-17", "2022-03-17"),
        ("told tomorrow", 6, "open", "2022-01-18", "2021-12-19", "2022-03-19"),
        ("answered", 6, "done", "2022-01-17", "2021-12-18", "2022-03-18"),
        ("closes in a week", 6, "open", "2021-11-25", "2021-10-26", "2022-01-24"),
        ("closed in the meantime", 6, "open", "2021-11-17", "2021-10-18", "2022-01-16"),
        ("missed", 12, "missed", "2021-10-01", "2021-09-01", "2021-12-30"),
        ("far away", 12, "not_yet_due", "2023-01-17", "2022-12-18", "2023-04-17"),
    ):
        calendar.execute(
            "insert into marts.followup_calendar values (%s, %s, %s, %s, %s, %s)",
            (pair, horizon, state, due_on, opens_on, closes_on),
        )
    assert due_follow_ups(settings, LAST, NOW) == {
        "due_now": 2,
        "due_now_6": 1,
        "due_now_12": 1,
        "closing": 1,
        "open_now": 5,
    }
    two_nights = due_follow_ups(settings, LAST.replace(day=15), NOW)
    assert two_nights is not None
    assert two_nights["due_now"] == 3, "a night on which the machine was off is not lost"
    assert due_follow_ups(settings, NOW.replace(day=19), NOW.replace(day=20)) is None


def test_without_marts_there_is_nothing_to_tell(settings: Settings) -> None:
    assert due_follow_ups(settings, LAST, NOW) is None


def test_a_source_that_is_down_is_told_of_once_a_day_and_when_it_is_back(settings: Settings) -> None:
    """Hour after hour; meanwhile another one goes down, which is news."""
    down, other = "centre.people.extract_0", "north.pairs.load_0"
    began = datetime(2026, 1, 2, 20, tzinfo=UTC)
    told = []
    for hour in range(52):
        places = [down] if hour < 50 else []
        if 30 <= hour < 33:
            places.append(other)
        told.append(troubles.note(settings, places, began + timedelta(hours=hour)))
    assert {hour: telling for hour, telling in enumerate(told) if telling} == {
        0: "failed",
        24: "failed",
        30: "failed",
        50: "recovered",
    }
    with connect(settings) as connection:
        assert connection.execute("select from ops.troubles").rowcount == 0


def test_what_fails_again_after_it_worked_is_news(settings: Settings) -> None:
    began = datetime(2026, 2, 2, 20, tzinfo=UTC)
    tellings = [
        troubles.note(settings, places, began + timedelta(hours=hour))
        for hour, places in enumerate((["a"], ["a"], [], [], ["a"], []))
    ]
    assert tellings == ["failed", "", "recovered", "", "failed", "recovered"]
