"""Several organisations in one warehouse: each releases its own quarters and sees no row of another."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from tests.integration.small_marts import small_marts
from tests.unit.releases.synthetic import QUARTER, made_up_candidate
from vmeste import ingest
from vmeste.releases.programmes import ALONE, Programme, ProgrammeNotChosen, chosen, show_own
from vmeste.releases.publish import Approval, declare_error, publish, released_ids, verify
from vmeste.settings import Settings
from vmeste.sources.errors import SourceError
from vmeste.warehouse import bi_reader
from vmeste.warehouse.connect import connect

APPROVALS = (
    Approval("method", "demo-method", datetime(2032, 1, 16, 9, 0, tzinfo=UTC)),
    Approval("director", "demo-director", datetime(2032, 1, 17, 9, 0, tzinfo=UTC)),
)
ONE, TWO = Programme("one", "mentoring", is_only=False), Programme("two", "mentoring", is_only=False)
RELEASES = {ONE: f"{QUARTER}-one.mentoring-r1", TWO: f"{QUARTER}-two.mentoring-r1"}

WITH_A_RELEASE = (
    "select relation.oid::regclass::text from pg_class as relation "
    "inner join pg_namespace as home on relation.relnamespace = home.oid "
    "inner join pg_attribute as attribute on attribute.attrelid = relation.oid "
    "where home.nspname in ('published', 'ledger') and relation.relkind = 'r' "
    "and attribute.attname = 'release_id' and relation.relname <> 'refusals' order by 1"
)


def of(settings: Settings, programme: Programme) -> Settings:
    """The settings of whoever releases one programme."""
    return settings.model_copy(update={"organisation": programme.organisation, "programme": programme.programme})


@pytest.fixture(scope="module")
def released(settings: Settings) -> Settings:
    """One quarter, released by each of two organisations, with all that is frozen beside its indicators."""
    for programme in (ONE, TWO):
        with small_marts(of(settings, programme), QUARTER) as (connection, computed):
            candidate = replace(made_up_candidate(), programme_of=programme)
            release_id = publish(connection, candidate, APPROVALS, "unknown", "demo-engineer", computed=computed)
        assert release_id == RELEASES[programme]
    return settings


@pytest.fixture
def warehouse(released: Settings) -> Iterator[psycopg.Connection[Any]]:
    with connect(of(released, ONE), "vmeste_transformer") as connection:
        yield connection
        connection.rollback()


def told(connection: psycopg.Connection[Any], relation: str) -> set[str]:
    return {row[0] for row in connection.execute(f"select release_id from {relation}".encode())}


def test_each_has_its_own_first_revision(released: Settings) -> None:
    with connect(released, "vmeste_transformer") as everybody:
        found = everybody.execute(
            "select organisation_code, programme_code, quarter, revision, state "
            "from published.release_ledger order by 1"
        ).fetchall()
        assert found == [(code, "mentoring", str(QUARTER), 1, "released") for code in ("one", "two")]
        newest = everybody.execute("select release_id from published.current_release where is_newest").fetchall()
        assert {release_id for (release_id,) in newest} == set(RELEASES.values())
        assert [verify(everybody, release_id) for release_id in RELEASES.values()] == [(), ()]


def test_every_table_of_releases_asks_whose_it_is(released: Settings) -> None:
    """A table that a later migration makes must not be forgotten, nor a view that would read it for everybody."""
    with psycopg.connect(bi_reader.warehouse_url(released)) as owner:
        names = {name for (name,) in owner.execute(WITH_A_RELEASE.encode())}
        kept = {name for (name,) in owner.execute("select polrelid::regclass::text from pg_policy")}
        open_views = {
            name
            for (name,) in owner.execute(
                "select oid::regclass::text from pg_class where relnamespace = 'published'::regnamespace "
                "and relkind = 'v' and not coalesce('security_invoker=true' = any(reloptions), false)"
            )
        }
    assert {"published.releases", "published.indicator_values", "ledger.outcomes"} <= names
    assert names <= kept
    # these read what BI may not, and say themselves whose rows they show
    assert open_views == {
        *("published.late_rows_shown", "published.sync_status", "published.quarantine_ages"),
        "published.current_indicator_values",
    }


def test_a_session_of_one_sees_its_own_rows_alone(released: Settings, warehouse: psycopg.Connection[Any]) -> None:
    with connect(released, "vmeste_transformer") as everybody:
        relations = [name for (name,) in everybody.execute(WITH_A_RELEASE.encode())]
        both = [name for name in relations if told(everybody, name) == set(RELEASES.values())]
        assert {"published.releases", "published.indicator_values", "published.sustainability"} <= set(both)
    for name in both:
        assert told(warehouse, name) == {RELEASES[ONE]}, name
    assert released_ids(warehouse) == [RELEASES[ONE]]


def test_a_session_of_one_writes_nothing_for_another(warehouse: psycopg.Connection[Any]) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="row-level security"):
        warehouse.execute(
            "insert into published.indicator_definitions values (%s, '9', '9', '9', '{}')", (RELEASES[TWO],)
        )
    warehouse.rollback()
    moved = warehouse.execute(
        "update published.releases set state = 'draft' where release_id = %s", (RELEASES[TWO],)
    ).rowcount
    assert moved == 0


def test_an_error_is_declared_of_ones_own_release(released: Settings, warehouse: psycopg.Connection[Any]) -> None:
    declare_error(warehouse, str(QUARTER), "made up", "demo-engineer")
    for programme, count in ((ONE, 1), (TWO, 0)):
        with connect(of(released, programme), "vmeste_transformer") as connection:
            found = connection.execute("select count(*) from ledger.declared_errors").fetchone()
            assert found == (count,)


def test_a_login_of_one_organisation_cannot_look_further(released: Settings) -> None:
    bi_reader.ensure(released, organisation="two")
    with psycopg.connect(bi_reader.url(released, "two"), autocommit=True, row_factory=dict_row) as reader:
        for setting in ("", "one", "two"):
            reader.execute("select set_config('vmeste.organisation', %s, false)", (setting,))
            for relation in ("releases", "indicator_values", "current_indicator_values", "current_sustainability"):
                rows = reader.execute(f"select distinct release_id from published.{relation}".encode()).fetchall()
                assert rows == [{"release_id": RELEASES[TWO]}], relation
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            reader.execute("select * from ledger.readers")


@pytest.mark.parametrize("code", ["one; drop table x", "Один", "o" * 41, "../x"])
def test_a_login_of_no_organisation_is_refused(released: Settings, code: str) -> None:
    with pytest.raises(bi_reader.BiReaderError, match="is no organisation's code"):
        bi_reader.ensure(released, organisation=code)


def test_live_views_show_one_organisation_its_own_sources(released: Settings) -> None:
    sync = (
        "insert into ops.sync_runs (batch_id, run_id, source, form_id, started_at, finished_at, server_count, "
        "received, accepted, quarantined, voided, unchanged, state) "
        "values (%s, 'r', %s, 'f4_meeting', now(), now(), 1, 1, 1, 0, 0, 0, 'complete')"
    )
    with connect(released, "vmeste_loader") as loader:
        for source in ("centre_one", "centre_two", "shared"):
            loader.execute(sync.encode(), (source, source))
        loader.execute("insert into ops.source_organisations values ('centre_one', 'one'), ('centre_two', 'two')")
    bi_reader.ensure(released, organisation="two")
    with psycopg.connect(bi_reader.url(released, "two")) as reader:
        found = reader.execute("select source, organisation_code from published.sync_status order by 1").fetchall()
    assert found == [("centre_two", "two"), ("shared", None)]


def test_the_candidate_is_read_through_views_of_ones_own_rows(settings: Settings) -> None:
    with connect(settings, "vmeste_transformer") as connection:
        for schema in ("built_marts", "built_seeds"):
            connection.execute(f"create schema {schema}".encode())
        connection.execute(
            "create table built_marts.figures as select * from (values ('one', 'mentoring', 1), ('one', 'club', 2), "
            "('two', 'mentoring', 3)) as rows_of (organisation_code, programme_code, figure)"
        )
        connection.execute("create table built_seeds.definitions as select 'x' as indicator_code")
        for programme, figures in ((ONE, [1]), (TWO, [3]), (Programme("one", "club"), [2]), (ALONE, [])):
            show_own(connection, programme, "built_")
            rows = connection.execute("select figure from release_marts.figures").fetchall()
            assert [figure for (figure,) in rows] == figures
            assert connection.execute("select * from release_seeds.definitions").fetchall() == [("x",)]


def register(settings: Settings, *codes: tuple[str, str, str]) -> None:
    with connect(settings, "vmeste_loader") as loader:
        for pair, organisation, programme in codes:
            loader.execute(
                "insert into raw.r3_pair (_source, _submission_id, _form_version, _submitted_at, _content_hash, "
                "_operation, _ingested_at, _batch_id, pair_key, organisation_code, programme_code) "
                "values ('centre', %s, '1', now(), %s, 'upsert', now(), 'b', %s, %s, %s)",
                (pair, pair + organisation, pair, organisation, programme),
            )


def test_whose_release_it_is_follows_from_the_register(settings: Settings) -> None:
    """The register decides: nobody, one programme, then several of which one must be named."""
    assert chosen(settings)[1] == ALONE
    register(settings, ("p1", "one", "mentoring"))
    named, only = chosen(settings)
    assert (named.organisation, named.programme, only.is_only) == ("one", "mentoring", True)
    assert only.release_id("2021-Q4", 2) == "2021-Q4-r2"
    register(settings, ("p2", "two", "mentoring"), ("p3", "two", "club"))
    with pytest.raises(ProgrammeNotChosen, match=r"several programmes .* one\.mentoring, two\.club, two\.mentoring"):
        chosen(settings)
    with pytest.raises(ProgrammeNotChosen, match="several programmes"):
        chosen(settings.model_copy(update={"organisation": "two"}))
    with pytest.raises(ProgrammeNotChosen, match="no pair is registered for organisation three"):
        chosen(settings.model_copy(update={"organisation": "three"}))
    assert chosen(settings.model_copy(update={"organisation": "one"}))[1] == ONE
    assert chosen(settings, RELEASES[TWO])[1] == TWO
    # a registration that was corrected counts as it is now
    register(settings, ("p3", "two", "mentoring"))
    assert chosen(settings.model_copy(update={"organisation": "two"}))[1] == TWO


def test_a_source_stays_with_its_organisation(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that was read before it was named keeps its codes, also if the naming was broken off, and no other name."""
    with connect(settings, "vmeste_loader") as loader, monkeypatch.context() as patch:
        loader.autocommit = True
        loader.execute(
            "insert into ops.sync_runs (batch_id, run_id, source, form_id, started_at, finished_at, server_count, "
            "received, accepted, quarantined, voided, unchanged, state) "
            "values ('old', 'r', 'old', 'f4_meeting', now(), now(), 1, 1, 1, 0, 0, 0, 'complete')"
        )

        def broken(*_: Any, **__: Any) -> str:
            raise psycopg.OperationalError("the vault does not answer")

        patch.setattr(ingest, "prefix_of", broken)
        with pytest.raises(psycopg.OperationalError):
            ingest._claim(settings, loader, "old", "five")
    with connect(settings, "vmeste_loader") as loader:
        loader.autocommit = True
        assert ingest._claim(settings, loader, "old", "five") == ""
        assert ingest._claim(settings, loader, "new of five", "five") == "", "one organisation, one way to keep codes"
        assert ingest._claim(settings, loader, "new", "six") == "six:"
        for other in ("six", None):
            with pytest.raises(SourceError, match="was read as a source of five"):
                ingest._claim(settings, loader, "old", other)
