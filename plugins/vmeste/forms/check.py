"""``vmeste forms check``: everything that is wrong with the forms of a folder."""

from __future__ import annotations

from pathlib import Path

import yaml

from vmeste.forms.build import to_xform
from vmeste.forms.model import Choice, Form, Problem
from vmeste.forms.reader import form_paths, read_form, read_form_tables
from vmeste.forms.tables import Tables
from vmeste.forms.wordings import editions

SCALES_FILE = "scales.yml"


def check(folder: Path) -> list[Problem]:
    """Check every form of a folder; an empty list means that all may be used.

    A form is checked by itself (``reader``), its choice lists against the shared scales (``scales.yml``), and in
    the end by pyxform, which converts it as a form server would.
    """
    paths = form_paths(folder)
    if not paths:
        way_out = "give the folder of the instruments"
        return [Problem(folder.name, None, "folder", f"there is no form (*.md) in {folder}", way_out)]
    scales, problems = read_scales(folder / SCALES_FILE)
    for path in paths:
        form, found = read_form(path)
        problems += found
        if form is not None:
            tables = read_form_tables(path)
            problems += _check_scales(form, tables, scales)
            if not found:
                problems += _check_conversion(form, tables)
    return problems


def read_scales(path: Path) -> tuple[dict[str, tuple[Choice, ...]], list[Problem]]:
    """The shared choice lists by name, and what is wrong with their file.

    The file maps ``list_name: {code: [Russian label, English label]}``.
    """
    try:
        scales = yaml.safe_load(path.read_text(encoding="utf-8"))
        return {
            name: tuple(Choice(str(code), *_two_labels(name, labels)) for code, labels in choices.items())
            for name, choices in scales.items()
        }, []
    except (OSError, UnicodeDecodeError, yaml.YAMLError, AttributeError, ValueError) as error:
        way_out = "write `list_name: {code: [Russian label, English label]}`"
        return {}, [Problem(path.stem, None, "scales", f"{path} cannot be read ({error})", way_out)]


def _two_labels(scale: str, labels: object) -> tuple[str, str]:
    match labels:
        case [str(russian), str(english)]:
            return russian, english
    raise ValueError(f"the scale {scale} has {labels!r} where two labels should stand")


def _check_scales(form: Form, tables: Tables, scales: dict[str, tuple[Choice, ...]]) -> list[Problem]:
    """A list that bears the name of a scale must be that scale: the same codes, the same labels."""
    lists = {question.list_name: question.choices for question in form.every_question if question.list_name is not None}
    lines = {(row.get("list_name"), row.get("name")): row.line for row in tables.choices.rows}
    problems: list[Problem] = []
    for name, used in lists.items():
        if name not in scales:
            continue
        known = {choice.name: choice for choice in scales[name]}
        for choice in used:
            subject, line = f"choice {name}/{choice.name}", lines.get((name, choice.name))
            scale = known.pop(choice.name, None)
            if scale is None:
                message = f"the scale {name} does not know it; it knows {', '.join(c.name for c in scales[name])}"
                way_out = f"use one of these, give the list another name, or add the code to {SCALES_FILE}"
                problems.append(Problem(form.form_id, line, subject, message, way_out))
            elif choice != scale:
                message = f"its labels are not those of the scale {name}"
                way_out = f"write {scale.label_ru!r} and {scale.label_en!r}"
                problems.append(Problem(form.form_id, line, subject, message, way_out))
        for code in known:
            message = f"the scale {name} has this choice and the form leaves it out"
            way_out = "add it, or give the list another name"
            problems.append(Problem(form.form_id, None, f"choice {name}/{code}", message, way_out))
    return problems


def _check_conversion(form: Form, tables: Tables) -> list[Problem]:
    from pyxform.errors import PyXFormError

    try:
        for edition in editions(form, tables):
            to_xform(edition.tables)
    except PyXFormError as error:
        way_out = "mend what it names; https://xlsform.org explains each column"
        return [Problem(form.form_id, None, "conversion", f"pyxform refuses the form ({error})", way_out)]
    return []
