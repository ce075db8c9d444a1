"""The words that people read, as rows for dashboards and documents."""

from __future__ import annotations

from typing import NamedTuple

from vmeste.forms.model import Form


class Label(NamedTuple):
    """A question's text (``choice`` is None) or the text of one of its choices."""

    form_id: str
    question: str
    choice: str | None
    label_ru: str
    label_en: str


def labels(form: Form) -> list[Label]:
    """One row per question, followed by one per choice, in the form's order."""
    rows: list[Label] = []
    for question in form.every_question:
        rows.append(Label(form.form_id, question.name, None, question.label_ru, question.label_en))
        for choice in question.choices:
            rows.append(Label(form.form_id, question.name, choice.name, choice.label_ru, choice.label_en))
    return rows
