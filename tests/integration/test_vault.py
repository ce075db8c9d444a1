"""What goes to the vault, and what comes out in its place."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest

from vmeste.forms import load_forms
from vmeste.privacy.code_spaces import names_of, prefix_of, written
from vmeste.privacy.vault import split
from vmeste.settings import ROOT, Settings
from vmeste.sources.base import CONTENT_ID_PREFIX, Submission
from vmeste.warehouse.connect import vault_url

FORMS = load_forms(ROOT / "forms")
MENTEE = Submission(
    source="centre",
    form_id="r1_mentee",
    submission_id="s1",
    form_version="1",
    submitted_at=datetime(2021, 1, 1, tzinfo=UTC),
    answers={"mentee_code": " В-1", "full_name": "Участник (вымышлен)", "contacts": None, "sex": "f"},
    extra={"_name": "Фамилия (вымышлена)", "_origin": "r1.csv, row 2"},
)


@pytest.fixture
def vault(settings: Settings) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(vault_url(settings)) as connection:
        yield connection
        connection.rollback()


def test_names_and_unknown_columns_stay_and_codes_become_keys(vault: psycopg.Connection[Any]) -> None:
    (opened,) = split(vault, FORMS["r1_mentee"], [MENTEE])
    assert set(opened.answers) == {"mentee_key", "sex"}
    assert opened.extra == {"_origin": "r1.csv, row 2"}
    kept = dict(vault.execute("select question, answer from vault.answers where submission_id = 's1'").fetchall())
    assert kept == {"full_name": "Участник (вымышлен)", "_extra._name": '"Фамилия (вымышлена)"'}


def test_the_same_code_has_the_same_key_in_every_form(vault: psycopg.Connection[Any]) -> None:
    (mentee,) = split(vault, FORMS["r1_mentee"], [MENTEE])
    consent = replace(MENTEE, form_id="r5_consent", answers={"mentee_code": "В-1", "mentor_code": "В-1"})
    (opened,) = split(vault, FORMS["r5_consent"], [consent])
    assert opened.answers["mentee_key"] == mentee.answers["mentee_key"]
    assert opened.answers["mentor_key"] != mentee.answers["mentee_key"], "a mentor is not the mentee of the same code"


def test_an_id_made_of_answers_does_not_leave_the_vault(vault: psycopg.Connection[Any]) -> None:
    made = replace(MENTEE, submission_id=f"{CONTENT_ID_PREFIX}abc")
    (first,), (second,) = (split(vault, FORMS["r1_mentee"], [made]) for _ in range(2))
    assert first.submission_id == second.submission_id
    assert "abc" not in first.submission_id


def test_a_second_time_adds_nothing(vault: psycopg.Connection[Any]) -> None:
    for _ in range(2):
        split(vault, FORMS["r1_mentee"], [MENTEE])
    assert vault.execute("select count(*) from vault.answers where submission_id = 's1'").fetchone() == (2,)


def test_a_corrected_name_is_kept_beside_the_first(vault: psycopg.Connection[Any]) -> None:
    corrected = replace(MENTEE, answers=dict(MENTEE.answers) | {"full_name": "Исправлено (вымышлено)"})
    for version in (MENTEE, corrected, MENTEE, corrected):
        split(vault, FORMS["r1_mentee"], [version])
    names = vault.execute("select answer from vault.answers where question = 'full_name' order by answer_id").fetchall()
    assert names == [("Участник (вымышлен)",), ("Исправлено (вымышлено)",)]


def test_a_renamed_code_column_does_not_land_in_the_open(vault: psycopg.Connection[Any]) -> None:
    pair = replace(MENTEE, form_id="r3_pair", answers={"pair_code": "П-2"}, extra={"прежняя пара": "П-1"})
    (opened,) = split(vault, FORMS["r3_pair"], [pair])
    assert opened.extra == {}
    meeting = replace(MENTEE, form_id="f4_meeting", answers={"pair_code": "П-2"}, extra={"погода": "снег"})
    (opened,) = split(vault, FORMS["f4_meeting"], [meeting])
    assert opened.extra == {"погода": "снег"}


def test_the_same_code_at_two_organisations_is_two_people(vault: psycopg.Connection[Any]) -> None:
    one, two = (prefix_of(vault, organisation) for organisation in ("one", "two"))
    keys = [
        split(vault, FORMS["r1_mentee"], [replace(MENTEE, source=source)], prefix)[0].answers["mentee_key"]
        for source, prefix in (("centre", one), ("other", two), ("third", one), ("shared", ""))
    ]
    assert keys[0] == keys[2], "two sources of one organisation speak of the same people"
    assert len(set(keys)) == 3
    assert names_of(vault, "В-1", "two") == ["two:В-1"]
    assert names_of(vault, "В-1", None) == ["one:В-1", "two:В-1", "В-1"]
    assert written("two:В-1") == written("В-1") == "В-1"


def test_codes_that_were_known_before_keep_their_keys(vault: psycopg.Connection[Any]) -> None:
    (before,) = split(vault, FORMS["r1_mentee"], [MENTEE])
    prefix = prefix_of(vault, "old", was_read_before=True)
    (after,) = split(vault, FORMS["r1_mentee"], [MENTEE], prefix)
    assert after.answers["mentee_key"] == before.answers["mentee_key"]
    assert prefix_of(vault, "old") == "", "decided once, for every later source of the organisation"
