"""Marts of random small cohorts, from raw on, beside a computation in Python that shares no line with the SQL.

A cohort that disagrees is made again with ``Cohort(seed)``; the message names the mart, the cell and both numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from psycopg.rows import dict_row

from tests.dbt.cohorts.dates import windows
from tests.dbt.cohorts.facts import Pair, Row, by_programme, current, pairs_of
from tests.dbt.cohorts.few import all_missing, incident_without_a_month, one_pair
from tests.dbt.cohorts.generator import PROGRAMMES, Cohort, Submissions
from tests.dbt.cohorts.headline import Cell, Numbers, headline
from tests.dbt.cohorts.lasting import ASKED, lasting
from tests.dbt.cohorts.marts import MARTS, READINESS, Marts, compile_marts
from tests.dbt.cohorts.programme import programme
from tests.dbt.cohorts.survival import Cases, contacts_lasted, matches_lasted, of_form, product_limit
from vmeste.settings import Settings
from vmeste.warehouse.connect import connect

SEEDS = 300
NOBODYS = ("unknown", "unknown")
OF_ONE_PROGRAMME = (
    *("indicator_quarterly", "programme_indicator_quarterly", "programme_quarterly", "sustainability"),
    *("match_survival", "contact_survival", "pair_flow_quarterly", "followup_calendar"),
)
BLOCKS = 4
HEADLINE = ("1.1", "2.1", "2.2", "2.3", "3.1")
MEASURES = (
    *("M2_hours", "M2_meetings", "M3", "M4", "M5_farewell", "M5_warned", "M6_sup", "M6_lif", "M6_mot", "M7"),
    *("M9_deteriorated", "M9_incidents", "M9_reported", "M9_abrupt", "M9_response", "M10_confirmed", "M10_conflict"),
    *("M11", "M12", "M13_plans", "M13_goals", "M14", "M15_meetings", "M15_triage"),
)
"""What the oracle knows; others beside them are theirs to test who add them."""

INDICATOR_SPLITS = ("all", "form", "group", "sex", "age_band")
PROGRAMME_SPLITS = ("all", "form", "group", "sex", "baseline_tertile", "instrument", "scale", "need")
CLOSE = 1e-9

INDICATOR_NUMBERS = (
    "eligible",
    "due",
    "reached",
    "measured",
    "achieved",
    "deteriorated",
    "deterioration_known",
    "share",
    "ci_low",
    "ci_high",
    "coverage",
    "worst_case",
    "best_case",
)
PROGRAMME_NUMBERS = ("eligible", "denominator", "numerator", "value", "ci_low", "ci_high", "q1", "q3", "coverage")


@pytest.fixture(scope="module")
def marts(settings: Settings) -> Iterator[Marts]:
    models = compile_marts(settings)
    with connect(settings) as opened:
        opened.row_factory = dict_row  # type: ignore[assignment]
        yield Marts(opened, models)  # type: ignore[arg-type]


@pytest.mark.parametrize("block", range(BLOCKS))
def test_marts_agree_with_an_independent_count(marts: Marts, block: int) -> None:
    for seed in range(block, SEEDS, BLOCKS):
        cohort = Cohort(seed)
        forms = current(cohort.rows)
        pairs = pairs_of(forms)
        marts.fill(cohort)
        try:
            compare_programmes(marts, pairs)
            for programme, (own, told) in by_programme(pairs, forms).items():
                compare_survival(marts, programme, own)
                compare_lasting(marts, programme, own, told)
                compare_headline(marts, programme, own, told)
                compare_programme(marts, programme, own, told)
        except AssertionError as difference:
            raise AssertionError(f"seed {seed}: {difference}") from None
        finally:
            marts.forget()


def told_of(marts: Marts, mart: str) -> dict[tuple[str, str], list[str]]:
    """Return organisation and programme → its rows of a mart, in an order of their own."""
    found: dict[tuple[str, str], list[str]] = {}
    for row in marts.rows(f"select * from marts.{mart}"):
        found.setdefault((row["organisation_code"], row["programme_code"]), []).append(repr(sorted(row.items())))
    found.pop(NOBODYS, None)  # what stands there where no pair is registered
    return {programme: sorted(rows) for programme, rows in found.items()}


def test_no_organisation_changes_the_figures_of_another(marts: Marts) -> None:
    columns = marts.rows(
        "select table_name from information_schema.columns "
        "where table_schema = 'marts' and column_name in ('organisation_code', 'programme_code') "
        f"and {known('table_name', (*MARTS, *READINESS))} group by 1 having count(*) = 2"
    )
    chosen = sorted(row["table_name"] for row in columns)
    assert chosen == sorted((*MARTS, *READINESS))
    compared = 0
    for seed in range(0, 40, 2):
        parts = [
            Cohort(seed + number, prefix=f"{number}-", only=programme)
            for number, programme in enumerate((PROGRAMMES[seed % 3], PROGRAMMES[3]))
        ]
        both = Submissions()
        for number, part in enumerate(parts):
            both.rows += [(form, row | {"_source": f"s{number}"}) for form, row in part.rows]
        alone: dict[str, dict[tuple[str, str], list[str]]] = {mart: {} for mart in chosen}
        registered: set[tuple[str, str]] = set()
        for part in parts:
            marts.fill(part, with_readiness=True)
            registered |= set(told_of(marts, "dim_pair"))
            for mart in chosen:
                alone[mart] |= told_of(marts, mart)
            marts.forget()
        marts.fill(both, with_readiness=True)
        together = {mart: told_of(marts, mart) for mart in chosen}
        marts.forget()
        for mart in chosen:
            # a part without a pair is one programme that nobody knows, until there is another
            expected = {programme: rows for programme, rows in alone[mart].items() if programme in registered}
            assert together[mart] == (expected if registered else alone[mart]), f"seed {seed}: {mart}"
            compared += len(together[mart])
    assert compared > len(chosen) * 20


@pytest.fixture
def filled(marts: Marts) -> Iterator[Callable[[Submissions], Marts]]:
    def fill(submissions: Submissions) -> Marts:
        marts.fill(submissions)
        return marts

    yield fill
    marts.forget()


ALL_MARTS = (
    *("match_survival", "contact_survival", "programme_indicator_quarterly", "programme_quarterly"),
    *("indicator_quarterly", "followup_calendar", "pair_flow_quarterly"),
)


def test_no_rows_at_all(filled: Callable[[Submissions], Marts]) -> None:
    marts = filled(Submissions())
    for mart in ALL_MARTS:
        assert marts.rows(f"select * from marts.{mart}") == [], mart
    rows = marts.rows("select * from marts.sustainability")
    assert {(row["result_code"], row["horizon"]): row["status"] for row in rows} == {
        (result, horizon): "planned" if (result, horizon) in ASKED else "no_data"
        for result in ("contact", "R1", "R2", "R3")
        for horizon in (6, 12)
    }
    for row in rows:
        assert not any(row[name] for name in ("scheduled", "not_yet_due"))
        assert all(row[name] is None for name in ("due", "measured", "sustained", "share", "coverage", "worst_case"))


def test_one_pair_and_no_other_form(filled: Callable[[Submissions], Marts]) -> None:
    marts = filled(one_pair())
    curve = marts.rows("select * from marts.match_survival where form = 'all' order by day")
    assert [(row["at_risk"], row["events"], row["survival"], row["ci_low"], row["ci_high"]) for row in curve] == [
        (1, 0, 1, 1, 1),
        (1, 0, 1, 1, 1),
    ]
    assert marts.rows("select * from marts.contact_survival") == []
    rows = marts.rows("select * from marts.programme_indicator_quarterly")
    assert {row["split_value"] for row in rows if row["split_by"] == "group"} == {"unknown"}, "no status is known"
    assert {row["measure_code"] for row in rows if row["eligible"]} == {
        *("M2_hours", "M2_meetings", "M3", "M7", "M9_incidents", "M9_response", "M11", "M12", "M13_plans")
    }
    for row in rows:
        numbers = [row[name] for name in ("numerator", "value", "ci_low", "ci_high", "q1", "q3")]
        assert (row["denominator"], row["status"], *numbers) == (0, "no_data", *[None] * 6), row
    for row in marts.rows("select * from marts.programme_quarterly"):
        assert (row["status"], row["numerator"], row["denominator"], row["value"]) == ("no_data", None, None, None)
    for row in marts.rows(f"select * from marts.indicator_quarterly where {known('indicator_code', HEADLINE)}"):
        assert row["status"] == ("planned" if row["indicator_code"] == "2.3" else "no_data"), row
        assert (row["achieved"], row["share"], row["coverage"]) == (None, None, None), row


def test_everything_is_missing(filled: Callable[[Submissions], Marts]) -> None:
    marts = filled(all_missing())
    rows = {
        row["measure_code"]: row
        for row in marts.rows(
            "select * from marts.programme_indicator_quarterly "
            "where quarter = '2020-Q4' and period_view = 'rolling_4q' and split_by = 'all'"
        )
    }
    for code in ("M5_farewell", "M5_warned", "M9_abrupt", "M9_reported", "M9_deteriorated"):
        row = rows[code]
        assert row["eligible"] >= 12, row
        assert (row["denominator"], row["numerator"], row["value"], row["status"]) == (0, None, None, "no_data"), row
    assert (rows["M4"]["denominator"], rows["M4"]["numerator"], rows["M4"]["value"]) == (12, 0, 0)
    assert rows["M6_sup"]["eligible"] == 0, "without a baseline nobody can be lost"
    assert rows["M7"]["numerator"] == 0, "what was due did not come in"
    for row in marts.rows("select * from marts.sustainability where result_code = 'contact' and split_by = 'all'"):
        assert (row["due"], row["completed"], row["measured"]) == (12, 12, 0), row
        assert (row["status"], row["coverage"]) == ("no_data", 0), row
        assert all(row[name] is None for name in ("sustained", "share", "ci_low", "worst_case", "best_case")), row
    (row,) = marts.rows("select * from marts.contact_survival where form = 'all'")
    assert (row["day"], row["events"], row["censored"], row["survival"]) == (0, 0, 12, 1)
    assert (row["worst_case"], row["best_case"]) == (0, 1)
    for row in marts.rows(
        "select * from marts.indicator_quarterly where period_view = 'cohort_year' and quarter = '2020-Q4' "
        "and split_by = 'all' and " + known("indicator_code", ("1.1", "2.1", "2.2", "3.1"))
    ):
        of_their_group = {"1.1": 0, "3.1": 12}.get(row["indicator_code"], 12)
        assert (row["eligible"], row["due"], row["measured"]) == (of_their_group, of_their_group, 0), row
        assert (row["status"], row["coverage"]) == ("no_data", 0 if of_their_group else None), row
        assert all(row[name] is None for name in ("achieved", "deteriorated", "share", "ci_low", "worst_case")), row


def test_a_rate_without_exposure(filled: Callable[[Submissions], Marts]) -> None:
    marts = filled(incident_without_a_month())
    rows = marts.rows("select * from marts.programme_indicator_quarterly where measure_code = 'M9_incidents'")
    assert rows
    for row in rows:
        numbers = [row[name] for name in ("numerator", "value", "ci_low", "ci_high", "coverage")]
        assert (row["eligible"], row["denominator"], row["status"], *numbers) == (0, 0, "no_data", *[None] * 5), row


def same(expected: float | None, found: float | None) -> bool:
    if expected is None or found is None:
        return expected is None and found is None
    return abs(float(expected) - float(found)) <= CLOSE


def compare_cells(mart: str, expected: dict[Cell, Numbers], found: dict[Cell, Row]) -> None:
    """Compare the cells that have a case; ``found`` are those in which the mart says anything."""
    empty = {cell for cell, numbers in expected.items() if not any(numbers.values())}
    assert set(found) <= set(expected), f"{mart}: no case for {sorted(set(found) - set(expected))[:3]}"
    missing = set(expected) - set(found) - empty
    assert not missing, f"{mart}: not there: {sorted(missing)[:3]} {expected[min(missing)]}"
    for cell, row in found.items():
        for name, number in expected[cell].items():
            assert same(number, row[name]), f"{mart} {cell}: {name} is {row[name]}, not {number}; {dict(row)}"


def said(names: tuple[str, ...]) -> str:
    """Return the condition that a row says anything: a number that is there and not 0."""
    return "(" + " or ".join(f"nullif({name}, 0) is not null" for name in names) + ")"


def known(column: str, values: tuple[str, ...]) -> str:
    """Return the condition that a column has one of the values."""
    return f"{column} in ('" + "', '".join(values) + "')"


def compare_programmes(marts: Marts, pairs: list[Pair]) -> None:
    """Nobody's figures stand under a programme that has no pair, and none is of several together."""
    named = {(pair.organisation, pair.programme) for pair in pairs}
    for mart in OF_ONE_PROGRAMME:
        rows = marts.rows(f"select distinct organisation_code, programme_code from marts.{mart}")
        assert {(row["organisation_code"], row["programme_code"]) for row in rows} <= (named or {NOBODYS}), mart


def of_programme(programme: tuple[str, str]) -> str:
    """Return the condition that a row is of the organisation and programme."""
    return "(organisation_code, programme_code) = ('{}', '{}')".format(*programme)


def compare_headline(marts: Marts, programme: tuple[str, str], pairs: list[Pair], forms: dict[str, list[Row]]) -> None:
    opened = windows(min((pair.start_on for pair in pairs), default=None))
    expected, planned = headline(pairs, forms, opened)
    own = of_programme(programme)
    of_these = f"{own} and {known('indicator_code', HEADLINE)} and {known('split_by', INDICATOR_SPLITS)}"
    found = marts.rows(f"select * from marts.indicator_quarterly where {of_these} and {said(INDICATOR_NUMBERS)}")
    key = ("indicator_code", "period_view", "quarter", "split_by", "split_value")
    compare_cells("indicator_quarterly", expected, {tuple(row[name] for name in key): row for row in found})
    rows = marts.rows(
        "select period_view, quarter, bool_and(status = 'planned') as is_planned, "
        "bool_or(status = 'planned') as is_any_planned, "
        "count(num_nonnulls(eligible, due, reached, measured, achieved, share, coverage)) "
        "filter (where status = 'planned' and eligible is not null) as told "
        f"from marts.indicator_quarterly where indicator_code = '2.3' and {own} group by 1, 2"
    )
    assert {(row["period_view"], row["quarter"]) for row in rows} == set(opened)
    for row in rows:
        is_planned = (row["period_view"], row["quarter"]) in planned
        assert (row["is_planned"], row["is_any_planned"], row["told"]) == (is_planned, is_planned, 0), row
    # whom nobody measured has no share and no count of successes
    assert not marts.rows(
        "select 1 from marts.indicator_quarterly where coalesce(measured, 0) = 0 "
        f"and {of_these} and num_nonnulls(achieved, deteriorated, share, ci_low, ci_high, worst_case, best_case) > 0"
    )


def compare_programme(marts: Marts, named: tuple[str, str], pairs: list[Pair], forms: dict[str, list[Row]]) -> None:
    opened = windows(min((pair.start_on for pair in pairs), default=None))
    expected, unheard = programme(pairs, forms, opened)
    own = of_programme(named)
    of_these = f"{own} and {known('measure_code', MEASURES)} and {known('split_by', PROGRAMME_SPLITS)}"
    found = marts.rows(
        f"select * from marts.programme_indicator_quarterly where {of_these} and {said(PROGRAMME_NUMBERS)}"
    )
    key = ("measure_code", "period_view", "quarter", "split_by", "split_value")
    cells: dict[Any, Row] = {tuple(row[name] for name in key): row for row in found}
    compare_cells("programme_indicator_quarterly", expected, cells)
    for cell, row in cells.items():
        is_unheard = row["status"] == "insufficient_monitoring"
        assert is_unheard == (cell in unheard), f"{cell}: {row['status']}"
    assert not marts.rows(
        "select 1 from marts.programme_indicator_quarterly where denominator = 0 "
        "and num_nonnulls(numerator, value, ci_low, ci_high, q1, q3) > 0"
    )
    # the thin view of it says nothing else
    for row in marts.rows(f"select * from marts.programme_quarterly where {own}"):
        split = "all" if row["form"] == "all" else "form"
        of = expected.get((row["measure_code"], row["period_view"], row["quarter"], split, row["form"]), {})
        for name in ("numerator", "denominator", "value", "ci_low", "ci_high", "q1", "q3"):
            assert row[name] is None or same(of.get(name), row[name]), f"programme_quarterly {row}: {name} {of}"


def compare_lasting(marts: Marts, programme: tuple[str, str], pairs: list[Pair], forms: dict[str, list[Row]]) -> None:
    expected = lasting(pairs, forms)
    rows = marts.rows(f"select * from marts.sustainability where {of_programme(programme)}")
    found = {
        (row["result_code"], str(row["horizon"]), row["split_by"], row["split_value"], ""): row
        for row in rows
        if row["scheduled"]
    }
    compare_cells("sustainability", expected, found)
    begun = {cell[:2] for cell, numbers in expected.items() if numbers["due"]}
    for row in rows:
        cell = (row["result_code"], str(row["horizon"]))
        asked = (row["result_code"], row["horizon"]) in ASKED
        if not asked:
            assert row["scheduled"] is None, row
            assert row["status"] == "no_data", row
        else:
            assert (row["status"] == "planned") == (cell not in begun), row
            assert (row["due"] is None) == (cell not in begun), row


def compare_survival(marts: Marts, programme: tuple[str, str], pairs: list[Pair]) -> None:
    own = of_programme(programme)
    lasted, kept = (
        marts.rows(f"select * from marts.{mart} where {own}") for mart in ("match_survival", "contact_survival")
    )
    for form in ("all", "short", "long"):
        chosen = of_form(pairs, form)
        compare_curve([row for row in lasted if row["form"] == form], matches_lasted(chosen), "survival")
        for column, cases in contacts_lasted(chosen).items():
            compare_curve([row for row in kept if row["form"] == form], cases, column)


def compare_curve(found: list[Row], cases: Cases, column: str) -> None:
    expected = product_limit(cases)
    if column == "survival":
        assert [row["day"] for row in sorted(found, key=lambda row: row["day"])] == sorted(expected)
        for row in found:
            assert (row["at_risk"], row["events"], row["censored"]) == expected[row["day"]][:3], row
    for row in found:
        survival = expected[max(known for known in expected if known <= row["day"])][3]
        assert same(survival, row[column]), f"{column} is not {survival}: {row}"
