"""From what people write to canonical text: ISO dates, decimal points, choice codes.

What cannot be made canonical stays as it was written: validation will say what is wrong with it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

from openpyxl.utils.datetime import from_excel

from vmeste.forms import Question
from vmeste.sources.tables import Cell, TableRefused

ISO_DATE = re.compile(r"(\d{4})-(\d{2})-(\d{2})(?:[T ]00:00(?::00(?:\.0+)?)?)?")
DOTTED_DATE = re.compile(r"(\d{1,2})\.(\d{1,2})\.(\d{4})(?: 0?0:00(?::00)?)?")
SLASHED_DATE = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4})")
CLOCK = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2})(?:\.\d+)?)?")
DOTTED_INSTANT = re.compile(r"(\d{1,2})\.(\d{1,2})\.(\d{4})[ ,T]+(\d{1,2}):(\d{2})(?::(\d{2}))?")
WHOLE = re.compile(r"([+-]?\d+)(?:[.,]0+)?")
DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+")

EXCEL_DAYS = (20_000, 80_000)
"""Serial days from 1954 to 2119: a number in a date question that is taken for an Excel date."""

LATEST_MONTH = 12


def text(cell: Cell) -> str | None:
    """Return a cell as text without outer blanks; nothing for an empty one."""
    if cell is None:
        return None
    if isinstance(cell, bool):
        return "1" if cell else "0"
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    if isinstance(cell, datetime):
        return cell.isoformat(sep="T")
    if isinstance(cell, date | time):
        return cell.isoformat()
    return str(cell).strip() or None


def column(question: Question, cells: Sequence[Cell], zone: ZoneInfo, notes: list[str]) -> list[str | None]:
    """Return the canonical answers of one question, one for each cell.

    Args:
        question: decides the kind and the choices.
        cells: the column as it stands in the file.
        zone: of instants without one.
        notes: what is detected is added here.

    Raises:
        TableRefused: the column's dates can be read as day/month and as month/day.
    """
    convert = _converter(question, cells, zone, notes)
    known: dict[Cell, str | None] = {}
    answers = []
    for cell in cells:
        if cell not in known:
            known[cell] = convert(cell)
        answers.append(known[cell])
    return answers


def _converter(
    question: Question, cells: Sequence[Cell], zone: ZoneInfo, notes: list[str]
) -> Callable[[Cell], str | None]:
    if question.kind == "integer":
        return _integer
    if question.kind == "decimal":
        if any(isinstance(cell, str) and DECIMAL_COMMA.fullmatch(cell.strip()) for cell in cells):
            notes.append(f"{question.name}: decimal comma")
        return _decimal
    if question.kind == "date":
        return _date_converter(question.name, cells, notes)
    if question.kind == "time":
        return _time
    if question.kind == "dateTime":
        return lambda cell: ((moment := instant(cell, zone)) and moment.isoformat()) or text(cell)
    if question.kind == "select_one":
        codes = _choice_codes(question)
        return lambda cell: _choice(codes, text(cell))
    if question.kind == "select_multiple":
        codes = _choice_codes(question)
        return lambda cell: _choices(codes, text(cell))
    return text


def _integer(cell: Cell) -> str | None:
    written = text(cell)
    whole = WHOLE.fullmatch(written) if written else None
    return whole[1] if whole else written


def _decimal(cell: Cell) -> str | None:
    written = text(cell)
    if written and DECIMAL_COMMA.fullmatch(written):
        return written.replace(",", ".")
    return written


def _time(cell: Cell) -> str | None:
    if isinstance(cell, datetime):
        cell = cell.time()
    written = text(cell)
    clock = CLOCK.fullmatch(written) if written else None
    return f"{int(clock[1]):02}:{clock[2]}:{clock[3] or '00'}" if clock else written


def _date_converter(name: str, cells: Sequence[Cell], notes: list[str]) -> Callable[[Cell], str | None]:
    written = {cell.strip() for cell in cells if isinstance(cell, str)}
    slashed = [match for value in written if (match := SLASHED_DATE.fullmatch(value))]
    day_first = all(int(match[2]) <= LATEST_MONTH for match in slashed)
    month_first = all(int(match[1]) <= LATEST_MONTH for match in slashed)
    if slashed and day_first and month_first and any(match[1] != match[2] for match in slashed):
        raise TableRefused(
            f"column {name}: dates such as {slashed[0][0]} can be day/month or month/day; write them as 31.12.2021"
        )
    forms = [
        shape
        for shape, pattern in (("ISO dates", ISO_DATE), ("dates as 31.12.2021", DOTTED_DATE))
        if any(pattern.fullmatch(value) for value in written)
    ]
    if slashed:
        forms.append("dates as 31/12/2021" if day_first else "dates as 12/31/2021")
    if any(isinstance(cell, datetime | date) for cell in cells):
        forms.append("Excel dates")
    if any(_is_excel_day(cell) for cell in cells):
        forms.append("Excel serial days")
    if forms:
        notes.append(f"{name}: {', '.join(forms)}")

    def convert(cell: Cell) -> str | None:
        if isinstance(cell, datetime):
            return cell.date().isoformat() if cell.time() == time() else cell.isoformat()
        if _is_excel_day(cell):
            moment = from_excel(cell)
            return moment.date().isoformat() if isinstance(moment, datetime) else text(cell)
        value = text(cell)
        if value is None:
            return None
        if match := ISO_DATE.fullmatch(value):
            return f"{match[1]}-{match[2]}-{match[3]}"
        if match := DOTTED_DATE.fullmatch(value):
            return f"{match[3]}-{int(match[2]):02}-{int(match[1]):02}"
        if match := SLASHED_DATE.fullmatch(value):
            day, month = (match[1], match[2]) if day_first else (match[2], match[1])
            return f"{match[3]}-{int(month):02}-{int(day):02}"
        return value

    return convert


def _is_excel_day(cell: Cell) -> bool:
    return (
        isinstance(cell, int | float)
        and not isinstance(cell, bool)
        and float(cell).is_integer()
        and EXCEL_DAYS[0] < cell < EXCEL_DAYS[1]
    )


def instant(cell: Cell, zone: ZoneInfo) -> datetime | None:
    """Return a cell as an aware instant in UTC, or nothing if it is none; without a zone it is in ``zone``."""
    if isinstance(cell, int | float) and not isinstance(cell, bool) and EXCEL_DAYS[0] < cell < EXCEL_DAYS[1]:
        moment = from_excel(cell)
        if not isinstance(moment, datetime):
            return None
    elif isinstance(cell, datetime):
        moment = cell
    elif isinstance(cell, date):
        moment = datetime.combine(cell, time())
    else:
        written = text(cell)
        if written is None:
            return None
        dotted = DOTTED_INSTANT.fullmatch(written) or DOTTED_DATE.fullmatch(written)
        try:
            if dotted:
                day, month, year, hour, minute, second = (*(int(part or 0) for part in dotted.groups()), 0, 0, 0)[:6]
                moment = datetime.combine(date(year, month, day), time(hour, minute, second))
            else:
                moment = datetime.fromisoformat(written)
        except ValueError:
            return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=zone)
    return moment.astimezone(UTC)


def folded(name: str) -> str:
    """Return a header or label as it is compared: one form of each letter, no case, single blanks."""
    return " ".join(unicodedata.normalize("NFC", name).casefold().split())


def _choice_codes(question: Question) -> dict[str, str]:
    codes = {folded(choice.name): choice.name for choice in question.choices}
    for choice in question.choices:
        for label in (choice.label_ru, choice.label_en):
            codes.setdefault(folded(label), choice.name)
    return codes


def _choice(codes: dict[str, str], written: str | None) -> str | None:
    return codes.get(folded(written), written) if written else None


def _choices(codes: dict[str, str], written: str | None) -> str | None:
    """A multiple choice is codes with blanks between, or labels with commas or semicolons between."""
    if written is None:
        return None
    for parts in (written.split(), *(re.split(separator, written) for separator in (";", "[;,]"))):
        found = [codes.get(folded(part)) for part in parts if part.strip()]
        if found and all(found):
            return " ".join(_unique(code for code in found if code))
    return written


def _unique(codes: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(codes))
