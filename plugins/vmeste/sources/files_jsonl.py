"""Reading JSON lines: one object a line, nested groups flattened to ``group/question``."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence

from vmeste.sources.detection import decode
from vmeste.sources.sheets import (
    MAX_CELL,
    MAX_CELLS,
    MAX_COLUMNS,
    Cell,
    FileRefused,
    Sheet,
    refuse_long_cell,
    refuse_many_cells,
    refuse_wide_row,
)

_SURROGATE = re.compile(r"[\ud800-\udfff]")


def read_jsonl(content: bytes) -> Sheet:
    """Read a JSON lines file whole; a question that a line leaves out is unanswered there.

    Raises:
        FileRefused: a line is not an object, names a key twice, or is too large; too many of them; mixed encodings.
    """
    text, encoding = decode(content)
    if text.count("\n") > MAX_CELLS:
        raise refuse_many_cells()
    if text.lstrip()[:1] == "[":
        raise FileRefused("it holds one JSON array. Write one object a line (JSON lines), without the brackets")
    numbers: list[int] = []
    records: list[dict[str, Cell]] = []
    columns: dict[str, None] = {}
    for number, line in enumerate(text.split("\n"), start=1):
        if line.isspace() or not line:
            continue
        record = _record(line, number)
        columns.update(dict.fromkeys(record))
        if len(columns) > MAX_COLUMNS:
            raise refuse_wide_row(number, len(columns))
        if len(records) * len(columns) > MAX_CELLS:
            raise refuse_many_cells()
        numbers.append(number)
        records.append(record)
    rows: list[Sequence[Cell]] = [list(columns)]
    rows += [[record.get(column) for column in columns] for record in records]
    return Sheet(rows, [0, *numbers], ("JSON lines", encoding), has_header_first=True, omits_unanswered=True)


def _record(line: str, number: int) -> dict[str, Cell]:
    try:
        value = json.loads(line, object_pairs_hook=_unique_keys, parse_constant=str)
        record = dict(_flattened(value, "")) if isinstance(value, dict) else {}
    except (ValueError, RecursionError) as error:
        raise FileRefused(
            f"line {number} is not a JSON object ({type(error).__name__}: {_place(error)}). Write one object a line, "
            "or export the file again"
        ) from None
    if not isinstance(value, dict):
        raise FileRefused(f"line {number} is not a JSON object but {type(value).__name__}. Write one object a line")
    for cell in record.values():
        if isinstance(cell, str) and len(cell) > MAX_CELL:
            raise refuse_long_cell(number)
    return record


def _place(error: Exception) -> str:
    """Say what is wrong without the text itself: json's own message holds a position only, others may quote."""
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg} at character {error.colno}"
    return str(error) if isinstance(error, _KeyTwice) else "too deep or too large"


class _KeyTwice(ValueError):
    """An object that names a key twice: one of the answers would be lost."""


def _unique_keys(pairs: list[tuple[str, Cell]]) -> dict[str, Cell]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        raise _KeyTwice(f"the key {next(key for key in keys if keys.count(key) > 1)!r} stands in it twice")
    return found


def _flattened(record: dict[str, Cell], prefix: str) -> Iterator[tuple[str, Cell]]:
    for key, value in record.items():
        if isinstance(value, dict):
            yield from _flattened(value, f"{prefix}{key}/")
        else:
            # half a surrogate pair can be written in JSON, and nowhere after it
            yield prefix + key, _SURROGATE.sub("\ufffd", value) if isinstance(value, str) else value
