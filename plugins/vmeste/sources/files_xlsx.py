"""Reading XLSX: the visible sheet that holds the form, formulas as text, nothing evaluated."""

from __future__ import annotations

import io
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from itertools import islice
from typing import IO, Any
from xml.parsers import expat

from vmeste.sources.detection import HEADER_WITHIN
from vmeste.sources.sheets import (
    MAX_CELL,
    MAX_CELLS,
    MAX_COLUMNS,
    MAX_CONTENT,
    Cell,
    FileRefused,
    Sheet,
    refuse_long_cell,
    refuse_many_cells,
    refuse_wide_row,
    width_of,
)

OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"  # the container of old .xls and of encrypted .xlsx
_ENCRYPTED = "EncryptedPackage".encode("utf-16-le")
_WORKBOOK = "xl/workbook.xml"
_CHUNK = 65536  # bytes


def refuse_ole(content: bytes) -> FileRefused:
    """What to raise for a file in Microsoft's older container."""
    if _ENCRYPTED in content:
        return FileRefused("the workbook is encrypted with a password. Save it without one")
    return FileRefused("it is an old Excel workbook (.xls). Save it as .xlsx")


def read_xlsx(content: bytes, fits: Callable[[Sequence[Sequence[Cell]]], bool]) -> Sheet:
    """Read the visible sheet of a workbook that holds the form.

    Args:
        content: the file.
        fits: says whether rows hold a header of the form (``ColumnNames.fits``).

    Raises:
        FileRefused: not a sound workbook, too large once unpacked, two sheets that fit, no sheet with anything on it.
    """
    _refuse_unsound(content)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # openpyxl warns of styles and extensions, which hold no answers
            return _read(content, fits)
    except FileRefused:
        raise
    except Exception as error:  # openpyxl raises whatever a broken part of the file makes it stumble over
        raise FileRefused(
            f"the workbook is broken ({type(error).__name__}). Open it in Excel or LibreOffice and save it again as "
            ".xlsx"
        ) from error


def _refuse_unsound(content: bytes) -> None:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            parts = archive.infolist()
            size = sum(part.file_size for part in parts)
            if size > MAX_CONTENT:
                raise FileRefused(
                    f"unpacked it is {size / 1024**2:,.0f} MB, more than the {MAX_CONTENT // 1024**2} MB that are "
                    "read. Delete formats and empty rows outside the table, or split the file"
                )
            for part in parts:
                with archive.open(part) as file:
                    _refuse_entities(file)
            if _WORKBOOK not in archive.namelist():
                raise FileRefused("it is a zip archive but no XLSX workbook. Save the answers as .xlsx or CSV (UTF-8)")
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, OSError, RuntimeError, ValueError) as error:
        raise FileRefused(
            f"the workbook is broken or cut short ({error}). Copy it here again, or open it in Excel and save it anew"
        ) from None


def _refuse_entities(part: IO[bytes]) -> None:
    """Refuse a part that declares any: a few of them can fill any memory, or read other files.

    A parser looks for them, because a declaration may stand behind any comment and in any encoding.
    """
    is_begun = False

    def refuse(*_: object) -> None:
        raise FileRefused("it declares XML entities, which no spreadsheet program does. Save it anew")

    def stop(*_: object) -> None:
        nonlocal is_begun
        is_begun = True

    parser = expat.ParserCreate()
    parser.StartDoctypeDeclHandler = refuse
    parser.StartElementHandler = stop
    try:
        while not is_begun and (chunk := part.read(_CHUNK)):
            parser.Parse(chunk)
    except expat.ExpatError:
        return  # a picture, or a broken part: openpyxl says so


def _read(content: bytes, fits: Callable[[Sequence[Sequence[Cell]]], bool]) -> Sheet:
    import openpyxl

    # data_only would give the values that a spreadsheet program once computed instead of what was entered
    workbook = openpyxl.load_workbook(io.BytesIO(content), read_only=True, data_only=False, keep_links=False)
    visible: list[Any] = []
    hidden: list[Any] = []
    for worksheet in workbook.worksheets:
        worksheet.reset_dimensions()  # the extent that the file claims is often wrong
        (visible if worksheet.sheet_state == "visible" else hidden).append(worksheet)
    beginnings = {sheet.title: [row for _, row in islice(_rows(sheet), HEADER_WITHIN)] for sheet in visible}
    filled = [sheet for sheet in visible if beginnings[sheet.title]]
    if not filled:
        raise FileRefused("no visible sheet of the workbook has anything on it. Export the answers again")
    fitting = [sheet for sheet in filled if fits(beginnings[sheet.title])]
    if len(fitting) > 1:
        raise FileRefused(
            f"the sheets {', '.join(repr(sheet.title) for sheet in fitting)} all hold this form. Leave one, hide the "
            "others, or save each as a file of its own"
        )
    chosen = (fitting or filled)[0]
    numbers, rows, cells = [], [], 0
    for number, row in _rows(chosen):
        numbers.append(number)
        rows.append(row)
        cells += len(row)
        if cells > MAX_CELLS:
            raise refuse_many_cells()
    detected = ["XLSX", f"sheet {chosen.title!r}"]
    if hidden:
        detected.append(f"hidden sheets ignored: {', '.join(repr(sheet.title) for sheet in hidden)}")
    others = [sheet.title for sheet in filled if sheet is not chosen]
    if others:
        detected.append(f"other sheets ignored: {', '.join(map(repr, others))}")
    epoch: datetime = workbook.epoch
    return Sheet(rows, numbers, tuple(detected), excel_epoch=epoch)


def _rows(worksheet: Any) -> Iterator[tuple[int, tuple[Cell, ...]]]:
    """Rows that hold anything, with their numbers on the sheet."""
    for number, cells in enumerate(worksheet.iter_rows(values_only=True), start=1):
        width = width_of(cells)
        if width == 0:
            continue
        if width > MAX_COLUMNS:
            raise refuse_wide_row(number, width)
        row = tuple(cell if cell is None or isinstance(cell, _PLAIN) else _formula(cell) for cell in cells[:width])
        for cell in row:
            if isinstance(cell, str) and len(cell) > MAX_CELL:
                raise refuse_long_cell(number)
        yield number, row


_PLAIN = (str, int, float, bool)


def _formula(cell: Cell) -> Cell:
    """Array and table formulas come as objects; like all formulas they are text to us."""
    if hasattr(cell, "t") and hasattr(cell, "ref"):
        text = str(getattr(cell, "text", None) or "")
        return text if text.startswith("=") else f"={text}"
    return cell
