"""Which columns a form's answers take outside the vault."""

from __future__ import annotations

from vmeste.forms.model import Form


def key_column(question_name: str) -> str:
    """Return where a code question's key is kept: ``pair_code`` → ``pair_key``."""
    return f"{question_name.removesuffix('_code')}_key"


def answer_columns(form: Form) -> dict[str, str]:
    """Return column name → question kind, in the form's order: codes as keys, nothing of the vault."""
    columns = {}
    for question in form.questions:
        if question.key:
            columns[key_column(question.name)] = "text"
        elif question.privacy != "vault":
            columns[question.name] = question.kind
    return columns
