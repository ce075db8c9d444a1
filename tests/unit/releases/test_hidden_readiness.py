"""Outcomes of readiness are told; numbers about one person or two are not, nor those hidden elsewhere."""

from __future__ import annotations

import csv
from typing import Any

import pytest

from vmeste.releases.hidden_readiness import CELLS, HEADLINES, NOT_ABOUT_PEOPLE, OF_TWO_WINDOWS, hide_readiness
from vmeste.releases.measure_names import OTHERS, measure_names
from vmeste.settings import ROOT

Row = dict[str, Any]


def check(code: str, counted: int | None, total: int | None, *, evidence: str = "data", cell: str = "") -> Row:
    measure, split_by, split_value = cell.split() if cell else (None, None, None)
    return {
        "check_code": code,
        "evidence": evidence,
        "status": "partial",
        "measured": None if counted is None else counted / (total or 1),
        "counted": counted,
        "counted_of": total,
        "threshold": 0.9,
        "explanation_ru": "как в витрине",
        "check_ru": "Доля пар",
        "measure_code": measure,
        "split_by": split_by,
        "split_value": split_value,
    }


@pytest.mark.parametrize(
    ("row", "is_told"),
    [
        (check("needs_assessed", 5, 9), True),
        (check("needs_assessed", 2, 9), False),
        (check("needs_assessed", 7, 9), False),
        (check("needs_assessed", 9, 9), True),
        (check("needs_assessed", 0, 9), True),
        (check("programme_graduates_answered", 1, None), False),
        (check("programme_graduates_answered", 12, None), True),
        (check("a_check_that_nobody_knows_yet", 1, 9), False),
        (check("indicators_covered", 4, 5), True),
        (check("risk_current", 1, 2, evidence="artefact"), True),
        (check("fu12_response", 1, 9), True),
        (check("baseline_strict_short", 4, 9, cell="M11 form short"), False),
        (check("baseline_strict", 1, 9, cell="M11 all all"), True),
        (check("incidents_triaged", 1, 2), True),
        (check("sample_trend", 40, 30), False),
    ],
    ids=lambda given: (
        f"{given['check_code']} {given['counted']} {given['counted_of']}" if isinstance(given, dict) else ""
    ),
)
def test_numbers_of_few_are_hidden_and_the_outcome_stays(row: Row, is_told: bool) -> None:
    (shown,) = hide_readiness([row], {("M11", "form", "short")})
    assert shown["status"] == "partial"
    numbers = [shown[name] for name in ("measured", "counted", "counted_of")]
    if is_told:
        assert numbers == [row[name] for name in ("measured", "counted", "counted_of")]
        assert shown["explanation_ru"] == "как в витрине"
    else:
        assert numbers == [None] * 3
        assert shown["explanation_ru"] == "Доля пар: число скрыто — мало наблюдений; порог 0,9"
    assert not shown.keys() & {"check_ru", "measure_code", "split_by", "split_value"}


def test_a_check_that_is_not_measured_stays_as_it_is() -> None:
    (shown,) = hide_readiness([check("needs_assessed", None, None)], ())
    assert shown["explanation_ru"] == "как в витрине"


def test_the_checks_that_are_named_are_those_of_the_seed() -> None:
    with (ROOT / "dbt_project" / "seeds" / "readiness_checks.csv").open(encoding="utf-8") as file:
        seed = {row["check_code"]: row["evidence"] for row in csv.DictReader(file)}
    named = NOT_ABOUT_PEOPLE | HEADLINES | OF_TWO_WINDOWS | CELLS.keys()
    assert named <= seed.keys()
    assert {seed[code] for code in named} == {"data"}


def test_every_measure_has_a_name_and_a_unit() -> None:
    with (ROOT / "dbt_project" / "seeds" / "programme_measures.csv").open(encoding="utf-8") as file:
        seed = [row | {"sort_order": int(row["sort_order"])} for row in csv.DictReader(file)]
    names = measure_names(seed)
    assert {row["measure_code"] for row in names} == {row["measure_code"] for row in seed} | {
        code for code, *_ in OTHERS
    }
    assert all(row["name_ru"] and row["unit_ru"] for row in names)
    assert [row["sort_order"] for row in names] == sorted(row["sort_order"] for row in names)
    assert {row["indicator_code"] for row in names} == {f"M{number}" for number in range(1, 16)}
