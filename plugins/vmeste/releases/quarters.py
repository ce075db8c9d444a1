"""Calendar quarters: their days, their cut-off, their names.

A quarter is decided by the date of an event in the programme's zone; its figures are taken as of the cut-off, the
15th of the month after it ends, 00:00 there. This module imports nothing heavy: timetables use it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo

CUTOFF_DAY = 15
ROMAN = ("I", "II", "III", "IV")

_WRITTEN = re.compile(r"(\d{4})-Q([1-4])", re.ASCII)


@dataclass(frozen=True, order=True, slots=True)
class Quarter:
    """One calendar quarter; ``str`` and ``parse`` use the form ``2021-Q4``, which also sorts as text."""

    year: int
    number: int

    def __post_init__(self) -> None:
        if not 1 <= self.number <= 4:
            raise ValueError(f"a year has quarters 1 to 4, not {self.number}")
        # a year free on either side, so that the neighbours and the cut-off exist too
        if not date.min.year < self.year < date.max.year:
            raise ValueError(f"the year must be between {date.min.year + 1} and {date.max.year - 1}, not {self.year}")

    @classmethod
    def parse(cls, text: str) -> Quarter:
        """Read ``2021-Q4``.

        Raises:
            ValueError: the text has another form; the message shows the one expected.
        """
        match = _WRITTEN.fullmatch(text)
        if match is None:
            raise ValueError(f"{text!r} is not a quarter: write the year, -Q and 1 to 4, e.g. 2021-Q4")
        return cls(int(match[1]), int(match[2]))

    @classmethod
    def of(cls, day: date) -> Quarter:
        """Return the quarter that a day lies in."""
        return cls(day.year, (day.month - 1) // 3 + 1)

    @classmethod
    def containing(cls, instant: datetime, zone: tzinfo) -> Quarter:
        """Return the quarter that an aware instant lies in, by the clocks of the zone.

        Raises:
            ValueError: the instant has no zone, so that its date there is not known.
        """
        if instant.tzinfo is None:
            raise ValueError(f"{instant.isoformat()} has no time zone: its date in {zone} is not known")
        return cls.of(instant.astimezone(zone).date())

    def __str__(self) -> str:
        return f"{self.year:04d}-Q{self.number}"

    @property
    def starts_on(self) -> date:
        """The first day."""
        return date(self.year, 3 * self.number - 2, 1)

    @property
    def ends_on(self) -> date:
        """The last day."""
        return self.next.starts_on - timedelta(days=1)

    @property
    def previous(self) -> Quarter:
        """The quarter before."""
        return Quarter(self.year - 1, 4) if self.number == 1 else Quarter(self.year, self.number - 1)

    @property
    def next(self) -> Quarter:
        """The quarter after."""
        return Quarter(self.year + 1, 1) if self.number == 4 else Quarter(self.year, self.number + 1)

    def cutoff(self, zone: tzinfo) -> datetime:
        """Return the aware moment as of which the quarter is computed: day 15 after its end, 00:00 in the zone."""
        first = self.next.starts_on
        return datetime(first.year, first.month, CUTOFF_DAY, tzinfo=zone)

    @property
    def label_ru(self) -> str:
        """The name on a page: «IV квартал 2021»."""
        return f"{ROMAN[self.number - 1]} квартал {self.year}"
