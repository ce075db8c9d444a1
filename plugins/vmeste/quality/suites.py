"""The suite of a form: what the form itself says, and the rules that a form cannot say.

The first part is derived from ``forms/<form_id>.md`` each time, so that a new question is checked from its first
answer. The second lies in ``expectations/<form_id>.json`` as a native Great Expectations suite. Severity decides what
happens: critical blocks the batch, warning puts the row into quarantine, info leaves a note on the row.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vmeste.forms import REPEAT, Form, Question
from vmeste.forms.columns import key_column
from vmeste.quality.typing import UNTYPED

Expectation = dict[str, Any]
"""An expectation as the JSON of a suite has it: type, kwargs, severity, meta with ``rule`` and ``remedy_ru``."""


class SuiteError(Exception):
    """A suite file is missing something that a report needs."""


@dataclass(frozen=True, slots=True)
class Suite:
    """All expectations on the rows of one form, and the reference columns that they need."""

    name: str
    expectations: tuple[Expectation, ...]
    references: Mapping[str, Any]

    def split_by_column(self, column: str) -> tuple[Suite, Suite]:
        """Return the expectations that do not look at a column, and those that do."""
        looking = tuple(entry for entry in self.expectations if column in entry["kwargs"].values())
        others = tuple(entry for entry in self.expectations if entry not in looking)
        return Suite(self.name, others, self.references), Suite(self.name, looking, self.references)


def suite_for(form: Form, folder: Path) -> Suite:
    """Put the two parts of a form's suite together.

    Raises:
        SuiteError: an expectation lacks a rule name, a remedy or a known severity, or two have the same name.
    """
    written = read_suite(folder / f"{form.form_id}.json")
    expectations = [*basic_expectations(form), *written["expectations"]]
    _refuse_equal_names(form.form_id, expectations)
    return Suite(form.form_id, tuple(expectations), written.get("meta", {}))


def suite_for_members(form: Form, repeat: Question, folder: Path) -> Suite:
    """Return the suite of a repeat's members: what its questions say, and ``expectations/<form_id>.<repeat>.json``.

    Rules are called ``<repeat>.<rule>``, so that a report tells them from those of the submission.

    Raises:
        SuiteError: as ``suite_for``.
    """
    name = f"{form.form_id}.{repeat.name}"
    written = read_suite(folder / f"{name}.json")
    expectations = [
        {**entry, "meta": {**entry["meta"], "rule": f"{repeat.name}.{entry['meta']['rule']}"}}
        for entry in (*_of_questions(repeat.members), *written["expectations"])
    ]
    if "unique" in written.get("meta", {}).get("references", {}):
        raise SuiteError(
            f"{name}.json: members are not compared with those of other submissions: `unique` cannot be used"
        )
    _refuse_equal_names(name, [*_question_expectations(repeat), *expectations])
    return Suite(name, tuple(expectations), written.get("meta", {}))


def _refuse_equal_names(suite: str, expectations: Iterable[Expectation]) -> None:
    rules = [expectation["meta"]["rule"] for expectation in expectations]
    twice = sorted({rule for rule in rules if rules.count(rule) > 1})
    if twice:
        raise SuiteError(f"{suite}: two expectations are called {', '.join(twice)}: name each rule once")


def read_suite(file: Path) -> dict[str, Any]:
    """Read a suite file and hold it to what reports need.

    Raises:
        SuiteError: names the file, the expectation and what is missing.
    """
    if not file.exists():
        return {"name": file.stem, "expectations": [], "meta": {}}
    written: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    for number, expectation in enumerate(written["expectations"], start=1):
        where = f"{file.name}, expectation {number} ({expectation.get('type')})"
        if expectation.get("severity") not in {"critical", "warning", "info"}:
            raise SuiteError(f"{where}: severity must be critical, warning or info")
        for wanted in ("rule", "remedy_ru"):
            if not expectation.get("meta", {}).get(wanted):
                raise SuiteError(f"{where}: meta.{wanted} is missing: reports show it to the people who mend the row")
    return written


def basic_expectations(form: Form) -> list[Expectation]:
    """Return what the form says of its rows: identity, types, required answers, choices, constraints."""
    expectations = [
        _expect(
            "expect_column_values_to_not_be_null",
            {"column": column},
            "critical",
            f"{column}.required",
            "У записи нет номера или времени отправки: проверьте выгрузку, она обрезана или не та",
        )
        for column in ("_submission_id", "_submitted_at", "_form_version")
    ]
    return expectations + _of_questions(form.questions)


def _of_questions(questions: Iterable[Question]) -> list[Expectation]:
    expectations: list[Expectation] = []
    for question in questions:
        if question.key:
            if question.is_required:
                expectations.append(_required(question, key_column(question.name)))
        elif question.privacy != "vault":
            expectations += _question_expectations(question)
    return expectations


def _question_expectations(question: Question) -> list[Expectation]:
    name, label = question.name, question.label_ru
    message = question.constraint_message_ru
    expectations = []
    if question.is_required:
        expectations.append(_required(question, name))
    if question.kind not in {"text", "select_one", "select_multiple"}:
        shape = {
            "integer": "целое число",
            "decimal": "число",
            "date": "дата вида 31.12.2021",
            "time": "время вида 14:30",
            "dateTime": "дата и время",
            REPEAT: "список записей",
        }[question.kind]
        expectations.append(
            _expect(
                "expect_column_values_to_be_null",
                {"column": f"{UNTYPED}{name}"},
                "warning",
                f"{name}.type",
                f"«{label}»: здесь нужно {shape}; исправьте ответ в форме",
            )
        )
    codes = [choice.name for choice in question.choices]
    if question.kind == "select_one":
        expectations.append(
            _expect(
                "expect_column_values_to_be_in_set",
                {"column": name, "value_set": codes},
                "warning",
                f"{name}.choices",
                f"«{label}»: такого варианта нет в списке ({', '.join(codes)}); выберите ответ из списка",
            )
        )
    if question.kind == "select_multiple":
        one = "|".join(codes)
        expectations.append(
            _expect(
                "expect_column_values_to_match_regex",
                {"column": name, "regex": rf"^(?:{one})(?: (?:{one}))*$"},
                "warning",
                f"{name}.choices",
                f"«{label}»: среди ответов есть вариант не из списка ({', '.join(codes)})",
            )
        )
    if question.minimum is not None or question.maximum is not None:
        expectations.append(
            _expect(
                "expect_column_values_to_be_between",
                {"column": name, "min_value": question.minimum, "max_value": question.maximum},
                "warning",
                f"{name}.range",
                f"«{label}»: {message or 'значение вне допустимых границ'}; исправьте ответ в форме",
            )
        )
    if question.pattern is not None:
        expectations.append(
            _expect(
                "expect_column_values_to_match_regex",
                {"column": name, "regex": f"^(?:{question.pattern})$"},
                "warning",
                f"{name}.pattern",
                f"«{label}»: {message or 'ответ не того вида'}; исправьте ответ в форме",
            )
        )
    if question.not_in_future:
        expectations.append(
            _expect(
                "expect_column_pair_values_a_to_be_greater_than_b",
                {"column_A": "_today", "column_B": name, "or_equal": True, "ignore_row_if": "either_value_is_missing"},
                "warning",
                f"{name}.future",
                f"«{label}»: дата ещё не наступила; исправьте год или день",
            )
        )
    return expectations


def _required(question: Question, column: str) -> Expectation:
    kwargs: dict[str, Any] = {"column": column}
    if question.relevant_when is not None:
        condition = question.relevant_when
        kwargs["row_condition"] = {
            "type": "comparison",
            "column": {"name": condition.question},
            "operator": "IN",
            "parameter": list(condition.values),
        }
    return _expect(
        "expect_column_values_to_not_be_null",
        kwargs,
        "warning",
        f"{question.name}.required",
        f"«{question.label_ru}»: ответа нет, а он обязателен; дополните запись в форме",
    )


def _expect(type_: str, kwargs: dict[str, Any], severity: str, rule: str, remedy_ru: str) -> Expectation:
    return {"type": type_, "kwargs": kwargs, "severity": severity, "meta": {"rule": rule, "remedy_ru": remedy_ru}}
