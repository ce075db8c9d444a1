"""``vmeste forms build``: the files that a form server takes."""

from __future__ import annotations

import copy
from pathlib import Path

from vmeste.forms.limesurvey import SUFFIX, can_be_survey, to_survey
from vmeste.forms.reader import form_paths, load_form, read_form_tables
from vmeste.forms.tables import SHEETS, Sheet, Tables
from vmeste.forms.wordings import editions

ROOT_NODE = "data"  # of every XForm's answers, as form servers name it


def build(folder: Path, out: Path) -> list[Path]:
    """Write ``<form_id>.xlsx`` (XLSForm) and ``<form_id>.xml`` (XForm) of every form of ``folder`` into ``out``.

    A form that LimeSurvey can hold is written as ``<form_id>.limesurvey.txt`` too. A form in several wordings gives
    these files for each.

    Returns the files written. Raises ``FormError`` for a form that cannot be used; nothing of it is written then.
    """
    out.mkdir(parents=True, exist_ok=True)
    written: list[Path] = []
    for path in form_paths(folder):
        form = load_form(path)
        for edition in editions(form, read_form_tables(path)):
            xform = to_xform(edition.tables)
            workbook, xml = out / f"{edition.form_id}.xlsx", out / f"{edition.form_id}.xml"
            _write_workbook(edition.tables, workbook)
            xml.write_text(xform, encoding="utf-8")
            written += [workbook, xml]
            if can_be_survey(edition.form):
                survey = out / f"{edition.form_id}{SUFFIX}"
                survey.write_text(to_survey(edition.form, edition.tables), encoding="utf-8", newline="")
                written.append(survey)
    return written


def to_xform(tables: Tables) -> str:
    """The XForm of a form. pyxform alone checks it: ODK Validate would need Java."""
    from pyxform.xls2xform import convert

    # pyxform edits the dictionary that it is given
    workbook = copy.deepcopy(dict(tables.workbook))
    return str(convert(workbook, form_name=ROOT_NODE, validate=False, pretty_print=True).xform)


def _write_workbook(tables: Tables, path: Path) -> None:
    from openpyxl import Workbook

    workbook = Workbook()
    workbook.remove(workbook.worksheets[0])
    sheets: dict[str, Sheet] = {name: getattr(tables, name) for name in SHEETS}
    for name, sheet in sheets.items():
        worksheet = workbook.create_sheet(name)
        for column, title in enumerate(sheet.columns, start=1):
            worksheet.cell(1, column, title)
            for number, row in enumerate(sheet.rows, start=2):
                cell = worksheet.cell(number, column, row.get(title))
                if cell.value is not None:
                    cell.data_type = "s"  # text, also when it begins with =
    workbook.save(path)
