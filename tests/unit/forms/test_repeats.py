# ruff: noqa: E501  (a row of a table is one line)
from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vmeste.forms import REPEAT, build, check, labels, load_form
from vmeste.forms.columns import answer_columns, question_columns
from vmeste.forms.repeats import members_of, members_text

Edit = Callable[[str, str], Path]

WHY = "| | text | why | restricted | | Почему? | Why? | | selected(${happy}, '0') | | | |\n"
REPEATED = (
    "| | begin_repeat | helpers | | | Кто помог? | Who helped? | | | | | |\n"
    "| | text | mentor_code | vault | mentor | Код наставника | Code of the mentor | yes | | | | |\n"
    "| | select_one yn | useful | open | | Помогло? | Was it useful? | yes | | | | |\n"
    "| | integer | hours | open | | Сколько часов? | How many hours? | | ${useful} = '1' | . >= 1 | Не меньше 1 | At least 1 |\n"
    "| | end_repeat | | | | | | | | | | |\n"
)


@pytest.fixture
def repeated(edit: Edit) -> Path:
    return edit(WHY, WHY + REPEATED)


def test_a_repeat_is_one_question_with_members(repeated: Path) -> None:
    form = load_form(repeated / "trial.md")
    assert [question.name for question in form.questions] == ["pair_code", "happy", "days", "why", "helpers"]
    (repeat,) = form.repeats
    assert repeat.kind == REPEAT
    assert [member.name for member in repeat.members] == ["mentor_code", "useful", "hours"]
    assert [question.name for question in form.every_question][-4:] == ["helpers", "mentor_code", "useful", "hours"]
    assert answer_columns(form)["helpers"] == REPEAT
    assert question_columns(repeat.members) == {"mentor_key": "text", "useful": "select_one", "hours": "integer"}
    assert ("hours", "Сколько часов?") in {(label.question, label.label_ru) for label in labels(form)}


def test_a_repeat_becomes_one_on_the_server(repeated: Path, tmp_path: Path) -> None:
    assert check(repeated) == []
    workbook, xml = build(repeated, tmp_path / "built")
    assert '<repeat nodeset="/data/helpers">' in xml.read_text(encoding="utf-8")
    assert workbook.exists()


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("| | end_repeat | | | | | | | | | | |\n", "", "the repeat has no end"),
        ("| | begin_repeat | helpers | | | Кто помог? | Who helped? | | | | | |\n", "", "no repeat is open here"),
        ("| helpers | | |", "| helpers | open | |", "a repeat takes no bind::vmeste:privacy"),
        ("Who helped? | |", "Who helped? | yes |", "a repeat cannot be required"),
        ("| hours | open |", "| days | open |", "the name is there twice"),
        ("${useful} = '1'", "${happy} = '1'", "happy is not asked beside it"),
        ("| | select_one yn | useful", "| | begin_repeat | again | | | Ещё | Again | | | | | |\n| | select_one yn | useful",
         "a repeat inside of a repeat"),
    ],
)  # fmt: skip
def test_a_repeat_that_cannot_be_read_is_refused(repeated: Path, edit: Edit, old: str, new: str, said: str) -> None:
    edit(old, new)
    assert said in "\n".join(str(problem) for problem in check(repeated))


def test_a_repeat_that_asks_nothing_is_refused(edit: Edit) -> None:
    begin, *_, end = REPEATED.splitlines(keepends=True)
    folder = edit(WHY, WHY + begin + end)
    assert "the repeat asks nothing" in str(check(folder)[0])


ANSWERS = st.lists(st.dictionaries(st.text(min_size=1), st.text() | st.none()))


@given(ANSWERS)
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_members_survive_as_text(members: list[dict[str, str | None]]) -> None:
    given = [{name: answer for name, answer in member.items() if answer} for member in members]
    assert members_of(members_text(members)) == given


@pytest.mark.parametrize("text", ["", "{}", "[1]", '[{"a": 1}]', '[{"a": ["b"]}]', "[", '"text"', "[" * 100_000])
def test_what_is_no_list_of_members_is_none(text: str) -> None:
    assert members_of(text) is None
