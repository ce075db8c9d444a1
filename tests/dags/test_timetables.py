"""The calendar of the refresh: keys both ways, for any quarter."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pendulum
import pytest
from airflow.exceptions import InvalidPartitionKeyError
from airflow.serialization.decoders import decode_timetable
from airflow.serialization.encoders import encode_timetable
from airflow.timetables.base import TimeRestriction
from hypothesis import given
from hypothesis import strategies as st

from vmeste.releases.quarters import Quarter
from vmeste.timetables import QuarterPartitionTimetable

MOSCOW = "Europe/Moscow"
quarters = st.builds(Quarter, st.integers(1950, 2150), st.integers(1, 4))
zones = st.sampled_from([MOSCOW, "Europe/Kaliningrad", "Asia/Kamchatka", "America/New_York", "UTC"])


@given(quarter=quarters, zone=zones)
def test_a_key_comes_back_from_its_partition_date(quarter: Quarter, zone: str) -> None:
    timetable = QuarterPartitionTimetable(timezone=zone)
    moment = timetable.resolve_partition_date(str(quarter))
    assert moment is not None
    assert timetable._format_key(moment) == str(quarter)


@given(quarter=quarters, zone=zones)
def test_the_run_of_a_quarter_comes_after_its_cutoff_and_before_the_next_quarters(quarter: Quarter, zone: str) -> None:
    timetable = QuarterPartitionTimetable(timezone=zone)
    cutoff = quarter.cutoff(ZoneInfo(zone))
    run_date = timetable._align_to_next(pendulum.instance(cutoff))
    _, key = timetable._get_partition_info(run_date)
    assert key == str(quarter)
    assert cutoff < run_date < quarter.next.cutoff(ZoneInfo(zone))


def test_the_next_run_without_catching_up() -> None:
    timetable = QuarterPartitionTimetable(timezone=MOSCOW)
    info = timetable.next_dagrun_info_v2(
        last_dagrun_info=None, restriction=TimeRestriction(earliest=None, latest=None, catchup=False)
    )
    now = datetime.now(UTC)
    assert info is not None
    assert now < info.run_after < now + timedelta(days=100)
    local = info.run_after.astimezone(ZoneInfo(MOSCOW))
    assert (local.day, local.hour, local.minute) == (15, 6, 0)
    assert info.partition_key == str(Quarter.of(local.date()).previous)


def test_a_backfill_names_each_quarter_once() -> None:
    timetable = QuarterPartitionTimetable(timezone=MOSCOW)
    infos = timetable.iter_partition_dagrun_infos(
        earliest=datetime(2021, 1, 1, tzinfo=UTC), latest=datetime(2021, 12, 31, tzinfo=UTC)
    )
    assert [info.partition_key for info in infos] == ["2021-Q1", "2021-Q2", "2021-Q3", "2021-Q4"]


@pytest.mark.parametrize("key", ["2021Q4", "2021-Q5", "2021-10-15T06:00:00", "", "2021-Q4 "])
def test_another_key_is_refused_with_an_example(key: str) -> None:
    with pytest.raises(InvalidPartitionKeyError, match="2021-Q4"):
        QuarterPartitionTimetable(timezone=MOSCOW)._decode_partition_date(key)


def test_airflow_finds_it_again_through_the_plugin() -> None:
    encoded = encode_timetable(QuarterPartitionTimetable(timezone="Asia/Kamchatka"))
    decoded = decode_timetable(encoded)
    assert isinstance(decoded, QuarterPartitionTimetable)
    assert decoded.resolve_partition_date("2021-Q4") == datetime(2021, 10, 15, 6, tzinfo=ZoneInfo("Asia/Kamchatka"))
