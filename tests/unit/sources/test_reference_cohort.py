"""The connector on the files that the demo reads: every row arrives, and only the planted faults stay uncanonical."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from tests.unit.sources.conftest import REPOSITORY
from vmeste.forms import Question, load_forms
from vmeste.sources import Source, load_sources, open_source

FORMS = load_forms(REPOSITORY / "forms")
COHORT = REPOSITORY / "examples" / "reference_cohort"
EXPECTED = yaml.safe_load((COHORT / "expected.yml").read_text(encoding="utf-8"))["forms"]
FAULTS = yaml.safe_load((COHORT / "faults.yml").read_text(encoding="utf-8"))["faults"]

IS_CANONICAL: dict[str, Callable[[str, Question], Any]] = {
    "text": lambda answer, _: True,
    "integer": lambda answer, _: re.fullmatch(r"-?\d+", answer),
    "date": lambda answer, _: re.fullmatch(r"\d{4}-\d{2}-\d{2}", answer),
    "time": lambda answer, _: re.fullmatch(r"\d{2}:\d{2}:\d{2}", answer),
    "select_one": lambda answer, question: answer in {choice.name for choice in question.choices},
    "select_multiple": lambda answer, question: set(answer.split()) <= {choice.name for choice in question.choices},
}


@pytest.fixture(scope="module")
def source() -> Source:
    (config,) = load_sources(REPOSITORY / "forms" / "sources.yml").sources
    return open_source(config)


@pytest.mark.parametrize("form_id", sorted(EXPECTED))
def test_every_row_arrives_once_and_canonical(source: Source, form_id: str) -> None:
    form = FORMS[form_id]
    extraction = source.extract(form, None)
    submissions = list(extraction.submissions)
    assert extraction.refusals == ()
    assert extraction.server_count == len(submissions) == EXPECTED[form_id]["rows"]
    assert not source.has_news(form, extraction.cursor)
    broken = {
        submission.submission_id
        for submission in submissions
        for question in form.questions
        if (answer := submission.answers[question.name]) is not None
        and not IS_CANONICAL[question.kind](answer, question)
    }
    planted = {
        fault["submission_id"]
        for fault in FAULTS
        if fault["form"] == form_id and fault["family"] in {"bad_number", "choice_not_in_list"}
    }
    assert broken == planted
