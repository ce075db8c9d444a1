"""One page for leadership: HTML for the screen, and the same as one A4 page in PDF (DOMAIN 6).

``render_html`` knows no clock and no network: the same candidate and release give the same text. ``write_pdf`` embeds
the fonts and fixes every identifier, so the same text gives the same bytes.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from vmeste.releases import russian
from vmeste.releases.candidate import (
    FOLLOW_UP_DAYS,
    QUARTERS_BACK,
    Break,
    Candidate,
    Definition,
    FollowUpCount,
    LegacyFigure,
    ProgrammeValue,
)
from vmeste.releases.charts import Point, interval_chart
from vmeste.releases.decisions import DETERIORATED_FROM, HEADLINE_VIEW, by_form, decisions, quarantined_rows
from vmeste.releases.disclosure import IndicatorValue
from vmeste.releases.quarters import Quarter
from vmeste.releases.small_counts import SMALLEST_ROWS, least

if TYPE_CHECKING:
    from vmeste.releases.publish import Release

TEMPLATES = Path(__file__).parent / "templates"
PROGRAMME = "Наставничество. Действуем вместе!"
DECISIONS_SHOWN = 8
TYPE_SIZES = (11.4, 11.0, 10.6, 10.2, 9.8, 9.4, 9.0, 8.6)
"""Points of 1 rem tried, largest first, until the page is one page; below the last nobody would read it."""


class PageError(Exception):
    """The page cannot be made; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class IndicatorRow:
    """One indicator as the page says it: texts only."""

    code: str
    name: str
    full_name: str
    big: str  # the share, or the count where the share must not be the headline, or the status
    is_big_number: bool
    counts: str
    interval: str
    chart: Markup
    coverage: str
    coverage_flag: str
    coverage_band: str
    bounds: str
    previous: str
    worse: str
    is_worse: bool
    reliable: str  # of a gain: how many gained more than the error of measurement explains; '' if nothing says so
    legacy: str
    legacy_year: int | None


@dataclass(frozen=True, slots=True)
class FormRow:
    """One line of the table of pairs: texts only."""

    label: str
    active: str
    started: str
    ended: str
    hours: str
    meetings: str
    closed_early: str
    due: tuple[str, ...]  # by horizon


@dataclass(frozen=True, slots=True)
class SectionRow:
    """Checks of one section of the standard."""

    name: str
    level: str
    counts: tuple[int, ...]  # in the order of russian.READINESS


def render_html(candidate: Candidate, release: Release) -> str:
    """Return the page as one self-contained HTML document, without scripts, fonts or anything from elsewhere."""
    found = decisions(candidate)
    horizons = sorted({count.horizon for count in candidate.follow_ups}) or [6, 12]
    return (
        environment()
        .get_template("page.html.j2")
        .render(
            programme=PROGRAMME,
            quarter=candidate.quarter.label_ru,
            window=window(candidate.quarter),
            cutoff=russian.moment(candidate.cutoff_at),
            cutoff_on=russian.day(candidate.cutoff_at.date()),
            release=release,
            state=russian.RELEASE_STATES[release.state],
            released_on=None
            if release.released_at is None
            else russian.day(release.released_at.astimezone(candidate.cutoff_at.tzinfo).date()),
            approvals=[(approval.role_ru, approval.user) for approval in release.approvals],
            horizons=horizons,
            due_until=f"{candidate.cutoff_at.date() + timedelta(days=FOLLOW_UP_DAYS - 1):%d.%m.%Y}",
            forms=[_form_row(candidate, form, horizons) for form in ("all", "short", "long")],
            indicators=indicator_rows(candidate),
            decisions=found[:DECISIONS_SHOWN],
            further=max(0, len(found) - DECISIONS_SHOWN),
            readiness_labels=list(russian.READINESS.values()),
            sections=_section_rows(candidate),
            level_year=max((level.year for level in candidate.levels), default=None),
            caveats=_caveats(candidate),
            checksum=release.checksum[:12],
            created=utc(candidate.cutoff_at),
        )
    )


def write_pdf(html: str, path: Path) -> None:
    """Write a page made by ``render_html`` as one A4 page; the same HTML gives the same bytes.

    Raises:
        PageError: even with the smallest type it does not fit on one page.
    """
    for size in TYPE_SIZES:
        document = laid_out(html, size)
        if len(document.pages) == 1:
            save(document, html, path)
            return
    raise PageError(
        f"the page takes {len(document.pages)} pages even with the smallest type: shorten the indicators' names or "
        "the names of the standard's sections"
    )


def laid_out(html: str, size: float) -> Any:
    """Return a document of WeasyPrint, laid out with a size of type in points; it loads our fonts and nothing else.

    Raises:
        PageError: WeasyPrint misses a library of the system.
    """
    try:  # here, for it takes a second to import, and not everybody prints
        from weasyprint import CSS, HTML
        from weasyprint.text.fonts import FontConfiguration
        from weasyprint.urls import URLFetcher
    except OSError as error:
        raise PageError(
            f"WeasyPrint misses a library of the system ({error}): apt-get install libpango-1.0-0 libpangoft2-1.0-0"
        ) from error

    # the page itself loads nothing; only the style sheet below may, and only files: the fonts
    nothing, files = URLFetcher(allowed_protocols=()), URLFetcher(allowed_protocols=("file",))
    fonts = FontConfiguration()
    style = f"{_font_faces()} html {{ font-size: {size}pt }}"
    style_sheet = CSS(string=style, font_config=fonts, url_fetcher=files)
    return HTML(string=html, url_fetcher=nothing).render(stylesheets=[style_sheet], font_config=fonts)


def save(document: Any, html: str, path: Path) -> None:
    """Write a document laid out from HTML; the same HTML gives the same bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # the document's date is dcterms.created of the HTML; the embedded fonts are dated by SOURCE_DATE_EPOCH
    with _source_date(html):
        document.write_pdf(path, pdf_identifier=hashlib.sha256(html.encode()).hexdigest()[:32].encode())


@contextmanager
def _source_date(html: str) -> Iterator[None]:
    """Set ``SOURCE_DATE_EPOCH`` to the page's own date while its fonts are cut: they carry a date of change."""
    created = re.search(r'<meta name="dcterms.created" content="([^"]+)"', html)
    if created is None:
        raise PageError("this HTML does not come from render_html: it has no dcterms.created to date the PDF by")
    before = os.environ.get("SOURCE_DATE_EPOCH")
    os.environ["SOURCE_DATE_EPOCH"] = str(int(datetime.fromisoformat(created[1]).timestamp()))
    try:
        yield
    finally:
        if before is None:
            del os.environ["SOURCE_DATE_EPOCH"]
        else:
            os.environ["SOURCE_DATE_EPOCH"] = before


@cache
def environment() -> Environment:
    """Return the templates of this folder; an undefined name is an error."""
    made = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals["counted"] = russian.counted
    return made


@cache
def _font_faces() -> str:
    import matplotlib as mpl

    folder = Path(mpl.get_data_path()) / "fonts" / "ttf"
    faces = (("DejaVuSans.ttf", "normal", "normal"), ("DejaVuSans-Bold.ttf", "bold", "normal"))
    return " ".join(
        f"@font-face {{ font-family: 'Vmeste Sans'; src: url('{(folder / file).as_uri()}'); "
        f"font-weight: {weight}; font-style: {style} }}"
        for file, weight, style in faces
    )


def utc(moment: datetime) -> str:
    """Write an aware moment as the metadata of a document have it."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def window(quarter: Quarter) -> str:
    """Name the four quarters of the rolling view by their days."""
    first = quarter.previous.previous.previous
    return f"{first.starts_on:%d.%m.%Y} – {quarter.ends_on:%d.%m.%Y}"


def _codes(candidate: Candidate) -> list[str]:
    present = {value.indicator_code for value in candidate.own_values}
    return sorted(code for code in present if not candidate.is_companion(code))


def indicator_rows(candidate: Candidate) -> list[IndicatorRow]:
    """Return the headline indicators of four quarters in words, what is hidden left out."""
    return [_indicator_row(candidate, code) for code in _codes(candidate)]


def _quarters(last: Quarter, count: int) -> list[Quarter]:
    quarters = [last]
    while len(quarters) < count:
        quarters.insert(0, quarters[0].previous)
    return quarters


def _indicator_row(candidate: Candidate, code: str) -> IndicatorRow:
    value = candidate.headline(code, HEADLINE_VIEW)
    if value is None:
        raise PageError(f"indicator {code} has no headline in the view {HEADLINE_VIEW} of {candidate.quarter}")
    before = candidate.headline(code, HEADLINE_VIEW, candidate.quarter.previous)
    definition = candidate.definition(code, value.definition_version)
    legacy = next((figure for figure in candidate.legacy if figure.indicator_code == code), None)
    big, is_big_number = _big(value)
    return IndicatorRow(
        code=code,
        name=definition.short_name_ru,
        full_name=_full_name(definition),
        big=big,
        is_big_number=is_big_number,
        counts=_counts(value),
        interval=_interval(value),
        chart=Markup(interval_chart(_points(candidate, code), f"{code} {definition.short_name_ru}")),  # noqa: S704 - it escapes what it is given
        coverage=_coverage(value),
        coverage_flag=_coverage_flag(value),
        coverage_band=value.coverage_band or "",
        bounds=_bounds(value),
        previous=_previous(value, before, _break(candidate, code)),
        worse=_worse(value),
        is_worse=(value.deteriorated or 0) >= DETERIORATED_FROM,
        reliable=_reliable(candidate, code),
        legacy=_legacy(legacy),
        legacy_year=None if legacy is None else legacy.year,
    )


def _full_name(definition: Definition) -> str:
    """Return the name in full, unless the short one says the same."""
    return "" if definition.name_ru == definition.short_name_ru else definition.name_ru


def _big(value: IndicatorValue) -> tuple[str, bool]:
    """Return what stands out: the share if it may; else the count; else the status in words."""
    if value.status in ("planned", "no_data", "suppressed_secondary") or value.achieved is None:
        return russian.STATUSES[value.status], False
    if value.share is None or value.coverage_band == "no_headline":
        return f"{value.achieved} из {value.measured}", True
    return russian.percent(value.share), True


def _counts(value: IndicatorValue) -> str:
    if value.achieved is None:
        return "" if not value.eligible else f"подлежат измерению: {value.eligible}"
    if value.share is None:
        return "доля скрыта: мало наблюдений"
    if value.coverage_band == "no_headline":
        return f"{russian.percent(value.share)} из измеренных"
    return f"{value.achieved} из {value.measured}"


def _interval(value: IndicatorValue) -> str:
    if value.ci_low is None or value.ci_high is None:
        return ""
    return f"95{russian.NBSP}% интервал {russian.percent_range(value.ci_low, value.ci_high)}"


def _points(candidate: Candidate, code: str) -> list[Point]:
    """Return the present quarter and those before it, from the first that knows the indicator, at least four."""
    quarters = _quarters(candidate.quarter, QUARTERS_BACK + 1)
    values = {quarter: candidate.headline(code, HEADLINE_VIEW, quarter) for quarter in quarters}
    known = [quarter for quarter in quarters if (value := values[quarter]) is not None and value.share is not None]
    first = min([*known, quarters[-4]])
    return [_point(quarter, values[quarter]) for quarter in quarters if quarter >= first]


def _point(quarter: Quarter, value: IndicatorValue | None) -> Point:
    if value is None:
        return Point(quarter, None, reason_ru=russian.STATUSES["no_data"])
    return Point(
        quarter, value.share, value.ci_low, value.ci_high, value.coverage_band, reason_ru=russian.STATUSES[value.status]
    )


def _coverage(value: IndicatorValue) -> str:
    if value.coverage is None:
        return "–"
    return f"{russian.percent(value.coverage)} ({value.measured} из {value.eligible})"


def _coverage_flag(value: IndicatorValue) -> str:
    if value.coverage_band is None or value.coverage_band == "publish":
        return ""
    return russian.COVERAGE_BANDS[value.coverage_band]


def _bounds(value: IndicatorValue) -> str:
    if value.worst_case is None or value.best_case is None:
        return "–"
    return f"{russian.percent_range(value.worst_case, value.best_case)}"


def _break(candidate: Candidate, code: str) -> Break | None:
    return next((found for found in candidate.breaks if found.indicator_code == code), None)


def _previous(value: IndicatorValue, before: IndicatorValue | None, broken: Break | None) -> str:
    """Say the quarter before; an arrow only if it lies outside the present interval and was defined alike."""
    if broken is not None:
        # the quarter before by today's rules is not what was released: no arrow from the one to the other
        released = "" if broken.old_share is None else f", выпущено {russian.percent(broken.old_share)}"
        return f"разрыв ряда: определение {broken.old_version} → {broken.new_version}{released}"
    if before is None:
        return russian.STATUSES["no_data"]
    if before.share is None:
        return russian.STATUSES[before.status]
    written = russian.percent(before.share)
    if value.definition_version != before.definition_version:
        return f"{written}, определение другое"
    if value.share is None or value.ci_low is None or value.ci_high is None:
        return written
    if value.ci_low <= before.share <= value.ci_high:
        return f"{written}, в пределах интервала"
    arrow = "▲" if value.share > before.share else "▼"
    points = russian.number(abs(float(russian.rounded(value.share * 100)) - float(russian.rounded(before.share * 100))))
    return f"{written} {arrow}{russian.NBSP}{points}{russian.NBSP}п.{russian.NBSP}п."


def _worse(value: IndicatorValue) -> str:
    if value.deteriorated is None:
        return "неизвестно" if value.achieved is not None else "–"
    return f"{value.deteriorated} из {value.deterioration_known}"


def _reliable(candidate: Candidate, code: str) -> str:
    """Say the reliable gain beside any gain: the two differ greatly, and the headline is one of them."""
    for definition in candidate.definitions:
        if definition.companion_of == code and definition.is_reliable_change:
            value = candidate.headline(definition.indicator_code, HEADLINE_VIEW)
            if value is not None and value.achieved is not None:
                return f"{value.achieved} из {value.measured}"
    return ""


def _legacy(figure: LegacyFigure | None) -> str:
    if figure is None or figure.numerator is None or figure.percent is None:
        return ""
    return f"{figure.numerator} ({figure.percent}{russian.NBSP}%)"


def _form_row(candidate: Candidate, form: str, horizons: Sequence[int]) -> FormRow:
    flow = next(
        (flow for flow in candidate.pair_flow if (flow.quarter, flow.form) == (str(candidate.quarter), form)), None
    )
    nothing = russian.STATUSES["no_data"]
    return FormRow(
        label="Все пары" if form == "all" else russian.FORMS[form].capitalize(),
        active=nothing
        if flow is None
        else _few_hidden(flow.active_at_end, is_few=flow.status != "suppressed_secondary"),
        started=nothing if flow is None else _few_hidden(flow.started, is_few=flow.status != "suppressed_secondary"),
        ended=nothing if flow is None else _few_hidden(flow.ended, is_few=flow.status != "suppressed_secondary"),
        hours=_median(_programme(candidate, "M2_hours", "quarter", form)),
        meetings=_median(_programme(candidate, "M2_meetings", "quarter", form)),
        closed_early=_closed_early(_programme(candidate, "M4", HEADLINE_VIEW, form)),
        due=tuple(_due(candidate.follow_ups, form, horizon) for horizon in horizons),
    )


def _programme(candidate: Candidate, code: str, view: str, form: str) -> ProgrammeValue | None:
    wanted = (code, str(candidate.quarter), view, form)
    for measure in candidate.programme:
        if (measure.measure_code, measure.quarter, measure.period_view, measure.form) == wanted:
            return measure
    return None


def _median(measure: ProgrammeValue | None) -> str:
    if measure is None or measure.value is None:
        return russian.STATUSES["no_data" if measure is None else measure.status]
    middle = russian.number(measure.value, 1)
    if measure.q1 is None or measure.q3 is None:
        return middle
    return f"{middle} ({russian.number(measure.q1, 1)}–{russian.number(measure.q3, 1)})"


def _closed_early(measure: ProgrammeValue | None) -> str:
    if measure is None or measure.status in ("planned", "no_data", "suppressed_secondary"):
        return russian.STATUSES["no_data" if measure is None else measure.status]
    if measure.numerator is None or measure.denominator is None:
        return russian.STATUSES["suppressed_small_n"]
    counts = f"{russian.number(measure.numerator)} из {measure.denominator}"
    if measure.value is None or measure.ci_low is None or measure.ci_high is None:
        return counts
    return f"{counts}; {russian.percent(measure.value)} ({russian.percent_range(measure.ci_low, measure.ci_high)})"


def _due(counts: Iterable[FollowUpCount], form: str, horizon: int) -> str:
    found = next((count for count in counts if (count.form, count.horizon) == (form, horizon)), None)
    return "0" if found is None else _few_hidden(found.due_soon, is_few=found.is_told)


def _few_hidden(count: int | None, *, is_few: bool) -> str:
    if count is None:
        return russian.FEW if is_few else russian.HIDDEN
    return russian.number(count)


def _section_rows(candidate: Candidate) -> list[SectionRow]:
    year = max((level.year for level in candidate.levels), default=None)
    levels = {level.section: level.level_ru for level in candidate.levels if level.year == year}
    found = list(dict.fromkeys([*candidate.sections, *(check.section for check in candidate.readiness)]))
    return [
        SectionRow(
            name=candidate.sections.get(section, section),
            level=levels.get(section, "–"),
            counts=tuple(
                sum((check.section, check.status) == (section, status) for check in candidate.readiness)
                for status in russian.READINESS
            ),
        )
        for section in found
    ]


def _caveats(candidate: Candidate) -> list[str]:
    caveats = []
    if candidate.quarantined:
        where = ", ".join(
            f"{russian.form_code(form)}: {_rows_of(counts)}" for form, counts in sorted(by_form(candidate).items())
        )
        rows = quarantined_rows(candidate)
        caveats.append(f"В карантине {rows}: в показатели не вошли (нарушений по формам – {where}).")
    if candidate.late:
        total, is_exact = least(count.rows for count in candidate.late)
        rows = russian.counted_at_least(total, is_exact, "запись", "записи", "записей")
        verb = russian.plural(total, "поступила", "поступили", "поступило") if is_exact else "поступило"
        where = ", ".join(f"{russian.form_code(count.form_id)}: {_rows_of([count.rows])}" for count in candidate.late)
        caveats.append(f"После прошлого среза {verb} {rows} о прежних кварталах ({where}).")
    restated = sorted({one.indicator_code for one in candidate.differences if one.of_quarter == str(candidate.quarter)})
    if restated:
        caveats.append(f"Ревизия пересматривает {', '.join(restated)}: прежние значения – лист «Пересмотры».")
    hidden = sum(
        value.status.startswith("suppressed") and not value.is_count_shown
        for value in candidate.own_values
        if value.period_view == HEADLINE_VIEW and not value.is_headline
    )
    if hidden:
        cells = russian.counted(hidden, "ячейка", "ячейки", "ячеек")
        caveats.append(f"В разрезах {cells} без чисел: слишком мало наблюдений.")
    if any(figure.percent is not None for figure in candidate.legacy):
        caveats.append("«Отчёт» – цифры прежнего отчёта: знаменатели там не названы, проценты усечены.")
    return caveats


def _rows_of(counts: Sequence[int]) -> str:
    """Say how many rows there are, of one form by the rules that they broke."""
    total, is_exact = least(counts)
    if is_exact:
        return russian.number(total)
    return russian.fewer(SMALLEST_ROWS) if len(counts) == 1 else f"не меньше {russian.number(total)}"
