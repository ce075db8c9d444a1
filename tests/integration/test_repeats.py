# ruff: noqa: E501  (a row of a table is one line)
"""A form with a repeat, from a source to raw: split, checked, seen as rows, replaced as a set."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.integration.memory_source import MemorySource
from tests.integration.test_sync import connected, rows, sync
from vmeste.settings import Settings
from vmeste.warehouse import embedded
from vmeste.warehouse.connect import vault_url
from vmeste.warehouse.migrate import migrate
from vmeste.warehouse.raw_tables import RawTableError

FORM = """\
| survey | type | name | bind::vmeste:privacy | bind::vmeste:key | label::Русский (ru) | label::English (en) | required | constraint | constraint_message::Русский (ru) | constraint_message::English (en) |
|---|---|---|---|---|---|---|---|---|---|---|
| | date | held_on | open | | Дата | Date | yes | | | |
| | begin_repeat | talks | | | Разговоры | Talks | | | | |
| | text | mentor_code | vault | mentor | Код наставника | Code of the mentor | yes | | | |
| | text | said | vault | | Что сказано? | What was said? | | | | |
| | integer | minutes | open | | Сколько минут? | How many minutes? | yes | . >= 1 | Не меньше 1 | At least 1 |
| | end_repeat | | | | | | | | | |

| settings | form_title | title_en | form_id | version | default_language | namespaces |
|---|---|---|---|---|---|---|
| | Проба | Trial | x_talks | 2020010101 | Русский (ru) | vmeste="http://vmeste.example/xforms" |
"""


@pytest.fixture(scope="module")
def settings(home: Path) -> Iterator[Settings]:
    forms = home / "forms"
    forms.mkdir()
    (forms / "x_talks.md").write_text(FORM, encoding="utf-8")
    fresh = Settings(home=home, forms=forms, warehouse_url="", vault_url="")
    migrate(fresh)
    yield fresh
    embedded.stop(fresh)


def test_members_are_split_and_seen_as_rows(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    source = connected(MemorySource("split"), monkeypatch)
    talks = (
        '[{"mentor_code": "Н-1", "said": "секрет (вымышлен)", "minutes": "5"}, {"mentor_code": "Н-2", "minutes": "7"}]'
    )
    source.add("x_talks", "s1", held_on="2021-03-01", talks=talks)
    assert sync(settings, source, "x_talks")["accepted"] == 1
    seen = rows(settings, "select _position, minutes, mentor_key from raw.x_talks__talks order by _position")
    assert [(position, minutes) for position, minutes, _ in seen] == [(1, 5), (2, 7)]
    assert len({key for *_, key in seen}) == 2
    assert not {key for *_, key in seen} & {"Н-1", "Н-2", None}
    with psycopg.connect(vault_url(settings)) as vault:
        kept = vault.execute("select question, answer from vault.answers where submission_id = 's1'").fetchall()
    assert kept == [("talks[1]/said", "секрет (вымышлен)")]
    ((whole,),) = rows(settings, "select talks::text from raw.x_talks")
    assert "секрет" not in whole


def test_an_edit_replaces_the_members_as_a_set(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    source = connected(MemorySource("edited"), monkeypatch)
    source.add(
        "x_talks",
        "s2",
        held_on="2021-03-01",
        talks='[{"mentor_code": "Н-1", "minutes": "5"}, {"mentor_code": "Н-2", "minutes": "7"}]',
    )
    assert sync(settings, source, "x_talks")["accepted"] == 1
    source.submissions["x_talks"].clear()
    source.add("x_talks", "s2", held_on="2021-03-01", talks='[{"mentor_code": "Н-2", "minutes": "7"}]')
    assert sync(settings, source, "x_talks")["accepted"] == 1
    newest = (
        "select array_agg(minutes order by _position) from raw.x_talks__talks where _source = 'edited' "
        "group by _content_hash, _updated_at order by _updated_at nulls first"
    )
    assert rows(settings, newest) == [([5, 7],), ([7],)]
    assert sync(settings, source, "x_talks")["unchanged"] == 1


def test_a_renamed_vault_question_of_a_member_does_not_leave_the_vault(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = connected(MemorySource("renamed"), monkeypatch)
    source.add(
        "x_talks", "r", held_on="2021-03-01", talks='[{"mentor_code": "Н-1", "minutes": "5", "said_": "секрет"}]'
    )
    assert sync(settings, source, "x_talks")["accepted"] == 1
    assert rows(settings, "select _extra from raw.x_talks where _source = 'renamed'") == [(None,)]


def test_characters_that_no_database_holds_are_replaced_in_members_too(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = connected(MemorySource("characters"), monkeypatch)
    members = (
        r'[{"mentor_code": "Н-1", "minutes": "5", "said": "a\u0000\ud800"}, {"mentor_code": "", "minutes": "1\u0000"}]'
    )
    source.add("x_talks", "c", held_on="2021-03-01", talks=members)
    assert sync(settings, source, "x_talks")["quarantined"] == 1


@pytest.mark.parametrize(
    ("talks", "rule"),
    [
        ('[{"mentor_code": "Н-1", "minutes": "5"}, {"mentor_code": "Н-1", "minutes": "0"}]', "talks.minutes.range"),
        ('[{"minutes": "5"}]', "talks.mentor_code.required"),
        ("секрет (вымышлен)", "talks.type"),
    ],
)
def test_a_member_that_breaks_a_rule_quarantines_its_submission(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, talks: str, rule: str
) -> None:
    source = connected(MemorySource(f"broken_{rule}"), monkeypatch)
    source.add("x_talks", "s3", held_on="2021-03-01", talks=talks)
    assert sync(settings, source, "x_talks")["quarantined"] == 1
    ((rules, payload),) = rows(
        settings, f"select rules, payload::text from quarantine.rows where source = '{source.name}'"
    )
    assert rules == [rule]
    assert "секрет" not in payload


def test_a_new_member_question_becomes_a_column_of_the_view(settings: Settings) -> None:
    path = settings.forms / "x_talks.md"
    text = path.read_text(encoding="utf-8")
    path.write_text(
        text.replace(
            "| | integer | minutes", "| | text | place | open | | Где? | Where? | | | | |\n| | integer | minutes"
        ),
        encoding="utf-8",
    )
    migrate(settings)
    columns: list[tuple[Any, ...]] = rows(
        settings,
        "select column_name from information_schema.columns where table_name = 'x_talks__talks' "
        "order by ordinal_position desc limit 2",
    )
    assert columns == [("place",), ("minutes",)]


def test_a_removed_member_question_stays_a_column_and_a_retyped_one_is_refused(settings: Settings) -> None:
    path = settings.forms / "x_talks.md"
    text = path.read_text(encoding="utf-8")
    lines = [line for line in text.splitlines(keepends=True) if "| minutes |" not in line]
    path.write_text("".join(lines), encoding="utf-8")
    migrate(settings)
    rows(settings, "select minutes + 1 from raw.x_talks__talks")
    path.write_text(text.replace("| | integer | minutes", "| | decimal | minutes"), encoding="utf-8")
    with pytest.raises(
        RawTableError, match=r"x_talks\.talks\.minutes: the form asks double precision, raw holds bigint"
    ):
        migrate(settings)
    path.write_text(text, encoding="utf-8")
