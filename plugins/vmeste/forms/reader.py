"""Reading forms: from the Markdown in ``forms/`` to the records of ``vmeste.forms.model``."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from vmeste.forms.model import Form, FormError, Problem
from vmeste.forms.parser import FormParser
from vmeste.forms.tables import Tables, read_tables


def load_form(path: Path) -> Form:
    """Read one form. Raises ``FormError`` naming every row that is wrong and the way out."""
    form, problems = read_form(path)
    if form is None or problems:
        raise FormError(f"{path} is not a usable form:", problems)
    return form


def load_forms(folder: Path) -> dict[str, Form]:
    """Read all forms of a folder, by form_id.

    Raises ``FormError`` when there is none, or when some are wrong: it names every wrong row of all of them.
    """
    paths = form_paths(folder)
    if not paths:
        raise FormError(f"no forms (*.md) in {folder}: is this the folder of the instruments?")
    forms: dict[str, Form] = {}
    problems: list[Problem] = []
    for path in paths:
        form, found = read_form(path)
        problems += found
        if form is not None:
            forms[form.form_id] = form
    if problems:
        raise FormError(f"the forms in {folder} cannot be used:", problems)
    return forms


def form_paths(folder: Path) -> list[Path]:
    """The forms' files of a folder in the order of their names; README.md is not a form."""
    return sorted(path for path in folder.glob("*.md") if path.stem.upper() != "README")


def read_form(path: Path) -> tuple[Form | None, list[Problem]]:
    """Read one form as far as possible: the form if it could be made at all, and everything wrong with it."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        way_out = "save the file as UTF-8 text and make it readable"
        return None, [Problem(path.stem, None, "file", f"it cannot be read ({error})", way_out)]
    form, problems = _parse(path, text)
    return form, list(problems)


def read_form_tables(path: Path) -> Tables:
    """The sheets of one form. Raises ``FormError`` when the file cannot be split into sheets."""
    tables, problems = read_tables(path.stem, path.read_text(encoding="utf-8-sig"))
    if tables is None:
        raise FormError(f"{path} is not a usable form:", problems)
    return tables


@lru_cache(maxsize=256)
def _parse(path: Path, text: str) -> tuple[Form | None, tuple[Problem, ...]]:
    """Cached by content: a changed file is read anew, an unchanged one costs nothing in a long-lived process."""
    tables, problems = read_tables(path.stem, text)
    if tables is None:
        return None, tuple(problems)
    parser = FormParser(path, tables)
    return parser.form, tuple(sorted(parser.problems, key=lambda problem: problem.line or 0))
