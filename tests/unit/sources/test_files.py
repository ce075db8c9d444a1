from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.unit.sources.conftest import GOOD, VISIT, Folder, make_folder
from vmeste.sources import SourceError
from vmeste.sources.base import CONTENT_ID_PREFIX


def test_a_row_becomes_a_submission(folder: Folder) -> None:
    folder.write(
        "visits.csv",
        "submission_id,submitted_at,updated_at,form_version,review_state,pair_code,held_on,status,minutes,Автобус\n"
        "id-1,2021-03-02T10:00:00+03:00,2021-03-05T09:30:00.250Z,2021010101,approved,П-1,2021-03-01,held,60,№ 5\n",
    )
    extraction, (submission,) = folder.extract()
    assert (submission.source, submission.form_id, submission.submission_id) == ("centre", "visit", "id-1")
    assert submission.form_version == "2021010101"
    assert submission.submitted_at == datetime(2021, 3, 2, 7, tzinfo=UTC)
    assert submission.updated_at == datetime(2021, 3, 5, 9, 30, 0, 250_000, tzinfo=UTC)
    assert submission.review_state == "approved"
    assert submission.answers["minutes"] == "60"
    assert set(submission.answers) == {question.name for question in VISIT.questions}
    assert submission.answers["note"] is None
    assert submission.extra == {"Автобус": "№ 5", "_origin": "visits.csv, row 2"}
    (note,) = extraction.notes
    for said in ("visits.csv: 1 rows", "CSV", "utf-8", "commas", "header in row 1", "held_on: dates ISO", "Автобус"):
        assert said in note
    assert "no column for start_time, fare" in note


def test_an_unchanged_file_is_no_news(folder: Folder) -> None:
    path = folder.write("visits.csv", GOOD)
    first, _ = folder.extract()
    cursor = json.loads(json.dumps(first.cursor))
    assert not folder.source.has_news(VISIT, cursor)
    os.utime(path, ns=(1, 1))  # copied again: another time, the same bytes
    assert not folder.source.has_news(VISIT, cursor)
    again, submissions = folder.extract(cursor)
    assert (again.server_count, submissions) == (0, [])
    assert again.cursor["files"]["visits.csv"]["mtime_ns"] == 1, "the next look needs no hash"


def test_an_unchanged_file_is_not_even_opened(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.write("visits.csv", GOOD)
    cursor = folder.extract()[0].cursor
    monkeypatch.setattr(Path, "open", lambda *_: pytest.fail("a look must not cost a read"))
    assert not folder.source.has_news(VISIT, cursor)
    folder.extract(cursor)


def test_only_new_and_altered_files_are_read(folder: Folder) -> None:
    folder.write("a.csv", GOOD)
    altered = folder.write("b.csv", GOOD.replace("id-1", "id-2"))
    cursor = folder.extract()[0].cursor
    altered.write_text(GOOD.replace("id-1", "id-2").replace("60", "45"), encoding="utf-8")
    os.utime(altered, ns=(1, 1))  # the size is the same
    folder.write("c.csv", GOOD.replace("id-1", "id-3"))
    assert folder.source.has_news(VISIT, cursor)
    extraction, submissions = folder.extract(cursor)
    assert [(found.submission_id, found.answers["minutes"]) for found in submissions] == [
        ("id-2", "45"),
        ("id-3", "60"),
    ]
    assert sorted(extraction.cursor["files"]) == ["a.csv", "b.csv", "c.csv"]
    assert not folder.source.has_news(VISIT, extraction.cursor)


def test_an_altered_file_that_is_refused_leaves_the_cursor(folder: Folder) -> None:
    path = folder.write("a.csv", GOOD)
    cursor = folder.extract()[0].cursor
    path.write_bytes(b"")
    extraction, _ = folder.extract(cursor)
    assert extraction.refusals[0].name == "a.csv"
    assert extraction.cursor["files"] == {}


def test_a_changed_translation_or_form_is_news(tmp_path: Path) -> None:
    folder = make_folder(tmp_path)
    folder.write("a.csv", GOOD.replace("minutes", "minutes,Комментарий").replace("60", "60,условно"))
    cursor = folder.extract()[0].cursor
    assert not folder.source.has_news(VISIT, cursor)
    translated = make_folder(tmp_path, {"Комментарий": "note"})
    assert translated.source.has_news(VISIT, cursor)
    _, (submission,) = translated.extract(cursor)
    assert submission.answers["note"] == "условно"
    shorter = replace(VISIT, questions=VISIT.questions[:-1])
    assert folder.source.has_news(shorter, cursor)


def test_files_are_read_in_the_order_of_their_names_and_leftovers_are_not(folder: Folder) -> None:
    for number, name in enumerate(["c.csv", "a.csv", "b.csv", "~$a.csv", ".a.csv", "d.csv.part"]):
        folder.write(name, GOOD.replace("id-1", f"{name} {number}"))
    (folder.path / "folder.csv").mkdir()
    _, submissions = folder.extract()
    assert [found.submission_id for found in submissions] == ["a.csv 1", "b.csv 2", "c.csv 0"]


def test_the_pattern_chooses_the_files(tmp_path: Path) -> None:
    folder = make_folder(tmp_path, files="visit_*")
    folder.write("visit_1.csv", GOOD)
    folder.write("other.csv", "nothing of ours")
    extraction, submissions = folder.extract()
    assert (len(submissions), extraction.refusals) == (1, ())


def test_an_empty_folder_is_said(folder: Folder) -> None:
    extraction, submissions = folder.extract()
    assert (extraction.server_count, submissions, extraction.refusals) == (0, [], ())
    assert "nothing to read" in extraction.notes[0]
    assert not folder.source.has_news(VISIT, extraction.cursor)


def test_a_missing_folder_stops_the_source(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "absent")
    for ask in (folder.source.has_news, folder.source.extract):
        with pytest.raises(SourceError, match=r"centre, visit: the folder .*absent cannot be read .*`location`"):
            ask(VISIT, None)


def test_a_form_that_sources_yml_does_not_place_stops_the_source(folder: Folder) -> None:
    with pytest.raises(SourceError, match=r"does not say where other lies.*other: \{files"):
        folder.source.extract(replace(VISIT, form_id="other"), None)


def test_a_translation_into_nothing_stops_the_source(translated: Callable[..., Folder]) -> None:
    with pytest.raises(SourceError, match=r"'Пара' is translated into 'pair'.*Expected one of pair_code"):
        translated(Пара="pair").extract()


def test_without_ids_the_answers_give_one_whatever_the_file(folder: Folder) -> None:
    rows = "pair_code,held_on,status,minutes\nП-1,2021-03-01,held,60\nП-2,2021-03-01,held,60\n"
    folder.write("a.csv", rows)
    folder.write("b.csv", "minutes;status;held_on;pair_code\n60;Состоялась;01.03.2021;П-1\n")
    extraction, (first, second, again) = folder.extract()
    assert first.submission_id == again.submission_id != second.submission_id
    assert first.submission_id.startswith(CONTENT_ID_PREFIX)
    assert "no column submission_id" in extraction.notes[0]


def test_a_single_missing_id_comes_from_the_answers(folder: Folder) -> None:
    folder.write("a.csv", GOOD + ",2021-03-02T10:00:00+03:00,П-2,2021-03-01,held,60\n")
    extraction, (_, second) = folder.extract()
    assert second.submission_id.startswith(CONTENT_ID_PREFIX)
    assert "1 rows without submission_id" in extraction.notes[0]


def test_without_submitted_at_the_time_of_the_file_stands_for_it(folder: Folder) -> None:
    path = folder.write("a.csv", "submission_id,pair_code,held_on,status,minutes\nid-1,П-1,2021-03-01,held,60\n")
    moment = datetime(2021, 4, 1, 12, tzinfo=UTC)
    os.utime(path, (moment.timestamp(), moment.timestamp()))
    extraction, (submission,) = folder.extract()
    assert submission.submitted_at == moment
    assert "no column submitted_at: the file's time of change" in extraction.notes[0]
    assert submission.form_version == VISIT.version
    assert f"form_version is not given everywhere: taken as {VISIT.version}" in extraction.notes[0]


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("2021-03-02T10:00:00+03:00", datetime(2021, 3, 2, 7, tzinfo=UTC)),
        ("2021-03-02T10:00:00Z", datetime(2021, 3, 2, 10, tzinfo=UTC)),
        ("2021-03-02T10:00:00.123456+0300", datetime(2021, 3, 2, 7, 0, 0, 123456, tzinfo=UTC)),
        ("2021-03-02 10:00", datetime(2021, 3, 2, 7, tzinfo=UTC)),  # no zone: Moscow, of sources.yml
        ("02.03.2021 10:00:05", datetime(2021, 3, 2, 7, 0, 5, tzinfo=UTC)),
        ("02.03.2021 9:00", datetime(2021, 3, 2, 6, tzinfo=UTC)),
        ("02.03.2021", datetime(2021, 3, 1, 21, tzinfo=UTC)),
        ("3/22/2021 1:05:00 PM", datetime(2021, 3, 22, 10, 5, tzinfo=UTC)),
        ("01.07.2012 10:00", datetime(2012, 7, 1, 6, tzinfo=UTC)),  # Moscow was at +4 then
    ],
)
def test_moments_in_all_their_forms(folder: Folder, written: str, expected: datetime) -> None:
    folder.write("a.csv", GOOD.replace("2021-03-02T10:00:00+03:00", written))
    _, (submission,) = folder.extract()
    assert submission.submitted_at == expected


def test_system_columns_under_the_servers_names(folder: Folder) -> None:
    folder.write(
        "a.csv",
        "SubmissionDate,meta-instanceID,visit-pair_code,visit-held_on,visit-status,visit-minutes,KEY,ReviewState\n"
        "2021-03-02T10:00:00.000Z,uuid:1,П-1,2021-03-01,held,60,uuid:1,hasIssues\n",
    )
    _, (submission,) = folder.extract()
    assert submission.submission_id == "uuid:1"
    assert submission.review_state == "hasIssues"
    assert submission.answers["pair_code"] == "П-1"
    assert submission.extra["meta-instanceID"] == "uuid:1"


@pytest.mark.parametrize(("column", "letters", "is_read"), [
    ("submission_id", 250, True), ("submission_id", 251, False), ("submission_id", 1_000_000, False),
    ("review_state", 100, True), ("review_state", 101, False),
])  # fmt: skip
def test_an_id_that_is_none_is_refused_by_its_row(folder: Folder, column: str, letters: int, is_read: bool) -> None:
    given = GOOD.replace("submission_id", "note") if column == "submission_id" else GOOD
    given = given.replace("minutes", f"minutes,{column}").replace("60", "60," + "х" * letters)
    folder.write("a.csv", given)
    if is_read:
        _, (submission,) = folder.extract()
        assert letters in (len(submission.submission_id), len(submission.review_state or ""))
    else:
        reason = folder.refusal()
        assert f"row 2: what stands in {column} has {letters:,} letters" in reason
        assert "ххх" not in reason


def test_an_unknown_column_never_looks_like_one_of_ours(folder: Folder) -> None:
    """Entries with an underscore are the pipeline's own: the vault does not take them for answers."""
    folder.write("a.csv", GOOD.replace("minutes", "minutes,_name,_origin").replace("60", "60,условно,подделка"))
    _, (submission,) = folder.extract()
    assert submission.extra == {"name": "условно", "origin": "подделка", "_origin": "a.csv, row 2"}


def test_a_column_may_be_said_to_be_no_question(translated: Callable[..., Folder]) -> None:
    folder = translated(**{"сколько  минут": None, "old/note": None, "FormVersion": None})
    folder.write(
        "a.csv",
        "submission_id,submitted_at,pair_code,held_on,status,minutes,Сколько минут?,old/note,FormVersion\n"
        "id-1,2021-03-02T10:00:00+03:00,П-1,2021-03-01,held,60,45,x,7\n",
    )
    _, (submission,) = folder.extract()
    assert (submission.answers["minutes"], submission.answers["note"]) == ("60", None)
    assert submission.form_version != "7"
    assert {"Сколько минут?": "45", "old/note": "x", "FormVersion": "7"}.items() <= submission.extra.items()


def test_two_unknown_columns_of_one_name_and_one_without(folder: Folder) -> None:
    folder.write("a.csv", GOOD.replace("minutes", "minutes,Час,,Час").replace("60", "60,1,2,3"))
    _, (submission,) = folder.extract()
    assert submission.extra == {"Час": "1", "column 8": "2", "Час (2)": "3", "_origin": "a.csv, row 2"}


def test_a_file_that_no_form_would_read_is_named(tmp_path: Path) -> None:
    folder = make_folder(tmp_path, files="visit_*")
    for name in ("visit_2021.csv", "Visits 2021.csv", "встречи.XLSX", "~$visit.xlsx", "copy.csv.part", "notes.md"):
        folder.write(name, GOOD)
    (tmp_path / "old.csv").mkdir()
    assert [refusal.name for refusal in folder.source.overlooked()] == ["Visits 2021.csv", "встречи.XLSX"]
    assert "Rename it after its form, e.g. visit_*" in folder.source.overlooked()[0].reason
