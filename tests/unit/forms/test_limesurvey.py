from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path

import pytest

from vmeste.forms import build, load_form, load_forms
from vmeste.forms.limesurvey import BOM, PAGE, can_be_survey, to_survey
from vmeste.forms.limesurvey_codes import answer_code, question_code
from vmeste.forms.reader import read_form_tables

Edit = Callable[[str, str], Path]
Rows = list[dict[str, str]]


def survey(folder: Path, form_id: str) -> Rows:
    path = folder / f"{form_id}.md"
    text = to_survey(load_form(path), read_form_tables(path))
    assert text.startswith(BOM)
    return list(csv.DictReader(io.StringIO(text.removeprefix(BOM)), delimiter="\t"))


def question(rows: Rows, name: str, language: str = "ru") -> dict[str, str]:
    code = question_code(name)
    (found,) = [r for r in rows if r["class"] == "Q" and r["name"] == code and r["language"] == language]
    return found


def under(rows: Rows, name: str, language: str = "ru") -> Rows:
    """The rows of a question's choices."""
    start = rows.index(question(rows, name, language)) + 1
    end = next((n for n, row in enumerate(rows[start:], start) if row["class"] not in ("A", "SQ")), len(rows))
    return rows[start:end]


def test_survey_is_dated_named_by_no_address_and_in_both_languages(instruments: Path) -> None:
    rows = survey(instruments, "f3_mentee_feedback")
    settings = {row["name"]: row["text"] for row in rows if row["class"] == "S"}
    assert (settings["language"], settings["additional_languages"]) == ("ru", "en")
    assert (settings["datestamp"], settings["anonymized"], settings["ipaddr"], settings["refurl"]) == (*"YNNN",)
    titles = {row["language"]: row["text"] for row in rows if row["name"] == "surveyls_title"}
    assert titles == {"ru": "F3. Обратная связь о наставнике", "en": "F3. Mentee feedback"}


@pytest.mark.parametrize("form_id", ["f2_self_report", "f3_mentee_feedback", "f4_meeting", "f5_mentor_feedback"])
def test_every_question_and_choice_is_there_in_both_languages(instruments: Path, form_id: str) -> None:
    form, rows = load_form(instruments / f"{form_id}.md"), survey(instruments, form_id)
    for language in ("ru", "en"):
        asked = [row["name"] for row in rows if row["class"] == "Q" and row["language"] == language]
        assert sorted(asked) == sorted(question_code(q.name) for q in form.questions)
        for q in form.questions:
            assert question(rows, q.name, language)["text"] == (q.label_ru if language == "ru" else q.label_en)
            assert question(rows, q.name, language)["mandatory"] == ("Y" if q.is_required else "N")
            given = {row["name"]: row["text"] for row in under(rows, q.name, language)}
            labels = {answer_code(c.name): c.label_ru if language == "ru" else c.label_en for c in q.choices}
            assert given == labels


def test_both_languages_have_the_same_structure(instruments: Path) -> None:
    rows = survey(instruments, "f4_meeting")
    ours = [
        [(row["class"], row["type/scale"], row["relevance"]) for row in rows if row["language"] == language]
        for language in ("ru", "en")
    ]
    assert ours[0] == ours[1]


def test_types_and_bounds_are_those_of_the_form(instruments: Path) -> None:
    rows = survey(instruments, "f4_meeting")
    kinds = {
        name: question(rows, name)["type/scale"] for name in ("pair_code", "held_on", "start_time", "mode", "goals")
    }
    assert kinds == {"pair_code": "S", "held_on": "D", "start_time": "D", "mode": "L", "goals": "M"}
    assert question(rows, "concern_txt")["type/scale"] == "T"
    duration = question(rows, "duration_min")
    assert (duration["min_num_value_n"], duration["max_num_value_n"], duration["num_value_int_only"]) == (
        "10",
        "720",
        "1",
    )
    assert question(rows, "held_on")["date_max"] == 'date("Y-m-d")'
    assert question(rows, "held_on")["date_format"] == "", "each language has its own"
    assert question(rows, "start_time")["date_format"] == "HH:MM"
    assert question(rows, "pair_code")["validation"] == "/^[A-Za-zА-Яа-яЁё0-9-]{1,40}$/u"
    assert question(rows, "pair_code")["help"].endswith("Код: буквы, цифры и дефис, не длиннее 40 знаков.")
    assert all(row["class"] == "SQ" for row in under(rows, "goals"))


def test_conditions_are_written_in_the_survey_s_codes(instruments: Path, edit: Edit) -> None:
    rows = survey(instruments, "f2_self_report")
    assert question(rows, "rp_sup")["relevance"] == f'wave.NAOK == "{answer_code("endline")}"'
    assert question(rows, "sup1")["relevance"] == "1"
    rows = survey(edit("${happy} = '1'", "${happy} = '1' or ${happy} = '0'"), "trial")
    assert question(rows, "days")["relevance"] == 'happy.NAOK == "1" or happy.NAOK == "0"'
    rows = survey(edit("select_one yn", "select_multiple yn"), "trial")
    assert question(rows, "why")["relevance"] == 'happy_0.NAOK == "Y"'


def test_a_condition_stands_after_what_it_asks_about(instruments: Path) -> None:
    for form in load_forms(instruments).values():
        if not can_be_survey(form):
            continue
        order = [row["name"] for row in survey(instruments, form.form_id) if row["class"] == "Q"]
        for q in form.questions:
            if q.relevant_when:
                asked = question_code(q.relevant_when.question)
                assert order.index(asked) < order.index(question_code(q.name)), (form.form_id, q.name)


def test_pages_are_short(instruments: Path) -> None:
    count = 0
    for row in survey(instruments, "f2_self_report"):
        count = 0 if row["class"] == "G" else count + (row["class"] == "Q")
        assert count <= PAGE


def test_text_is_shown_as_written(edit: Edit) -> None:
    rows = survey(edit("Почему?", "Почему <b>{x}</b> & как?"), "trial")
    assert question(rows, "why")["text"] == "Почему &lt;b&gt;&#123;x&#125;&lt;/b&gt; &amp; как?"


def test_names_contacts_and_lists_are_no_survey(instruments: Path, tmp_path: Path) -> None:
    forms = load_forms(instruments)
    unfit = {form_id for form_id, form in forms.items() if not can_be_survey(form)}
    assert unfit == {"r1_mentee", "r2_mentor", "f8_incident", "s1_supervision", "s2_plan", "e1_expert_assessment"}
    surveys = {path.name for path in build(instruments, tmp_path) if path.suffix == ".txt"}
    editions = forms.keys() - unfit | {"f2_self_report_graduate", "f7_followup_graduate"}
    assert surveys == {f"{form_id}.limesurvey.txt" for form_id in editions}


def test_a_survey_in_one_wording_answers_for_itself_which(instruments: Path, tmp_path: Path) -> None:
    build(instruments, tmp_path)
    text = (tmp_path / "f2_self_report_graduate.limesurvey.txt").read_text(encoding="utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(text, newline=""), delimiter="\t"))
    assert question(rows, "wording")["default"] == answer_code("graduate")
    assert [row["name"] for row in under(rows, "wording")] == [answer_code("graduate")]
    assert question(rows, "sup1")["text"].startswith("Кроме сотрудников организаций")
