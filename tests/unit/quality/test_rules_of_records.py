"""Each rule of F1, F5, F6, F8, S1, S2 and E1 has a record that breaks it, and a sound record breaks none."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from vmeste.forms import load_forms
from vmeste.forms.columns import answer_columns
from vmeste.quality.members import member_rows, of_submissions
from vmeste.quality.suites import read_suite, suite_for, suite_for_members
from vmeste.quality.typing import typed
from vmeste.quality.validate import merge, validate
from vmeste.settings import ROOT
from vmeste.warehouse.references import enrich, is_first

FORMS = load_forms(ROOT / "forms")
EXPECTATIONS = ROOT / "expectations"
ZONE = ZoneInfo("Europe/Moscow")

REGISTRY: dict[str, list[dict[str, Any]]] = {
    "r1_mentee": [{"mentee_key": "mentee", "birth_year": 2006}, {"mentee_key": "silent", "birth_year": 2006}],
    "r2_mentor": [{"mentor_key": "mentor"}, {"mentor_key": "other"}, {"mentor_key": "leader"}],
    "r3_pair": [
        {"pair_key": "pair", "mentee_key": "mentee", "start_on": "2021-02-01"},
        {"pair_key": "silent", "mentee_key": "silent", "start_on": "2021-02-01"},
    ],
    "f9_closure": [{"pair_key": "pair", "ended_on": "2021-10-01"}],
    "r5_consent": [
        {
            "mentee_key": "mentee", "purposes": "service monitoring", "given_by": "legal_representative",
            "child_assent": "1", "valid_from": "2021-01-01", "withdrawn_on": None,
        }
    ],
}  # fmt: skip
SUBMITTED_AT = datetime(2021, 11, 1, 12, tzinfo=UTC)

SURVEY = {"pair_key": "pair", "filled_on": "2021-06-01"}
OBSERVED = {name: "3" for name in answer_columns(FORMS["f6_observation"]) if name.startswith("obs_")}
NEEDS = {name: "2" for name in answer_columns(FORMS["f1_needs"]) if name.startswith("need_")}

GOOD: dict[str, dict[str, Any]] = {
    "f1_needs": {"mentee_key": "mentee", "filled_on": "2021-01-20", "source": "interview records"} | NEEDS,
    "f5_mentor_feedback": SURVEY | {"wave": "quarterly", "ms1": "4", "ch_sup": "-1", "burnout": "3"},
    "f6_observation": SURVEY
    | {"wave": "midline", "observer": "educator", "basis": "observed", "adapt_level": "medium"}
    | OBSERVED
    | {"obs_money": "9"},
    "f8_incident": {
        "pair_key": "pair", "occurred_on": "2021-06-01", "reported_at": "2021-06-01T10:00+03:00",
        "raised_by": "mentor", "cat": "injury", "sev": "3", "link": "possible", "action": "talk support",
        "triaged_at": "2021-06-01T20:00+03:00", "resolved_on": "2021-06-09",
    },
    "s1_supervision": {
        "held_on": "2021-06-01", "kind": "group", "supervisor_key": "leader",
        "mentors": [{"mentor_key": "mentor"}, {"mentor_key": "other"}],
    },
    "s2_plan": {
        "pair_key": "pair", "approved_on": "2021-03-03", "review_on": "2021-06-01",
        "goals": [
            {"goal_no": "1", "domain": "house", "attainment": "-2", "reviewed_on": "2021-06-02"},
            {"goal_no": "2", "domain": "work"},
        ],
    },
    "e1_expert_assessment": {
        "organisation_code": "radi_budushchego", "programme_code": "deystvuem_vmeste", "year": "2021",
        "assessed_on": "2021-12-01",
        "sections": [{"section": "data", "level": "basic"}, {"section": "results", "level": "initial"}],
        "recommendations": [{"rec_txt": "…"}], "plan_items": [{"item_txt": "…"}],
    },
}  # fmt: skip

GOAL = {"goal_no": "3", "domain": "house"}

BROKEN: dict[str, dict[str, dict[str, Any]]] = {
    "f1_needs": {
        "unknown_mentee": {"mentee_key": "stranger"},
        "no_consent": {"mentee_key": "silent"},
        "duplicate": {},
    },
    "f5_mentor_feedback": {
        "unknown_pair": {"pair_key": "stranger"},
        "no_consent": {"pair_key": "silent"},
        "before_pair_start": {"filled_on": "2021-01-31"},
        "quarterly_after_pair_end": {"filled_on": "2021-10-02"},
        "duplicate": {},
    },
    "f6_observation": {
        "unknown_pair": {"pair_key": "stranger"},
        "no_consent": {"pair_key": "silent"},
        "observer_is_the_mentor": {"observer": "mentor"},
        "before_pair_start": {"filled_on": "2021-01-31", "wave": "endline"},
        "after_pair_end": {"filled_on": "2021-10-02", "wave": "annual_12"},
        "duplicate": {},
        "same_answer_everywhere": {"obs_money": "3", "wave": "annual_24"},
    },
    "f8_incident": {
        "unknown_pair": {"pair_key": "stranger"},
        "reported_before_occurred": {"reported_at": "2021-05-31T23:59+03:00"},
        "reported_in_the_future": {"reported_at": "2021-11-01T15:01+03:00"},
        "resolved_before_occurred": {"resolved_on": "2021-05-31"},
        "triaged_before_reported": {"triaged_at": "2021-06-01T09:59+03:00"},
        "triaged_late": {"triaged_at": "2021-06-02T10:01+03:00", "sev": "4"},
        "not_triaged": {"triaged_at": None},
        "before_pair_start": {"occurred_on": "2021-01-31"},
        "after_pair_end": {"occurred_on": "2021-10-02", "reported_at": "2021-10-02T10:00+03:00", "resolved_on": None},
        "duplicate": {},
    },
    "s1_supervision": {
        "nobody_attended": {"mentors": []},
        "mentor_twice": {"mentors": [{"mentor_key": "mentor"}, {"mentor_key": "mentor"}]},
        "supervisor_is_supervised": {"mentors": [{"mentor_key": "mentor"}, {"mentor_key": "leader"}]},
        "individual_with_several": {"kind": "individual"},
        "mentors.unknown_mentor": {"mentors": [{"mentor_key": "stranger"}]},
        "duplicate": {},
    },
    "s2_plan": {
        "unknown_pair": {"pair_key": "stranger"},
        "after_pair_end": {"approved_on": "2021-10-02"},
        "review_before_approval": {"review_on": "2021-03-02"},
        "number_of_goals": {"goals": []},
        "goal_number_twice": {"goals": [GOAL, GOAL]},
        "plan_late": {"approved_on": "2021-03-04"},
        "goals.attained_without_a_date": {"goals": [GOAL | {"attainment": "0"}]},
        "duplicate": {},
    },
    "e1_expert_assessment": {
        "no_section": {"sections": []},
        "section_twice": {"sections": [{"section": "data", "level": "basic"}] * 2},
        "duplicate": {},
    },
}

SOUND: dict[str, list[dict[str, Any]]] = {
    "f5_mentor_feedback": [{"wave": "endline", "filled_on": "2021-10-20"}],
    "f6_observation": [
        {"wave": "baseline", "filled_on": "2021-01-20"},
        {"wave": "endline", "filled_on": "2021-10-20"},
    ],
    "f8_incident": [{"sev": "2", "triaged_at": None, "cat": "money"}],
    "s1_supervision": [{"kind": "individual", "mentors": [{"mentor_key": "mentor"}]}],
}
"""What a rule of another wave or severity would refuse."""


class Warehouse:
    """Answers the queries of ``references`` from ``REGISTRY``; of the records themselves it holds none yet."""

    compared: pa.Table | None = None

    def adbc_ingest(self, _table: str, rows: pa.Table, _mode: str, **_options: Any) -> None:
        """Take the values that are looked for among the records."""
        self.compared = rows

    def execute(self, statement: str) -> None:
        self.statement = statement

    def fetch_arrow_table(self) -> pa.Table:
        if self.compared is not None:
            names = [*self.compared.column_names, "_source", "_submission_id"]
            return pa.table({name: pa.array([], pa.string()) for name in names})
        form_id = self.statement.split("from raw.", 1)[1].split()[0]
        columns = self.statement.split("select", 1)[1].split(" from (", 1)[0].replace("distinct", "").split(",")
        names = [column.split("::")[0].split(" as ")[0].strip() for column in columns]
        outer = [column.split(" as ")[-1].strip() for column in columns]
        rows = REGISTRY.get(form_id, [])
        return pa.table({
            shown: pa.array([row.get(name) for row in rows], None if rows else pa.string())
            for name, shown in zip(names, outer, strict=True)
        })  # fmt: skip


def found(form_id: str, changes: list[dict[str, Any]]) -> list[set[str]]:
    """Return, for each change of the form's good record, the rules of either severity that the record breaks."""
    form = FORMS[form_id]
    kinds = answer_columns(form)
    rows = pd.DataFrame([dict.fromkeys(kinds) | GOOD[form_id] | change for change in changes])
    for repeat in form.repeats:
        rows[repeat.name] = [json.dumps(members, ensure_ascii=False) for members in rows[repeat.name]]
    rows["_source"], rows["_submission_id"] = "test", [str(number) for number in range(len(rows))]
    rows["_form_version"] = form.version
    rows["_submitted_at"] = pd.Series(SUBMITTED_AT, rows.index).astype("datetime64[us, UTC]")
    suite = suite_for(form, EXPECTATIONS)
    references = suite.references["references"]
    frame = enrich(Warehouse(), typed(rows, kinds), form_id, references, ZONE)
    frame["_today"] = pd.Timestamp("2022-01-01")
    on_rows, on_repeats = suite.split_by_column("_is_first")
    verdict = validate(frame, on_rows)
    for repeat in form.repeats:
        inner = suite_for_members(form, repeat, EXPECTATIONS)
        members = member_rows(frame, repeat)
        members = enrich(Warehouse(), members, inner.name, inner.references.get("references", {}), ZONE)
        verdict = merge(verdict, of_submissions(validate(members, inner), members))
    sound = ~np.isin(np.arange(len(frame)), list(verdict.broken))
    frame["_is_first"] = is_first(Warehouse(), frame, form_id, dict.fromkeys(references["unique"], "text"), sound)
    verdict = merge(verdict, validate(frame, on_repeats))
    return [{*verdict.broken.get(row, ()), *verdict.noted.get(row, ())} for row in range(len(frame))]


@pytest.mark.parametrize("form_id", sorted(GOOD))
def test_each_rule_finds_the_record_that_breaks_it(form_id: str) -> None:
    good, *broken = found(form_id, [{}, *BROKEN[form_id].values()])
    assert good == set()
    for rule, rules in zip(BROKEN[form_id], broken, strict=True):
        assert rule in rules


@pytest.mark.parametrize("form_id", sorted(SOUND))
def test_a_rule_holds_only_where_it_is_meant(form_id: str) -> None:
    assert found(form_id, SOUND[form_id]) == [set()] * len(SOUND[form_id])


@pytest.mark.parametrize("form_id", sorted(GOOD))
def test_no_rule_is_without_a_record_that_breaks_it(form_id: str) -> None:
    written = {entry["meta"]["rule"] for entry in read_suite(EXPECTATIONS / f"{form_id}.json")["expectations"]}
    for repeat in FORMS[form_id].repeats:
        inner = read_suite(EXPECTATIONS / f"{form_id}.{repeat.name}.json")["expectations"]
        written |= {f"{repeat.name}.{entry['meta']['rule']}" for entry in inner}
    assert written == set(BROKEN[form_id])


def test_a_report_of_harm_is_refused_for_impossible_data_alone() -> None:
    """What looks like a repeat or lies outside of the pair's time is noted, never set aside."""
    suite = read_suite(EXPECTATIONS / "f8_incident.json")["expectations"]
    refusing = {entry["meta"]["rule"] for entry in suite if entry["severity"] != "info"}
    assert refusing == {
        "unknown_pair",
        "reported_before_occurred",
        "reported_in_the_future",
        "resolved_before_occurred",
        "triaged_before_reported",
    }
