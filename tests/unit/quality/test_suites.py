"""Suites: every form's suite is whole, and every rule in it can fail."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from vmeste.forms import load_form, load_forms
from vmeste.forms.columns import answer_columns
from vmeste.quality.marts import suites
from vmeste.quality.suites import Suite, SuiteError, read_suite, suite_for
from vmeste.quality.typing import typed
from vmeste.quality.validate import ValidationFailed, validate
from vmeste.settings import ROOT

FORMS = load_forms(ROOT / "forms")
EXPECTATIONS = ROOT / "expectations"


@pytest.mark.parametrize("form_id", sorted(FORMS))
def test_each_form_has_a_suite_with_a_remedy_for_each_rule(form_id: str) -> None:
    suite = suite_for(FORMS[form_id], EXPECTATIONS)
    assert len(suite.expectations) > 5
    assert all(expectation["meta"]["remedy_ru"] for expectation in suite.expectations)


def test_each_suite_file_belongs_to_a_form_or_a_mart() -> None:
    repeats = {f"{form.form_id}.{repeat.name}" for form in FORMS.values() for repeat in form.repeats}
    strangers = {file.stem for file in EXPECTATIONS.glob("*.json")} - set(FORMS) - repeats
    assert strangers == {f"marts.{relation}" for relation in suites(EXPECTATIONS)}


def test_a_new_question_is_checked_without_touching_a_suite(tmp_path: Path) -> None:
    text = (ROOT / "forms" / "f4_meeting.md").read_text(encoding="utf-8")
    row = next(line for line in text.splitlines() if "mentee_mood" in line)
    changed = tmp_path / "f4_meeting.md"
    asked = (
        row.replace("mentee_mood", "mentor_mood").replace("настроение", "самочувствие").replace("mentee's", "mentor's")
    )
    changed.write_text(text.replace(row, f"{row}\n{asked}"), encoding="utf-8")
    form = load_form(changed)
    assert "mentor_mood" in answer_columns(form)
    rules = {expectation["meta"]["rule"] for expectation in suite_for(form, EXPECTATIONS).expectations}
    assert "mentor_mood.choices" in rules


@pytest.mark.parametrize("missing", ["severity", "rule", "remedy_ru"])
def test_a_rule_without_what_reports_need_is_refused(tmp_path: Path, missing: str) -> None:
    expectation = {
        "type": "expect_column_values_to_not_be_null",
        "kwargs": {"column": "x"},
        "severity": "warning",
        "meta": {"rule": "x.required", "remedy_ru": "Заполните"},
    }
    (expectation if missing == "severity" else expectation["meta"]).pop(missing)  # type: ignore[attr-defined]
    file = tmp_path / "f.json"
    file.write_text(json.dumps({"name": "f", "expectations": [expectation], "meta": {}}), encoding="utf-8")
    with pytest.raises(SuiteError, match=missing):
        read_suite(file)


def test_required_depends_on_relevance() -> None:
    form = FORMS["f4_meeting"]
    rows = pd.DataFrame({name: [None, None] for name in answer_columns(form)})
    rows["status"] = ["held", "no_show"]
    frame = typed(rows, answer_columns(form))
    only = [e for e in suite_for(form, EXPECTATIONS).expectations if e["meta"]["rule"] == "duration_min.required"]
    assert only, "the duration of a held meeting is required"
    assert validate(frame, Suite("f4", tuple(only), {})).broken == {0: ("duration_min.required",)}


def test_an_expectation_that_does_not_fit_the_frame_is_an_error_not_a_pass() -> None:
    expectation = {
        "type": "expect_column_values_to_not_be_null",
        "kwargs": {"column": "no_such_column"},
        "severity": "warning",
        "meta": {"rule": "gone", "remedy_ru": "…"},
    }
    with pytest.raises(ValidationFailed, match="gone"):
        validate(pd.DataFrame({"x": [1]}), Suite("s", (expectation,), {}))


GOOD = {
    "organisation_code": "o",
    "programme_code": "p",
    "indicator_code": "1.1",
    "period_view": "quarter",
    "quarter": "2021-Q4",
    "split_by": "all",
    "split_value": "all",
    "eligible": 21,
    "due": 21,
    "reached": 21,
    "measured": 21,
    "achieved": 17,
    "deteriorated": 0,
    "share": 17 / 21,
    "ci_low": 0.6,
    "ci_high": 0.92,
    "coverage": 1.0,
    "worst_case": 17 / 21,
    "best_case": 17 / 21,
    "status": "shown",
}


def test_a_sound_mart_passes() -> None:
    verdict = validate(pd.DataFrame([GOOD]), suites(EXPECTATIONS)["indicator_quarterly"])
    assert verdict.blocking == ()


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"indicator_code": "2.1 all"}, "indicator_code"),
        ({"status": "?"}, "known_status"),
        ({"achieved": 22}, "achieved_at_most_measured"),
        ({"measured": 22}, "measured_at_most_eligible"),
        ({"reached": 20}, "measured_at_most_reached"),
        ({"deteriorated": 22}, "deteriorated_at_most_measured"),
        ({"ci_low": 0.9}, "ci_low_at_most_share"),
        ({"ci_high": 0.1}, "share_at_most_ci_high"),
        ({"worst_case": 0.9, "best_case": 0.8}, "worst_case_at_most_best_case"),
        ({"share": 1.2, "ci_high": 1.3}, "share_is_a_share"),
        ({"coverage": 1.2}, "coverage_is_a_share"),
        ({"measured": 9, "achieved": 9}, "no_percent_below_ten"),
        ({"status": "planned"}, "planned_is_empty"),
    ],
)
def test_each_rule_on_the_published_figures_can_fail(change: dict[str, object], rule: str) -> None:
    verdict = validate(
        pd.DataFrame([GOOD, GOOD | {"quarter": "2021-Q3"} | change]), suites(EXPECTATIONS)["indicator_quarterly"]
    )
    assert rule in verdict.blocking


def test_a_cell_counted_twice_is_found() -> None:
    verdict = validate(pd.DataFrame([GOOD, GOOD]), suites(EXPECTATIONS)["indicator_quarterly"])
    assert verdict.blocking == ("one_row_per_cell",)


def test_the_readme_lists_every_rule_with_its_severity() -> None:
    table = (EXPECTATIONS / "README.md").read_text(encoding="utf-8")
    for file in EXPECTATIONS.glob("*.json"):
        for expectation in read_suite(file)["expectations"]:
            assert f"| `{file.stem}` | `{expectation['meta']['rule']}` | {expectation['severity']} |" in table
