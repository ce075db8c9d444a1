"""Reading a candidate from a real warehouse and freezing it there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
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
    StandardLevel,
    read_candidate,
    with_told,
)
from vmeste.releases.checks import failed_checks
from vmeste.releases.disclosure import COLUMNS, IndicatorValue, hide
from vmeste.releases.publish import (
    Approval,
    PublishError,
    Release,
    checksum_of,
    declare_error,
    draft,
    publish,
    read_release,
    reject,
    verify,
    withdraw,
)
from vmeste.releases.quarters import Quarter
from vmeste.settings import Settings
from vmeste.warehouse.connect import Role, connect

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
    assert verify(warehouse, release_id) == ()
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
        changed(candidate, cell("1.1", 12, 21, 21)),
        provenance=(Provenance("1.1", "f2_self_report", "2030010101", 97, 101),),
    )
    second = release(warehouse, restated)
    assert second == f"{candidate.quarter}-r2"
    (found,) = rows(warehouse, "select * from published.restatements where release_id = %s", second)
    assert (found["previous_release_id"], found["indicator_code"], found["period_view"]) == (first, "1.1", "rolling_4q")
    assert (found["old"]["achieved"], found["new"]["achieved"]) == (17, 12)
    assert found["moved_points"] == pytest.approx(-500 / 21)
    assert found["moved_by_rows_points"] == found["moved_points"]
    assert not found["is_break"]
    assert found["rows_by_kind"] == {
        "f2_self_report": {"submissions": 1, "versions": 2},
        "r3_pair": {"submissions": -48, "versions": -48},
    }
    assert [read_release(warehouse, name).state for name in (first, second)] == ["superseded", "released"]
    assert verify(warehouse, first) == verify(warehouse, second) == ()
    current = rows(
        warehouse,
        "select distinct release_id from published.current_indicator_values where quarter = %s",
        str(candidate.quarter),
    )
    assert current == [{"release_id": second}]


def test_figures_that_return_are_a_third_revision(warehouse: Connection, candidate: Candidate) -> None:
    release(warehouse, candidate)
    release(warehouse, changed(candidate, cell("1.1", 12, 21, 21)))
    assert release(warehouse, candidate) == f"{candidate.quarter}-r3"


def test_what_is_no_restatement_leaves_the_release_as_it_is(warehouse: Connection, candidate: Candidate) -> None:
    """One of 21 is 4.8 points; a change inside a split moves no headline."""
    first = release(warehouse, candidate)
    before = rows(warehouse, "select * from published.releases order by release_id")
    assert release(warehouse, changed(candidate, cell("1.1", 18, 21, 21))) == first
    assert release(warehouse, changed(candidate, cell("2.2", 23, 27, 27, split=("form", "long")))) == first
    assert rows(warehouse, "select * from published.releases order by release_id") == before


def test_a_declared_error_needs_no_movement(warehouse: Connection, candidate: Candidate) -> None:
    release(warehouse, candidate)
    declare_error(warehouse, str(candidate.quarter), "made up", "somebody")
    second = release(warehouse, changed(candidate, cell("1.1", 18, 21, 21)))
    assert read_release(warehouse, second).reasons == ("error",)
    assert second.endswith("-r2")
    # answered once: the next small difference stands again
    assert release(warehouse, changed(candidate, cell("1.1", 17, 21, 21))) == second


@pytest.mark.parametrize(("reason", "by"), [(" ", "somebody"), ("made up", "")])
def test_an_error_is_declared_with_a_reason_by_somebody(
    warehouse: Connection, candidate: Candidate, reason: str, by: str
) -> None:
    release(warehouse, candidate)
    with pytest.raises(PublishError, match="with a reason and by somebody"):
        declare_error(warehouse, str(candidate.quarter), reason, by)


def test_there_is_no_error_in_what_was_never_released(warehouse: Connection) -> None:
    with pytest.raises(PublishError, match="nothing has been released for 1999-Q1"):
        declare_error(warehouse, "1999-Q1", "made up", "somebody")


def test_a_revision_does_not_know_less(warehouse: Connection, candidate: Candidate) -> None:
    later = replace(candidate, cutoff_at=candidate.cutoff_at + timedelta(days=90))
    first = release(warehouse, later)
    with pytest.raises(PublishError, match=f"{first} stands as of .*cannot know less"):
        release(warehouse, changed(candidate, cell("1.1", 12, 21, 21)))


def test_bad_input_a_withdrawn_approval_does_not_count(warehouse: Connection, candidate: Candidate) -> None:
    planned = draft(warehouse, candidate, code_revision="unknown", prepared_by="demo-engineer").release.release_id
    take_back = partial(withdraw, warehouse, reason="сомнение")
    at = APPROVALS[1].approved_at + timedelta(minutes=1)
    take_back(release_id=planned, role="director", user="demo-director", withdrawn_at=at)
    with pytest.raises(PublishError, match=r"demo-director has withdrawn .*сомнение.*both approvals anew"):
        release(warehouse, candidate)
    assert nothing_of(warehouse, candidate)
    anew = tuple(replace(given, approved_at=given.approved_at + timedelta(days=1)) for given in APPROVALS)
    release_id = publish(warehouse, candidate, anew, "unknown", "demo-engineer")
    with pytest.raises(PublishError, match=f"{release_id} is released already.*declare"):
        take_back(release_id=planned, role="method", user="demo-method", withdrawn_at=anew[1].approved_at)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"release_id": "1999-Q1-r2"}, r"1999-Q1-r2 is not what would be released next: name the draft, 1999-Q1-r1"),
        ({"role": "boss"}, "unknown role 'boss'"),
        ({"user": " "}, "by somebody"),
        ({"reason": ""}, "with a reason"),
    ],
)
def test_a_withdrawal_that_would_have_no_effect_is_refused(
    warehouse: Connection, wrong: dict[str, str], message: str
) -> None:
    given = {"release_id": "1999-Q1-r1", "role": "method", "user": "demo-method", "reason": "сомнение"}
    with pytest.raises(PublishError, match=message):
        withdraw(warehouse, **(given | wrong), withdrawn_at=APPROVALS[1].approved_at)


def test_before_the_commit_a_failure_releases_nothing(warehouse: Connection, candidate: Candidate) -> None:
    def full_disk(released: Release) -> None:
        assert released.state == "released"
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        publish(warehouse, candidate, APPROVALS, "unknown", "demo-engineer", before_commit=full_disk)
    assert nothing_of(warehouse, candidate)


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
        changed(candidate, cell("2.2", 30, 49, 49), cell("2.2", 23, 28, 28, split=("form", "long"))),
    )
    assert split_of(warehouse, second) == SILENT
    third = release(warehouse, changed(candidate, cell("1.1", 12, 21, 21)))
    assert split_of(warehouse, third) == [("shown", 27), ("shown", 21)], "as it stood before: nothing new is told"
    assert not [problem for release_id in (first, second, third) for problem in verify(warehouse, release_id)]


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
        publish(warehouse, candidate, APPROVALS, "unknown", "demo-engineer", approved_checksum=seen.release.checksum)
    assert nothing_of(warehouse, candidate)


KEPT = (
    *(f"published.{table}" for table in TABLES),
    *("published.parameters", "ledger.seals", "ledger.restatement_causes"),
    *("ledger.declared_errors", "ledger.mended_errors", "ledger.refusals"),
)
"""ledger.late_rows and ledger.late_effects are tried in test_restatement, where something arrives late."""

ROLES: tuple[Role | None, ...] = ("vmeste_transformer", "vmeste_loader", "vmeste_bi", "vmeste_eraser", None)


@pytest.fixture(scope="module")
def full(settings: Settings) -> str:
    """A second revision, with a row in every table that keeps what was released."""
    candidate = in_quarter(made_up_candidate(), Quarter(8001, 2))
    with connect(settings, "vmeste_transformer") as warehouse:
        release(warehouse, candidate)
        declare_error(warehouse, str(candidate.quarter), "made up", "somebody")
        second = release(warehouse, changed(candidate, cell("1.1", 12, 21, 21)))
        reject(
            warehouse,
            release_id=second,
            checksum="0" * 64,
            role="method",
            user="demo-method",
            refused_at=APPROVALS[0].approved_at,
            reason="made up",
        )
    return second


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("table", KEPT)
@pytest.mark.parametrize(
    "statement", ["update {} set {} = {}", "delete from {}", "truncate {} cascade"], ids=lambda text: text.split()[0]
)
def test_what_was_released_refuses_change_by_every_role(
    settings: Settings, full: str, table: str, statement: str, role: Role | None
) -> None:
    """Roles lack the privilege; whoever has it, the administrator of the database, meets the triggers."""
    with connect(settings, role) as connection:
        if role is None:
            connection.execute("set role vmeste_keeper")
            # a statement over no row meets no row's trigger: it would prove nothing
            (count,) = connection.execute(f"select count(*) from {table}".encode()).fetchone() or (0,)
            assert count
        column = "reason" if table == "ledger.declared_errors" else "release_id"
        with pytest.raises((psycopg.errors.RestrictViolation, psycopg.errors.InsufficientPrivilege)) as refusal:
            connection.execute(statement.format(table, column, column).encode())
        assert isinstance(refusal.value, psycopg.errors.RestrictViolation) == (role is None)


@pytest.mark.parametrize(
    "statement",
    [
        "alter table published.indicator_values disable trigger refuse_change",
        "alter table ledger.seals disable trigger all",
        "drop trigger refuse_change on published.releases",
        "drop table published.restatements",
        "drop schema published cascade",
        "drop schema ledger cascade",
        "create or replace function published.refuse_change() returns trigger language plpgsql "
        "as 'begin return new; end'",
        "set session_replication_role = replica",
        "update published.releases set checksum = repeat('0', 64)",
        "alter view published.current_indicator_values rename to old",
    ],
)
@pytest.mark.parametrize("role", ["vmeste_transformer", "vmeste_loader", "vmeste_eraser", "vmeste_bi"])
def test_no_role_can_switch_the_guards_off(settings: Settings, full: str, role: Role, statement: str) -> None:
    with connect(settings, role) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute(statement.encode())


def test_the_administrator_cannot_slip_by_as_a_replica(settings: Settings) -> None:
    """The login of the warehouse is no superuser; for one who is, the triggers fire in a replica's session too."""
    with connect(settings) as owner:
        modes = owner.execute(
            "select distinct tgenabled::text from pg_trigger inner join pg_class on pg_class.oid = tgrelid "
            "where relnamespace in ('published'::regnamespace, 'ledger'::regnamespace) and not tgisinternal"
        ).fetchall()
        assert modes == [("A",)]
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            owner.execute("set session_replication_role = replica")


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


@pytest.mark.parametrize(
    ("table", "change", "found"),
    [
        (
            "published.indicator_values",
            "update {} set achieved = achieved + 1 where release_id = %s and indicator_code = '1.1' "
            "and split_by = 'all' and period_view = 'quarter'",
            r"1\.1 quarter .* all all, achieved: 18, released as 17",
        ),
        (
            "published.indicator_values",
            "delete from {} where release_id = %s and indicator_code = '1.1' and split_by = 'all' "
            "and period_view = 'quarter'",
            r"1\.1 quarter .* all all: the row is gone",
        ),
        (
            "published.indicator_definitions",
            'update {} set definition = definition || \'{{"numerator_ru": "другое"}}\' '
            "where release_id = %s and indicator_code = '2.1'",
            r"indicator_definitions, 2\.1 1, definition: .*другое",
        ),
        (
            "published.parameters",
            "update {} set value = 1 where release_id = %s and parameter_code = 'percent_min_measured'",
            r"percent_min_measured, value: 1, released as 10",
        ),
        (
            "published.releases",
            "update {} set approvals = jsonb_set(approvals, '{{1,user}}', '\"nobody\"') where release_id = %s",
            r"approvals: .*nobody.*released as .*demo-director",
        ),
        (
            "published.releases",
            "update {} set provenance = '{{}}' where release_id = %s",
            r"provenance: \{\}, released as",
        ),
        ("published.restatements", "update {} set moved_points = 0 where release_id = %s", r"moved_points: 0"),
        (
            "ledger.restatement_causes",
            "update {} set left_out = 0 where release_id = %s and left_out > 0",
            r"not_kept achieved, left_out: 0, released as 5",
        ),
        ("ledger.seals", "update {} set content = replace(content, '17', '16') where release_id = %s", "kept copy"),
        ("ledger.seals", "delete from {} where release_id = %s", "there is no seal"),
    ],
)
def test_tampering_by_who_can_switch_triggers_off_is_found_in_its_place(
    settings: Settings, full: str, table: str, change: str, found: str
) -> None:
    """The administrator can always drop what guards the tables; checksum and seal tell."""
    with connect(settings) as owner:
        owner.execute(f"alter table {table} disable trigger user".encode())
        assert owner.execute(change.format(table).encode(), (full,)).rowcount >= 1
        assert any(re.search(found, problem) for problem in verify(owner, full)), verify(owner, full)
        owner.rollback()
        assert verify(owner, full) == ()


def test_a_release_of_the_first_checksum_goes_on_verifying(settings: Settings, candidate: Candidate) -> None:
    """As it was written before there were parameters and seals."""
    with connect(settings) as owner:
        publish(owner, candidate, APPROVALS, "unknown", "demo-engineer")
        release_id = f"{candidate.quarter}-r1"
        old = checksum_of(candidate, 1)
        for table in ("published.releases", "published.parameters", "ledger.seals"):
            owner.execute(f"alter table {table} disable trigger user".encode())
        owner.execute("delete from published.parameters where release_id = %s", (release_id,))
        owner.execute("delete from ledger.seals where release_id = %s", (release_id,))
        owner.execute(
            "update published.releases set checksum_version = 1, checksum = %s where release_id = %s", (old, release_id)
        )
        assert verify(owner, release_id) == ()
        assert draft(owner, candidate, code_revision="unknown", prepared_by="x").release.checksum == old
        owner.execute("alter table published.indicator_values disable trigger user")
        owner.execute(
            "update published.indicator_values set achieved = 16 where release_id = %s and indicator_code = '1.1' "
            "and split_by = 'all'",
            (release_id,),
        )
        (problem,) = verify(owner, release_id)
        assert "checksum" in problem
        owner.rollback()


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
    planned = draft(warehouse, candidate, code_revision="unknown", prepared_by="demo-engineer").release
    assert (planned.state, planned.revision) == ("draft", 1)
    assert nothing_of(warehouse, candidate)
    assert release(warehouse, candidate) == planned.release_id
    standing = draft(warehouse, candidate, code_revision="unknown", prepared_by="demo-engineer").release
    assert (standing.state, standing.checksum) == ("released", planned.checksum)
    assert standing.approvals == APPROVALS
    following = draft(
        warehouse, changed(candidate, cell("1.1", 12, 21, 21)), code_revision="unknown", prepared_by="demo-engineer"
    ).release
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
    threshold double precision, explanation_ru text, sort_order integer, evidence text, counted bigint,
    counted_of bigint
);
insert into candidate_marts.evidence_readiness values
('second', 'R-2', 'data', 2030, 'not_met', 0.5, 0.8, 'Пояснение', 2, 'data', 5, 10),
('first', 'R-1', 'results', 2030, 'met', 1, 1, 'Пояснение', 1, 'catalogue', 1, 1),
('few', 'R-2', 'data', 2030, 'partial', 0.5, 1, 'Анкеты: 0,5 (1/2) при пороге 1', 3, 'data', 1, 2),
('measure', 'R-2', 'data', 2030, 'partial', 0.5, 1, 'Ответы: 0,5 (20/40) при пороге 1', 4, 'data', 20, 40);
create table candidate_seeds.readiness_checks (
    check_code text, check_ru text, source_forms text, measure_code text, split_by text, split_value text
);
insert into candidate_seeds.readiness_checks values
('first', 'Узлы', null, null, null, null),
('second', 'Анкеты', 'f2_self_report f5_mentor_feedback', null, null, null),
('few', 'Анкеты', 'f8_incident', null, null, null),
('measure', 'Ответы', 'f2_self_report', 'M7', 'all', 'all');
create table candidate_seeds.recommendations (
    recommendation_id text, year integer, origin text, section text, text_ru text, sort_order integer
);
insert into candidate_seeds.recommendations values
('R-2', 2030, 'expert', 'data', 'Вторая', 2), ('R-1', 2030, 'plan', 'results', 'Первая', 1);
create table candidate_seeds.indicator_definitions (
    indicator_code text, definition_version integer, name_ru text, short_name_ru text, source_forms text,
    approved_on date, kind text, companion_of text, parameters text, is_current boolean
);
insert into candidate_seeds.indicator_definitions values
('2.2', 1, 'Название', 'Имя', 'f3_mentee_feedback', '2031-01-01', 'headline', null, 'feedback_min_score', true),
('2.2x', 1, 'Сопутствующий', 'Рядом', 'f3_mentee_feedback', '2031-01-01', 'companion', '2.2', null, true),
('2.2', 0, 'Прежнее название', null, null, null, 'headline', null, null, false);
create table candidate_seeds.parameters (
    parameter_code text, parameter_version integer, is_current boolean, value numeric, unit text
);
insert into candidate_seeds.parameters values
('fu12_closes_days_after', 1, true, 90, 'days'), ('percent_min_measured', 2, true, 10, 'people'),
('percent_min_measured', 1, false, 5, 'people');
create table candidate_seeds.standard_sections (section text, name_ru text, sort_order integer);
create table candidate_marts.expert_levels (
    section text, year integer, level_ru text, source_kind text, is_confirmed boolean, assessed_on date
);
insert into candidate_marts.expert_levels values
('data', 2030, 'начальный', 'report', true, null), ('data', 2030, 'базовый', 'form', true, '2030-06-01'),
('data', 2030, 'другой', 'form', true, '2030-05-01'), ('data', 2031, 'другой', 'report', false, null);
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
            ("2031-12-01", "mended", "1", "2031-12-06", None, "a", "upsert", 1),
            ("2031-09-30", "of the quarter before", "1", "2031-11-01", None, "a", "upsert", 1),
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
            ("mended", ["a_rule"], "2031-12-05", "fixed_upstream"),
            ("mended later", ["a_rule"], BEFORE, "fixed_upstream"),
            ("let in", ["a_rule"], BEFORE, "released"),
            ("refused again", ["a_rule"], "2031-12-05", "open"),
            ("refused again", ["b_rule"], BEFORE, "open"),
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
    assert (candidate.pair_flow, candidate.programme) == ((), ()), "what of them is told its release knows"
    assert list(candidate.sections.items()) == list(SECTIONS.items())
    assert [check.recommendation_id for check in candidate.readiness] == ["R-1", "R-2", "R-2", "R-2"]
    assert candidate.readiness[1].source_forms == ("f2_self_report", "f5_mentor_feedback")
    assert [(one.recommendation_id, one.text_ru) for one in candidate.recommendations] == [
        ("R-1", "Первая"),
        ("R-2", "Вторая"),
    ]
    assert candidate.levels == (StandardLevel("data", 2030, "базовый"),), "the experts' own, and only what is confirmed"
    assert [(figure.numerator, figure.denominator) for figure in candidate.legacy] == [(40, 48)]


def test_readiness_tells_no_number_that_the_release_does_not_tell(marts: Connection) -> None:
    """Of one or two people never; of a measure only once it is known that the release tells it."""
    candidate = read_candidate(marts, QUARTER)
    checks = {check.check_code: check for check in candidate.readiness}
    assert {code: check.measured for code, check in checks.items()} == {
        "first": 1,
        "second": 0.5,
        "few": None,
        "measure": None,
    }
    assert checks["few"].explanation_ru == "Анкеты: число скрыто — мало наблюдений; порог 1"
    assert checks["measure"].explanation_ru == "Ответы: число скрыто — мало наблюдений; порог 1"
    told = {"check_code": "measure", "measured": 0.5, "explanation_ru": "Ответы: 0,5 (20/40) при пороге 1"}
    shown = {check.check_code: check for check in with_told(candidate, {"readiness_checks": [told]}).readiness}
    assert (shown["measure"].measured, shown["measure"].explanation_ru) == (0.5, told["explanation_ru"])
    assert shown["measure"].source_forms == ("f2_self_report",)
    assert {code: shown[code] for code in ("first", "second", "few")} == {
        code: checks[code] for code in ("first", "second", "few")
    }


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
        FollowUpCount("all", 6, due_soon=2, open_now=1, missed=0),
        FollowUpCount("all", 12, due_soon=0, open_now=0, missed=1),
        # of one form there are one or two: by form nothing is told but what nobody has
        FollowUpCount("long", 12, due_soon=0, open_now=0, missed=None),
        FollowUpCount("short", 6, due_soon=None, open_now=None, missed=0),
    )


def test_quarantine_and_late_rows_are_counted(marts: Connection) -> None:
    candidate = read_candidate(marts, QUARTER)
    assert candidate.quarantined == (
        QuarantineCount("f4_meeting", "a_rule", 3),
        QuarantineCount("f4_meeting", "b_rule", 2),
    )
    assert candidate.quarantined_rows == 4, "what was mended after the cut-off was refused as of it"
    assert candidate.late == (LateCount("f4_meeting", 1),), "of earlier quarters, between the two cut-offs"


def test_what_comes_after_the_cutoff_changes_nothing(settings: Settings, marts: Connection) -> None:
    """The page says what was known then: not what became of refused rows, and not what has come since."""
    before = read_candidate(marts, QUARTER)
    marts.rollback()
    with connect(settings, "vmeste_loader") as loader:
        loader.execute(
            MEETING, ("2031-12-01", "one", "1", AFTER, None, "a", "upsert", datetime(2033, 2, 1, tzinfo=UTC))
        )
        loader.execute("update quarantine.rows set state = 'fixed_upstream' where submission_id = 'one'")
        loader.execute(
            "update quarantine.rows set state = 'waived', resolved_at = '2032-02-01' where submission_id = 'two'"
        )
    assert read_candidate(marts, QUARTER) == before
    marts.rollback()
    with connect(settings, "vmeste_loader") as loader:
        loader.execute("update quarantine.rows set resolved_at = '2032-01-01' where submission_id = 'two'")
    assert read_candidate(marts, QUARTER).quarantined_rows == before.quarantined_rows - 1


def test_earlier_cohorts_are_carried_while_they_mature(marts: Connection) -> None:
    """A follow-up of twelve months, 90 days late, of somebody whose pair ended on 31 December 2029: 31 March 2031."""
    with marts.cursor() as cursor:
        for quarter in (Quarter(2029, 4), Quarter(2030, 4)):
            for split in (("all", "all"), ("sex", "f")):
                value = cell("2.2", 20, 24, 24, view="cohort_year", quarter=quarter, split=split)
                cursor.execute(
                    f"insert into candidate_marts.indicator_quarterly ({', '.join(COLUMNS)}) "
                    f"values ({', '.join(['%s'] * len(COLUMNS))})".encode(),
                    [getattr(value, column) for column in COLUMNS],
                )
    candidate = read_candidate(marts, QUARTER)
    assert candidate.maturing == ("2030-Q4",)
    carried = [value.cell for value in candidate.own_values if value.quarter != str(QUARTER)]
    assert carried == [("2.2", "cohort_year", "2030-Q4", "all", "all")]
    marts.execute("update candidate_seeds.parameters set value = 275 where parameter_code = 'fu12_closes_days_after'")
    assert read_candidate(marts, QUARTER).maturing == ("2029-Q4", "2030-Q4")


def test_parameters_in_force_are_part_of_it(marts: Connection) -> None:
    found = read_candidate(marts, QUARTER).parameters
    assert [(one.parameter_code, one.version, one.value) for one in found] == [
        ("fu12_closes_days_after", "1", 90),
        ("percent_min_measured", "2", 10),
    ]


def test_provenance_sees_the_versions_of_the_cutoff(marts: Connection) -> None:
    marts.execute(
        "update candidate_seeds.indicator_definitions set source_forms = 'f3_mentee_feedback, f4_meeting' "
        "where indicator_code = '2.2'"
    )
    meetings = [count for count in read_candidate(marts, QUARTER).provenance if count.form_id == "f4_meeting"]
    assert meetings == [
        Provenance("2.2", "f4_meeting", "1", submissions=3, versions=3),
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


@pytest.mark.parametrize(
    "table", [*TABLES, "parameters", "current_indicator_values", "current_release", "release_ledger"]
)
def test_bi_reads_what_is_published(
    settings: Settings, warehouse: Connection, candidate: Candidate, table: str
) -> None:
    release(warehouse, candidate)
    with connect(settings, "vmeste_bi") as reader:
        # provenance and rows_by_kind are not for dashboards
        columns = "release_id, quarter" if table in ("releases", "restatements") else "*"
        reader.execute(f"select {columns} from published.{table}".encode())


def test_bad_input_two_approvals_at_once_make_one_release(
    settings: Settings, warehouse: Connection, candidate: Candidate
) -> None:
    def publish_alone(_: int) -> str:
        with connect(settings, "vmeste_transformer") as connection:
            connection.execute("select 1")  # as after reading a candidate: a transaction is open
            return release(connection, candidate)

    with ThreadPoolExecutor(4) as publishers:
        assert set(publishers.map(publish_alone, range(4))) == {f"{candidate.quarter}-r1"}
