from __future__ import annotations

import copy
import json
import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit.sources.conftest import VISIT, question
from tests.unit.sources.kobo_fake import ASSET, TOKEN, VERSION, FakeKobo, row, serve, uuid
from vmeste.forms import Form
from vmeste.sources import open_source
from vmeste.sources.base import Extraction, Submission
from vmeste.sources.config import KoboConfig
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
from vmeste.sources.kobotoolbox import KoboToolboxSource
from vmeste.sources.transport import Patience

PLACE = "kobo, visit"


@dataclass
class Held:
    """What the warehouse holds."""

    alive: frozenset[str] = frozenset()
    dead: frozenset[str] = frozenset()

    def live(self) -> frozenset[str]:
        return self.alive

    def deleted(self) -> frozenset[str]:
        return self.dead


@dataclass
class Kobo:
    """A server and the source that reads it."""

    fake: FakeKobo
    slept: list[float] = field(default_factory=list)
    configured: dict[str, Any] = field(default_factory=dict)
    timeout: tuple[float, float] = (5.0, 5.0)

    def source(self) -> KoboToolboxSource:
        written = {
            "name": "kobo",
            "kind": "kobotoolbox",
            "server": self.fake.url,
            "connection": "kobo_test",
            "time_zone": "Europe/Moscow",
            "forms": {"visit": {"asset": ASSET}},
        }
        config = KoboConfig.model_validate(written | self.configured)
        return KoboToolboxSource(config, Patience(attempts=3, first=0.0), self.slept.append, self.timeout)

    def extract(
        self, known: Held | None = None, form: Form = VISIT, cursor: Mapping[str, Any] | None = None
    ) -> tuple[Extraction, list[Submission]]:
        extraction = self.source().extract(form, cursor, known or Held())
        submissions = list(extraction.submissions)
        assert extraction.server_count == len(submissions) == extraction.server_total, "the proof of completeness"
        assert extraction.present_ids == {submission.submission_id for submission in submissions}
        json.dumps(extraction.cursor)
        return extraction, submissions

    def numbers(self) -> list[int]:
        """The ``_id`` of each submission of a read, from the identity that ``kobo_fake.row`` gives it."""
        return [int(submission.submission_id[-12:]) for submission in self.extract()[1]]


@pytest.fixture
def kobo(monkeypatch: pytest.MonkeyPatch) -> Iterator[Kobo]:
    monkeypatch.setenv("AIRFLOW_CONN_KOBO_TEST", json.dumps({"conn_type": "http", "password": TOKEN}))
    with serve(FakeKobo()) as fake:
        yield Kobo(fake)


def test_a_submission_is_read_with_its_groups_and_without_bookkeeping(kobo: Kobo) -> None:
    kobo.fake.rows = [
        row(7, about__pair_code="П-1", about__when__held_on="2026-11-19", goals="g1 g3", about__other="x")
    ]
    extraction, (submission,) = kobo.extract()
    assert submission.submission_id == uuid(7)
    assert submission.submitted_at == datetime(2026, 11, 20, 7, 0, 7, tzinfo=UTC), "naive moments are UTC"
    assert submission.updated_at is None
    assert submission.form_version == VERSION
    assert {name: answer for name, answer in submission.answers.items() if answer} == {
        "pair_code": "П-1",
        "held_on": "2026-11-19",
        "goals": "g1 g3",
    }
    assert submission.answers.keys() == {question.name for question in VISIT.questions}, "an absent leaf is no answer"
    assert submission.extra == {"about/other": "x"}
    assert extraction.notes == ("written by the device and left out: deviceid, end, start, username",)


def test_a_question_that_is_called_like_bookkeeping_is_a_question(kobo: Kobo) -> None:
    kobo.configured = {"forms": {"visit": {"asset": ASSET, "columns": {"start": "seen_at", "meta/instanceID": "note"}}}}
    kobo.fake.rows = [row(1)]
    _, (submission,) = kobo.extract()
    assert submission.answers["seen_at"] == "2026-11-20T10:00:00+03:00"
    assert submission.answers["note"] == f"uuid:{uuid(1)}"


def test_bookkeeping_that_is_said_to_be_no_question_is_left_out_all_the_same(kobo: Kobo) -> None:
    kobo.configured = {"forms": {"visit": {"asset": ASSET, "columns": {"deviceid": None, "about/note": None}}}}
    kobo.fake.rows = [row(1, about__note="x", note="y", deviceid="phone-1")]
    extraction, (submission,) = kobo.extract()
    assert (submission.answers["note"], submission.extra) == ("y", {"about/note": "x"})
    assert any("deviceid" in note for note in extraction.notes)


def test_codes_are_translated_and_an_unknown_one_stays(kobo: Kobo) -> None:
    kobo.configured = {
        "forms": {"visit": {"asset": ASSET, "choices": {"goals": {"1": "g1", "2": "g2"}, "status": {"1": "held"}}}}
    }
    kobo.fake.rows = [row(1, goals="2 1 9", status="1")]
    _, (submission,) = kobo.extract()
    assert (submission.answers["goals"], submission.answers["status"]) == ("g2 g1 9", "held")


def test_a_repeat_is_one_field_with_the_names_within_its_members(kobo: Kobo) -> None:
    members = (question("who", "text", "Кто", "Who"), question("how", "text", "Как", "How"))
    visits = question("visit", "repeat", "Визиты", "Visits", members=members)
    form = replace(VISIT, questions=(*VISIT.questions, visits))
    first = {"about/visit/who": "a", "about/visit/more/how": "b"}
    second = {"about/visit/who": "c", "about/visit/inner": [{"about/visit/inner/x": "1"}]}
    kobo.fake.rows = [row(1, about__visit=[first, second]), row(2)]
    _, (submission, without) = kobo.extract(form=form)
    assert json.loads(submission.answers["visit"] or "") == [{"who": "a", "how": "b"}, {"who": "c"}]
    assert without.answers["visit"] is None
    assert submission.extra == {"about/visit[2]/inner": [{"about/visit/inner/x": "1"}]}, "a nested one is kept as it is"
    _, (unknown, _) = kobo.extract()
    assert unknown.extra["about/visit"][0] == {"who": "a", "more/how": "b"}


@pytest.mark.parametrize(
    ("status", "state", "is_counted"),
    [
        ({}, "received", True),
        (None, "received", True),
        ({"uid": None}, "received", True),
        ({"uid": "validation_status_approved", "label": "Approved", "by_whom": "robot"}, "approved", True),
        ({"uid": "validation_status_on_hold"}, "on_hold", True),
        ({"uid": "validation_status_not_approved"}, "not_approved", False),
    ],
)
def test_a_review_says_whether_a_submission_counts(kobo: Kobo, status: Any, state: str, is_counted: bool) -> None:
    kobo.fake.rows = [row(1, _validation_status=status)]
    _, (submission,) = kobo.extract()
    assert (submission.review_state, submission.is_counted, submission.is_deleted) == (state, is_counted, False)


def test_which_reviews_count_is_configured(kobo: Kobo) -> None:
    kobo.configured = {"reviews_that_count": ["approved"]}
    kobo.fake.rows = [row(1), row(2, _validation_status={"uid": "validation_status_approved"})]
    assert [submission.is_counted for submission in kobo.extract()[1]] == [False, True]


def test_an_unknown_review_is_refused(kobo: Kobo) -> None:
    kobo.fake.rows = [row(1, _validation_status={"uid": "validation_status_perhaps"})]
    with pytest.raises(AnswerNotUnderstood, match=r"kobo, visit: submission _id 1 has a validation status"):
        kobo.extract()


def test_an_edit_keeps_the_identity_and_the_moment(kobo: Kobo) -> None:
    kobo.fake.rows = [row(1, note="a")]
    _, (before,) = kobo.extract()
    kobo.fake.edit(1, note="b")
    _, (after,) = kobo.extract()
    assert (before.answers["note"], after.answers["note"]) == ("a", "b")
    assert before.submission_id == after.submission_id
    assert before.submitted_at == after.submitted_at
    assert after.updated_at is None, "ingest dates it by its content"


def test_a_row_without_a_root_uuid_keeps_its_identity_through_an_edit_and_a_later_repair(kobo: Kobo) -> None:
    kobo.fake.rows = [row(1, note="a"), row(2)]
    del kobo.fake.rows[0]["meta/rootUuid"]
    extraction, (before, other) = kobo.extract()
    assert other.submission_id == uuid(2)
    assert any("1 submissions have no meta/rootUuid" in note for note in extraction.notes)
    kobo.fake.edit(1, note="b")
    _, (edited, _) = kobo.extract()
    kobo.fake.rows[0]["meta/rootUuid"] = f"uuid:{uuid(1)}"
    _, (repaired, _) = kobo.extract(Held(frozenset({before.submission_id, other.submission_id})))
    assert before.submission_id == edited.submission_id == repaired.submission_id


def test_two_rows_with_one_root_uuid_stay_two_submissions(kobo: Kobo) -> None:
    kobo.fake.rows = [row(1, note="a"), row(2, note="b") | {"meta/rootUuid": f"uuid:{uuid(1)}"}]
    _, (first, copy_) = kobo.extract()
    assert first.submission_id == uuid(1) != copy_.submission_id
    kobo.fake.delete(1)
    _, (left,) = kobo.extract(Held(frozenset({first.submission_id, copy_.submission_id})))
    assert left.submission_id == copy_.submission_id, "the copy does not become the one that was deleted"


@pytest.mark.parametrize("root", [None, "", "uuid:", "uuid: ", "uuid:\x00", "uuid:\ud800", 7, ["x"]])
def test_a_root_uuid_that_names_nobody_is_none(kobo: Kobo, root: Any) -> None:
    kobo.fake.rows = [row(1) | {"meta/rootUuid": root}]
    _, (submission,) = kobo.extract()
    assert submission.submission_id == f"{ASSET}-1"


def test_a_root_uuid_that_takes_another_row_s_name_is_refused(kobo: Kobo) -> None:
    kobo.fake.rows = [row(1) | {"meta/rootUuid": f"{ASSET}-2"}, row(2) | {"meta/rootUuid": None}]
    with pytest.raises(AnswerNotUnderstood, match="kobo, visit: two submissions have the same identity"):
        kobo.extract()


@pytest.mark.parametrize("version", [None, "", 7])
def test_a_submission_without_a_version_has_the_form_s(kobo: Kobo, version: Any) -> None:
    kobo.fake.rows = [row(1) | {"__version__": version}]
    _, (submission,) = kobo.extract()
    assert submission.form_version == VISIT.version


@pytest.mark.parametrize("count", [0, 1, 99, 100, 101, 1000, 1001, 2500])
def test_all_pages_are_read(kobo: Kobo, count: int) -> None:
    kobo.fake.rows = [row(number) for number in range(1, count + 1)]
    assert kobo.numbers() == list(range(1, count + 1))
    first = kobo.fake.data_requests[0]
    assert (first["limit"], first["sort"]) == ("1000", '{"_id":1}')


def test_a_limit_that_is_clamped_is_no_end(kobo: Kobo) -> None:
    kobo.fake.max_limit = 2
    kobo.fake.rows = [row(number) for number in range(1, 8)]
    assert kobo.numbers() == [1, 2, 3, 4, 5, 6, 7]


def test_the_next_page_is_asked_of_the_server_that_was_asked(kobo: Kobo) -> None:
    kobo.fake.max_limit = 2
    kobo.fake.domain = "http://127.0.0.2:9/behind/a/proxy"
    kobo.fake.rows = [row(number) for number in range(1, 4)]
    assert kobo.numbers() == [1, 2, 3]


@pytest.mark.parametrize(
    "link",
    [
        f"https://kf.kobo.example.org/api/v2/assets/{ASSET}/data/?start=0&limit=2",
        f"https://kf.kobo.example.org/api/v2/assets/{ASSET}/data/?start=0&limit=2&again=1",
        "https://kf.kobo.example.org/api/v2/assets/aOther/data/?start=2",
        f"https://kf.kobo.example.org/api/v2/assets/{ASSET}/data/../../aOther/data/?start=2",
        f"https://kf.kobo.example.org/api/v2/assets/{ASSET}/data/",
        "https://[kf/api",
        f"/api/v2/assets/{ASSET}/data/?start=\x00",
        "weiter",
        7,
    ],
)
def test_a_next_page_that_loops_or_leads_away_ends_the_read(kobo: Kobo, link: Any) -> None:
    kobo.fake.max_limit = 2
    kobo.fake.rows = [row(number) for number in range(1, 6)]
    kobo.fake.next_link = lambda _: link
    with pytest.raises(AnswerNotUnderstood, match="kobo, visit: "):
        kobo.extract()
    assert len(kobo.fake.requests) <= 2


@pytest.mark.parametrize("off", [1, -1])
def test_a_count_that_is_not_reached_is_no_complete_read(kobo: Kobo, off: int) -> None:
    kobo.fake.rows = [row(1), row(2)]
    kobo.fake.count_off = off
    with pytest.raises(ReadIncomplete, match=rf"kobo, visit: the server counts {2 + off} submissions and gave 2"):
        kobo.extract()
    assert len(kobo.fake.requests) == 4, "tried again a few times"


def once(number: int, change: Callable[[FakeKobo], None]) -> Callable[[FakeKobo, int], None]:
    """Change the server's rows just before it answers a request for submissions, and never again."""

    def before(fake: FakeKobo, request: int) -> None:
        if request == number:
            change(fake)

    return before


@pytest.mark.parametrize("request_number", [2, 3, 4, 5, 6])
def test_a_deletion_between_pages_loses_no_row(kobo: Kobo, request_number: int) -> None:
    kobo.fake.max_limit = 2
    kobo.fake.rows = [row(number) for number in range(1, 7)]
    kobo.fake.before = once(request_number, lambda fake: fake.delete(1))
    read = kobo.numbers()
    assert read in ([2, 3, 4, 5, 6], [1, 2, 3, 4, 5, 6])
    # a row that was there all the time is in it, and one that was gone before the last try is not
    assert (read == [1, 2, 3, 4, 5, 6]) == (len(kobo.fake.requests) == 6)


def test_a_deletion_that_an_arrival_hides_from_the_count_loses_no_row(kobo: Kobo) -> None:
    def exchange(fake: FakeKobo) -> None:
        fake.delete(1)
        fake.rows.append(row(7))

    kobo.fake.max_limit = 2
    kobo.fake.rows = [row(number) for number in range(1, 7)]
    kobo.fake.before = once(2, exchange)
    assert kobo.numbers() == [2, 3, 4, 5, 6, 7], "without the second look row 3 would be missing, and the count right"


def test_an_arrival_between_pages_is_read_or_left_for_the_next_run(kobo: Kobo) -> None:
    kobo.fake.max_limit = 2
    kobo.fake.rows = [row(number) for number in range(1, 6)]
    kobo.fake.before = once(2, lambda fake: fake.rows.append(row(6)))
    assert kobo.numbers() == [1, 2, 3, 4, 5, 6]
    kobo.fake.requests.clear()
    kobo.fake.before = once(4, lambda fake: fake.rows.append(row(7)))
    assert kobo.numbers() == [1, 2, 3, 4, 5, 6], "it came after the last page"


def test_rows_that_never_stand_still_are_no_complete_read(kobo: Kobo) -> None:
    def shift(fake: FakeKobo, _: int) -> None:
        fake.rows.pop(0)
        fake.rows.append(row(fake.rows[-1]["_id"] + 1))

    kobo.fake.max_limit = 2
    kobo.fake.rows = [row(number) for number in range(1, 7)]
    kobo.fake.before = shift
    with pytest.raises(ReadIncomplete, match=r"kobo, visit: .*\d"):
        kobo.extract()


def test_a_server_that_does_not_sort_gives_no_row_twice(kobo: Kobo) -> None:
    def first(fake: FakeKobo) -> None:
        fake.rows.insert(0, row(6))

    kobo.fake.is_sorted = False
    kobo.fake.max_limit = 2
    kobo.fake.rows = [row(number) for number in (5, 4, 3, 2, 1)]
    kobo.fake.before = once(2, first)
    assert kobo.numbers() == [1, 2, 3, 4, 5, 6]


def test_a_backdated_arrival_and_a_deletion_are_seen_by_the_next_read(kobo: Kobo) -> None:
    kobo.fake.rows = [row(1), row(2)]
    _, read = kobo.extract()
    held = Held(frozenset(submission.submission_id for submission in read))
    kobo.fake.delete(1)
    kobo.fake.rows.append(row(3, _submission_time="2020-01-01T00:00:00"))
    extraction, (_, late) = kobo.extract(held)
    assert late.submitted_at == datetime(2020, 1, 1, tzinfo=UTC)
    assert held.live() - (extraction.present_ids or frozenset()) == {uuid(1)}


def test_what_a_restricted_user_no_longer_sees_was_not_deleted(kobo: Kobo) -> None:
    kobo.fake.rows = [row(1)]
    kobo.fake.counter = None
    with pytest.raises(SourceDenied, match="kobo, visit: the token's user may see only a part"):
        kobo.extract(Held(frozenset({uuid(1), uuid(2)})))
    kobo.extract(Held(frozenset({uuid(1)})))


def test_an_index_that_was_lost_deletes_nothing(kobo: Kobo) -> None:
    kobo.fake.counter = 2
    with pytest.raises(ReadIncomplete, match="kobo, visit: the server lists 0 submissions and counts 2"):
        kobo.extract(Held(frozenset({uuid(1), uuid(2)})))
    kobo.fake.counter = 0
    extraction, _ = kobo.extract(Held(frozenset({uuid(1), uuid(2)})))
    assert extraction.present_ids == frozenset()


def test_news_are_anything_that_is_there_or_was(kobo: Kobo) -> None:
    source, cursor = kobo.source(), {"asset": ASSET, "count": 0}
    assert source.has_news(VISIT, None, Held())
    assert not source.has_news(VISIT, cursor, Held())
    assert len(kobo.fake.requests) == 1
    assert source.has_news(VISIT, cursor, Held(frozenset({uuid(1)})))
    kobo.fake.rows = [row(1), row(2)]
    assert source.has_news(VISIT, cursor, Held())


@pytest.mark.parametrize("cursor", [{}, {"asset": "aOther", "count": 9}, {"since": [1]}])
def test_a_cursor_of_another_shape_is_a_full_read(kobo: Kobo, cursor: Mapping[str, Any]) -> None:
    kobo.fake.rows = [row(1)]
    assert kobo.source().has_news(VISIT, cursor, Held())
    assert kobo.source().extract(VISIT, cursor, Held()).server_count == 1


def test_another_asset_does_not_delete_what_the_former_one_has(kobo: Kobo) -> None:
    kobo.fake.rows = [row(1)]
    held = Held(frozenset({uuid(1), uuid(2)}))
    with pytest.raises(FormUnusable, match=r"kobo, visit: sources\.yml names another asset .* 1 submissions"):
        kobo.extract(held, cursor={"asset": "aOther", "count": 2})
    kobo.extract(Held(frozenset({uuid(1)})), cursor={"asset": "aOther", "count": 1})
    kobo.extract(held, cursor={"asset": ASSET, "count": 2})


def test_the_connection_can_be_tried(kobo: Kobo) -> None:
    assert kobo.source().check() == f"connected to {kobo.fake.url}, 3 forms visible"
    assert len(kobo.fake.requests) == 1
    assert kobo.source().overlooked() == []


def test_the_source_opens_by_its_kind(kobo: Kobo) -> None:
    assert isinstance(open_source(kobo.source()._config), KoboToolboxSource)
    assert kobo.fake.requests == [], "nothing is asked before it must be"


@pytest.mark.parametrize("password", ["", " ", "geheim-ключ", "Token geheim-17", "geheim\n17"])
def test_a_connection_without_a_token_is_refused(kobo: Kobo, monkeypatch: pytest.MonkeyPatch, password: str) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_KOBO_TEST", json.dumps({"conn_type": "http", "password": password}))
    with pytest.raises(SourceDenied, match="'kobo_test' holds no API token") as caught:
        kobo.source().check()
    assert "geheim" not in str(caught.value)
    assert kobo.fake.requests == []


@pytest.mark.parametrize(
    ("status", "kind", "requests"),
    [
        (302, AnswerNotUnderstood, 1),
        (400, FormUnusable, 1),
        (401, SourceDenied, 1),
        (403, SourceDenied, 1),
        (404, SourceNotFound, 1),
        (429, SourceThrottled, 3),
        (500, SourceUnreachable, 3),
        (502, SourceUnreachable, 3),
    ],
)
def test_a_refusal_is_told_by_cause_and_without_words_of_the_server(
    kobo: Kobo, caplog: pytest.LogCaptureFixture, status: int, kind: type[SourceError], requests: int
) -> None:
    kobo.fake.statuses = [status] * 9
    kobo.fake.headers = {"Location": "/accounts/login/"}
    with caplog.at_level(logging.DEBUG), pytest.raises(SourceError) as caught:
        kobo.extract()
    assert type(caught.value) is kind
    assert PLACE in str(caught.value)
    assert TOKEN not in str(caught.value) + caplog.text
    assert len(kobo.fake.requests) == requests


def test_a_server_in_trouble_is_waited_for(kobo: Kobo) -> None:
    kobo.fake.rows = [row(1)]
    kobo.fake.statuses = [429, 503]
    kobo.fake.headers = {"Retry-After": "7"}
    assert kobo.numbers() == [1]
    assert kobo.slept == [7.0, 0.0]


def test_a_wrong_token_and_a_form_that_is_gone(kobo: Kobo, monkeypatch: pytest.MonkeyPatch) -> None:
    kobo.configured = {"forms": {"visit": {"asset": "aGone"}}}
    with pytest.raises(SourceNotFound, match="kobo, visit: the server shows no such form"):
        kobo.extract()
    monkeypatch.setenv("AIRFLOW_CONN_KOBO_TEST", json.dumps({"conn_type": "http", "password": "other"}))
    with pytest.raises(SourceDenied, match="kobo, visit"):
        kobo.extract()
    assert len(kobo.fake.requests) == 2, "neither is tried again"


def test_a_form_that_was_never_deployed_says_so(kobo: Kobo) -> None:
    kobo.fake.is_deployed = False
    with pytest.raises(FormUnusable, match=r"kobo, visit: .*never deployed"):
        kobo.extract()


def test_encrypted_submissions_are_refused(kobo: Kobo) -> None:
    kobo.fake.rows = [row(1, base64EncryptedKey="x", encryptedXmlFile="submission.xml.enc")]
    with pytest.raises(FormUnusable, match="kobo, visit: its submissions are encrypted"):
        kobo.extract()


@pytest.mark.parametrize("closes", [True, False])
def test_a_body_that_is_cut_is_never_an_empty_form(kobo: Kobo, closes: bool) -> None:
    kobo.fake.rows = [row(1)]
    kobo.fake.cut_after, kobo.fake.closes = 40, closes
    kobo.timeout = (1.0, 0.1)
    with pytest.raises(SourceUnreachable, match="kobo, visit: the server did not answer whole"):
        kobo.extract()
    assert len(kobo.fake.requests) == 3


def test_nobody_listens() -> None:
    with serve(FakeKobo()) as fake:
        pass
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AIRFLOW_CONN_KOBO_TEST", json.dumps({"conn_type": "http", "password": TOKEN}))
        with pytest.raises(SourceUnreachable, match="kobo: the server did not answer whole"):
            Kobo(fake).source().check()


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        (b"<html>502 Bad Gateway</html>", SourceUnreachable),
        (b"", SourceUnreachable),
        ([], AnswerNotUnderstood),
        ({"results": [], "next": None}, AnswerNotUnderstood),
        ({"count": True, "results": [], "next": None}, AnswerNotUnderstood),
        ({"count": 1, "results": {"_id": 1}, "next": None}, AnswerNotUnderstood),
        ({"count": 1, "results": [7], "next": None}, AnswerNotUnderstood),
        ({"count": 1, "results": [row(1) | {"_id": "1"}], "next": None}, AnswerNotUnderstood),
        ({"count": 1, "results": [row(1) | {"_id": True}], "next": None}, AnswerNotUnderstood),
        ({"count": 1, "results": [row(1) | {"_submission_time": None}], "next": None}, AnswerNotUnderstood),
        ({"count": 1, "results": [row(1) | {"_submission_time": "0001-01-01T00:00:00+14:00"}]}, AnswerNotUnderstood),
        ({"count": 2, "results": [row(1), row(1)], "next": None}, ReadIncomplete),
    ],
)
def test_an_answer_of_another_shape_is_an_error(kobo: Kobo, said: Any, kind: type[SourceError]) -> None:
    kobo.fake.body = lambda _: said
    with pytest.raises(SourceError, match="kobo, visit: ") as caught:
        kobo.extract()
    assert type(caught.value) is kind


def test_no_message_quotes_an_answer(kobo: Kobo, caplog: pytest.LogCaptureFixture) -> None:
    kobo.fake.rows = [row(1, note="Ерофей", _submission_time="Ерофей")]
    with caplog.at_level(logging.DEBUG), pytest.raises(AnswerNotUnderstood) as caught:
        kobo.extract()
    assert "Ерофей" not in str(caught.value) + caplog.text


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=5,
)

BODY = {
    "count": 2,
    "next": None,
    "previous": None,
    "results": [row(1, about__pair_code="П-1", about__visit=[{"about/visit/who": "a"}]), row(2, goals="g1")],
}


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner: Any = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *[place for key, entry in inner for place in places(entry, (*path, key))]]


def mutated(path: tuple[Any, ...], value: Any) -> Any:
    if not path:
        return value
    body = copy.deepcopy(BODY)
    part: Any = body
    for key in path[:-1]:
        part = part[key]
    part[path[-1]] = value
    return body


# the fixture's server serves all examples: each sets what it answers
@settings(
    deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture], max_examples=150
)
@given(path=st.sampled_from(places(BODY)), value=anything, cut=st.none() | st.integers(0, 200))
def test_whatever_a_server_sends_gives_sound_rows_or_a_clear_error(
    kobo: Kobo, path: tuple[Any, ...], value: Any, cut: int | None
) -> None:
    body: Any = mutated(path, value)
    kobo.fake.body = lambda _: body if cut is None else json.dumps(body).encode()[:cut]
    try:
        _, submissions = kobo.extract(Held(frozenset({uuid(1), uuid(2)})))
    except SourceError as error:
        assert PLACE in str(error)
        return
    assert cut is None
    for submission in submissions:
        assert isinstance(submission.submission_id, str)
        assert submission.submission_id.strip()
        assert submission.submitted_at.tzinfo is UTC
        assert isinstance(submission.form_version, str)
        assert all(answer is None or isinstance(answer, str) for answer in submission.answers.values())
