from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tests.unit.sources.conftest import VISIT
from vmeste.sources.canonical import as_text, canonical, instants
from vmeste.sources.sheets import FileRefused

MOSCOW = ZoneInfo("Europe/Moscow")
EPOCH = datetime(1899, 12, 30)  # noqa: DTZ001 (as openpyxl gives it)


def column(name: str, *texts: str) -> list[str | None]:
    return canonical(texts, VISIT.question(name), MOSCOW)[0]


@pytest.mark.parametrize(
    ("name", "written", "expected"),
    [
        ("minutes", "60", "60"),
        ("minutes", "60.0", "60"),
        ("minutes", "60,00", "60"),
        ("minutes", "007", "7"),
        ("minutes", "-0", "0"),
        ("minutes", "+5", "5"),
        ("minutes", "1 200", "1200"),
        ("minutes", "1.000", "1.000"),  # one, or a thousand
        ("minutes", "полтора часа", "полтора часа"),
        ("minutes", "60 мин", "60 мин"),
        ("minutes", "6O", "6O"),
        ("fare", "12,50", "12.50"),
        ("fare", "12.5", "12.5"),
        ("fare", "1 200,5", "1200.5"),
        ("fare", "12,5,1", "12,5,1"),
        ("start_time", "9:05", "09:05:00"),
        ("start_time", "14.30", "14:30:00"),
        ("start_time", "14:30:15.000+03:00", "14:30:15"),
        ("start_time", "2:30 PM", "14:30:00"),
        ("start_time", "12:00 am", "00:00:00"),
        ("start_time", "25:00", "25:00"),
        ("start_time", "после обеда", "после обеда"),
        ("held_on", "2021-03-01", "2021-03-01"),
        ("held_on", "2021-03-01T00:00:00", "2021-03-01"),
        ("held_on", "1.3.2021", "2021-03-01"),
        ("held_on", "01.03.2021 г.", "2021-03-01"),
        ("held_on", "01.03.2021 0:00", "2021-03-01"),
        ("held_on", "2021/03/01", "2021-03-01"),
        ("held_on", "31/12/2021", "2021-12-31"),
        ("held_on", "12/31/2021", "2021-12-31"),
        ("held_on", "31-12-2021", "2021-12-31"),
        ("held_on", "01.03.2099", "2099-03-01"),
        ("held_on", "31.02.2021", "31.02.2021"),
        ("held_on", "01.03.21", "01.03.21"),
        ("held_on", "01.03.2021 14:30", "01.03.2021 14:30"),
        ("held_on", "весной", "весной"),
        ("seen_at", "01.03.2021 14:30", "2021-03-01T14:30:00+03:00"),
        ("seen_at", "2021-03-01T14:30:00Z", "2021-03-01T17:30:00+03:00"),
        ("mood", "2", "2"),
        ("mood", "2.0", "2"),
        ("mood", "Ровное", "2"),
        ("mood", " РОВНОЕ. ".strip(), "2"),
        ("mood", "Even", "2"),
        ("mood", "9", "9"),
        ("status", "HELD", "held"),
        ("status", "не\u00a0 состоялась", "no_show"),
        ("goals", "g1 g3", "g1 g3"),
        ("goals", "g3, g1", "g3 g1"),
        ("goals", "g1 g1", "g1"),
        ("goals", "Цель 1; Учеба", "g1 g3"),
        ("goals", "Цель 1, Поездка: магазин, банк, Учёба", "g1 g2 g3"),
        ("goals", "Поездка: магазин, банк", "g2"),
        ("goals", "Goal 1\nLearning", "g1 g3"),
        ("goals", "g1; Цель 7", "g1; Цель 7"),
        ("goals", "g1 g9", "g1 g9"),
        ("note", "=cmd|' /C calc'!A0", "=cmd|' /C calc'!A0"),
    ],
)
def test_written_becomes_canonical_or_stays(name: str, written: str, expected: str) -> None:
    assert column(name, written) == [expected]


def test_slashes_are_read_by_the_whole_column() -> None:
    assert column("held_on", "03/04/2021", "25/04/2021") == ["2021-04-03", "2021-04-25"]
    assert column("held_on", "03/04/2021", "04/25/2021") == ["2021-03-04", "2021-04-25"]
    assert column("held_on", "03/03/2021") == ["2021-03-03"]
    assert column("held_on", "03/04/2021", "25/04/2021", "45/45/2021")[2] == "45/45/2021"


def test_dates_that_can_be_read_both_ways_are_refused() -> None:
    with pytest.raises(FileRefused, match=r"held_on are ambiguous.*2021-12-31") as caught:
        column("held_on", "03/04/2021", "2021-03-01")
    assert "03/04" not in str(caught.value), "a date may be a birth date: messages do not quote answers"


def test_dates_in_two_orders_are_refused() -> None:
    with pytest.raises(FileRefused, match="partly day/month/year, partly month/day/year"):
        column("held_on", "25/04/2021", "04/25/2021")


def test_a_thousands_comma_is_not_taken_for_a_decimal_one() -> None:
    assert column("fare", "1,234", "2.5") == ["1,234", "2.5"]
    assert column("fare", "1,234", "2,5") == ["1.234", "2.5"]
    assert column("fare", "1,23", "2.5") == ["1.23", "2.5"]


@pytest.mark.parametrize(
    ("cell", "kind", "expected"),
    [
        ("  ", "text", None),
        ("\u00a0а\u00a0", "text", "а"),
        (60.0, "integer", "60"),
        (0.5, "decimal", "0.5"),
        (True, "select_one", "1"),
        (True, "integer", "true"),
        (44256, "date", "2021-03-01"),
        (44256.0, "date", "2021-03-01"),
        (44256.604166666664, "dateTime", "2021-03-01T14:30:00"),
        (2021, "date", "2021"),
        (44256, "integer", "44256"),
        (0.6041666666666666, "time", "14:30:00"),
        (14, "time", "14"),
        (datetime(2021, 3, 1), "date", "2021-03-01"),  # noqa: DTZ001
        (datetime(2021, 3, 1, 14, 30), "date", "2021-03-01T14:30:00"),  # noqa: DTZ001
        (datetime(2021, 3, 1, 14, 29, 59, 999_999), "dateTime", "2021-03-01T14:30:00"),  # noqa: DTZ001
        (datetime(1899, 12, 31, 14, 30), "time", "14:30:00"),  # noqa: DTZ001
        (date(2021, 3, 1), "date", "2021-03-01"),
        (time(14, 30), "time", "14:30:00"),
        (timedelta(hours=14, minutes=30), "time", "14:30:00"),
        (timedelta(hours=25), "time", "1 day, 1:00:00"),
        (["g1", "g3"], "select_multiple", "g1;g3"),
        ([], "select_multiple", None),
        (["а", 1], "text", '["а", 1]'),
    ],
)
def test_cells_of_spreadsheets_and_json(cell: Any, kind: str, expected: str | None) -> None:
    assert as_text(cell, kind, EPOCH) == expected


def test_numbers_of_json_are_never_dates() -> None:
    assert as_text(44256, "date") == "44256"


def test_moments_are_aware() -> None:
    (text,) = column("seen_at", "01.03.2021 14:30")
    assert text is not None
    assert datetime.fromisoformat(text) == datetime(2021, 3, 1, 11, 30, tzinfo=UTC)


@pytest.mark.parametrize("written", ["0001-01-01T00:00:00", "9999-12-31T23:59:59-05:00"])
def test_a_moment_outside_the_calendar_in_utc_is_none(written: str) -> None:
    found, _ = instants([written], "submitted_at", ZoneInfo("Europe/Moscow"))
    assert found == {written: None}
