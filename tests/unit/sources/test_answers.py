from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit.sources.conftest import REPOSITORY
from vmeste.forms import REPEAT, load_form
from vmeste.sources.answers import AnswerReader, moment
from vmeste.sources.config import ServerForm
from vmeste.sources.errors import FormUnusable, SourceError

MEETING = load_form(REPOSITORY / "forms" / "f4_meeting.md")
MOSCOW = ZoneInfo("Europe/Moscow")


def reader(**origin: Any) -> AnswerReader:
    return AnswerReader(MEETING, ServerForm(**origin), MOSCOW, "odk, f4_meeting")


@pytest.mark.parametrize(
    ("field", "value", "answer"),
    [
        ("duration_min", 60, "60"),
        ("duration_min", 60.0, "60"),
        ("duration_min", 1e20, "1e+20"),
        ("duration_min", " 60 ", "60"),
        ("duration_min", "", None),
        ("duration_min", None, None),
        ("concern", True, "1"),
        ("start_time", "07:15:00.000+03:00", "07:15:00"),
        ("start_time", "07:15", "07:15:00"),
        ("start_time", "утром", "утром"),
        ("held_on", "31.12.2026", "31.12.2026"),
        ("goals", "g1 g3", "g1 g3"),
        ("goals", ["g1", "g3"], "g1 g3"),
        ("mode", "telegraph", "telegraph"),
    ],
)
def test_a_value_becomes_canonical_or_stays_as_it_was(field: str, value: Any, answer: str | None) -> None:
    answers, extra = reader().read({f"visit/{field}": value})
    assert answers[field] == answer
    assert extra == {}
    assert set(answers) == {question.name for question in MEETING.questions}


def test_fields_and_codes_are_translated_and_the_rest_is_kept() -> None:
    translated = reader(
        columns={"nomer": "pair_code", "a/kak": "mode"},
        choices={"mode": {"1": "in_person"}, "goals": {"1": "g1", "2": "g2"}},
    )
    answers, extra = translated.read({"nomer": "П-1", "a/kak": 1, "goals": "2 1 9", "b/note": "x", "empty": None})
    assert (answers["pair_code"], answers["mode"], answers["goals"]) == ("П-1", "in_person", "g2 g1 9")
    assert extra == {"b/note": "x"}


def test_two_fields_for_one_question_are_refused() -> None:
    with pytest.raises(FormUnusable, match=r"two fields answer mode: a/mode and b/mode"):
        reader().read({"a/mode": "phone", "b/mode": "video"})


def test_a_question_that_moved_to_another_group_is_read_where_sources_yml_names_both_places() -> None:
    moved = reader(columns={"a/mode": "mode", "b/mode": "mode"})
    assert moved.read({"a/mode": "phone"})[0]["mode"] == "phone"
    assert moved.read({"b/mode": "video", "a/mode": None})[0]["mode"] == "video"
    with pytest.raises(FormUnusable, match="in one submission two fields answer mode"):
        moved.read({"a/mode": "phone", "b/mode": "video"})


@pytest.mark.parametrize("origin", [{"columns": {"x": "nobody"}}, {"choices": {"nobody": {"1": "a"}}}])
def test_a_translation_into_nothing_is_refused(origin: dict[str, Any]) -> None:
    with pytest.raises(SourceError, match="no question 'nobody'"):
        reader(**origin)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=4,
)


# the suite runs beside others on both cores: slow input is no finding
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(st.sampled_from([question.name for question in MEETING.questions]), json_values))
def test_whatever_a_server_sends_gives_texts(fields: dict[str, Any]) -> None:
    answers, extra = reader().read(fields)
    assert all(answer is None or (isinstance(answer, str) and answer) for answer in answers.values())
    assert extra == {}


def test_a_moment_without_a_zone_is_in_the_source_s() -> None:
    assert moment("2026-11-25T03:00:00", MOSCOW) == datetime(2026, 11, 25, tzinfo=UTC)
    assert moment("2026-11-25T03:00:00Z", MOSCOW) == datetime(2026, 11, 25, 3, tzinfo=UTC)


def repeated(**origin: Any) -> AnswerReader:
    members = (MEETING.question("mode"), MEETING.question("duration_min"))
    talks = replace(MEETING.question("concern_txt"), name="talks", kind=REPEAT, members=members)
    form = replace(MEETING, questions=(MEETING.question("pair_code"), talks))
    return AnswerReader(form, ServerForm(**origin), MOSCOW, "odk, f4_meeting")


def test_the_members_of_a_repeat_are_read_as_a_set() -> None:
    translated = repeated(columns={"kak": "mode"}, choices={"mode": {"1": "in_person"}})
    answers, extra = translated.read(
        {"visit/talks": [{"kak": "1", "a/duration_min": 60.0, "note": "x"}, {}, {"duration_min": None}]}
    )
    assert answers["talks"] == '[{"duration_min": "60", "mode": "in_person"}, {}, {}]'
    assert extra == {"visit/talks[1]/note": "x"}
    assert repeated().read({"talks": []})[0]["talks"] is None


def test_a_field_of_a_repeat_is_translated_by_its_whole_path() -> None:
    """A field of the same name beside the repeat is another one."""
    translated = repeated(columns={"talks/a/kak": "mode", "kak": "pair_code"})
    answers, extra = translated.read({"talks": [{"a/kak": "video"}], "b/kak": "П-1"})
    assert (answers["talks"], answers["pair_code"], extra) == ('[{"mode": "video"}]', "П-1", {})


def test_a_field_may_be_said_to_be_no_question() -> None:
    """The way out where two fields answer one question, and one of them is another's."""
    with pytest.raises(FormUnusable, match=r"two fields answer mode: a/mode and b/mode.*columns: \{b/mode: null\}"):
        reader().read({"a/mode": "video", "b/mode": "chat"})
    answers, extra = reader(columns={"b/mode": None}).read({"a/mode": "video", "b/mode": "chat"})
    assert (answers["mode"], extra) == ("video", {"b/mode": "chat"})
    answers, extra = repeated(columns={"talks/b/mode": None}).read({"talks": [{"a/mode": "video", "b/mode": "chat"}]})
    assert (answers["talks"], extra) == ('[{"mode": "video"}]', {"talks[1]/b/mode": "chat"})


def test_what_is_no_repeat_stays_as_written() -> None:
    assert repeated().read({"talks": "two"})[0]["talks"] == "two"
    assert repeated().read({"talks": [1, "b"]})[0]["talks"] == '[1, "b"]'


def test_two_fields_of_a_member_for_one_question_are_refused() -> None:
    with pytest.raises(FormUnusable, match=r"repeat talks answer mode.*columns: \{talks/b/mode: null\}"):
        repeated().read({"talks": [{"a/mode": "video", "b/mode": "chat"}]})
