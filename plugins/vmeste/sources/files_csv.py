"""Reading CSV: encoding and delimiter are found out, quotation must be sound, nothing is cut."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence

from vmeste.sources.detection import decode, delimiter_of
from vmeste.sources.sheets import (
    MAX_CELL,
    MAX_CELLS,
    MAX_COLUMNS,
    FileRefused,
    Sheet,
    refuse_long_cell,
    refuse_many_cells,
    refuse_wide_row,
    width_of,
)

DELIMITER_NAMES = {",": "commas", ";": "semicolons", "\t": "tabs"}


def read_csv(content: bytes, recognised: Callable[[Sequence[Sequence[str]]], int]) -> Sheet:
    """Read a CSV file whole.

    Args:
        content: the file.
        recognised: counts the headers of the form among the first rows (``ColumnNames.recognised``).

    Raises:
        FileRefused: not text, mixed encodings, an unpaired quotation mark, a cell or a row that is too long, too many
            of them, a last line that was cut off.
    """
    text, encoding = decode(content)
    if sum(map(text.count, (*DELIMITER_NAMES, "\n", "\r"))) > MAX_CELLS:
        raise refuse_many_cells()
    hint = _hinted_delimiter(text)
    if hint is not None:
        text = text[text.index("\n") + 1 :]
    delimiter = hint or delimiter_of(text, recognised)
    rows = _rows(text, delimiter)
    _refuse_cut_off(text, rows)
    detected = ["CSV", encoding, f"separated by {DELIMITER_NAMES.get(delimiter, repr(delimiter))}"]
    lost = text.count("\ufffd")
    if lost:
        detected.append(f"{lost} letters were lost before it came here (\ufffd)")
    return Sheet(rows, range(1, len(rows) + 1), tuple(detected))


def _hinted_delimiter(text: str) -> str | None:
    """Excel's first line ``sep=;``; Excel itself does not count it as a row."""
    first, _, _ = text[:10].partition("\n")
    first = first.strip().strip('"')
    return first[4:] if first.startswith("sep=") and len(first) == len("sep=;") else None


def _rows(text: str, delimiter: str) -> list[list[str]]:
    rows: list[list[str]] = []
    # The limit is the process's own, not the reader's. Nobody else here reads CSV with less.
    csv.field_size_limit(MAX_CELL)
    # strict: an unpaired quotation mark would otherwise swallow all rows below it
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        for row in reader:
            if len(row) > MAX_COLUMNS and width_of(row) > MAX_COLUMNS:
                raise refuse_wide_row(len(rows) + 1, width_of(row))
            rows.append(row)
    except csv.Error as error:
        if "field limit" in str(error):
            raise refuse_long_cell(len(rows) + 1) from None
        raise FileRefused(
            f"row {len(rows) + 1} (line {reader.line_num}) has a quotation mark without its partner ({error}). A mark "
            'inside a quoted cell is written twice: "he said ""yes"""; or export the table again'
        ) from None
    return rows


def _refuse_cut_off(text: str, rows: Sequence[Sequence[str]]) -> None:
    """A last row that is too short and has no line end: the copy stopped half-way, perhaps inside a number."""
    filled = [row for row in rows if row]
    if len(filled) > 1 and 0 < len(filled[-1]) < len(filled[-2]) and not text.endswith(("\n", "\r")):
        raise FileRefused(
            f"it is cut off: the last row has {len(filled[-1])} columns, the one above it {len(filled[-2])}, and the "
            "file has no line end. Copy it here again"
        )
