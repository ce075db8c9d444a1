"""A sync from submissions to raw and quarantine, on a real PostgreSQL."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from tests.integration.memory_source import REGISTRY, MemorySource
from vmeste import ingest, landing, reconcile
from vmeste.settings import Settings
from vmeste.sources.base import CONTENT_ID_PREFIX, LONGEST_ID, Refusal
from vmeste.sources.config import FormFiles
from vmeste.sources.errors import DeletionsDoubted, SourceThrottled
from vmeste.sources.files import FilesSource
from vmeste.warehouse import load as loading
from vmeste.warehouse.connect import connect
from vmeste.warehouse.load import BatchBlocked, SyncIncomplete
from vmeste.warehouse.references import current_versions

runs = count()
ids = count()

MEETING = {"pair_code": "П-1", "start_time": "15:00", "duration_min": "60", "mode": "in_person", "status": "held"}


@pytest.fixture(scope="module", autouse=True)
def registry(settings: Settings) -> None:
    """One pair, read before every test."""
    with pytest.MonkeyPatch.context() as patch:
        memory = connected(MemorySource("registry"), patch)
        for form_id, answers in REGISTRY.items():
            memory.add(form_id, f"{form_id}-1", at="2021-01-01T10:00", **answers)
            counts = sync(settings, memory, form_id)
            assert counts["accepted"] == 1, counts


@pytest.fixture
def source(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[MemorySource]:
    """A source of its own for each test; what the test added to raw goes when it ends."""
    memory = connected(MemorySource(f"memory_{next(ids)}"), monkeypatch)
    yield memory
    with connect(settings) as connection:
        for form_id in ingest.forms(settings):
            connection.execute(f"delete from raw.{form_id} where _source = '{memory.name}'".encode())


def connected(memory: MemorySource, patch: pytest.MonkeyPatch) -> MemorySource:
    """Make ingest read this source and no other."""
    patch.setattr(ingest, "load_sources", lambda path: type("Config", (), {"sources": [memory]}))
    patch.setattr(ingest, "open_source", lambda config: config)
    return memory


def sync(settings: Settings, source: MemorySource, form_id: str) -> dict[str, Any]:
    batch = ingest.extract(settings, source.name, form_id, f"run {next(runs)}")
    assert batch is not None
    return ingest.load(settings, batch)


def in_chunks(patch: pytest.MonkeyPatch, size: int) -> None:
    """Land and load so few rows at a time."""
    patch.setattr(ingest, "ROWS_A_CHUNK", size)
    patch.setattr(loading, "ROWS_AT_ONCE", size)


def rows(settings: Settings, statement: str) -> list[tuple[Any, ...]]:
    with connect(settings) as connection:
        return connection.execute(statement.encode()).fetchall()


def test_each_submission_is_accepted_quarantined_voided_or_unchanged(settings: Settings, source: MemorySource) -> None:
    source.add("f4_meeting", "ok", held_on="2021-03-01", **MEETING)
    source.add("f4_meeting", "letters", held_on="2021-03-02", **MEETING | {"duration_min": "час"})
    source.add("f4_meeting", "rejected", held_on="2021-03-03", review_state="rejected", is_counted=False, **MEETING)
    first = sync(settings, source, "f4_meeting")
    assert (first["accepted"], first["quarantined"], first["voided"], first["unchanged"]) == (1, 1, 1, 0)
    again = sync(settings, source, "f4_meeting")
    assert (again["accepted"], again["quarantined"], again["voided"], again["unchanged"]) == (0, 1, 0, 2)
    assert rows(settings, "select count(*) from raw.f4_meeting") == [(2,)]


@pytest.mark.parametrize(
    ("answers", "rule"),
    [
        ({"held_on": "2021-03-01", "pair_code": "П-999"}, "unknown_pair"),
        ({"held_on": "2020-03-01"}, "before_pair_start"),
        ({"held_on": "2099-03-01"}, "held_on.future"),
        ({"held_on": "31 мая"}, "held_on.type"),
        ({"held_on": "2021-03-01", "mode": "telegraph"}, "mode.choices"),
        ({"held_on": "2021-03-01", "duration_min": "5"}, "duration_min.range"),
        ({"held_on": "2021-03-01", "duration_min": None}, "duration_min.required"),
        ({"held_on": None}, "held_on.required"),
    ],
)
def test_a_broken_rule_is_named_with_a_remedy(
    settings: Settings, source: MemorySource, answers: dict[str, Any], rule: str
) -> None:
    source.add("f4_meeting", "bad", **MEETING | answers)
    assert sync(settings, source, "f4_meeting")["quarantined"] == 1
    ((rules, remedy),) = rows(
        settings, f"select rules, remedy_ru from quarantine.rows where source = '{source.name}' and state = 'open'"
    )
    assert rule in rules
    assert remedy


def test_a_meeting_after_the_end_and_a_repeated_meeting_are_quarantined(
    settings: Settings, source: MemorySource
) -> None:
    closure = {"pair_code": "П-1", "ended_on": "2021-06-30", "planned": "1", "initiator": "staff"}
    closure |= {"reason": "term_complete", "bye": "1", "warned14": "1"}
    source.add("f9_closure", "end", at="2021-07-01T10:00", **closure)
    assert sync(settings, source, "f9_closure")["accepted"] == 1
    source.add("f4_meeting", "within", held_on="2021-06-30", at="2021-07-01T10:00", **MEETING)
    source.add("f4_meeting", "repeat", held_on="2021-06-30", at="2021-07-01T11:00", **MEETING)
    source.add("f4_meeting", "after", held_on="2021-07-01", at="2021-07-01T12:00", **MEETING)
    assert sync(settings, source, "f4_meeting")["accepted"] == 1
    found = rows(
        settings,
        f"select submission_id, rules from quarantine.rows where source = '{source.name}' and form_id = 'f4_meeting'",
    )
    assert dict(found) == {"repeat": ["duplicate"], "after": ["after_pair_end"]}


def test_an_edit_adds_a_version_and_a_reversal_another(settings: Settings, source: MemorySource) -> None:
    source.add("f4_meeting", "m", held_on="2021-03-01", **MEETING)
    source.add("f4_meeting", "m", held_on="2021-03-01", updated_at="2021-03-05T10:00", **MEETING | {"mode": "phone"})
    source.add("f4_meeting", "m", held_on="2021-03-01", updated_at="2021-03-06T10:00", **MEETING)
    source.add("f4_meeting", "m", held_on="2021-03-01", updated_at="2021-03-07T10:00", **MEETING)
    counts = sync(settings, source, "f4_meeting")
    assert (counts["accepted"], counts["unchanged"]) == (3, 1)
    again = sync(settings, source, "f4_meeting")
    assert (again["accepted"], again["unchanged"]) == (0, 4)


def test_an_open_row_is_released_when_its_pair_arrives(settings: Settings, source: MemorySource) -> None:
    source.add("f4_meeting", "early", held_on="2021-03-01", **MEETING | {"pair_code": "П-2"})
    assert sync(settings, source, "f4_meeting")["quarantined"] == 1
    source.add("r3_pair", "r3-2", **REGISTRY["r3_pair"] | {"pair_code": "П-2"})
    sync(settings, source, "r3_pair")
    source.is_news = False
    counts = sync(settings, source, "f4_meeting")
    assert (counts["server_count"], counts["released"]) == (0, 1)
    assert rows(settings, f"select state from quarantine.rows where source = '{source.name}'") == [("released",)]
    assert rows(settings, "select mode, duration_min from raw.f4_meeting") == [("in_person", 60)]
    assert ingest.extract(settings, source.name, "f4_meeting", "later") is None


def test_a_row_that_is_mended_at_the_source_closes_its_quarantine(settings: Settings, source: MemorySource) -> None:
    source.add("f4_meeting", "m", held_on="2021-03-01", **MEETING | {"mode": "telegraph"})
    sync(settings, source, "f4_meeting")
    source.submissions["f4_meeting"].clear()
    source.add("f4_meeting", "m", held_on="2021-03-01", updated_at="2021-03-02T10:00", **MEETING)
    assert sync(settings, source, "f4_meeting")["accepted"] == 1
    assert rows(settings, f"select state from quarantine.rows where source = '{source.name}'") == [("fixed_upstream",)]


def test_a_survey_needs_consent_on_its_date_and_no_mentor_beside(settings: Settings, source: MemorySource) -> None:
    feedback = {"pair_code": "П-3", "wave": "quarterly", "assisted_by": "none", "fb_all": "5", "fb_safe": "0"}
    feedback |= {f"fb{number}": "5" for number in (1, 2, 3, 4, 7)} | {"fb5r": "1", "fb6r": "1"}
    pair = {"pair_code": "П-3", "mentee_code": "В-3"}
    source.add("r1_mentee", "r1-3", **REGISTRY["r1_mentee"] | {"mentee_code": "В-3"})
    source.add("r3_pair", "r3-3", **REGISTRY["r3_pair"] | pair)
    consent = REGISTRY["r5_consent"] | {"mentee_code": "В-3"}
    source.add("r5_consent", "r5-3", **consent)
    source.add("r5_consent", "r5-3", updated_at="2021-05-01T10:00", **consent | {"withdrawn_on": "2021-05-01"})
    for form_id in ("r1_mentee", "r3_pair", "r5_consent"):
        assert sync(settings, source, form_id)["quarantined"] == 0
    source.add("f3_mentee_feedback", "before", filled_on="2021-04-30", at="2021-05-02T10:00", **feedback)
    source.add("f3_mentee_feedback", "after", filled_on="2021-05-01", at="2021-05-02T10:00", **feedback)
    source.add("f3_mentee_feedback", "helped", filled_on="2021-04-01", at="2021-05-02T10:00",
               **feedback | {"assisted_by": "mentor"})  # fmt: skip
    assert sync(settings, source, "f3_mentee_feedback")["accepted"] == 1
    found = rows(
        settings,
        "select submission_id, rules from quarantine.rows "
        f"where source = '{source.name}' and form_id = 'f3_mentee_feedback'",
    )
    assert dict(found) == {"after": ["no_consent"], "helped": ["mentor_assisted"]}


def test_the_same_batch_again_changes_nothing(settings: Settings, source: MemorySource) -> None:
    source.add("f4_meeting", "m", held_on="2021-03-01", **MEETING)
    batch = ingest.extract(settings, source.name, "f4_meeting", "run")
    assert batch is not None
    first = ingest.load(settings, batch)
    assert ingest.load(settings, batch) == first
    assert rows(settings, "select count(*) from raw.f4_meeting") == [(1,)]


def test_a_sync_that_lost_a_row_loads_nothing(settings: Settings, source: MemorySource) -> None:
    source.add("f4_meeting", "m", held_on="2021-03-01", **MEETING)
    source.lost = 1
    with pytest.raises(SyncIncomplete, match="counts 2 submissions, 1 arrived"):
        sync(settings, source, "f4_meeting")
    assert rows(settings, "select count(*) from raw.f4_meeting") == [(0,)]
    found = rows(settings, f"select state from ops.sync_runs where source = '{source.name}' and form_id = 'f4_meeting'")
    assert found == [("failed",)]


def test_a_critical_rule_blocks_the_batch(
    settings: Settings, source: MemorySource, monkeypatch: pytest.MonkeyPatch
) -> None:
    source.add("f4_meeting", "m", held_on="2021-03-01", **MEETING)
    source.add("f4_meeting", "", held_on="2021-03-02", **MEETING)
    landed = ingest._landed
    monkeypatch.setattr(
        ingest, "_landed", lambda submission: landed(submission) | {"_submission_id": submission.submission_id or None}
    )
    with pytest.raises(BatchBlocked, match=r"_submission_id\.required"):
        sync(settings, source, "f4_meeting")
    assert rows(settings, "select count(*) from raw.f4_meeting") == [(0,)]


def test_a_refused_file_is_said_and_the_rest_is_loaded(settings: Settings, source: MemorySource) -> None:
    source.add("f4_meeting", "m", held_on="2021-03-01", **MEETING)
    source.refusals = (Refusal("broken.csv", "0 bytes: export it again"),)
    counts = sync(settings, source, "f4_meeting")
    assert (counts["state"], counts["accepted"]) == ("incomplete", 1)
    assert "broken.csv: 0 bytes" in counts["error"]


def test_unknown_columns_are_kept_and_beside_names_go_to_the_vault(settings: Settings, source: MemorySource) -> None:
    source.add("f4_meeting", "m", held_on="2021-03-01", extra={"weather": "снег"}, **MEETING)
    sync(settings, source, "f4_meeting")
    assert rows(settings, "select _extra ->> 'weather' from raw.f4_meeting") == [("снег",)]
    source.add("r1_mentee", "r1-2", extra={"Фамилия": "вымышленная"}, **REGISTRY["r1_mentee"] | {"mentee_code": "В-2"})
    sync(settings, source, "r1_mentee")
    assert rows(settings, "select count(*) from raw.r1_mentee where _extra::text like '%вымышленная%'") == [(0,)]


def test_late_logging_is_noted_on_the_row(settings: Settings, source: MemorySource) -> None:
    source.add("f4_meeting", "late", held_on="2021-03-01", at="2021-03-09T10:00", **MEETING)
    assert sync(settings, source, "f4_meeting")["accepted"] == 1
    assert rows(settings, "select _warnings from raw.f4_meeting") == [(["logged_late"],)]


def test_a_refused_row_does_not_make_a_sound_one_a_repeat(settings: Settings, source: MemorySource) -> None:
    source.add("f4_meeting", "wrong", held_on="2021-03-01", at="2021-03-01T10:00", **MEETING | {"mode": "telegraph"})
    source.add("f4_meeting", "right", held_on="2021-03-01", at="2021-03-01T11:00", **MEETING)
    counts = sync(settings, source, "f4_meeting")
    assert (counts["accepted"], counts["quarantined"]) == (1, 1)


def quarantine(settings: Settings, source: MemorySource) -> list[tuple[Any, ...]]:
    return rows(
        settings,
        "select submission_id, state, coalesce(updated_at, submitted_at)::date::text from quarantine.rows "
        f"where source = '{source.name}' order by quarantine_id",
    )


def current(settings: Settings, source: MemorySource) -> list[tuple[Any, ...]]:
    return rows(settings, current_versions("f4_meeting", "mode") + f" and _source = '{source.name}'")


BAD = MEETING | {"held_on": "2021-03-01", "mode": "telegraph"}
GOOD = MEETING | {"held_on": "2021-03-01"}


def test_bad_good_and_bad_again_in_one_batch(settings: Settings, source: MemorySource) -> None:
    for day, answers in ((1, BAD), (2, GOOD), (3, BAD)):
        source.add("f4_meeting", "m", updated_at=f"2021-04-0{day}T10:00", **answers)
    counts = sync(settings, source, "f4_meeting")
    assert (counts["accepted"], counts["quarantined"], counts["suspended"]) == (1, 2, 1)
    assert quarantine(settings, source) == [("m", "fixed_upstream", "2021-04-01"), ("m", "open", "2021-04-03")]
    assert current(settings, source) == [], "what the source says now was refused: the older answer counts no longer"


def test_a_row_that_breaks_again_is_open_again(settings: Settings, source: MemorySource) -> None:
    for day, answers in ((1, BAD), (2, GOOD), (3, BAD)):
        source.submissions.clear()
        source.add("f4_meeting", "m", updated_at=f"2021-04-0{day}T10:00", **answers)
        sync(settings, source, "f4_meeting")
    assert quarantine(settings, source) == [("m", "fixed_upstream", "2021-04-01"), ("m", "open", "2021-04-03")]


def test_an_older_version_that_comes_late_mends_nothing(settings: Settings, source: MemorySource) -> None:
    source.add("f4_meeting", "m", updated_at="2021-04-05T10:00", **BAD)
    sync(settings, source, "f4_meeting")
    source.submissions.clear()
    source.add("f4_meeting", "m", updated_at="2021-04-02T10:00", **GOOD)
    assert sync(settings, source, "f4_meeting")["accepted"] == 1
    assert quarantine(settings, source) == [("m", "open", "2021-04-05")]


def test_a_refused_edit_that_was_taken_back_is_never_released(settings: Settings, source: MemorySource) -> None:
    """An edit names a pair that is not registered yet, and is reverted; then that pair is registered."""
    for day, code in ((1, "П-1"), (2, "П-7"), (3, "П-1")):
        source.submissions.clear()
        source.add("f4_meeting", "m", updated_at=f"2021-04-0{day}T10:00", **GOOD | {"pair_code": code})
        sync(settings, source, "f4_meeting")
    source.submissions.clear()
    source.add("r3_pair", "r3-7", **REGISTRY["r3_pair"] | {"pair_code": "П-7"})
    sync(settings, source, "r3_pair")
    source.is_news = False
    assert ingest.extract(settings, source.name, "f4_meeting", "later") is None, "nothing waits any more"
    assert current(settings, source) == [("in_person",)]


def test_a_deletion_closes_what_waits_in_quarantine(settings: Settings, source: MemorySource) -> None:
    source.add("f4_meeting", "m", **BAD)
    sync(settings, source, "f4_meeting")
    source.submissions.clear()
    source.add("f4_meeting", "m", is_deleted=True, **BAD)
    assert sync(settings, source, "f4_meeting")["voided"] == 1
    assert [state for _, state, _ in quarantine(settings, source)] == ["fixed_upstream"]


def test_a_source_without_times_of_edits_is_believed_when_it_changes(settings: Settings, source: MemorySource) -> None:
    for mode in ("in_person", "phone", "in_person", "in_person"):
        source.submissions.clear()
        source.add("f4_meeting", "m", **GOOD | {"mode": mode})
        sync(settings, source, "f4_meeting")
    assert quarantine(settings, source) == []
    assert current(settings, source) == [("in_person",)]
    kept = rows(settings, f"select mode, _updated_at is null from raw.f4_meeting where _source = '{source.name}'")
    assert kept == [("in_person", True), ("phone", False), ("in_person", False)]


def test_an_edit_that_is_refused_suspends_what_counted(settings: Settings, source: MemorySource) -> None:
    source.add("f4_meeting", "m", updated_at="2021-04-01T10:00", **GOOD)
    sync(settings, source, "f4_meeting")
    source.add("f4_meeting", "m", updated_at="2021-04-02T10:00", **BAD)
    counts = sync(settings, source, "f4_meeting")
    assert (counts["suspended"], counts["has_changed_rows"]) == (1, True)
    assert current(settings, source) == []
    assert sync(settings, source, "f4_meeting")["suspended"] == 0, "once"


def test_a_state_needs_the_event_that_led_to_it(settings: Settings, source: MemorySource) -> None:
    event = {"pair_code": "П-1", "initiator": "staff"}
    steps = [
        ("proposed", "preparing", "2021-01-05"),
        ("preparing", "active", "2021-01-11"),
        ("closing", "completed", "2021-02-01"),
    ]
    for number, (from_state, to_state, day) in enumerate(steps):
        states = {"from_state": from_state, "to_state": to_state, "occurred_on": day}
        source.add("r4_pair_event", f"e{number}", **event | states)
    counts = sync(settings, source, "r4_pair_event")
    assert (counts["accepted"], counts["quarantined"]) == (2, 1)
    source.add(
        "r4_pair_event", "e9", **event | {"from_state": "active", "to_state": "closing", "occurred_on": "2021-01-31"}
    )
    assert sync(settings, source, "r4_pair_event")["accepted"] == 2


def test_a_graduate_does_not_become_a_ward(settings: Settings, source: MemorySource) -> None:
    mentee = REGISTRY["r1_mentee"] | {"mentee_code": "В-8"}
    source.add("r1_mentee", "a", **mentee | {"status": "graduate", "status_from": "2019-01-01"})
    source.add("r1_mentee", "b", **mentee | {"status": "ward", "status_from": "2020-01-01", "record": "status_change"})
    source.add("r1_mentee", "c", at="2021-03-02T10:00", **mentee | {"status": "graduate", "status_from": "2019-01-01"})
    assert sync(settings, source, "r1_mentee")["accepted"] == 1
    found = rows(settings, f"select submission_id, rules from quarantine.rows where source = '{source.name}'")
    assert dict(found) == {"b": ["graduate_becomes_ward"], "c": ["duplicate"]}


@pytest.mark.parametrize(
    ("told", "rules"),
    [
        ({}, ["attempts_not_told", "channels_not_told"]),
        ({"attempts": "2", "channels": "1"}, ["too_few_attempts", "too_few_channels"]),
    ],
)
def test_unreachable_needs_three_attempts_in_two_ways(
    settings: Settings, source: MemorySource, told: dict[str, str], rules: list[str]
) -> None:
    followup = {"pair_code": "П-1", "horizon": "6", "filled_on": "2021-09-01", "informant": "mentee"}
    source.add("f7_followup", "f", at="2021-09-02T10:00", **followup | {"reach": "unreachable"} | told)
    sync(settings, source, "f7_followup")
    ((found,),) = rows(settings, f"select rules from quarantine.rows where source = '{source.name}'")
    assert set(rules) <= set(found)


def counted(settings: Settings, source: MemorySource) -> list[str]:
    statement = current_versions("f4_meeting", "_submission_id") + f" and _source = '{source.name}' order by 1"
    return [submission_id for (submission_id,) in rows(settings, statement)]


def test_what_a_complete_read_no_longer_finds_was_deleted_and_may_come_back(
    settings: Settings, source: MemorySource
) -> None:
    source.is_swept = True
    source.add("f4_meeting", "stays", held_on="2021-03-01", **MEETING)
    source.add("f4_meeting", "goes", held_on="2021-03-02", **MEETING)
    source.add("f4_meeting", "was refused", held_on="2099-03-02", **MEETING)
    assert sync(settings, source, "f4_meeting")["vanished"] == 0
    everything = list(source.submissions["f4_meeting"])
    del source.submissions["f4_meeting"][1:]
    gone = sync(settings, source, "f4_meeting")
    assert (gone["server_count"], gone["server_total"], gone["unchanged"], gone["vanished"]) == (1, 1, 1, 2)
    assert counted(settings, source) == ["stays"]
    assert rows(settings, f"select state from quarantine.rows where source = '{source.name}'") == [("fixed_upstream",)]
    assert sync(settings, source, "f4_meeting")["vanished"] == 0
    source.submissions["f4_meeting"] = everything
    back = sync(settings, source, "f4_meeting")
    assert (back["accepted"], back["quarantined"], back["unchanged"], back["vanished"]) == (1, 1, 1, 0)
    assert counted(settings, source) == ["goes", "stays"]


def test_a_total_that_differs_from_ours_loads_nothing(settings: Settings, source: MemorySource) -> None:
    source.is_swept = True
    source.add("f4_meeting", "one", held_on="2021-03-01", **MEETING)
    sync(settings, source, "f4_meeting")
    source.add("f4_meeting", "two", held_on="2021-03-02", **MEETING)
    source.claimed = 3
    with pytest.raises(SyncIncomplete, match="the source has 3 submissions, with this read we would hold 2"):
        sync(settings, source, "f4_meeting")
    assert len(counted(settings, source)) == 1
    found = rows(settings, f"select cursor from ops.cursors where source = '{source.name}' and form_id = 'f4_meeting'")
    assert found == [({"read": 1},)], "the cursor stays"


def test_a_review_is_a_version_and_a_rejected_row_counts_no_more(settings: Settings, source: MemorySource) -> None:
    source.add("f4_meeting", "one", held_on="2021-03-01", review_state="received", **MEETING)
    sync(settings, source, "f4_meeting")
    for state, is_counted in (("approved", True), ("rejected", False), ("approved", True)):
        source.submissions["f4_meeting"] = []
        source.add("f4_meeting", "one", held_on="2021-03-01", review_state=state, is_counted=is_counted, **MEETING)
        result = sync(settings, source, "f4_meeting")
        assert result["unchanged"] == 0, state
        assert len(counted(settings, source)) == is_counted
    assert sync(settings, source, "f4_meeting")["unchanged"] == 1


def test_reconcile_says_what_differs_and_writes_nothing(
    settings: Settings, source: MemorySource, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconcile, "load_sources", ingest.load_sources)
    monkeypatch.setattr(reconcile, "open_source", ingest.open_source)
    plan = {"surveys": [{"source": source.name, "form_id": "f4_meeting"}]}
    monkeypatch.setattr(ingest, "plan", lambda settings: plan)
    source.is_swept = True
    made = f"{CONTENT_ID_PREFIX}{source.name}"
    for day, submission_id in enumerate(["goes", "stays", made], start=1):
        source.add("f4_meeting", submission_id, held_on=f"2021-03-0{day}", **MEETING)
    sync(settings, source, "f4_meeting")
    (agreed,) = reconcile.reconcile(settings)
    assert agreed.agrees
    assert (agreed.at_source, agreed.here) == (3, 3)
    del source.submissions["f4_meeting"][0]
    source.add("f4_meeting", "comes", held_on="2021-03-09", **MEETING)
    for _ in range(2):  # nothing is written: the second time says the same
        (found,) = reconcile.reconcile(settings)
        assert (found.only_there, found.only_here, found.agrees) == (("comes",), ("goes",), False)
    source.is_swept = False
    (unproven,) = reconcile.reconcile(settings)
    assert (unproven.only_there, unproven.only_here) == (("comes",), ())


def test_retry_tries_open_rows_without_asking_the_source(
    settings: Settings, source: MemorySource, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = {"surveys": [{"source": source.name, "form_id": "f4_meeting"}]}
    monkeypatch.setattr(ingest, "plan", lambda settings: plan)
    late = REGISTRY["r3_pair"] | {"pair_code": f"П-{source.name}"}
    source.add("f4_meeting", "early", held_on="2021-03-01", **MEETING | {"pair_code": late["pair_code"]})
    assert sync(settings, source, "f4_meeting")["quarantined"] == 1
    (kept,) = ingest.retry(settings, f"run {next(runs)}")
    assert (kept["form_id"], kept["released"]) == ("f4_meeting", 0)
    source.add("r3_pair", "late", **late)
    sync(settings, source, "r3_pair")
    source.submissions.clear()  # asked, it would say that it has nothing, and the cursor would move
    (released,) = ingest.retry(settings, f"run {next(runs)}")
    assert (released["server_count"], released["released"]) == (0, 1)
    assert counted(settings, source) == ["early"]
    found = rows(settings, f"select cursor from ops.cursors where source = '{source.name}' and form_id = 'f4_meeting'")
    assert found == [({"read": 1},)]
    assert ingest.retry(settings, f"run {next(runs)}") == []


def test_a_review_that_moves_no_time_is_kept_once(settings: Settings, source: MemorySource) -> None:
    for state, is_counted, accepted, voided in (("received", True, 1, 0), ("rejected", False, 0, 1)):
        source.submissions["f4_meeting"] = []
        source.add(
            "f4_meeting", "one", held_on="2021-03-01", updated_at="2021-03-02T10:00",
            review_state=state, is_counted=is_counted, **MEETING,
        )  # fmt: skip
        first = sync(settings, source, "f4_meeting")
        assert (first["accepted"], first["voided"]) == (accepted, voided)
        assert sync(settings, source, "f4_meeting")["unchanged"] == 1, state
        assert len(counted(settings, source)) == is_counted
    source.submissions["f4_meeting"] = []
    for state in ("received", "approved"):
        source.add(
            "f4_meeting", "two", held_on="2021-03-05", updated_at="2021-03-06T10:00", review_state=state, **MEETING
        )
        sync(settings, source, "f4_meeting")
    statement = f"select _review_state from raw.f4_meeting where _source = '{source.name}' and _submission_id = 'two'"
    assert sorted(rows(settings, statement)) == [("approved",), ("received",)]


def test_a_mass_deletion_is_believed_only_when_somebody_says_so(settings: Settings, source: MemorySource) -> None:
    source.is_swept = True
    for number in range(40):
        source.add("f4_meeting", f"m{number}", held_on="2021-03-01", **MEETING | {"start_time": f"{number % 24:02}:00"})
    sync(settings, source, "f4_meeting")
    source.submissions["f4_meeting"] = source.submissions["f4_meeting"][:19]
    with pytest.raises(DeletionsDoubted, match=f"21 of 40 .* --accept-deletions {source.name}:f4_meeting"):
        sync(settings, source, "f4_meeting")
    batch = ingest.extract(settings, source.name, "f4_meeting", "asked", accepts_deletions=True)
    assert batch is not None
    assert ingest.load(settings, batch)["vanished"] == 21
    source.submissions["f4_meeting"] = source.submissions["f4_meeting"][:1]
    assert sync(settings, source, "f4_meeting")["vanished"] == 18, "a few may go"


def test_an_open_row_that_comes_again_and_passes_is_released(settings: Settings, source: MemorySource) -> None:
    source.add("f4_meeting", "early", held_on="2021-03-01", **MEETING | {"pair_code": "П-late"})
    assert sync(settings, source, "f4_meeting")["quarantined"] == 1
    pair = REGISTRY["r3_pair"] | {"pair_code": "П-late", "intake_code": "2021-2"}
    source.add("r3_pair", "late", at="2021-04-01T10:00", **pair)
    assert sync(settings, source, "r3_pair")["accepted"] == 1
    assert sync(settings, source, "f4_meeting")["accepted"] == 1
    assert rows(settings, f"select state from quarantine.rows where source = '{source.name}'") == [("released",)]


@pytest.mark.parametrize("is_first_load", [False, True])
def test_chunks_make_no_difference(
    settings: Settings, source: MemorySource, monkeypatch: pytest.MonkeyPatch, is_first_load: bool
) -> None:
    """Versions of one submission, its deletion, a repeat and a broken row lie in different chunks.

    Of a form that raw holds nothing of, raw is asked about a load's own repetitions alone.
    """
    in_chunks(monkeypatch, 2)
    source.is_swept = True
    if not is_first_load:
        source.add("f4_meeting", "gone", held_on="2021-02-28", **MEETING)
        sync(settings, source, "f4_meeting")
        source.submissions["f4_meeting"].clear()
    source.add("f4_meeting", "a", held_on="2021-03-01", **MEETING)
    source.add("f4_meeting", "b", held_on="2021-03-02", **MEETING | {"duration_min": "час"})
    source.add("f4_meeting", "a", held_on="2021-03-01", updated_at="2021-03-05T10:00", **MEETING | {"mode": "phone"})
    source.add("f4_meeting", "repeat", at="2021-03-06T10:00", held_on="2021-03-01", **MEETING)
    source.add("f4_meeting", "a", held_on="2021-03-01", **MEETING)
    source.add("f4_meeting", "c", held_on="2021-03-03", **MEETING)
    found = sync(settings, source, "f4_meeting")
    counts = ("accepted", "quarantined", "unchanged", "vanished")
    assert tuple(found[count] for count in counts) == (3, 2, 1, 0 if is_first_load else 1)
    again = sync(settings, source, "f4_meeting")
    assert tuple(again[count] for count in counts) == (0, 2, 4, 0)


def test_characters_that_no_database_holds_are_replaced_everywhere(settings: Settings, source: MemorySource) -> None:
    broken = "a\x00b\ud800c"
    answers = MEETING | {"held_on": "2021-03-01", "concern": "1", "concern_txt": broken}
    source.add("f4_meeting", f"m{broken}", extra={broken: [broken, 1, {"x": broken}]}, **answers)
    assert sync(settings, source, "f4_meeting")["accepted"] == 1
    mended = "a\ufffdb\ufffdc"
    kept = rows(
        settings, f"select concern_txt, _submission_id, _extra from raw.f4_meeting where _source = '{source.name}'"
    )
    assert kept == [(mended, f"m{mended}", {mended: [mended, 1, {"x": mended}]})]
    assert sync(settings, source, "f4_meeting")["unchanged"] == 1
    source.add("r1_mentee", "named", **REGISTRY["r1_mentee"] | {"mentee_code": "В-nul", "full_name": broken})
    assert sync(settings, source, "r1_mentee")["accepted"] == 1, "a vault answer too"


def test_what_each_read_dates_anew_keeps_the_date_of_the_first(settings: Settings, source: MemorySource) -> None:
    """As a survey of LimeSurvey without date stamps is read."""
    source.is_swept = True

    def read(at: str, **changed: str) -> tuple[int, int, int, int]:
        source.submissions.clear()
        source.add("f4_meeting", "sound", at=at, **MEETING | {"held_on": "2021-03-01"} | changed)
        source.add("f4_meeting", "unsound", at=at, **MEETING | {"held_on": "2021-03-02", "mode": "telepathy"})
        found = sync(settings, source, "f4_meeting")
        return found["accepted"], found["quarantined"], found["unchanged"], found["vanished"]

    assert read("2021-03-03T10:00") == (1, 1, 0, 0)
    assert read("2021-03-04T10:00")[0] == 0
    assert read("2021-03-05T10:00", duration_min="45")[0] == 1
    assert read("2021-03-06T10:00", duration_min="45")[0] == 0
    kept = rows(
        settings,
        "select duration_min, coalesce(_updated_at, _submitted_at)::date::text from raw.f4_meeting "
        f"where _source = '{source.name}' order by 2",
    )
    assert kept == [(60, "2021-03-03"), (45, "2021-03-05")]
    refused = rows(settings, f"select arrived_at::date::text from quarantine.rows where source = '{source.name}'")
    assert refused == [("2021-03-03",)]


def test_what_is_longer_than_an_index_takes_is_kept_and_known_again(settings: Settings, source: MemorySource) -> None:
    """An id, a review state, a code, a name of an unknown column: PostgreSQL's indexes refuse 2,700 bytes a row."""
    source.is_swept = True
    long = [secrets.token_urlsafe(9000) for _ in range(3)]
    answers = MEETING | {"held_on": "2021-03-01"}
    source.add("f4_meeting", long[0], review_state=long[1], extra={long[1]: "kept"}, **answers)
    source.add("f4_meeting", long[1], **answers | {"held_on": "2021-03-02", "pair_code": long[0], "mode": long[0]})
    source.add("r1_mentee", long[2], extra={long[2]: "unknown"}, **REGISTRY["r1_mentee"] | {"mentee_code": long[0]})
    counts = sync(settings, source, "f4_meeting")
    assert (counts["accepted"], counts["quarantined"], counts["server_total"]) == (1, 1, 2)
    assert sync(settings, source, "r1_mentee")["received"] == 1
    ((refused, rules),) = rows(
        settings, f"select submission_id, rules from quarantine.rows where source = '{source.name}'"
    )
    assert (refused[:100], len(refused)) == (long[1][:100], LONGEST_ID)
    assert rules
    assert rows(settings, f"select _extra from raw.f4_meeting where _source = '{source.name}'") == [
        ({long[1]: "kept"},)
    ]
    again = sync(settings, source, "f4_meeting")
    assert (again["unchanged"], again["vanished"]) == (1, 0), "two reads of one submission agree on its id"
    del source.submissions["f4_meeting"][0]
    assert sync(settings, source, "f4_meeting")["vanished"] == 1


def test_an_error_names_source_and_form(
    settings: Settings, source: MemorySource, monkeypatch: pytest.MonkeyPatch
) -> None:
    def silent(*_: object) -> bool:
        raise SourceThrottled("the server asks for patience", 5)

    monkeypatch.setattr(source, "has_news", silent)
    source.add("f4_meeting", "m", held_on="2021-03-01", **MEETING)
    with connect(settings) as connection:
        connection.execute(
            "insert into ops.cursors values (%s, 'f4_meeting', '{}', 'b', now()) on conflict do nothing", (source.name,)
        )
    with pytest.raises(SourceThrottled, match=f"^{source.name}, f4_meeting: the server asks") as caught:
        sync(settings, source, "f4_meeting")
    assert caught.value.retry_after == 5


def test_undated_edits_in_different_chunks_keep_their_order(
    settings: Settings, source: MemorySource, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        source.add("f4_meeting", f"u{number}", held_on=f"2021-03-0{number + 1}", **MEETING)
    sync(settings, source, "f4_meeting")
    source.submissions["f4_meeting"].clear()
    for mode, order in (("phone", (0, 1, 2)), ("chat", (2, 1, 0))):
        for number in order:
            source.add("f4_meeting", f"u{number}", held_on=f"2021-03-0{number + 1}", **MEETING | {"mode": mode})
    in_chunks(monkeypatch, 3)
    sync(settings, source, "f4_meeting")
    current = current_versions("f4_meeting", "mode, _source")
    assert rows(settings, f"select mode from ({current}) as found where _source = '{source.name}'") == [("chat",)] * 3


def test_the_same_refused_version_in_two_chunks_is_one(
    settings: Settings, source: MemorySource, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_chunks(monkeypatch, 1)
    for _ in range(2):
        source.add("f4_meeting", "m", held_on="2021-03-01", **MEETING | {"mode": "telegraph"})
    found = sync(settings, source, "f4_meeting")
    assert (found["quarantined"], found["unchanged"]) == (1, 1)


def test_an_event_is_judged_by_what_came_before_it_in_whatever_chunk(
    settings: Settings, source: MemorySource, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_chunks(monkeypatch, 1)
    for name, (before, after), day in (
        ("second", ("preparing", "active"), "2021-01-11"),
        ("first", ("proposed", "preparing"), "2021-01-05"),
    ):
        event = {"pair_code": "П-1", "from_state": before, "to_state": after, "occurred_on": day}
        source.add("r4_pair_event", name, initiator="staff", **event)
    found = sync(settings, source, "r4_pair_event")
    assert (found["accepted"], found["quarantined"]) == (2, 0)


def test_what_is_there_again_counts_again(settings: Settings, source: MemorySource) -> None:
    """Its own moments lie before the deletion that a read without it made us conclude."""
    source.is_swept = True
    source.add("f4_meeting", "stays", held_on="2021-03-02", **MEETING)
    source.add("f4_meeting", "back", held_on="2021-03-01", updated_at="2021-03-05T10:00", **MEETING)
    sync(settings, source, "f4_meeting")
    back = source.submissions["f4_meeting"].pop()
    assert sync(settings, source, "f4_meeting")["vanished"] == 1
    source.submissions["f4_meeting"].append(back)
    assert sync(settings, source, "f4_meeting")["accepted"] == 1
    again = sync(settings, source, "f4_meeting")
    assert (again["accepted"], again["unchanged"]) == (0, 2)


def test_a_form_is_not_emptied_without_a_word(settings: Settings, source: MemorySource) -> None:
    source.is_swept = True
    for number in range(6):
        source.add("f4_meeting", f"m{number}", held_on=f"2021-03-0{number + 1}", **MEETING)
    sync(settings, source, "f4_meeting")
    gone = source.submissions["f4_meeting"]
    source.submissions["f4_meeting"] = []
    with pytest.raises(DeletionsDoubted, match="6 of 6"):
        sync(settings, source, "f4_meeting")
    source.submissions["f4_meeting"] = gone[:1]
    assert sync(settings, source, "f4_meeting")["vanished"] == 5


def test_what_is_left_to_mend_is_said_anew(settings: Settings, source: MemorySource) -> None:
    source.add("f4_meeting", "m", held_on="2020-03-01", **MEETING | {"pair_code": "П-anew"})
    sync(settings, source, "f4_meeting")
    asked = f"select rules, remedy_ru from quarantine.rows where source = '{source.name}'"
    ((rules, remedy),) = rows(settings, asked)
    assert rules == ["unknown_pair"]
    source.add("r3_pair", "p", **REGISTRY["r3_pair"] | {"pair_code": "П-anew", "intake_code": "2021-3"})
    sync(settings, source, "r3_pair")
    source.is_news = False
    assert sync(settings, source, "f4_meeting")["released"] == 0
    ((rules, said),) = rows(settings, asked)
    assert rules == ["before_pair_start"]
    assert said != remedy


def test_a_renamed_vault_question_does_not_leave_the_vault(settings: Settings, source: MemorySource) -> None:
    """Its column is unknown then, and what is unknown is kept beside the answers."""
    answers = {name: answer for name, answer in MEETING.items() if name != "pair_code"}
    source.add("f4_meeting", "m", held_on="2021-03-01", extra={"pair_kod": "П-secret", "_origin": "row 1"}, **answers)
    batch = ingest.extract(settings, source.name, "f4_meeting", "renamed")
    assert batch is not None
    ingest.load(settings, batch)
    assert "П-secret" not in str(rows(settings, "select payload from quarantine.rows"))
    with landing.opened(batch) as landed:
        assert [chunk["_extra"].to_pylist() for chunk in landed.chunks()] == [['{"_origin": "row 1"}']]


def test_a_number_that_json_has_not_is_kept_as_text(settings: Settings, source: MemorySource) -> None:
    source.add("f4_meeting", "m", held_on="2021-03-01", extra={"x": float("inf")}, **MEETING)
    assert sync(settings, source, "f4_meeting")["accepted"] == 1


def test_a_retry_asks_no_source(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Nowhere(FilesSource):
        organisation_code = None  # stands for its own configuration

    nowhere = Nowhere("gone", tmp_path / "absent", "Europe/Moscow", {"f4_meeting": FormFiles(files="*")}, "read")
    connected(nowhere, monkeypatch)  # type: ignore[arg-type]
    with connect(settings) as connection:
        connection.execute("insert into ops.cursors values ('gone', 'f4_meeting', '{\"files\": {}}', 'b', now())")
    assert ingest.extract(settings, "gone", "f4_meeting", "retry", asks_source=False) is None
