# ruff: noqa: E501  (a row of a table is one line)
from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest
from openpyxl import load_workbook

from vmeste.forms import build, check, load_form, load_forms
from vmeste.forms.reader import read_form_tables
from vmeste.forms.wordings import editions
from vmeste.sources.columns import ColumnNames

FORM = """\
| survey | type | name | bind::vmeste:privacy | bind::vmeste:key | label::Русский (ru) | label::English (en) | label_graduate::Русский (ru) | label_graduate::English (en) |
|---|---|---|---|---|---|---|---|---|
| | text | pair_code | vault | pair | Код пары | Code of the pair | | |
| | select_one wording | wording | open | | Вариант | Variant | | |
| | select_one yn | sup1 | open | | Вне учреждения? | Outside the institution? | Кроме сотрудников? | Other than staff? |
| | select_one yn | lif1 | open | | Сам? | Alone? | | |

| choices | list_name | name | label::Русский (ru) | label::English (en) |
|---|---|---|---|---|
| | wording | ward | Для воспитанника | For a ward |
| | wording | graduate | Для выпускника | For a graduate |
| | yn | 1 | Да | Yes |
| | yn | 0 | Нет | No |

| settings | form_title | title_en | form_id | version | default_language | namespaces |
|---|---|---|---|---|---|---|
| | Проба | Trial | trial | 2020010101 | Русский (ru) | vmeste="http://vmeste.example/xforms" |
"""


@pytest.fixture
def worded(folder: Path) -> Path:
    """A folder with one form in two wordings."""
    (folder / "trial.md").write_text(FORM, encoding="utf-8")
    return folder


def test_a_form_has_an_edition_for_each_wording_with_its_texts_and_its_code_alone(worded: Path) -> None:
    form = load_form(worded / "trial.md")
    first, other = editions(form, read_form_tables(worded / "trial.md"))

    assert [(e.form_id, e.form.title_ru) for e in (first, other)] == [
        ("trial", "Проба (для воспитанника)"),
        ("trial_graduate", "Проба (для выпускника)"),
    ]
    assert [[q.label_ru for q in e.form.questions[2:]] for e in (first, other)] == [
        ["Вне учреждения?", "Сам?"],
        ["Кроме сотрудников?", "Сам?"],
    ]
    assert [[c.name for c in e.form.question("wording").choices] for e in (first, other)] == [["ward"], ["graduate"]]


def test_editions_have_the_same_questions_so_that_one_raw_table_holds_both(worded: Path, tmp_path: Path) -> None:
    build(worded, tmp_path / "out")

    names = []
    for form_id in ("trial", "trial_graduate"):
        survey = load_workbook(tmp_path / "out" / f"{form_id}.xlsx")["survey"]
        rows = list(survey.iter_rows(values_only=True))
        assert not any(str(title).startswith("label_graduate") for title in rows[0])
        names.append([row[1] for row in rows])
    assert names[0] == names[1]


def test_a_server_gets_one_wording_preset(worded: Path, tmp_path: Path) -> None:
    build(worded, tmp_path / "out")

    root = ElementTree.parse(tmp_path / "out" / "trial_graduate.xml").getroot()  # noqa: S314 (our own file)
    texts = "".join(root.itertext())
    assert "Кроме сотрудников?" in texts and "Вне учреждения?" not in texts
    assert [node.text for node in root.iter() if node.tag.endswith("}wording")] == ["graduate"]
    assert [node.attrib["id"] for node in root.iter() if node.tag.endswith("}data")] == ["trial_graduate"]


def test_a_form_without_wordings_is_its_only_edition(instruments: Path) -> None:
    path = instruments / "f3_mentee_feedback.md"
    (edition,) = editions(load_form(path), read_form_tables(path))
    assert (edition.form_id, edition.tables) == ("f3_mentee_feedback", read_form_tables(path))


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("| Other than staff? |", "| |", "label_graduate in English (en) is missing"),
        ("| | wording | graduate | Для выпускника | For a graduate |\n", "", "nothing says whether it was asked"),
        ("wording |", "variant |", "nothing says whether it was asked"),
        ("| Кроме сотрудников? |", "| Код пары |", "has the same label"),
    ],
)
def test_a_wording_that_cannot_be_told_apart_is_refused(worded: Path, old: str, new: str, said: str) -> None:
    assert old in FORM
    (worded / "trial.md").write_text(FORM.replace(old, new), encoding="utf-8")
    assert said in "\n".join(map(str, check(worded)))


def test_every_item_about_support_has_both_wordings(instruments: Path) -> None:
    forms = load_forms(instruments)
    for form_id in ("f2_self_report", "f7_followup"):
        for question in forms[form_id].questions:
            outside = "вне учреждения" in question.label_ru.lower()
            assert outside == bool(question.wordings), question.name
            assert all("кроме сотрудников организаций" in w.label_ru.lower() for w in question.wordings)
            assert "выпускник" not in (question.hint_ru or ""), "a ward's form says nothing about graduates"


def test_support_is_worded_alike_for_graduates_at_the_follow_up(instruments: Path) -> None:
    forms = load_forms(instruments)
    for name in ("sup1", "sup2", "sup3", "sup4r", "sup5"):
        assert forms["f2_self_report"].question(name).wordings == forms["f7_followup"].question(name).wordings


@pytest.mark.parametrize("major", ["2020010102", "1", "20200101"])
def test_a_major_version_is_a_version_that_there_was(worded: Path, major: str) -> None:
    text = FORM.replace("| version |", "| version | major_version |").replace(
        "| 2020010101 |", f"| 2020010101 | {major} |"
    )
    text = text.replace("|---|---|---|---|---|---|---|\n| | Проба", "|---|---|---|---|---|---|---|---|\n| | Проба")
    (worded / "trial.md").write_text(text, encoding="utf-8")
    assert f"{major!r} is no version up to 2020010101" in "\n".join(map(str, check(worded)))
    (worded / "trial.md").write_text(text.replace(f"| {major} |", "| 2020010101 |"), encoding="utf-8")
    assert load_form(worded / "trial.md").major_version == "2020010101"


def test_a_header_in_either_wording_is_recognised(instruments: Path) -> None:
    form = load_form(instruments / "f2_self_report.md")
    names = ColumnNames(form)
    for question in form.questions:
        assert {names.target(label) for label in question.labels} == {question.name}
    assert len(form.question("sup1").labels) == 4
