from __future__ import annotations

import json
from typing import Any

import pytest

from tests.unit.sources.conftest import Folder

RECORD: dict[str, Any] = {"submission_id": "id-1", "pair_code": "П-1", "held_on": "2021-03-01", "status": "held"}


def lines(*records: Any) -> str:
    return "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)


def test_values_of_every_type(folder: Folder) -> None:
    record = RECORD | {"minutes": 60, "fare": 12.5, "mood": 2, "goals": ["g1", "g3"], "note": "черта\u2028строка"}
    folder.write("a.jsonl", lines(record | {"ride": {"bus": [1, 2]}}))
    extraction, (submission,) = folder.extract()
    given = {name: answer for name, answer in submission.answers.items() if answer is not None}
    assert given == {
        "pair_code": "П-1",
        "held_on": "2021-03-01",
        "status": "held",
        "minutes": "60",
        "fare": "12.5",
        "mood": "2",
        "goals": "g1 g3",
        "note": "черта\u2028строка",
    }
    assert submission.extra == {"ride/bus": [1, 2], "_origin": "a.jsonl, row 1"}
    assert "JSON lines" in extraction.notes[0]


def test_a_question_that_was_not_asked_has_no_key(folder: Folder) -> None:
    folder.write("a.jsonl", lines(RECORD | {"status": "no_show"}))
    assert folder.answers()[0]["minutes"] is None


def test_a_required_question_that_no_line_answers_is_missing(folder: Folder) -> None:
    folder.write("a.jsonl", lines({name: value for name, value in RECORD.items() if name != "held_on"}))
    assert "required columns are missing: held_on" in folder.refusal()


def test_groups_and_the_servers_own_entries(folder: Folder) -> None:
    record = {
        "__id": "uuid:2",
        "__system": {"submissionDate": "2021-03-02T07:00:00.000Z", "reviewState": "approved"},
        "visit": {"pair_code": "П-1", "held_on": "2021-03-01", "status": "no_show"},
        "meta": {"instanceID": "uuid:2"},
    }
    folder.write("a.json", lines(record))
    _, (submission,) = folder.extract()
    assert (submission.submission_id, submission.review_state) == ("uuid:2", "approved")
    assert submission.answers["status"] == "no_show"


def test_rows_are_lines(folder: Folder) -> None:
    folder.write("a.jsonl", "\n" + lines(RECORD | {"minutes": 1}) + "\n" + lines(RECORD | {"minutes": 2}))
    assert [found.extra["_origin"] for found in folder.extract()[1]] == ["a.jsonl, row 2", "a.jsonl, row 4"]


def test_half_a_surrogate_pair_can_be_stored(folder: Folder) -> None:
    folder.write("a.jsonl", json.dumps(RECORD | {"minutes": 1, "note": "\ud83d", "other": "\ud83d"}))
    _, (submission,) = folder.extract()
    assert submission.answers["note"] == "\ufffd"
    json.dumps(dict(submission.extra), ensure_ascii=False).encode()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (lines(RECORD) + '{"pair_code": "П-1"', "line 2 is not a JSON object"),
        ("[1, 2]", "one JSON array"),
        (lines(RECORD) + "5\n", "line 2 is not a JSON object but int"),
        ('{"pair_code": "П-1", "pair_code": "П-2"}', "'pair_code' stands in it twice"),
        ("[" * 3 + "{" * 100_000, "one JSON array"),
        ('{"a":' * 100_000, "line 1 is not a JSON object"),
        (lines(RECORD | {"minutes": "0" * 1_048_577}), "row 1 has a cell of more than 1,048,576 characters"),
        (lines(RECORD | {f"q{number}": 1 for number in range(2_000)}), "more than the 2,000"),
        (lines(RECORD)[:-2] + ', "minutes": ' + "9" * 5_000 + "}", "line 1 is not a JSON object"),
    ],
)
def test_broken_lines_are_refused(folder: Folder, content: str, said: str) -> None:
    folder.write("a.jsonl", content)
    assert said in folder.refusal()
