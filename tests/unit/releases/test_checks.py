"""Each claim about a candidate fails on an input that breaks it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from vmeste.releases.candidate import Candidate
from vmeste.releases.checks import failed_checks


def test_made_up_candidate_passes(candidate: Candidate) -> None:
    assert failed_checks(candidate) == ()


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"achieved": 22}, "achieved 22 is more than measured 21"),
        ({"measured": 25}, "measured 25 is more than reached 21"),
        ({"due": 22}, "due 22 is more than eligible 21"),
        ({"share": 0.8}, "share 0.8 is not 17/21"),
        ({"share": None}, "shown, but without a share"),
        ({"ci_low": 0.82}, "lies outside its interval"),
        ({"best_case": 0.7, "worst_case": 0.1}, "lies outside its range"),
        ({"status": "no_data"}, "has a share although its status is no_data"),
        ({"deteriorated": 5, "deterioration_known": 4}, "5 deteriorated of 4 known of 21 measured"),
    ],
)
def test_broken_cell_is_named(candidate: Candidate, change: dict[str, object], problem: str) -> None:
    broken = tuple(
        replace(value, **change)  # type: ignore[arg-type]
        if (value.indicator_code, value.period_view, value.quarter) == ("1.1", "quarter", "2031-Q4")
        and value.is_headline
        else value
        for value in candidate.indicators
    )
    found = failed_checks(replace(candidate, indicators=broken))
    assert any(text.startswith("1.1 2031-Q4 quarter: ") and problem in text for text in found), found


def test_missing_headline_is_named(candidate: Candidate) -> None:
    kept = tuple(v for v in candidate.indicators if (v.indicator_code, v.period_view) != ("3.1", "cohort_year"))
    assert failed_checks(replace(candidate, indicators=kept)) == ("3.1 has no headline in the view cohort_year",)


def test_cell_that_stands_there_twice_is_named(candidate: Candidate) -> None:
    doubled = (*candidate.indicators, candidate.own_values[0])
    assert any("twice" in text for text in failed_checks(replace(candidate, indicators=doubled)))
