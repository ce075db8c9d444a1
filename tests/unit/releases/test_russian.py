"""Figures as they are written in Russian."""

from __future__ import annotations

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmeste.releases import russian


@given(st.integers(1, 400), st.data())
def test_percents_are_rounded_half_up_as_fractions_are(measured: int, data: st.DataObject) -> None:
    """The oracle stays in whole numbers: a float on the way would round 29/200 down."""
    achieved = data.draw(st.integers(0, measured))
    assert russian.percent_digits(achieved / measured) == str((200 * achieved + measured) // (2 * measured))


@pytest.mark.parametrize(
    ("share", "written"), [(17 / 21, "81\u00a0%"), (0.145, "15\u00a0%"), (0.005, "1\u00a0%"), (0.0, "0\u00a0%")]
)
def test_percent(share: float, written: str) -> None:
    assert russian.percent(share) == written


@pytest.mark.parametrize(
    ("value", "digits", "written"),
    [
        (6.25, 1, "6,3"),
        (4, 1, "4,0"),
        (-2.5, 0, "\u22123"),
        (-0.04, 1, "0,0"),
        (9999, 0, "9999"),
        (12345.6, 1, "12\u00a0345,6"),
    ],
)
def test_number(value: float, digits: int, written: str) -> None:
    assert russian.number(value, digits) == written


@pytest.mark.parametrize(
    ("count", "form"),
    [
        *((count, "запись") for count in (1, 21, 101, 1001)),
        *((count, "записи") for count in (2, 3, 4, 22, 104)),
        *((count, "записей") for count in (0, 5, 11, 12, 13, 14, 19, 111, 112, 212)),
    ],
)
def test_plural(count: int, form: str) -> None:
    assert russian.plural(count, "запись", "записи", "записей") == form


def test_dates() -> None:
    assert russian.day(date(2032, 1, 5)) == "5\u00a0января\u00a02032"
    moscow = datetime(2032, 1, 15, tzinfo=ZoneInfo("Europe/Moscow"))
    assert russian.moment(moscow) == "15.01.2032 00:00 (UTC+3)"
    assert russian.moment(moscow.astimezone(UTC)) == "14.01.2032 21:00 (UTC+0)"
    newfoundland = datetime(2032, 1, 15, tzinfo=ZoneInfo("America/St_Johns"))
    assert russian.moment(newfoundland) == "15.01.2032 00:00 (UTC\u22123:30)"
