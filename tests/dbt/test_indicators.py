"""The chain of the indicators: bad input, edges of windows, scores by hand, and random cohorts beside plain Python."""

from __future__ import annotations

import csv
import json
import math
import os
import random
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import psycopg
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from psycopg.rows import dict_row

from vmeste.forms import load_forms
from vmeste.forms.model import Form
from vmeste.settings import ROOT, Settings
from vmeste.warehouse import transform
from vmeste.warehouse.connect import connect

MOSCOW = ZoneInfo("Europe/Moscow")
AS_OF = datetime(2022, 1, 15, tzinfo=MOSCOW)
AS_OF_SQL = f"timestamptz '{AS_OF.isoformat()}'"
START, END = date(2021, 1, 10), date(2021, 10, 1)
SUP = ("sup1", "sup2", "sup3", "sup4r", "sup5")
LIF = ("lif1", "lif2", "lif3", "lif4", "lif5", "lif6", "lif7", "lif8r")
MOT = ("mot1", "mot2", "mot3", "mot4r", "mot5")

Row = dict[str, Any]
Connection = psycopg.Connection[Row]


@dataclass
class Raw:
    """Rows of raw, as the form servers would have given them before the cut-off."""

    rows: list[tuple[str, Row]] = field(default_factory=list)

    def add(self, form_id: str, on: date, /, version: str = "2020010101", **answers: Any) -> None:
        """Add a submission that arrived on a day."""
        plumbing = {
            "_source": "made-up",
            "_submission_id": f"{form_id}-{len(self.rows)}",
            "_form_version": version,
            "_submitted_at": datetime(on.year, on.month, on.day, 9, tzinfo=UTC),
            "_content_hash": "x",
            "_operation": "upsert",
            "_ingested_at": datetime(2022, 1, 1, tzinfo=UTC),
            "_batch_id": "b",
        }
        self.rows.append((form_id, plumbing | answers))

    def pair(
        self,
        key: str = "p",
        mentee: str = "m",
        *,
        start: date = START,
        end: date | None = END,
        form: str = "short",
        statuses: tuple[tuple[str, date], ...] = (("ward", date(2020, 1, 1)),),
        **closure: Any,
    ) -> None:
        """Add a mentee with the statuses, a pair, and its closure."""
        for status, since in statuses:
            self.add("r1_mentee", since, mentee_key=mentee, sex="f", birth_year=2005, status=status, status_from=since)
        answers = {"pair_key": key, "mentee_key": mentee, "mentor_key": "t", "form": form, "start_on": start}
        self.add("r3_pair", start, **answers)
        if end is not None:
            self.add("f9_closure", end, pair_key=key, ended_on=end, **({"reason": "term_complete"} | closure))

    def survey(self, wave: str, on: date, level: str | None, key: str = "p", **answers: Any) -> None:
        """Add an F2 whose every item has one answer, the reverse ones turned: the scales have the value `level`."""
        turned = None if level is None else level if level == "99" else str(6 - int(level))
        scales = {item: turned if item.endswith("r") else level for item in SUP + LIF + MOT}
        plain = {"pair_key": key, "wave": wave, "wording": "ward", "assisted_by": "none", "filled_on": on}
        self.add("f2_self_report", on, **(plain | scales | answers))


@dataclass
class Warehouse:
    """Compiled models that can be filled again from other rows of raw, in a transaction that is taken back."""

    connection: Connection
    tables: list[tuple[str, str, str]]  # relation, its columns, its SQL; in the order of building
    nodes: dict[str, Row]

    def outcome(self, raw: Raw, *statements: str) -> tuple[list[Row], list[Row]]:
        """Return the rows of fct_indicator_outcome and of indicator_quarterly, and leave nothing behind."""
        try:
            for statement in statements:
                self.connection.execute(statement.encode())
            for form, row in raw.rows:
                names, places = ", ".join(row), ", ".join(f"%({name})s" for name in row)
                self.connection.execute(f"insert into raw.{form} ({names}) values ({places})".encode(), row)
            for relation, columns, code in self.tables:
                self.connection.execute(f"delete from {relation}".encode())
                filled = f"insert into {relation} ({columns}) select {columns} from ({code}) as made"
                self.connection.execute(filled.encode())
            outcomes, cells = (
                self.connection.execute(f"select * from candidate_marts.{mart}".encode()).fetchall()
                for mart in ("fct_indicator_outcome", "indicator_quarterly")
            )
        finally:
            self.connection.rollback()
        return outcomes, cells

    def query(self, model: str, as_of: datetime, **inputs: str) -> list[Row]:
        """Return what a model's SQL says as of a moment, with other SQL in the place of its inputs."""
        code = str(self.nodes[model]["compiled_code"])
        assert AS_OF_SQL in code
        code = code.replace(AS_OF_SQL, f"timestamptz '{as_of.isoformat()}'")
        for name, replacement in inputs.items():
            relation = self.nodes[name]["relation_name"]
            assert relation in code
            code = code.replace(relation, f"({replacement})")
        rows = self.connection.execute(code.encode()).fetchall()
        self.connection.rollback()
        return rows


@pytest.fixture(scope="module")
def warehouse(settings: Settings) -> Iterator[Warehouse]:
    transform.build(settings, "candidate", AS_OF)
    manifest = json.loads((settings.home / "dbt" / "candidate" / "manifest.json").read_text(encoding="utf-8"))
    nodes = manifest["nodes"]
    ordered: dict[str, None] = {}

    def visit(name: str) -> None:
        if name.startswith("model.") and name not in ordered:
            for parent in nodes[name]["depends_on"]["nodes"]:
                visit(parent)
            ordered[name] = None

    visit("model.vmeste.indicator_quarterly")
    kept = [nodes[name] for name in ordered if nodes[name]["config"]["materialized"] in {"table", "incremental"}]
    with connect(settings) as opened:
        opened.row_factory = dict_row  # type: ignore[assignment]
        tables = []
        for node in kept:
            relation = f"{node['schema']}.{node['name']}"
            described = opened.execute(f"select * from {relation} limit 0".encode()).description or ()
            tables.append((relation, ", ".join(column.name for column in described), node["compiled_code"]))
        opened.commit()
        yield Warehouse(opened, tables, {node["name"]: node for node in nodes.values()})  # type: ignore[arg-type]


FIGURES = ("eligible", "due", "reached", "measured", "achieved", "share", "coverage", "status")
NOBODY = (0, 0, 0, 0, None, None, None, "no_data")
"""Nobody in the denominator: no result, no coverage, no error, and no 0 where a result would stand."""

PLANNED = (None, None, None, None, None, None, None, "planned")
SILENT = (1, 1, 0, 0, None, None, 0, "no_data")
UNMEASURED = (1, 1, 1, 0, None, None, 0, "no_data")
GAINED = (1, 1, 1, 1, 1, None, 1, "suppressed_small_n")


def rolling(cells: list[Row], split: str = "all") -> dict[str, tuple[Any, ...]]:
    """Return the figures of each indicator over the four quarters up to 2021-Q4."""
    chosen = [c for c in cells if (c["quarter"], c["period_view"], c["split_by"]) == ("2021-Q4", "rolling_4q", split)]
    return {cell["indicator_code"]: tuple(cell[name] for name in FIGURES) for cell in chosen}


def unmeasured() -> Raw:
    raw = Raw()
    raw.pair()
    raw.survey("baseline", START, "99")
    raw.survey("endline", END, None)
    return raw


def brief() -> Raw:
    raw = Raw()
    raw.pair(end=START + timedelta(59))
    raw.survey("baseline", START, "3")
    raw.survey("endline", START + timedelta(59), "4")
    return raw


def lone() -> Raw:
    raw = Raw()
    raw.pair()
    return raw


def gained(end_on: date = END, **endline: Any) -> Raw:
    raw = Raw()
    raw.pair()
    raw.survey("baseline", START, "3", sup_n_xm=0)
    raw.survey("endline", end_on, "4", sup_n_xm=1, intent="study", **endline)
    return raw


def two_pairs() -> Raw:
    """The earlier pair gained, the later one lost: the later one counts, and the mentee once."""
    raw = Raw()
    raw.pair("p1", start=date(2020, 3, 1), end=date(2021, 2, 1))
    raw.survey("baseline", date(2020, 3, 1), "3", "p1")
    raw.survey("endline", date(2021, 2, 1), "5", "p1")
    raw.pair("p2", start=date(2021, 3, 1), statuses=())
    raw.survey("baseline", date(2021, 3, 1), "4", "p2")
    raw.survey("endline", END, "3", "p2")
    return raw


def status_gap() -> Raw:
    """Nobody knows what the mentee was at the start; by the endline a graduate."""
    raw = gained()
    raw.rows = [(form, row) for form, row in raw.rows if form != "r1_mentee"]
    raw.add(
        "r1_mentee", START, mentee_key="m", sex="f", birth_year=2005, status="graduate", status_from=date(2021, 6, 1)
    )
    return raw


NEW_MAJOR = (
    "insert into candidate_seeds.instrument_versions (form_id, form_version, major_version) "
    "values ('f2_self_report', '2021060101', '2021060101')",
)
LOST = (1, 1, 1, 1, 0, None, 1, "suppressed_small_n")


@pytest.mark.parametrize(
    ("raw", "statements", "expected"),
    [
        pytest.param(lone(), (), {"2.1": SILENT, "3.1": SILENT, "2.2": SILENT, "1.1": NOBODY}, id="one pair"),
        pytest.param(lone(), (), {"2.3": PLANNED, "1.1c": PLANNED}, id="nobody due yet"),
        pytest.param(unmeasured(), (), {"2.1": UNMEASURED, "2.1r": UNMEASURED, "2.1n": UNMEASURED}, id="all missing"),
        pytest.param(
            brief(), (), {"2.1": NOBODY, "3.1": NOBODY, "2.2": NOBODY, "3.1a": NOBODY}, id="zero denominators"
        ),
        pytest.param(two_pairs(), (), {"2.1": LOST, "3.1": LOST}, id="a mentee with two pairs"),
        pytest.param(
            status_gap(),
            (),
            {"2.1": GAINED, "3.1": NOBODY, "1.1": GAINED, "1.1m": GAINED, "1.1b": GAINED},
            id="status gap",
        ),
        pytest.param(gained(), (), {"2.1": GAINED, "2.1n": GAINED, "2.1r": GAINED, "3.1": GAINED}, id="plain"),
        pytest.param(
            gained(version="2021060101"), (), {"2.1": GAINED, "3.1": GAINED, "2.1n": GAINED}, id="a version like others"
        ),
        pytest.param(
            gained(version="2021060101"),
            NEW_MAJOR,
            {"2.1": UNMEASURED, "2.1r": UNMEASURED, "2.1n": UNMEASURED, "3.1": UNMEASURED, "3.1r": UNMEASURED},
            id="the instrument changes in mid-cohort",
        ),
        pytest.param(gained(), NEW_MAJOR, {"2.1": GAINED, "3.1": GAINED}, id="both waves before the change"),
        pytest.param(gained(wording="graduate"), (), {"2.1": UNMEASURED, "3.1": UNMEASURED}, id="another wording"),
        pytest.param(gained(END + timedelta(30)), (), {"2.1": GAINED, "3.1": GAINED}, id="last day of the window"),
        pytest.param(gained(END + timedelta(31)), (), {"2.1": SILENT, "3.1": SILENT}, id="day after the window"),
        pytest.param(gained(END - timedelta(30)), (), {"2.1": GAINED, "3.1": GAINED}, id="first day of the window"),
        pytest.param(gained(END - timedelta(31)), (), {"2.1": SILENT, "3.1": SILENT}, id="day before the window"),
    ],
)
def test_bad_input_gives_a_status(
    warehouse: Warehouse, raw: Raw, statements: tuple[str, ...], expected: dict[str, tuple[Any, ...]]
) -> None:
    _, cells = warehouse.outcome(raw, *statements)
    found = rolling(cells)
    assert {code: found[code] for code in expected} == expected


def test_no_rows_at_all_give_no_rows(warehouse: Warehouse) -> None:
    assert warehouse.outcome(Raw()) == ([], [])


def test_a_version_that_nobody_knows_is_not_comparable(warehouse: Warehouse) -> None:
    """KoboToolbox names versions itself: once the instrument has changed, a name says nothing by itself."""
    named = gained(version="vEndline")
    for form, row in named.rows:
        if form == "f2_self_report" and row["wave"] == "baseline":
            row["_form_version"] = "vBaseline"
    assert rolling(warehouse.outcome(named)[1])["2.1"] == GAINED
    assert rolling(warehouse.outcome(named, *NEW_MAJOR)[1])["2.1"] == UNMEASURED
    rows = ", ".join(f"('f2_self_report', '{name}', '2021060101')" for name in ("vBaseline", "vEndline"))
    known = f"insert into candidate_seeds.instrument_versions (form_id, form_version, major_version) values {rows}"
    assert rolling(warehouse.outcome(named, *NEW_MAJOR, known)[1])["2.1"] == GAINED


def test_new_parameters_show_and_count_from_their_day(warehouse: Warehouse) -> None:
    def changed(day: str) -> tuple[Any, str]:
        statement = (
            "insert into candidate_seeds.parameters (parameter_code, parameter_version, is_current, value, valid_from) "
            f"values ('sd1_sup', 2, true, 1.6, '{day}')"
        )
        _, cells = warehouse.outcome(gained(), statement)
        (cell,) = [
            cell
            for cell in cells
            if (cell["indicator_code"], cell["quarter"], cell["period_view"], cell["split_by"])
            == ("2.1r", "2021-Q4", "quarter", "all")
        ]
        return cell["achieved"], cell["parameter_versions"]

    # a gain of 1 over an error of 0.8·√2·√0.2 = 0.51 is 1.98; over twice that error it is 0.99
    before, text = changed("2022-01-16")
    assert "sd1_sup v1 = 0.8" in text
    after, text = changed("2022-01-15")
    assert "sd1_sup v2 = 1.6" in text
    assert (before, after) == (1, 0)


# Windows: moments around midnight in Moscow, months' ends and leap days.

BORDERS = [
    date(year, month, day) for year in range(2016, 2027) for month, day in ((1, 1), (3, 1), (4, 1), (7, 1), (10, 1))
]


@st.composite
def a_moment(draw: st.DrawFn) -> datetime:
    """A moment near a border of the calendar in Moscow, told in some zone."""
    border = draw(st.sampled_from(BORDERS)) + timedelta(draw(st.integers(-1, 1)))
    local = datetime(border.year, border.month, border.day, tzinfo=MOSCOW)
    moment = local + timedelta(seconds=draw(st.sampled_from([-86400, -10800, -1, 0, 1, 10799, 10800, 43200])))
    return moment.astimezone(draw(st.sampled_from([UTC, MOSCOW, ZoneInfo("America/New_York")])))


def days(first: date = date(2015, 1, 1), last: date = date(2026, 12, 31)) -> st.SearchStrategy[date]:
    leap = [date(2016, 2, 29), date(2020, 2, 29), date(2024, 2, 29)]
    return st.one_of(st.dates(first, last), st.sampled_from(BORDERS), st.sampled_from(leap))


def expected_windows(first_start: date, as_of: datetime) -> set[tuple[str, str, date, date]]:
    today = as_of.astimezone(MOSCOW).date()
    year, number = first_start.year, (first_start.month - 1) // 3
    windows = set()
    while True:
        starts = date(year, 3 * number + 1, 1)
        year_after, number_after = (year, number + 1) if number < 3 else (year + 1, 0)
        ends = date(year_after, 3 * number_after + 1, 1) - timedelta(1)
        if ends >= today:
            return windows
        three_before = date(year - 1, 3 * (number + 1) + 1, 1) if number < 3 else date(year, 1, 1)
        for view, opens in (("quarter", starts), ("rolling_4q", three_before), ("cohort_year", date(year, 1, 1))):
            windows.add((f"{year}-Q{number + 1}", view, opens, ends))
        year, number = year_after, number_after


@hypothesis_settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    derandomize=True,
)
@given(first_start=days(), as_of=a_moment())
def test_windows_open_by_the_calendar_of_moscow(warehouse: Warehouse, first_start: date, as_of: datetime) -> None:
    pairs = f"select date '{first_start}' as start_on union all select date '{first_start}' + 400"
    found = warehouse.query("int_windows_opened", as_of, stg_r3_pair=pairs)
    windows = [(row["quarter"], row["period_view"], row["window_starts_on"], row["window_ends_on"]) for row in found]
    assert len(windows) == len(set(windows))
    assert set(windows) == expected_windows(first_start, as_of)


def years_after(day: date, years: int) -> date:
    try:
        return day.replace(year=day.year + years)
    except ValueError:
        return date(day.year + years, 2, 28)


@hypothesis_settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    derandomize=True,
)
@given(
    start=days(),
    lasts=st.one_of(st.none(), st.integers(0, 1200)),
    form=st.sampled_from(["short", "long"]),
    as_of=a_moment(),
)
def test_milestones_and_their_windows(
    warehouse: Warehouse, start: date, lasts: int | None, form: str, as_of: datetime
) -> None:
    today = as_of.astimezone(MOSCOW).date()
    end = None if lasts is None or start + timedelta(lasts) > today else start + timedelta(lasts)
    last = end or today
    ended = "null" if end is None else f"'{end}'"
    pair = (
        f"select 'p' as pair_key, 'm' as mentee_key, '{form}' as form, 'ward' as mentee_group_at_start, "
        f"{start <= today} as is_started, {end is not None} as is_ended, date '{start}' as start_on, "
        f"cast({ended} as date) as ended_on, case when date '{start}' <= date '{last}' then "
        f"datemultirange(daterange('{start}', '{last}')) else datemultirange() end as active_periods"
    )
    found = warehouse.query("int_pair_milestones_scheduled", as_of, int_pairs_assembled=pair)
    expected = {("end", "endline", end)} if end else set()
    for number in range(1, 13):
        day = years_after(start, number)
        if form == "long" and day <= today and (end is None or end > day + timedelta(30)):
            expected.add(("anniversary", f"annual_{12 * number}", day))
    if start > today:
        expected = set()
    assert {(row["milestone"], row["wave"], row["milestone_on"]) for row in found} == expected
    for row in found:
        day = row["milestone_on"]
        assert (row["window_opens_on"], row["window_closes_on"]) == (day - timedelta(30), day + timedelta(30))
        assert row["is_window_closed"] == (day + timedelta(30) < today)
        assert row["is_all_started"] == ((min(day, last) - start).days >= 60)


# Scores and reliable change beside a table computed by hand.


def table() -> list[dict[str, str]]:
    with (Path(__file__).parent / "recorded" / "scores_by_hand.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(line for line in file if not line.startswith("#")))


def test_scores_and_reliable_change_by_hand(warehouse: Warehouse) -> None:
    raw, cases = Raw(), table()
    items = {"SUP": SUP, "LIF": LIF, "MOT": MOT}
    for case in cases:
        key = case["case"]
        graduate = (("graduate", date(2020, 1, 1)),)
        raw.pair(key, key, statuses=graduate if case["scale"] == "MOT" else (("ward", date(2020, 1, 1)),))
        for wave, on, column in (("baseline", START, "before"), ("endline", END, "after")):
            answers = dict(zip(items[case["scale"]], case[column].split(), strict=True))
            raw.survey(wave, on, None, key, **answers)
    outcomes, _ = warehouse.outcome(raw)
    codes = {"SUP": "2.1r", "LIF": "3.1r", "MOT": "1.1b"}
    found = {
        (row["mentee_key"], row["indicator_code"]): row
        for row in outcomes
        if (row["period_view"], row["quarter"]) == ("quarter", "2021-Q4")
    }
    for case in cases:
        row = found[case["case"], codes[case["scale"]]]
        for column in ("before", "after"):
            by_hand = case[f"score_{column}"]
            if by_hand:
                assert row[f"value_{column}"] == pytest.approx(float(Fraction(by_hand)), abs=1e-12), case["case"]
            else:
                assert row[f"value_{column}"] is None, case["case"]
        if case["rc"]:
            assert row["reliable_change"] == pytest.approx(float(case["rc"]), abs=1e-9), case["case"]
        else:
            assert row["reliable_change"] is None, case["case"]
        verdict = {"improved": (True, True, False), "uncertain": (True, False, False), "worse": (True, False, True)}
        expected = verdict.get(case["verdict"], (False, False, None))
        assert (row["is_measured"], row["is_achieved"], row["is_deteriorated"]) == expected, case["case"]


# What the seeds promise.


def test_definitions_name_the_parameters_that_decide_them(warehouse: Warehouse) -> None:
    """Otherwise a new version of one would change a figure whose parameter_versions stay as they were."""
    with (ROOT / "dbt_project" / "seeds" / "indicator_definitions.csv").open(encoding="utf-8") as file:
        definitions = [row for row in csv.DictReader(file) if row["is_current"] == "true"]
    by_id = {node["unique_id"]: node for node in warehouse.nodes.values()}

    def used(name: str, seen: set[str]) -> set[str]:
        if name in seen or not name.startswith("model."):
            return set()
        seen.add(name)
        found = set(re.findall(r"parameters\.parameter_code = '(\w+)'", by_id[name]["compiled_code"]))
        return found.union(*(used(parent, seen) for parent in by_id[name]["depends_on"]["nodes"]))

    assert len(definitions) > 10
    for row in definitions:
        model = f"model.vmeste.int_indicator_{row['indicator_code'].replace('.', '_')}"
        assert set(row["parameters"].split()) == used(model, set()), row["indicator_code"]


def test_each_major_version_of_a_form_is_in_the_seed() -> None:
    """The form knows its last major version; the seed, which dbt reads, must know it too."""
    with (ROOT / "dbt_project" / "seeds" / "instrument_versions.csv").open(encoding="utf-8") as file:
        known = {(row["form_id"], row["major_version"]) for row in csv.DictReader(file)}
    assert unknown_majors(load_forms(ROOT / "forms").values(), known) == set()
    changed = replace(load_forms(ROOT / "forms")["f2_self_report"], major_version="2026010101")
    assert unknown_majors([changed], known) == {("f2_self_report", "2026010101")}


def unknown_majors(forms: Iterable[Form], known: set[tuple[str, str]]) -> set[tuple[str, str]]:
    return {(form.form_id, form.major_version) for form in forms if form.major_version} - known


# Random cohorts: every figure of every indicator that F2 gives, beside sets and counts in Python.


@dataclass
class Person:
    """One mentee with one pair, as the generator knows it."""

    key: str
    status: str
    end: date
    is_early: bool
    baseline: Row | None
    endline: Row | None


def mean(answers: Row, names: tuple[str, ...], needed: int) -> float | None:
    valid = [
        6 - int(answers[name]) if name.endswith("r") else int(answers[name])
        for name in names
        if answers.get(name) not in (None, "99")
    ]
    return math.fsum(valid) / len(valid) if len(valid) >= needed else None


def people(chance: random.Random, raw: Raw) -> list[Person]:
    made = []
    for number in range(chance.randint(0, 45)):
        key = f"m{number}"
        start = date(2020, 6, 1) + timedelta(chance.randint(0, 200))
        end = start + timedelta(chance.choice([30, 59, 60, 200, 228, 229, 240, 300]))
        person = Person(key, chance.choice(["ward", "graduate"]), end, False, None, None)
        person.is_early = end < years_months(start, 8) - timedelta(14)
        raw.pair(key, key, start=start, end=end, statuses=((person.status, date(2020, 1, 1)),))
        waves = {"baseline": start + timedelta(chance.choice([-5, 0, 0, 0, 0, 1, 14, 15])), "endline": None}
        waves["endline"] = end + timedelta(chance.choice([-31, -30, 0, 0, 0, 30, 31]))
        for wave, on in waves.items():
            if on is None or on > date(2022, 1, 14) or chance.random() < 0.1:
                continue
            low, high = chance.choice([(1, 5), (3, 5), (4, 5)])
            answers: Row = {
                name: "99" if chance.random() < 0.08 else str(chance.randint(low, high)) for name in SUP + LIF + MOT
            }
            answers |= {
                "wording": chance.choice(["ward", "ward", "ward", "ward", "graduate"]),
                "intent": chance.choice(["study", "work", "both", "neither", "unknown", None]),
                "sup_n_xm": chance.choice([0, 1, 2, 3, None]),
                "assisted_by": chance.choice(["none", "none", "none", "none", "specialist", "mentor"]),
            }
            version = chance.choice(["2020010101", "2020010101", "2020010101", "2021060101"])
            raw.survey(wave, on, None, key, version=version, **answers)
            if answers["assisted_by"] == "mentor":
                continue
            answers |= {"on": on, "version": version}
            if wave == "baseline" and on <= start:
                person.baseline = answers
            if wave == "endline" and abs((on - end).days) <= 30:
                person.endline = answers
        made.append(person)
    return made


def years_months(day: date, months: int) -> date:
    total = day.month - 1 + months
    year, month = day.year + total // 12, total % 12 + 1
    last = (date(year + month // 12, month % 12 + 1, 1) - timedelta(1)).day
    return date(year, month, min(day.day, last))


def judged(person: Person) -> dict[str, tuple[bool, bool, bool | None]]:
    """Return for each indicator that the person is eligible for: measured, achieved, worse."""
    after, before = person.endline, person.baseline
    if before and after and (before["wording"], before["version"]) != (after["wording"], after["version"]):
        before = None

    def gain(names: tuple[str, ...], needed: int) -> tuple[float | None, float | None]:
        return (
            mean(before, names, needed) if before and after else None,
            mean(after, names, needed) if after else None,
        )

    def any_gain(old: float | None, new: float | None) -> tuple[bool, bool, bool | None]:
        if old is None or new is None:
            return False, False, None
        return True, new > old, new < old

    def reliable(old: float | None, new: float | None) -> tuple[bool, bool, bool | None]:
        if old is None or new is None:
            return False, False, None
        change = (new - old) / (0.8 * math.sqrt(2) * math.sqrt(1 - 0.8))
        return True, change >= 1.96, change <= -1.96

    support, skills, motivation = gain(SUP, 4), gain(LIF, 7), gain(MOT, 4)
    counts = (before or {}).get("sup_n_xm") if after else None, (after or {}).get("sup_n_xm")
    found = {"2.1": any_gain(*support), "2.1r": reliable(*support), "2.1n": any_gain(*counts)}
    if person.status == "ward":
        found |= {"3.1": any_gain(*skills), "3.1r": reliable(*skills)}
    else:
        intent, level = (after or {}).get("intent"), motivation[1]
        is_willing, is_motivated = intent in ("study", "work", "both"), level is not None and level >= 3.5
        worse = any_gain(*motivation)[2]
        has_both = level is not None and intent is not None
        found["1.1"] = (has_both, has_both and is_willing and is_motivated, worse if has_both else None)
        found["1.1m"] = (level is not None, is_motivated, worse)
        found["1.1i"] = (intent is not None, is_willing, None)
        found["1.1b"] = reliable(*motivation)
    return found


@pytest.mark.parametrize("block", range(4))
def test_figures_agree_with_an_independent_count(warehouse: Warehouse, block: int) -> None:
    for seed in range(block * 10, block * 10 + 10):
        raw = Raw()
        cohort = people(random.Random(seed), raw)  # noqa: S311  (a cohort, not a secret)
        _, cells = warehouse.outcome(raw, *NEW_MAJOR)
        counted = [person for person in cohort if (person.end - _start(raw, person.key)).days >= 60]
        for view, first in (("rolling_4q", date(2021, 1, 1)), ("quarter", date(2021, 10, 1))):
            inside = [person for person in counted if first <= person.end <= date(2021, 12, 31)]
            for code in ("1.1", "1.1m", "1.1i", "1.1b", "2.1", "2.1r", "2.1n", "3.1", "3.1r"):
                verdicts = [(judged(person)[code], person) for person in inside if code in judged(person)]
                check(seed, [c for c in cells if (c["indicator_code"], c["period_view"]) == (code, view)], verdicts)


def check(seed: int, cells: list[Row], verdicts: list[tuple[tuple[bool, bool, bool | None], Person]]) -> None:
    cells = [cell for cell in cells if (cell["quarter"], cell["split_by"]) == ("2021-Q4", "all")]
    if not cells:
        assert not verdicts
        return
    (cell,) = cells
    known = [(verdict, person) for verdict, person in verdicts if verdict[0]]
    completers = [(verdict, person) for verdict, person in known if not person.is_early]
    worse = [verdict[2] for verdict, _ in known if verdict[2] is not None]
    achieved = sum(verdict[1] for verdict, _ in known)
    context = (seed, cell["indicator_code"], cell["period_view"])
    assert (cell["eligible"], cell["measured"]) == (len(verdicts), len(known)), context
    assert cell["achieved"] == (achieved if known else None), context
    assert cell["deteriorated"] == (sum(worse) if worse else None), context
    assert cell["deterioration_known"] == (len(worse) or None), context
    assert cell["share"] == (pytest.approx(achieved / len(known), abs=1e-9) if len(known) >= 10 else None), context
    assert cell["completers_measured"] == len(completers), context
    share = sum(verdict[1] for verdict, _ in completers) / len(completers) if len(completers) >= 10 else None
    assert cell["completers_share"] == (share if share is None else pytest.approx(share, abs=1e-9)), context


def _start(raw: Raw, key: str) -> date:
    (start,) = [row["start_on"] for form, row in raw.rows if form == "r3_pair" and row["pair_key"] == key]
    return start  # type: ignore[no-any-return]


# Adding an indicator, as docs/add-an-indicator.md says.


def test_the_worked_example_is_one_file_one_row_one_yaml(
    warehouse: Warehouse, settings: Settings, tmp_path: Path
) -> None:
    page = (ROOT / "docs" / "add-an-indicator.md").read_text(encoding="utf-8")
    (model,), (row,), (unit_tests,) = (
        re.findall(rf"```{kind}\n(.*?)```", page, re.DOTALL) for kind in ("sql", "csv", "yaml")
    )
    project = tmp_path / "dbt_project"
    shutil.copytree(ROOT / "dbt_project", project, ignore=shutil.ignore_patterns("target", "logs"))
    folder = project / "models" / "intermediate" / "indicators"
    (folder / "int_indicator_2_1a.sql").write_text(model, encoding="utf-8")
    described = "models:\n  - name: int_indicator_2_1a\n    description: Made up.\n"
    (folder / "int_indicator_2_1a.yml").write_text(described + unit_tests, encoding="utf-8")
    with (project / "seeds" / "indicator_definitions.csv").open("a", encoding="utf-8") as seed:
        seed.write(row)
    folders = ["--project-dir", project, "--target-path", tmp_path / "target", "--log-path", tmp_path / "logs"]
    chosen = "indicator_definitions int_indicator_2_1a int_indicators_united indicators_have_a_model_and_a_definition"
    variables = json.dumps(transform.variables(settings, AS_OF))
    outcome = subprocess.run(
        [
            *(Path(sys.executable).parent / "dbt", "build", "--target", "candidate", "--vars", variables),
            *("--select", chosen, *folders),
        ],
        env=os.environ | transform.dbt_environment(settings),
        capture_output=True,
        text=True,
        check=False,
    )
    assert outcome.returncode == 0, outcome.stdout[-3000:]
    assert "int_indicator_2_1a_counts_from_one_adult_on" in outcome.stdout
    nodes = json.loads((tmp_path / "target" / "manifest.json").read_text(encoding="utf-8"))["nodes"]
    united = nodes["model.vmeste.int_indicators_united"]
    assert "model.vmeste.int_indicator_2_1a" in united["depends_on"]["nodes"]
    warehouse.tables = [
        (relation, columns, united["compiled_code"] if relation.endswith(".int_indicators_united") else code)
        for relation, columns, code in warehouse.tables
    ]
    assert rolling(warehouse.outcome(gained())[1])["2.1a"] == GAINED
