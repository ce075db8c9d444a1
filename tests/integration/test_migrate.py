"""Migrations: once each, never altered, raw tables follow the forms."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from vmeste.forms import load_forms
from vmeste.forms.columns import answer_columns
from vmeste.settings import Settings
from vmeste.warehouse.connect import connect, warehouse_url
from vmeste.warehouse.migrate import MigrationError, apply, migrate
from vmeste.warehouse.raw_tables import PIPELINE_COLUMNS, RawTableError, ensure_table


def test_a_second_time_changes_nothing(settings: Settings) -> None:
    assert migrate(settings) == []


def test_an_altered_migration_is_refused(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "9001_one.sql").write_text("select 1;", encoding="utf-8")
    with psycopg.connect(warehouse_url(settings)) as connection:
        assert apply(connection, tmp_path) == ["9001_one.sql"]
        assert apply(connection, tmp_path) == []
        (tmp_path / "9001_one.sql").write_text("select 2;", encoding="utf-8")
        with pytest.raises(MigrationError, match="9001_one"):
            apply(connection, tmp_path)


def test_a_broken_migration_leaves_nothing(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "9002_half.sql").write_text(
        "create table ops.half (x int); select no_such_function();", encoding="utf-8"
    )
    with pytest.raises(psycopg.errors.UndefinedFunction), psycopg.connect(warehouse_url(settings)) as connection:
        apply(connection, tmp_path)
    with connect(settings) as connection:
        assert connection.execute("select to_regclass('ops.half')").fetchone() == (None,)


def test_each_raw_table_has_its_forms_columns(settings: Settings) -> None:
    with connect(settings) as connection:
        for form in load_forms(settings.forms).values():
            found = connection.execute(
                "select column_name from information_schema.columns where table_schema = 'raw' and table_name = %s",
                (form.form_id,),
            ).fetchall()
            assert {name for (name,) in found} == set(answer_columns(form)) | set(PIPELINE_COLUMNS)
            assert not {name for (name,) in found} & {question.name for question in form.vault_questions}


def test_a_new_question_becomes_a_column_and_a_retyped_one_is_refused(settings: Settings) -> None:
    form = load_forms(settings.forms)["f4_meeting"]
    asked = replace(form.question("mentee_mood"), name="mentor_mood")
    with connect(settings, "vmeste_loader") as connection:
        ensure_table(connection, replace(form, questions=(*form.questions, asked)))
        connection.execute("select mentor_mood from raw.f4_meeting")
        retyped = replace(asked, kind="integer")
        with pytest.raises(RawTableError, match="mentor_mood"):
            ensure_table(connection, replace(form, questions=(*form.questions, retyped)))
        connection.execute("alter table raw.f4_meeting drop column mentor_mood")
