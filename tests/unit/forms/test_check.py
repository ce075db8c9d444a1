from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from vmeste.forms import Problem, check

Edit = Callable[[str, str], Path]


def test_good_folder_has_no_problem(folder: Path) -> None:
    assert check(folder) == []


def test_instruments_have_no_problem(instruments: Path) -> None:
    assert check(instruments) == []


@pytest.mark.parametrize(
    ("old", "new", "line", "subject", "message"),
    [
        # privacy and keys
        ("| happy | open |", "| happy | secret |", 8, "happy", "privacy class 'secret' is unknown"),
        ("| happy | open |", "| happy | |", 8, "happy", "privacy class '' is unknown"),
        ("| vault | pair |", "| open | pair |", 7, "pair_code", "must stay in the vault"),
        ("| vault | pair |", "| vault | child |", 7, "pair_code", "key 'child' is unknown"),
        ("| pair_code |", "| pair_number |", 7, "pair_number", "a key belongs to a code"),
        # names
        ("| why |", "| почему |", 10, "почему", "not ASCII"),
        ("| why |", "| days |", 10, "days", "the name is there twice"),
        ("| why |", "| _why |", 10, "_why", "reserved"),
        ("| why |", "| meta |", 10, "meta", "reserved"),
        ("| why |", "| submitted_at |", 10, "submitted_at", "reserved"),
        ("| why |", "| other_key |", 10, "other_key", "random keys"),
        ("| why |", f"| {'w' * 64} |", 10, "w" * 64, "longer than 63 bytes"),
        ("| why |", "| Why |", 10, "Why", "no column name"),
        ("| why |", "| |", 10, "question", "the name is missing"),
        # labels
        ("| Почему? |", "| |", 10, "why", "label in Русский (ru) is missing"),
        ("| Why? |", "| |", 10, "why", "label in English (en) is missing"),
        ("| yn | 0 | Нет |", "| yn | 0 | |", 15, "choice yn/0", "label in Русский (ru) is missing"),
        ("| From 1 to 31 |", "| |", 9, "days", "constraint_message in English (en) is missing"),
        ("| Почему? |", "| сколько дней? |", 10, "why", "the question 'days' has the same label"),
        ("| Нет | No |", "| Да | No |", 15, "choice yn/0", "'1' has the same label"),
        # types and choices
        ("| text | why |", "| note | why |", 10, "why", "type 'note' is not supported"),
        ("| text | why |", "| text yn | why |", 10, "why", "takes no choice list"),
        ("select_one yn |", "select_one yes |", 8, "happy", "no choice list 'yes'"),
        ("| yn | 0 |", "| no | 0 |", 15, "no", "no question uses this choice list"),
        ("| yn | 0 | Нет | No |", "| yn | 1 | Нет | No |", 15, "choice yn/1", "there twice"),
        ("| yn | 0 |", "| yn | n o |", 15, "choice yn/n o", "is no code"),
        ("| yn | 0 |", "| | 0 |", 15, "choice /0", "list_name or name is missing"),
        # scales
        ("| Нет | No |", "| Нет | No |\n| | yn | 2 | Ну | Hm |", 16, "choice yn/2", "does not know it"),
        ("| Нет | No |", "| Нет | Never |", 15, "choice yn/0", "not those of the scale"),
        ("\n| | yn | 1 | Да | Yes |", "", None, "choice yn/1", "leaves it out"),
        # expressions
        (". >= 1 and . < 32", ". mod 2 = 0", 9, "days", "constraint: '. mod 2 = 0' is not understood"),
        ("${happy} = '1'", "${happy} > 1", 9, "days", "relevant: '${happy} > 1' is not understood"),
        ("${happy} = '1'", "${sad} = '1'", 9, "days", "relevant: there is no 'sad'"),
        ("${happy} = '1'", "${why} = '1'", 9, "days", "relevant: there is no 'why'"),
        ("${happy} = '1'", "${happy} = '7'", 9, "days", "relevant: happy has no choice '7'"),
        ("${happy} = '1'", "${pair_code} = '1'", 9, "days", "relevant: pair_code cannot be compared"),
        ("| yes | ${happy}", "| maybe | ${happy}", 9, "days", "required is 'maybe'"),
        ("| От 1 до 31 | From 1 to 31 |", "| | |", 9, "days", "constraint without a constraint_message"),
        (". >= 1 and . < 32 |", "|", 9, "days", "constraint_message without a constraint"),
        # settings
        ("| trial |", "| attempt |", 19, "form_id", "it is 'attempt' and the file 'trial.md'"),
        ("2020010101", "1.0", 19, "version", "'1.0' is no version"),
        ("| Проба |", "| |", 19, "form_title", "title is missing"),
        ("| Trial |", "| |", 19, "title_en", "title is missing"),
        ("vmeste.example", "example.org", 19, "namespaces", "example.org"),
        ("| 2020010101 | Русский (ru) |", "| 2020010101 | ru |", 19, "default_language", "it is 'ru'"),
        # tables
        ("| required |", "| requird |", 5, "requird", "no such column"),
        ("| required |", "| relevant |", 5, "relevant", "twice"),
        ("| required |", "| |", 5, "header", "a column has no name"),
        ("| why | restricted |", "| why | restricted | |", 10, "text", "12 cells and its header 11"),
        ("| choices |", "| answers |", 12, "answers", "no such sheet"),
        ("| choices |", "| survey |", 12, "survey", "there twice"),
        ("|---|---|---|---|---|\n", "| --- | --- |\n", 6, "ruler", "takes this ruler for a row"),
        ("| settings |", "| choices |", 17, "choices", "there twice"),
        ("| survey |", "| |", 5, "table", "belongs to no sheet"),
    ],
)  # fmt: skip
def test_problem_names_form_line_subject_and_way_out(
    edit: Edit, old: str, new: str, line: int | None, subject: str, message: str
) -> None:
    problems = check(edit(old, new))

    found = [problem for problem in problems if problem.subject == subject and message in problem.message]
    assert found, problems
    assert (found[0].form_id, found[0].line) == ("trial", line)
    assert found[0].way_out


def test_two_rows_of_settings_are_refused(edit: Edit) -> None:
    row = '| | Проба | Trial | trial | 2020010101 | Русский (ru) | vmeste="http://vmeste.example/xforms" |\n'
    assert [(p.line, p.subject) for p in check(edit(row, row + row))] == [(20, "settings")]


def test_form_without_settings_is_refused(folder: Path) -> None:
    path = folder / "trial.md"
    path.write_text(path.read_text(encoding="utf-8").split("| settings")[0], encoding="utf-8")
    assert [(p.subject, p.message) for p in check(folder)] == [("settings", "the sheet is missing or empty")]


def test_file_name_that_is_no_table_name_is_refused(folder: Path) -> None:
    (folder / "trial.md").rename(folder / "Пробная.md")
    assert "it must become the name of a table" in {problem.message for problem in check(folder)}


def test_what_pyxform_alone_refuses_is_reported(edit: Edit) -> None:
    problems = check(edit("| Всё хорошо? |", "| Всё хорошо, ${nobody}? |"))
    assert [(p.form_id, p.subject) for p in problems] == [("trial", "conversion")]
    assert "nobody" in problems[0].message


@pytest.mark.parametrize("content", [None, "yn: [", "yn: 3", 'yn:\n  "1": "Да"', 'yn:\n  "1": [1, 2]', ""])
def test_unreadable_scales_are_reported(folder: Path, content: str | None) -> None:
    if content is None:
        (folder / "scales.yml").unlink()
    else:
        (folder / "scales.yml").write_text(content, encoding="utf-8")
    assert [(p.form_id, p.subject) for p in check(folder)] == [("scales", "scales")]


def test_folder_without_forms_is_reported(tmp_path: Path) -> None:
    assert [problem.subject for problem in check(tmp_path)] == ["folder"]


def test_one_wrong_form_does_not_hide_another(edit: Edit) -> None:
    folder = edit("| open |", "| public |")
    (folder / "another.md").write_text("no tables", encoding="utf-8")
    assert {problem.form_id for problem in check(folder)} == {"trial", "another"}


def test_problem_reads_as_one_line() -> None:
    problem = Problem("trial", 7, "days", "something is wrong", "mend it")
    assert str(problem) == "trial, line 7: days: something is wrong. Way out: mend it."
