"""What scoring, privacy and the contracts take for granted about the instruments."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from vmeste.forms import Form, load_forms
from vmeste.forms.check import read_scales

FORM_IDS = {
    "r1_mentee", "r2_mentor", "r3_pair", "r4_pair_event", "r5_consent",
    "f1_needs", "f2_self_report", "f3_mentee_feedback", "f4_meeting", "f5_mentor_feedback", "f6_observation",
    "f7_followup", "f8_incident", "f9_closure", "s1_supervision", "s2_plan", "e1_expert_assessment",
}  # fmt: skip


@pytest.fixture
def forms(instruments: Path) -> dict[str, Form]:
    return load_forms(instruments)


def _codes(form: Form, name: str) -> list[str]:
    return [choice.name for choice in form.question(name).choices]


def test_the_instruments_are_there(forms: dict[str, Form]) -> None:
    assert forms.keys() == FORM_IDS


def test_readme_lists_every_instrument(instruments: Path) -> None:
    linked = re.findall(r"\((\w+)\.md\)", (instruments / "README.md").read_text(encoding="utf-8"))
    assert sorted(linked) == sorted(FORM_IDS)


def test_scales_have_the_codes_that_scoring_expects(instruments: Path) -> None:
    scales, problems = read_scales(instruments / "scales.yml")

    assert not problems
    codes = {name: [choice.name for choice in choices] for name, choices in scales.items()}
    assert codes["a5"] == ["1", "2", "3", "4", "5", "99"]
    assert codes["s4"] == ["1", "2", "3", "4", "9"]
    assert codes["yn"] == ["1", "0", "99"]
    assert codes["need"] == ["0", "1", "2", "3"]
    assert codes["delta"] == codes["attainment"] == ["-2", "-1", "0", "1", "2"]
    assert codes["severity"] == ["1", "2", "3", "4"]


@pytest.mark.parametrize(
    ("form_id", "items"),
    [
        ("f2_self_report", "sup1 sup2 sup3 sup4r sup5"),
        ("f2_self_report", "lif1 lif2 lif3 lif4 lif5 lif6 lif7 lif8r"),
        ("f2_self_report", "mot1 mot2 mot3 mot4r mot5"),
        ("f3_mentee_feedback", "fb1 fb2 fb3 fb4 fb5r fb6r fb7"),
        ("f5_mentor_feedback", "ms1 ms2 ms3r ms4r ms5 ms6 ms7"),
        ("f7_followup", "sup1 sup2 sup3 sup4r sup5"),
    ],
)
def test_items_of_a_scale_are_all_there_and_agree_in_their_answers(
    forms: dict[str, Form], form_id: str, items: str
) -> None:
    stem = re.match("[a-z]+", items)
    assert stem is not None
    found = [q for q in forms[form_id].questions if re.fullmatch(rf"{stem[0]}[0-9]r?", q.name)]
    assert [question.name for question in found] == items.split()
    assert {question.list_name for question in found} == {"a5"}


def test_support_is_asked_in_the_same_words_at_the_follow_up(forms: dict[str, Form]) -> None:
    for name in ("sup1", "sup2", "sup3", "sup4r", "sup5"):
        assert forms["f2_self_report"].question(name).label_ru == forms["f7_followup"].question(name).label_ru


def test_what_names_a_person_is_in_the_vault(forms: dict[str, Form]) -> None:
    personal = {"full_name", "birth_date", "contacts", "institution_group", "narrative"}
    codes = {"mentee_code", "mentor_code", "pair_code", "previous_pair_code", "supervisor_code", "curator_code"}
    for form in forms.values():
        for question in form.every_question:
            if question in form.repeats:
                continue  # its members have classes
            assert (question.privacy == "vault") == (question.name in personal | codes), question
            assert (question.key is not None) == (question.name in codes), question


def test_free_text_is_restricted(forms: dict[str, Form]) -> None:
    free_text = {
        (form.form_id, question.name)
        for form in forms.values()
        for question in form.every_question
        if question.kind == "text" and question.privacy != "vault"
    }
    structured = {("r3_pair", "intake_code")}
    sensitive = {("f1_needs", "risk_flag")}
    assert free_text - structured | sensitive == {
        (form.form_id, question.name)
        for form in forms.values()
        for question in form.every_question
        if question.privacy == "restricted"
    }
    assert structured <= free_text


def test_every_record_is_about_a_pair_or_a_person(forms: dict[str, Form]) -> None:
    about_the_practice = {"e1_expert_assessment"}
    for form_id in forms.keys() - about_the_practice:
        assert any(question.is_required for question in forms[form_id].key_questions), form_id


def test_duration_is_asked_of_held_meetings_alone(forms: dict[str, Form]) -> None:
    duration = forms["f4_meeting"].question("duration_min")
    assert duration.is_required
    assert duration.relevant_when is not None
    assert duration.relevant_when.values == ("held",)
    assert (duration.minimum, duration.maximum) == (10, 720)


@pytest.mark.parametrize(
    ("form_id", "name"),
    [
        ("r4_pair_event", "occurred_on"), ("f2_self_report", "filled_on"), ("f3_mentee_feedback", "filled_on"),
        ("f4_meeting", "held_on"), ("f7_followup", "filled_on"), ("f7_followup", "last_on"), ("f9_closure", "ended_on"),
        ("f1_needs", "filled_on"), ("f5_mentor_feedback", "filled_on"), ("f6_observation", "filled_on"),
        ("f8_incident", "occurred_on"), ("f8_incident", "resolved_on"), ("s1_supervision", "held_on"),
        ("s2_plan", "approved_on"), ("e1_expert_assessment", "assessed_on"),
    ],
)  # fmt: skip
def test_what_has_happened_cannot_lie_in_the_future(forms: dict[str, Form], form_id: str, name: str) -> None:
    assert forms[form_id].question(name).not_in_future


@pytest.mark.parametrize("code", ["В-017", "V-017", "П48", "пара-2020-2-07", "1"])
def test_codes_of_many_shapes_pass(forms: dict[str, Form], code: str) -> None:
    for form in forms.values():
        for question in form.key_questions:
            assert question.pattern is not None
            assert re.fullmatch(question.pattern, code), (form.form_id, question.name)


@pytest.mark.parametrize("code", ["", "В 017", "Имя Фамилия", "В-017;", "1" * 41])
def test_what_is_no_code_does_not_pass(forms: dict[str, Form], code: str) -> None:
    pattern = forms["r3_pair"].question("pair_code").pattern
    assert pattern is not None
    assert not re.fullmatch(pattern, code)


def test_pair_states_and_closing_reasons_are_those_of_the_domain(forms: dict[str, Form]) -> None:
    states = ["proposed", "preparing", "active", "paused", "closing", "completed", "closed_early", "cancelled"]
    assert _codes(forms["r4_pair_event"], "from_state") == [*states, "converted"]
    assert _codes(forms["r4_pair_event"], "to_state") == [*states, "converted"]
    assert _codes(forms["f9_closure"], "reason") == [
        "term_complete", "goals_met", "converted", "mentor_moved", "mentor_time", "mentee_refused", "mentee_moved",
        "placed_in_family", "incompatibility", "staff_decision", "safety", "lost_contact", "other",
    ]  # fmt: skip


def test_needs_are_asked_in_the_domains_that_goals_answer(forms: dict[str, Form]) -> None:
    (goals,) = forms["s2_plan"].repeats
    domain = next(member for member in goals.members if member.name == "domain")
    needs = [question for question in forms["f1_needs"].questions if question.list_name == "need"]
    assert [question.name for question in needs] == [f"need_{choice.name}" for choice in domain.choices]
    assert all(question.is_required for question in needs)


def test_ten_skills_are_observed_on_one_scale(forms: dict[str, Form]) -> None:
    skills = [q for q in forms["f6_observation"].questions if q.name.startswith("obs_")]
    assert len(skills) == 10
    assert {question.list_name for question in skills} == {"s4"}


def test_a_mentor_s_own_view_has_the_same_three_results_as_the_indicators(forms: dict[str, Form]) -> None:
    changes = [q.name for q in forms["f5_mentor_feedback"].questions if q.list_name == "delta"]
    assert changes == ["ch_sup", "ch_lif", "ch_mot"]


def test_the_levels_of_the_standard_are_the_two_confirmed_ones_and_a_free_word(forms: dict[str, Form]) -> None:
    sections, recommendations, plan_items = forms["e1_expert_assessment"].repeats
    level = next(member for member in sections.members if member.name == "level")
    assert [choice.name for choice in level.choices] == ["initial", "basic", "other"]
    assert recommendations.members and plan_items.members
