"""What must hold of a candidate before anybody may release it; one failure stops the release (DOMAIN 6).

The marts have their own tests; these look at what is about to be published, after hiding, and need no database.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from vmeste.releases.candidate import Candidate
from vmeste.releases.disclosure import IndicatorValue

PERIOD_VIEWS = ("quarter", "rolling_4q", "cohort_year")
TOLERANCE = 1e-9


def failed_checks(candidate: Candidate) -> tuple[str, ...]:
    """Return a sentence for each claim that fails: which cell, what is wrong."""
    return tuple(_failures(candidate))


def _failures(candidate: Candidate) -> Iterator[str]:
    for code in sorted({definition.indicator_code for definition in candidate.definitions}):
        for view in PERIOD_VIEWS:
            if candidate.headline(code, view) is None:
                yield f"{code} has no headline in the view {view}"
    seen = set()
    for value in candidate.own_values:
        if value.cell in seen:
            yield f"{_name(value)} stands there twice"
        seen.add(value.cell)
        yield from (f"{_name(value)}: {problem}" for problem in _problems(value))


def _name(value: IndicatorValue) -> str:
    code, view, quarter, split_by, split_value = value.cell
    return f"{code} {quarter} {view}" + ("" if value.is_headline else f" {split_by}={split_value}")


def _problems(value: IndicatorValue) -> Iterator[str]:
    funnel = [("achieved", value.achieved), ("measured", value.measured), ("reached", value.reached)]
    funnel += [("due", value.due), ("eligible", value.eligible)]
    known = [(name, count) for name, count in funnel if count is not None]
    for (name, count), (next_name, next_count) in pairwise(known):
        if not 0 <= count <= next_count:
            yield f"{name} {count} is more than {next_name} {next_count}"
    counts = [count for count in (value.deteriorated, value.deterioration_known, value.measured) if count is not None]
    if counts != sorted(counts):
        yield f"{value.deteriorated} deteriorated of {value.deterioration_known} known of {value.measured} measured"
    if value.status == "shown" and (value.share is None or value.ci_low is None or value.ci_high is None):
        yield "shown, but without a share and its interval"
    if value.share is not None:
        yield from _share_problems(value, value.share)


def _share_problems(value: IndicatorValue, share: float) -> Iterator[str]:
    if value.status != "shown":
        yield f"has a share although its status is {value.status}"
    if value.achieved is None or not value.measured or abs(share - value.achieved / value.measured) > TOLERANCE:
        yield f"share {share} is not {value.achieved}/{value.measured}"
    for low, high, name in (
        (value.ci_low, value.ci_high, "interval"),
        (value.worst_case, value.best_case, "range from worst to best case"),
    ):
        if low is not None and high is not None and not low - TOLERANCE <= share <= high + TOLERANCE:
            yield f"share {share} lies outside its {name} {low} to {high}"
