from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit.sources.conftest import VISIT
from tests.unit.sources.google_server import FORM_ID, FakeGoogle, as_json, keyfile, refusal, serving
from vmeste.forms import Choice
from vmeste.sources import open_source
from vmeste.sources.base import Extraction, Submission
from vmeste.sources.config import GoogleConfig, GoogleForm
from vmeste.sources.errors import (
    AnswerNotUnderstood,
    FormUnusable,
    ReadIncomplete,
    SourceDenied,
    SourceError,
    SourceNotFound,
    SourceThrottled,
    SourceUnreachable,
)
from vmeste.sources.google_forms import GoogleFormsSource
from vmeste.sources.transport import Patience

TODAY = datetime(2021, 3, 5, 12, tzinfo=UTC)


def item(question_id: str, title: str, **kind: Any) -> dict[str, Any]:
    return {
        "itemId": f"i{question_id}",
        "title": title,
        "questionItem": {"question": {"questionId": question_id, **kind}},
    }


CHECKBOXES = {"choiceQuestion": {"type": "CHECKBOX", "options": [{"value": "Цель 1"}, {"value": "Учёба"}]}}


def a_form() -> dict[str, Any]:
    return {
        "formId": FORM_ID,
        "info": {"title": "Визит"},
        "revisionId": "00000012",
        "items": [
            {"itemId": "i0", "title": "О визите", "textItem": {}},
            item("q1", "Код пары", textQuestion={}),
            item("q2", "Date of the visit", dateQuestion={"includeYear": True}),
            item("q3", " Состоялся ли  визит? ", choiceQuestion={"type": "RADIO"}),
            item("q4", "minutes", textQuestion={}),
            item("q5", "Цели", **CHECKBOXES),
            item("q6", "Ещё что-нибудь?", textQuestion={"paragraph": True}),
            item("q7", "Фото", fileUploadQuestion={}),
            {
                "itemId": "i8",
                "title": "Как прошло",
                "questionGroupItem": {
                    "questions": [
                        {"questionId": "q8", "rowQuestion": {"title": "Настроение"}},
                        {"questionId": "q9", "rowQuestion": {"title": "Погода"}},
                    ],
                    "grid": {"columns": {"type": "RADIO"}},
                },
            },
        ],
    }


def texts(*values: str) -> dict[str, Any]:
    return {"textAnswers": {"answers": [{"value": value} for value in values]}}


def a_response(number: int, submitted: str = "", edited: str | None = None, **answers: Any) -> dict[str, Any]:
    submitted = submitted or f"2021-03-02T10:{number % 60:02d}:00.123456789Z"
    given = {"q1": texts(f"П-{number}"), "q2": texts("2021-03-01"), "q3": texts("Состоялась")} | answers
    return {
        "responseId": f"r{number}",
        "createTime": submitted,
        "lastSubmittedTime": edited or submitted,
        "respondentEmail": "somebody@vmeste.example",
        "totalScore": 3,
        "answers": {key: {"questionId": key, **answer} for key, answer in given.items()},
    }


class Known:
    def __init__(self, *live: str) -> None:
        self._live = frozenset(live)

    def live(self) -> frozenset[str]:
        return self._live

    def deleted(self) -> frozenset[str]:
        return frozenset()


@pytest.fixture
def google(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeGoogle]:
    with serving(FakeGoogle(a_form(), [a_response(1), a_response(2)])) as fake:
        connect(monkeypatch, fake)
        yield fake


def connect(monkeypatch: pytest.MonkeyPatch, fake: FakeGoogle) -> None:
    monkeypatch.setenv(
        "AIRFLOW_CONN_GOOGLE", json.dumps({"conn_type": "google", "extra": {"keyfile_dict": keyfile(fake.url)}})
    )


def source(fake: FakeGoogle, timeout: float = 5.0, now: datetime = TODAY, **origin: Any) -> GoogleFormsSource:
    return GoogleFormsSource(
        GoogleConfig(
            name="google",
            kind="google_forms",
            time_zone="Europe/Moscow",
            server=fake.url,
            connection="google",
            forms={"visit": GoogleForm(form=FORM_ID, **origin)},
        ),
        patience=Patience(attempts=2, first=0.0, longest=1.0),
        sleep=lambda _: None,
        timeout=timeout,
        now=lambda: now,
    )


def read(opened: GoogleFormsSource, cursor: Any = None, *live: str) -> tuple[Extraction, list[Submission]]:
    extraction = opened.extract(VISIT, json.loads(json.dumps(cursor)), Known(*live))
    submissions = list(extraction.submissions)
    assert extraction.server_count == len(submissions) == len({entry.submission_id for entry in submissions})
    return extraction, submissions


def lists(fake: FakeGoogle) -> list[str]:
    return [path for path in fake.asked if "/responses?" in path]


def test_a_response_is_read_by_the_wording_of_its_form(google: FakeGoogle) -> None:
    google.responses = [
        a_response(
            7,
            q4=texts("60"),
            q5=texts("Учёба", "Goal 1"),
            q6=texts("нет"),
            q7={"fileUploadAnswers": {"answers": [{"fileId": "1", "fileName": "secret.jpg"}]}},
            q8=texts("Bad"),
            q9=texts("ясно"),
        )
    ]
    extraction, (submission,) = read(source(google))
    assert submission.submission_id == "r7"
    assert submission.submitted_at == datetime(2021, 3, 2, 10, 7, 0, 123456, tzinfo=UTC)
    assert submission.updated_at is None
    assert {name: answer for name, answer in submission.answers.items() if answer is not None} == {
        "pair_code": "П-7",
        "held_on": "2021-03-01",
        "status": "held",
        "minutes": "60",
        "goals": "g3 g1",
        "mood": "1",
    }
    assert submission.extra == {"Ещё что-нибудь?": "нет", "Как прошло / Погода": "ясно"}
    assert "somebody" not in repr(extraction)
    notes = "\n".join(extraction.notes)
    assert "start_time, fare, seen_at, note" in notes
    assert "1 uploaded files" in notes
    assert "kept beside it: Ещё что-нибудь?, Как прошло / Погода\n" in notes


def test_who_sent_it_is_not_even_asked_for(google: FakeGoogle) -> None:
    read(source(google))
    (asked,) = lists(google)
    assert "fields=responses%28responseId%2CcreateTime%2ClastSubmittedTime%2Canswers%29%2CnextPageToken" in asked


@pytest.mark.parametrize(
    ("columns", "field"),
    [({"q6": "note"}, "note"), ({"Ещё что-нибудь?": "note"}, "note"), ({"q6": "fare"}, "fare")],
)
def test_sources_yml_translates_ids_and_titles(google: FakeGoogle, columns: dict[str, str], field: str) -> None:
    google.responses = [a_response(1, q6=texts("12.5"))]
    _, (submission,) = read(source(google, columns=columns))
    assert submission.answers[field] == "12.5"
    assert submission.extra == {}


def test_a_removed_item_is_translated_by_its_id_and_kept_otherwise(google: FakeGoogle) -> None:
    google.responses = [a_response(1, old=texts("a"), older=texts("b"))]
    _, (submission,) = read(source(google, columns={"old": "note"}))
    assert submission.answers["note"] == "a"
    assert submission.extra == {"older": "b"}


def test_two_items_that_ask_one_question_make_the_form_unusable(google: FakeGoogle) -> None:
    google.form["items"].append(item("q10", "Заметка"))
    google.form["items"].append(item("q11", "Note"))
    with pytest.raises(FormUnusable, match=r"google, visit: two items .* note: 'Заметка' \(q10\) and 'Note' \(q11\)"):
        read(source(google))
    _, submissions = read(source(google, columns={"q11": "fare"}))
    assert len(submissions) == 2
    google.responses = [a_response(1, q10=texts("a"), q11=texts("b"))]
    _, (submission,) = read(source(google, columns={"q11": None}))
    assert (submission.answers["note"], submission.extra["Note"]) == ("a", "b")


def test_two_items_with_one_id_are_no_form(google: FakeGoogle) -> None:
    google.form["items"].append(item("q1", "Ещё один"))
    with pytest.raises(AnswerNotUnderstood, match="two items with one id"):
        read(source(google))


def test_a_wording_that_means_two_things_means_none(google: FakeGoogle) -> None:
    choices = (Choice("1", "Хорошо", "Good"), Choice("2", "Хорошо", "Very good"))
    questions = tuple(
        replace(question, choices=choices) if question.name == "mood" else question for question in VISIT.questions
    )
    google.responses = [a_response(1, q8=texts("Хорошо")), a_response(2, q8=texts("Very good"))]
    extraction = source(google).extract(replace(VISIT, questions=questions), None, Known())
    assert [submission.answers["mood"] for submission in extraction.submissions] == ["Хорошо", "2"]


def test_a_submission_that_answers_a_question_twice_is_refused(google: FakeGoogle) -> None:
    google.responses = [a_response(1, old=texts("a"))]
    with pytest.raises(FormUnusable, match="answers pair_code twice"):
        read(source(google, columns={"old": "pair_code"}))


@pytest.mark.parametrize(
    ("written", "answer"),
    [
        (["Плохое"], "1"),
        (["  Не хочу отвечать "], "99"),
        (["2"], "2"),
        (["Так себе"], "2"),  # by sources.yml
        (["Отличное"], "Отличное"),
        (["Bad", "Even"], '["Bad", "Even"]'),
        ([], None),
        ([" "], None),
    ],
)
def test_an_option_becomes_its_code_or_stays_as_written(
    google: FakeGoogle, written: list[str], answer: str | None
) -> None:
    google.responses = [a_response(1, q8=texts(*written))]
    _, (submission,) = read(source(google, choices={"mood": {"Так себе": "2"}}))
    assert submission.answers["mood"] == answer


def test_codes_are_translated_once(google: FakeGoogle) -> None:
    google.responses = [a_response(1, q8=texts("1")), a_response(2, q8=texts("Плохое"))]
    _, submissions = read(source(google, choices={"mood": {"1": "2", "2": "1"}}))
    assert [submission.answers["mood"] for submission in submissions] == ["2", "1"]


def test_a_text_of_several_words_does_not_fall_apart_into_codes(google: FakeGoogle) -> None:
    google.responses = [a_response(1, q5=texts("Цель 1", "g2 g3"))]
    _, (submission,) = read(source(google))
    assert submission.answers["goals"] == '["Цель 1", "g2 g3"]'
    assert not set(str(submission.answers["goals"]).split()) & {"g1", "g2", "g3"}


def test_all_pages_are_read(google: FakeGoogle) -> None:
    google.responses, google.page = [a_response(number) for number in range(25)], 10
    extraction, submissions = read(source(google))
    assert [submission.submission_id for submission in submissions] == [f"r{number}" for number in range(25)]
    assert len(lists(google)) == 3
    assert extraction.present_ids == {f"r{number}" for number in range(25)}
    assert extraction.server_total is None, "the API counts nothing"


def test_a_later_read_asks_for_what_is_new_or_edited_alone(google: FakeGoogle) -> None:
    first, _ = read(source(google))
    google.responses[0] = a_response(1, edited="2021-03-05T11:00:00Z", q3=texts("Не состоялась"))
    google.responses.append(a_response(3, "2021-03-05T10:00:00.5Z"))
    google.asked.clear()
    second, submissions = read(source(google), first.cursor, "r1", "r2")
    assert "timestamp+%3E%3D+2021-03-02T09%3A52%3A00.123456Z" in lists(google)[0]
    by_id = {submission.submission_id: submission for submission in submissions}
    assert by_id["r1"].updated_at == datetime(2021, 3, 5, 11, tzinfo=UTC)
    assert by_id["r1"].submitted_at == datetime(2021, 3, 2, 10, 1, 0, 123456, tzinfo=UTC)
    assert by_id["r1"].answers["status"] == "no_show"
    assert "r3" in by_id
    assert second.present_ids is None, "only a sweep knows what is there"
    assert second.cursor["until"] == "2021-03-05T11:00:00.000000000Z"
    third, _ = read(source(google), second.cursor, "r1", "r2", "r3")
    assert third.cursor == second.cursor


def test_news_cost_one_request(google: FakeGoogle) -> None:
    first, _ = read(source(google))
    opened = source(google)
    google.asked.clear()
    assert not opened.has_news(VISIT, first.cursor, Known())
    assert [path.partition("?")[0] for path in google.asked] == ["token", f"/v1/forms/{FORM_ID}/responses"]
    google.responses[0] = a_response(1, edited="2021-03-05T11:00:00Z")
    assert opened.has_news(VISIT, first.cursor, Known())


def test_the_nanoseconds_of_the_newest_response_are_no_news(google: FakeGoogle) -> None:
    google.responses = [a_response(1, "2021-03-02T10:00:00.123456789Z")]
    first, _ = read(source(google))
    assert not source(google).has_news(VISIT, first.cursor, Known())
    google.responses.append(a_response(2, "2021-03-02T10:00:00.123456790Z"))
    assert source(google).has_news(VISIT, first.cursor, Known())


def test_a_form_without_responses_is_whole_and_has_no_news(google: FakeGoogle) -> None:
    google.responses = []
    first, submissions = read(source(google))
    assert (submissions, first.present_ids) == ([], frozenset())
    assert not source(google).has_news(VISIT, first.cursor, Known())
    google.responses = [a_response(1)]
    assert source(google).has_news(VISIT, first.cursor, Known())
    assert len(read(source(google), first.cursor)[1]) == 1


def test_the_first_read_of_a_day_is_a_sweep_that_finds_deletions(google: FakeGoogle) -> None:
    first, _ = read(source(google))
    del google.responses[0]
    assert not source(google).has_news(VISIT, first.cursor, Known("r1", "r2")), "a deletion has no time"
    late = TODAY + timedelta(hours=9, minutes=1)  # the day begins in Moscow, not in Greenwich
    assert source(google, now=late).has_news(VISIT, first.cursor, Known("r1", "r2"))
    sweep, _ = read(source(google, now=late), first.cursor, "r1", "r2")
    assert sweep.present_ids == {"r2"}
    assert f"/v1/forms/{FORM_ID}/responses/r1?fields=responseId&alt=json" in google.asked, "the server said so itself"


def test_a_response_that_the_pages_leave_out_was_not_deleted(google: FakeGoogle) -> None:
    google.hidden = {"r1"}
    with pytest.raises(ReadIncomplete, match="show 1 responses and leave out 1 that it has"):
        read(source(google), None, "r1", "r2")
    assert len(lists(google)) == 3, "rows come and go: it was tried again"


@pytest.mark.parametrize("cursor", [{}, {"files": {}}, {"form": "another", "until": "2021-03-05T11:00:00Z"}])
def test_a_cursor_of_another_shape_means_a_full_read(google: FakeGoogle, cursor: Any) -> None:
    assert source(google).has_news(VISIT, cursor, Known())
    extraction, submissions = read(source(google), cursor)
    assert len(submissions) == 2
    assert extraction.present_ids == {"r1", "r2"}


@pytest.mark.parametrize("until", [7, "yesterday", "0001-01-01T00:00:00Z", "2021-13-01T00:00:00Z", None])
def test_a_cursor_with_a_broken_moment_means_a_full_read(google: FakeGoogle, until: Any) -> None:
    first, _ = read(source(google))
    extraction, submissions = read(source(google), {**first.cursor, "until": until})
    assert (len(submissions), extraction.present_ids) == (2, {"r1", "r2"})


def test_another_translation_means_a_full_read(google: FakeGoogle) -> None:
    google.responses.append(a_response(3, "2021-03-05T10:00:00Z"))
    first, _ = read(source(google))
    assert len(read(source(google), first.cursor)[1]) == 1
    changed = source(google, columns={"q6": "note"})
    assert changed.has_news(VISIT, first.cursor, Known())
    assert len(read(changed, first.cursor)[1]) == 3
    google.form["items"][6]["title"] = "Заметка"  # the same, but changed at the server
    assert len(read(source(google), first.cursor)[1]) == 3


def test_of_a_response_that_stands_on_two_pages_the_later_one_counts(google: FakeGoogle) -> None:
    edited = a_response(1, edited="2021-03-05T11:00:00Z", q3=texts("Не состоялась"))
    google.responses, google.page = [a_response(1), edited, a_response(1)], 1
    _, (submission,) = read(source(google))
    assert submission.answers["status"] == "no_show"


@pytest.mark.parametrize("loops", ["same", "new"])
def test_pages_that_lead_nowhere_end(google: FakeGoogle, loops: str) -> None:
    google.token_loops = loops
    with pytest.raises(AnswerNotUnderstood, match="pages lead nowhere"):
        read(source(google))
    assert len(lists(google)) <= 5


WHOLE = json.dumps({"responses": [a_response(1)]}).encode()


@pytest.mark.parametrize(
    ("trap", "raised", "requests"),
    [
        (refusal(401, "UNAUTHENTICATED"), SourceDenied, 2),  # once more with a new token
        (refusal(403, "PERMISSION_DENIED", "SERVICE_DISABLED"), SourceDenied, 1),
        (refusal(403, "PERMISSION_DENIED", "RATE_LIMIT_EXCEEDED"), SourceThrottled, 2),
        (refusal(404, "NOT_FOUND"), SourceNotFound, 1),
        (refusal(429, "RESOURCE_EXHAUSTED"), SourceThrottled, 2),
        (refusal(500, "INTERNAL"), SourceUnreachable, 2),
        (refusal(503, "UNAVAILABLE"), SourceUnreachable, 2),
        (refusal(400, "INVALID_ARGUMENT"), AnswerNotUnderstood, 1),
        ((502, {}, b"<html>secret-answer</html>"), SourceUnreachable, 2),
        ((302, {"Location": "/elsewhere"}, b""), AnswerNotUnderstood, 1),
        ((200, {}, WHOLE[:-20]), SourceUnreachable, 2),
        ((200, {}, b""), SourceUnreachable, 2),
        ((200, {"Content-Length": str(len(WHOLE))}, WHOLE[:-20]), SourceUnreachable, 2),
        ((200, {"Content-Encoding": "gzip"}, WHOLE), SourceUnreachable, 2),
        ((204, {}, b""), AnswerNotUnderstood, 1),
        (as_json([]), AnswerNotUnderstood, 1),
        ("hang", SourceUnreachable, 2),
    ],
)
def test_a_refusal_or_a_cut_answer_is_an_error_of_its_cause(
    google: FakeGoogle, trap: Any, raised: type[SourceError], requests: int
) -> None:
    first, _ = read(source(google))
    opened = source(google, timeout=0.15)
    google.traps, google.asked = [trap] * 5, []
    with pytest.raises(SourceError) as caught:
        opened.has_news(VISIT, first.cursor, Known())
    assert type(caught.value) is raised
    assert len(lists(google)) == requests
    said = str(caught.value)
    assert said.startswith("google, visit") or isinstance(caught.value, SourceUnreachable)
    for secret in ("secret", "token", "reader@", google.url):
        assert secret not in said


def test_a_trap_that_goes_away_is_not_noticed(google: FakeGoogle) -> None:
    google.traps = [refusal(503, "UNAVAILABLE"), (200, {}, WHOLE[:-20])]
    with pytest.raises(SourceUnreachable):
        read(source(google))
    assert len(read(source(google))[1]) == 2


@pytest.mark.parametrize(
    ("answer", "raised"),
    [
        (as_json({"error": "invalid_grant", "error_description": "secret"}, 400), SourceDenied),
        (as_json({"secret": 1}), SourceDenied),
        ((200, {"Content-Length": "500"}, b"{"), SourceUnreachable),
    ],
)
def test_a_refused_login_is_not_tried_again(google: FakeGoogle, answer: Any, raised: type[SourceError]) -> None:
    google.token_refusal = answer
    with pytest.raises(SourceError) as caught:
        source(google).check()
    assert type(caught.value) is raised
    assert "secret" not in str(caught.value)
    assert google.asked == ["token"] * (1 if raised is SourceDenied else 2)


@pytest.mark.parametrize("where", ["extra", "text in the extra", "password"])
def test_the_key_lies_in_the_extra_or_in_the_password(
    google: FakeGoogle, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    key: Any = keyfile(google.url)
    given = {
        "extra": {"extra": {"keyfile_dict": key}},
        "text in the extra": {"extra": {"keyfile_dict": json.dumps(key)}},
        "password": {"password": json.dumps(key)},
    }[where]
    monkeypatch.setenv("AIRFLOW_CONN_GOOGLE", json.dumps({"conn_type": "google", **given}))
    assert source(google).check() == f"connected to {google.url}, 1 forms visible"


@pytest.mark.parametrize("key", [{}, {"type": "authorized_user"}, "geheim", ["geheim"], {"private_key": "geheim"}])
def test_a_key_that_is_none_names_the_way_out(google: FakeGoogle, monkeypatch: pytest.MonkeyPatch, key: Any) -> None:
    written = keyfile(google.url) | key if key == {"private_key": "geheim"} else key
    monkeypatch.setenv("AIRFLOW_CONN_GOOGLE", json.dumps({"conn_type": "google", "extra": {"keyfile_dict": written}}))
    with pytest.raises(SourceDenied, match=r"google: the connection 'google' holds no key .* keyfile_dict") as caught:
        source(google).check()
    assert "geheim" not in str(caught.value)
    assert google.asked == []


def test_a_form_that_is_not_configured_or_empty_is_named(google: FakeGoogle) -> None:
    opened = open_source(
        GoogleConfig(
            name="google",
            kind="google_forms",
            time_zone="Europe/Moscow",
            server=google.url,
            connection="google",
            forms={"other": GoogleForm(form=FORM_ID)},
        )
    )
    assert opened.name == "google"
    assert opened.overlooked() == []
    with pytest.raises(SourceError, match=r"google: sources\.yml does not say where visit lies"):
        opened.has_news(VISIT, None, Known())
    with pytest.raises(SourceError, match=r"the form has no question 'pairs'"):
        read(source(google, columns={"q1": "pairs"}))
    google.form["items"] = []
    with pytest.raises(FormUnusable, match="has no question"):
        read(source(google))


def test_nothing_is_asked_at_construction_and_no_secret_is_in_the_cursor(google: FakeGoogle) -> None:
    opened = source(google)
    assert google.asked == []
    extraction, _ = read(opened)
    assert "secret" not in json.dumps(extraction.cursor)
    assert "@" not in json.dumps(extraction.cursor)


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4) | st.just("2021-03-02T10:00:00Z"),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["value", "answers", "q1", "title", "textAnswers"]), inner, max_size=3)
    ),
    max_leaves=5,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, entry in inner for place in places(entry, (*path, key)))]


def replaced(value: Any, path: tuple[Any, ...], junk: Any) -> Any:
    if not path:
        return junk
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = replaced(value[path[0]], path[1:], junk)
    return copy


@pytest.fixture(scope="module")
def fuzzed() -> Iterator[tuple[FakeGoogle, GoogleFormsSource]]:
    """A server without responses of its own, and a source that is opened once."""
    with serving(FakeGoogle(a_form(), [])) as fake, pytest.MonkeyPatch.context() as patch:
        connect(patch, fake)
        yield fake, source(fake)


FORM = a_form()
PAGE = {"responses": [a_response(1, q5=texts("Цель 1"), q9=texts("x")), a_response(2)]}


@settings(deadline=None, max_examples=100, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_fuzzed_answers_never_give_a_wrong_row(
    fuzzed: tuple[FakeGoogle, GoogleFormsSource], data: st.DataObject
) -> None:
    bodies: list[Any] = [FORM, PAGE]
    for _ in range(data.draw(st.integers(1, 3))):
        which = data.draw(st.integers(0, 1))
        path = data.draw(st.sampled_from(places(bodies[which])))
        bodies[which] = replaced(bodies[which], path, data.draw(JUNK))
    fake, opened = fuzzed
    fake.traps = [as_json(bodies[0]), as_json(bodies[1])]
    try:
        submissions = list(opened.extract(VISIT, None, Known()).submissions)
    except SourceError as error:
        assert str(error)
        return
    for submission in submissions:
        assert isinstance(submission.submission_id, str)
        assert submission.submission_id.strip()
        for moment in (submission.submitted_at, submission.updated_at or submission.submitted_at):
            assert moment.utcoffset() == timedelta(0)
        assert set(submission.answers) == {question.name for question in VISIT.questions}
        assert all(answer is None or (isinstance(answer, str) and answer) for answer in submission.answers.values())
        json.dumps(dict(submission.extra))
