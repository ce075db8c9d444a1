"""A form's Markdown as the three sheets of an XLSForm, each row with the line on which it stands.

pyxform reads the cells; it does not keep line numbers, so they are counted beside it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

from vmeste.forms.model import Problem

SHEETS = ("survey", "choices", "settings")

# The same three expressions by which pyxform 4.5 (xls2json_backends) tells rows, rulers and cells.
_ROW = re.compile(r"\s*\|(.*)\|\s*")
_RULER = re.compile(r"[|-]+$")
_LOOSE_RULER = re.compile(r"[\s|:-]+$")  # a ruler in Markdown, a row for pyxform
_CELL_BORDER = re.compile(r"(?<!\\)\|")


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a sheet: its non-empty cells by column."""

    line: int
    cells: Mapping[str, str]

    def get(self, column: str) -> str | None:
        """Return the text of a cell, None when it is empty."""
        return self.cells.get(column)


@dataclass(frozen=True, slots=True)
class Sheet:
    """One sheet: its columns in their order, and its rows."""

    line: int | None  # of the header; None when the file has no such sheet
    columns: tuple[str, ...] = ()
    rows: tuple[Row, ...] = ()


@dataclass(frozen=True, slots=True)
class Tables:
    """The sheets of one form, and the structure as pyxform wants it for a conversion."""

    survey: Sheet
    choices: Sheet
    settings: Sheet
    workbook: Mapping[str, Any] = field(repr=False)


def read_tables(form_id: str, text: str) -> tuple[Tables | None, list[Problem]]:
    """Split a form's Markdown into sheets; None with the reason when that is not possible."""
    problems, lines = _scan(form_id, text)
    if problems:
        return None, problems

    from pyxform.errors import PyXFormError  # 1.2 s to import: only where a form is read
    from pyxform.xls2json_backends import md_to_dict

    try:
        workbook = md_to_dict(BytesIO(text.encode()))
    except PyXFormError as error:
        way_out = "write the sheets as tables whose first column names the sheet, see forms/README.md"
        return None, [Problem(form_id, None, "file", f"pyxform cannot read it ({error})", way_out)]
    sheets: dict[str, Sheet] = {}
    for name in SHEETS:
        if name in lines:
            header, *rest = lines[name]
            rows = (Row(line, cells) for line, cells in zip(rest, workbook[name], strict=True))
            sheets[name] = Sheet(header, tuple(workbook[f"{name}_header"][0]), tuple(rows))
        else:
            sheets[name] = Sheet(None)
    return Tables(sheets["survey"], sheets["choices"], sheets["settings"], workbook), []


def _scan(form_id: str, text: str) -> tuple[list[Problem], dict[str, list[int]]]:
    """Find the line of every header and row, and whatever would silently change what pyxform reads."""
    problems: list[Problem] = []
    lines: dict[str, list[int]] = {}
    columns: list[str] = []
    sheet: str | None = None
    for line, cells in _table_lines(text):
        name, row = cells[0], cells[1:]
        if any(cells) and all(_LOOSE_RULER.match(cell) for cell in cells if cell):
            way_out = "write it as |---|---|, without spaces and colons"
            problems.append(Problem(form_id, line, "ruler", "pyxform takes this ruler for a row", way_out))
            continue
        if name:
            sheet = name
            columns = []
            if sheet not in SHEETS:
                way_out = f"name the sheet one of {', '.join(SHEETS)}, or leave the first cell empty"
                problems.append(Problem(form_id, line, sheet, "no such sheet", way_out))
            elif sheet in lines:
                problems.append(Problem(form_id, line, sheet, "the sheet is there twice", "join the two tables"))
            lines.setdefault(sheet, [])
        if not any(row):
            continue
        if sheet is None:
            way_out = "put the sheet's name (survey, choices or settings) into the first cell of the header"
            problems.append(Problem(form_id, line, "table", "the table belongs to no sheet", way_out))
            break
        if not columns:
            columns = row
            for column in dict.fromkeys(cell for cell in row if not cell or row.count(cell) > 1):
                message = "the column is there twice" if column else "a column has no name"
                problems.append(Problem(form_id, line, column or "header", message, "give each column its own name"))
        elif len(row) != len(columns):
            message = f"the row has {len(row)} cells and its header {len(columns)}"
            way_out = "give the row as many cells as the header; a | inside of a cell is written \\|"
            problems.append(Problem(form_id, line, next(filter(None, row)), message, way_out))
        lines[sheet].append(line)
    for name in ("survey", "settings"):
        if not problems and len(lines.get(name, [])) < 2:
            problems.append(Problem(form_id, None, name, "the sheet is missing or empty", f"add a {name} table"))
    return problems, {name: found for name, found in lines.items() if found}


def _table_lines(text: str) -> Iterator[tuple[int, list[str]]]:
    for number, line in enumerate(text.split("\n"), start=1):
        match = _ROW.match(line)
        if match and not line.lstrip().startswith("#") and not _RULER.match(match[1]):
            yield number, [cell.strip().replace("\\|", "|") for cell in _CELL_BORDER.split(match[1])]
