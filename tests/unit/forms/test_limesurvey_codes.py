from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vmeste.forms import Form, FormError, load_forms
from vmeste.forms.limesurvey_codes import answer_code, answer_codes, question_code, question_codes

FORMS = load_forms(Path(__file__).parents[3] / "forms")


def test_a_question_loses_its_underscores() -> None:
    assert question_codes(["sup_n_xm", "sup1"]) == {"sup_n_xm": "supnxm", "sup1": "sup1"}
    assert question_code("criminal_record_valid_to") == "criminalrecordvalidt"


@pytest.mark.parametrize("names", [["sup_1", "sup1"], ["Sup", "sup"], ["a" * 21, "a" * 20 + "b"]])
def test_questions_that_would_be_one_are_refused(names: list[str]) -> None:
    with pytest.raises(FormError, match="would both be"):
        question_codes(names)


@pytest.mark.parametrize("name", ["token", "submit_date", "1st", "___", "id"])
def test_words_of_limesurvey_s_own_are_refused(name: str) -> None:
    with pytest.raises(FormError, match="cannot have a question"):
        question_codes([name])


def test_a_choice_that_fits_stays_and_a_long_one_keeps_its_beginning() -> None:
    codes = answer_codes(["g1", "99", "held", "in_person", "no_show"])
    assert [codes[choice] for choice in ("g1", "99", "held")] == ["g1", "99", "held"]
    assert (codes["in_person"], codes["no_show"]) == ("inik5", "noyv5"), "a running survey has these codes"


def test_a_choice_keeps_its_code_whatever_stands_beside_it() -> None:
    assert (
        answer_codes(["mentor_time", "mentor_moved"])["mentor_moved"] == answer_codes(["mentor_moved"])["mentor_moved"]
    )


def test_choices_that_would_be_one_are_refused() -> None:
    with pytest.raises(FormError, match="would both be"):
        answer_codes(["baseline", answer_code("baseline")])


@given(st.text(min_size=1))
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_every_choice_has_a_code_that_limesurvey_takes(choice: str) -> None:
    assert re.fullmatch(r"[A-Za-z0-9]{1,5}", answer_code(choice))


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_the_forms_of_this_repository_have_codes(form: Form) -> None:
    assert len(set(question_codes(question.name for question in form.questions).values())) == len(form.questions)
    for question in form.questions:
        choices = [choice.name for choice in question.choices]
        assert len({code.lower() for code in answer_codes(choices).values()}) == len(choices)
