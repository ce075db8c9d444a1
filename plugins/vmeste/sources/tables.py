"""Tables as people export them: CSV, XLSX and JSON lines, read whole or refused with the reason.

A table is cells in rows, numbered as a person sees them in the file. What a cell means is decided in ``canonical``.
"""

from __future__ import annotations

import csv
import io
import json
import re
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

import openpyxl
from openpyxl.utils.exceptions import InvalidFileException

Cell = str | int | float | bool | datetime | date | time | None

MAX_CELL = 1 << 20
"""Characters in a cell; no answer is longer, but a file with a lost quotation mark is."""

MAX_COLUMNS = 2_000
MAX_UNPACKED = 300 << 20
"""Bytes of an unpacked workbook; more is a zip bomb or not a form."""

HEADER_WITHIN = 20
"""Rows in which the header is looked for: titles and notes may stand above it."""

DELIMITERS = ",;\t|"

CODES_ONLY = 40
"""Letters beyond ASCII; with fewer there is too little to tell one Russian encoding from another."""


class TableRefused(Exception):
    """A file is not read: the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Table:
    """A header and the rows below it, each with its number in the file; ``notes`` say what was detected."""

    header: tuple[str, ...]
    rows: tuple[tuple[int, tuple[Cell, ...]], ...]
    notes: tuple[str, ...]


Recognise = Callable[[Sequence[str]], int]
"""How many of these cells are headers that the form knows."""


def read_table(path: Path, recognise: Recognise) -> Table:
    """Read a file.

    Raises:
        TableRefused: the file is empty, damaged, not of a known kind, or ambiguous.
    """
    try:
        if path.stat().st_size == 0:
            raise TableRefused("the file is empty (0 bytes): export it again")
        if path.suffix.lower() == ".csv":
            return _read_csv(path.read_bytes(), recognise)
        if path.suffix.lower() == ".xlsx":
            return _read_xlsx(path, recognise)
        if path.suffix.lower() in {".jsonl", ".ndjson"}:
            return _read_json_lines(path.read_bytes())
    except OSError as error:
        raise TableRefused(f"the file cannot be opened ({error.strerror}): check its permissions") from error
    raise TableRefused(f"{path.suffix or 'no ending'} is not a kind that is read: export CSV, XLSX or JSON lines")


def _read_csv(data: bytes, recognise: Recognise) -> Table:
    text, encoding = decode(data)
    previous_limit = csv.field_size_limit(MAX_CELL)
    try:
        best: tuple[int, int, str] = (0, 0, "")
        for delimiter in DELIMITERS:
            reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
            try:
                for number, row in enumerate(_first(reader, HEADER_WITHIN)):
                    found = recognise(row)
                    if found > best[0]:
                        best = (found, number, delimiter)
            except csv.Error:
                continue  # not with this delimiter; what is wrong with the right one is said below
        if best[0] == 0:
            _refuse_oversized(text)
            raise TableRefused(
                f"no header with this form's questions within the first {HEADER_WITHIN} rows: it is the file of "
                "another form, or its headers were renamed (see `columns` in sources.yml)"
            )
        _, header_at, delimiter = best
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
        rows: list[tuple[int, tuple[Cell, ...]]] = []
        header: list[str] = []
        line = 1
        try:
            for number, row in enumerate(reader):
                if number == header_at:
                    header = row
                elif number > header_at and any(row):
                    rows.append((line, tuple(row)))
                line = reader.line_num + 1
        except csv.Error as error:
            if "field larger" in str(error):
                raise _oversized(line) from None
            raise TableRefused(
                f"the quotation marks do not match from row {line} on ({error}): the file is cut short or damaged, "
                "export it again"
            ) from None
    finally:
        csv.field_size_limit(previous_limit)
    names = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
    notes = [f"{encoding}, {names[delimiter]}-separated", f"header in row {header_at + 1}"]
    _refuse_ragged(header, rows)
    return Table(tuple(header), tuple(rows), tuple(notes))


def decode(data: bytes) -> tuple[str, str]:
    """Return the text and the name of its encoding: UTF-8, UTF-16 with a mark, or Windows-1251.

    Raises:
        TableRefused: two encodings in one file, another encoding, or no text at all.
    """
    for mark, encoding in ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16")):
        if data.startswith(mark):
            try:
                return data.decode(encoding), encoding
            except UnicodeDecodeError as error:
                raise TableRefused(
                    f"the file begins as {encoding} but is not so from byte {error.start} on: two encodings are mixed "
                    "or it is cut short; export it again"
                ) from None
    if b"\x00" in data:
        raise TableRefused("this is not text: the ending says CSV, the content does not; export it again")
    try:
        return data.decode("utf-8"), "utf-8"
    except UnicodeDecodeError:
        pass
    for number, line in enumerate(data.splitlines(), start=1):
        if not line.isascii() and _is_utf8(line):
            raise TableRefused(
                f"two encodings in one file: row {number} is UTF-8, others are not; save each part in one encoding"
            )
    try:
        text = data.decode("cp1251")
    except UnicodeDecodeError:
        raise TableRefused("neither UTF-8 nor Windows-1251: save the file as UTF-8") from None
    # in KOI8-R and CP866 the letters of Windows-1251 come out with their case turned or as signs
    words = re.findall(r"[А-Яа-яЁё]{4,}", text)
    turned = [word for word in words if (word[:1].islower() and word[1:].isupper()) or word.isupper()]
    foreign = sum(not character.isascii() for character in text)
    is_unlikely = not words or len(turned) > len(words) / 2
    if foreign > CODES_ONLY and is_unlikely and re.search(r"[^\x00-\x7f]{4,}", text):
        raise TableRefused("the encoding is unclear (not UTF-8, and unlikely as Windows-1251): save it as UTF-8")
    return text, "cp1251"


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _first(rows: Iterator[list[str]], count: int) -> Iterator[list[str]]:
    for _, row in zip(range(count), rows, strict=False):
        yield row


def _refuse_oversized(text: str) -> None:
    for number, line in enumerate(text.splitlines(), start=1):
        if len(line) > MAX_CELL:
            raise _oversized(number)


def _oversized(row: int) -> TableRefused:
    return TableRefused(
        f"row {row} has a cell of more than {MAX_CELL:,} characters: no answer is so long; look for a lost quotation "
        "mark"
    )


def _refuse_ragged(header: Sequence[str], rows: Sequence[tuple[int, tuple[Cell, ...]]]) -> None:
    if len(header) > MAX_COLUMNS:
        raise TableRefused(f"{len(header):,} columns: a form has at most {MAX_COLUMNS:,}; export the form alone")
    for number, row in rows:
        if len(row) > len(header) and any(cell not in {None, ""} for cell in row[len(header) :]):
            raise TableRefused(
                f"row {number} has {len(row):,} cells, the header {len(header)}: a separator inside an answer is not "
                "quoted; export the file again"
            )
        if len(row) < len(header):
            raise TableRefused(
                f"row {number} has {len(row)} cells, the header {len(header)}: the file is cut short; copy it again"
            )


def _read_xlsx(path: Path, recognise: Recognise) -> Table:
    try:
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(entry.file_size for entry in archive.infolist())
        if unpacked > MAX_UNPACKED:
            raise TableRefused(f"unpacked it has {unpacked >> 20} MB: no form is so large; save the table alone")
        # formulas stay text (data_only=False): nobody evaluates what strangers type
        book = openpyxl.load_workbook(path, read_only=True, data_only=False)
    except (zipfile.BadZipFile, InvalidFileException, KeyError, ValueError, EOFError) as error:
        raise TableRefused(f"this is not a whole Excel workbook ({error}): save it as .xlsx again") from None
    try:
        hidden = [sheet.title for sheet in book.worksheets if sheet.sheet_state != "visible"]
        found: list[tuple[str, Table]] = []
        for sheet in book.worksheets:
            if sheet.title in hidden:
                continue
            sheet.reset_dimensions()
            table = _sheet(list(sheet.iter_rows(values_only=True)), recognise)
            if table is not None:
                found.append((sheet.title, table))
    except (zipfile.BadZipFile, KeyError, ValueError, EOFError) as error:
        raise TableRefused(f"the workbook is damaged ({error}): save it as .xlsx again") from None
    finally:
        book.close()
    if not found:
        raise TableRefused(
            f"no sheet has a header with this form's questions within its first {HEADER_WITHIN} rows: it is the file "
            "of another form, or its headers were renamed (see `columns` in sources.yml)"
        )
    if len(found) > 1:
        raise TableRefused(
            f"the sheets {', '.join(title for title, _ in found)} all fit this form: keep one, hide or remove the "
            "others"
        )
    title, table = found[0]
    notes = [f"sheet {title}", *table.notes]
    if hidden:
        notes.append(f"hidden sheets not read: {', '.join(hidden)}")
    return Table(table.header, table.rows, tuple(notes))


def _sheet(rows: Sequence[Sequence[Any]], recognise: Recognise) -> Table | None:
    scores = [recognise([_shown(cell) for cell in row]) for row in rows[:HEADER_WITHIN]]
    if not scores or max(scores) == 0:
        return None
    header_at = scores.index(max(scores))
    header = [_shown(cell) for cell in rows[header_at]]
    while header and not header[-1]:
        header.pop()
    body: list[tuple[int, tuple[Cell, ...]]] = []
    for number, row in enumerate(rows[header_at + 1 :], start=header_at + 2):
        cells = tuple(getattr(cell, "text", cell) for cell in row)  # an array formula has its text inside
        if all(cell in {None, ""} for cell in cells):
            continue
        for cell in cells:
            if isinstance(cell, str) and len(cell) > MAX_CELL:
                raise _oversized(number)
        body.append((number, cells + (None,) * (len(header) - len(cells))))
    _refuse_ragged(header, body)
    notes = (f"header in row {header_at + 1}",)
    return Table(tuple(header), tuple(body), notes)


def _shown(cell: Any) -> str:
    return "" if cell is None else str(cell)


def _read_json_lines(data: bytes) -> Table:
    text, encoding = decode(data)
    records: list[tuple[int, dict[str, Any]]] = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        if len(line) > MAX_CELL:
            raise _oversized(number)
        try:
            record = json.loads(line)
        except (json.JSONDecodeError, RecursionError) as error:
            raise TableRefused(f"row {number} is not JSON ({error}): the file is cut short or damaged") from None
        if not isinstance(record, dict):
            raise TableRefused(f"row {number} is not a JSON object: one submission a line is expected")
        records.append((number, record))
    header = tuple(dict.fromkeys(name for _, record in records for name in record))
    if len(header) > MAX_COLUMNS:
        raise TableRefused(f"{len(header):,} different keys: a form has at most {MAX_COLUMNS:,}")
    rows = tuple((number, tuple(_plain(record.get(name)) for name in header)) for number, record in records)
    return Table(header, rows, (f"{encoding}, JSON lines",))


def _plain(value: Any) -> Cell:
    """Return a JSON value as a cell; a list of codes is written as a form server writes a multiple choice."""
    if isinstance(value, list) and all(isinstance(part, str) for part in value):
        return " ".join(value)
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False)
    return value  # type: ignore[no-any-return]
