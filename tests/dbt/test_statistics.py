"""The statistics that SQL computes, beside those of other tools: Kaplan–Meier and exact Poisson limits."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from psycopg.rows import dict_row
from scipy.stats import chi2, norm
from statsmodels.duration.survfunc import SurvfuncRight
from statsmodels.stats.proportion import proportion_confint

from vmeste.settings import Settings
from vmeste.warehouse import transform
from vmeste.warehouse.connect import connect

RECORDED = Path(__file__).parent / "recorded" / "lifelines.json"
"""Curves by lifelines, which does not go with pandas 3: computed once in an environment of its own."""

MACROS = {
    "curve": "with cases as (select * from given_cases) {{ kaplan_meier('cases', keys=['form']) }}",
    "limits": "select k, {{ poisson_low('k') }} as low, {{ poisson_high('k') }} as high from given_counts",
    "wilson": "select k, n, {{ wilson_low('k', 'n') }} as low, {{ wilson_high('k', 'n') }} as high from given_shares",
}

Curve = Callable[[list[tuple[int, bool]]], list[dict[str, Any]]]


def dbt(settings: Settings, *arguments: str) -> str:
    target = settings.home / "dbt" / "statistics"
    outcome = subprocess.run(
        [
            str(Path(sys.executable).parent / "dbt"),
            "--quiet",
            *arguments,
            "--project-dir",
            str(settings.root / "dbt_project"),
            "--target-path",
            str(target),
            "--log-path",
            str(target / "logs"),
        ],
        env=os.environ | transform.dbt_environment(settings),
        capture_output=True,
        text=True,
        check=False,
    )
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
    return outcome.stdout


@pytest.fixture(scope="module")
def compiled(settings: Settings) -> dict[str, str]:
    """Return the SQL of each macro call; the seeds that it reads are there."""
    dbt(settings, "seed", "--select", "poisson_limits")
    return {
        name: str(json.loads(dbt(settings, "compile", "--inline", code, "--output", "json"))["compiled"])
        for name, code in MACROS.items()
    }


@pytest.fixture(scope="module")
def connection(settings: Settings) -> Iterator[psycopg.Connection[dict[str, Any]]]:
    with connect(settings, "vmeste_transformer") as opened:
        opened.row_factory = dict_row  # type: ignore[assignment]
        yield opened  # type: ignore[misc]


@pytest.fixture(scope="module")
def curve(connection: psycopg.Connection[dict[str, Any]], compiled: dict[str, str]) -> Curve:
    """Return the curve that SQL draws through the cases given: days lasted, and whether it ended then."""
    connection.execute("create temporary table given_cases (form text, duration_days integer, is_event boolean)")

    def draw(cases: list[tuple[int, bool]]) -> list[dict[str, Any]]:
        connection.execute("truncate given_cases")
        with connection.cursor() as cursor:
            # a second form beside it: curves do not touch each other
            cursor.executemany(
                "insert into given_cases values (%s, %s, %s)",
                [("short", *case) for case in cases] + [("long", day + 1, not ended) for day, ended in cases],
            )
        found = connection.execute((compiled["curve"] + " order by form, day").encode()).fetchall()
        return [row for row in found if row["form"] == "short"]

    return draw


@pytest.mark.parametrize("number", range(12))
def test_curves_agree_with_lifelines(curve: Curve, number: int) -> None:
    expected = json.loads(RECORDED.read_text(encoding="utf-8"))["curves"][number]
    drawn = curve([(day, bool(event)) for day, event in zip(expected["durations"], expected["events"], strict=True)])
    assert [row["day"] for row in drawn] == expected["days"]
    for column in ("survival", "ci_low", "ci_high"):
        assert [row[column] for row in drawn] == pytest.approx(expected[column], abs=1e-9), column


@hypothesis_settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    derandomize=True,
)
@given(cases=st.lists(st.tuples(st.integers(0, 400), st.booleans()), min_size=1, max_size=60))
def test_curves_agree_with_statsmodels(curve: Curve, cases: list[tuple[int, bool]]) -> None:
    days, events = [day for day, _ in cases], [int(event) for _, event in cases]
    drawn = {row["day"]: row for row in curve(cases)}
    assert set(drawn) == {0, *days}
    for day, row in drawn.items():
        assert row["at_risk"] == sum(other >= day for other in days)
        assert row["events"] == sum(other == day and event for other, event in cases)
        assert row["censored"] == sum(other == day and not event for other, event in cases)
    # one unit later, for statsmodels takes no event on day 0
    known = SurvfuncRight([day + 1 for day in days], events)
    for time, survival, error in zip(known.surv_times, known.surv_prob, known.surv_prob_se, strict=True):
        row = drawn[int(time) - 1]
        assert row["survival"] == pytest.approx(survival, abs=1e-9)
        if 1e-12 < survival < 1 - 1e-12:
            # Greenwood by the delta method on log(−log S)
            width = norm.ppf(0.975) * error / (survival * abs(math.log(survival)))
            assert row["ci_low"] == pytest.approx(survival ** math.exp(width), abs=1e-9)
            assert row["ci_high"] == pytest.approx(survival ** math.exp(-width), abs=1e-9)
        else:
            assert row["ci_low"] == row["ci_high"] == pytest.approx(survival, abs=1e-9)


def test_no_case_no_curve(curve: Curve) -> None:
    assert curve([]) == []


def test_poisson_limits_agree_with_scipy(
    connection: psycopg.Connection[dict[str, Any]], compiled: dict[str, str]
) -> None:
    connection.execute("create temporary table given_counts as select generate_series(0, 1000) as k union select null")
    found = connection.execute((compiled["limits"] + " order by k nulls last").encode()).fetchall()
    assert len(found) == 1002
    assert found.pop() == {"k": None, "low": None, "high": None}
    for row in found:
        count = row["k"]
        low = chi2.ppf(0.025, 2 * count) / 2 if count else 0
        high = chi2.ppf(0.975, 2 * count + 2) / 2
        # exact up to 500 events, an approximation that says how good it is beyond
        close: dict[str, float] = {"abs": 1e-9} if count <= 500 else {"rel": 2e-6}
        assert row["low"] == pytest.approx(low, **close), count
        assert row["high"] == pytest.approx(high, **close), count


def test_wilson_bounds_of_many_agree_with_statsmodels(
    connection: psycopg.Connection[dict[str, Any]], compiled: dict[str, str]
) -> None:
    connection.execute("create temporary table given_shares (k bigint, n bigint)")
    totals = (1, 10, 999, 20_000, 1_000_000, 3_000_000_000)
    shares = [(count, total) for total in totals for count in (0, 1, total // 3, total - 1, total)]
    with connection.cursor() as cursor:
        cursor.executemany("insert into given_shares values (%s, %s)", [*shares, (0, 0), (None, 5), (None, None)])
    for row in connection.execute(compiled["wilson"].encode()).fetchall():
        if row["k"] is None or not row["n"]:
            assert (row["low"], row["high"]) == (None, None), row
        else:
            expected = proportion_confint(row["k"], row["n"], method="wilson")
            assert (row["low"], row["high"]) == pytest.approx(expected, abs=1e-9), row
