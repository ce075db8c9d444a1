"""The records beside the surveys, from a source to raw: F1, F8, S1, S2 and E1 on a real PostgreSQL."""

from __future__ import annotations

import json
from itertools import count
from typing import Any

import psycopg
import pytest

from tests.integration.memory_source import REGISTRY, MemorySource
from tests.integration.test_sync import connected, rows, sync
from vmeste.settings import Settings
from vmeste.warehouse.connect import vault_url

ids = count()

NEEDS = {f"need_{name}": "2" for name in ("support", "life", "house", "comm", "study", "work", "world", "admin")}
INCIDENT = {
    "pair_code": "П-1", "occurred_on": "2021-03-01", "reported_at": "2021-03-01T10:00:00+03:00", "raised_by": "mentor",
    "cat": "distress", "sev": "3", "link": "possible", "action": "talk support",
}  # fmt: skip
SUPERVISION = {"held_on": "2021-03-01", "kind": "group", "supervisor_code": "С-1"}
PLAN = {"pair_code": "П-1", "approved_on": "2021-01-20", "review_on": "2021-04-20"}


@pytest.fixture(scope="module", autouse=True)
def registry(settings: Settings) -> None:
    with pytest.MonkeyPatch.context() as patch:
        memory = connected(MemorySource("registry"), patch)
        for form_id, answers in REGISTRY.items():
            memory.add(form_id, f"{form_id}-1", at="2021-01-01T10:00", **answers)
            sync(settings, memory, form_id)


@pytest.fixture
def source(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> MemorySource:
    return connected(MemorySource(f"records_{next(ids)}"), monkeypatch)


def refused(settings: Settings, source: MemorySource) -> dict[str, list[str]]:
    """Submission → the rules that keep it in quarantine."""
    found = rows(settings, f"select submission_id, rules from quarantine.rows where source = '{source.name}'")
    return dict(found)


def members(**answers: Any) -> str:
    return json.dumps([answers], ensure_ascii=False)


def test_needs_of_a_mentee_are_loaded_before_there_is_a_pair(settings: Settings, source: MemorySource) -> None:
    asked = {"mentee_code": "В-1", "filled_on": "2021-01-05", "source": "interview", "risk_flag": "1"} | NEEDS
    source.add("f1_needs", "good", at="2021-01-05T10:00", **asked)
    source.add("f1_needs", "early", at="2021-01-05T11:00", **asked | {"filled_on": "2020-12-31"})
    source.add("f1_needs", "again", at="2021-01-05T12:00", **asked)
    assert sync(settings, source, "f1_needs")["accepted"] == 1
    assert refused(settings, source) == {"early": ["no_consent"], "again": ["duplicate"]}


def test_what_happened_in_an_incident_stays_in_the_vault(settings: Settings, source: MemorySource) -> None:
    source.add("f8_incident", "untriaged", **INCIDENT, narrative="рассказ (вымышлен)")
    assert sync(settings, source, "f8_incident")["accepted"] == 1
    ((notes, whole),) = rows(settings, "select _warnings, f::text from raw.f8_incident as f")
    assert notes == ["not_triaged"]
    assert "рассказ" not in whole
    with psycopg.connect(vault_url(settings)) as vault:
        kept = vault.execute("select answer from vault.answers where question = 'narrative'").fetchall()
    assert kept == [("рассказ (вымышлен)",)]


def test_a_supervisor_is_not_among_the_supervised(settings: Settings, source: MemorySource) -> None:
    source.add("s1_supervision", "good", **SUPERVISION, mentors=members(mentor_code="Н-1"))
    again = {"at": "2021-03-01T11:00"} | SUPERVISION
    source.add("s1_supervision", "again", **again, mentors=members(mentor_code="Н-1"))
    source.add("s1_supervision", "own", **SUPERVISION | {"supervisor_code": "Н-1"}, mentors=members(mentor_code="Н-1"))
    source.add("s1_supervision", "unknown", **SUPERVISION, mentors=members(mentor_code="Н-9"))
    source.add("s1_supervision", "nobody", **SUPERVISION)
    assert sync(settings, source, "s1_supervision")["accepted"] == 1
    assert refused(settings, source) == {
        "again": ["duplicate"],
        "own": ["supervisor_is_supervised"],
        "unknown": ["mentors.unknown_mentor"],
        "nobody": ["nobody_attended"],
    }


def test_a_plan_s_goals_are_rows_and_their_text_is_kept_apart(settings: Settings, source: MemorySource) -> None:
    goal = {"goal_no": "1", "domain": "house", "goal_txt": "готовить", "reviewed_on": "2021-04-20", "attainment": "-1"}
    source.add("s2_plan", "good", **PLAN, goals=members(**goal))
    source.add("s2_plan", "late", **PLAN | {"approved_on": "2021-02-11"}, goals=members(goal_no="1", domain="work"))
    source.add("s2_plan", "wrong", **PLAN, goals=members(goal_no="6", domain="garden"))
    assert sync(settings, source, "s2_plan")["accepted"] == 2
    (wrong,) = refused(settings, source).values()
    assert set(wrong) == {"goals.goal_no.range", "goals.domain.choices"}
    assert rows(
        settings, "select goal_no, domain, attainment from raw.s2_plan__goals where _submission_id = 'good'"
    ) == [(1, "house", "-1")]
    assert rows(settings, "select _warnings from raw.s2_plan where _submission_id = 'late'") == [(["plan_late"],)]


def test_an_assessment_has_a_level_for_each_section(settings: Settings, source: MemorySource) -> None:
    about = {"organisation_code": "radi_budushchego", "programme_code": "deystvuem_vmeste", "assessed_on": "2020-12-01"}
    source.add("e1_expert_assessment", "2020", **about, year="2020", sections=members(section="data", level="initial"))
    source.add("e1_expert_assessment", "none", **about, year="2021")
    assert sync(settings, source, "e1_expert_assessment")["accepted"] == 1
    assert refused(settings, source) == {"none": ["no_section"]}
    assert rows(settings, "select section, level from raw.e1_expert_assessment__sections") == [("data", "initial")]
