"""The evidence annex for the experts: each recommendation, its checks with their values, and where these come from.

It says what the warehouse can say and predicts no level of the standard. The figures are the candidate's: a cell that
must not be seen is a word here as on the page. The same candidate and release give the same bytes.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from vmeste.releases import russian
from vmeste.releases.candidate import Candidate, ReadinessCheck
from vmeste.releases.page import PROGRAMME, environment, indicator_rows, laid_out, save, utc, window

if TYPE_CHECKING:
    from vmeste.releases.publish import Release

TYPE_SIZE = 9.4
"""Points of 1 rem: the annex takes as many pages as it needs."""


@dataclass(frozen=True, slots=True)
class CheckRow:
    """One check as the annex says it: texts only."""

    explanation: str
    measured: str
    threshold: str
    status: str
    status_code: str
    origin: str


@dataclass(frozen=True, slots=True)
class RecommendationRow:
    """One recommendation with its checks."""

    code: str
    text: str
    origin: str
    year: int
    section: str
    checks: tuple[CheckRow, ...]


@dataclass(frozen=True, slots=True)
class SectionRow:
    """The experts' levels of one section, oldest first, and how many of its checks have which outcome."""

    name: str
    levels: tuple[str, ...]
    counts: tuple[int, ...]  # in the order of russian.READINESS


def render_annex(candidate: Candidate, release: Release) -> str:
    """Return the annex as one self-contained HTML document."""
    years = sorted({level.year for level in candidate.levels})
    return (
        environment()
        .get_template("annex.html.j2")
        .render(
            programme=PROGRAMME,
            quarter=candidate.quarter.label_ru,
            window=window(candidate.quarter),
            cutoff=russian.moment(candidate.cutoff_at),
            release=release,
            state=russian.RELEASE_STATES[release.state],
            approvals=[(approval.role_ru, approval.user) for approval in release.approvals],
            years=years,
            sections=[_section_row(candidate, section, years) for section in candidate.sections],
            labels=list(russian.READINESS.values()),
            recommendations=recommendation_rows(candidate),
            indicators=indicator_rows(candidate),
            submissions=[
                (count, candidate.form_titles.get(count.form_id, count.form_id)) for count in candidate.submissions
            ],
            created=utc(candidate.cutoff_at),
        )
    )


def write_annex(html: str, path: Path) -> None:
    """Write the annex as PDF, A4; the same HTML gives the same bytes.

    Raises:
        PageError: WeasyPrint misses a library of the system.
    """
    save(laid_out(html, TYPE_SIZE), html, path)


def recommendation_rows(candidate: Candidate) -> list[RecommendationRow]:
    """Return the recommendations in their order of display, each with its checks; one without a check says so."""
    return [
        RecommendationRow(
            code=found.recommendation_id,
            text=found.text_ru,
            origin=russian.ORIGINS[found.origin],
            year=found.year,
            section=candidate.sections.get(found.section, found.section),
            checks=tuple(
                check_row(candidate, check)
                for check in candidate.readiness
                if check.recommendation_id == found.recommendation_id
            ),
        )
        for found in candidate.recommendations
    ]


def check_row(candidate: Candidate, check: ReadinessCheck) -> CheckRow:
    """Return one check in words."""
    return CheckRow(
        explanation=check.explanation_ru,
        measured=_figure(check.measured),
        threshold=_figure(check.threshold),
        status=russian.READINESS[check.status],
        status_code=check.status,
        origin=origin_of(candidate, check),
    )


def origin_of(candidate: Candidate, check: ReadinessCheck) -> str:
    """Say what a check is measured by: the kind of evidence, and of data each form with its submissions."""
    counts: Counter[str] = Counter()
    for count in candidate.submissions:
        counts[count.form_id] += count.submissions
    forms = [f"{russian.form_code(form)}: {russian.number(counts[form])}" for form in check.source_forms]
    kind = russian.EVIDENCE[check.evidence]
    return f"{kind}, записей {', '.join(forms)}" if forms else kind


def _figure(value: float | None) -> str:
    """Write a share or a number with as many decimals as it needs, two at most; nothing measured is a dash."""
    if value is None:
        return "–"
    written = russian.number(value, 2)
    return written.rstrip("0").rstrip(",") if "," in written else written


def _section_row(candidate: Candidate, section: str, years: list[int]) -> SectionRow:
    levels = {(level.section, level.year): level.level_ru for level in candidate.levels}
    statuses = Counter(check.status for check in candidate.readiness if check.section == section)
    return SectionRow(
        name=candidate.sections[section],
        levels=tuple(levels.get((section, year), "–") for year in years),
        counts=tuple(statuses[status] for status in russian.READINESS),
    )
