from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit.sources.conftest import MOODS, VISIT, question
from tests.unit.sources.yandex_server import DOMAIN, SURVEY, FakeYandex, as_json, serving
from vmeste.forms import Form
from vmeste.sources import open_source
from vmeste.sources.base import Extraction, Submission
from vmeste.sources.config import YandexConfig, YandexForm
from vmeste.sources.errors import (
    AnswerNotUnderstood,
    FormUnusable,
    SourceDenied,
    SourceError,
    SourceNotFound,
    SourceThrottled,
    SourceUnreachable,
)
from vmeste.sources.transport import Patience
from vmeste.sources.yandex_forms import YandexFormsSource

GUESTS = question(
    "guests",
    "repeat",
    "Гости",
    "Guests",
    members=(
        question("age", "integer", "Возраст", "Age"),
        question("feeling", "select_one", "Самочувствие", "Feeling", choices=MOODS),
    ),
)
PARTY = replace(VISIT, questions=(*VISIT.questions, GUESTS))


def column(number: int, slug: str, text: str, kind: str = "string", **more: Any) -> dict[str, Any]:
    return {"id": number, "slug": slug, "type": kind, "text": text, "has_scores": False} | more


def columns() -> list[dict[str, Any]]:
    return [
        column(11, "pair_code", "Укажите код"),
        column(12, "answer_date_1", "Дата  визита", "date"),
        column(13, "answer_choices_1", "Состоялся ли визит?", "enum"),
        column(14, "minutes", "Сколько", "integer"),
        column(15, "answer_choices_2", "Цели", "enum"),
        column(16, "mood", "Как настроение?", "enum"),
        column(17, "answer_comment_1", "Спасибо!", "comment"),
        column(18, "answer_files_1", "Фото", "file"),
        column(19, "weather", "Погода", "enum"),
    ]


SERIES = column(
    20,
    "answer_series_1",
    "Гости",
    "series",
    depth=1,
    rows=None,
    items=[
        column(21, "age", "Сколько лет", "integer"),
        column(22, "q22", "Самочувствие", "enum"),
        column(23, "q23", "Имя"),
    ],
)


def value(given: Any) -> dict[str, Any]:
    return {"value": given}


def chosen(*options: tuple[str, str]) -> dict[str, Any]:
    return value([{"key": slug, "slug": slug, "text": text} for slug, text in options])


def an_answer(number: int, **data: Any) -> dict[str, Any]:
    given = {
        "pair_code": value(f"П-{number}"),
        "answer_date_1": value("2021-03-01"),
        "answer_choices_1": chosen(("72886", "Состоялась")),
    }
    return {
        "id": number,
        "created": f"2021-03-02T10:{number % 60:02d}:00Z",
        "uid": "1120000000039962",
        "quiz": {"scores": 3},
        "data": given | data,
    }


class Known:
    def __init__(self, *live: str) -> None:
        self._live = frozenset(live)

    def live(self) -> frozenset[str]:
        return self._live

    def deleted(self) -> frozenset[str]:
        return frozenset()


@pytest.fixture
def yandex(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeYandex]:
    connect(monkeypatch)
    with serving(FakeYandex(columns(), [an_answer(1), an_answer(2)])) as fake:
        yield fake


TOKEN = "secret-token"


def connect(monkeypatch: pytest.MonkeyPatch, token: str = TOKEN, **extra: str) -> None:
    given = {"conn_type": "http", "password": token, "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_YANDEX", json.dumps(given))


def source(fake: FakeYandex, timeout: float = 5.0, is_cloud: bool = False, **origin: Any) -> YandexFormsSource:
    return YandexFormsSource(
        YandexConfig(
            name="yandex",
            kind="yandex_forms",
            time_zone="Europe/Moscow",
            server=fake.url,
            connection="yandex",
            organisation="2188",
            is_cloud_organisation=is_cloud,
            forms={"visit": YandexForm(survey=SURVEY, **origin)},
        ),
        patience=Patience(attempts=2, first=0.0, longest=1.0),
        sleep=lambda _: None,
        timeout=timeout,
    )


def read(opened: YandexFormsSource, *live: str, form: Form = VISIT) -> tuple[Extraction, list[Submission]]:
    extraction = opened.extract(form, {"survey": "another"}, Known(*live))
    submissions = list(extraction.submissions)
    assert extraction.server_count == len(submissions) == len({entry.submission_id for entry in submissions})
    return extraction, submissions


FULL = an_answer(
    7,
    minutes=value(60),
    answer_choices_2=chosen(("72890", "Учёба"), ("g1", "Первая цель")),
    mood=chosen(("99", "Промолчу")),
    answer_files_1=value([{"name": "secret.jpg", "path": "/1/secret.jpg"}]),
    weather=chosen(("1", "Ясно")),
    removed=value("раньше"),
)


@pytest.mark.parametrize("formats", [("default", "raw"), ("raw", "default"), ("default",)])
def test_an_answer_is_read_by_slug_and_by_wording(yandex: FakeYandex, formats: tuple[str, ...]) -> None:
    yandex.answers, yandex.formats = [FULL], formats
    extraction, (submission,) = read(source(yandex))
    assert submission.submission_id == "7"
    assert submission.submitted_at == datetime(2021, 3, 2, 10, 7, tzinfo=UTC)
    assert submission.updated_at is None, "the server hides edits"
    answers = {name: answer for name, answer in submission.answers.items() if answer is not None}
    both = {"pair_code": "П-7", "held_on": "2021-03-01", "status": "held", "minutes": "60"}
    if "raw" in formats:
        assert answers == both | {"goals": "g3 g1", "mood": "99"}
        assert submission.extra == {"Погода": "Ясно", "removed": "раньше"}
    else:
        # the default format gives texts alone, so a slug cannot help
        assert answers == both | {"goals": '["Учёба", "Первая цель"]', "mood": "Промолчу"}
        assert submission.extra == {"Погода": "Ясно"}
    notes = "\n".join(extraction.notes)
    assert "start_time, fare, seen_at, note" in notes
    assert "1 uploaded files" in notes
    assert "secret" not in repr(extraction)
    assert "1120000000039962" not in repr(extraction)


def test_raw_data_may_be_a_list_of_objects_as_the_schema_says(yandex: FakeYandex) -> None:
    yandex.answers = [FULL | {"data": [{key: entry} for key, entry in FULL["data"].items()]}]
    _, (submission,) = read(source(yandex))
    assert submission.answers["goals"] == "g3 g1"
    yandex.answers[0]["data"].append({"minutes": value(61)})
    with pytest.raises(AnswerNotUnderstood, match="a question that is answered twice"):
        read(source(yandex))


def test_columns_may_be_known_by_their_number(yandex: FakeYandex) -> None:
    yandex.answers = [an_answer(1) | {"data": {"11": value("П-1"), "14": value(5), "16": chosen(("1", "Плохое"))}}]
    _, (submission,) = read(source(yandex, columns={"16": "note"}))
    assert (submission.answers["pair_code"], submission.answers["minutes"]) == ("П-1", "5")
    assert (submission.answers["note"], submission.answers["mood"]) == ("Плохое", None)


def test_a_question_that_took_anothers_place_may_stand_empty_beside_it(yandex: FakeYandex) -> None:
    yandex.answers = [an_answer(1, old=value(5), minutes=value(None)), an_answer(2, minutes=value(6))]
    _, submissions = read(source(yandex, columns={"old": "minutes"}))
    assert [submission.answers["minutes"] for submission in submissions] == ["5", "6"]
    yandex.answers = [an_answer(1, old=value(5), minutes=value(6))]
    with pytest.raises(FormUnusable, match="a submission answers minutes twice"):
        read(source(yandex, columns={"old": "minutes"}))


@pytest.mark.parametrize("key", ["answer_comment_9", "19", "weather", "Погода"])
def test_sources_yml_translates_slugs_numbers_and_texts(yandex: FakeYandex, key: str) -> None:
    yandex.answers = [an_answer(1, weather=value("ясно"), answer_comment_9=value("ясно"))]
    _, (submission,) = read(source(yandex, columns={key: "note"}))
    assert submission.answers["note"] == "ясно"


@pytest.mark.parametrize(
    ("written", "answer"),
    [
        (chosen(("1", "Ровное")), "2"),  # what the respondent saw is surer than an id
        (chosen(("1", "Хуже некуда")), "1"),
        (chosen(("72890", "Так себе")), "2"),  # by sources.yml
        (chosen(("x9", "Bad")), "99"),  # by sources.yml, which is surer than all
        (value([{"key": "1", "slug": "", "text": "Странное"}]), "1"),
        (value([{"key": "1", "slug": "72891", "text": "Странное"}]), "Странное"),
        (value(["Плохое"]), "1"),
        (value("Плохое"), "1"),
        (value(1), "1"),
        (value(True), "1"),
        (value(False), "0"),
        (value([]), None),
        (value(None), None),
        (value(["Bad", "Even"]), '["Bad", "Even"]'),
    ],
)
def test_an_option_becomes_its_code_or_stays_as_written(yandex: FakeYandex, written: Any, answer: str | None) -> None:
    yandex.answers = [an_answer(1, mood=written)]
    _, (submission,) = read(source(yandex, choices={"mood": {"Так себе": "2", "x9": "99"}}))
    assert submission.answers["mood"] == answer


@pytest.mark.parametrize("formats", [("default", "raw"), ("default",)])
def test_a_series_is_a_repeat(yandex: FakeYandex, formats: tuple[str, ...]) -> None:
    yandex.columns.append(SERIES)
    member = {"age": value(7), "q22": chosen(("72895", "Плохое")), "q23": value("secret")}
    yandex.formats = formats
    yandex.answers = [an_answer(1, answer_series_1=value([member, {"age": value(9)}])), an_answer(2)]
    _, submissions = read(source(yandex), form=PARTY)
    first = json.loads(submissions[0].answers["guests"] or "")
    assert [{name: entry for name, entry in guest.items() if entry} for guest in first] == [
        {"age": "7", "feeling": "1"},
        {"age": "9"},
    ]
    assert submissions[0].extra == {"Гости[1] / Имя": "secret"}
    assert submissions[1].answers["guests"] is None


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (column(21, "note", "Оценки", "matrix", rows=["Настроение"]), r"'Оценки' \(matrix\) cannot ask note \(text\)"),
        (SERIES | {"slug": "note", "text": ""}, r"'note' \(series\) cannot ask note \(text\)"),
        (column(21, "guests", "Гости"), r"'Гости' \(string\) cannot ask guests \(repeat\)"),
        (column(21, "q21", "Сколько минут?"), r"two items .* minutes: 'Сколько' \(14\) and 'Сколько минут\?' \(21\)"),
    ],
)
def test_a_question_of_another_kind_makes_the_survey_unusable(
    yandex: FakeYandex, changed: dict[str, Any], said: str
) -> None:
    yandex.columns.append(changed)
    with pytest.raises(FormUnusable, match=said):
        read(source(yandex), form=PARTY)


def test_a_text_between_the_questions_asks_nothing(yandex: FakeYandex) -> None:
    yandex.columns += [column(21, "", "Сколько минут?", "comment"), column(22, "q22", "Заметка", "captcha")]
    yandex.answers = [an_answer(1, minutes=value(5), q22=value("x"))]
    _, (submission,) = read(source(yandex))
    assert (submission.answers["minutes"], submission.answers["note"]) == ("5", None)


def test_an_item_may_be_said_to_be_no_question(yandex: FakeYandex) -> None:
    yandex.answers = [an_answer(1, minutes=value(5))]
    _, (submission,) = read(source(yandex, columns={"minutes": None}))
    assert submission.answers["minutes"] is None
    assert 5 in submission.extra.values()


def test_a_matrix_that_asks_nothing_of_ours_is_kept_beside(yandex: FakeYandex) -> None:
    yandex.columns.append(column(21, "rating", "Оценки", "matrix", rows=["Кухня"]))
    yandex.answers = [an_answer(1, rating=value([["Кухня", "Хорошо"]]))]
    _, (submission,) = read(source(yandex))
    assert submission.extra == {"Оценки": ["Кухня", "Хорошо"]}


@pytest.mark.parametrize(
    "link",
    [
        "/v1/surveys/{survey}/answers?{query}",
        "/surveys/{survey}/answers/?{query}",
        DOMAIN + "/v1/surveys/{survey}/answers?{query}",
    ],
)
@pytest.mark.parametrize("link_forgets", [True, False])
def test_all_pages_are_read_from_the_server_that_was_asked(yandex: FakeYandex, link: str, link_forgets: bool) -> None:
    yandex.answers, yandex.page = [an_answer(number) for number in range(1, 26)], 10
    yandex.link, yandex.link_forgets = link, link_forgets
    extraction, submissions = read(source(yandex))
    assert [submission.submission_id for submission in submissions] == [str(number) for number in range(1, 26)]
    assert len(yandex.asked) == 4, "the columns and three pages"
    assert (extraction.present_ids, extraction.server_total) == (None, None), "the server counts nothing"


@pytest.mark.parametrize(
    "link", [DOMAIN + "/steal?{query}", "/v1/surveys/other/answers?{query}", "/v1/surveys/{survey}/answers", "http://["]
)
def test_a_link_that_leaves_the_survey_is_not_followed(yandex: FakeYandex, link: str) -> None:
    yandex.page, yandex.link = 1, link
    with pytest.raises(AnswerNotUnderstood, match="none of this survey's answers"):
        read(source(yandex))
    assert len(yandex.asked) == 2


def test_pages_that_lead_nowhere_end(yandex: FakeYandex) -> None:
    yandex.loops = True
    with pytest.raises(AnswerNotUnderstood, match=r"pages lead nowhere .* after 2 answers"):
        read(source(yandex))
    assert len(yandex.asked) <= 6


def test_what_is_no_longer_there_is_said_and_not_believed(yandex: FakeYandex) -> None:
    extraction, _ = read(source(yandex), "1", "2", "3")
    assert any(note.startswith("1 submissions that we hold are no longer among") for note in extraction.notes)
    assert extraction.present_ids is None
    assert source(yandex).has_news(VISIT, extraction.cursor, Known()), "an edit leaves no trace"


@pytest.mark.parametrize(
    ("token", "extra", "is_cloud", "authorization", "organisation"),
    [
        ("y0_secret", {}, False, "OAuth y0_secret", "X-Org-Id"),
        ("t1.secret", {}, True, "Bearer t1.secret", "X-Cloud-Org-Id"),
        (" y0_secret\n", {"scheme": "bearer"}, True, "Bearer y0_secret", "X-Cloud-Org-Id"),
    ],
)
def test_who_we_are_is_said_in_headers(
    yandex: FakeYandex,
    monkeypatch: pytest.MonkeyPatch,
    token: str,
    extra: dict[str, str],
    is_cloud: bool,
    authorization: str,
    organisation: str,
) -> None:
    connect(monkeypatch, token, **extra)
    assert source(yandex, is_cloud=is_cloud).check() == f"connected to {yandex.url}, 1 forms visible"
    assert yandex.headers["Authorization"] == authorization
    assert {name: said for name, said in yandex.headers.items() if "Org-Id" in name} == {organisation: "2188"}


@pytest.mark.parametrize(
    ("token", "extra"), [("", {}), ("geheim geheim", {}), ("геheim", {}), ("geheim", {"scheme": "Basic"})]
)
def test_a_connection_without_a_token_names_the_way_out(
    yandex: FakeYandex, monkeypatch: pytest.MonkeyPatch, token: str, extra: dict[str, str]
) -> None:
    connect(monkeypatch, token, **extra)
    with pytest.raises(SourceDenied, match="yandex: the connection 'yandex' holds no token") as caught:
        source(yandex).check()
    assert "heim" not in str(caught.value)
    assert yandex.asked == []


WHOLE = json.dumps({"columns": columns(), "answers": [], "next": None}).encode()


@pytest.mark.parametrize(
    ("trap", "raised", "requests"),
    [
        (as_json({"detail": "secret"}, 401), SourceDenied, 1),
        (as_json({"detail": "secret"}, 403), SourceDenied, 1),
        (as_json({"detail": "secret"}, 404), SourceNotFound, 1),
        (as_json({"detail": "secret"}, 400), AnswerNotUnderstood, 1),
        ((429, {"Retry-After": "1"}, b""), SourceThrottled, 2),
        ((429, {"Retry-After": "3600"}, b""), SourceThrottled, 1),
        ((500, {}, b"secret"), SourceUnreachable, 2),
        ((502, {}, b"<html>secret</html>"), SourceUnreachable, 2),
        ((302, {"Location": "/elsewhere"}, b""), AnswerNotUnderstood, 1),
        ((200, {}, WHOLE[:-20]), SourceUnreachable, 2),
        ((200, {}, b""), SourceUnreachable, 2),
        ((200, {"Content-Length": str(len(WHOLE))}, WHOLE[:-20]), SourceUnreachable, 2),
        ((200, {"Content-Encoding": "gzip"}, WHOLE), SourceUnreachable, 2),
        (as_json([]), AnswerNotUnderstood, 1),
        (as_json({}), AnswerNotUnderstood, 1),
        ("hang", SourceUnreachable, 2),
    ],
)
def test_a_refusal_or_a_cut_answer_is_an_error_of_its_cause(
    yandex: FakeYandex, trap: Any, raised: type[SourceError], requests: int
) -> None:
    yandex.traps = [trap] * 5
    with pytest.raises(SourceError) as caught:
        read(source(yandex, timeout=0.15))
    assert type(caught.value) is raised
    assert len(yandex.asked) == requests
    said = str(caught.value)
    assert said.startswith("yandex, visit") or type(caught.value) is SourceUnreachable
    for secret in ("secret", "2188", yandex.url):
        assert secret not in said


def test_a_trap_that_goes_away_is_not_noticed(yandex: FakeYandex) -> None:
    yandex.traps = [(503, {}, b"")]
    assert len(read(source(yandex))[1]) == 2


@pytest.mark.parametrize(
    "broken",
    [
        {"id": None},
        {"id": True},
        {"id": " "},
        {"created": "yesterday"},
        {"created": None},
        {"created": "0001-01-01T00:00:00+03:00"},
        {"data": [{"value": 1}]},
        {"data": {"mood": {"value": [[1]]}}},
        {"data": {"mood": {"scores": 1}}},
        {"data": {"mood": 7}},
        {"data": 7},
    ],
)
def test_what_the_documentation_does_not_say_is_an_error(yandex: FakeYandex, broken: dict[str, Any]) -> None:
    yandex.answers[0] |= {"id": 1}
    yandex.traps = [as_json({"columns": columns(), "answers": []}), as_json({"answers": [an_answer(1) | broken]})]
    with pytest.raises(AnswerNotUnderstood, match="yandex, visit: the server's answer is not as the documentation"):
        read(source(yandex))


def test_a_form_that_is_not_configured_is_named(yandex: FakeYandex) -> None:
    opened = open_source(
        YandexConfig(
            name="yandex",
            kind="yandex_forms",
            time_zone="Europe/Moscow",
            server=yandex.url,
            connection="yandex",
            organisation="2188",
            forms={"other": YandexForm(survey=SURVEY)},
        )
    )
    assert (opened.name, opened.overlooked()) == ("yandex", [])
    with pytest.raises(SourceError, match=r"yandex: sources\.yml does not say where visit lies"):
        opened.has_news(VISIT, None, Known())
    with pytest.raises(SourceError, match=r"the form has no question 'pairs'"):
        read(source(yandex, columns={"q1": "pairs"}))


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4) | st.just("2021-03-02T10:00:00Z"),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["value", "answers", "key", "slug", "text", "id"]), inner, max_size=3)
    ),
    max_leaves=5,
)


def places(given: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = given.items() if isinstance(given, dict) else enumerate(given) if isinstance(given, list) else ()
    return [path, *(place for key, entry in inner for place in places(entry, (*path, key)))]


def replaced(given: Any, path: tuple[Any, ...], junk: Any) -> Any:
    if not path:
        return junk
    copy = dict(given) if isinstance(given, dict) else list(given)
    copy[path[0]] = replaced(given[path[0]], path[1:], junk)
    return copy


@pytest.fixture(scope="module")
def fuzzed() -> Iterator[tuple[FakeYandex, YandexFormsSource]]:
    """A server without answers of its own, and a source that is opened once."""
    with serving(FakeYandex(columns(), [])) as fake, pytest.MonkeyPatch.context() as patch:
        connect(patch)
        yield fake, source(fake)


COLUMNS = {"columns": [*columns(), SERIES], "answers": [], "next": None}
PAGE = {
    "answers": [FULL, an_answer(2, answer_series_1=value([{"age": value(7), "q22": chosen(("1", "Плохое"))}]))],
    "next": {"next_url": ""},
}


@settings(deadline=None, max_examples=200, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_fuzzed_answers_never_give_a_wrong_row(
    fuzzed: tuple[FakeYandex, YandexFormsSource], data: st.DataObject
) -> None:
    bodies: list[Any] = [COLUMNS, PAGE]
    for _ in range(data.draw(st.integers(1, 3))):
        which = data.draw(st.integers(0, 1))
        path = data.draw(st.sampled_from(places(bodies[which])))
        bodies[which] = replaced(bodies[which], path, data.draw(JUNK))
    fake, opened = fuzzed
    fake.traps = [as_json(bodies[0]), as_json(bodies[1])]
    try:
        submissions = list(opened.extract(PARTY, None, Known()).submissions)
    except SourceError as error:
        assert str(error)
        return
    for submission in submissions:
        assert isinstance(submission.submission_id, str)
        assert submission.submission_id.strip()
        assert submission.submitted_at.utcoffset() == timedelta(0)
        assert set(submission.answers) == {entry.name for entry in PARTY.questions}
        assert all(answer is None or (isinstance(answer, str) and answer) for answer in submission.answers.values())
        json.dumps(dict(submission.extra))
