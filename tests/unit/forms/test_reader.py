from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from vmeste.forms import Choice, Condition, FormError, Question, load_form, load_forms
from vmeste.forms.columns import answer_columns

Edit = Callable[[str, str], Path]


def test_form_is_read_whole(folder: Path) -> None:
    form = load_form(folder / "trial.md")

    assert (form.form_id, form.version, form.title_ru, form.title_en) == ("trial", "2020010101", "Проба", "Trial")
    assert [question.name for question in form.questions] == ["pair_code", "happy", "days", "why"]
    assert form.question("days") == Question(
        name="days",
        kind="integer",
        label_ru="Сколько дней?",
        label_en="How many days?",
        hint_ru=None,
        hint_en=None,
        privacy="open",
        key=None,
        is_required=True,
        choices=(),
        list_name=None,
        minimum=1,
        maximum=31,
        pattern=None,
        not_in_future=False,
        constraint_message_ru="От 1 до 31",
        relevant="${happy} = '1'",
        relevant_when=Condition("happy", ("1",)),
    )
    assert form.question("happy").choices == (Choice("1", "Да", "Yes"), Choice("0", "Нет", "No"))


def test_questions_are_sorted_by_privacy(folder: Path) -> None:
    form = load_form(folder / "trial.md")

    assert [question.name for question in form.open_questions] == ["happy", "days", "why"]
    assert [question.name for question in form.vault_questions] == ["pair_code"]
    assert [question.name for question in form.key_questions] == ["pair_code"]


def test_columns_hold_keys_instead_of_codes(instruments: Path) -> None:
    forms = load_forms(instruments)

    assert list(answer_columns(forms["r3_pair"])) == [
        "pair_key", "mentee_key", "mentor_key", "curator_key", "organisation_code", "programme_code", "intake_code",
        "form", "proposed_on", "start_on", "planned_end_on", "previous_pair_key",
    ]  # fmt: skip
    assert not {"full_name", "birth_date", "contacts", "institution_group"} & answer_columns(forms["r1_mentee"]).keys()


def test_unknown_question_is_named(folder: Path) -> None:
    with pytest.raises(FormError, match="trial has no question 'nothing'; it has pair_code"):
        load_form(folder / "trial.md").question("nothing")


def test_wrong_form_is_refused_with_all_its_problems(edit: Edit) -> None:
    folder = edit("| open |", "| public |")

    with pytest.raises(FormError) as refusal:
        load_forms(folder)
    assert [problem.subject for problem in refusal.value.problems] == ["happy", "days"]
    assert "trial, line 8: happy: the privacy class 'public' is unknown. Way out:" in str(refusal.value)


def test_folder_without_forms_is_refused(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("not a form", encoding="utf-8")
    with pytest.raises(FormError, match="no forms"):
        load_forms(tmp_path)


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00", "Только слова.".encode()])
def test_file_that_is_no_form_is_refused(folder: Path, content: bytes) -> None:
    (folder / "other.md").write_bytes(content)
    with pytest.raises(FormError, match="other"):
        load_forms(folder)


def test_windows_line_ends_and_byte_order_mark_change_nothing(folder: Path) -> None:
    path = folder / "trial.md"
    form = load_form(path)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    assert load_form(path) == form


def test_changed_file_is_read_anew_and_an_unchanged_one_is_not(edit: Edit, folder: Path) -> None:
    before = load_form(folder / "trial.md")
    assert load_form(folder / "trial.md") is before
    edit("Сколько дней?", "Сколько суток?")
    assert load_form(folder / "trial.md").question("days").label_ru == "Сколько суток?"


def test_importing_the_package_does_not_import_pyxform() -> None:
    """pyxform costs more than a second, and DAG files and the command line import vmeste.forms."""
    code = "import sys, vmeste.forms; sys.exit('pyxform' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, env={"PYTHONPATH": ":".join(sys.path)})
