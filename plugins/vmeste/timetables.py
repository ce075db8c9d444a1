"""The calendar of the quarterly refresh, as an Airflow timetable.

The scheduler, the dag-processor and the api-server all import this module: it imports nothing heavy.
"""

from __future__ import annotations

from datetime import UTC, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

from airflow.exceptions import InvalidPartitionKeyError
from airflow.timetables.trigger import CronPartitionTimetable

from vmeste.releases.quarters import CUTOFF_DAY, Quarter

REFRESH_AT = time(6, 0)
CRON = f"{REFRESH_AT.minute} {REFRESH_AT.hour} {CUTOFF_DAY} 1,4,7,10 *"


class QuarterPartitionTimetable(CronPartitionTimetable):
    """Runs at 06:00 on day 15 after a quarter's end; the run's partition key is that quarter, e.g. ``2021-Q4``.

    Airflow's own timetable formats keys with ``strftime``, which knows no quarters. Its partition date is one tick
    of the calendar before the run, which lies in the quarter that the run is about.

    Subclasses the scheduler's class and not the one of ``airflow.sdk``: of custom timetables Airflow serialises only
    those (``airflow.serialization.encoders``).
    """

    def __init__(self, *, timezone: str) -> None:
        super().__init__(CRON, timezone=timezone, run_offset=-1)
        self._zone = ZoneInfo(timezone)
        self.description = "At 06:00 on day 15 after a quarter's end"

    @classmethod
    def deserialize(cls, data: dict[str, Any]) -> QuarterPartitionTimetable:
        """Make the timetable again from what `serialize` gave."""
        return cls(timezone=data["timezone"])

    def serialize(self) -> dict[str, Any]:
        """Return what the metadata database keeps: the zone; the rest is fixed."""
        return {"timezone": self._zone.key}

    def _format_key(self, partition_date: datetime) -> str:
        return str(Quarter.containing(partition_date, self._zone))

    def _decode_partition_date(self, partition_key: str) -> datetime:
        try:
            quarter = Quarter.parse(partition_key)
        except ValueError as error:
            raise InvalidPartitionKeyError(str(error)) from error
        tick = datetime.combine(quarter.starts_on.replace(day=CUTOFF_DAY), REFRESH_AT, tzinfo=self._zone)
        return tick.astimezone(UTC)
