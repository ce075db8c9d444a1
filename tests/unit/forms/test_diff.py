# ruff: noqa: E501  (a row of a table is one line)
from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from tests.unit.forms.conftest import FORM, REPOSITORY
from vmeste.cli import app
from vmeste.forms import Form, FormError, load_form
from vmeste.forms.diff import Change, Verdict, compare, compare_forms, forms_at
from vmeste.forms.mapping import FormMapping, read_mapping, sources_entry

SAFE, WARNING, BREAKS = Verdict.SAFE, Verdict.WARNING, Verdict.BREAKS

# the good form with an item of a scale, a repeat and a list of its own
OLD = FORM.replace(
    "\n| choices |",
    """| | select_one a5 | sup1 | open | | Есть взрослый. | There is an adult. | | | | | |
| | select_one mode | mode | open | | Как? | How? | | | | | |
| | begin_repeat | goals | | | Цели | Goals | | | | | |
| | integer | goal_no | open | | Номер | Number | | | | | |
| | text | goal_txt | restricted | | Словами | In words | | | | | |
| | end_repeat | | | | | | | | | | |

| choices |""",
).replace(
    "\n| settings |",
    """| | a5 | 1 | Совсем не согласен | Strongly disagree |
| | a5 | 5 | Полностью согласен | Strongly agree |
| | mode | live | Лично | In person |
| | mode | call | Звонок | A call |

| settings |""",
)
NEW = OLD.replace("2020010101", "2020010102")

Forms = Callable[[str], Form]


@pytest.fixture
def form(tmp_path: Path) -> Forms:
    """Make a form of a text."""

    def of(text: str) -> Form:
        path = tmp_path / "trial.md"
        path.write_text(text, encoding="utf-8")
        return load_form(path)

    return of


def changed(old: str, new: str) -> str:
    assert old in NEW, f"the form of the tests has no {old!r}"
    return NEW.replace(old, new)


def said(changes: list[Change]) -> list[tuple[Verdict, str]]:
    return [(change.verdict, change.subject) for change in changes]


ITEM = "Есть взрослый. | There is an adult."
WHY = "| | text | why | restricted | | Почему? | Why? | | selected(${happy}, '0') | | | |\n"
MODE = "| | select_one mode | mode | open | | Как? | How? | | | | | |\n"
GOAL = "| | integer | goal_no | open | | Номер | Number | | | | | |\n"


@pytest.mark.parametrize(
    ("old", "new", "verdict", "subject", "words"),
    [
        # safe
        (MODE, f"{MODE}| | text | more | restricted | | Ещё? | More? | | | | | |\n", SAFE, "more", "a new question"),
        ("| | mode | call |", "| | mode | mail | Письмо | A letter |\n| | mode | call |", SAFE, "mode/mail", "new choice"),
        (". >= 1 and . < 32", ". >= 0 and . < 99", SAFE, "days", "wider: at least 1, at most 31"),
        ("How many days? | yes", "How many days? | no", SAFE, "days", "no longer required"),
        ("| Проба | Trial |", "| Опыт | Trial |", SAFE, "form_title", "title"),
        ("Есть взрослый.", "Есть  взрослый", SAFE, "sup1", "punctuation alone"),
        ("От 1 до 31 |", "Число от 1 до 31 |", SAFE, "days", "message of its constraint"),
        # warnings
        ("Как? | How?", "Каким образом? | In what way?", WARNING, "mode", "still measure the same"),
        ("| Лично | In person |", "| Очно | Face to face |", WARNING, "mode/live", "still measure the same"),
        (". >= 1 and . < 32", ". >= 2 and . < 31", WARNING, "days", "tighter: at least 2, at most 30"),
        ("{1,9}", "{1,8}", WARNING, "pair_code", "another pattern"),
        ("| Как? | How? | |", "| Как? | How? | yes |", WARNING, "mode", "it is required now"),
        (MODE, f"{MODE}| | text | more | restricted | | Ещё? | More? | yes | | | | |\n", WARNING, "more", "required question"),
        ("selected(${happy}, '0')", "selected(${happy}, '1')", WARNING, "why", "asked of others"),
        ("sup1 | open", "sup1 | restricted", WARNING, "sup1", "was open and is restricted"),
        # breaks
        (WHY, "", BREAKS, "why", "the question is gone"),
        ("| why |", "| reason |", BREAKS, "why", "reason looks like it"),
        (MODE, MODE.replace("| mode |", "| way |").replace("Как? | How?", "Чем? | By what?"), BREAKS, "mode", "way looks"),
        ("integer | goal_no", "text | goal_no", BREAKS, "goal_no", "integer became text"),
        ("| | mode | call | Звонок | A call |\n", "", BREAKS, "mode/call", "the choice is gone"),
        ("| mode | call |", "| mode | phone |", BREAKS, "mode/call", "phone has its label"),
        ("goal_txt | restricted", "goal_txt | open", BREAKS, "goal_txt", "was restricted and is open"),
        ("| vault | pair |", "| vault | mentee |", BREAKS, "pair_code", "its key was pair and is mentee"),
        (ITEM, "Рядом есть взрослый. | An adult is near.", BREAKS, "sup1", "an item of a scale"),
        ("| Полностью согласен | Strongly agree |", "| Да | Yes |", BREAKS, "sup1/5", "an item of a scale"),
    ],
)  # fmt: skip
def test_each_kind_of_change_is_judged(
    form: Forms, old: str, new: str, verdict: Verdict, subject: str, words: str
) -> None:
    changes = compare(form(OLD), form(changed(old, new)))
    (found,) = [change for change in changes if change.subject == subject and words in change.message]
    assert found.verdict is verdict
    assert verdict is SAFE or found.way_out
    assert max(change.verdict for change in changes) is verdict


def test_a_question_that_leaves_a_repeat_breaks(form: Forms) -> None:
    moved = changed(GOAL, "").replace(MODE, MODE + GOAL)
    assert (BREAKS, "goal_no") in said(compare(form(OLD), form(moved)))


def test_the_same_form_has_no_changes_whatever_its_path_and_prose(form: Forms) -> None:
    assert compare(form(OLD), form(OLD.replace("Текст для людей", "Другой текст"))) == []
    assert compare(form(OLD), form(NEW)) == []


@pytest.mark.parametrize("version", ["2020010101", "2019123101"])
def test_a_change_without_a_raised_version_is_refused(form: Forms, version: str) -> None:
    text = changed("How many days? | yes", "How many days? | no").replace("2020010102", version)
    assert (BREAKS, "version") in said(compare(form(OLD), form(text)))


def test_a_version_that_went_back_is_refused(form: Forms) -> None:
    assert said(compare(form(NEW), form(OLD))) == [(BREAKS, "version")]


def major(text: str, version: str) -> str:
    head, settings = text.split("| settings |")
    settings = settings.replace("version |", "version | major_version |").replace(
        "|---|---|---|---|---|---|---|", "|---|" + "---|" * 7
    )
    return head + "| settings |" + settings.replace("| 2020010102 |", f"| 2020010102 | {version} |")


def test_a_new_major_version_lets_items_be_reworded(form: Forms) -> None:
    text = changed(ITEM, "Рядом есть взрослый. | An adult is near.")
    changes = compare(form(OLD), form(major(text, "2020010102")))
    assert set(said(changes)) == {(WARNING, "major_version"), (WARNING, "sup1")}
    # one that had begun before the old version says nothing of this change
    assert (BREAKS, "sup1") in said(compare(form(OLD), form(major(text, "2020010101"))))


def test_a_major_version_that_goes_back_is_refused(form: Forms) -> None:
    assert (BREAKS, "major_version") in said(compare(form(major(NEW, "2020010102")), form(NEW)))


def test_wordings_are_compared_each_with_its_own(instruments: Path, tmp_path: Path) -> None:
    path = instruments / "f2_self_report.md"
    text = path.read_text(encoding="utf-8").replace("| 2026112501 |", "| 2099010101 |")
    other = tmp_path / "f2_self_report.md"
    other.write_text(
        text.replace("Кроме сотрудников организаций, есть взрослый, который радуется", "Есть тот, кто рад"), "utf-8"
    )
    assert said(compare(load_form(path), load_form(other))) == [(BREAKS, "sup5 (graduate)")]


# mappings

RENAMED = changed("| why |", "| reason |")


def test_a_mapping_turns_breaks_into_warnings(form: Forms) -> None:
    text = RENAMED.replace("| mode | call |", "| mode | phone |").replace(GOAL, "")
    mapping = FormMapping({"why": "reason"}, frozenset({"goal_no"}), {"mode": {"call": "phone"}})
    changes = compare_forms({"trial": form(OLD)}, {"trial": form(text)}, {"trial": mapping})
    assert set(said(changes)) == {(WARNING, "reason"), (WARNING, "mode/call"), (WARNING, "goal_no")}


def test_a_renamed_question_must_still_be_the_same(form: Forms) -> None:
    text = RENAMED.replace("| text | reason |", "| integer | reason |")
    assert (BREAKS, "reason") in said(compare(form(OLD), form(text), FormMapping({"why": "reason"})))


@pytest.mark.parametrize(
    ("mapping", "words"),
    [
        (FormMapping({"whence": "reason"}), "whence is no question"),
        (FormMapping({"mode": "reason"}), "mode is no question"),
        (FormMapping({"why": "happy"}), "happy is no question"),
        (FormMapping({"why": "reason"}, frozenset({"why"})), "why is renamed too"),
        (FormMapping({}, frozenset({"mode"})), "mode is no question"),
        (FormMapping({}, frozenset(), {"modes": {}}), "modes is no question"),
        (FormMapping({}, frozenset(), {"mode": {"call": "live"}}), "has no code call that only the old form has"),
        (FormMapping({}, frozenset(), {"mode": {"fax": "post"}}), "has no code post"),
    ],
)
def test_a_mapping_that_the_forms_contradict_is_refused(form: Forms, mapping: FormMapping, words: str) -> None:
    with pytest.raises(FormError, match=words):
        compare_forms({"trial": form(OLD)}, {"trial": form(RENAMED)}, {"trial": mapping})


def test_a_mapping_of_a_form_that_is_not_there_is_refused(form: Forms) -> None:
    with pytest.raises(FormError, match="trail: it is not among"):
        compare_forms({"trial": form(OLD)}, {"trial": form(OLD)}, {"trail": FormMapping()})


def test_a_mapping_says_what_sources_yml_needs(form: Forms) -> None:
    text = RENAMED.replace("| Почему? | Why? |", "| По какой причине? | For what reason? |")
    mapping = FormMapping({"why": "reason"}, frozenset(), {"mode": {"call": "phone"}})
    entry = yaml.safe_load(sources_entry("trial", mapping, form(OLD), form(text)))
    assert entry == {
        "trial": {
            "columns": {"why": "reason", "Почему?": "reason", "Why?": "reason"},
            "choices": {"mode": {"call": "phone"}},
        }
    }
    assert sources_entry("trial", FormMapping(), form(OLD), form(text)) == ""


@pytest.mark.parametrize(
    "text",
    [
        "trial: [1]",
        "trial: {moved: {a: b}}",
        "trial: {renamed: [a]}",
        "- trial",
        "trial: {removed: a}",
        "{",
        "trial: 1",
    ],
)
def test_a_mapping_of_another_shape_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "mapping.yml").write_text(text, encoding="utf-8")
    with pytest.raises(FormError, match=r"renamed: \{old: new\}"):
        read_mapping(tmp_path / "mapping.yml")


# places and the command


def test_forms_come_and_go(form: Forms) -> None:
    old = form(OLD)
    assert said(compare_forms({}, {"trial": old})) == [(SAFE, "form")]
    assert said(compare_forms({"trial": old}, {})) == [(BREAKS, "form")]


@pytest.mark.parametrize("what", ["trial.md", "forms"])
def test_forms_at_a_revision_are_read_as_they_were(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "forms"
    folder.mkdir()
    (folder / "trial.md").write_text(OLD, encoding="utf-8")
    (folder / "README.md").write_text("no form", encoding="utf-8")
    commit = ["git", "-c", "user.name=t", "-c", "user.email=t@example.org", "commit", "-qm", "t"]
    for command in (["git", "init", "-q"], ["git", "add", "."], commit):
        subprocess.run(command, check=True, cwd=tmp_path)
    (folder / "trial.md").write_text(NEW, encoding="utf-8")

    with forms_at("HEAD:forms/trial.md" if what == "trial.md" else "HEAD:forms") as forms:
        assert {form_id: form.version for form_id, form in forms.items()} == {"trial": "2020010101"}
    with forms_at(str(folder)) as forms:
        assert forms["trial"].version == "2020010102"
    with pytest.raises(FormError, match=r"git .* failed"), forms_at("HEAD:gone.md"):
        pass


def test_a_place_that_there_is_not_is_named() -> None:
    with pytest.raises(FormError, match="there is no nowhere"), forms_at("nowhere"):
        pass


def test_the_command_refuses_what_breaks_and_prints_what_a_mapping_asks(tmp_path: Path) -> None:
    for name, text in (("old", OLD), ("new", RENAMED)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "trial.md").write_text(text, encoding="utf-8")
    arguments = ["forms", "diff", str(tmp_path / "old"), str(tmp_path / "new")]

    refused = CliRunner().invoke(app, arguments)
    assert refused.exit_code == 1
    assert "trial: {renamed: {why: reason}}" in refused.output

    (tmp_path / "mapping.yml").write_text("trial: {renamed: {why: reason}}", encoding="utf-8")
    accepted = CliRunner().invoke(app, [*arguments, "--mapping", str(tmp_path / "mapping.yml")])
    assert accepted.exit_code == 0
    assert "why: reason" in accepted.output


def test_the_command_says_that_nothing_has_changed() -> None:
    forms = str(REPOSITORY / "forms")
    assert "nothing has changed" in CliRunner().invoke(app, ["forms", "diff", forms, forms]).output
