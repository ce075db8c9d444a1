"""What the readers of CSV, XLSX and JSON lines give: rows of cells, or a refusal of the whole file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

Cell = object
"""``None``, text, or what the file's own format knows: numbers, booleans, dates, times, lists, objects."""

MAX_CONTENT = 300 * 1024**2  # bytes, uncompressed: what one file may take of the machine
MAX_CELL = 1024**2  # characters
MAX_COLUMNS = 2000
MAX_CELLS = 30_000_000
"""Of one file, lines among them: a million submissions of two dozen questions. 300 MB of nothing but separators would
fill ten times as much memory with empty cells."""


class FileRefused(Exception):
    """A file is not read at all: the message says why and what to do about it.

    It never quotes an answer: messages go to logs, answers may name a person.
    """


@dataclass(frozen=True, slots=True)
class Sheet:
    """Rows as they stand in the file, titles and blank rows included; a row may be shorter than the others."""

    rows: Sequence[Sequence[Cell]]
    numbers: Sequence[int]  # of each row, as a person sees it in the file
    detected: tuple[str, ...]  # for the notes: format, encoding …
    excel_epoch: datetime | None = None  # what serial dates count from, where numbers may be dates
    has_header_first: bool = False  # otherwise titles may stand above the header
    omits_unanswered: bool = False  # a question that nobody answered has no column


def refuse_long_cell(row: int | None) -> FileRefused:
    """What to raise for a cell of more than ``MAX_CELL`` characters."""
    place = f"row {row}" if row is not None else "a row"
    return FileRefused(
        f"{place} has a cell of more than {MAX_CELL:,} characters, which no answer is. A pasted file or a quotation "
        "mark without its partner does this: mend the cell and save the file again"
    )


def refuse_many_cells() -> FileRefused:
    """What to raise for a file of more than ``MAX_CELLS``."""
    return FileRefused(
        f"it has more than {MAX_CELLS:,} cells and lines. Delete empty rows and columns outside the table, or split "
        "the file"
    )


def refuse_wide_row(row: int, width: int) -> FileRefused:
    """What to raise for a row of more than ``MAX_COLUMNS`` cells."""
    return FileRefused(
        f"row {row} has {width:,} columns, more than the {MAX_COLUMNS:,} that are read. Delete what stands to the "
        "right of the table, or export it again"
    )


def width_of(row: Sequence[Cell]) -> int:
    """Return the number of cells up to the last one that holds anything."""
    width = len(row)
    while width and row[width - 1] in (None, ""):
        width -= 1
    return width
