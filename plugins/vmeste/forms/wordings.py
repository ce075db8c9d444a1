"""Wordings: one instrument, one raw table, and a file for the form server for each wording variant.

A form whose survey has the columns ``label_graduate::…`` is asked in two wordings; its question ``wording`` says which.
Each is built as a form of its own, so that a person reads one text and no server has to choose between two. Both have
the same questions: their answers go into the same raw table.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from vmeste.forms.model import FIRST_WORDING, WORDING, Form, Question
from vmeste.forms.tables import SHEETS, Row, Sheet, Tables

_COLUMN = re.compile(r"label_([a-z]+)::(.+)")


@dataclass(frozen=True, slots=True)
class Edition:
    """What is published of a form: under its own id in the first wording, under ``<form_id>_<wording>`` in another."""

    form_id: str
    form: Form
    tables: Tables


def editions(form: Form, tables: Tables) -> list[Edition]:
    """Return a form's editions, the first wording first; a form without wordings has one, itself."""
    codes = dict.fromkeys(wording.code for question in form.every_question for wording in question.wordings)
    if not codes:
        return [Edition(form.form_id, form, tables)]
    return [_edition(form, tables, code) for code in (FIRST_WORDING, *codes)]


def _edition(form: Form, tables: Tables, code: str) -> Edition:
    choice = next(choice for choice in form.question(WORDING).choices if choice.name == code)
    form_id = form.form_id if code == FIRST_WORDING else f"{form.form_id}_{code}"
    title_ru = f"{form.title_ru} ({_inside(choice.label_ru)})"
    title_en = f"{form.title_en} ({_inside(choice.label_en)})"
    survey = Sheet(
        tables.survey.line,
        (*(column for column in tables.survey.columns if not _COLUMN.fullmatch(column)), "default"),
        tuple(_reworded(row, code) for row in tables.survey.rows),
    )
    wording_list = form.question(WORDING).list_name
    choices = replace(
        tables.choices,
        rows=tuple(
            row for row in tables.choices.rows if row.get("list_name") != wording_list or row.get("name") == code
        ),
    )
    settings = replace(
        tables.settings,
        rows=tuple(
            Row(row.line, {**row.cells, "form_id": form_id, "form_title": title_ru, "title_en": title_en})
            for row in tables.settings.rows
        ),
    )
    questions = tuple(_question(question, code) for question in form.questions)
    edition = replace(form, form_id=form_id, title_ru=title_ru, title_en=title_en, questions=questions)
    return Edition(form_id, edition, _tables(survey, choices, settings))


def _inside(label: str) -> str:
    return label[:1].lower() + label[1:]


def _question(question: Question, code: str) -> Question:
    if question.name == WORDING:
        return replace(question, choices=tuple(choice for choice in question.choices if choice.name == code))
    for wording in question.wordings:
        if wording.code == code:
            return replace(question, label_ru=wording.label_ru, label_en=wording.label_en)
    return question


def _reworded(row: Row, code: str) -> Row:
    cells: dict[str, str] = {}
    reworded: dict[str, str] = {}
    for column, text in row.cells.items():
        found = _COLUMN.fullmatch(column)
        if found is None:
            cells[column] = text
        elif found[1] == code:
            reworded[f"label::{found[2]}"] = text
    if row.get("name") == WORDING:
        cells["default"] = code
    return Row(row.line, cells | reworded)


def _tables(survey: Sheet, choices: Sheet, settings: Sheet) -> Tables:
    workbook: dict[str, object] = {"sheet_names": list(SHEETS)}
    for name, sheet in zip(SHEETS, (survey, choices, settings), strict=True):
        workbook[name] = [dict(row.cells) for row in sheet.rows]
        workbook[f"{name}_header"] = [dict.fromkeys(sheet.columns)]
    return Tables(survey, choices, settings, workbook)
