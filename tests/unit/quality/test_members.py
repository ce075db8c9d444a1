from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from vmeste.forms import REPEAT, load_form
from vmeste.quality.members import member_rows, of_submissions
from vmeste.quality.suites import suite_for_members
from vmeste.quality.validate import validate
from vmeste.settings import ROOT

MEETING = load_form(ROOT / "forms" / "f4_meeting.md")
TALKS = replace(
    MEETING.question("concern_txt"),
    name="talks",
    kind=REPEAT,
    members=tuple(MEETING.question(name) for name in ("pair_code", "status", "duration_min", "held_on")),
)


def submissions(*answers: object) -> pd.DataFrame:
    texts = [json.dumps(answer) if answer is not None else None for answer in answers]
    frame = pd.DataFrame({"talks": pd.array(texts, dtype="string"), "_source": "s"})
    return frame.assign(
        _submission_id=[f"m{number}" for number in range(len(frame))], _today=pd.Timestamp("2021-06-01")
    )


def test_members_are_rows_that_know_their_submission() -> None:
    rows = member_rows(submissions(None, [{"duration_min": "60"}, {"duration_min": "час"}], [{}]), TALKS)
    assert rows["_parent"].tolist() == [1, 1, 2]
    assert rows["_position"].tolist() == [1, 2, 1]
    assert rows["_submission_id"].tolist() == ["m1", "m1", "m2"]
    assert rows["duration_min"].tolist()[0] == 60
    assert rows["_untyped__duration_min"].tolist()[1] == "час"


@pytest.mark.parametrize(
    ("member", "rule"),
    [
        ({"duration_min": "час"}, "talks.duration_min.type"),
        ({"duration_min": "5"}, "talks.duration_min.range"),
        ({"duration_min": None}, "talks.duration_min.required"),
        ({"status": "maybe"}, "talks.status.choices"),
        ({"held_on": "2021-07-01"}, "talks.held_on.future"),
        ({"pair_key": None}, "talks.pair_code.required"),
    ],
)
def test_what_a_member_breaks_its_submission_breaks(tmp_path: Path, member: dict[str, str | None], rule: str) -> None:
    sound = {"pair_key": "k", "status": "held", "duration_min": "60", "held_on": "2021-05-01"}
    broken = sound | member
    rows = member_rows(submissions([sound], [sound, broken, broken]), TALKS)
    verdict = of_submissions(validate(rows, suite_for_members(MEETING, TALKS, tmp_path)), rows)
    assert list(verdict.broken) == [1]
    assert verdict.broken[1].count(rule) == 1
    assert verdict.remedies[rule]


def test_a_written_suite_looks_at_members_too(tmp_path: Path) -> None:
    rule = {
        "type": "expect_column_values_to_be_in_set",
        "kwargs": {"column": "status", "value_set": ["held"]},
        "severity": "info",
        "meta": {"rule": "only_held", "remedy_ru": "Только состоявшиеся"},
    }
    (tmp_path / "f4_meeting.talks.json").write_text(json.dumps({"expectations": [rule]}), encoding="utf-8")
    member = {"pair_key": "k", "status": "no_show", "held_on": "2021-05-01"}
    rows = member_rows(submissions([member]), TALKS)
    verdict = of_submissions(validate(rows, suite_for_members(MEETING, TALKS, tmp_path)), rows)
    assert (verdict.broken, verdict.noted) == ({}, {0: ("talks.only_held",)})
