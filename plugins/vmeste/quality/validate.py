"""Run a suite over a frame and say which rows broke which rule. Values never leave this module."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from vmeste.quality.suites import Expectation, Suite

logger = logging.getLogger(__name__)


class ValidationFailed(Exception):
    """An expectation could not be evaluated: the suite does not fit the frame."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What validation found.

    ``broken`` maps a row's position to the rules it broke with severity warning, ``noted`` with severity info.
    ``blocking`` lists the critical rules that failed; ``counts`` are (rule, severity, elements, unexpected).
    """

    broken: Mapping[int, tuple[str, ...]]
    noted: Mapping[int, tuple[str, ...]]
    blocking: tuple[str, ...]
    counts: tuple[tuple[str, str, int, int], ...]
    remedies: Mapping[str, str] = field(default_factory=dict)


def merge(first: Verdict, second: Verdict) -> Verdict:
    """Return what two suites found on the same rows."""
    return Verdict(
        {row: (*first.broken.get(row, ()), *second.broken.get(row, ())) for row in {*first.broken, *second.broken}},
        {row: (*first.noted.get(row, ()), *second.noted.get(row, ())) for row in {*first.noted, *second.noted}},
        first.blocking + second.blocking,
        first.counts + second.counts,
        {**first.remedies, **second.remedies},
    )


def validate(frame: pd.DataFrame, suite: Suite) -> Verdict:
    """Check every row of a frame, shape (rows, columns), against a suite.

    Raises:
        ValidationFailed: an expectation raised instead of answering; the message names its rule.
    """
    expectations = [expectation for expectation in suite.expectations if _concerns(expectation, frame)]
    broken: dict[int, list[str]] = {}
    noted: dict[int, list[str]] = {}
    blocking: list[str] = []
    counts: list[tuple[str, str, int, int]] = []
    # Great Expectations hashes and copies all that it is given: it gets the columns that a rule looks at
    named = set(_strings([entry["kwargs"] for entry in expectations]))
    looked_at = frame[[column for column in frame.columns if column in named]].assign(_row=range(len(frame)))
    for result in _run(looked_at, suite.name, expectations):
        expectation = result.expectation_config
        rule, severity = str(expectation.meta["rule"]), str(expectation.severity.value)
        if not result.success and "unexpected_index_list" not in result.result:
            raise ValidationFailed(
                f"{suite.name}: rule {rule} could not be checked: {_reason(result.exception_info)}. "
                "Compare the suite's column names with the form"
            )
        rows = [int(entry["_row"]) for entry in result.result.get("unexpected_index_list") or []]
        counts.append((rule, severity, int(result.result.get("element_count") or 0), len(rows)))
        if severity == "critical" and rows:
            blocking.append(rule)
        for row in rows:
            (noted if severity == "info" else broken).setdefault(row, []).append(rule)
    return Verdict(
        {row: tuple(rules) for row, rules in broken.items()},
        {row: tuple(rules) for row, rules in noted.items()},
        tuple(blocking),
        tuple(counts),
        {expectation["meta"]["rule"]: expectation["meta"]["remedy_ru"] for expectation in expectations},
    )


def _concerns(expectation: Expectation, frame: pd.DataFrame) -> bool:
    """Say whether an expectation has anything to look at; one that asks for no nulls always has."""
    if len(frame) == 0:
        return False
    kwargs = expectation["kwargs"]
    if expectation["type"] == "expect_column_values_to_be_null":
        return bool(frame[kwargs["column"]].notna().any())
    return True


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        yield from _strings(list(value.values()))
    elif isinstance(value, list):
        for entry in value:
            yield from _strings(entry)


def _run(frame: pd.DataFrame, name: str, expectations: list[Expectation]) -> list[Any]:
    if not expectations:
        return []
    # imported late: it costs seconds, and most processes never validate
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
    import great_expectations as gx
    from great_expectations.core.expectation_suite import ExpectationSuite
    from great_expectations.data_context.types.base import ProgressBarsConfig

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    asset = context.data_sources.add_pandas("landing").add_dataframe_asset(name)
    batch = asset.add_batch_definition_whole_dataframe("batch").get_batch({"dataframe": frame})
    outcome = batch.validate(
        ExpectationSuite(name=name, expectations=expectations),
        result_format={
            "result_format": "COMPLETE",
            "unexpected_index_column_names": ["_row"],
            "include_unexpected_rows": False,
        },
    )
    return list(outcome.results)


def _reason(exception_info: Mapping[str, Any]) -> str:
    message = exception_info.get("exception_message")
    if message is None:  # one entry a metric
        message = next(
            (str(entry.get("exception_message")) for entry in exception_info.values() if isinstance(entry, dict)), ""
        )
    return str(message).splitlines()[0] if message else "no reason given"
