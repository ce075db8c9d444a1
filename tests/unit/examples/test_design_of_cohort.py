"""The reference cohort is what DOMAIN 2 allows, apart from the faults that are planted on purpose."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from vmeste.forms import Form, load_forms
from vmeste.sources import load_sources

FORMS = Path(__file__).parents[3] / "forms"

TRANSITIONS = {
    ("proposed", "preparing"),
    ("preparing", "active"),
    ("active", "paused"),
    ("paused", "active"),
    ("active", "closing"),
    ("paused", "closing"),
    ("closing", "completed"),
    ("closing", "closed_early"),
    ("proposed", "cancelled"),
    ("preparing", "cancelled"),
    ("active", "converted"),
    ("closing", "converted"),
}


@pytest.fixture(scope="module")
def clean(cohort: Any, planted: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """Form → the newest answers of each submission that must not be quarantined."""
    quarantined = {fault["submission_id"] for fault in planted["faults"] if fault["handling"] == "quarantined"}
    newest: dict[str, Any] = {}
    for record in sorted(cohort.records, key=lambda record: record.arrived_at):
        if record.submission_id not in quarantined:
            newest[record.submission_id] = record
    answers = defaultdict(list)
    for record in newest.values():
        answers[record.form_id].append(dict(record.answers))
    return answers


def test_pairs_are_those_of_the_report(generator: Any) -> None:
    pairs = generator.pairs()
    assert len(pairs) == len({pair.mentee_code for pair in pairs}) == 48
    assert Counter(pair.form for pair in pairs) == {"short": 21, "long": 27}
    assert Counter(pair.group for pair in pairs) == {"ward": 29, "graduate": 19}
    assert Counter(pair.sex for pair in pairs) == {"f": 24, "m": 24}
    assert {pair.age for pair in pairs if pair.group == "ward"} == set(range(12, 18))
    assert {pair.age for pair in pairs if pair.group == "graduate"} == set(range(16, 24))
    active = [pair for pair in pairs if pair.ended_on is None]
    assert [(pair.form, pair.group) for pair in active] == [("long", "ward")] * 5
    assert all(pair.result_on.year == 2021 for pair in pairs)
    assert all(pair.ended_on is None or (pair.ended_on - pair.start_on).days >= 60 for pair in pairs)


def test_two_wards_become_graduates_while_their_pair_runs(
    generator: Any, clean: dict[str, list[dict[str, Any]]]
) -> None:
    pairs = {pair.mentee_code: pair for pair in generator.pairs()}
    changes = [row for row in clean["r1_mentee"] if row["record"] == "status_change"]
    assert len(changes) == 2
    for change in changes:
        pair = pairs[change["mentee_code"]]
        assert (pair.group, change["status"]) == ("ward", "graduate")
        assert pair.start_on < change["status_from"] < pair.ended_on


def test_closed_early_is_before_the_planned_end(generator: Any, clean: dict[str, list[dict[str, Any]]]) -> None:
    pairs = {pair.code: pair for pair in generator.pairs()}
    early = {row["pair_code"] for row in clean["f9_closure"] if row["planned"] == "0"}
    assert len(early) == 5
    for row in clean["f9_closure"]:
        days_before = (pairs[row["pair_code"]].planned_end_on - row["ended_on"]).days
        assert (days_before > 14) == (row["pair_code"] in early)


def test_events_are_legal_and_end_in_the_pair_s_state(clean: dict[str, list[dict[str, Any]]]) -> None:
    ended = {row["pair_code"]: row for row in clean["f9_closure"]}
    events = defaultdict(list)
    for row in clean["r4_pair_event"]:
        events[row["pair_code"]].append(row)
    assert len(events) == 48
    for code, steps in events.items():
        steps.sort(key=lambda row: row["occurred_on"])
        assert {(step["from_state"], step["to_state"]) for step in steps} <= TRANSITIONS
        assert [step["from_state"] for step in steps] == ["proposed", *(step["to_state"] for step in steps[:-1])]
        dates = [step["occurred_on"] for step in steps]
        assert dates == sorted(set(dates))
        if code not in ended:
            assert steps[-1]["to_state"] == "active"
            continue
        last = "completed" if ended[code]["planned"] == "1" else "closed_early"
        assert (steps[-1]["to_state"], steps[-1]["occurred_on"]) == (last, ended[code]["ended_on"])


def test_every_mentor_is_cleared_on_the_start(generator: Any, clean: dict[str, list[dict[str, Any]]]) -> None:
    mentors = {row["mentor_code"]: row for row in clean["r2_mentor"]}
    for pair in generator.pairs():
        mentor = mentors[pair.mentor_code]
        assert pair.start_on.year - mentor["birth_year"] >= 19
        for clearance in ("criminal_record", "medical", "interview", "training"):
            assert mentor[f"{clearance}_on"] <= pair.start_on <= (mentor[f"{clearance}_valid_to"] or date.max)
    assert any(row["training_valid_to"] < date(2021, 6, 30) for row in mentors.values()), "one training has run out"


@pytest.mark.parametrize("form_id", ["f2_self_report", "f3_mentee_feedback", "f4_meeting", "f7_followup"])
def test_a_consent_covers_every_row(generator: Any, clean: dict[str, list[dict[str, Any]]], form_id: str) -> None:
    """By the date of birth: a representative's with the child's assent before 18, the person's own from that day on."""
    births = {row["mentee_code"]: row["birth_date"] for row in clean["r1_mentee"] if row["record"] == "new"}
    mentee_of = {pair.code: pair.mentee_code for pair in generator.pairs()}
    purpose = "followup" if form_id == "f7_followup" else "monitoring"
    for row in clean[form_id]:
        mentee = mentee_of[row["pair_code"]]
        day = row["held_on"] if form_id == "f4_meeting" else row["filled_on"]
        born = births[mentee]
        is_adult = day >= date(born.year + 18, born.month, born.day)
        assert any(
            consent["mentee_code"] == mentee
            and purpose in consent["purposes"].split()
            and consent["valid_from"] <= day < (consent["withdrawn_on"] or date.max)
            and (consent["given_by"] == "self" if is_adult else consent["child_assent"] == "1")
            for consent in clean["r5_consent"]
            if not (is_adult and consent["given_by"] != "self")
        ), f"{form_id}: no consent on {day}"


def test_meetings_lie_within_the_pair_and_outside_its_pauses(
    generator: Any, clean: dict[str, list[dict[str, Any]]]
) -> None:
    pairs = {pair.code: pair for pair in generator.pairs()}
    for row in clean["f4_meeting"]:
        pair = pairs[row["pair_code"]]
        assert pair.start_on <= row["held_on"] <= (pair.ended_on or generator.LAST_MEETING_ON)
        paused_on, resumed_on = generator.PAUSES.get(pair.number, (date.max, date.max))
        assert not paused_on <= row["held_on"] < resumed_on
    kinds = Counter(row["status"] for row in clean["f4_meeting"])
    assert 0.8 < kinds["held"] / kinds.total() < 0.9
    slots = [(row["pair_code"], row["held_on"], row["start_time"]) for row in clean["f4_meeting"]]
    assert len(slots) == len(set(slots))


def test_clean_rows_answer_as_the_forms_ask(clean: dict[str, list[dict[str, Any]]]) -> None:
    """Required, relevant, choices and bounds, straight from the forms' definitions."""
    forms = load_forms(FORMS)
    (centre,) = load_sources(FORMS / "sources.yml").sources
    assert set(clean) == set(centre.forms)
    for form_id, rows in clean.items():
        for row in rows:
            assert_fits(forms[form_id], row)


def assert_fits(form: Form, row: dict[str, Any]) -> None:
    assert set(row) <= {question.name for question in form.questions}
    for question in form.questions:
        value, condition = row.get(question.name), question.relevant_when
        is_asked = condition is None or row.get(condition.question) in condition.values
        where = f"{form.form_id}.{question.name} = {value!r}"
        if value is None:
            assert not (is_asked and question.is_required), where
            continue
        assert is_asked, where
        if question.choices:
            assert set(str(value).split()) <= {choice.name for choice in question.choices}, where
        if question.kind == "integer":
            assert isinstance(value, int), where
            assert (question.minimum or value) <= value <= (question.maximum or value), where
        if question.kind == "date":
            assert value <= date(2022, 2, 28) + timedelta(days=0 if question.not_in_future else 1500), where


def test_nothing_but_the_late_arrivals_of_2021_comes_after_the_cut_off(cohort: Any, planted: dict[str, Any]) -> None:
    late = {fault["submission_id"] for fault in planted["faults"] if fault["handling"] == "late"}
    for record in cohort.records:
        happened_on = max(
            (
                day
                for name, day in record.answers.items()
                if name in {"held_on", "filled_on", "occurred_on", "ended_on"}
            ),
            default=record.submitted_at.date(),
        )
        if record.submission_id in late:
            assert happened_on.year == 2021
            assert record.submitted_at.date() == date(2022, 1, 20)
        elif happened_on.year <= 2021:
            assert record.submitted_at.isoformat() < "2022-01-15"
