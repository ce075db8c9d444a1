"""A withdrawn consent, from raw on: in no mart of the next refresh, and in all of those of the one before."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any

import pytest
from psycopg import sql

from vmeste.forms import load_forms
from vmeste.settings import ROOT, Settings
from vmeste.warehouse import transform
from vmeste.warehouse.connect import connect

ANSWERED = datetime(2021, 3, 1, tzinfo=UTC)
WITHDRAWN = datetime(2022, 2, 10, 12, tzinfo=UTC)
BEFORE = datetime(2022, 1, 15, tzinfo=UTC)
ITEMS = re.compile(r"(sup|lif|mot)\dr?")
SCALES = {q.name: "4" for q in load_forms(ROOT / "forms")["f2_self_report"].questions if ITEMS.fullmatch(q.name)}


def _insert(
    settings: Settings, form_id: str, submission_id: str, edited: datetime | None = None, **answers: Any
) -> None:
    row = {
        "_source": "s",
        "_submission_id": submission_id,
        "_form_version": "1",
        "_submitted_at": ANSWERED,
        "_updated_at": edited,
        "_content_hash": f"{submission_id} {edited}",
        "_operation": "upsert",
        "_ingested_at": edited or ANSWERED,
        "_batch_id": "b",
    } | answers
    with connect(settings, "vmeste_loader") as connection:
        connection.execute(
            sql.SQL("insert into {} ({}) values ({})").format(
                sql.Identifier("raw", form_id),
                sql.SQL(", ").join(map(sql.Identifier, row)),
                sql.SQL(", ").join([sql.Placeholder()] * len(row)),
            ),
            list(row.values()),
        )


@pytest.fixture(scope="module")
def cohort(settings: Settings) -> Iterator[Settings]:
    """Two mentees, each with a pair, answers, a meeting, an incident; the first withdraws the consent to monitoring."""
    for number in (1, 2):
        mentee, pair = f"m{number}", f"p{number}"
        consent = {
            "subject": "mentee",
            "mentee_key": mentee,
            "purposes": "monitoring followup",
            "given_by": "legal_representative",
            "child_assent": "1",
            "valid_from": date(2021, 1, 1),
        }
        registration = {"sex": "f", "birth_year": 2006, "status": "ward", "status_from": date(2020, 1, 1)}
        _insert(settings, "r1_mentee", mentee, mentee_key=mentee, **registration)
        _insert(
            settings,
            "r3_pair",
            pair,
            pair_key=pair,
            mentee_key=mentee,
            mentor_key="t",
            form="short",
            start_on=date(2021, 3, 1),
        )
        _insert(settings, "r5_consent", mentee, **consent)
        if number == 1:
            _insert(settings, "r5_consent", mentee, WITHDRAWN, **consent, withdrawn_on=WITHDRAWN.date())
        _insert(
            settings, "f9_closure", pair, pair_key=pair, ended_on=date(2021, 11, 1), reason="term_complete", bye="1"
        )
        for wave, day in (("baseline", date(2021, 2, 20)), ("endline", date(2021, 11, 1))):
            answers = {"pair_key": pair, "wave": wave, "wording": "ward", "filled_on": day, "assisted_by": "none"}
            _insert(settings, "f2_self_report", f"{pair} {wave}", **answers, **SCALES)
        meeting = {"pair_key": pair, "held_on": date(2021, 4, 1), "status": "held", "duration_min": 60}
        _insert(settings, "f4_meeting", pair, **meeting)
        told = {"cat": "conflict", "sev": 2, "link": "definite", "occurred_on": date(2021, 5, 1)}
        _insert(settings, "f8_incident", pair, pair_key=pair, **told)
    transform.build(settings)
    yield settings


def _people(settings: Settings, schema: str) -> dict[str, set[str]]:
    """Return mart → mentees and pairs that its rows name, of every mart that names any."""
    found: dict[str, set[str]] = {}
    with connect(settings, "vmeste_transformer") as connection:
        columns = connection.execute(
            "select table_name, column_name from information_schema.columns "
            "where table_schema = %s and column_name in ('mentee_key', 'pair_key')",
            (schema,),
        ).fetchall()
        for table, column in columns:
            rows = connection.execute(
                sql.SQL("select distinct {} from {}").format(sql.Identifier(column), sql.Identifier(schema, table))
            ).fetchall()
            found.setdefault(table, set()).update(key for (key,) in rows)
    return found


def _counts(settings: Settings, schema: str) -> dict[str, int]:
    """Return what the aggregates count of the whole programme in 2021."""
    with connect(settings, "vmeste_transformer") as connection:
        programme = connection.execute(
            sql.SQL(
                "select measure_code, eligible from {} where period_view = 'cohort_year' and quarter = '2021-Q4' "
                "and split_by = 'all' and eligible > 0"
            ).format(sql.Identifier(schema, "programme_indicator_quarterly"))
        ).fetchall()
        indicators = connection.execute(
            sql.SQL(
                "select indicator_code, eligible from {} where period_view = 'cohort_year' and quarter = '2021-Q4' "
                "and split_by = 'all' and eligible > 0"
            ).format(sql.Identifier(schema, "indicator_quarterly"))
        ).fetchall()
        (flow,) = connection.execute(
            sql.SQL("select sum(ended) from {} where form = 'all'").format(
                sql.Identifier(schema, "pair_flow_quarterly")
            )
        ).fetchone() or (None,)
    return dict(programme) | dict(indicators) | {"ended": int(flow)}


def test_the_person_is_in_no_mart_of_the_next_refresh(cohort: Settings) -> None:
    people = _people(cohort, "marts")
    assert people["dim_pair"] == {"p2", "m2"}
    assert people["fct_meeting"] == people["fct_survey_score"] == people["fct_incident"] == {"p2", "m2"}
    assert people["fct_indicator_outcome"] == {"p2", "m2"}
    assert {mart: named - {"p2", "m2"} for mart, named in people.items() if named - {"p2", "m2"}} == {}
    counted = _counts(cohort, "marts")
    assert {code: counted.get(code) for code in ("2.1", "3.1", "M4", "M5_farewell", "ended")} == dict.fromkeys(
        ("2.1", "3.1", "M4", "M5_farewell", "ended"), 1
    )
    assert max(count for code, count in counted.items() if code in {"1.1", "2.1", "2.2", "2.3", "3.1"}) == 1


def test_the_release_before_is_computed_again_as_it_was(cohort: Settings) -> None:
    transform.build(cohort, "candidate", BEFORE)
    people = _people(cohort, "candidate_marts")
    assert people["dim_pair"] == people["fct_meeting"] == people["fct_indicator_outcome"] == {"p1", "m1", "p2", "m2"}
    counted = _counts(cohort, "candidate_marts")
    assert {code: counted.get(code) for code in ("2.1", "3.1", "M4", "M5_farewell", "ended")} == dict.fromkeys(
        ("2.1", "3.1", "M4", "M5_farewell", "ended"), 2
    )
