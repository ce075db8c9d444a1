"""The whole way once: files of the reference cohort to candidate marts, held against its design and other tools."""

from __future__ import annotations

import gzip
import os
import re
import subprocess
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import groupby, product
from pathlib import Path
from typing import Any

import pandas as pd
import psycopg
import pytest
import yaml
from statsmodels.stats.proportion import proportion_confint

from tests.unit.releases.disclosure_attacker import hidden_cells_found
from vmeste import ingest
from vmeste.releases.disclosure import COLUMNS, IndicatorValue, hide
from vmeste.releases.overlaps import hide_differences
from vmeste.settings import ROOT, Settings
from vmeste.warehouse import checks, transform
from vmeste.warehouse.connect import connect, vault_url

COHORT = ROOT / "examples" / "reference_cohort"
EXPECTED = yaml.safe_load((COHORT / "expected.yml").read_text(encoding="utf-8"))
FAULTS = yaml.safe_load((COHORT / "faults.yml").read_text(encoding="utf-8"))["faults"]

RULES = {
    "meeting_after_end": "after_pair_end",
    "unknown_pair": "unknown_pair",
    "choice_not_in_list": ".choices",
    "duplicate": "duplicate",
    "consent_withdrawn": "no_consent",
    "mentor_assisted": "mentor_assisted",
    "bad_number": "duration_min.type",
    "future_date": ".future",
}
"""Family of a planted fault → (the end of) the rule that must find it."""

SECRETS = ("вымышлен)", "нет телефона", "вымышленная группа", "П-001", "В-001", "Н-001")
"""What stands only in vault answers: names, contacts, groups, and the codes of people and pairs."""


@pytest.fixture(scope="module", autouse=True)
def _pipeline(settings: Settings) -> Iterator[None]:
    """Ingest everything once and build the marts as of the cut-off."""
    sync_all(settings, "first")
    transform.build(settings, "candidate", datetime.fromisoformat(EXPECTED["cut_off"]))
    checks.validate_marts(settings, "candidate")
    yield


def sync_all(settings: Settings, run_id: str) -> list[dict[str, Any]]:
    counts = []
    for items in ingest.plan(settings).values():
        for item in items:
            batch = ingest.extract(settings, item["source"], item["form_id"], run_id)
            if batch is not None:
                counts.append(ingest.load(settings, batch))
    return counts


def frame(settings: Settings, statement: str) -> pd.DataFrame:
    with connect(settings) as connection:
        cursor = connection.execute(statement.encode())
        return pd.DataFrame(cursor.fetchall(), columns=[column.name for column in cursor.description or ()])


@pytest.mark.parametrize("form_id", sorted(EXPECTED["forms"]))
def test_each_row_of_each_file_is_accounted_for(settings: Settings, form_id: str) -> None:
    found = frame(
        settings,
        "select server_count as rows, accepted, quarantined, unchanged, voided, state from ops.sync_runs "
        f"where form_id = '{form_id}' and run_id = 'first'",
    ).to_dict("records")
    assert found == [EXPECTED["forms"][form_id] | {"voided": 0, "state": "complete"}]


@pytest.mark.parametrize(
    "fault", [fault for fault in FAULTS if fault["handling"] == "quarantined"], ids=lambda fault: fault["family"]
)
def test_each_planted_fault_is_caught_by_its_rule(settings: Settings, fault: dict[str, str]) -> None:
    found = frame(
        settings,
        "select rules, origin from quarantine.rows "
        f"where submission_id = '{fault['submission_id']}' and state = 'open'",
    )
    assert len(found) == 1
    assert any(rule.endswith(RULES[fault["family"]]) for rule in found["rules"][0]), found["rules"][0]
    assert found["origin"][0].startswith(fault["file"])


def test_nothing_else_is_in_quarantine(settings: Settings) -> None:
    planted = {fault["submission_id"] for fault in FAULTS if fault["handling"] == "quarantined"}
    assert set(frame(settings, "select submission_id from quarantine.rows")["submission_id"]) == planted


@pytest.mark.parametrize(
    "fault", [fault for fault in FAULTS if fault["handling"] == "versioned"], ids=lambda fault: fault["form"]
)
def test_an_edit_is_a_second_version(settings: Settings, fault: dict[str, str]) -> None:
    found = frame(
        settings, f"select _updated_at from raw.{fault['form']} where _submission_id = '{fault['submission_id']}'"
    )
    assert len(found) == 2
    assert found["_updated_at"].notna().any()


@pytest.mark.parametrize("view", EXPECTED["period_views"])
@pytest.mark.parametrize("code", sorted(EXPECTED["indicators"]))
def test_the_five_indicators_come_out_as_designed(settings: Settings, view: str, code: str) -> None:
    expected = EXPECTED["indicators"][code]
    found = frame(
        settings,
        f"select {', '.join(expected)} from candidate_marts.indicator_quarterly where indicator_code = '{code}' "
        f"and quarter = '{EXPECTED['quarter']}' and period_view = '{view}' and split_by = 'all'",
    )
    assert found.to_dict("records") == [expected]


def test_low_coverage_is_flagged(settings: Settings) -> None:
    found = frame(
        settings,
        "select coverage, coverage_band from candidate_marts.indicator_quarterly where indicator_code = '2.1' "
        "and quarter = '2021-Q4' and period_view = 'rolling_4q' and split_by = 'all'",
    )
    assert round(found["coverage"][0], 2) == 0.42
    assert found["coverage_band"][0] == "no_headline"


def test_intervals_agree_with_statsmodels(settings: Settings) -> None:
    cells = frame(settings, "select * from candidate_marts.indicator_quarterly where share is not null")
    assert len(cells) > 30
    low, high = proportion_confint(cells["achieved"], cells["measured"], method="wilson")
    assert (cells["ci_low"] - low).abs().max() < 1e-9
    assert (cells["ci_high"] - high).abs().max() < 1e-9
    assert (cells["share"] - cells["achieved"] / cells["measured"]).abs().max() < 1e-9


SCALES = {
    "SUP": ("f2_self_report", ["sup1", "sup2", "sup3", "sup4r", "sup5"], 4),
    "LIF": ("f2_self_report", ["lif1", "lif2", "lif3", "lif4", "lif5", "lif6", "lif7", "lif8r"], 7),
    "MOT": ("f2_self_report", ["mot1", "mot2", "mot3", "mot4r", "mot5"], 4),
    "FB": ("f3_mentee_feedback", ["fb1", "fb2", "fb3", "fb4", "fb5r", "fb6r", "fb7"], 6),
}
"""Scale → form, items (reverse ones end in r), valid items needed: DOMAIN 3, written down a second time on purpose."""


@pytest.mark.parametrize("scale", sorted(SCALES))
def test_scores_agree_with_a_computation_in_pandas(settings: Settings, scale: str) -> None:
    form_id, items, needed = SCALES[scale]
    cut_off = EXPECTED["cut_off"]
    raw = frame(settings, f"select * from raw.{form_id} where coalesce(_updated_at, _submitted_at) <= '{cut_off}'")
    raw["_arrived_at"] = raw["_updated_at"].fillna(raw["_submitted_at"])
    raw = raw.sort_values("_arrived_at").groupby("_submission_id").last().reset_index()
    answers = raw[items].astype(float).replace(99, float("nan"))
    for item in items:
        if item.endswith("r"):
            answers[item] = 6 - answers[item]
    expected = answers.mean(axis=1).where(answers.notna().sum(axis=1) >= needed)
    scored = frame(
        settings,
        "select pair_key, filled_on, score from candidate_marts.fct_survey_score "
        f"where scale_code = '{scale}' and form_id = '{form_id}'",
    )
    both = raw[["pair_key", "filled_on"]].assign(expected=expected).merge(scored, on=["pair_key", "filled_on"])
    assert len(both) == len(raw) == len(scored)
    assert (both["expected"].isna() == both["score"].isna()).all()
    assert (both["expected"] - both["score"].astype(float)).abs().max() < 1e-9


def test_a_second_sync_reads_nothing_anew(settings: Settings) -> None:
    before = frame(settings, "select count(*) as n from raw.f4_meeting")["n"][0]
    again = sync_all(settings, "second")
    # forms with open rows are tried again, the others are not even read
    assert {counts["form_id"] for counts in again} == set(
        frame(settings, "select form_id from quarantine.rows")["form_id"]
    )
    assert all(counts["server_count"] == counts["accepted"] == counts["released"] == 0 for counts in again)
    assert frame(settings, "select count(*) as n from raw.f4_meeting")["n"][0] == before


def test_the_vault_knows_what_the_rest_must_not(settings: Settings) -> None:
    with psycopg.connect(vault_url(settings)) as vault:
        answers = " ".join(str(answer) for (answer,) in vault.execute("select answer from vault.answers"))
        codes = {code for (code,) in vault.execute("select code from vault.keys")}
    assert {"вымышлен)", "нет телефона", "вымышленная группа"} <= {word for word in SECRETS if word in answers}
    assert {"П-001", "В-001", "Н-001"} <= codes


def test_no_vault_answer_is_found_outside_the_vault(settings: Settings, tmp_path: Path) -> None:
    dump = tmp_path / "warehouse.sql"
    from vmeste.warehouse import embedded
    from vmeste.warehouse.connect import warehouse_url

    subprocess.run(
        [embedded.binaries() / "pg_dump", f"--file={dump}", "--dbname", warehouse_url(settings)],
        check=True,
        env=os.environ | {"LD_LIBRARY_PATH": ""},
    )
    places = {"warehouse": dump.read_text(encoding="utf-8")}
    for folder in ("landing", "dbt"):
        for path in (settings.home / folder).rglob("*"):
            if path.is_file():
                places[str(path)] = readable(path)
    assert len(places) > 10
    found = [(place, secret) for place, text in places.items() for secret in SECRETS if secret in text]
    assert found == []
    assert "phone" in places["warehouse"], "the dump is empty: the test would pass with anything"


def readable(path: Path) -> str:
    """Return a file's text; of a landed batch its rows."""
    if path.suffix == ".parquet":
        return pd.read_parquet(path).to_csv()
    data = path.read_bytes()
    return (gzip.decompress(data) if path.suffix == ".gz" else data).decode("utf-8", errors="ignore")


@pytest.mark.parametrize("split_by", ["form", "group", "sex", "age_band"])
@pytest.mark.parametrize("code", sorted(EXPECTED["indicators"]))
def test_no_hidden_cell_follows_from_all_releases(settings: Settings, code: str, split_by: str) -> None:
    """As if each quarter so far had been released, one after the other."""
    names = ", ".join(COLUMNS)
    found = frame(
        settings,
        f"select {names} from candidate_marts.indicator_quarterly where indicator_code = '{code}' "
        f"and split_by in ('all', '{split_by}') order by quarter",
    )
    # 2.3 counts by another date in the cohort, which then is no sum of quarters
    found = found[(found["period_view"] != "cohort_year") | (code != "2.3")]
    values = [
        IndicatorValue(**{name: None if pd.isna(cell) else cell for name, cell in row.items()})
        for row in found.astype(object).to_dict("records")
    ]
    closed = frozenset(
        (code, split_by, value.quarter)
        for value in values
        if value.period_view == "quarter" and not value.is_headline and not value.is_count_shown
    )
    releases: list[tuple[IndicatorValue, ...]] = []
    told: list[IndicatorValue] = []
    for _, own in groupby(values, key=lambda value: value.quarter):
        releases.append(hide_differences(hide(own), told, closed))
        told += [value for value in releases[-1] if not value.is_headline and value.measured is not None]
    assert len(releases) > 4
    assert list(hidden_cells_found(values, releases)) == []


CLOCK = re.compile(
    r"\b(now|clock_timestamp|statement_timestamp|transaction_timestamp|timeofday|random|gen_random_uuid|uuidv\d)\s*\(|"
    r"\b(current_date|current_time|current_timestamp|localtime|localtimestamp)\b|'(now|today|tomorrow|yesterday)'",
    re.IGNORECASE,
)


def test_the_same_cut_off_gives_the_same_bytes(settings: Settings) -> None:
    """Between two builds each submission is edited or deleted, and as many new ones come in, after the cut-off."""
    cut_off = datetime.fromisoformat(EXPECTED["cut_off"])
    first = dumped(settings, "candidate_marts")
    assert len(first) > 10
    assert all(first[name] for name in ("dim_pair", "fct_meeting", "fct_indicator_outcome", "indicator_quarterly"))
    with connect(settings) as connection:
        arrived = {form: arrive_late(connection, form, cut_off) for form in EXPECTED["forms"]}
    assert min(arrived.values()) > 0
    try:
        transform.build(settings, "candidate", cut_off)
        assert dumped(settings, "candidate_marts") == first
    finally:
        with connect(settings) as connection:
            for form in EXPECTED["forms"]:
                connection.execute(f"delete from raw.{form} where _batch_id = 'late'".encode())


def arrive_late(connection: psycopg.Connection[Any], form: str, cut_off: datetime) -> int:
    """Add a later version of each row of a form, and a new submission like it; return how many."""
    names = [
        name
        for (name,) in connection.execute(
            "select column_name from information_schema.columns where table_schema = 'raw' and table_name = %s "
            "and is_generated = 'NEVER' order by ordinal_position",
            (form,),
        )
    ]
    late = cut_off + timedelta(microseconds=1)
    added = 0
    for submission, submitted, operation in (
        (
            "_submission_id",
            "_submitted_at",
            "case when mod(hashtext(_submission_id), 2) = 0 then 'delete' else 'upsert' end",
        ),
        ("_submission_id || '/late'", "%(late)s", "'upsert'"),
    ):
        changed = {
            "_submission_id": submission,
            "_submitted_at": submitted,
            "_updated_at": "%(late)s",
            "_ingested_at": "%(late)s",
            "_content_hash": "'late'",
            "_operation": operation,
            "_batch_id": "'late'",
        }
        # an edit that matters: what was answered is no longer
        chosen = [
            changed.get(name, name if name.startswith("_") or name.endswith("_key") else "null") for name in names
        ]
        statement = (
            f"insert into raw.{form} ({', '.join(names)}) select {', '.join(chosen)} from ("
            f"select distinct on (_source, _submission_id) * from raw.{form} where _batch_id <> 'late' "
            "order by _source, _submission_id, _ingested_at) as arrived"
        )
        added += connection.execute(statement.encode(), {"late": late}).rowcount
    return added


def dumped(settings: Settings, schema: str) -> dict[str, list[str]]:
    """Return each relation of a schema as the text of its rows, in their order as text."""
    with connect(settings) as connection:
        names = connection.execute(
            "select relname::text from pg_class where relnamespace = %s::regnamespace and relkind in ('r', 'v', 'm') "
            "order by 1",
            (schema,),
        ).fetchall()
        return {
            name: [
                str(row)
                for (row,) in connection.execute(
                    f'select found::text from {schema}.{name} as found order by found::text collate "C"'.encode()
                )
            ]
            for (name,) in names
        }


def test_nothing_computed_as_of_a_moment_asks_the_clock(settings: Settings) -> None:
    models = list((transform.target_path(settings, "candidate") / "compiled" / "vmeste" / "models").rglob("*.sql"))
    assert len(models) > 40
    asking = {path.stem: found[0] for path in models if (found := CLOCK.search(path.read_text(encoding="utf-8")))}
    assert asking == {}


def test_late_rows_count_from_the_moment_they_arrived(settings: Settings) -> None:
    later = EXPECTED["later"]
    transform.build(settings, "candidate", datetime.fromisoformat(later["as_of"]))
    for view, (code, expected) in product(EXPECTED["period_views"], later["indicators"].items()):
        found = frame(
            settings,
            f"select {', '.join(expected)} from candidate_marts.indicator_quarterly where indicator_code = '{code}' "
            f"and quarter = '{EXPECTED['quarter']}' and period_view = '{view}' and split_by = 'all'",
        )
        assert found.to_dict("records") == [expected], (view, code)
