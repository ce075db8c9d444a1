# ruff: noqa: E501  (a row of a table is one line)
"""A small form and its folder, for tests that break one thing at a time."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[3]

SCALES = 'yn:\n  "1": ["Да", "Yes"]\n  "0": ["Нет", "No"]\n'

FORM = """\
# Проба

Текст для людей, не часть формы.

| survey | type | name | bind::vmeste:privacy | bind::vmeste:key | label::Русский (ru) | label::English (en) | required | relevant | constraint | constraint_message::Русский (ru) | constraint_message::English (en) |
|---|---|---|---|---|---|---|---|---|---|---|---|
| | text | pair_code | vault | pair | Код пары | Code of the pair | yes | | regex(., '^[A-Z0-9-]{1,9}$') | Код | Code |
| | select_one yn | happy | open | | Всё хорошо? | Is all well? | yes | | | | |
| | integer | days | open | | Сколько дней? | How many days? | yes | ${happy} = '1' | . >= 1 and . < 32 | От 1 до 31 | From 1 to 31 |
| | text | why | restricted | | Почему? | Why? | | selected(${happy}, '0') | | | |

| choices | list_name | name | label::Русский (ru) | label::English (en) |
|---|---|---|---|---|
| | yn | 1 | Да | Yes |
| | yn | 0 | Нет | No |

| settings | form_title | title_en | form_id | version | default_language | namespaces |
|---|---|---|---|---|---|---|
| | Проба | Trial | trial | 2020010101 | Русский (ru) | vmeste="http://vmeste.example/xforms" |
"""


@pytest.fixture
def instruments() -> Path:
    """The folder of the real forms."""
    return REPOSITORY / "forms"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with one good form, trial.md, and the scale that it uses."""
    (tmp_path / "trial.md").write_text(FORM, encoding="utf-8")
    (tmp_path / "scales.yml").write_text(SCALES, encoding="utf-8")
    return tmp_path


@pytest.fixture
def edit(folder: Path) -> Callable[[str, str], Path]:
    """Change a text of the good form (every occurrence) and return the folder."""

    def change(old: str, new: str) -> Path:
        path = folder / "trial.md"
        text = path.read_text(encoding="utf-8")
        assert old in text, f"the form of the tests has no {old!r}"
        path.write_text(text.replace(old, new), encoding="utf-8")
        return folder

    return change
