"""Canonical text of answers: ISO dates, a dot as the decimal separator, choice codes.

Columns are converted by their distinct values. What cannot be made canonical stays as it was written; validation
quarantines it with its reason.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from vmeste.forms import REPEAT, Question
from vmeste.sources.columns import comparable
from vmeste.sources.sheets import Cell, FileRefused

Convert = Callable[[str], str | None]
"""Written text → canonical text, ``None`` if it cannot be made canonical."""

_INTEGER = re.compile(r"([+-]?)0*([0-9]+)(?:[.,]0{1,2})?")
_THOUSANDS = re.compile(r"[+-]?[0-9]{1,3}(?:[ \u00a0\u202f][0-9]{3})+(?:[.,][0-9]+)?")
_DECIMAL = re.compile(r"[+-]?[0-9]+(?:[.,][0-9]+)?(?:[eE][+-]?[0-9]{1,3})?")
_WHOLE = re.compile(r"([0-9]+)[.,]0+")
_TIME_OF_DAY = re.compile(
    r"([0-9]{1,2})[:.]([0-9]{2})(?:[:.]([0-9]{2})(?:[.,][0-9]+)?)?\s*(?:([AaPp])\.?[Mm]\.?)?"
    r"(?:Z|[+-][0-9]{2}(?::?[0-9]{2})?)?"
)
_MOMENT = re.compile(
    r"(?:(?P<iso>[0-9]{4}[-./][0-9]{1,2}[-./][0-9]{1,2})"
    r"|(?P<dotted>[0-9]{1,2}\.[0-9]{1,2}\.[0-9]{4})(?:\s*г\.?)?"
    r"|(?P<slashed>[0-9]{1,2}/[0-9]{1,2}/[0-9]{4}|[0-9]{1,2}-[0-9]{1,2}-[0-9]{4}))"
    r"(?:(?:[Tt]|,?\s+)(?P<time>[0-9]{1,2}:[0-9]{2}(?::[0-9]{2}(?:[.,][0-9]{1,9})?)?(?:\s*[AaPp]\.?[Mm]\.?)?)"
    r"\s*(?P<zone>[Zz]|[+-][0-9]{2}(?::?[0-9]{2})?)?)?"
)
_FRACTION = re.compile(r"[.,][0-9]{1,9}")
_SEPARATORS = re.compile(r"[;\n\r|]+")
_DATE_PARTS = re.compile(r"[-./]")

# Whole numbers from 1950 to 2100 as Excel counts days; outside of it a number is a number
_SERIAL_YEARS = (1950, 2100)
_MIDNIGHT = datetime(1900, 1, 1)  # noqa: DTZ001 (times of day only)


def as_text(cell: Cell, kind: str, excel_epoch: datetime | None = None) -> str | None:
    """Return a cell as text, without outer blanks; ``None`` if it is empty.

    Args:
        cell: what the reader gave.
        kind: of the question (``Question.kind``): decides how numbers and dates of XLSX are written.
        excel_epoch: what serial dates count from; ``None`` where numbers are never dates.
    """
    match cell:
        case None:
            return None
        case str():
            return cell.strip() or None
        case bool():
            return ("1" if cell else "0") if kind.startswith("select") else str(cell).lower()
        case int() | float():
            dated = _from_serial(cell, kind, excel_epoch) if excel_epoch is not None else None
            if dated is not None:
                return as_text(dated, kind)
            return str(int(cell)) if isinstance(cell, int) or cell.is_integer() else repr(cell)
        case datetime():
            moment = (cell + timedelta(microseconds=500_000)).replace(microsecond=0)
            if kind == "time" and excel_epoch is not None and moment - excel_epoch < timedelta(days=2):
                return moment.time().isoformat()
            if kind == "date" and moment.time() == time():
                return moment.date().isoformat()
            return moment.isoformat()
        case date():
            return cell.isoformat()
        case time():
            return cell.replace(microsecond=0).isoformat()
        case timedelta():
            if kind == "time" and timedelta() <= cell < timedelta(days=1):
                return (_MIDNIGHT + cell).time().replace(microsecond=0).isoformat()
            return str(cell)
        case list() if kind == "select_multiple":
            return ";".join(text for item in cell if (text := as_text(item, kind)) is not None) or None
        case list() | dict():
            return json.dumps(cell, ensure_ascii=False) if cell else None
        case _:
            return str(cell).strip() or None


def _from_serial(number: float, kind: str, epoch: datetime) -> datetime | time | None:
    if kind == "time":
        if not isinstance(number, float) or not 0 <= number < 1:
            return None
        return (_MIDNIGHT + timedelta(seconds=min(round(number * 86_400), 86_399))).time()
    if kind not in ("date", "dateTime") or not 0 < number < 100_000:
        return None
    # 1900 was no leap year, Excel thinks that it was: no matter for the years that are taken
    moment = epoch + timedelta(seconds=round(number * 86_400))
    return moment if _SERIAL_YEARS[0] <= moment.year < _SERIAL_YEARS[1] else None


def canonical(texts: Sequence[str | None], question: Question, zone: ZoneInfo) -> tuple[list[str | None], str | None]:
    """Make a column canonical.

    Args:
        texts: the column's answers (``as_text``).
        question: what they answer.
        zone: of naive timestamps.

    Returns:
        the column, and how its dates or fractions are written if it has any.

    Raises:
        FileRefused: day and month cannot be told apart, or are not in one order.
    """
    if question.kind == "text":
        return list(texts), None
    if question.kind == REPEAT:
        return [None if text is None else _members(text) for text in texts], None
    distinct = {text for text in texts if text is not None}
    convert: Convert
    written: str | None = None
    if question.kind in ("date", "dateTime"):
        dates = Dates(distinct, question.name)
        written = f"dates {dates.written}" if dates.written else None
        convert = dates.day if question.kind == "date" else _instant_text(dates, zone)
    elif question.kind == "select_one":
        convert = _choice(question)
    elif question.kind == "select_multiple":
        convert = _choices(question)
    elif question.kind == "integer":
        convert = _integer
    elif question.kind == "decimal":
        convert = _decimals(distinct)
        written = "decimal comma" if any("," in text and _DECIMAL.fullmatch(text) for text in distinct) else None
    else:
        convert = _time_of_day
    known: dict[str | None, str | None] = {text: convert(text) or text for text in distinct}
    return [known.get(text) for text in texts], written


def _members(text: str) -> str:
    """Return a repeat as a file of JSON lines holds it with its numbers as text."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return text
    if not isinstance(found, list) or not all(isinstance(member, dict) for member in found):
        return text
    return json.dumps(
        [{name: _scalar(value) for name, value in member.items()} for member in found], ensure_ascii=False
    )


def _scalar(value: object) -> object:
    if isinstance(value, bool):
        return "1" if value else "0"
    return str(value) if isinstance(value, int | float) else value


class Dates:
    """The way in which the dates of one column are written, decided over all its values.

    ISO and 31.12.2021 tell day and month apart by themselves. 03/04/2021 does not: the column's other values must.
    """

    def __init__(self, values: Iterable[str], column: str) -> None:
        """Raises ``FileRefused`` when both orders fit everywhere, or each fits where the other does not."""
        self._parsed: dict[str, re.Match[str]] = {
            value: found for value in values if (found := _MOMENT.fullmatch(value)) is not None
        }
        slashed = [found["slashed"] for found in self._parsed.values() if found["slashed"]]
        self._is_day_first = _is_day_first(slashed, column) if slashed else True
        ways = {
            "ISO": any(found["iso"] for found in self._parsed.values()),
            "d.m.Y": any(found["dotted"] for found in self._parsed.values()),
            "d/m/Y" if self._is_day_first else "m/d/Y": bool(slashed),
        }
        self.written = " and ".join(way for way, is_used in ways.items() if is_used) or None

    def day(self, value: str) -> str | None:
        """Return a date as ISO text. A time of day beside it is dropped only if it is midnight without a zone."""
        found = self._parsed.get(value)
        if found is None or found["zone"] or (found["time"] and _time_of_day(found["time"]) != "00:00:00"):
            return None
        return self._iso_day(found)

    def moment(self, value: str, zone: ZoneInfo) -> datetime | None:
        """Return an instant in UTC; without a zone it is local to ``zone``, without a time it is midnight."""
        found = self._parsed.get(value)
        if found is None:
            return None
        day = self._iso_day(found)
        hour = _time_of_day(found["time"]) if found["time"] else "00:00:00"
        if day is None or hour is None:
            return None
        fraction = _FRACTION.search(found["time"] or "")  # two edits may lie within one second
        try:
            instant = datetime.fromisoformat(f"{day}T{hour}{fraction[0] if fraction else ''}{found['zone'] or ''}")
            return (instant if instant.tzinfo else instant.replace(tzinfo=zone)).astimezone(UTC)
        except (ValueError, OverflowError):  # the first and the last day of the calendar have no UTC everywhere
            return None

    def _iso_day(self, found: re.Match[str]) -> str | None:
        numbers = [int(part) for part in _DATE_PARTS.split(found["iso"] or found["dotted"] or found["slashed"])]
        if found["iso"]:
            year, month, day = numbers
        elif found["dotted"] or self._is_day_first:
            day, month, year = numbers
        else:
            month, day, year = numbers
        try:
            return date(year, month, day).isoformat()
        except ValueError:
            return None


def _is_day_first(slashed: Iterable[str], column: str) -> bool:
    as_day_first = as_month_first = is_open = False
    for text in slashed:
        first, second, _ = (int(part) for part in _DATE_PARTS.split(text))
        if 12 < first <= 31 and 1 <= second <= 12:
            as_day_first = True
        elif 12 < second <= 31 and 1 <= first <= 12:
            as_month_first = True
        elif first != second:
            is_open = True
    way_out = "Write the column's dates as 2021-12-31 or 31.12.2021 and save the file again"
    if as_day_first and as_month_first:
        raise FileRefused(f"the dates in {column} are partly day/month/year, partly month/day/year. {way_out}")
    if is_open and not (as_day_first or as_month_first):
        raise FileRefused(
            f"the dates in {column} are ambiguous: all of them can be day/month/year and month/day/year. {way_out}"
        )
    return not as_month_first


def instants(texts: Sequence[str | None], column: str, zone: ZoneInfo) -> tuple[dict[str, datetime | None], str | None]:
    """Read a column of moments, such as submitted_at.

    Returns:
        written text → instant in UTC (``None`` if it is not one), and the way in which they are written.

    Raises:
        FileRefused: day and month cannot be told apart.
    """
    distinct = {text for text in texts if text is not None}
    dates = Dates(distinct, column)
    return {text: dates.moment(text, zone) for text in distinct}, dates.written


def _instant_text(dates: Dates, zone: ZoneInfo) -> Convert:
    def convert(value: str) -> str | None:
        instant = dates.moment(value, zone)
        return instant.astimezone(zone).isoformat() if instant else None

    return convert


def _integer(value: str) -> str | None:
    found = _INTEGER.fullmatch(_closed_up(value))
    if found is None:
        return None
    sign = "-" if found[1] == "-" and found[2] != "0" else ""
    return f"{sign}{found[2]}"


def _decimals(distinct: Iterable[str]) -> Convert:
    # 1,234 is one and a bit in Russian, and over a thousand where the same column also has 2.5
    has_dots = any("." in value and "," not in value and _DECIMAL.fullmatch(value) for value in distinct)

    def convert(value: str) -> str | None:
        closed = _closed_up(value)
        if not _DECIMAL.fullmatch(closed):
            return None
        is_doubtful = has_dots and re.fullmatch(r"[+-]?[0-9]{1,3},[0-9]{3}", closed)
        return None if is_doubtful else closed.replace(",", ".").removeprefix("+")

    return convert


def _closed_up(value: str) -> str:
    """Return ``1 200`` as ``1200``."""
    return re.sub(r"\s", "", value) if _THOUSANDS.fullmatch(value) else value


def _time_of_day(value: str) -> str | None:
    found = _TIME_OF_DAY.fullmatch(value)
    if found is None:
        return None
    hour, minute, second = int(found[1]), int(found[2]), int(found[3] or 0)
    if found[4]:
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if found[4] in "Pp" else 0)
    return f"{hour:02}:{minute:02}:{second:02}" if hour < 24 and minute < 60 and second < 60 else None


def _codes(question: Question) -> Mapping[str, str]:
    """Written forms of the choices → code: the codes themselves, then labels that belong to one choice only."""
    codes: dict[str, str] = {}
    doubtful: set[str] = set()
    for choice in question.choices:
        for label in {comparable(choice.label_ru), comparable(choice.label_en)} - {""}:
            if codes.setdefault(label, choice.name) != choice.name:
                doubtful.add(label)
    for label in doubtful:
        del codes[label]
    return codes | {comparable(choice.name): choice.name for choice in question.choices}


def _choice(question: Question) -> Convert:
    codes = _codes(question)

    def convert(value: str) -> str | None:
        whole = _WHOLE.fullmatch(value)  # spreadsheets turn the code 5 into 5.0
        return codes.get(comparable(value)) or (codes.get(whole[1]) if whole else None)

    return convert


def _choices(question: Question) -> Convert:
    one = _choice(question)

    def several(part: str) -> list[str] | None:
        """Labels may hold commas themselves: the longest run of pieces that is a label counts."""
        pieces = part.split(",")
        found: list[str] = []
        start = 0
        while start < len(pieces):
            for end in range(len(pieces), start, -1):
                code = one(",".join(pieces[start:end]).strip())
                if code is not None:
                    found.append(code)
                    break
            else:
                words = pieces[start].split()
                codes = [code for word in words if (code := one(word)) is not None]
                if len(codes) < len(words):
                    return None
                found += codes
                end = start + 1
            start = end
        return found

    def convert(value: str) -> str | None:
        found: list[str] = []
        for part in _SEPARATORS.split(value):
            codes = several(part)
            if codes is None:
                return None
            found += codes
        return " ".join(dict.fromkeys(found)) or None

    return convert
