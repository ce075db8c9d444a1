from __future__ import annotations

import base64
import json
import logging
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit.sources.conftest import VISIT, question
from tests.unit.sources.limesurvey_fake import (
    LOGIN,
    PASSWORD,
    SURVEY,
    LimeSurvey,
    Response,
    exported,
    recorded,
    recorded_responses,
    serving,
)
from vmeste.forms import Choice, Form
from vmeste.forms.limesurvey_codes import answer_code
from vmeste.sources import limesurvey_rpc, open_source
from vmeste.sources.base import Cursor, Extraction, Submission
from vmeste.sources.config import LimeSurveyConfig, LimeSurveyForm
from vmeste.sources.errors import (
    AnswerNotUnderstood,
    FormUnusable,
    LoginRefused,
    ReadIncomplete,
    SourceDenied,
    SourceError,
    SourceNotFound,
    SourceThrottled,
    SourceUnreachable,
)
from vmeste.sources.limesurvey import LimeSurveySource
from vmeste.sources.limesurvey_rpc import endpoint
from vmeste.sources.transport import Patience

WELFARE = Form(
    form_id="welfare",
    version="2026010101",
    title_ru="Опрос",
    title_en="Survey",
    questions=(
        question("fio", "text", "Имя", "Name", privacy="vault"),
        question("age", "integer", "Возраст", "Age"),
        question(
            "region",
            "select_one",
            "Регион",
            "Region",
            choices=tuple(Choice(code, code, code) for code in ("msk", "spb", "other")),
        ),
        question(
            "services",
            "select_multiple",
            "Услуги",
            "Services",
            choices=tuple(Choice(code, code, code) for code in ("food", "legal")),
        ),
        question("visit", "date", "Дата", "Date"),
    ),
    path=Path("forms/welfare.md"),
)
"""The form of the recorded survey."""

MODES = tuple(Choice(code, code, code) for code in ("in_person", "video", "phone", "other"))


class Held:
    """What the warehouse holds of the form."""

    def __init__(self, *live: str) -> None:
        self._live = frozenset(live)

    def live(self) -> frozenset[str]:
        return self._live

    def deleted(self) -> frozenset[str]:
        return frozenset()


def forget_logins() -> None:
    """As ten minutes do."""
    limesurvey_rpc._refused.clear()
    limesurvey_rpc._locked.clear()


@pytest.fixture(autouse=True)
def user(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    connection = {"conn_type": "http", "login": LOGIN, "password": PASSWORD}
    monkeypatch.setenv("AIRFLOW_CONN_LIME", json.dumps(connection))
    forget_logins()
    yield
    forget_logins()


@pytest.fixture
def lime() -> Iterator[LimeSurvey]:
    with serving(LimeSurvey(recorded_responses())) as server:
        yield server


def source(lime: LimeSurvey, slept: list[float] | None = None, form: Form = WELFARE, **given: Any) -> LimeSurveySource:
    origin = LimeSurveyForm(survey=given.pop("survey", SURVEY), **given)
    config = LimeSurveyConfig(
        name="centre",
        kind="limesurvey",
        time_zone="Europe/Moscow",
        server=lime.url,
        connection="lime",
        forms={form.form_id: origin},
    )
    sleep = (slept if slept is not None else []).append
    return LimeSurveySource(config, patience=Patience(3, 0.01, 1.0), sleep=sleep, timeout=(2.0, 0.2))


def read(
    lime: LimeSurvey, cursor: Cursor | None = None, *held: str, form: Form = WELFARE, **given: Any
) -> tuple[Extraction, dict[str, Submission]]:
    extraction = source(lime, form=form, **given).extract(form, cursor, Held(*held))
    submissions = list(extraction.submissions)
    assert extraction.server_count == len(submissions)
    assert lime.keys == set(), "every session key is released"
    return extraction, {submission.submission_id: submission for submission in submissions}


def answers(row: Response, form: Form = VISIT, **given: Any) -> Mapping[str, str | None]:
    """Return the answers of one response of one more survey."""
    system = {"id": 1, "submitdate": "2026-11-01 16:00:00", "startdate": "2026-11-01 15:00:00"}
    with serving(LimeSurvey([system | row])) as lime:
        return read(lime, form=form, **given)[1][f"{SURVEY}-1"].answers


# What is read


def test_completed_responses_become_submissions(lime: LimeSurvey) -> None:
    extraction, found = read(lime)
    assert sorted(found) == [f"{SURVEY}-{number}" for number in (2, 3, 4, 5, 6, 8)]
    assert found["777358-2"] == Submission(
        "centre",
        "welfare",
        "777358-2",
        "2026010101",
        datetime(2026, 11, 1, 13, tzinfo=UTC),
        {"fio": "Имя 1 🌸", "age": "55", "region": "other", "services": "food legal", "visit": "2026-11-05"},
        extra={"startlanguage": "ru", "startdate": "2026-11-01 16:00:00", "region[other]": "Казань"},
    )
    assert extraction.present_ids == frozenset(found)
    assert extraction.server_total == 6
    assert extraction.notes == ("2 incomplete responses are not read",)
    assert json.loads(json.dumps(extraction.cursor)) == extraction.cursor


def test_a_response_that_is_completed_later_appears(lime: LimeSurvey) -> None:
    first, _ = read(lime)
    lime.row(1)["submitdate"] = "2026-11-09 09:00:00"
    second, found = read(lime, first.cursor, *(first.present_ids or ()))
    assert found["777358-1"].submitted_at == datetime(2026, 11, 9, 6, tzinfo=UTC)
    assert second.server_total == 7


def test_an_edit_by_rpc_is_in_the_next_read_and_a_deleted_response_is_not(lime: LimeSurvey) -> None:
    first, _ = read(lime)
    lime.row(4)["age"] = "77"
    lime.rows.remove(lime.row(6))
    second, found = read(lime, first.cursor, *(first.present_ids or ()))
    assert found["777358-4"].answers["age"] == "77"
    assert found["777358-4"].updated_at is None, "the server hides when: ingestion dates it"
    assert (first.present_ids or frozenset()) - (second.present_ids or frozenset()) == {"777358-6"}


def test_a_datestamp_that_moved_dates_nothing(lime: LimeSurvey) -> None:
    """A second edit by RPC would bear the moment of the first, and be taken for what is known."""
    lime.row(4)["datestamp"] = "2026-11-20 10:00:00"
    assert read(lime)[1]["777358-4"].updated_at is None


def test_a_completed_response_that_is_being_answered_again_was_not_deleted(lime: LimeSurvey) -> None:
    first, _ = read(lime)
    lime.row(4)["submitdate"] = ""
    second, found = read(lime, first.cursor, *(first.present_ids or ()))
    assert "777358-4" not in found
    assert second.present_ids == first.present_ids
    assert (second.server_count, second.server_total) == (5, 6)
    assert "1 responses are being answered again: their last complete version stays" in second.notes


def test_who_answered_is_kept_nowhere(lime: LimeSurvey) -> None:
    for row in lime.rows:
        row |= {"token": "t0k3n", "ipaddr": "10.9.8.7", "refurl": "https://ref.example.org", "seed": "1234567"}
        row |= {"lastpage": 7, "interviewtime": "61.5", "777358X1X1time": "12.5", "groupTime12": "3.5"}
    extraction, found = read(lime)
    kept = repr([extraction, found])
    for word in ("t0k3n", "10.9.8.7", "ref.example.org", "1234567", "61.5", "12.5", "3.5", "lastpage", "datestamp"):
        assert word not in kept


def test_a_token_that_sources_yml_names_is_an_answer(lime: LimeSurvey) -> None:
    for row in lime.rows:
        row["token"] = f"token-{row['id']}"
        del row["fio"]
    assert read(lime, columns={"token": "fio"})[1]["777358-2"].answers["fio"] == "token-2"


def test_a_column_of_limesurvey_s_own_is_no_answer_by_its_name(lime: LimeSurvey) -> None:
    for row in lime.rows:
        row["token"] = "t0k3n"
    form = replace(WELFARE, questions=(*WELFARE.questions, question("token", "text", "Жетон", "Token")))
    assert read(lime, form=form)[1]["777358-2"].answers["token"] is None


def test_an_empty_survey_is_read_whole(lime: LimeSurvey) -> None:
    lime.rows = []
    extraction, found = read(lime)
    assert (found, extraction.present_ids, extraction.server_total) == ({}, frozenset(), 0)


def test_a_survey_of_incomplete_responses_gives_none(lime: LimeSurvey) -> None:
    lime.rows = [lime.row(1)]
    extraction, found = read(lime)
    assert (found, extraction.server_total) == ({}, 0)


def test_a_record_of_headings_alone_is_no_response(lime: LimeSurvey) -> None:
    """Some versions write it for an empty range."""
    lime.answers["export_responses"] = [exported([*lime.rows, dict.fromkeys(lime.rows[0], "")])]
    assert len(read(lime)[1]) == 6


def test_many_responses_are_read_by_ranges_of_ids(lime: LimeSurvey) -> None:
    lime.rows = [row | {"id": 1000 + 7 * row["id"]} for row in recorded_responses()]
    one = source(lime)
    one._chunk = 3
    extraction = one.extract(WELFARE, None, Held())
    assert extraction.server_count == 6
    ranges = [asked[-2:] for asked in lime.asked]
    assert len(ranges) > 3
    assert ranges[-1][1] is None, "the last range is open"
    assert all(after[0] == before[1] + 1 for before, after in pairwise(ranges)), "no gap"


def test_only_whole_records_are_asked_for_in_the_survey_s_language(lime: LimeSurvey) -> None:
    read(lime)
    assert lime.asked == [["json", "ru", "all", "code", "short", 1, None]], "a field that is unknown gives rows of null"


def test_a_survey_says_nothing_about_the_one_before_it(lime: LimeSurvey) -> None:
    extraction, _ = read(lime, {"survey": 111, "counted_from": "0", "witnesses": {"2": "x"}}, "111-1", "777358-99")
    assert "111-1" in (extraction.present_ids or ()), "not deleted"
    assert "777358-99" not in (extraction.present_ids or ()), "deleted"
    assert extraction.server_total == 7
    assert "1 responses of another survey stay as they were read" in extraction.notes


# Columns


def test_a_survey_made_from_our_form_needs_no_translation() -> None:
    form = replace(
        VISIT,
        questions=(
            *VISIT.questions,
            question("mode", "select_one", "Как", "How", choices=MODES),
            question("criminal_record_valid_to", "date", "До", "Until"),
        ),
    )
    row = {
        "paircode": "П-1",
        "heldon": "2026-11-05 00:00:00",
        "status": answer_code("no_show"),
        "minutes": "60",
        "starttime": "1970-01-01 14:30:00",
        "fare": "12.5",
        "mood": "99",
        "goals[g1]": "Y",
        "goals[g2]": "",
        "goals[g3]": "Y",
        "seenat": "2026-11-05 10:30:00",
        "note": "  ",
        "mode": "inik5",
        "criminalrecordvalidt": "2027-01-01 00:00:00",
    }
    assert answers(row, form) == {
        "pair_code": "П-1",
        "held_on": "2026-11-05",
        "status": "no_show",
        "minutes": "60",
        "start_time": "14:30:00",
        "fare": "12.5",
        "mood": "99",
        "goals": "g1 g3",
        "seen_at": "2026-11-05T10:30:00+03:00",
        "note": None,
        "mode": "in_person",
        "criminal_record_valid_to": "2027-01-01",
    }


def test_a_date_with_a_time_of_day_stays_as_it_was_written() -> None:
    assert answers({"heldon": "2026-11-05 14:30:00"})["held_on"] == "2026-11-05 14:30:00"


@pytest.mark.parametrize(
    ("columns", "row", "expected"),
    [
        ({"aims": "goals"}, {"aims[g1]": "Y", "aims[g3]": "Y"}, {"goals": "g1 g3"}),
        ({"aims[A1]": "note"}, {"aims[A1]": "x", "aims[A2]": "y"}, {"note": "x"}),
        ({"q7/S1/1": "note"}, {"q7[S1][1]": "x"}, {"note": "x"}),
        ({"S1": "note"}, {"q7[S1]": "x"}, {"note": "x"}),
        ({}, {"q7[heldon]": "2026-11-05 00:00:00"}, {"held_on": "2026-11-05"}),
        ({}, {"held[on]": "2026-11-05 00:00:00"}, {"held_on": "2026-11-05"}),
        ({}, {"HELDON": "2026-11-05 00:00:00"}, {"held_on": "2026-11-05"}),
        ({}, {"goals[1]": "g3", "goals[2]": "g1", "goals[3]": ""}, {"goals": "g3 g1"}),
        ({}, {"note[10]": "b", "note[9]": "a"}, {"note": '["a", "b"]'}),
        ({}, {"note[SQ1]": "a", "note[SQ2]": ""}, {"note": '{"SQ1": "a"}'}),
        ({}, {"note[1]": ["x"], "note[²]": "y"}, {"note": '{"1": ["x"], "²": "y"}'}),
        ({}, {"note[2]": ["x"], "note[1]": {}}, {"note": '[{}, ["x"]]'}),
        ({}, {"goals[g1]": "N", "goals[g2]": "Y"}, {"goals": "g2"}),
        ({}, {"goals[g1]": "maybe", "goals[g2]": "Y"}, {"goals": "g1=maybe g2"}),
        ({}, {"goals[g1 g2]": "Y", "goals[g3]": ""}, {"goals": "g1_g2"}),
        ({}, {"goals[g1]": "Y", "goals[g1comment]": "Y"}, {"goals": "g1"}),
        ({}, {"mood": "1", "mood[comment]": "so"}, {"mood": "1"}),
        ({}, {"goals[g1]": "", "goals[other]": "Казань"}, {"goals": None}),
    ],
)
def test_a_column_answers_the_question_that_it_names(
    columns: dict[str, str], row: Response, expected: dict[str, str | None]
) -> None:
    found = answers(row, columns=columns)
    assert {name: answer for name, answer in found.items() if answer is not None or name in expected} == expected


def test_the_other_of_a_multiple_choice_that_has_one_is_chosen() -> None:
    form = replace(VISIT, questions=(question("how", "select_multiple", "Как", "How", choices=MODES),))
    assert answers({"how[video]": "Y", "how[other]": "по почте"}, form) == {"how": "video other"}


def test_codes_are_translated_as_sources_yml_says(lime: LimeSurvey) -> None:
    _, found = read(lime, choices={"region": {"spb": "msk", "-oth-": "spb"}, "services": {"food": "legal"}})
    assert found["777358-2"].answers["region"] == "spb"
    assert found["777358-6"].answers["region"] == "msk"
    assert found["777358-4"].answers["services"] == "legal"


def test_an_unknown_code_stays_for_validation_to_refuse() -> None:
    assert answers({"status": "XX", "goals[zz]": "Y"}) == dict.fromkeys(
        question.name for question in VISIT.questions
    ) | {"status": "XX", "goals": "zz"}


@pytest.mark.parametrize(
    ("row", "columns"),
    [
        ({"note": "a", "q1[note]": "b"}, {}),
        ({"note": "a", "remark": "b"}, {"remark": "note"}),
        ({"goals": "a", "goals[g1]": "Y"}, {}),
        ({"goals[g1]": "Y", "aims[g2]": "Y"}, {"aims": "goals"}),
    ],
)
def test_two_columns_that_answer_one_question_are_refused(row: Response, columns: dict[str, str]) -> None:
    with pytest.raises(FormUnusable, match="two columns answer"):
        answers(row, columns=columns)


def test_a_column_may_be_said_to_be_no_question() -> None:
    assert answers({"note": "a", "q1[note]": "b"}, columns={"q1/note": None})["note"] == "a"
    assert answers({"note": "a", "q1[note]": "b"}, columns={"q1": None})["note"] == "a"
    assert answers({"note": "a", "q1[note]": "b"}, columns={"note": None, "q1[note]": "note"})["note"] == "b"


def test_a_token_that_is_said_to_be_no_question_is_kept_nowhere(lime: LimeSurvey) -> None:
    for row in lime.rows:
        row["token"] = "t0k3n"
    assert "t0k3n" not in repr(read(lime, columns={"token": None}))


def test_questions_that_limesurvey_cannot_tell_apart_are_refused() -> None:
    form = replace(VISIT, questions=(*VISIT.questions, question("no_te", "text", "Ещё", "More")))
    with pytest.raises(FormUnusable, match="note, no_te"):
        answers({"note": "a"}, form)
    assert answers({"note": "a", "heldon": "x"}, form, columns={"note": "note"})["note"] == "a"


def test_a_column_that_may_answer_two_questions_is_refused() -> None:
    form = replace(VISIT, questions=(*VISIT.questions, question("goals_1", "text", "Ещё", "More")))
    with pytest.raises(FormUnusable, match="may answer goals and goals_1"):
        answers({"goals[1]": "Y"}, form)


def test_a_survey_of_another_form_is_refused(lime: LimeSurvey) -> None:
    with pytest.raises(FormUnusable, match="none of the survey's questions"):
        read(lime, form=VISIT)


def test_a_translation_to_no_question_is_refused(lime: LimeSurvey) -> None:
    with pytest.raises(SourceError, match="no question 'nix'"):
        read(lime, columns={"fio": "nix"})


def test_a_translation_into_a_repeat_is_refused(lime: LimeSurvey) -> None:
    talks = question("talks", "repeat", "Беседы", "Talks", members=(question("topic", "text", "О чём", "About"),))
    form = replace(WELFARE, questions=(*WELFARE.questions, talks))
    assert read(lime, form=form)[1]["777358-2"].answers["talks"] is None
    with pytest.raises(FormUnusable, match="topic belongs to a repeat"):
        read(lime, form=form, columns={"fio": "topic"})


def test_uploaded_files_are_counted_and_not_kept(lime: LimeSurvey) -> None:
    for row in lime.rows:
        row |= {"scan": json.dumps([{"name": "Passport of somebody.pdf"}]), "scan[filecount]": 1}
    extraction, found = read(lime)
    assert "6 uploaded files are not read" in extraction.notes
    assert "Passport" not in repr(found)


def test_questions_that_the_survey_lacks_are_named(lime: LimeSurvey) -> None:
    for row in lime.rows:
        del row["visit"], row["age"]
    assert "questions that the survey does not have: age, visit" in read(lime)[0].notes


# Whole or nothing


@pytest.mark.parametrize("given", [{"completed_responses": 7, "full_responses": 9}, {"full_responses": 8}])
def test_a_count_that_disagrees_is_never_believed(lime: LimeSurvey, given: dict[str, Any]) -> None:
    lime.counts = lambda: {"completed_responses": "5", "incomplete_responses": 0} | given
    slept: list[float] = []
    with pytest.raises(ReadIncomplete) as caught:
        source(lime, slept).extract(WELFARE, None, Held())
    completed, every = int(given.get("completed_responses", 5)), given["full_responses"]
    assert f"{completed} completed and {every - completed} incomplete" in str(caught.value)
    assert "6 and 2 arrived" in str(caught.value)
    assert lime.calls.count("export_responses") == 4
    assert lime.keys == set()


def test_who_answers_while_we_read_is_in_the_next_try(lime: LimeSurvey) -> None:
    def arrives(server: LimeSurvey) -> None:
        server.after_export = None
        server.rows.append(server.rows[1] | {"id": 40})

    lime.rows, late = lime.rows[:-1], lime.rows[-1:]
    lime.answers["export_responses"] = [exported(lime.rows[:-1])]  # an export that lost a row
    lime.rows += late
    lime.after_export = arrives
    extraction, _ = read(lime)
    assert extraction.server_total == 6, "as it was before the late one came"
    assert lime.calls.count("export_responses") == 2


def test_a_link_that_is_opened_while_we_read_disturbs_nothing(lime: LimeSurvey) -> None:
    counted = iter((8, 10))
    lime.counts = lambda: {"completed_responses": 6, "full_responses": next(counted)}
    lime.rows.append(lime.rows[1] | {"id": 41, "submitdate": None})
    assert read(lime)[0].server_total == 6
    assert lime.calls.count("export_responses") == 1


def test_a_response_that_stands_twice_is_not_loaded(lime: LimeSurvey) -> None:
    """A token twice in the participant list doubles rows of the server's own join."""
    lime.answers["export_responses"] = [exported([*lime.rows, lime.rows[2]]) for _ in range(4)]
    with pytest.raises(ReadIncomplete, match="stands twice"):
        read(lime)


def test_rows_of_null_are_not_taken_for_answers(lime: LimeSurvey) -> None:
    lime.answers["export_responses"] = [exported([{"nope": 1}] * 8)]
    with pytest.raises(AnswerNotUnderstood, match="another shape"):
        read(lime)
    lime.answers["export_responses"] = [recorded("err_bad_field")["result"]] * 4
    with pytest.raises(ReadIncomplete, match="0 and 0 arrived"):
        read(lime)


def test_a_record_that_lacks_a_heading_is_not_a_response_that_lacks_an_answer(lime: LimeSurvey) -> None:
    del lime.rows[3]["age"]
    lime.answers["export_responses"] = [exported(lime.rows)]
    with pytest.raises(AnswerNotUnderstood):
        read(lime)


@pytest.mark.parametrize("number", [0, -1, "1x", None, "", True, 1.5])
def test_a_response_without_an_id_is_not_understood(lime: LimeSurvey, number: Any) -> None:
    lime.answers["export_responses"] = [exported([*lime.rows[:-1], lime.rows[-1] | {"id": number}])]
    with pytest.raises(AnswerNotUnderstood):
        read(lime)


@pytest.mark.parametrize("written", ["gestern", "0001-01-01 00:00:00", 7, [], "2026-13-01 00:00:00", "2026-11-01"])
def test_a_moment_that_is_none_is_not_understood(lime: LimeSurvey, written: Any) -> None:
    lime.answers["export_responses"] = [exported([*lime.rows[:-1], lime.rows[-1] | {"submitdate": written}])]
    with pytest.raises(AnswerNotUnderstood):
        read(lime)


def without_dates(lime: LimeSurvey) -> None:
    """As LimeSurvey keeps an anonymised survey: there is no column of a moment, and every response is of 1980."""
    for row in lime.rows:
        for name in ("startdate", "datestamp"):
            row.pop(name, None)
        if row["submitdate"]:
            row["submitdate"] = "1980-01-01 00:00:00"


def test_a_response_without_a_date_was_sent_when_it_was_first_seen(lime: LimeSurvey) -> None:
    without_dates(lime)
    at = datetime(2026, 11, 25, 12, tzinfo=UTC)
    one = source(lime)
    one._clock = lambda: at
    extraction = one.extract(WELFARE, None, Held())
    found = list(extraction.submissions)
    assert len(found) > 1
    assert {submission.submitted_at for submission in found} == {at}
    assert f"{len(found)} responses bear no date" in " ".join(extraction.notes)


def test_a_survey_without_dates_that_was_activated_again_is_known_by_its_numbers(lime: LimeSurvey) -> None:
    """Otherwise one person's answers would become an edit of another's."""
    without_dates(lime)
    extraction, found = read(lime)
    assert read(lime, extraction.cursor, *found)[1].keys() == found.keys()
    rows = list(lime.rows)
    lime.reactivate()
    lime.rows = rows  # ids come again
    with pytest.raises(FormUnusable, match="activated again"):
        read(lime, extraction.cursor, *found)


def test_responses_by_rpc_to_such_a_survey_have_a_moment(lime: LimeSurvey) -> None:
    lime.rows = recorded_responses("export_no_datestamp")
    extraction, found = read(lime)
    assert found["777358-1"].submitted_at == datetime(2026, 11, 24, 1, 50, 50, tzinfo=UTC)
    lime.rows[0]["submitdate"] = "2026-11-25 10:00:00"
    with pytest.raises(FormUnusable, match="activated again"):
        read(lime, extraction.cursor, "777358-1")


# The survey is another one


def test_a_survey_that_was_deactivated_is_not_an_empty_one(lime: LimeSurvey) -> None:
    lime.is_active = False
    with pytest.raises(SourceNotFound, match="not active"):
        read(lime)
    with pytest.raises(SourceNotFound, match="not active"):
        source(lime).has_news(WELFARE, None, Held())


def test_a_table_that_a_deactivated_survey_left_behind_is_not_read(lime: LimeSurvey) -> None:
    lime.answers["get_survey_properties"] = [{"active": "N", "language": "ru", "autonumber_start": 0}]
    with pytest.raises(SourceNotFound, match="not active"):
        read(lime)


@pytest.mark.parametrize("status", ["No Data, survey table does not exist.", "No available data"])
def test_a_survey_that_is_deactivated_while_we_read_is_not_an_empty_one(lime: LimeSurvey, status: str) -> None:
    lime.answers["export_responses"] = [{"status": status}]
    with pytest.raises(SourceNotFound, match="not active"):
        read(lime)


def test_responses_in_the_archive_are_not_deleted_ones(lime: LimeSurvey) -> None:
    first, _ = read(lime)
    lime.reactivate()
    with pytest.raises(FormUnusable, match="activated again"):
        read(lime, first.cursor, *(first.present_ids or ()))
    lime.rows = [recorded_responses()[1] | {"id": lime.counted_from, "startdate": "2026-11-20 10:00:00"}]
    with pytest.raises(FormUnusable, match="activated again"):
        read(lime, first.cursor, *(first.present_ids or ()))


def test_an_id_that_comes_again_is_not_an_edit(lime: LimeSurvey) -> None:
    first, _ = read(lime)
    lime.rows = [row | {"startdate": row["startdate"].replace("2026-11", "2027-01")} for row in recorded_responses()]
    with pytest.raises(FormUnusable, match="activated again"):
        read(lime, first.cursor, *(first.present_ids or ()))


def test_a_survey_whose_responses_were_restored_goes_on(lime: LimeSurvey) -> None:
    first, _ = read(lime)
    lime.counted_from = 31
    lime.rows.append(lime.rows[1] | {"id": 31, "startdate": "2026-12-01 10:00:00"})
    assert len(read(lime, first.cursor, *(first.present_ids or ()))[1]) == 7


def test_all_responses_may_be_deleted(lime: LimeSurvey) -> None:
    first, _ = read(lime)
    lime.rows = []
    second, _ = read(lime, first.cursor, *(first.present_ids or ()))
    assert second.present_ids == frozenset()


@pytest.mark.parametrize(
    "cursor", [{}, {"survey": SURVEY}, {"survey": SURVEY, "witnesses": [1]}, {"survey": "x", "witnesses": {"2": "y"}}]
)
def test_a_cursor_of_another_shape_means_a_whole_read(lime: LimeSurvey, cursor: dict[str, Any]) -> None:
    assert len(read(lime, cursor)[1]) == 6


# News


def test_only_an_empty_survey_has_no_news(lime: LimeSurvey) -> None:
    one = source(lime)
    assert one.has_news(WELFARE, {}, Held())
    assert "export_responses" not in lime.calls
    lime.rows = []
    assert one.has_news(WELFARE, {}, Held("777358-2")), "what we hold was deleted there"
    assert not one.has_news(WELFARE, {}, Held())
    assert lime.keys == set()


# Log-in


def test_a_key_that_expires_is_replaced(lime: LimeSurvey) -> None:
    def expires() -> Any:
        lime.expire_keys()
        return recorded("err_expired_key")["result"]

    def expires_again() -> Any:
        lime.expire_keys()
        return {"status": "Invalid Session key"}

    lime.answers["export_responses"] = [expires, expires_again]
    extraction, _ = read(lime)
    assert extraction.server_count == 6
    assert lime.calls.count("get_session_key") == 3
    assert lime.calls[-1] == "release_session_key"


def test_a_server_that_forgets_every_key_is_given_up(lime: LimeSurvey) -> None:
    lime.answers["get_survey_properties"] = [recorded("err_expired_key")["result"]] * 9
    with pytest.raises(SourceUnreachable, match="forgets its session keys"):
        read(lime)
    assert lime.calls.count("get_session_key") == 3


def test_a_bad_login_is_tried_once_by_all_forms_together(lime: LimeSurvey, caplog: pytest.LogCaptureFixture) -> None:
    lime.password = "changed"
    slept: list[float] = []
    with caplog.at_level(logging.DEBUG):
        for _ in range(5):
            with pytest.raises(SourceDenied, match="refuses the login or the password") as caught:
                source(lime, slept).extract(WELFARE, None, Held())
    assert (lime.bad_logins, slept) == (1, [])
    assert PASSWORD not in str(caught.value) + caplog.text
    lime.password = PASSWORD
    forget_logins()
    assert source(lime).has_news(WELFARE, None, Held())


def test_another_password_is_tried_at_once(lime: LimeSurvey, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_LIME", json.dumps({"conn_type": "http", "login": LOGIN, "password": "tippo"}))
    with pytest.raises(SourceDenied):
        source(lime).check()
    monkeypatch.setenv("AIRFLOW_CONN_LIME", json.dumps({"conn_type": "http", "login": LOGIN, "password": PASSWORD}))
    assert "2 surveys visible" in source(lime).check()


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        (recorded("err_lockout")["result"], 600.0),
        ({"status": "Вы превысили число попыток входа. Подождите 15 минут."}, 900.0),
    ],
)
def test_a_lock_is_waited_for_by_the_next_run(lime: LimeSurvey, said: dict[str, str], seconds: float) -> None:
    lime.answers["get_session_key"] = [said]
    slept: list[float] = []
    with pytest.raises(SourceThrottled, match="locked our address out") as caught:
        source(lime, slept).extract(WELFARE, None, Held())
    assert caught.value.retry_after == seconds
    with pytest.raises(SourceThrottled, match="locked our address out") as caught:
        source(lime, slept).has_news(WELFARE, None, Held())
    assert seconds - 60 < (caught.value.retry_after or 0) <= seconds
    assert (lime.calls, slept) == (["get_session_key"], []), "a log-in meanwhile begins the lock anew"


def test_an_unreadable_answer_to_a_login_is_not_asked_for_until_we_are_locked_out(lime: LimeSurvey) -> None:
    lime.bodies["get_session_key"] = [b"<html>"] * 9
    with pytest.raises(SourceUnreachable):
        read(lime)
    assert lime.calls == ["get_session_key"] * 2


def test_a_user_without_the_right_to_log_in_is_told_which(lime: LimeSurvey) -> None:
    said = {"status": "Internal database authentication method is not allowed for this user"}
    lime.answers["get_session_key"] = [said]
    with pytest.raises(SourceDenied, match="global right 'Use internal database") as caught:
        read(lime)
    assert not isinstance(caught.value, LoginRefused), "mended at the server, it is tried at once"


def test_a_user_who_was_switched_off_is_denied(lime: LimeSurvey) -> None:
    said = b'{"id":1,"result":null,"error":"You do not have permission to access this page."}'
    lime.bodies["get_session_key"] = [said] * 3
    with pytest.raises(SourceDenied, match="deactivated"):
        read(lime)


def test_a_key_that_cannot_be_released_does_not_matter(lime: LimeSurvey) -> None:
    lime.status["release_session_key"] = 500
    assert source(lime).extract(WELFARE, None, Held()).server_count == 6


def test_check_tries_each_survey(lime: LimeSurvey) -> None:
    assert source(lime).check() == f"connected to {lime.url}, 2 surveys visible"
    lime.answers["get_survey_properties"] = [{"status": "No permission"}]
    with pytest.raises(SourceDenied, match=r"centre, welfare .*'No permission'"):
        source(lime).check()
    lime.answers["export_responses"] = [{"status": "No permission"}]
    with pytest.raises(SourceDenied, match="Responses: export"):
        source(lime).check()
    assert lime.keys == set(), "released, whatever happened"


# Errors by cause


@pytest.mark.parametrize(
    ("result", "kind", "said"),
    [
        (recorded("err_no_survey")["result"], SourceDenied, "lacks a right"),
        ({"status": "Error: Invalid survey ID"}, SourceNotFound, "no such survey"),
        (recorded("err_bad_lang")["result"], AnswerNotUnderstood, "another shape"),
        ({"status": "Geheimnis"}, AnswerNotUnderstood, "another shape"),
        ({"status": ["x"]}, AnswerNotUnderstood, "another shape"),
        ([], AnswerNotUnderstood, "another shape"),
        (None, AnswerNotUnderstood, "another shape"),
        (True, AnswerNotUnderstood, "another shape"),
        ("!!!", SourceUnreachable, "cut in the middle"),
        (exported(recorded_responses())[:-5], SourceUnreachable, "cut in the middle"),
        (exported(recorded_responses())[:400], SourceUnreachable, "cut or not JSON"),
        (exported([])[:-8], SourceUnreachable, "cut"),
        ("W10=", AnswerNotUnderstood, "another shape"),
        (base64.b64encode(b"[" * 200_000).decode(), AnswerNotUnderstood, "another shape"),
    ],
)
def test_a_result_that_is_no_export_has_a_cause(
    lime: LimeSurvey, result: Any, kind: type[SourceError], said: str
) -> None:
    lime.answers["export_responses"] = [result] * 9
    with pytest.raises(kind, match=said) as caught:
        read(lime)
    assert type(caught.value) is kind
    assert "Geheimnis" not in str(caught.value)


@pytest.mark.parametrize(
    ("body", "kind", "said"),
    [
        (b"", SourceUnreachable, "switch on RemoteControl"),
        (b"<b>Warning</b>: Undefined variable\n{", SourceUnreachable, "display_errors"),
        (b'<b>Warning</b>: x\n{"id":1,"result":[],"error":null}', SourceUnreachable, "display_errors"),
        (json.dumps(recorded("err_bad_format")).encode(), AnswerNotUnderstood, "another shape"),
        (b'{"id":1,"result":null,"error":"unknown method or incorrect parameters"}', AnswerNotUnderstood, "shape"),
        (json.dumps(recorded("err_not_json")).encode(), SourceUnreachable, "another question"),
        (b'{"id":1,"result":null,"error":"CDbConnection failed"}', SourceUnreachable, "trouble of its own"),
        (b'{"id":77,"result":[],"error":null}', SourceUnreachable, "another question"),
        (b"[]", AnswerNotUnderstood, "another shape"),
        (b"null", AnswerNotUnderstood, "another shape"),
        (b"[" * 200_000, AnswerNotUnderstood, "another shape"),
        (b'{"id":1}', AnswerNotUnderstood, "another shape"),
    ],
)
def test_a_body_that_is_no_answer_has_a_cause(
    lime: LimeSurvey, body: bytes, kind: type[SourceError], said: str
) -> None:
    lime.bodies["export_responses"] = [body] * 9
    with pytest.raises(kind, match=said) as caught:
        read(lime)
    assert type(caught.value) is kind
    assert lime.calls.count("export_responses") == (3 if kind is SourceUnreachable else 1)


@pytest.mark.parametrize(
    ("status", "kind", "tries"),
    [(500, SourceUnreachable, 3), (403, SourceDenied, 1), (301, SourceError, 1), (404, SourceNotFound, 1)],
)
def test_a_status_of_http_has_its_meaning(lime: LimeSurvey, status: int, kind: type[SourceError], tries: int) -> None:
    lime.status["export_responses"] = status
    with pytest.raises(kind) as caught:
        read(lime)
    assert type(caught.value) is kind
    assert lime.calls.count("export_responses") == tries


def test_what_mends_itself_is_tried_again(lime: LimeSurvey) -> None:
    lime.bodies["export_responses"] = [b'{"id":1,"result":"eyJ']
    lime.answers["export_responses"] = [exported(lime.rows)[:400]]
    lime.bodies["get_summary"] = [b"<br />"]
    assert len(read(lime)[1]) == 6


def test_half_an_answer_and_silence_is_not_waited_for_long(lime: LimeSurvey) -> None:
    lime.silences["export_responses"] = 1
    started = time.monotonic()
    assert len(read(lime)[1]) == 6
    assert time.monotonic() - started < 4, "the server is silent for five seconds, we wait for 0.2"
    assert lime.calls.count("export_responses") == 2


def test_a_wrong_address_is_told(lime: LimeSurvey) -> None:
    lime.url += "/limesurvey"
    with pytest.raises(SourceNotFound, match="no RemoteControl at this address"):
        read(lime)


@pytest.mark.parametrize(
    ("server", "expected"),
    [
        ("https://s.example.org", "https://s.example.org/index.php/admin/remotecontrol"),
        ("https://s.example.org/lime", "https://s.example.org/lime/index.php/admin/remotecontrol"),
        ("https://s.example.org/lime/index.php", "https://s.example.org/lime/index.php/admin/remotecontrol"),
        ("https://s.example.org/lime/admin/remotecontrol", "https://s.example.org/lime/admin/remotecontrol"),
    ],
)
def test_the_address_is_the_server_s_or_the_remote_control_s(server: str, expected: str) -> None:
    assert endpoint(server) == expected


def test_sources_yml_opens_it(lime: LimeSurvey) -> None:
    opened = open_source(source(lime)._config)
    assert isinstance(opened, LimeSurveySource)
    assert (opened.name, opened.overlooked()) == ("centre", [])


# Whatever comes

_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-5, 2**70)
    | st.floats()
    | st.text(max_size=6)
    | st.just("2026-11-01 16:00:00"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
_HEADINGS = st.sampled_from(
    [*recorded_responses()[0], "services[x]", "services[1]", "region[1]", "age[²]", "fio[a][b]", "[", "a]", ""]
)


@pytest.fixture(scope="module")
def fuzzed() -> Iterator[LimeSurvey]:
    with serving(LimeSurvey()) as server:
        yield server


def read_whatever(lime: LimeSurvey) -> None:
    """Either nothing at all, with a reason, or submissions of the right shape."""
    forget_logins()
    lime.keys.clear()
    one = source(lime)
    one._patience = Patience(1)
    try:
        extraction = one.extract(WELFARE, {"survey": SURVEY, "counted_from": "0", "witnesses": {"2": "x"}}, Held("a-1"))
    except SourceError as error:
        assert len(str(error)) > 20
        return
    for submission in extraction.submissions:
        assert submission.submission_id.startswith(f"{SURVEY}-")
        assert submission.submitted_at.utcoffset() == UTC.utcoffset(None)
        assert submission.submitted_at.year > 1980
        assert all(answer is None or isinstance(answer, str) for answer in submission.answers.values())
        assert set(submission.answers) == {question.name for question in WELFARE.questions}
    assert extraction.server_count == len(list(extraction.submissions))
    assert extraction.present_ids is not None


@given(st.data())
@settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
def test_fuzzed_records_never_give_a_wrong_row(fuzzed: LimeSurvey, data: st.DataObject) -> None:
    rows = recorded_responses()
    fuzzed.rows, fuzzed.mangle, fuzzed.counts = rows, None, None
    for row in rows[: data.draw(st.integers(0, len(rows)))]:
        row[data.draw(_HEADINGS)] = data.draw(_JSON)
    if data.draw(st.booleans()):
        heading = data.draw(_HEADINGS)
        for row in rows:
            row[heading] = data.draw(_JSON)
    completed = sum(bool(row.get("submitdate")) for row in rows)
    fuzzed.counts = lambda: {"completed_responses": completed, "full_responses": len(rows)}
    fuzzed.answers = {"export_responses": [exported(rows)] * 4}
    read_whatever(fuzzed)


@given(st.data())
@settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
def test_fuzzed_results_never_give_a_wrong_row(fuzzed: LimeSurvey, data: st.DataObject) -> None:
    fuzzed.rows, fuzzed.mangle, fuzzed.counts = recorded_responses(), None, None
    methods = ["get_session_key", "get_survey_properties", "get_summary", "export_responses"]
    shapes = _JSON | st.fixed_dictionaries(
        {}, optional={"status": _JSON, "active": _JSON, "language": _JSON, "full_responses": _JSON, "responses": _JSON}
    )
    fuzzed.answers = {
        method: [data.draw(shapes)] for method in data.draw(st.lists(st.sampled_from(methods), min_size=1))
    }
    read_whatever(fuzzed)


@given(
    st.sampled_from(["get_session_key", "get_summary", "export_responses"]), st.integers(0, 400), st.binary(max_size=3)
)
@settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
def test_fuzzed_bytes_never_give_a_wrong_row(fuzzed: LimeSurvey, where: str, place: int, noise: bytes) -> None:
    fuzzed.rows, fuzzed.answers, fuzzed.counts = recorded_responses(), {}, None
    fuzzed.mangle = lambda method, body: body[:place] + noise + body[place + 1 :] if method == where else body
    read_whatever(fuzzed)
