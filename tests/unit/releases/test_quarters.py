"""Quarters: written form, edges of years, and midnight in Moscow."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmeste.releases.quarters import Quarter

MOSCOW = ZoneInfo("Europe/Moscow")
QUARTERS = st.builds(Quarter, st.integers(3, 9997), st.integers(1, 4))
MODERN = st.builds(Quarter, st.integers(1990, 2100), st.integers(1, 4))


@given(QUARTERS)
def test_written_form_reads_back(quarter: Quarter) -> None:
    assert Quarter.parse(str(quarter)) == quarter


@pytest.mark.parametrize(
    "text", ["2021-Q0", "2021-Q5", "2021Q4", "2021-q4", "21-Q4", "", "2021-Q4\n", "٢٠٢١-Q4", "0000-Q1", "2021-12"]
)
def test_other_text_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"not a quarter|year must be"):
        Quarter.parse(text)


def test_refusal_shows_the_form_expected() -> None:
    with pytest.raises(ValueError, match=r"'Q4 2021' is not a quarter.*e\.g\. 2021-Q4"):
        Quarter.parse("Q4 2021")


@given(QUARTERS)
def test_neighbours_touch(quarter: Quarter) -> None:
    assert quarter.next.previous == quarter
    assert quarter.previous < quarter < quarter.next
    assert quarter.ends_on + timedelta(days=1) == quarter.next.starts_on
    assert 90 <= (quarter.ends_on - quarter.starts_on).days + 1 <= 92


@given(QUARTERS, QUARTERS)
def test_text_sorts_as_time(one: Quarter, other: Quarter) -> None:
    assert (str(one) < str(other)) == (one < other) == (one.starts_on < other.starts_on)


@given(st.dates(date(3, 1, 1), date(9997, 12, 31)))
def test_every_day_lies_in_its_quarter(day: date) -> None:
    quarter = Quarter.of(day)
    assert quarter.starts_on <= day <= quarter.ends_on


@given(MODERN)
def test_midnight_in_moscow_decides(quarter: Quarter) -> None:
    """Not midnight UTC: the two are two to four hours apart, over the years."""
    starts_at = datetime(quarter.starts_on.year, quarter.starts_on.month, 1, tzinfo=MOSCOW).astimezone(UTC)
    assert Quarter.containing(starts_at, MOSCOW) == quarter
    assert Quarter.containing(starts_at - timedelta(microseconds=1), MOSCOW) == quarter.previous
    assert Quarter.containing(starts_at, UTC) == quarter.previous


def test_new_year_in_moscow() -> None:
    assert Quarter.containing(datetime(2021, 12, 31, 20, 59, 59, tzinfo=UTC), MOSCOW) == Quarter(2021, 4)
    assert Quarter.containing(datetime(2021, 12, 31, 21, 0, tzinfo=UTC), MOSCOW) == Quarter(2022, 1)


def test_instant_without_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="no time zone"):
        Quarter.containing(datetime(2021, 12, 31), MOSCOW)  # noqa: DTZ001


@pytest.mark.parametrize(
    ("quarter", "cutoff"),
    [
        (Quarter(2021, 4), "2022-01-15T00:00:00+03:00"),
        (Quarter(2021, 1), "2021-04-15T00:00:00+03:00"),
        (Quarter(2012, 2), "2012-07-15T00:00:00+04:00"),  # Moscow kept UTC+4 from 2011 to 2014
    ],
)
def test_cutoff(quarter: Quarter, cutoff: str) -> None:
    assert quarter.cutoff(MOSCOW).isoformat() == cutoff


@given(MODERN)
def test_cutoff_lies_in_the_next_quarter(quarter: Quarter) -> None:
    assert Quarter.containing(quarter.cutoff(MOSCOW), MOSCOW) == quarter.next


def test_label() -> None:
    assert [Quarter(2021, number).label_ru for number in (1, 2, 3, 4)] == [
        "I квартал 2021",
        "II квартал 2021",
        "III квартал 2021",
        "IV квартал 2021",
    ]


@pytest.mark.parametrize("number", [0, 5])
def test_quarter_out_of_the_year_is_refused(number: int) -> None:
    with pytest.raises(ValueError, match="quarters 1 to 4"):
        Quarter(2021, number)
