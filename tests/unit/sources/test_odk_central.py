from __future__ import annotations

import io
import json
import threading
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit.sources.conftest import VISIT, question
from tests.unit.sources.odk_fake import FIELDS, START, FakeCentral, Row, refused, running, said
from vmeste.forms import Form
from vmeste.sources import odk_central, odk_server, open_source
from vmeste.sources.base import LONGEST_ID, Cursor, Extraction, Submission
from vmeste.sources.config import OdkConfig, OdkForm
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
from vmeste.sources.odk_central import OdkCentralSource
from vmeste.sources.transport import Patience

RECORDED = Path(__file__).parent / "recorded" / "odk_central"


class Warehouse:
    """What we hold: as `ingest` and `load` would make it of what a connector gives."""

    def __init__(self) -> None:
        self.newest: dict[str, Submission] = {}
        self.gone: set[str] = set()
        self.cursor: Cursor | None = None

    def live(self) -> frozenset[str]:
        return frozenset(self.newest)

    def deleted(self) -> frozenset[str]:
        return frozenset(self.gone)

    def take(self, extraction: Extraction) -> list[Submission]:
        submissions = list(extraction.submissions)
        assert extraction.server_count == len(submissions), "the proof of completeness"
        before = self.live()
        for submission in submissions:
            if submission.is_deleted:
                self._delete(submission.submission_id)
            else:
                self.newest[submission.submission_id] = submission
                self.gone.discard(submission.submission_id)
        if extraction.present_ids is not None:
            assert not any(submission.is_deleted for submission in submissions), "deletions are told once"
            for key in before - extraction.present_ids:
                self._delete(key)
        assert extraction.server_total == len(self.newest), "the proof of the total"
        self.cursor = json.loads(json.dumps(extraction.cursor))
        return submissions

    def _delete(self, key: str) -> None:
        self.newest.pop(key, None)
        self.gone.add(key)


class Bench:
    """A server, the connector that reads it, and what we hold."""

    def __init__(self, central: FakeCentral) -> None:
        self.central = central
        self.held = Warehouse()
        self.slept: list[float] = []
        self.now = START + timedelta(hours=1)
        self.source = self.connect()

    def connect(self, **changed: Any) -> OdkCentralSource:
        form, seconds = changed.pop("form", "visit_ru"), changed.pop("seconds", 5.0)
        config = OdkConfig(
            name="field",
            kind="odk_central",
            time_zone="Europe/Moscow",
            server=self.central.address,
            connection="odk",
            forms={"visit": OdkForm(project=1, form=form, **changed.pop("origin", {}))},
            **changed,
        )
        return OdkCentralSource(
            config,
            patience=Patience(attempts=3, first=0.001, longest=30.0),
            sleep=self.slept.append,
            timeout=(seconds, seconds),
            clock=lambda: self.now,
        )

    def has_news(self) -> bool:
        return self.source.has_news(VISIT, self.held.cursor, self.held)

    def extract(self) -> Extraction:
        return self.source.extract(VISIT, self.held.cursor, self.held)

    def sync(self) -> dict[str, Submission]:
        return {submission.submission_id: submission for submission in self.held.take(self.extract())}

    def requests_of(self, do: Callable[[], Any]) -> list[str]:
        before = len(self.central.requests)
        do()
        return self.central.requests[before:]


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(
        "AIRFLOW_CONN_ODK", json.dumps({"conn_type": "http", "login": "reader@example.org", "password": "let me in"})
    )


@pytest.fixture
def bench() -> Iterator[Bench]:
    with running(FakeCentral()) as central:
        yield Bench(central)


@pytest.fixture(params=["2026", "2024"])
def any_bench(request: pytest.FixtureRequest, bench: Bench) -> Bench:
    """Both servers: that of 2024 does not tell deletions."""
    bench.central.tells_deletions = request.param == "2026"
    return bench


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(odk_server, "PAGE", 2)
    monkeypatch.setattr(odk_central, "PAGE", 2)


# what a row becomes


def test_the_first_read_gives_everything_as_the_form_asks_it(any_bench: Bench) -> None:
    any_bench.central.send(
        pair_code="П-1",
        held_on="2026-11-01",
        minutes=60,
        status="held",
        fare=12.5,
        goals="g1 g2",
        start_time="07:15:00.000+03:00",
        place={"type": "Point", "coordinates": [37.6, 55.7, 1]},
        start="2026-11-01T10:00:00.000+03:00",
    )
    extraction = any_bench.extract()
    (submission,) = extraction.submissions
    assert submission.submission_id == "uuid:00000001-0000-4000-8000-000000000000"
    assert submission.answers == {
        "pair_code": "П-1",
        "held_on": "2026-11-01",
        "status": "held",
        "minutes": "60",
        "start_time": "07:15:00",
        "fare": "12.5",
        "mood": None,
        "goals": "g1 g2",
        "seen_at": None,
        "note": None,
    }
    assert submission.extra == {
        "start": "2026-11-01T10:00:00.000+03:00",
        "place": {"type": "Point", "coordinates": [37.6, 55.7, 1]},
    }
    assert (submission.source, submission.form_id, submission.form_version) == ("field", "visit", "1")
    assert submission.submitted_at == START + timedelta(seconds=1)
    assert submission.updated_at is None
    assert submission.review_state == "received"
    assert submission.is_counted
    assert extraction.server_total == 1
    assert extraction.present_ids == {submission.submission_id}
    assert extraction.notes == ("the server's form has no mood, seen_at, note",)


def test_a_repeat_is_one_field_and_one_within_it_is_kept_beside(bench: Bench) -> None:
    members = [
        {"m_name": "А", "work": {"employer": "Завод"}, "job": [{"title": "токарь", "__id": "f0"}]},
        {"m_name": "Б", "work": {"employer": None}, "job@odata.navigationLink": "Submissions('x')/people/member"},
    ]
    bench.central.send(members=members)
    (submission,) = bench.sync().values()
    assert submission.extra == {
        "people/member": [{"m_name": "А", "work/employer": "Завод"}, {"m_name": "Б", "work/employer": None}],
        "people/member/job": [[{"title": "токарь"}], None],
    }


def test_the_members_of_an_edited_submission_are_replaced_whole(bench: Bench) -> None:
    row = bench.central.send(members=[{"m_name": "А"}, {"m_name": "Б"}])
    bench.sync()
    bench.central.edit(row, members=[{"m_name": "Б"}])  # whose id by position was that of А until now
    assert bench.sync()[row.key].extra == {"people/member": [{"m_name": "Б"}]}
    bench.central.edit(row, members=[])
    assert bench.sync()[row.key].extra == {}


def test_recorded_rows_are_read(bench: Bench) -> None:
    """What the real server gave, not what the fake thinks that it gives."""
    fields, page = ((RECORDED / name).read_bytes() for name in ("fields.json", "page.json"))
    bench.central.mangle = lambda path, body: fields if "/fields" in path else page if "expand" in path else body
    rows = {row["__id"]: row for row in json.loads(page)["value"]}
    found = bench.sync()
    assert found.keys() == rows.keys()
    for key, submission in found.items():
        row, system = rows[key], rows[key]["__system"]
        assert submission.review_state == (system["reviewState"] or "received")
        assert submission.is_counted == (system["reviewState"] != "rejected")
        assert (submission.updated_at is None) == (system["updatedAt"] is None)
        assert submission.extra.get("age") == row["age"]
        assert submission.extra.get("household/size") == row["household"]["size"]
        assert submission.extra.get("location") == row["location"]
        assert not any(name.startswith(("__", "meta")) or "@" in name for name in submission.extra)
        members = submission.extra.get("household/member", [])
        assert [member["m_age"] for member in members] == [
            member["m_age"] for member in row["household"].get("member", [])
        ]
        assert not any(name.startswith("__") or "@" in name for member in members for name in member)
    assert any("household/member/job" in submission.extra for submission in found.values())


def test_a_version_that_retypes_and_drops_questions_is_read_on(any_bench: Bench) -> None:
    central = any_bench.central
    central.send(minutes=40, fare=10)
    any_bench.sync()
    central.fields = [
        (path, "string" if path == "/when/minutes" else kind) for path, kind in central.fields if path != "/fare"
    ]
    for row in central.rows.values():
        row.answers["minutes"] = "40"  # how old answers come from then on
    late = central.send(minutes="полчаса", version="1")
    found = any_bench.sync()
    assert found[late.key].answers["minutes"] == "полчаса"
    assert found[late.key].form_version == "1"
    assert {submission.answers["minutes"] for submission in found.values()} <= {"40", "полчаса"}


def test_answers_to_a_question_that_was_dropped_or_moved_are_not_lost(any_bench: Bench) -> None:
    """OData hides them from the moment of the new version on, in old submissions as well."""
    central = any_bench.central
    old = central.send(minutes=40, fare=12.5, status="held")
    before = any_bench.sync()[old.key]
    central.versions = 2
    central.fields = [entry for entry in central.fields if entry[0] not in ("/fare", "/when/minutes")]
    central.fields.append(("/minutes", "int"))
    central.lost = ["fare", "when-minutes"]
    old.lost, old.answers = {"fare": "12.50", "when-minutes": "40"}, {"status": "held"}
    new = central.send(minutes=50, version="2")
    late = central.send(lost={"fare": "нет", "when-minutes": ""}, version="1")
    extraction = any_bench.extract()
    found = {submission.submission_id: submission for submission in extraction.submissions}
    assert found[old.key] == before
    assert found[new.key].answers["minutes"] == "50"
    assert found[late.key].answers["fare"] == "нет"
    assert found[late.key].answers["minutes"] is None
    assert "only earlier versions of the server's form have fare, when/minutes" in extraction.notes
    any_bench.held.cursor = None
    assert any_bench.sync()[old.key] == before


FAMILY = question(
    "member",
    "repeat",
    "Семья",
    "Family",
    members=(question("m_name", "text", "Имя", "Name"), question("employer", "text", "Где работает", "Employer")),
)

WITH_FAMILY = replace(VISIT, questions=(*VISIT.questions, FAMILY))


@pytest.mark.parametrize(
    "dropped", ["people/member", "people/member/m_name", "people/member/work/employer", "people/member/work"]
)
def test_the_members_of_a_repeat_that_was_dropped_are_not_lost(bench: Bench, dropped: str) -> None:
    """Nor what they answered to a question of it that was dropped; OData hides both."""
    central = bench.central
    two = [{"m_name": "А", "work": {"employer": "Завод"}}, {"m_name": "Б", "work": {"employer": None}}]
    old, none = central.send(members=two), central.send()
    before = read(bench, WITH_FAMILY)
    assert json.loads(before[old.key].answers["member"] or "") == [
        {"employer": "Завод", "m_name": "А"},
        {"m_name": "Б"},
    ]
    central.versions = 2
    assert read(bench, WITH_FAMILY) == before
    assert not any(".zip" in request for request in central.requests), "no repeat of ours is lost"
    central.fields = [entry for entry in central.fields if not f"{entry[0]}/".startswith(f"/{dropped}/")]
    late = central.send(members=[{"m_name": "В", "work": {"employer": "Школа"}}], version="1")
    extraction = bench.source.extract(WITH_FAMILY, None, bench.held)
    found = {submission.submission_id: submission for submission in extraction.submissions}
    assert {key: found[key].answers for key in before} == {key: before[key].answers for key in before}
    assert json.loads(found[late.key].answers["member"] or "") == [{"employer": "Школа", "m_name": "В"}]
    assert found[none.key].answers["member"] is None
    assert "only earlier versions of the server's form have people/member" in extraction.notes


def test_the_members_of_a_repeat_that_moved_are_not_lost(bench: Bench) -> None:
    central = bench.central
    moved = central.send(members=[{"m_name": "А"}])
    central.versions = 2
    central.member_path = "member"
    central.first_fields = [("/member", "repeat"), ("/member/m_name", "string"), ("/member/work/employer", "string")]
    answers = central._answers
    central._answers = lambda row, is_expanded: {  # type: ignore[method-assign]
        **(given := answers(row, is_expanded)),
        "people": {} if row is moved else given["people"],
    }
    new = central.send(members=[{"m_name": "Б"}])
    # of a submission that has both, what OData shows counts
    central.mangle = lambda path, body: _rezipped(body, lambda text: text.replace("Б", "Ю")) if ".zip" in path else body
    found = read(bench, WITH_FAMILY)
    assert json.loads(found[moved.key].answers["member"] or "") == [{"m_name": "А"}]
    assert json.loads(found[new.key].answers["member"] or "") == [{"m_name": "Б"}]


def test_a_question_that_moved_within_its_repeat_is_answered_from_both_places(bench: Bench) -> None:
    central = bench.central
    old = central.send(members=[{"m_name": "А", "work": {"employer": "Завод"}}])
    central.versions = 2
    central.fields = [entry for entry in central.fields if not entry[0].startswith("/people/member/work")]
    central.fields.append(("/people/member/employer", "string"))
    for member in old.members:
        member["employer"] = None
    new = central.send(members=[{"m_name": "Б", "employer": "Школа"}])
    found = read(bench, WITH_FAMILY)
    assert json.loads(found[old.key].answers["member"] or "") == [{"employer": "Завод", "m_name": "А"}]
    assert json.loads(found[new.key].answers["member"] or "") == [{"employer": "Школа", "m_name": "Б"}]


def test_a_question_that_moved_within_its_repeat_before_that_was_dropped_is_one_answer(bench: Bench) -> None:
    central = bench.central
    old = central.send(members=[{"m_name": "А", "work": {"employer": "Завод"}}, {"m_name": "Б"}])
    before = read(bench, WITH_FAMILY)
    central.versions = 2
    central.first_fields = [*central.fields, ("/people/member/place/employer", "string")]
    central.fields = [entry for entry in central.fields if not entry[0].startswith("/people/member")]
    with pytest.raises(FormUnusable, match=r"version 1 .* answer employer: place/employer and work/employer"):
        read(bench, WITH_FAMILY)
    central.versions = 3
    central.first_fields = list(FIELDS)
    central.middle_fields = [("/people/member", "repeat"), ("/people/member/employer", "string")]
    central.member_columns = ["employer", "m_name", "work-employer"]
    assert read(bench, WITH_FAMILY)[old.key].answers == before[old.key].answers


@pytest.mark.parametrize(
    ("minutes", "sent", "answer"),
    [
        (12, "12,5", "12,5"),
        (12, "12.7", "12.7"),
        (None, "много", "много"),
        (1, "1e3", "1e3"),
        (1e20, "99999999999999999999", "99999999999999999999"),
        (40, "040", "40"),
        (40, " 40 ", "40"),
        (None, "", None),
        (None, " ", None),
    ],
)
def test_a_number_is_what_was_sent_and_not_what_odata_makes_of_it(
    any_bench: Bench, minutes: Any, sent: str, answer: str | None
) -> None:
    """Validation then says that it is no whole number: a 12 that nobody meant would pass."""
    central = any_bench.central
    row = central.send(minutes=minutes, sent={"minutes": sent}, device=None)
    assert any_bench.sync()[row.key].answers["minutes"] == answer
    assert any_bench.sync()[row.key].answers["minutes"] == answer, "by what changed as well"


def test_numbers_of_an_edit_are_looked_at_again(bench: Bench) -> None:
    """Central says by which device the first version came, not the newest."""
    row = bench.central.send(minutes=40, fare=10)
    assert not [request for request in bench.requests_of(bench.sync) if ".csv" in request], "Collect asks for numbers"
    bench.central.edit(row, minutes=12)
    row.sent = {"minutes": "12,5", "fare": "10.00"}
    found = bench.sync()[row.key].answers
    assert (found["minutes"], found["fare"]) == ("12,5", "10")


def test_numbers_of_the_members_of_a_repeat_are_what_was_sent(bench: Bench) -> None:
    age = question("m_name", "integer", "Сколько лет", "Age")
    form = replace(VISIT, questions=(*VISIT.questions, replace(FAMILY, members=(age, FAMILY.members[1]))))
    central = bench.central
    central.fields = [(path, "int" if path.endswith("/m_name") else kind) for path, kind in central.fields]
    row = central.send(members=[{"m_name": 7}, {"m_name": 8, "work": {"employer": "Завод"}}, {}], device="web")
    central.mangle = lambda path, body: (
        _rezipped(body, lambda text: text.replace("8,", '"8,5",')) if ".zip" in path else body
    )
    found = read(bench, form)[row.key].answers
    assert json.loads(found["member"] or "") == [{"m_name": "7"}, {"employer": "Завод", "m_name": "8,5"}, {}]
    central.mangle = lambda path, body: _rezipped(body, _without_the_last_row) if ".zip" in path else body
    with pytest.raises(ReadIncomplete, match=r"3 members of people/member in OData and 2 in the export"):
        read(bench, form)


def test_names_that_an_earlier_version_had_are_no_fault_of_the_newest(bench: Bench) -> None:
    """To publish the form with other names is what we ask for; what lay under the old ones is read on."""
    central = bench.central
    central.versions = 2
    central.fields = [entry for entry in central.fields if entry[0] != "/fare"]
    central.first_fields = [*central.fields, ("/цена", "decimal"), ("/день", "date"), ("/people/member/имя", "string")]
    central.lost, central.member_columns = ["цена", "день"], ["имя", "m_name"]
    old = central.send(lost={"цена": "12.50", "день": "2026-01-01"}, members=[{"имя": "А"}, {"m_name": "Б"}])
    bench.source = bench.connect(origin={"columns": {"цена": "fare", "people/member/имя": "m_name"}})
    with pytest.raises(FormUnusable, match=r"version 1 .*answer m_name: m_name and имя"):
        read(bench, WITH_FAMILY)
    central.first_fields.remove(("/people/member/m_name", "string"))
    found = read(bench, WITH_FAMILY)[old.key].answers
    assert found["fare"] == "12.5"
    assert json.loads(found["member"] or "") == [{"m_name": "А"}, {"m_name": "Б"}]


def test_a_submission_with_two_answers_to_one_question_is_not_guessed_at(bench: Bench) -> None:
    central = bench.central
    central.versions = 2
    central.first_fields.append(("/trip/fare", "decimal"))
    central.lost = ["trip-fare"]
    both = central.send(fare=12.5, lost={"trip-fare": "12.50"})
    with pytest.raises(FormUnusable, match=r"version 1 .*two fields answer fare: fare and trip/fare"):
        read(bench, VISIT)
    bench.source = bench.connect(origin={"columns": {"trip/fare": "fare"}})
    assert read(bench, VISIT)[both.key].answers["fare"] == "12.5"
    central.send(fare=12.5, lost={"trip-fare": "13"})
    with pytest.raises(FormUnusable, match=r"two fields answer fare, trip/fare .*columns"):
        read(bench, VISIT)


def test_a_dash_in_a_lost_fields_name_is_no_group(bench: Bench) -> None:
    """The export parts groups by it: ``pre-fare`` was no field ``fare``."""
    central = bench.central
    central.versions = 2
    central.first_fields = [*(entry for entry in central.fields if entry[0] != "/fare"), ("/pre-fare", "decimal")]
    central.fields = [entry for entry in central.fields if entry[0] != "/fare"]
    central.lost = ["pre-fare"]
    other = central.send(lost={"pre-fare": "12.50"})
    assert read(bench, VISIT)[other.key].answers["fare"] is None
    central.first_fields += [("/pre", "structure"), ("/pre/fare", "decimal")]
    central.lost = ["pre-fare", "pre-fare"]
    with pytest.raises(FormUnusable, match="two columns pre-fare"):
        read(bench, VISIT)


def test_a_version_without_a_name_is_looked_at(bench: Bench) -> None:
    central = bench.central
    old = central.send(members=[{"m_name": "А"}])
    central.versions, central.is_first_named = 2, False
    central.fields = [entry for entry in central.fields if not entry[0].startswith("/people/member")]
    assert json.loads(read(bench, WITH_FAMILY)[old.key].answers["member"] or "") == [{"m_name": "А"}]


def test_an_export_that_has_other_members_is_of_another_moment(bench: Bench) -> None:
    central = bench.central
    central.send(members=[{"m_name": "А"}, {"m_name": "Б"}])
    central.versions = 2
    central.fields = [entry for entry in central.fields if entry[0] != "/people/member/m_name"]
    central.mangle = lambda path, body: _rezipped(body, _without_the_last_row) if ".zip" in path else body
    with pytest.raises(ReadIncomplete, match=r"2 members of people/member in OData and 1 in the export"):
        bench.source.extract(WITH_FAMILY, None, bench.held)


@pytest.mark.parametrize("cut", [slice(0, 0), slice(0, 40), slice(0, -30)])
def test_a_zipped_export_that_is_cut_is_an_error(bench: Bench, cut: slice) -> None:
    central = bench.central
    central.send(members=[{"m_name": "А"}])
    central.versions = 2
    central.fields = [entry for entry in central.fields if not entry[0].startswith("/people/member")]
    central.mangle = lambda path, body: body[cut] if ".zip" in path else body
    with pytest.raises(SourceUnreachable):
        bench.source.extract(WITH_FAMILY, None, bench.held)


def read(bench: Bench, form: Form) -> dict[str, Submission]:
    """Read a form from the beginning."""
    extraction = bench.source.extract(form, None, bench.held)
    return {submission.submission_id: submission for submission in extraction.submissions}


def _rezipped(body: bytes, change: Callable[[str], str]) -> bytes:
    """Change the tables of members of a zipped export."""
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(body)) as given, zipfile.ZipFile(made, "w") as archive:
        for name in given.namelist():
            text = given.read(name).decode()
            archive.writestr(name, change(text) if "member" in name else text)
    return made.getvalue()


def _without_the_last_row(text: str) -> str:
    return "".join(text.splitlines(keepends=True)[:-1])


def test_a_version_that_drops_no_question_of_ours_costs_no_export(bench: Bench) -> None:
    bench.central.versions, bench.central.lost = 2, ["shoe_size"]
    row = bench.central.send(lost={"shoe_size": "38"})
    assert bench.sync().keys() == {row.key}
    assert sum(".csv" in request for request in bench.central.requests) == 1, "its header alone"


@pytest.mark.parametrize("what", ["edited", "deleted"])
def test_an_export_of_another_moment_is_read_again(bench: Bench, what: str) -> None:
    central = bench.central
    central.versions, central.lost = 2, ["fare"]
    central.fields = [entry for entry in central.fields if entry[0] != "/fare"]
    rows = [central.send(lost={"fare": "1"}), central.send(lost={"fare": "2"})]
    exports: list[str] = []

    def meddle(path: str) -> None:
        if ".csv" in path and exports.append(path) is None and len(exports) == 2:
            central.edit(rows[0], minutes=7) if what == "edited" else central.delete(rows[0])

    central.faults = [meddle] * 99  # type: ignore[list-item]
    found = bench.sync()
    assert len(exports) == 4
    assert found[rows[1].key].answers["fare"] == "2"
    assert (found[rows[0].key].answers["minutes"] == "7") if what == "edited" else (rows[0].key not in found)


def test_the_export_is_fetched_beside_the_pages(bench: Bench, small_pages: None) -> None:
    """Once, after the first page and not after the last: what the pages hold is in it."""
    rows = [bench.central.send(minutes=12, sent={"minutes": f"12,{number}"}, device=None) for number in range(9)]
    asked, is_exported = bench.central.answer, threading.Event()

    def answer(method: str, address: str, token: str | None, body: bytes) -> Any:
        if "skiptoken" in address:
            assert is_exported.wait(5), "the second page is not waited for"
        if ".csv" in address:
            is_exported.set()
        return asked(method, address, token, body)

    bench.central.answer = answer  # type: ignore[method-assign]
    found = bench.sync()
    assert [found[row.key].answers["minutes"] for row in rows] == [f"12,{number}" for number in range(9)]
    assert sum(".csv" in request for request in bench.central.requests) == 1


def test_an_export_that_lacks_numbers_is_asked_again_for_a_later_page(bench: Bench, small_pages: None) -> None:
    """Of what Collect sent only lost answers are asked for; the first page holds nothing else."""
    central = bench.central
    central.versions, central.lost = 2, ["fare"]
    central.fields = [entry for entry in central.fields if entry[0] != "/fare"]
    oldest = central.send(minutes=12, sent={"minutes": "12,5"}, lost={"fare": "3"}, device=None)
    newer = [central.send(minutes=40, lost={"fare": "4"}) for _ in range(3)]
    found = bench.sync()
    assert (found[oldest.key].answers["minutes"], found[oldest.key].answers["fare"]) == ("12,5", "3")
    assert {found[row.key].answers["fare"] for row in newer} == {"4"}


@pytest.mark.parametrize("what", ["edited", "deleted"])
def test_what_changes_between_the_export_and_a_page_is_read_again(bench: Bench, small_pages: None, what: str) -> None:
    central = bench.central
    rows = [central.send(minutes=12, sent={"minutes": "12,5"}, device=None) for _ in range(5)]
    exports, asked = threading.Event(), central.answer

    def answer(method: str, address: str, token: str | None, body: bytes) -> Any:
        if "skiptoken" in address and not central.edited:  # type: ignore[attr-defined]
            assert exports.wait(5)
            central.edited = True  # type: ignore[attr-defined]
            if what == "edited":
                central.edit(rows[0], minutes=13)
                rows[0].sent = {"minutes": "13,5"}
            else:
                central.delete(rows[0])
        said = asked(method, address, token, body)
        if ".csv" in address:
            exports.set()
        return said

    central.edited = False  # type: ignore[attr-defined]
    central.answer = answer  # type: ignore[method-assign]
    found = bench.sync()
    expected = {row.key: "12,5" for row in rows} | {rows[0].key: "13,5"}
    if what == "deleted":
        del expected[rows[0].key]
    assert {key: row.answers["minutes"] for key, row in found.items()} == expected


def test_an_export_that_fails_beside_the_pages_fails_the_read(bench: Bench, small_pages: None) -> None:
    for _ in range(5):
        bench.central.send(minutes=12, sent={"minutes": "12,5"}, device=None)
    asked = bench.central.answer
    bench.central.answer = lambda method, address, token, body: (  # type: ignore[method-assign]
        refused(403, 403.1) if ".csv" in address else asked(method, address, token, body)
    )
    with pytest.raises(SourceDenied, match=r"403\.1"):
        bench.extract()


def test_an_id_longer_than_an_index_takes_is_known_again(any_bench: Bench) -> None:
    central = any_bench.central
    long = central.send("uuid:" + "x" * 3000, minutes=12, sent={"minutes": "12,5"}, device=None)
    (found,) = any_bench.sync().values()
    assert (len(found.submission_id), found.answers["minutes"]) == (LONGEST_ID, "12,5")
    assert not any_bench.has_news()
    any_bench.held.cursor = None
    assert any_bench.sync().keys() == {found.submission_id}
    central.delete(long)
    any_bench.sync()
    assert any_bench.held.live() == frozenset()


@pytest.mark.parametrize("body", [b"", b"a,b\n", b'KEY,"fare', b"\xff"])
def test_an_export_that_is_none_is_an_error(bench: Bench, body: bytes) -> None:
    central = bench.central
    central.versions, central.lost = 2, ["fare"]
    central.fields = [entry for entry in central.fields if entry[0] != "/fare"]
    central.send(lost={"fare": "1"})
    central.mangle = lambda path, given: body if ".csv" in path and "1970" not in path else given
    with pytest.raises(SourceError):
        bench.extract()


@pytest.mark.parametrize(
    ("state", "counts"),
    [(None, True), ("edited", True), ("hasIssues", True), ("approved", True), ("rejected", False)],
)
def test_a_review_says_whether_a_submission_counts(bench: Bench, state: str | None, counts: bool) -> None:
    row = bench.central.send()
    bench.sync()
    if state:
        bench.central.review(row, state)
    found = bench.sync()[row.key]
    assert (found.review_state, found.is_counted) == (state or "received", counts)


def test_which_reviews_count_is_configured(bench: Bench) -> None:
    bench.central.send()
    bench.source = bench.connect(reviews_that_count=["approved"])
    (found,) = bench.sync().values()
    assert not found.is_counted


def test_a_review_state_that_nobody_knows_stops_the_read(bench: Bench) -> None:
    bench.central.review(bench.central.send(), "half-approved")
    with pytest.raises(AnswerNotUnderstood, match="review state"):
        bench.extract()


def test_missing_attachments_are_counted_and_never_fetched(bench: Bench) -> None:
    bench.central.send(attachments=(0, 1), photo="a.jpg")
    bench.central.send(attachments=(1, 1), photo="b.jpg")
    extraction = bench.extract()
    assert "1 submissions lack attachments (which are never fetched)" in extraction.notes
    assert not any("attachments" in request for request in bench.central.requests)


# what changes on the server


def prepared(bench: Bench) -> list[Row]:
    """Return what a server holds whose form was read: five live submissions, and rows[4], which is deleted."""
    rows = [bench.central.send(pair_code=f"П-{number}") for number in range(5)]
    bench.central.delete(rows[4])
    bench.central.tick(3600)
    rows.append(bench.central.send())  # so that the others lie before the overlap
    bench.now = bench.central.tick(3600)
    bench.sync()
    return rows


CHANGES: dict[str, Callable[[FakeCentral, list[Row]], Any]] = {
    "new": lambda central, rows: central.send(),
    "edited": lambda central, rows: central.edit(rows[0], pair_code="П-9"),
    "edited twice": lambda central, rows: (central.edit(rows[0], minutes=1), central.edit(rows[0], minutes=2)),
    "reviewed": lambda central, rows: central.review(rows[0], "approved"),
    "deleted": lambda central, rows: central.delete(rows[0]),
    "restored": lambda central, rows: central.restore(rows[4]),
    "purged": lambda central, rows: (central.delete(rows[0]), central.purge(rows[0])),
    "visible late": lambda central, rows: central.send(at=START - timedelta(days=9)),
    "new and deleted": lambda central, rows: (central.send(), central.delete(rows[0])),
    "new and purged": lambda central, rows: (central.send(), central.purge(rows[0])),
    "restored and deleted": lambda central, rows: (central.restore(rows[4]), central.delete(rows[0])),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_changed_is_news_and_is_read(any_bench: Bench, change: str) -> None:
    rows = prepared(any_bench)
    assert not any_bench.has_news()
    CHANGES[change](any_bench.central, rows)
    if (change, any_bench.central.tells_deletions) != ("restored and deleted", False):  # which cancel out in a total
        assert any_bench.has_news()
    any_bench.now += timedelta(hours=1)
    any_bench.sync()
    there = {row.key: row for row in any_bench.central.rows.values() if not row.deleted_at}
    assert any_bench.held.live() == there.keys()
    for key, held in any_bench.held.newest.items():
        assert held.answers["pair_code"] == there[key].answers.get("pair_code")
        assert held.review_state == (there[key].review_state or "received")
    assert not any_bench.has_news()


def test_a_form_without_news_costs_two_small_requests(any_bench: Bench) -> None:
    prepared(any_bench)
    asked = any_bench.requests_of(any_bench.has_news)
    assert len(asked) == 2
    assert not any("expand" in request for request in asked)


def test_an_edit_within_the_overlap_is_news_and_the_overlap_itself_is_not(bench: Bench) -> None:
    row = bench.central.send()
    bench.central.edit(row, minutes=1)
    bench.sync()
    assert not bench.has_news()
    bench.central.edit(row, minutes=2)
    assert bench.has_news()
    assert bench.sync()[row.key].answers["minutes"] == "2"


def test_a_row_that_becomes_visible_after_a_younger_one_is_in_the_overlap(bench: Bench) -> None:
    old = bench.central.send()
    bench.central.tick(3600)
    bench.central.send()
    bench.sync()
    # the transaction had begun before the younger row's and ended after our read
    bench.central.edit(old, at=bench.central.now - timedelta(minutes=9), minutes=7)
    assert bench.has_news()
    found = bench.sync()
    assert found[old.key].answers["minutes"] == "7"
    assert len(found) == 2, "the form is not read whole for it"


def test_a_new_row_that_becomes_visible_seconds_late_is_in_the_overlap(bench: Bench) -> None:
    prepared(bench)
    late = bench.central.send(at=bench.central.rows[max(bench.central.rows)].submitted_at - timedelta(seconds=9))
    assert bench.has_news()
    assert len(bench.sync()) == 2, "the form is not read whole for it"
    assert late.key in bench.held.live()


def test_a_form_that_is_translated_otherwise_is_read_whole(bench: Bench) -> None:
    rows = prepared(bench)
    bench.central.edit(rows[0], status="1")
    bench.central.tick(3600)
    bench.now = bench.central.send().submitted_at
    assert bench.sync()[rows[0].key].answers["status"] == "1"
    bench.source = bench.connect(origin={"choices": {"status": {"1": "held"}}})
    assert bench.has_news()
    assert bench.sync()[rows[0].key].answers["status"] == "held"
    assert not bench.has_news()


def test_a_form_of_ours_that_asks_more_is_read_whole(bench: Bench) -> None:
    """The server may have had the question, and its answers, for long."""
    prepared(bench)
    bench.sync()
    assert not bench.has_news()
    asks_more = replace(VISIT, questions=(*VISIT.questions, question("fare", "decimal", "Цена", "Fare")))
    assert bench.source.has_news(asks_more, bench.held.cursor, bench.held)


def test_an_edit_has_the_moment_that_the_server_gives(bench: Bench) -> None:
    row = bench.central.send()
    bench.sync()
    bench.central.edit(row, minutes=1)
    assert bench.sync()[row.key].updated_at == row.updated_at


def test_a_deletion_has_the_moment_that_the_server_gives(bench: Bench) -> None:
    row = prepared(bench)[0]
    bench.central.delete(row)
    found = bench.sync()[row.key]
    assert found.is_deleted
    assert found.submitted_at == row.deleted_at
    assert found.answers == {}


def test_a_deletion_after_which_ids_were_compared_keeps_its_moment(bench: Bench) -> None:
    row = prepared(bench)[0]
    bench.central.delete(row)
    bench.now += timedelta(days=7)
    found = bench.sync()
    assert any("$select=__id&" in request for request in bench.central.requests), "ids were compared"
    assert found[row.key].submitted_at == row.deleted_at


def test_what_was_sent_and_deleted_between_two_reads_is_no_deletion_of_ours(bench: Bench) -> None:
    rows = prepared(bench)
    bench.central.delete(bench.central.send())
    assert bench.sync().keys() == {rows[5].key}, "the overlap"
    assert not bench.has_news()


def test_a_restored_submission_has_no_moment_of_the_server(bench: Bench) -> None:
    """Its last edit is older than its deletion: dated so it would stay deleted in the warehouse."""
    row = bench.central.send()
    bench.central.edit(row, minutes=1)
    bench.central.tick(3600)
    bench.now = bench.central.send().submitted_at
    bench.sync()
    bench.central.delete(row)
    bench.sync()
    bench.central.restore(row)
    extraction = bench.extract()
    found = next(submission for submission in extraction.submissions if submission.submission_id == row.key)
    assert found.updated_at is None
    assert not found.is_deleted
    assert any("restored or became visible late" in note for note in extraction.notes)


def test_a_submission_that_was_restored_and_edited_has_the_moment_of_its_edit(any_bench: Bench) -> None:
    row = prepared(any_bench)[0]
    any_bench.central.delete(row)
    any_bench.now = any_bench.central.tick(60)
    any_bench.sync()
    any_bench.central.restore(row)
    any_bench.central.edit(row, minutes=5)
    assert any_bench.sync()[row.key].updated_at == row.updated_at


def test_changes_that_cancel_out_in_the_total_are_found_within_a_day(bench: Bench) -> None:
    rows = prepared(bench)
    late = bench.central.send(at=START - timedelta(days=1))
    bench.central.purge(rows[0])
    assert not bench.has_news(), "nothing shows them"
    bench.now += timedelta(hours=24)
    assert bench.has_news()
    assert late.key in bench.sync()
    assert rows[0].key not in bench.held.live()


def test_ids_are_compared_after_a_day_without_any_news(bench: Bench) -> None:
    prepared(bench)
    bench.now += timedelta(hours=24)
    assert bench.has_news()
    bench.sync()
    assert not bench.has_news()


def test_a_clock_that_was_wrong_hides_nothing(bench: Bench) -> None:
    """A submission of next year (by the server's clock, once) must not push the next read into next year."""
    bench.central.send(at=START + timedelta(days=365))
    row = bench.central.send()
    bench.sync()
    assert not bench.has_news()
    bench.central.edit(row, minutes=3)
    assert bench.has_news()
    assert bench.sync()[row.key].answers["minutes"] == "3"
    assert len(bench.held.live()) == 2


def test_an_empty_form_is_read_and_its_first_submission_is_news(any_bench: Bench) -> None:
    assert any_bench.sync() == {}
    assert not any_bench.has_news()
    any_bench.central.send()
    assert any_bench.has_news()
    assert len(any_bench.sync()) == 1


def test_a_look_for_news_after_an_import_stays_cheap(any_bench: Bench, small_pages: None) -> None:
    rows = [any_bench.central.send() for _ in range(9)]
    any_bench.sync()
    assert len(any_bench.requests_of(any_bench.has_news)) == 2
    assert not any_bench.has_news()
    any_bench.central.edit(rows[0], minutes=3)
    assert any_bench.has_news()
    any_bench.sync()
    assert not any_bench.has_news()


@pytest.mark.parametrize(
    "change",
    [
        {"shape": 0},
        {"form": "another"},
        {"project": 2},
        {"server": "https://elsewhere.example.org"},
        {"since": "yesterday"},
        {"total": None},
        {"read_as": "otherwise"},
        {"compared_at": None},
    ],
)
def test_a_cursor_of_another_shape_or_form_means_a_whole_read(bench: Bench, change: dict[str, Any]) -> None:
    rows = prepared(bench)
    assert bench.held.cursor is not None
    bench.held.cursor = {**bench.held.cursor, **change}
    assert bench.has_news()
    assert bench.sync().keys() == {row.key for row in rows if row is not rows[4]}


def test_a_cursor_that_lacks_a_key_means_a_whole_read(bench: Bench) -> None:
    prepared(bench)
    for key in dict(bench.held.cursor or {}):
        held = {name: value for name, value in (bench.held.cursor or {}).items() if name != key}
        assert bench.source.extract(VISIT, held, bench.held).server_count == 5, key


DOINGS = ("send", "late", "edit", "review", "delete", "restore", "purge")


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_whatever_people_do_both_sides_hold_the_same(data: st.DataObject) -> None:
    with pytest.MonkeyPatch.context() as patch, running(FakeCentral()) as central:
        patch.setattr(odk_server, "PAGE", 3)
        patch.setattr(odk_central, "PAGE", 3)
        central.tells_deletions = data.draw(st.booleans())
        bench = Bench(central)
        for _ in range(data.draw(st.integers(1, 5))):
            for what in data.draw(st.lists(st.sampled_from(DOINGS))):
                number = data.draw(st.integers(1, 999))
                present = [row for row in central.rows.values() if not row.deleted_at]
                deleted = [row for row in central.rows.values() if row.deleted_at]
                chosen = deleted if what in ("restore", "purge") else present
                row = chosen[number % len(chosen)] if chosen else None
                match what:
                    case "send":
                        central.send(minutes=number)
                    case "late":
                        # within the overlap: later than that it may cancel out with a purge until ids are compared
                        central.send(at=central.now - timedelta(seconds=number % 9), minutes=number)
                    case "edit" if row:
                        central.edit(row, minutes=number)
                    case "review" if row:
                        central.review(row, ("approved", "rejected", "hasIssues")[number % 3])
                    case "delete" if row:
                        central.delete(row)
                    case "restore" if row:
                        central.restore(row)
                    case "purge" if row:
                        central.purge(row)
            bench.now += timedelta(hours=data.draw(st.sampled_from([1, 30])))
            bench.sync()
            there = {row.key: row for row in central.rows.values() if not row.deleted_at}
            assert bench.held.live() == there.keys()
            for key, held in bench.held.newest.items():
                assert held.answers["minutes"] == str(there[key].answers["minutes"])
                assert held.review_state == (there[key].review_state or "received")
                assert held.is_counted == (there[key].review_state != "rejected")
            assert not bench.has_news()


# pages and counts


def test_pages_are_followed_on_the_server_that_was_asked(any_bench: Bench, small_pages: None) -> None:
    rows = [any_bench.central.send() for _ in range(7)]
    assert any_bench.central.domain not in any_bench.central.address
    assert any_bench.sync().keys() == {row.key for row in rows}
    pages = [request for request in any_bench.central.requests if "$expand" in request]
    assert len(pages) == 4
    assert not any("$orderby" in request or "$skip=" in request for request in pages)


def test_a_page_that_begins_after_a_purged_row_is_read_again(any_bench: Bench, small_pages: None) -> None:
    rows = [any_bench.central.send() for _ in range(6)]
    # the newest first: the first page ends with rows[4]; purged it takes all that comes after it along
    any_bench.central.between = [lambda: any_bench.central.purge(rows[4])]
    assert any_bench.sync().keys() == {row.key for row in rows if row is not rows[4]}


def test_a_submission_deleted_in_mid_read_is_not_given(bench: Bench, small_pages: None) -> None:
    rows = [bench.central.send() for _ in range(6)]
    bench.central.between = [lambda: bench.central.delete(rows[0])]
    assert bench.sync().keys() == {row.key for row in rows[1:]}


def test_a_submission_that_comes_in_mid_read_is_left_for_the_next(bench: Bench, small_pages: None) -> None:
    rows = [bench.central.send() for _ in range(6)]
    bench.central.between = [bench.central.send, bench.central.send]
    asked = bench.requests_of(lambda: bench.sync())
    assert sum("$expand" in request for request in asked) == 3, "no page is asked for twice"
    assert bench.held.live() == {row.key for row in rows}
    assert bench.has_news()
    assert len(bench.sync()) == 8


def test_a_submission_that_comes_while_ids_are_compared_is_left_for_the_next(bench: Bench, small_pages: None) -> None:
    prepared(bench)
    bench.now += timedelta(days=1)
    bench.central.between = [bench.central.send]
    bench.sync()
    assert bench.has_news()
    assert len(bench.sync()) == 2


def test_a_count_that_lies_loads_nothing(bench: Bench) -> None:
    bench.central.send()
    bench.central.count_of = lambda count: count + 1
    with pytest.raises(ReadIncomplete, match="counts 2 submissions and gave 1") as raised:
        bench.extract()
    assert "field, visit" in str(raised.value)
    assert sum("$expand" in request for request in bench.central.requests) == odk_central.READS


def test_ids_that_do_not_come_to_their_count_prove_nothing(bench: Bench) -> None:
    prepared(bench)
    bench.now += timedelta(days=1)
    bench.central.mangle = lambda path, body: (
        body.replace(b'"@odata.count": 5', b'"@odata.count": 6') if "select=__id" in path else body
    )
    with pytest.raises(ReadIncomplete, match="counts 6 submissions and gave 5"):
        bench.extract()


def test_a_total_that_does_not_add_up_lets_ids_be_compared(bench: Bench) -> None:
    rows = prepared(bench)
    bench.central.purge(rows[0])
    extraction = bench.extract()
    assert extraction.present_ids == {row.key for row in rows[1:] if row is not rows[4]}
    assert extraction.server_total == 4
    bench.held.take(extraction)


def test_a_submission_deleted_while_ids_are_compared_is_not_given(bench: Bench) -> None:
    rows = prepared(bench)
    bench.now += timedelta(days=1)
    bench.central.edit(rows[0], minutes=1)
    deleted: list[str] = []

    def meddle(path: str) -> None:
        if "select=__id&" in path and not deleted:
            deleted.append(path)
            bench.central.delete(rows[0])

    bench.central.faults = [meddle] * 99  # type: ignore[list-item]
    found = bench.sync()
    assert deleted
    assert found[rows[0].key].is_deleted


def test_pages_that_lead_round_in_a_circle_are_not_followed(bench: Bench, small_pages: None) -> None:
    for _ in range(9):
        bench.central.send()
    first: list[str] = []
    bench.central.next_of = lambda link: first.append(link) or first[0]  # type: ignore[func-returns-value]
    with pytest.raises(AnswerNotUnderstood, match="circle"):
        bench.extract()


@pytest.mark.parametrize(
    "link",
    [
        "https://elsewhere.example.org/steal?%24skiptoken=01abc",
        "http://127.0.0.1/v1/projects/1/forms/other.svc/Submissions?%24skiptoken=01abc",
        "http://127.0.0.1/v1/projects/1/forms/visit_ru.svc/Submissions?%24skip=2",
        "http://[",
    ],
)
def test_a_next_page_that_leads_elsewhere_is_not_followed(bench: Bench, small_pages: None, link: str) -> None:
    for _ in range(3):
        bench.central.send()
    bench.central.next_of = lambda _: link
    with pytest.raises(AnswerNotUnderstood, match="leads elsewhere") as raised:
        bench.extract()
    assert "elsewhere.example.org" not in str(raised.value)


def test_an_empty_page_with_a_next_one_ends_the_read(bench: Bench, small_pages: None) -> None:
    for _ in range(4):
        bench.central.send()
    bench.central.mangle = lambda path, body: (
        json.dumps(json.loads(body) | {"value": []}).encode() if "skiptoken" in path else body
    )
    with pytest.raises(ReadIncomplete, match="counts 4 submissions and gave 2"):
        bench.extract()


def test_the_fake_of_2024_answers_as_recorded(bench: Bench) -> None:
    """Guards the two answers on which the connector's behaviour with old servers rests."""
    refusal, empty = (
        json.loads((RECORDED / name).read_text()) for name in ("2024_filter_deleted_at.json", "2024_top_0.json")
    )
    bench.central.tells_deletions = False
    bench.central.send()
    bench.sync()
    assert refusal["code"] == 501.5
    status, _, body = bench.central.answer(
        "GET",
        "/v1/projects/1/forms/visit_ru.svc/Submissions?%24top=0&%24count=true",
        next(iter(bench.central.tokens)),
        b"",
    )
    assert status == 200
    assert json.loads(body).keys() == empty.keys()
    assert empty["@odata.nextLink"].endswith("%24skiptoken=01eyJpbnN0YW5jZUlkIjpudWxsfQ%3D%3D")
    assert json.loads(body)["@odata.nextLink"].endswith("%24skiptoken=01eyJpbnN0YW5jZUlkIjpudWxsfQ%3D%3D")


# what goes wrong on the way


def failing(*answers: Any) -> list[Callable[[str], Any]]:
    return [lambda _, answer=answer: answer for answer in answers]


def cut(how: str) -> Any:
    status, headers, body = said({"value": [], "@odata.count": 0, "padding": "x" * 100})
    return status, headers | {"X-Cut": how}, body


def test_a_token_that_dies_is_renewed_once(bench: Bench, small_pages: None) -> None:
    rows = [bench.central.send() for _ in range(6)]
    bench.central.between = [lambda: bench.central.tokens.clear()]
    assert bench.sync().keys() == {row.key for row in rows}
    assert bench.central.logins == 2


@pytest.mark.parametrize("had_a_token", [True, False])
def test_a_server_that_never_takes_the_token_is_not_asked_for_ever(bench: Bench, had_a_token: bool) -> None:
    if had_a_token:
        bench.source.check()
    before = bench.central.logins
    bad = json.loads((RECORDED / "bad_token.json").read_text())
    bench.central.faults = [lambda path: said(bad, 401) if "sessions" not in path else None] * 9
    with pytest.raises(SourceDenied):
        bench.extract()
    assert bench.central.logins == before + 1
    assert bench.slept == []


def test_wrong_credentials_fail_at_once(bench: Bench) -> None:
    bench.central.password = "changed"
    with pytest.raises(SourceDenied, match=r"401\.2.*Mend the connection") as raised:
        bench.extract()
    assert len(bench.central.requests) == 1
    assert "let me in" not in str(raised.value)
    assert "reader@example.org" not in str(raised.value)


@pytest.mark.parametrize("given", [{"login": "reader@example.org"}, {"password": "let me in"}])
def test_credentials_that_lack_a_half_are_not_sent(
    bench: Bench, given: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_ODK", json.dumps({"conn_type": "http", **given}))
    with pytest.raises(SourceDenied, match="no login or no password"):
        bench.extract()
    assert bench.central.requests == []


def test_a_user_without_the_right_to_read_is_told_so(bench: Bench) -> None:
    bench.source.check()
    bench.central.faults = failing(refused(403, 403.1))
    with pytest.raises(SourceDenied, match="right to read submissions"):
        bench.extract()


@pytest.mark.parametrize("what", ["trashed", "unknown"])
def test_a_form_that_is_not_there_is_named(bench: Bench, what: str) -> None:
    if what == "trashed":
        bench.central.is_trashed = True
    else:
        bench.source = bench.connect(form="другая форма")
    with pytest.raises(SourceNotFound, match=r"field, visit \(form .* in project 1\).*restore the form"):
        bench.extract()
    assert bench.slept == []


def test_patience_is_as_long_as_the_server_asks(bench: Bench) -> None:
    bench.source.check()
    bench.central.faults = failing(refused(429, 429.7, Retry_After="7"))
    bench.sync()
    assert bench.slept == [7.0]


def test_patience_has_an_end(bench: Bench) -> None:
    bench.source.check()
    bench.central.faults = failing(refused(429, 429.7, Retry_After="3600"))
    with pytest.raises(SourceThrottled):
        bench.extract()
    assert bench.slept == []


@pytest.mark.parametrize(
    "answer",
    [
        said({"message": "Internal Server Error"}, 500),
        (502, {"Content-Type": "text/html"}, b"<html>"),
        (200, {"Content-Type": "text/html"}, b"<html>log in to the hotel's network</html>"),
        (200, {}, b""),
        (200, {}, b'{"value": [], "@odata.count": 0'),
        cut("close"),
        cut("hang"),
    ],
    ids=["500", "502", "another page", "nothing", "half", "cut", "hangs"],
)
def test_trouble_that_passes_is_waited_for(bench: Bench, answer: Any) -> None:
    row = bench.central.send()
    bench.source = bench.connect(seconds=0.2 if answer[1].get("X-Cut") == "hang" else 5.0)
    bench.source.check()
    bench.central.faults = failing(None, None, answer, answer)
    assert bench.sync().keys() == {row.key}
    assert len(bench.slept) == 2
    assert not bench.central.waited_out


def test_trouble_that_does_not_pass_is_said(bench: Bench) -> None:
    bench.source.check()
    bench.central.faults = failing(*[said({"message": "secret"}, 500)] * 9)
    with pytest.raises(SourceUnreachable, match="trouble of its own") as raised:
        bench.extract()
    assert "secret" not in str(raised.value)
    assert len(bench.slept) == 2


def test_a_server_that_is_not_there_is_said(bench: Bench) -> None:
    bench.central.address = "http://127.0.0.1:9"
    with pytest.raises(SourceUnreachable):
        bench.connect().check()


def test_a_redirection_is_not_followed(bench: Bench) -> None:
    bench.central.faults = failing((301, {"Location": "https://elsewhere.example.org/v1/sessions"}, b""))
    with pytest.raises(AnswerNotUnderstood, match=r"sources\.yml \(server\)"):
        bench.extract()


def test_a_log_in_without_a_token_is_said(bench: Bench) -> None:
    bench.central.mangle = lambda path, body: b'{"token": "a\\nb"}' if "sessions" in path else body
    with pytest.raises(AnswerNotUnderstood, match="no token"):
        bench.extract()


def test_nothing_is_written_and_no_other_credentials_are_used(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login somebody password else\n")
    (tmp_path / ".netrc").chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    monkeypatch.setenv("PYODK_CACHE_FILE", str(tmp_path / "cache.toml"))
    bench.central.send()
    bench.source = bench.connect()
    bench.sync()
    assert [path.name for path in tmp_path.iterdir()] == [".netrc"]


def test_no_credential_is_in_cursor_notes_or_repr(bench: Bench) -> None:
    bench.central.send()
    extraction = bench.extract()
    shown = json.dumps(extraction.cursor) + repr(extraction.notes) + repr(vars(bench.source)) + repr(bench.source)
    for secret in ("let me in", "reader@example.org", *bench.central.tokens):
        assert secret not in shown


# forms that cannot be read without loss


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ([("/имя", "string"), ("/дом", "string")], "дом, имя"),
        ([("/имя", "string")], "имя"),
        ([("/a-b", "string"), ("/a.b", "string")], "a-b, a.b"),
        ([("/группа", "structure"), ("/группа/x", "string")], "группа, группа/x"),
        ([("/kids", "repeat"), ("/kids/имя", "string")], "kids/имя"),
        ([("/__system", "string")], "__system"),
        ([("/g", "structure"), ("/g/__id", "string")], "g/__id"),
    ],
)
def test_fields_that_odata_cannot_tell_apart_are_named(bench: Bench, fields: list[tuple[str, str]], named: str) -> None:
    bench.central.fields += fields
    with pytest.raises(FormUnusable, match="field, visit") as raised:
        bench.extract()
    assert f"told apart: {named}." in str(raised.value)


def test_a_name_that_odata_only_spells_otherwise_keeps_its_own(bench: Bench) -> None:
    bench.central.fields += [("/shoe-size", "int")]
    bench.central.send(**{"shoe-size": 38})
    (found,) = bench.sync().values()
    assert found.extra == {"shoe-size": 38}


def test_encrypted_submissions_are_refused_with_a_way_out(bench: Bench) -> None:
    bench.central.send()
    bench.central.send(is_encrypted=True)
    with pytest.raises(FormUnusable, match=r"encrypted.*passphrase.*kind files"):
        bench.extract()


def test_two_fields_that_answer_one_question_are_refused(bench: Bench) -> None:
    bench.central.fields += [("/minutes", "int")]
    with pytest.raises(FormUnusable, match="two fields answer minutes"):
        bench.extract()


def test_a_version_published_in_mid_read_is_read_again(bench: Bench) -> None:
    bench.central.send(note="x")
    asked: list[str] = []

    def publish(path: str) -> None:
        asked.append(path)
        if "expand" in path:
            bench.central.fields += [("/more", "structure"), ("/more/note", "string")]
            bench.central.faults = []

    bench.central.faults = [publish] * 9  # type: ignore[list-item]
    (found,) = bench.sync().values()
    assert found.answers["note"] == "x"
    assert sum("/fields" in path for path in bench.central.requests) == 2


@pytest.mark.parametrize(
    ("true", "false"),
    [
        (b'"__id": "uuid:00000001-0000-4000-8000-000000000000"', b'"__id": " "'),
        (b'"@odata.count": 1', b'"@odata.count": true'),
        (b'"@odata.count": 1', b'"@odata.count": -1'),
        (b'"when": {', b'"when": [1], "was": {'),
        (b'"member": [', b'"member": 7, "was": ['),
        (b'"submissionDate": "2026', b'"submissionDate": "early in 2026'),
    ],
)
def test_what_is_not_understood_is_said(bench: Bench, true: bytes, false: bytes) -> None:
    bench.central.send(members=[{"m_name": "А"}])
    bench.sync()
    bench.central.mangle = lambda path, body: body.replace(true, false) if "expand" in path else body
    with pytest.raises(AnswerNotUnderstood, match="field, visit"):
        bench.source.extract(VISIT, None, bench.held)


def test_the_connection_test_says_what_it_sees(bench: Bench) -> None:
    assert bench.source.check() == f"connected to {bench.central.address}, 1 forms visible"
    with pytest.raises(SourceNotFound, match="does not see other in project 1"):
        bench.connect(form="other").check()
    assert bench.source.overlooked() == []


def test_to_see_a_form_is_not_yet_to_read_it(bench: Bench) -> None:
    bench.central.faults = [lambda _: None, lambda _: None, lambda path: refused(403, 403.1)]
    with pytest.raises(SourceDenied, match="field, visit"):
        bench.source.check()


def test_sources_of_this_kind_are_opened_without_asking_the_server() -> None:
    config = OdkConfig(
        name="field",
        kind="odk_central",
        time_zone="Europe/Moscow",
        server="http://127.0.0.1:9",
        connection="odk",
        forms={"visit": OdkForm(project=1, form="visit_ru")},
    )
    assert isinstance(open_source(config), OdkCentralSource)


# whatever the server says


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just("2026-11-24T00:00:00Z"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["__id", "a", "path"]), inner),
    max_leaves=5,
)


def places(body: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield at
    inner = body.items() if isinstance(body, dict) else enumerate(body) if isinstance(body, list) else ()
    for key, value in inner:
        yield from places(value, (*at, key))


def replaced(body: Any, at: tuple[Any, ...], value: Any) -> Any:
    if not at:
        return value
    copy = dict(body) if isinstance(body, dict) else list(body)
    copy[at[0]] = replaced(body[at[0]], at[1:], value)
    return copy


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_whatever_the_server_says_no_wrong_row_is_made(data: st.DataObject) -> None:
    with running(FakeCentral()) as central:
        bench = Bench(central)
        rows = [central.send(pair_code="П-1", minutes=1, members=[{"m_name": "А"}]) for _ in range(2)]
        bench.sync()
        central.edit(rows[0], minutes=2)
        cursor = data.draw(st.sampled_from([None, bench.held.cursor]))
        target = data.draw(st.sampled_from(["/fields", "/versions", "expand", "top=0", "Submissions", "sessions"]))
        if target == "sessions":
            central.tokens.clear()

        def mangle(path: str, body: bytes) -> bytes:
            if target not in path.replace("%24", ""):
                return body
            parsed = json.loads(body)
            for _ in range(data.draw(st.integers(1, 2))):
                at = data.draw(st.sampled_from(list(places(parsed))))
                parsed = replaced(parsed, at, data.draw(JSON))
            return json.dumps(parsed).encode()

        central.mangle = mangle
        try:
            found = list(bench.source.extract(VISIT, cursor, bench.held).submissions)
        except SourceError as error:
            assert "П-1" not in str(error)
            return
        for submission in found:
            assert isinstance(submission.submission_id, str)
            assert submission.submission_id.strip()
            for at in (submission.submitted_at, submission.updated_at):
                assert at is None or (at.tzinfo is not None and at.utcoffset() == timedelta(0))
            assert all(answer is None or isinstance(answer, str) for answer in submission.answers.values())
            assert submission.answers.keys() == (
                {q.name for q in VISIT.questions} if not submission.is_deleted else set()
            )
