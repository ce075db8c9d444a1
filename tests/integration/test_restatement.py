"""Eight quarters of the reference cohort, one restated, one definition changed, one person erased: all explained.

What the ledger says is held against two things that it does not know: the counts of mentees that pandas finds in the
outcomes before and after, and what this file did to raw.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import psycopg
import pytest
from markupsafe import escape
from openpyxl import load_workbook
from psycopg.rows import dict_row
from typer.testing import CliRunner

from tests.integration.quarters_rebuilt import Rebuilder
from tests.integration.test_reference_cohort import EXPECTED, sync_all
from vmeste import ingest
from vmeste.releases import command, comparing, russian, steps, workbook
from vmeste.releases.candidate import Candidate, CandidateError, read_candidate
from vmeste.releases.comparing import Difference
from vmeste.releases.erasures import hide_erased
from vmeste.releases.explaining import STEPS
from vmeste.releases.page import PageError
from vmeste.releases.programmes import OWN_PREFIX, chosen, show_own
from vmeste.releases.publish import (
    Approval,
    Assessment,
    Computed,
    PublishError,
    declare_error,
    draft,
    publish,
    verify,
)
from vmeste.releases.quarters import Quarter
from vmeste.releases.refusals import CandidateBusy, ChecksFailed, FilesNotWritten, GateClosed
from vmeste.settings import ROOT, Settings
from vmeste.warehouse.connect import connect

FIRST, LAST = Quarter(2020, 3), Quarter(2022, 2)
Q4, Q1 = Quarter(2021, 4), Quarter(2022, 1)
RULES = {"before": "a" * 64, "after": "b" * 64}
OUTCOMES = "select * from {}.fct_indicator_outcome where is_eligible and quarter = %s"


REGISTERED = "select pair_key, mentee_key, min(_submission_id) as place from raw.r3_pair group by 1, 2"


@dataclass
class Story:
    """What was released, and what was found on the way."""

    settings: Settings
    builder: Rebuilder
    rules: str = RULES["before"]
    frames: dict[str, pd.DataFrame] = field(default_factory=dict)
    found: dict[str, Any] = field(default_factory=dict)

    def candidate(self, connection: psycopg.Connection[Any], quarter: Quarter, known: Quarter) -> Candidate:
        """Build and read a quarter as of a cut-off; releases of other rules are rebuilt first, as the steps do it."""
        zone = self.settings.zone
        connection.execute(f"drop table if exists {steps.BUILT_MARTS}.{comparing.REBUILT} cascade".encode())
        former = connection.execute(
            "select release_id, cutoff_at from published.releases where rules_checksum <> %s and release_id in ("
            "select release_id from published.release_ledger where state = 'released' and quarter <= %s)",
            (self.rules, str(quarter)),
        ).fetchall()
        connection.commit()
        for release_id, cutoff_at in former:
            self.builder.build(cutoff_at.astimezone(zone))
            steps._keep_rebuilt(connection, release_id)
        self.built_at = self.builder.build(known.cutoff(zone))
        _, programme = chosen(self.settings)
        show_own(connection, programme, steps.BUILT_PREFIX)
        candidate = read_candidate(connection, quarter, OWN_PREFIX, cutoff_at=known.cutoff(zone), zone=zone)
        return hide_erased(connection, candidate)

    @property
    def computed(self) -> Computed:
        return Computed(marts=steps.MARTS, built_at=self.built_at, rules_checksum=self.rules)

    def draft(self, connection: psycopg.Connection[Any], quarter: Quarter, known: Quarter) -> Assessment:
        candidate = self.candidate(connection, quarter, known)
        return draft(connection, candidate, code_revision="x", prepared_by="made-up", computed=self.computed)

    def release(self, connection: psycopg.Connection[Any], quarter: Quarter, known: Quarter | None = None) -> str:
        """Release a quarter and remember the outcomes that it was counted from."""
        at = datetime(2030, 1, 1, tzinfo=UTC)
        release_id = publish(
            connection,
            self.candidate(connection, quarter, known or quarter),
            [Approval("method", "demo-method", at), Approval("director", "demo-director", at)],
            "x",
            "made-up",
            computed=self.computed,
        )
        self.frames[release_id] = self.outcomes(connection, quarter)
        return release_id

    def outcomes(self, connection: psycopg.Connection[Any], quarter: Quarter) -> pd.DataFrame:
        cursor = connection.execute(OUTCOMES.format(steps.MARTS).encode(), (str(quarter),))
        return pd.DataFrame(cursor.fetchall(), columns=[column.name for column in cursor.description or ()])


def rows(connection: psycopg.Connection[Any], query: str, *parameters: object) -> list[dict[str, Any]]:
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(query.encode(), parameters).fetchall()


def follow_up(connection: psycopg.Connection[Any], pair_key: str, filled_on: Any, arrived_at: datetime) -> None:
    connection.execute(
        "insert into raw.f7_followup (pair_key, horizon, filled_on, informant, reach, contact, last_on, _source, "
        "_submission_id, _form_version, _submitted_at, _content_hash, _operation, _ingested_at, _batch_id) values "
        "(%s, '6', %s, 'mentee', 'completed', '1', %s, 'made-up', %s, '1', %s, 'x', 'upsert', now(), 'b')",
        (pair_key, filled_on, filled_on, f"late {pair_key}", arrived_at),
    )


def again(connection: psycopg.Connection[Any], form: str, submission: str, at: datetime, **changed: Any) -> None:
    """Add another version of a submission, changed."""
    (row,) = rows(
        connection,
        f"select * from raw.{form} where _submission_id = %s order by _submitted_at desc, _ingested_at desc limit 1",
        submission,
    )
    row |= {"_updated_at": at, "_content_hash": f"again {at}", "_ingested_at": datetime.now(UTC)} | changed
    row = {name: value for name, value in row.items() if not isinstance(value, (dict, list))}
    names = ", ".join(row)
    places = ", ".join(["%s"] * len(row))
    connection.execute(f"insert into raw.{form} ({names}) values ({places})".encode(), list(row.values()))


@pytest.fixture(scope="module")
def story(settings: Settings) -> Iterator[Story]:
    sync_all(settings, "first")
    settings, _ = chosen(settings)
    told = Story(settings, Rebuilder(settings))
    quarter = FIRST
    with connect(settings, "vmeste_transformer") as connection:
        while quarter <= Q4:
            told.release(connection, quarter)
            quarter = quarter.next
        rows_come_late(told)
        told.found["2021-Q4 once more"] = told.draft(connection, Q4, Q4)
        told.release(connection, Q1)
        told.found["restatement"] = told.draft(connection, Q4, Q1)
        told.release(connection, Q4, known=Q1)
        change_the_rule(told, version=1)
        told.found["silent"] = comparing.earlier_differences(
            connection, told.candidate(connection, LAST, LAST), steps.MARTS
        )
        change_the_rule(told, version=2)
        told.release(connection, LAST)
        erase_somebody(told)
        told.found["after the erasure"] = told.draft(connection, Q4, Q1)
        declare_error(connection, str(Q4), "made up for this test", "somebody")
        told.release(connection, Q4, known=Q1)
    yield told


def rows_come_late(told: Story) -> None:
    """After the cut-off of 2021-Q4: three follow-ups, two edits of feedback, one endline withdrawn."""
    frame = told.frames["2021-Q4-r1"]
    rolling = frame[frame.period_view == "rolling_4q"]
    with connect(told.settings, "vmeste_transformer") as connection:
        withdrawn = rows(connection, "select mentee_key from raw.r5_consent where withdrawn_on is not null")
        # keys are random: pairs are taken in the order of their registration, so that the same is told each time
        places = {row["pair_key"]: row["place"] for row in rows(connection, REGISTERED)}
    rolling = rolling[~rolling.mentee_key.isin([row["mentee_key"] for row in withdrawn])]
    rolling = rolling.assign(place=rolling.pair_key.map(places)).sort_values("place")
    missing = rolling[(rolling.indicator_code == "2.3") & ~rolling.is_measured]
    content = rolling[(rolling.indicator_code == "2.2") & rolling.is_achieved]
    gained = rolling[(rolling.indicator_code == "3.1") & rolling.is_achieved]
    with connect(told.settings, "vmeste_loader") as loader:
        for number, row in enumerate(missing.itertuples()):
            follow_up(loader, str(row.pair_key), row.event_date, datetime(2022, 2, 1 + number, tzinfo=UTC))
        told.found["edited"] = []
        for row in content.itertuples():
            forms = rows(
                loader,
                "select distinct _submission_id from raw.f3_mentee_feedback where pair_key = %s and fb_all is not null",
                row.pair_key,
            )
            if len(told.found["edited"]) < 2 and forms:
                for form in forms:
                    at = datetime(2022, 3, 1, tzinfo=UTC)
                    again(loader, "f3_mentee_feedback", form["_submission_id"], at, fb_all="1")
                told.found["edited"].append(row.mentee_key)
        told.found["voided"] = None
        for row in gained.itertuples():
            forms = rows(
                loader,
                "select distinct _submission_id from raw.f2_self_report where pair_key = %s and wave = 'endline'",
                row.pair_key,
            )
            if told.found["voided"] is None and row.milestone == "end" and len(forms) == 1:
                at = datetime(2022, 3, 2, tzinfo=UTC)
                again(loader, "f2_self_report", forms[0]["_submission_id"], at, _operation="void")
                told.found["voided"] = row.mentee_key
        told.found["late"] = sorted(missing.mentee_key)
        loader.commit()


def change_the_rule(told: Story, version: int) -> None:
    """Ask more of a positive feedback: as a change of the seed would, with a new version of the definition or not."""
    told.rules = RULES["after"]
    with connect(told.settings, "vmeste_transformer") as connection:
        connection.execute(
            "update candidate_seeds.parameters set value = 4.6 where parameter_code = 'feedback_min_score'"
        )
        connection.execute(
            "update candidate_seeds.indicator_definitions set definition_version = %s where indicator_code = '2.2'",
            (version,),
        )


def erase_somebody(told: Story) -> None:
    """Erase somebody whom every release counted alike, and none in 2.3: no two of them tell of that person."""
    with connect(told.settings, "vmeste_transformer") as connection:
        (found,) = rows(
            connection,
            "with theirs as (select mentee_key, indicator_code, period_view, quarter, count(*) as times, "
            "count(distinct (is_due, is_reached, is_measured, is_achieved, is_deteriorated)) as kinds "
            "from ledger.outcomes group by 1, 2, 3, 4), "
            "told as (select indicator_code, period_view, quarter, count(distinct release_id) as times "
            "from ledger.outcomes group by 1, 2, 3), "
            f"registered as ({REGISTERED}) "
            "select theirs.mentee_key from theirs inner join told using (indicator_code, period_view, quarter) "
            "inner join registered using (mentee_key) "
            "group by 1 having bool_and(theirs.times = told.times and theirs.kinds = 1) "
            "and not bool_or(indicator_code = '2.3') "
            "and bool_or(indicator_code = '2.2' and period_view = 'rolling_4q' and quarter = '2021-Q4') "
            "order by min(place) limit 1",
        )
    told.found["erased"] = found["mentee_key"]
    with connect(told.settings) as owner:
        erase(owner, told.found["erased"])


def erase(owner: psycopg.Connection[Any], mentee_key: str) -> None:
    """Take a person out of raw and out of the ledger, as `vmeste erase` does; its own tests hold it to that."""
    pairs = owner.execute("select array_agg(pair_key) from raw.r3_pair where mentee_key = %s", (mentee_key,)).fetchone()
    for form, columns in comparing.columns_of_raw(owner).items():
        for name, keys in (("mentee_key", [mentee_key]), ("pair_key", pairs[0] if pairs else [])):
            if name in columns:
                owner.execute(f"delete from raw.{form} where {name} = any(%s)".encode(), (keys,))
    owner.execute("delete from ledger.outcomes where mentee_key = %s", (mentee_key,))
    owner.execute(
        "insert into ops.erasures (erasure_id, kind, erased_at, submissions, counts) "
        "values (%s, 'mentee', clock_timestamp(), '{}', '{}')",
        (f"of {mentee_key}",),
    )


@pytest.fixture
def warehouse(story: Story) -> Iterator[psycopg.Connection[Any]]:
    with connect(story.settings, "vmeste_transformer") as connection:
        yield connection
        connection.rollback()


def totals(moves: Any, step: str) -> int:
    return sum(steps_moved[step][0] - steps_moved[step][1] for steps_moved in moves.values() if step in steps_moved)


def of(found: Any, code: str, view: str = "rolling_4q") -> Difference:
    (one,) = [one for one in found if (one.indicator_code, one.period_view) == (code, view)]
    assert isinstance(one, Difference)
    return one


def test_eight_quarters_stand(story: Story, warehouse: psycopg.Connection[Any]) -> None:
    stand = rows(warehouse, "select release_id, is_newest, label_ru from published.current_release order by quarter")
    assert [row["release_id"] for row in stand] == [
        *("2020-Q3-r1", "2020-Q4-r1", "2021-Q1-r1", "2021-Q2-r1", "2021-Q3-r1", "2021-Q4-r3", "2022-Q1-r1"),
        "2022-Q2-r1",
    ]
    assert [row["is_newest"] for row in stand] == [False] * 7 + [True]
    assert stand[5]["label_ru"] == "4 кв. 2021, ревизия 3, выпущено 01.01.2030"


def test_the_first_revision_is_the_cohorts_own(story: Story, warehouse: psycopg.Connection[Any]) -> None:
    found = rows(
        warehouse,
        "select indicator_code, eligible, measured, achieved from published.indicator_values "
        "where release_id = '2021-Q4-r1' and quarter = '2021-Q4' and period_view = 'rolling_4q' and split_by = 'all' "
        "and indicator_code = any(%s)",
        list(EXPECTED["indicators"]),
    )
    for row in found:
        wanted = EXPECTED["indicators"][row["indicator_code"]]
        assert {name: row[name] for name in ("eligible", "measured", "achieved")} == {
            name: wanted[name] for name in ("eligible", "measured", "achieved")
        }
    assert len(found) == 5


@pytest.mark.parametrize("kept_in", ["published.restatements", "ledger.late_effects"])
def test_the_causes_of_every_difference_add_up(story: Story, warehouse: psycopg.Connection[Any], kept_in: str) -> None:
    """Old plus what entered less what left is new, for each step, as it is kept."""
    causes = (
        "(select coalesce(jsonb_object_agg(cause, moved), '{}') from (select cause, jsonb_object_agg(step, "
        "jsonb_build_array(entered, left_out)) as moved from ledger.restatement_causes as c "
        "where c.release_id = kept.release_id and c.quarter = kept.quarter and c.period_view = kept.period_view "
        "and c.indicator_code = kept.indicator_code group by cause) as by_cause) as causes"
        if kept_in == "published.restatements"
        else "causes"
    )
    kept = rows(
        warehouse,
        f"select release_id, indicator_code, period_view, old, new, {causes} from {kept_in} as kept "
        "where new ->> 'status' <> 'suppressed_secondary'",
    )
    assert len(kept) > 5
    for row in kept:
        for step in ("eligible", "measured", "achieved", "deteriorated"):
            old, new = row["old"][step] or 0, row["new"][step] or 0
            assert old + totals(row["causes"], step) == new, row


@pytest.mark.parametrize(
    ("former", "latter", "has_one_rule"), [("2021-Q4-r1", "2021-Q4-r2", True), ("2021-Q4-r2", "2021-Q4-r3", False)]
)
def test_entered_and_left_are_what_pandas_finds(
    story: Story, warehouse: psycopg.Connection[Any], former: str, latter: str, has_one_rule: bool
) -> None:
    """Who is in one frame of outcomes and not in the other, counted without the ledger."""
    before, after = _reached(story.frames[former]), _reached(story.frames[latter])
    kept = rows(
        warehouse,
        "select indicator_code, period_view, step, sum(entered)::int as entered, sum(left_out)::int as left_out "
        "from ledger.restatement_causes where release_id = %s and quarter = '2021-Q4' group by 1, 2, 3",
        latter,
    )
    assert kept
    published = {(row["indicator_code"], row["period_view"], row["step"]): row for row in kept}
    assert published.keys() <= before.keys() | after.keys()
    for key in before.keys() | after.keys():
        was, now = before.get(key, set()), after.get(key, set())
        row = published.get(key, {"entered": 0, "left_out": 0})
        assert row["entered"] - row["left_out"] == len(now) - len(was), key
        if has_one_rule:  # by way of other rules somebody may leave and come back
            assert (row["entered"], row["left_out"]) == (len(now - was), len(was - now)), key


def _reached(frame: pd.DataFrame) -> dict[tuple[str, str, str], set[str]]:
    """Return who reached each step of each headline."""
    told = frame.assign(
        is_deterioration_known=frame.is_deteriorated.notna(), is_deteriorated=frame.is_deteriorated.eq(True)
    )
    return {
        (*names, step): set(found.mentee_key[found[f"is_{step}"].astype(bool)])
        for names, found in told.groupby(["indicator_code", "period_view"])
        for step in STEPS
    }


def test_late_rows_do_not_touch_the_same_cutoff(story: Story) -> None:
    once_more = story.found["2021-Q4 once more"]
    assert once_more.stands
    assert once_more.differences == ()


def test_late_rows_restate_what_they_carry_over_a_threshold(story: Story) -> None:
    found = story.found["restatement"]
    assert found.release.release_id == "2021-Q4-r2"
    assert "threshold" in found.release.reasons
    late = of(found.differences, "2.3")
    assert (late.old["achieved"], late.old["measured"], late.new["achieved"], late.new["measured"]) == (9, 11, 12, 14)
    assert late.moves["added"]["measured"] == (3, 0)
    assert late.moves["added"]["achieved"] == (3, 0)
    assert late.reasons == ("threshold",)  # 79% → 100% coverage; the share itself moved by less than five points
    assert late.moved_by_rows_points == pytest.approx(100 * (12 / 14 - 9 / 11))


def test_an_edit_and_a_void_are_told_apart_and_restate_nothing_by_themselves(story: Story) -> None:
    found = story.found["restatement"].differences
    moved = of(found, "2.2")
    assert moved.moves == {"edited": {"achieved": (0, len(story.found["edited"]))}}
    endline = of(found, "3.1")
    assert endline.moves["voided"]["measured"] == (0, 1)
    assert endline.moves["voided"]["achieved"] == (0, 1)
    assert moved.reasons == endline.reasons == ()


def test_a_follow_up_that_came_due_is_no_late_row(story: Story, warehouse: psycopg.Connection[Any]) -> None:
    """The cohort of a year gains those whose window has closed since; that restates nothing."""
    (grown,) = rows(
        warehouse,
        "select old, new, causes, reasons from ledger.late_effects where release_id = '2022-Q2-r1' "
        "and of_release_id = '2022-Q1-r1' and quarter = '2021-Q4' and indicator_code = '2.3'",
    )
    assert grown["new"]["eligible"] > grown["old"]["eligible"]
    assert grown["causes"]["due"]["eligible"] == [grown["new"]["eligible"] - grown["old"]["eligible"], 0]
    assert grown["reasons"] == []


def test_the_next_refresh_keeps_the_late_rows_by_form_and_kind(
    story: Story, warehouse: psycopg.Connection[Any]
) -> None:
    kept = rows(
        warehouse,
        "select form_id, kind, submissions from ledger.late_rows where release_id = '2022-Q1-r1'",
    )
    by_kind: dict[tuple[str, str], int] = {}
    for row in kept:
        by_kind[row["form_id"], row["kind"]] = by_kind.get((row["form_id"], row["kind"]), 0) + row["submissions"]
    assert by_kind["f7_followup", "added"] >= len(story.found["late"])
    assert by_kind["f3_mentee_feedback", "edited"] >= len(story.found["edited"])
    assert by_kind["f2_self_report", "voided"] == 1
    assert {kind for _, kind in by_kind} == {"added", "edited", "voided"}
    effects = rows(
        warehouse,
        "select reasons, moved_points from ledger.late_effects where release_id = '2022-Q1-r1' "
        "and of_release_id = '2021-Q4-r1' and indicator_code = '2.3' and period_view = 'rolling_4q'",
    )
    assert [row["reasons"] for row in effects] == [["threshold"]]


def test_rules_that_change_under_the_same_version_are_noticed(story: Story) -> None:
    silent = of([one for one in story.found["silent"] if one.of_release_id == "2021-Q4-r2"], "2.2")
    assert silent.is_silent
    assert not silent.is_break
    assert set(silent.moves) == {"definition"}


def test_a_changed_definition_is_a_break_and_restates_nothing(story: Story, warehouse: psycopg.Connection[Any]) -> None:
    (effect,) = rows(
        warehouse,
        "select is_break, reasons, causes, moved_by_rows_points from ledger.late_effects "
        "where release_id = '2022-Q2-r1' and of_release_id = '2021-Q4-r2' and indicator_code = '2.2' "
        "and period_view = 'rolling_4q'",
    )
    assert effect["is_break"]
    assert effect["reasons"] == []
    assert set(effect["causes"]) == {"definition"}
    assert effect["moved_by_rows_points"] == pytest.approx(0)
    series = rows(
        warehouse,
        "select quarter, definition_version, is_break from published.current_indicator_values "
        "where indicator_code = '2.2' and period_view = 'rolling_4q' and split_by = 'all' order by quarter",
    )
    # 2021-Q4-r3 was computed after the change, so that the series breaks there, goes back, and breaks again
    assert [(row["definition_version"], row["is_break"]) for row in series[-4:]] == [
        ("1", False),
        ("2", True),
        ("1", True),
        ("2", True),
    ]


def test_an_erased_person_is_the_remainder(story: Story) -> None:
    """An erasure by itself restates nothing: the release that stands stays."""
    found = story.found["after the erasure"]
    assert found.stands
    frame = story.frames["2021-Q4-r2"]
    theirs = frame[(frame.mentee_key == story.found["erased"]) & (frame.period_view == "rolling_4q")]
    for outcome in theirs.itertuples():
        difference = of(found.differences, str(outcome.indicator_code))
        erased = difference.moves["erased"]
        assert erased["eligible"] == (0, 1)
        assert erased.get("measured", (0, 0)) == (0, int(outcome.is_measured))
        assert erased.get("achieved", (0, 0)) == (0, int(outcome.is_achieved))
        assert difference.moved_by_rows_points is None, "old, new and the part of the rows would leave the person's"
    assert theirs.is_measured.any()


def test_two_releases_that_tell_of_somebody_erased_call_for_a_revision(story: Story) -> None:
    """Three late follow-ups made the difference between the first two revisions: one of the three people is erased."""
    key = ("2.3", "rolling_4q", "2021-Q4")
    zone = story.settings.zone
    with connect(story.settings) as owner, owner.transaction(force_rollback=True):
        candidate = read_candidate(owner, Q4, cutoff_at=Q1.cutoff(zone), zone=zone)
        assert key not in hide_erased(owner, candidate).revealed
        told = candidate.headline("2.3", "rolling_4q")
        assert told is not None
        split = replace(told, split_by="form", split_value="made up")
        candidate = replace(candidate, indicators=(*candidate.indicators, split))
        erase(owner, story.found["late"][0])
        silent = hide_erased(owner, candidate)
        assert key in silent.revealed
        hidden = silent.headline("2.3", "rolling_4q")
        assert hidden is not None
        assert (hidden.status, hidden.measured, hidden.share) == ("suppressed_secondary", None, None)
        (split,) = [value for value in silent.indicators if value.cell == split.cell]
        assert split.measured is None, "the cells of a split add up to the headline"
        found = draft(owner, silent, code_revision="x", prepared_by="made-up", computed=Computed())
        assert found.release.release_id == "2021-Q4-r4"
        assert "disclosure" in found.release.reasons
        assert of(found.differences, "2.3").reasons == ("disclosure",)


def test_beside_the_release_no_later_figure_tells_of_the_erased(
    story: Story, warehouse: psycopg.Connection[Any]
) -> None:
    """Old less new would be one person: the new one has no number, and the old one stays."""
    frame = story.frames["2021-Q4-r2"]
    theirs = frame[frame.mentee_key == story.found["erased"]]
    hidden = rows(
        warehouse,
        "select indicator_code, period_view, quarter, status, eligible, measured, achieved, share "
        "from published.indicator_values where release_id = '2021-Q4-r3' and split_by = 'all' "
        "and status = 'suppressed_secondary' and quarter = '2021-Q4' order by 1, 2",
    )
    assert {(row["indicator_code"], row["period_view"]) for row in hidden} == {
        (outcome.indicator_code, outcome.period_view) for outcome in theirs.itertuples()
    }
    assert {row[name] for row in hidden for name in ("eligible", "measured", "achieved", "share")} == {None}


CHANGES = (
    ("2021-Q4-r1", "2021-Q4-r2", "late follow-ups, two edits, one endline withdrawn"),
    ("2021-Q4-r2", "2021-Q4-r3", "2.2 asks for 4.6 instead of 4; one person erased"),
)


def test_the_manual_shows_what_the_ledger_says_of_each_difference(
    story: Story, warehouse: psycopg.Connection[Any]
) -> None:
    """The table in docs/releases.md is this one; old and new are counted by pandas, the causes are the ledger's."""
    lines = []
    for former, latter, what in CHANGES:
        before, after = _reached(story.frames[former]), _reached(story.frames[latter])
        causes = rows(
            warehouse,
            "select indicator_code, cause, step, entered, left_out from ledger.restatement_causes "
            "where release_id = %s and period_view = 'rolling_4q' and quarter = '2021-Q4' "
            "and step in ('eligible', 'measured', 'achieved') "
            "order by 1, 2, 3",
            latter,
        )
        for code in sorted({row["indicator_code"] for row in causes} & {*EXPECTED["indicators"]}):
            cells = []
            for step in ("achieved", "measured", "eligible"):
                was, now = (len(one.get((code, "rolling_4q", step), set())) for one in (before, after))
                moved = [row for row in causes if (row["indicator_code"], row["step"]) == (code, step)]
                assert was + sum(row["entered"] - row["left_out"] for row in moved) == now
                signs = [("+", "entered"), ("−", "left_out")]
                why = [f"{sign}{row[side]} {row['cause']}" for row in moved for sign, side in signs if row[side]]
                cells.append(f"{was} → {now}: {', '.join(why)}" if why else str(now))
            lines.append(f"| {former} → {latter[-2:]} | {code} | {' | '.join(cells)} |")
        assert lines, what
    table = "\n".join(
        ["| Revision | Indicator | Achieved | Measured | Eligible |", "| --- | --- | --- | --- | --- |", *lines]
    )
    manual = (ROOT / "docs" / "releases.md").read_text(encoding="utf-8")
    assert table in manual, f"docs/releases.md has another table; this one holds:\n{table}"


def test_a_declared_error_makes_a_revision_that_says_all_of_it(
    story: Story, warehouse: psycopg.Connection[Any]
) -> None:
    (release,) = rows(warehouse, "select reasons from published.releases where release_id = '2021-Q4-r3'")
    assert release["reasons"] == ["error"]
    causes = rows(
        warehouse,
        "select distinct cause from ledger.restatement_causes where release_id = '2021-Q4-r3' "
        "and indicator_code = '2.2' and period_view = 'rolling_4q' order by 1",
    )
    assert [row["cause"] for row in causes] == ["definition", "erased"]
    (mended,) = rows(warehouse, "select release_id from ledger.mended_errors")
    assert mended["release_id"] == "2021-Q4-r3"
    kinds = rows(
        warehouse,
        "select rows_by_kind -> 'r3_pair' -> 'erased' as erased from published.restatements "
        "where release_id = '2021-Q4-r3' and indicator_code = '2.2' and period_view = 'rolling_4q'",
    )
    assert kinds == [{"erased": 1}]


def test_earlier_cohorts_go_on_maturing(story: Story, warehouse: psycopg.Connection[Any]) -> None:
    carried = rows(
        warehouse,
        "select release_id, eligible from published.indicator_values where period_view = 'cohort_year' "
        "and quarter = '2021-Q4' and indicator_code = '2.3' and split_by = 'all' order by release_id",
    )
    eligible = {row["release_id"]: row["eligible"] for row in carried}
    assert eligible["2021-Q4-r1"] < eligible["2022-Q1-r1"] < eligible["2022-Q2-r1"]
    (current,) = rows(
        warehouse,
        "select released_with, eligible from published.current_indicator_values where period_view = 'cohort_year' "
        "and quarter = '2021-Q4' and indicator_code = '2.3' and split_by = 'all'",
    )
    assert (current["released_with"], current["eligible"]) == ("2022-Q2", eligible["2022-Q2-r1"])
    splits = rows(
        warehouse,
        "select from published.indicator_values where split_by <> 'all' and quarter <> substr(release_id, 1, 7)",
    )
    assert splits == []


def test_every_release_verifies(story: Story, warehouse: psycopg.Connection[Any]) -> None:
    for row in rows(warehouse, "select release_id from published.releases"):
        assert verify(warehouse, row["release_id"]) == ()


@pytest.mark.parametrize("table", ["ledger.late_rows", "ledger.late_effects"])
@pytest.mark.parametrize("statement", ["update {} set quarter = quarter", "delete from {}", "truncate {}"])
def test_the_late_ledger_refuses_change(story: Story, table: str, statement: str) -> None:
    for role, refusal in (
        ("vmeste_transformer", psycopg.errors.InsufficientPrivilege),
        (None, psycopg.errors.RestrictViolation),
    ):
        with connect(story.settings, role) as connection, pytest.raises(refusal):  # type: ignore[arg-type]
            connection.execute(statement.format(table).encode())


def test_outcomes_go_with_the_person_and_change_for_nobody(story: Story) -> None:
    """Nobody may correct who was counted how; whoever is erased may go."""
    with connect(story.settings, "vmeste_transformer") as connection:
        with connection.transaction(force_rollback=True):
            assert connection.execute("delete from ledger.outcomes where release_id = '2021-Q4-r3'").rowcount > 0
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("update ledger.outcomes set is_achieved = true")
    with connect(story.settings) as owner, pytest.raises(psycopg.errors.RestrictViolation):
        owner.execute("update ledger.outcomes set is_achieved = true")


def test_the_ledger_names_nobody(story: Story) -> None:
    """What BI reads holds no key of a person."""
    with connect(story.settings, "vmeste_bi") as reader:
        tables = reader.execute(
            "select table_name, column_name from information_schema.columns where table_schema = 'published'"
        ).fetchall()
        assert not [column for _, column in tables if column.endswith("_key")]
        for table in {name for name, _ in tables}:
            columns = ", ".join(column for name, column in tables if name == table)
            text = str(reader.execute(f"select {columns} from published.{table}".encode()).fetchall())
            assert not [key for key in story.frames["2021-Q4-r2"].mentee_key.unique() if key in text]


# The steps of the DAG and the command line, over the same warehouse, for a quarter that the story has not released.

OPEN = Quarter(2022, 3)
NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def by_steps(story: Story) -> Iterator[Settings]:
    """Let psycopg build what dbt would build; the marts' expectations have tests of their own."""

    def build(settings: Settings, *, target: str, as_of: datetime, only: str | None = None) -> None:
        story.builder.build(as_of)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("vmeste.releases.steps.transform.build", build)
        patch.setattr("vmeste.releases.steps.validate_marts", lambda *_: {"indicator_quarterly": {"rows": 1}})
        patch.setattr("vmeste.releases.command.get_settings", lambda: story.settings)
        patch.setattr("vmeste.releases.steps.rules_checksum", lambda _: story.rules)
        patch.setattr("vmeste.releases.steps.code_revision", lambda _: "x")
        patch.setattr("vmeste.releases.comparing.QUARTERS_BACK", 2)  # two releases are rebuilt as well as eight
        yield story.settings


@pytest.fixture(scope="module")
def prepared(by_steps: Settings) -> dict[str, str]:
    """The draft of the open quarter."""
    return steps.prepare(by_steps, OPEN, "made-up", NOW)


def approvals(method: str = "demo_psychologist", director: str = "demo_director") -> list[Approval]:
    at = datetime(2030, 1, 1, tzinfo=UTC)
    return [Approval("method", method, at), Approval("director", director, at)]


def files_of(told: dict[str, str]) -> dict[str, bytes]:
    return {kind: Path(told[kind]).read_bytes() for kind in steps.KINDS}


def full_disk(*_: object, **__: object) -> None:
    raise OSError(28, "No space left on device")


def stands(settings: Settings, quarter: Quarter) -> int:
    with connect(settings, "vmeste_bi") as reader:
        rows_of = reader.execute("select from published.releases where quarter = %s", (str(quarter),))
        return rows_of.rowcount


def test_bad_input_a_release_prepared_twice_gives_the_same_bytes_whatever_came_later(
    by_steps: Settings, prepared: dict[str, str]
) -> None:
    assert (prepared["state"], prepared["release_id"]) == ("draft", "2022-Q3-r1")
    before = files_of(prepared)
    with connect(by_steps, "vmeste_loader") as loader:
        (pair_key,) = loader.execute("select pair_key from raw.r3_pair order by 1 limit 1").fetchone() or ("",)
        follow_up(loader, pair_key, "2022-09-01", datetime(2022, 11, 1, tzinfo=UTC))
    again = steps.prepare(by_steps, OPEN, "made-up", NOW)
    assert again == prepared
    assert files_of(again) == before
    outcome = CliRunner().invoke(command.app, ["prepare", "2022-Q3", "--by", "made-up"])
    assert outcome.exit_code == 0, outcome.output
    assert f"checksum: {prepared['checksum']}" in outcome.output
    assert files_of(prepared) == before


def test_bad_input_a_failed_render_leaves_the_draft_before(
    by_steps: Settings, prepared: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = files_of(prepared)

    def fail(*_: object) -> None:
        raise PageError("it does not fit")

    monkeypatch.setattr("vmeste.releases.pack.write_pdf", fail)
    with pytest.raises(FilesNotWritten, match=r"no draft is shown.*does not fit.*run the quarter again"):
        steps.render(by_steps, OPEN, "somebody else")
    assert files_of(prepared) == before
    assert [path.name for path in by_steps.releases.iterdir()] == ["2022-Q3-r1"], "nothing half made lies about"


def test_bad_input_a_quarter_in_the_future_is_refused(by_steps: Settings) -> None:
    with pytest.raises(GateClosed, match=r"2026-Q3 closes on 15\.10\.2026"):
        steps.gate(by_steps, Quarter(2026, 3), NOW)
    with pytest.raises(GateClosed, match=r"2026-Q1 closes on 15\.04\.2026"):
        steps.gate(by_steps, Q4, NOW, known=Quarter(2026, 1))
    with pytest.raises(GateClosed, match="cannot be computed as of 2021-Q3"):
        steps.gate(by_steps, Q4, NOW, known=Quarter(2021, 3))


def test_a_quarter_whose_sources_were_not_asked_since_its_cut_off_is_not_complete(by_steps: Settings) -> None:
    """All is read until today: of a quarter that ends later nobody knows what had arrived by its cut-off."""
    future = Quarter.of(datetime.now(UTC).date()).next
    now = future.cutoff(by_steps.zone) + timedelta(days=1)
    with pytest.raises(GateClosed, match=r"last asked before the cut-off .*run ingest_forms"):
        steps.gate(by_steps, future, now)
    item = next(iter(ingest.plan(by_steps).values()))[0]
    assert ingest.extract(by_steps, item["source"], item["form_id"], "once more") is None
    with connect(by_steps, "vmeste_loader") as loader:
        asked = rows(loader, "select asked_at > now() - interval '1 minute' as is_now from ops.cursors")
        assert [row["is_now"] for row in asked].count(True) == 1, "nothing new was there: that it was asked is kept"
        loader.execute("update ops.cursors set asked_at = %s", (now,))
    assert steps.gate(by_steps, future, now)["forms"] > 5
    with connect(by_steps, "vmeste_loader") as loader:
        loader.execute("update ops.cursors set asked_at = null")


def test_bad_input_a_cutoff_before_the_data_says_that_nothing_had_arrived(by_steps: Settings) -> None:
    with pytest.raises(CandidateError, match="2010-Q1: either nothing had arrived by its cut-off"):
        steps.prepare(by_steps, Quarter(2010, 1), "made-up", NOW)


def test_what_was_restated_is_not_taken_back(by_steps: Settings) -> None:
    """Prepared again without a word, 2021-Q4 is computed as of what its standing revision knew."""
    assert steps.cutoff_of(by_steps, Q4) == Q1.cutoff(by_steps.zone)
    assert steps.cutoff_of(by_steps, OPEN) == OPEN.cutoff(by_steps.zone)


@pytest.mark.parametrize(
    "given",
    [{"method": "demo_director", "director": "demo_psychologist"}, {"method": "somebody"}, {"director": "admin"}],
)
def test_bad_input_an_approval_by_the_wrong_person_releases_nothing(
    by_steps: Settings, prepared: dict[str, str], given: dict[str, str]
) -> None:
    with pytest.raises(PublishError, match=r"is not who approves as .*nothing is released; let the right person"):
        steps.release(by_steps, OPEN, "made-up", approvals(**given), prepared["checksum"])
    assert stands(by_steps, OPEN) == 0


def test_other_figures_than_those_approved_are_not_released(by_steps: Settings, prepared: dict[str, str]) -> None:
    with pytest.raises(PublishError, match=r"other figures now than those that were approved.*run the quarter"):
        steps.release(by_steps, OPEN, "made-up", approvals(), "0" * 64)
    assert stands(by_steps, OPEN) == 0


def test_two_refreshes_do_not_share_a_candidate(by_steps: Settings) -> None:
    with connect(by_steps, "vmeste_transformer") as other:
        other.execute("select pg_advisory_lock(hashtext('vmeste.candidate'))")
        for step in (steps.build_candidate, steps.validate):
            with pytest.raises(CandidateBusy, match="try again when it has ended"):
                step(by_steps, OPEN)


def test_rows_that_arrive_during_a_build_have_it_built_again(
    by_steps: Settings, story: Story, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The releases that other rules computed are rebuilt once, however often the candidate is; the log counts them."""
    built = []

    def build(settings: Settings, *, target: str, as_of: datetime, only: str | None = None) -> None:
        built.append(as_of)
        story.builder.build(as_of)
        with connect(settings, "vmeste_loader") as loader:
            follow_up(loader, f"made up {len(built)}", "2022-09-01", datetime(2022, 9, 2, tzinfo=UTC))

    monkeypatch.setattr("vmeste.releases.steps.transform.build", build)
    with (
        caplog.at_level(logging.INFO, logger=steps.__name__),
        pytest.raises(CandidateBusy, match="wait until ingest_forms has ended"),
    ):
        steps.build_candidate(by_steps, OPEN)
    former = [as_of for as_of in built if as_of != OPEN.cutoff(by_steps.zone)]
    counted = [record.getMessage() for record in caplog.records if "computed by other rules" in record.getMessage()]
    assert [f"({number} of {len(former)}, then 2022-Q3 itself)" in line for number, line in enumerate(counted, 1)] == [
        True
    ] * len(former)
    assert former
    assert len([as_of for as_of in built if as_of == OPEN.cutoff(by_steps.zone)]) == steps.BUILDS


def release_open(settings: Settings, prepared: dict[str, str]) -> dict[str, str]:
    """Do as the task `release` does after both approvals."""
    return steps.release(settings, OPEN, "made-up", approvals(), prepared["checksum"])


def test_bad_input_a_full_disk_while_publishing_releases_nothing(
    by_steps: Settings, prepared: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vmeste.releases.pack.write_workbook", full_disk)
    with pytest.raises(FilesNotWritten, match=r"2022-Q3 is not released.*No space left.*the approvals still count"):
        release_open(by_steps, prepared)
    assert stands(by_steps, OPEN) == 0
    assert not list((by_steps.releases / "2022-Q3-r1").glob("2022-Q3-r1*"))


def test_bad_input_a_restart_between_approval_and_publishing_releases_what_was_approved(
    by_steps: Settings, prepared: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The candidate is not there any more and is built again; then it stops between the commit and the last file."""
    with connect(by_steps, "vmeste_transformer") as connection:
        connection.execute("delete from ledger.candidate")
    with monkeypatch.context() as patch:
        patch.setattr("vmeste.releases.steps._put", full_disk)
        with pytest.raises(FilesNotWritten, match=r"2022-Q3-r1 is released, its files are not there yet.*clear the"):
            release_open(by_steps, prepared)
    assert stands(by_steps, OPEN) == 1
    assert not list((by_steps.releases / "2022-Q3-r1").glob("2022-Q3-r1*"))
    released = release_open(by_steps, prepared)
    assert released["release_id"] == "2022-Q3-r1"
    before = files_of(released)
    assert len(before["pdf"]) > 10_000
    assert steps.render(by_steps, OPEN, "another")["state"] == "released"
    assert files_of(released) == before, "what was released is not written again"
    assert stands(by_steps, OPEN) == 1


def test_the_pack_tells_of_readiness_what_is_frozen(by_steps: Settings) -> None:
    """The annex and the workbook go to people outside: no number in them that dashboards must not show."""
    book = load_workbook(by_steps.releases / "2022-Q3-r1" / "2022-Q3-r1.xlsx")
    heading, *rows = book["Готовность"].iter_rows(values_only=True)
    columns = [heading.index(name) for name in ("Проверка", "Измерено", "Пояснение")]
    with connect(by_steps, "vmeste_transformer") as reader:
        frozen = reader.execute(
            "select check_code, measured, explanation_ru from published.readiness_checks "
            "where release_id = '2022-Q3-r1' order by sort_order"
        ).fetchall()
    assert len(frozen) > 30
    # a workbook holds sixteen digits
    assert [tuple(row[column] for column in columns) for row in rows] == [
        (code, None if measured is None else pytest.approx(measured, rel=1e-12), explanation)
        for code, measured, explanation in frozen
    ]


def test_rules_that_changed_silently_stop_the_checks(by_steps: Settings, story: Story) -> None:
    """2022-Q2 was counted with the higher threshold; the old one again, under the same version of the definition."""
    with connect(by_steps, "vmeste_transformer") as connection:
        connection.execute(
            "update candidate_seeds.parameters set value = 4 where parameter_code = 'feedback_min_score'"
        )
    story.rules = "c" * 64
    try:
        with pytest.raises(ChecksFailed, match=r"2\.2 of 2022-Q2-r1 comes out otherwise.*declare-error 2022-Q2"):
            steps.prepare(by_steps, OPEN, "made-up", NOW)
    finally:
        change_the_rule(story, version=2)


def test_the_command_line_prepares_lists_shows_and_verifies(by_steps: Settings) -> None:
    runner = CliRunner()

    def told(*arguments: str) -> str:
        outcome = runner.invoke(command.app, arguments)
        assert outcome.exit_code == 0, outcome.output
        return outcome.output

    assert "2021-Q4-r3 stands already with the same figures" in told("prepare", "2021-Q4", "--by", "made-up")
    listed = [line.split("\t")[:2] for line in told("list").splitlines()]
    assert ["2021-Q4-r2", "superseded"] in listed
    assert ["2021-Q4-r3", "released"] in listed
    shown = told("show", "2021-Q4-r3")
    for part in ("made up for this test", "Restated", "Why", "demo-director", "erased"):
        assert part in shown
    assert "2022-Q1-r1: as released" in told("verify")
    assert runner.invoke(command.app, ["prepare", "2021Q4"]).exit_code == 2
    assert isinstance(runner.invoke(command.app, ["show", "1999-Q1-r1"]).exception, PublishError)


def test_verifying_on_the_command_line_fails_and_names_the_place(by_steps: Settings) -> None:
    change = "update published.indicator_values set measured = {} where release_id = '2021-Q3-r1' and "
    change += "indicator_code = '2.2' and split_by = 'all' and period_view = 'quarter' and quarter = '2021-Q3'"
    switch = "alter table published.indicator_values {} trigger refuse_change"
    with connect(by_steps) as owner:
        (measured,) = owner.execute(
            "select measured from published.indicator_values where release_id = '2021-Q3-r1' "
            "and indicator_code = '2.2' and split_by = 'all' and period_view = 'quarter' and quarter = '2021-Q3'"
        ).fetchone() or (0,)
        owner.execute(switch.format("disable").encode())
        owner.execute(change.format(measured + 1).encode())
        owner.commit()
        outcome = CliRunner().invoke(command.app, ["verify", "2021-Q3-r1"])
        owner.execute(change.format(measured).encode())
        owner.execute(switch.format("enable always").encode())
    assert outcome.exit_code == 1
    assert f"2.2 quarter 2021-Q3 all all, measured: {measured + 1}, released as {measured}" in outcome.output
    assert CliRunner().invoke(command.app, ["verify", "2021-Q3-r1"]).exit_code == 0


def test_a_rejection_is_kept_with_its_reason(by_steps: Settings) -> None:
    rendered = {"release_id": "2022-Q4-r1", "checksum": "0" * 64}
    for _ in range(2):  # a task that is repeated
        steps.keep_rejection(by_steps, rendered, "director", "demo_director", NOW, " сверить 2.1 ")
    outcome = CliRunner().invoke(command.app, ["show", "2022-Q4-r1"])
    assert outcome.exit_code == 0
    assert outcome.output.count("сверить 2.1") == 1


def test_an_approval_is_withdrawn_on_the_command_line(by_steps: Settings) -> None:
    words = ["--role", "director", "--by", "demo_director", "--reason", "сомнение"]
    outcome = CliRunner().invoke(command.app, ["withdraw", "2022-Q4-r1", *words])
    assert "2022-Q4-r1 will not be released by the approvals given until now" in outcome.output
    assert "сомнение" in CliRunner().invoke(command.app, ["show", "2022-Q4-r1"]).output
    refused = CliRunner().invoke(command.app, ["withdraw", "2021-Q4-r1", *words]).exception
    assert "declare-error 2021-Q4" in str(refused)


# Somebody more is erased; the revision that this calls for goes through the steps, and its pack is looked at.


@pytest.fixture(scope="module")
def after_an_erasure(by_steps: Settings, story: Story) -> Iterator[tuple[str, str]]:
    """Return the release, and the annex as HTML; all marts are as of the cut-off, and lack the person."""
    written = {}

    def annex(html: str, path: Path) -> None:
        written["annex"] = html
        path.write_bytes(b"annex")

    def build(settings: Settings, *, target: str, as_of: datetime, only: str | None = None) -> None:
        story.builder.build(as_of, whole=True)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("vmeste.releases.steps.transform.build", build)
        patch.setattr("vmeste.releases.pack.write_annex", annex)
        # a revision with everybody in it, of the same marts
        declare(by_steps, "made up once more")
        rendered = steps.prepare(by_steps, Q4, "made-up", NOW)
        before = steps.release(by_steps, Q4, "made-up", approvals(), rendered["checksum"])
        with connect(by_steps) as owner:
            erase(owner, story.found["late"][0])
        with connect(by_steps, "vmeste_transformer") as connection:
            connection.execute("delete from ledger.candidate")
        rendered = steps.prepare(by_steps, Q4, "made-up", NOW)
        assert rendered["release_id"] != before["release_id"], "two releases tell of that person: a revision is due"
        released = steps.release(by_steps, Q4, "made-up", approvals(), rendered["checksum"])
    yield released["release_id"], written["annex"]


def declare(settings: Settings, reason: str) -> None:
    with connect(settings, "vmeste_transformer") as connection:
        declare_error(connection, str(Q4), reason, "somebody")


def sheet(settings: Settings, release_id: str, title: str) -> list[dict[str, Any]]:
    book = load_workbook(settings.releases / release_id / f"{release_id}.xlsx")
    heading, *lines = book[title].iter_rows(values_only=True)
    return [dict(zip(map(str, heading), line, strict=True)) for line in lines]


def frozen(settings: Settings, release_id: str, table: str) -> list[dict[str, Any]]:
    with connect(settings, "vmeste_bi") as reader:
        return rows(reader, f"select * from published.{table} where release_id = %s", release_id)


def close(cell: Any) -> Any:
    return pytest.approx(cell, rel=1e-9) if isinstance(cell, float) else cell


def test_after_an_erasure_something_is_hidden_that_stood_before(
    by_steps: Settings, after_an_erasure: tuple[str, str]
) -> None:
    """Otherwise the tests below would show nothing."""
    release_id, _ = after_an_erasure
    hidden = {
        table: sum(row["status"] == "suppressed_secondary" for row in frozen(by_steps, release_id, table))
        for table in ("pair_flow", "programme_values", "indicator_values", "sustainability")
    }
    assert min(hidden.values()) > 0, hidden
    (m4,) = [
        row
        for row in frozen(by_steps, release_id, "programme_values")
        if (row["measure_code"], row["period_view"], row["split_by"]) == ("M4", "rolling_4q", "all")
    ]
    assert (m4["status"], m4["denominator"]) == ("suppressed_secondary", None)


def test_the_workbook_shows_of_pairs_what_is_published(by_steps: Settings, after_an_erasure: tuple[str, str]) -> None:
    release_id, _ = after_an_erasure
    shown = {
        (row["Квартал"], row["Вид периода"], row["Мера"], row["Форма"]): row
        for row in sheet(by_steps, release_id, "Пары и встречи")
    }
    expected: dict[tuple[str, ...], tuple[Any, ...]] = {}
    for release, quarter in ((release_id, Q4), ("2021-Q3-r1", Q4.previous)):
        for row in frozen(by_steps, release, "pair_flow"):
            for measure, name in (
                ("Пары: активны на конец", "active_at_end"),
                ("Пары: начаты", "started"),
                ("Пары: завершены", "ended"),
            ):
                place = (quarter.label_ru, russian.PERIOD_VIEWS["quarter"], measure, russian.FORMS[row["form"]])
                status = "shown" if row[name] is not None else row["status"]
                expected[place] = (None, None, row[name], None, None, None, None, russian.STATUSES[status])
        for row in frozen(by_steps, release, "programme_values"):
            if row["measure_code"] in russian.MEASURES and row["split_by"] in ("all", "form"):
                place = (
                    quarter.label_ru,
                    russian.PERIOD_VIEWS[row["period_view"]],
                    russian.MEASURES[row["measure_code"]],
                    russian.FORMS[row["split_value"]],
                )
                numbers = ("numerator", "denominator", "value", "ci_low", "ci_high", "q1", "q3")
                expected[place] = (*(row[name] for name in numbers), russian.STATUSES[row["status"]])
    columns = ("Числитель", "Знаменатель", "Значение", "95% интервал, от", "95% интервал, до", "Квартиль 1")
    columns = (*columns, "Квартиль 3", "Статус")
    assert shown.keys() == expected.keys()
    assert len(shown) > 30
    for place, numbers in expected.items():
        assert tuple(shown[place][column] for column in columns) == tuple(map(close, numbers)), place


def test_the_workbook_shows_of_indicators_what_is_published(
    by_steps: Settings, after_an_erasure: tuple[str, str]
) -> None:
    release_id, _ = after_an_erasure
    published = {
        (row["indicator_code"], row["period_view"], row["quarter"], row["split_by"], row["split_value"]): row
        for row in frozen(by_steps, release_id, "indicator_values")
    }
    views = {words: view for view, words in russian.PERIOD_VIEWS.items()}
    splits = {words: split for split, words in russian.SPLITS.items()}
    values = {words: value for value, words in russian.SPLIT_VALUES.items()}
    quarters = {Q4.label_ru: str(Q4)}
    compared = 0
    for view, title in workbook.VIEW_SHEETS.items():
        for row in sheet(by_steps, release_id, title):
            if row["Квартал"] == Q4.label_ru:
                compared += 1
                as_published(row, published[row["Показатель"], view, str(Q4), "all", "all"])
    for row in sheet(by_steps, release_id, "Разрезы"):
        split = splits[row["Разрез"]], values.get(row["Значение"], row["Значение"])
        as_published(row, published[row["Показатель"], views[row["Вид периода"]], str(Q4), *split])
        compared += 1
    quarters |= {Quarter(year, 4).label_ru: f"{year}-Q4" for year in (2019, 2020)}  # cohorts that go on maturing
    for row in sheet(by_steps, release_id, "Сопутствующие"):
        place = (row["Сопутствующий"], views[row["Вид периода"]], quarters[row["Квартал"]], "all", "all")
        as_published(row, published[place])
        compared += 1
    assert compared > 100


def as_published(shown: dict[str, Any], row: dict[str, Any]) -> None:
    for name, heading, _ in workbook.FIGURES:
        words = {"status": russian.STATUSES, "coverage_band": russian.COVERAGE_BANDS}.get(name, {})
        assert shown[heading] == close(words.get(row[name], row[name])), (heading, row)


def test_the_page_shows_no_number_that_is_not_published(by_steps: Settings, after_an_erasure: tuple[str, str]) -> None:
    """Every cell of the table of pairs, and every big number, is what is published or words without a digit."""
    release_id, annex = after_an_erasure
    page = (by_steps.releases / release_id / f"{release_id}.html").read_text(encoding="utf-8")
    flow = {row["form"]: row for row in frozen(by_steps, release_id, "pair_flow")}
    measures = {
        (row["measure_code"], row["period_view"], row["split_value"]): row
        for row in frozen(by_steps, release_id, "programme_values")
        if row["split_by"] in ("all", "form")
    }
    lines = re.findall(r'<th scope="row">(Все пары|Краткосрочная|Долгосрочная)</th>(.*?)</tr>', page, re.DOTALL)
    assert len(lines) == 3
    for (label, cells), form in zip(lines, ("all", "short", "long"), strict=True):
        active, started, ended, hours, meetings, early, *due = re.findall(r"<td[^>]*>([^<]*)</td>", cells)
        for text, name in ((active, "active_at_end"), (started, "started"), (ended, "ended")):
            number = flow[form][name]
            assert text == str(number) if number is not None else not re.search(r"\d", text), (label, name, text)
        for text, code in ((hours, "M2_hours"), (meetings, "M2_meetings")):
            row = measures.get((code, "quarter", form))
            is_told = row is not None and row["value"] is not None
            assert bool(re.search(r"\d", text)) is is_told, (label, code, text)
        m4 = measures.get(("M4", "rolling_4q", form))
        if m4 is None or m4["numerator"] is None:
            assert not re.search(r"\d", early), (label, early)
        else:
            assert early.startswith(f"{m4['numerator']:.0f} из {m4['denominator']}")
        assert not re.search(r"\d", "".join(due)), "beside the page before they would be the one"
    cells_of = {
        row["indicator_code"]: row
        for row in frozen(by_steps, release_id, "indicator_values")
        if (row["period_view"], row["split_by"], row["quarter"]) == ("rolling_4q", "all", str(Q4))
    }
    hidden = [code for code in EXPECTED["indicators"] if cells_of[code]["measured"] is None]
    assert hidden
    for text in (page, annex):
        flat = re.sub(r"<svg.*?</svg>|<[^>]+>", " ", text, flags=re.DOTALL).replace("\u00a0", " ")
        for code in hidden:
            stood = next(
                row
                for row in frozen(by_steps, "2021-Q4-r2", "indicator_values")
                if (row["indicator_code"], row["period_view"], row["split_by"], row["quarter"])
                == (code, "rolling_4q", "all", str(Q4))
            )
            for gone in (0, 1):
                assert f"{stood['achieved'] - gone} из {stood['measured'] - 1}" not in flat, code


def test_the_annex_shows_of_readiness_what_is_published(by_steps: Settings, after_an_erasure: tuple[str, str]) -> None:
    release_id, annex = after_an_erasure
    checks = frozen(by_steps, release_id, "readiness_checks")
    shown = {row["Проверка"]: row for row in sheet(by_steps, release_id, "Готовность")}
    hidden = [row for row in checks if "иначе раскрылось бы" in row["explanation_ru"]]
    assert hidden, "some count who is missing"
    for row in checks:
        assert shown[row["check_code"]]["Измерено"] == close(row["measured"])
        assert shown[row["check_code"]]["Пояснение"] == row["explanation_ru"]
        assert escape(row["explanation_ru"]) in annex
        if row in hidden:
            assert (row["measured"], row["counted"], row["counted_of"]) == (None, None, None)
