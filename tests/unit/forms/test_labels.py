from __future__ import annotations

from pathlib import Path

from vmeste.forms import labels, load_form


def test_labels_give_questions_and_their_choices_in_order(folder: Path) -> None:
    assert labels(load_form(folder / "trial.md")) == [
        ("trial", "pair_code", None, "Код пары", "Code of the pair"),
        ("trial", "happy", None, "Всё хорошо?", "Is all well?"),
        ("trial", "happy", "1", "Да", "Yes"),
        ("trial", "happy", "0", "Нет", "No"),
        ("trial", "days", None, "Сколько дней?", "How many days?"),
        ("trial", "why", None, "Почему?", "Why?"),
    ]
