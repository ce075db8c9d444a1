"""Which columns a form's answers take outside the vault."""

from __future__ import annotations

from collections.abc import Iterable

from vmeste.forms.model import Form, Question


def key_column(question_name: str) -> str:
    """Return where a code question's key is kept: ``pair_code`` → ``pair_key``."""
    return f"{question_name.removesuffix('_code')}_key"


def answer_columns(form: Form) -> dict[str, str]:
    """Return column name → question kind, in the form's order: codes as keys, nothing of the vault."""
    return question_columns(form.questions)


def question_columns(questions: Iterable[Question]) -> dict[str, str]:
    """Return the same of some questions: those of a form, or the members of a repeat."""
    columns = {}
    for question in questions:
        if question.key:
            columns[key_column(question.name)] = "text"
        elif question.privacy != "vault":
            columns[question.name] = question.kind
    return columns
