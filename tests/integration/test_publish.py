"""Reading a candidate from a real warehouse and freezing it there."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from tests.unit.releases.synthetic import QUARTER, SECTIONS, cell, made_up_candidate
from vmeste.releases.candidate import (
    Candidate,
    CandidateError,
    FollowUpCount,
    LateCount,
    Provenance,
    QuarantineCount,
    read_candidate,
)
from vmeste.releases.checks import failed_checks
from vmeste.releases.disclosure import COLUMNS, IndicatorValue, hide
from vmeste.releases.publish import Approval, PublishError, draft, publish, read_release, verify
from vmeste.releases.quarters import Quarter
from vmeste.settings import Settings
from vmeste.warehouse.connect import connect

Connection = psycopg.Connection[Any]

TABLES = ("releases", "indicator_values", "indicator_definitions", "restatements")
APPROVALS = (
    Approval("method", "demo-method", datetime(2032, 1, 16, 9, 0, tzinfo=UTC)),
    Approval("director", "demo-director", datetime(2032, 1, 17, 9, 0, tzinfo=UTC)),
)


@pytest.fixture
def warehouse(settings: Settings) -> Iterator[Connection]:
    """The warehouse as the transformer has it."""
    with connect(settings, "vmeste_transformer") as connection:
        yield connection
        connection.rollback()


@pytest.fixture
def quarter(request: pytest.FixtureRequest) -> Quarter:
    """A quarter of its own for each test: what is released stays."""
    number = sum(ord(letter) * place for place, letter in enumerate(request.node.name, start=1))
    return Quarter(2100 + number % 4000, 1 + number % 4)


@pytest.fixture
def candidate(quarter: Quarter) -> Candidate:
    return in_quarter(made_up_candidate(), quarter)


def in_quarter(candidate: Candidate, quarter: Quarter) -> Candidate:
    """Move a made-up candidate's own cells into another quarter."""
    return replace(
        candidate,
        quarter=quarter,
        cutoff_at=quarter.cutoff(candidate.cutoff_at.tzinfo or UTC),
        indicators=tuple(replace(value, quarter=str(quarter)) for value in candidate.own_values),
    )


def changed(candidate: Candidate, *cells: IndicatorValue) -> Candidate:
    """Replace cells of the rolling view."""
    moved = [replace(value, quarter=str(candidate.quarter)) for value in cells]
    names = {value.cell for value in moved}
    kept = [value for value in candidate.indicators if value.cell not in names]
    return replace(candidate, indicators=hide([*kept, *moved]))


def release(warehouse: Connection, candidate: Candidate) -> str:
    return publish(warehouse, candidate, APPROVALS, "unknown", "demo-engineer")


def rows(warehouse: Connection, query: str, *parameters: object) -> list[dict[str, Any]]:
    with warehouse.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(query.encode(), parameters).fetchall()


def test_release_is_frozen_whole(warehouse: Connection, candidate: Candidate) -> None:
    release_id = release(warehouse, candidate)
    assert release_id == f"{candidate.quarter}-r1"
    (found,) = rows(warehouse, "select * from published.releases where release_id = %s", release_id)
    assert (found["state"], found["revision"]) == ("released", 1)
    assert found["cutoff_at"] == candidate.cutoff_at
    assert found["released_at"] == APPROVALS[1].approved_at
    assert [approval["user"] for approval in found["approvals"]] == ["demo-method", "demo-director"]
    assert found["provenance"]["1.1"]["f2_self_report"]["2030010101"] == {"submissions": 96, "versions": 99}
    names = ", ".join(COLUMNS)
    published = rows(warehouse, f"select {names} from published.indicator_values where release_id = %s", release_id)
    assert {IndicatorValue(**row) for row in published} == set(candidate.own_values)
    assert verify(warehouse, release_id)
    current = rows(
        warehouse, "select * from published.current_indicator_values where quarter = %s", str(candidate.quarter)
    )
    assert len(current) == len(candidate.own_values)


def test_hidden_cells_are_null_whoever_made_the_candidate(warehouse: Connection, candidate: Candidate) -> None:
    """Publishing hides once more: a candidate that was not hidden does not get its numbers out."""
    small = cell("2.2", 2, 14, 14, split=("sex", "f"), status="suppressed_small_n")
    open_candidate = replace(
        candidate, indicators=(*candidate.indicators, replace(small, quarter=str(candidate.quarter)))
    )
    release_id = release(warehouse, open_candidate)
    (found,) = rows(
        warehouse, "select * from published.indicator_values where release_id = %s and split_by = 'sex'", release_id
    )
    numbers = ("eligible", "due", "reached", "measured", "achieved", "share", "ci_low", "coverage", "worst_case")
    assert {found[name] for name in numbers} == {None}
    assert found["status"] == "suppressed_small_n"


def test_same_figures_again_change_nothing(warehouse: Connection, candidate: Candidate) -> None:
    first = release(warehouse, candidate)
    before = rows(warehouse, "select * from published.releases order by release_id")
    again = publish(warehouse, candidate, APPROVALS, "another revision of the code", "another-engineer")
    assert again == first
    assert rows(warehouse, "select * from published.releases order by release_id") == before


def test_other_figures_are_a_new_revision_with_its_restatements(warehouse: Connection, candidate: Candidate) -> None:
    first = release(warehouse, candidate)
    restated = replace(
        changed(candidate, cell("1.1", 18, 21, 21)),
        provenance=(Provenance("1.1", "f2_self_report", "2030010101", 97, 101),),
    )
    second = release(warehouse, restated)
    assert second == f"{candidate.quarter}-r2"
    (found,) = rows(warehouse, "select * from published.restatements where release_id = %s", second)
    assert (found["previous_release_id"], found["indicator_code"], found["period_view"]) == (first, "1.1", "rolling_4q")
    assert (found["old"]["achieved"], found["new"]["achieved"]) == (17, 18)
    assert found["moved_points"] == pytest.approx(100 / 21)
    assert found["rows_by_kind"] == {
        "f2_self_report": {"submissions": 1, "versions": 2},
        "r3_pair": {"submissions": -48, "versions": -48},
    }
    assert [read_release(warehouse, name).state for name in (first, second)] == ["superseded", "released"]
    assert verify(warehouse, first)
    assert verify(warehouse, second)
    current = rows(
        warehouse,
        "select distinct release_id from published.current_indicator_values where quarter = %s",
        str(candidate.quarter),
    )
    assert current == [{"release_id": second}]


def test_figures_that_return_are_a_third_revision(warehouse: Connection, candidate: Candidate) -> None:
    release(warehouse, candidate)
    release(warehouse, changed(candidate, cell("1.1", 18, 21, 21)))
    assert release(warehouse, candidate) == f"{candidate.quarter}-r3"


def test_change_inside_a_split_restates_no_headline(warehouse: Connection, candidate: Candidate) -> None:
    release(warehouse, candidate)
    second = release(warehouse, changed(candidate, cell("2.2", 23, 27, 27, split=("form", "long"))))
    assert second.endswith("-r2")
    assert rows(warehouse, "select * from published.restatements where release_id = %s", second) == []


def test_headline_that_loses_its_share_is_restated_without_points(warehouse: Connection, candidate: Candidate) -> None:
    release(warehouse, candidate)
    second = release(warehouse, changed(candidate, cell("1.1", 5, 8, 8, status="suppressed_small_n")))
    (found,) = rows(warehouse, "select * from published.restatements where release_id = %s", second)
    assert found["moved_points"] is None
    assert found["new"]["share"] is None


def split_of(warehouse: Connection, release_id: str, split_by: str = "form") -> list[tuple[str, int | None]]:
    """Return status and measured of the cells that a release tells of 2.2 by form, over four quarters."""
    found = rows(
        warehouse,
        "select status, measured from published.indicator_values where release_id = %s and split_by = %s "
        "and indicator_code = '2.2' and period_view = 'rolling_4q' order by split_value",
        release_id,
        split_by,
    )
    return [(row["status"], row["measured"]) for row in found]


SILENT = [("suppressed_secondary", None)] * 2


def test_a_revision_keeps_silent_about_a_split_that_changed(warehouse: Connection, candidate: Candidate) -> None:
    first = release(warehouse, candidate)
    assert split_of(warehouse, first) == [("shown", 27), ("shown", 21)]
    second = release(
        warehouse,
        changed(candidate, cell("2.2", 41, 49, 49), cell("2.2", 23, 28, 28, split=("form", "long"))),
    )
    assert split_of(warehouse, second) == SILENT
    third = release(warehouse, changed(candidate, cell("1.1", 18, 21, 21)))
    assert split_of(warehouse, third) == [("shown", 27), ("shown", 21)], "as it stood before: nothing new is told"
    assert all(verify(warehouse, release_id) for release_id in (first, second, third))


def test_a_window_that_overlaps_keeps_silent(warehouse: Connection, candidate: Candidate) -> None:
    """The next quarter's year shares three quarters with what has been told, the year after it none."""
    release(warehouse, candidate)
    following = in_quarter(candidate, candidate.quarter.next)
    assert split_of(warehouse, release(warehouse, following)) == SILENT
    shut = frozenset({("2.2", "form", str(candidate.quarter.previous))})
    other = in_quarter(candidate, candidate.quarter.next.next)
    assert split_of(warehouse, release(warehouse, replace(other, closed_quarters=shut))) == SILENT
    later = in_quarter(candidate, candidate.quarter.next.next.next.next)
    assert split_of(warehouse, release(warehouse, later)) == [("shown", 27), ("shown", 21)]


def test_where_each_quarter_could_be_shown_windows_may_overlap(warehouse: Connection, candidate: Candidate) -> None:
    release(warehouse, replace(candidate, closed_quarters=frozenset()))
    following = replace(in_quarter(candidate, candidate.quarter.next), closed_quarters=frozenset())
    assert split_of(warehouse, release(warehouse, following)) == [("shown", 27), ("shown", 21)]


def test_a_release_that_came_between_is_noticed(warehouse: Connection, candidate: Candidate) -> None:
    """The approvers saw a split; before it is released, a release of the next quarter tells it."""
    seen = draft(warehouse, candidate, code_revision="unknown", prepared_by="demo-engineer")
    release(warehouse, in_quarter(candidate, candidate.quarter.next))
    with pytest.raises(PublishError, match=r"must hide more\. Run the refresh again"):
        publish(warehouse, candidate, APPROVALS, "unknown", "demo-engineer", approved_checksum=seen.checksum)
    assert nothing_of(warehouse, candidate)


@pytest.mark.parametrize("role", ["owner", "administrator"])
@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize(
    "statement",
    ["update published.{} set release_id = release_id", "delete from published.{}", "truncate published.{} cascade"],
)
def test_released_rows_refuse_change(
    settings: Settings, warehouse: Connection, candidate: Candidate, table: str, statement: str, role: str
) -> None:
    release(warehouse, candidate)
    release(warehouse, changed(candidate, cell("1.1", 18, 21, 21)))  # so that there is a restatement too
    with (
        connect(settings, "vmeste_transformer" if role == "owner" else None) as connection,
        pytest.raises(psycopg.errors.RestrictViolation, match=r"frozen|append-only"),
    ):
        connection.execute(statement.format(table).encode())


@pytest.mark.parametrize(
    "statement",
    [
        "insert into published.indicator_values "
        "select {id}, '9.9', period_view, quarter, split_by, split_value, status, "
        "null, null, null, null, null, null, null, null, null, null, null, null, null, null, false, false, '1' "
        "from published.indicator_values where release_id = {id} limit 1",
        "insert into published.indicator_definitions values ({id}, '9.9', '1', 'x', '{{}}')",
    ],
)
def test_released_release_takes_no_new_rows(warehouse: Connection, candidate: Candidate, statement: str) -> None:
    release_id = release(warehouse, candidate)
    with pytest.raises(psycopg.errors.RestrictViolation, match="is frozen: INSERT"):
        warehouse.execute(statement.format(id=f"'{release_id}'").encode())


def test_tampering_by_who_can_switch_triggers_off_is_found(warehouse: Connection, candidate: Candidate) -> None:
    """The owner can always drop what guards his tables; the checksum tells."""
    release_id = release(warehouse, candidate)
    warehouse.execute("alter table published.indicator_values disable trigger refuse_change")
    warehouse.execute(
        "update published.indicator_values set achieved = achieved + 1 "
        "where release_id = %s and indicator_code = '1.1' and split_by = 'all' and period_view = 'quarter'",
        (release_id,),
    )
    assert not verify(warehouse, release_id)
    warehouse.rollback()
    assert verify(warehouse, release_id)


def test_who_prepared_does_not_release(warehouse: Connection, candidate: Candidate) -> None:
    with pytest.raises(PublishError, match=r"(?i)demo-director  prepared this release and must not release it"):
        publish(warehouse, candidate, APPROVALS, "unknown", "Demo-Director ")
    assert nothing_of(warehouse, candidate)


@pytest.mark.parametrize(
    ("approvals", "message"),
    [
        ((), "missing: method, director"),
        (APPROVALS[:1], "missing: director"),
        (APPROVALS[1:], "missing: method"),
        ((*APPROVALS, APPROVALS[1]), "approved twice"),
        (
            (APPROVALS[0], Approval("director", "demo-director", datetime(2032, 1, 15, tzinfo=UTC))),
            "released before demo-method had approved",
        ),
        (
            (APPROVALS[0], Approval("director", "Demo-Method ", APPROVALS[1].approved_at)),
            "two people look at a release",
        ),
    ],
)
def test_approvals_must_be_complete(
    warehouse: Connection, candidate: Candidate, approvals: tuple[Approval, ...], message: str
) -> None:
    with pytest.raises(PublishError, match=message):
        publish(warehouse, candidate, approvals, "unknown", "demo-engineer")
    assert nothing_of(warehouse, candidate)


def test_failed_check_stops_the_release_and_the_previous_one_stays(warehouse: Connection, candidate: Candidate) -> None:
    first = release(warehouse, candidate)
    broken = changed(candidate, replace(cell("1.1", 17, 21, 21), share=0.5))
    with pytest.raises(PublishError, match=r"checks failed: 1\.1 .* share 0\.5 is not 17/21"):
        release(warehouse, broken)
    assert read_release(warehouse, first).state == "released"


def test_failure_on_the_way_leaves_nothing(
    warehouse: Connection, candidate: Candidate, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("the power went")

    monkeypatch.setattr("vmeste.releases.publish._walk_to_released", fail)
    with pytest.raises(RuntimeError, match="the power went"):
        release(warehouse, candidate)
    assert nothing_of(warehouse, candidate)


def nothing_of(warehouse: Connection, candidate: Candidate) -> bool:
    return not rows(warehouse, "select from published.releases where quarter = %s", str(candidate.quarter))


def test_draft_names_what_publishing_would_make(warehouse: Connection, candidate: Candidate) -> None:
    planned = draft(warehouse, candidate, code_revision="unknown", prepared_by="demo-engineer")
    assert (planned.state, planned.revision) == ("draft", 1)
    assert nothing_of(warehouse, candidate)
    assert release(warehouse, candidate) == planned.release_id
    standing = draft(warehouse, candidate, code_revision="unknown", prepared_by="demo-engineer")
    assert (standing.state, standing.checksum) == ("released", planned.checksum)
    assert standing.approvals == APPROVALS
    following = draft(
        warehouse, changed(candidate, cell("1.1", 18, 21, 21)), code_revision="unknown", prepared_by="demo-engineer"
    )
    assert (following.state, following.revision) == ("draft", 2)


def test_unknown_release_is_named(warehouse: Connection) -> None:
    with pytest.raises(PublishError, match="there is no release 1999-Q1-r1"):
        verify(warehouse, "1999-Q1-r1")


# Reading a candidate: the marts as dbt would build them, small enough to check by hand.

MARTS = """
drop schema if exists candidate_marts, candidate_seeds cascade;
create schema candidate_marts;
create schema candidate_seeds;
create table candidate_marts.indicator_quarterly (
    indicator_code text, period_view text, quarter text, split_by text, split_value text, status text,
    eligible bigint, due bigint, reached bigint, measured bigint, achieved bigint, share double precision,
    ci_low double precision, ci_high double precision, coverage double precision, coverage_band text,
    worst_case double precision, best_case double precision, deteriorated bigint, deterioration_known bigint,
    is_count_shown boolean, is_share_shown boolean, definition_version text,
    kind text default 'headline', parameter_versions text default 'feedback_min_score v1 = 4'
);
create table candidate_marts.pair_flow_quarterly (
    quarter text, form text, active_at_end bigint, started bigint, ended bigint
);
insert into candidate_marts.pair_flow_quarterly values
('2031-Q4', 'all', 3, 1, 1), ('2031-Q3', 'all', 3, 0, 0), ('2031-Q2', 'all', 3, 0, 0);
create table candidate_marts.programme_quarterly (
    measure_code text, quarter text, period_view text, form text, status text, numerator double precision,
    denominator bigint, value double precision, ci_low double precision, ci_high double precision,
    q1 double precision, q3 double precision
);
insert into candidate_marts.programme_quarterly values
('M2_hours', '2031-Q4', 'quarter', 'all', 'shown', 60, 12, 5.0, null, null, 4.5, 5.5);
create table candidate_marts.followup_calendar (
    pair_key text, form text, horizon integer, state text, due_on date, window_opens_on date, window_closes_on date
);
insert into candidate_marts.followup_calendar values
('a', 'short', 6, 'not_yet_due', '2032-03-14', '2032-02-13', '2032-05-13'),
('b', 'short', 6, 'not_yet_due', '2032-03-15', '2032-02-14', '2032-05-14'),
('c', 'short', 6, 'open', '2032-01-15', '2031-12-16', '2032-03-15'),
('d', 'short', 6, 'done', '2032-01-20', '2031-12-21', '2032-03-20'),
('e', 'long', 12, 'missed', '2031-08-01', '2031-07-02', '2031-09-30'),
('f', 'long', 12, 'missed', '2031-08-02', '2031-07-03', '2031-10-01');
create table candidate_marts.evidence_readiness (
    check_code text, recommendation_id text, section text, year integer, status text, measured double precision,
    threshold double precision, explanation_ru text, sort_order integer
);
insert into candidate_marts.evidence_readiness values
('second', 'R-2', 'data', 2030, 'not_met', 0.5, 0.8, 'Пояснение', 2),
('first', 'R-1', 'results', 2030, 'met', 1, 1, 'Пояснение', 1);
create table candidate_seeds.indicator_definitions (
    indicator_code text, definition_version integer, name_ru text, short_name_ru text, source_forms text,
    approved_on date, kind text, companion_of text, parameters text, is_current boolean
);
insert into candidate_seeds.indicator_definitions values
('2.2', 1, 'Название', 'Имя', 'f3_mentee_feedback', '2031-01-01', 'headline', null, 'feedback_min_score', true),
('2.2x', 1, 'Сопутствующий', 'Рядом', 'f3_mentee_feedback', '2031-01-01', 'companion', '2.2', null, true),
('2.2', 0, 'Прежнее название', null, null, null, 'headline', null, null, false);
create table candidate_seeds.standard_sections (section text, name_ru text, sort_order integer);
create table candidate_seeds.standard_levels (section text, year integer, level_ru text);
insert into candidate_seeds.standard_levels values ('data', 2030, 'базовый');
create table candidate_seeds.legacy_indicators (
    indicator_code text, reported_year integer, reported_numerator integer, reported_percent integer,
    implied_denominator integer, denominator_basis text, reported_text_ru text
);
insert into candidate_seeds.legacy_indicators values ('2.2', 2030, 40, 83, 48, 'inferred', '40 (83%)');
"""

MEETING = (
    "insert into raw.f4_meeting (held_on, _source, _submission_id, _form_version, _submitted_at, _updated_at, "
    "_content_hash, _operation, _ingested_at, _batch_id) values (%s, 'made-up', %s, %s, %s, %s, %s, %s, %s, 'b')"
)
CUTOFF = QUARTER.cutoff(made_up_candidate().cutoff_at.tzinfo or UTC)
AFTER, BEFORE = "2032-01-15 00:00:01+03", "2032-01-14 23:59:59+03"


@pytest.fixture
def marts(settings: Settings, warehouse: Connection) -> Iterator[Connection]:
    """Candidate marts, raw meetings and quarantined rows, all made up."""
    warehouse.execute(MARTS.encode())
    with warehouse.cursor() as cursor:
        names = ", ".join(COLUMNS)
        places = ", ".join(["%s"] * len(COLUMNS))
        values = [
            cell("2.2", 40, 48, 48),
            cell("2.2", 1, 20, 20, split=("sex", "f"), status="suppressed_small_n"),
            cell("2.2", 30, 40, 40, quarter=QUARTER.previous),
            cell("2.2", 30, 40, 40, quarter=QUARTER.previous, split=("sex", "f")),
            cell("2.2", 30, 40, 40, quarter=Quarter(2029, 4)),
            cell("2.2", 30, 40, 40, quarter=Quarter(2029, 3)),
            cell("2.2", 30, 40, 40, quarter=QUARTER.next),
            cell("2.2x", 20, 48, 48),
            cell("2.2x", 10, 20, 20, split=("sex", "f")),
        ]
        cursor.executemany(
            f"insert into candidate_marts.indicator_quarterly ({names}) values ({places})".encode(),
            [[getattr(value, name) for name in COLUMNS] for value in values],
        )
        cursor.execute(
            "update candidate_marts.indicator_quarterly set kind = 'companion' where indicator_code = '2.2x'"
        )
        cursor.executemany(
            b"insert into candidate_seeds.standard_sections values (%s, %s, %s)",
            [(section, name, place) for place, (section, name) in enumerate(SECTIONS.items())],
        )
    warehouse.commit()
    with connect(settings, "vmeste_loader") as loader:
        loader.execute("delete from raw.f4_meeting")
        loader.execute("delete from quarantine.rows")
        for held_on, submission, version, submitted, updated, content, operation, ingested in (
            ("2031-12-01", "kept", "1", BEFORE, None, "a", "upsert", 1),
            ("2031-12-01", "edited", "1", "2031-12-02", None, "a", "upsert", 1),
            ("2031-12-01", "edited", "2", "2031-12-02", BEFORE, "b", "upsert", 2),
            ("2031-12-01", "edited", "3", "2031-12-02", AFTER, "c", "upsert", 3),
            ("2031-12-01", "deleted", "1", "2031-12-02", None, "a", "upsert", 1),
            ("2031-12-01", "deleted", "1", "2031-12-02", "2031-12-03", "a", "delete", 2),
            ("2031-12-31", "late", "1", AFTER, None, "a", "upsert", 1),
            ("2032-01-01", "of the next quarter", "1", AFTER, None, "a", "upsert", 1),
        ):
            ingested_at = datetime(2033, 1, ingested, tzinfo=UTC)
            row = (held_on, submission, version, submitted, updated, content, operation, ingested_at)
            loader.execute(MEETING, row)
        for submission, rules, submitted, state in (
            ("one", ["a_rule", "b_rule"], BEFORE, "open"),
            ("two", ["a_rule"], BEFORE, "open"),
            ("mended", ["a_rule"], BEFORE, "fixed_upstream"),
            ("late", ["a_rule"], AFTER, "open"),
        ):
            loader.execute(
                "insert into quarantine.rows (source, form_id, submission_id, content_hash, form_version, "
                "submitted_at, rules, remedy_ru, payload, state, batch_id) "
                "values ('made-up', 'f4_meeting', %s, 'x', '1', %s, %s, '', %s, %s, 'b')",
                (submission, submitted, rules, Jsonb({}), state),
            )
    yield warehouse


def test_candidate_is_read_as_of_its_cutoff(marts: Connection) -> None:
    candidate = read_candidate(marts, QUARTER, form_titles={"f4_meeting": "F4. Журнал встреч"})
    assert candidate.cutoff_at == CUTOFF
    cells = {(v.quarter, v.split_by): v for v in candidate.indicators if v.indicator_code == "2.2"}
    assert set(cells) == {("2031-Q4", "all"), ("2031-Q4", "sex"), ("2031-Q3", "all"), ("2029-Q4", "all")}
    assert cells["2031-Q4", "all"].achieved == 40
    assert cells["2031-Q4", "sex"].achieved is None, "hidden before anybody sees it"
    assert [(d.indicator_code, d.version, d.name_ru) for d in candidate.definitions] == [
        ("2.2", "1", "Название"),
        ("2.2x", "1", "Сопутствующий"),
    ]
    assert {flow.quarter for flow in candidate.pair_flow} == {"2031-Q4", "2031-Q3"}
    assert [(measure.value, measure.q1) for measure in candidate.programme] == [(5.0, 4.5)]
    assert list(candidate.sections.items()) == list(SECTIONS.items())
    assert [check.recommendation_id for check in candidate.readiness] == ["R-1", "R-2"]
    assert [(figure.numerator, figure.denominator) for figure in candidate.legacy] == [(40, 48)]


def test_companion_has_no_splits(marts: Connection) -> None:
    """It has the same people as its headline: cells that are hidden there would follow from those shown here."""
    candidate = read_candidate(marts, QUARTER)
    assert [(v.quarter, v.split_by) for v in candidate.indicators if v.indicator_code == "2.2x"] == [("2031-Q4", "all")]
    assert [code for code in ("2.2", "2.2x") if candidate.is_companion(code)] == ["2.2x"]


def test_definition_says_the_parameters_that_were_used(marts: Connection) -> None:
    assert read_candidate(marts, QUARTER).definition("2.2", "1").columns["parameters"] == "feedback_min_score v1 = 4"
    marts.execute("update candidate_marts.indicator_quarterly set parameter_versions = 'feedback_min_score v2 = 4.5'")
    changed = read_candidate(marts, QUARTER)
    assert changed.definition("2.2", "1").columns["parameters"] == "feedback_min_score v2 = 4.5"


def test_current_indicator_without_a_cell_is_not_released(marts: Connection) -> None:
    marts.execute("delete from candidate_marts.indicator_quarterly where indicator_code = '2.2x'")
    assert "2.2x has no headline in the view rolling_4q" in failed_checks(read_candidate(marts, QUARTER))


def test_follow_ups_are_counted_by_form_and_horizon(marts: Connection) -> None:
    """Sixty days from 15 January end before 15 March; missed counts from the quarter's first day."""
    assert read_candidate(marts, QUARTER).follow_ups == (
        FollowUpCount("long", 12, due_soon=0, open_now=0, missed=1),
        FollowUpCount("short", 6, due_soon=2, open_now=1, missed=0),
    )


def test_quarantine_and_late_rows_are_counted(marts: Connection) -> None:
    candidate = read_candidate(marts, QUARTER)
    assert candidate.quarantined == (
        QuarantineCount("f4_meeting", "a_rule", 2),
        QuarantineCount("f4_meeting", "b_rule", 1),
    )
    assert candidate.quarantined_rows == 2
    assert candidate.late == (LateCount("f4_meeting", 2),)


def test_provenance_sees_the_versions_of_the_cutoff(marts: Connection) -> None:
    marts.execute(
        "update candidate_seeds.indicator_definitions set source_forms = 'f3_mentee_feedback, f4_meeting' "
        "where indicator_code = '2.2'"
    )
    meetings = [count for count in read_candidate(marts, QUARTER).provenance if count.form_id == "f4_meeting"]
    assert meetings == [
        Provenance("2.2", "f4_meeting", "1", submissions=1, versions=1),
        Provenance("2.2", "f4_meeting", "2", submissions=1, versions=2),
    ]


def test_quarters_that_could_not_be_shown_are_known(marts: Connection) -> None:
    """Of each quarter, not the candidate's alone: the window before may overlap."""
    with marts.cursor() as cursor:
        for quarter, split_by, status in (
            (QUARTER.previous, "form", "suppressed_small_n"),
            (QUARTER, "sex", "suppressed_secondary"),
            (QUARTER, "group", "shown"),
            (QUARTER, "age_band", "planned"),
        ):
            value = cell("2.2", 5, 10, 10, view="quarter", quarter=quarter, split=(split_by, "x"), status=status)
            cursor.execute(
                f"insert into candidate_marts.indicator_quarterly ({', '.join(COLUMNS)}) "
                f"values ({', '.join(['%s'] * len(COLUMNS))})".encode(),
                [getattr(value, name) for name in COLUMNS],
            )
    assert read_candidate(marts, QUARTER).closed_quarters == {
        ("2.2", "form", str(QUARTER.previous)),
        ("2.2", "sex", str(QUARTER)),
    }


def test_a_candidate_shows_no_split_that_overlaps_with_what_was_told(marts: Connection) -> None:
    def by_form() -> list[IndicatorValue]:
        return [value for value in read_candidate(marts, QUARTER).indicators if value.split_by == "form"]

    with marts.cursor() as cursor:
        for view, name in (("rolling_4q", "long"), ("rolling_4q", "short"), ("quarter", "long")):
            status = "suppressed_small_n" if view == "quarter" else "shown"
            value = cell("2.2", 20, 24, 24, view=view, split=("form", name), status=status)
            cursor.execute(
                f"insert into candidate_marts.indicator_quarterly ({', '.join(COLUMNS)}) "
                f"values ({', '.join(['%s'] * len(COLUMNS))})".encode(),
                [getattr(value, column) for column in COLUMNS],
            )
    marts.commit()
    assert [value.measured for value in by_form()] == [None, 24, 24]
    release(marts, in_quarter(made_up_candidate(), QUARTER.previous))
    assert [value.measured for value in by_form()] == [None, None, None]


def test_reading_twice_gives_the_same(marts: Connection) -> None:
    assert read_candidate(marts, QUARTER) == read_candidate(marts, QUARTER)


@pytest.mark.parametrize(
    ("quarter", "prefix", "message"),
    [
        (Quarter(2030, 1), "candidate_", "no row of 2030-Q1"),
        (QUARTER, "missing_", r"cannot be read: .*missing_marts.*dbt build --target candidate"),
    ],
)
def test_missing_candidate_is_named(marts: Connection, quarter: Quarter, prefix: str, message: str) -> None:
    with pytest.raises(CandidateError, match=message):
        read_candidate(marts, quarter, prefix)


def test_definition_that_the_seed_lacks_is_named(marts: Connection) -> None:
    marts.execute("delete from candidate_seeds.indicator_definitions where definition_version = 1")
    with pytest.raises(CandidateError, match=r"indicator 2\.2: the seed indicator_definitions has no version '1'"):
        read_candidate(marts, QUARTER)


@pytest.mark.parametrize("table", [*TABLES, "current_indicator_values", "release_ledger"])
def test_bi_reads_what_is_published(
    settings: Settings, warehouse: Connection, candidate: Candidate, table: str
) -> None:
    release(warehouse, candidate)
    with connect(settings, "vmeste_bi") as reader:
        reader.execute(f"select * from published.{table}".encode())


def test_two_publishers_at_once_make_one_release(
    settings: Settings, warehouse: Connection, candidate: Candidate
) -> None:
    def publish_alone(_: int) -> str:
        with connect(settings, "vmeste_transformer") as connection:
            connection.execute("select 1")  # as after reading a candidate: a transaction is open
            return release(connection, candidate)

    with ThreadPoolExecutor(4) as publishers:
        assert set(publishers.map(publish_alone, range(4))) == {f"{candidate.quarter}-r1"}
