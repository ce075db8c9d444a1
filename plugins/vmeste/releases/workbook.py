"""The workbook beside the page: every figure with its funnel, its status in words, its definition and its origin.

Text is always text: a cell that begins with ``=``, ``+``, ``-`` or ``@`` is stored as a string with the quote prefix,
so that no spreadsheet program takes an answer for a formula. The same candidate and release give the same bytes.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from openpyxl import Workbook
from openpyxl.cell import Cell
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE
from openpyxl.styles import Alignment, Border, Font, PatternFill, Side
from openpyxl.utils import get_column_letter
from openpyxl.worksheet.worksheet import Worksheet

from vmeste.releases import russian
from vmeste.releases.annex import origin_of
from vmeste.releases.candidate import REGISTRY_FORMS, Candidate
from vmeste.releases.decisions import HEADLINE_VIEW, decisions
from vmeste.releases.disclosure import IndicatorValue
from vmeste.releases.explaining import CAUSES, CAUSES_RU
from vmeste.releases.quarters import Quarter
from vmeste.releases.restating import REASONS_RU
from vmeste.releases.small_counts import SMALLEST_ROWS, told_rows

if TYPE_CHECKING:
    from vmeste.releases.publish import Release

Value = str | int | float | None

COUNT, SHARE, MEASURE, TEXT = "#,##0", "0.0%", "0.00", "@"
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
_WIDEST = 70
_TOO_LONG = 32_767  # characters that a cell of the format holds

_HEAD_FILL = PatternFill("solid", fgColor="0B4A7F")
_HEAD_FONT = Font(name="Calibri", bold=True, color="FFFFFF")
_BODY_FONT = Font(name="Calibri")
_LINE = Border(bottom=Side(style="hair", color="BBBBBB"))

VIEW_SHEETS = {"rolling_4q": "Четыре квартала", "quarter": "Квартал", "cohort_year": "Когорта года"}

FIGURES: tuple[tuple[str, str, str], ...] = (
    ("status", "Статус", TEXT),
    ("eligible", "Подлежат", COUNT),
    ("due", "Срок наступил", COUNT),
    ("reached", "Опрошены", COUNT),
    ("measured", "N (измерены)", COUNT),
    ("achieved", "n (достигли)", COUNT),
    ("share", "Доля", SHARE),
    ("ci_low", "95% интервал, от", SHARE),
    ("ci_high", "95% интервал, до", SHARE),
    ("coverage", "Охват", SHARE),
    ("coverage_band", "Охват, оценка", TEXT),
    ("worst_case", "Нижний предел", SHARE),
    ("best_case", "Верхний предел", SHARE),
    ("deteriorated", "Стало хуже", COUNT),
    ("deterioration_known", "из скольких известно", COUNT),
    ("definition_version", "Версия определения", TEXT),
)


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a sheet: heading and number format."""

    heading: str
    format: str = TEXT


def write_workbook(candidate: Candidate, release: Release, path: Path) -> None:
    """Write the workbook; a cell that must not be seen is empty, and its status says why."""
    book = Workbook()
    book.remove(book.worksheets[0])
    _about(book, candidate, release)
    for view, title in VIEW_SHEETS.items():
        _indicators(book, candidate, view, title)
    _splits(book, candidate)
    _companions(book, candidate)
    _pairs(book, candidate)
    _follow_ups(book, candidate)
    _decisions(book, candidate)
    _differences(book, candidate)
    _readiness(book, candidate)
    _definitions(book, candidate)
    _parameters(book, candidate)
    _provenance(book, candidate)
    _quality(book, candidate)
    properties = book.properties
    properties.title = f"Наставничество. Действуем вместе! {candidate.quarter.label_ru}"
    properties.creator = "Vmeste"
    # the format knows no zones: these are UTC by definition
    properties.created = properties.modified = candidate.cutoff_at.astimezone(UTC).replace(tzinfo=None)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(_reproducible(book, candidate.cutoff_at))


def _about(book: Workbook, candidate: Candidate, release: Release) -> None:
    rows: list[tuple[Value, ...]] = [
        ("Квартал", candidate.quarter.label_ru),
        ("Дата среза", russian.moment(candidate.cutoff_at)),
        ("Состояние", russian.RELEASE_STATES[release.state]),
        ("Ревизия", release.revision),
        *(("Почему ревизия", REASONS_RU[reason]) for reason in release.reasons),
        *(
            (
                f"Разрыв ряда: {found.indicator_code}",
                f"определение {found.old_version} → {found.new_version}; прежнее – в выпуске {found.release_id}",
            )
            for found in candidate.breaks
        ),
        ("Выпуск", release.release_id),
        ("Подготовил(а)", release.prepared_by),
        *((approval.role_ru.capitalize(), approval.user) for approval in release.approvals),
        ("Версия определений", release.definition_version),
        ("Версия программы", release.code_revision),
        ("Правила скрытия", release.suppression_version),
        ("Контрольная сумма", release.checksum),
        ("Доли", "n / N; N – те, кто измерен. Интервал Уилсона, 95%."),
        ("Охват", "N / подлежат: от 80% – достаточный, 60–79% – осторожно, меньше 60% – не выносить в заголовок."),
        ("Пределы", "Доля, если у всех неизмеренных результата нет (нижний) или он есть у всех (верхний)."),
        ("Пустая ячейка", "Числа нет или его нельзя показать; причина – в столбце «Статус». Пусто – это не ноль."),
        *(
            (f"Прежний отчёт {figure.year}: {figure.indicator_code}", _legacy_text(figure.text_ru, figure.denominator))
            for figure in candidate.legacy
        ),
    ]
    _sheet(book, "О выпуске", (Column("Что"), Column("Значение")), rows)


def _legacy_text(reported: str, denominator: int | None) -> str:
    return reported if denominator is None else f"{reported}; знаменатель {denominator} восстановлен, процент усечён"


def _indicators(book: Workbook, candidate: Candidate, view: str, title: str) -> None:
    chosen = [
        value
        for value in candidate.indicators
        if value.is_headline and value.period_view == view and not candidate.is_companion(value.indicator_code)
    ]
    # newest quarter first: that is what the workbook is opened for
    chosen.sort(key=lambda value: value.indicator_code)
    chosen.sort(key=lambda value: value.quarter, reverse=True)
    columns = (Column("Квартал"), Column("Показатель"), Column("Название"), *_figure_columns())
    rows = [
        (Quarter.parse(value.quarter).label_ru, value.indicator_code, _name(candidate, value), *_figures(value))
        for value in chosen
    ]
    _sheet(book, title, columns, rows, frozen=3)


def _splits(book: Workbook, candidate: Candidate) -> None:
    columns = (
        *(Column("Вид периода"), Column("Показатель"), Column("Название"), Column("Разрез"), Column("Значение")),
        *_figure_columns(),
    )
    rows = [
        (
            russian.PERIOD_VIEWS[value.period_view],
            value.indicator_code,
            _name(candidate, value),
            russian.SPLITS[value.split_by],
            russian.SPLIT_VALUES.get(value.split_value, value.split_value),
            *_figures(value),
        )
        for view in VIEW_SHEETS
        for value in candidate.own_values
        if value.period_view == view and not value.is_headline
    ]
    _sheet(book, "Разрезы", columns, rows, frozen=5)


def _companions(book: Workbook, candidate: Candidate) -> None:
    """Write the companions of the quarter: what says how much a headline carries, such as reliable beside any gain."""
    columns = (
        *(Column("Квартал"), Column("Вид периода"), Column("Сопутствующий"), Column("К показателю")),
        *(Column("Название"), *_figure_columns()),
    )
    rows = [
        (
            # a cohort of an earlier year goes on maturing: its companion stands here too
            Quarter.parse(value.quarter).label_ru,
            russian.PERIOD_VIEWS[value.period_view],
            value.indicator_code,
            candidate.definition(value.indicator_code, value.definition_version).companion_of,
            _name(candidate, value),
            *_figures(value),
        )
        for view in VIEW_SHEETS
        for value in candidate.own_values
        if value.period_view == view and value.is_headline and candidate.is_companion(value.indicator_code)
    ]
    _sheet(book, "Сопутствующие", columns, rows, frozen=5)


def _figure_columns() -> Iterable[Column]:
    return (Column(heading, number_format) for _, heading, number_format in FIGURES)


def _figures(value: IndicatorValue) -> tuple[Value, ...]:
    words = {
        "status": russian.STATUSES[value.status],
        "coverage_band": None if value.coverage_band is None else russian.COVERAGE_BANDS[value.coverage_band],
    }
    return tuple(words.get(name, getattr(value, name)) for name, _, _ in FIGURES)


def _name(candidate: Candidate, value: IndicatorValue) -> str:
    return candidate.definition(value.indicator_code, value.definition_version).name_ru


def _pairs(book: Workbook, candidate: Candidate) -> None:
    columns = (
        *(Column("Квартал"), Column("Вид периода"), Column("Мера"), Column("Форма")),
        *(Column("Числитель", COUNT), Column("Знаменатель", COUNT), Column("Значение", MEASURE)),
        *(Column("95% интервал, от", MEASURE), Column("95% интервал, до", MEASURE)),
        *(Column("Квартиль 1", MEASURE), Column("Квартиль 3", MEASURE), Column("Статус")),
    )
    rows: list[tuple[Value, ...]] = []
    for flow in candidate.pair_flow:
        for measure, count in (
            ("Пары: активны на конец", flow.active_at_end),
            ("Пары: начаты", flow.started),
            ("Пары: завершены", flow.ended),
        ):
            rows.append(
                (
                    *(Quarter.parse(flow.quarter).label_ru, russian.PERIOD_VIEWS["quarter"], measure),
                    *(russian.FORMS[flow.form], None, None, count, None, None, None, None),
                    russian.STATUSES[flow.status if count is None else "shown"],
                )
            )
    for value in candidate.programme:
        rows.append(
            (
                Quarter.parse(value.quarter).label_ru,
                russian.PERIOD_VIEWS[value.period_view],
                russian.MEASURES.get(value.measure_code, value.measure_code),
                russian.FORMS[value.form],
                *(value.numerator, value.denominator, value.value, value.ci_low, value.ci_high, value.q1, value.q3),
                russian.STATUSES[value.status],
            )
        )
    _sheet(book, "Пары и встречи", columns, rows, frozen=4)


def _follow_ups(book: Workbook, candidate: Candidate) -> None:
    columns = (
        *(Column("Форма"), Column("Через, месяцев", COUNT)),
        *(Column(heading.capitalize(), COUNT) for heading in russian.FOLLOW_UP_COLUMNS.values()),
    )
    rows = [
        (
            *(russian.FORMS[count.form], count.horizon),
            *(
                (russian.FEW if count.is_told else russian.HIDDEN) if (told := getattr(count, name)) is None else told
                for name in russian.FOLLOW_UP_COLUMNS
            ),
        )
        for count in candidate.follow_ups
    ]
    _sheet(book, "Повторные опросы", columns, rows)


def _decisions(book: Workbook, candidate: Candidate) -> None:
    rows = [(matter.subject, matter.finding, matter.question) for matter in decisions(candidate)]
    _sheet(book, "Решения", (Column("Предмет"), Column("Что найдено"), Column("Что решить")), rows)


_NAMED = ("achieved", "measured", "share")


def _differences(book: Workbook, candidate: Candidate) -> None:
    """Write each released headline that comes out otherwise now: both values, the movement, and every cause."""
    columns = (
        *(Column("Квартал"), Column("Выпуск"), Column("Вид периода"), Column("Показатель"), Column("Разрыв ряда")),
        *(Column("Было n", COUNT), Column("Было N", COUNT), Column("Было, доля", SHARE)),
        *(Column("Стало n", COUNT), Column("Стало N", COUNT), Column("Стало, доля", SHARE)),
        *(Column("Сдвиг, п. п.", MEASURE), Column("Из него от записей, п. п.", MEASURE), Column("Пересмотр")),
        *(Column("Причина"), Column("n: вошли", COUNT), Column("n: вышли", COUNT)),
        *(Column("N: вошли", COUNT), Column("N: вышли", COUNT)),
        *(Column("Подлежат: вошли", COUNT), Column("Подлежат: вышли", COUNT)),
    )
    rows: list[tuple[Value, ...]] = []
    for found in candidate.differences:
        if not found.reasons and all(found.old.get(name) == found.new.get(name) for name in ("status", *_NAMED)):
            continue  # only who is due has changed
        # beside all other causes the part of whoever was erased would be what is left
        is_told = not found.is_hidden and "erased" not in found.moves
        causes = [cause for cause in CAUSES if cause in found.moves and is_told]
        for steps, why in [(found.moves[cause], CAUSES_RU[cause]) for cause in causes] or [({}, "")]:
            moves = [steps.get(step, (None, None)) for step in ("achieved", "measured", "eligible")]
            figures: list[Value] = [side.get(name) for side in (found.old, found.new) for name in _NAMED]
            rows.append(
                (
                    *(Quarter.parse(found.quarter).label_ru, found.of_release_id),
                    *(russian.PERIOD_VIEWS[found.period_view], found.indicator_code),
                    "определение другое" if found.is_break else None,
                    *figures,
                    *(found.moved_points, found.moved_by_rows_points),
                    "; ".join(REASONS_RU[reason] for reason in found.reasons) or None,
                    *(why or None, *(_moved(count) for pair in moves for count in pair)),
                )
            )
    _sheet(book, "Пересмотры", columns, rows, frozen=4)


def _moved(count: int | None) -> Value:
    """Say how many entered or left for one cause; of one or two people nothing is told but that they are few."""
    return "1–2" if count in (1, 2) else count


def _readiness(book: Workbook, candidate: Candidate) -> None:
    columns = (
        *(Column("Рекомендация"), Column("Год", "0"), Column("Раздел стандарта"), Column("Статус")),
        *(Column("Измерено", MEASURE), Column("Порог", MEASURE), Column("Пояснение"), Column("По чему")),
        *(Column("Текст рекомендации"), Column("Проверка")),
    )
    texts = {found.recommendation_id: found.text_ru for found in candidate.recommendations}
    rows = [
        (
            *(check.recommendation_id, check.year, candidate.sections.get(check.section, check.section)),
            *(russian.READINESS.get(check.status, check.status), check.measured, check.threshold),
            *(check.explanation_ru, origin_of(candidate, check), texts.get(check.recommendation_id)),
            check.check_code,
        )
        for check in candidate.readiness
    ]
    _sheet(book, "Готовность", columns, rows)


def _definitions(book: Workbook, candidate: Candidate) -> None:
    names = list(dict.fromkeys(name for found in candidate.definitions for name in found.columns))
    columns = tuple(Column(russian.DEFINITION_COLUMNS.get(name, name)) for name in names)
    rows = [tuple(found.columns.get(name) for name in names) for found in candidate.definitions]
    _sheet(book, "Определения", columns, rows)


def _parameters(book: Workbook, candidate: Candidate) -> None:
    columns = (
        *(Column("Параметр"), Column("Версия"), Column("Значение", "General"), Column("Единица"), Column("Основание")),
        Column("Описание"),
    )
    rows = [
        (
            *(found.parameter_code, found.version, found.value, found.columns.get("unit")),
            *(found.columns.get("basis"), found.columns.get("description_ru")),
        )
        for found in candidate.parameters
    ]
    _sheet(book, "Параметры", columns, rows)


_OTHER_FIGURES = {
    "Пары: активны, начаты, завершены": (),
    "M2_hours, M2_meetings": ("f4_meeting",),
    "M4": (),
    "Повторные опросы": ("f7_followup",),
}


def _provenance(book: Workbook, candidate: Candidate) -> None:
    columns = (
        *(Column("Показатель"), Column("n", COUNT), Column("N", COUNT), Column("Форма"), Column("Название формы")),
        *(Column("Версия формы"), Column("Записей на дату среза", COUNT), Column("Из них версий", COUNT)),
    )
    rows: list[tuple[Value, ...]] = []
    for count in candidate.provenance:
        value = candidate.headline(count.indicator_code, HEADLINE_VIEW)
        rows.append(
            (
                count.indicator_code,
                None if value is None else value.achieved,
                None if value is None else value.measured,
                count.form_id,
                candidate.form_titles.get(count.form_id),
                *(count.form_version, count.submissions, count.versions),
            )
        )
    # of what is no indicator: the registry, and what is named beside it
    for figure, forms in _OTHER_FIGURES.items():
        for found in candidate.submissions:
            if found.form_id in {*REGISTRY_FORMS, *forms}:
                title = candidate.form_titles.get(found.form_id)
                counts = (found.form_version, found.submissions, found.versions)
                rows.append((figure, None, None, found.form_id, title, *counts))
    _sheet(book, "Происхождение", columns, rows)


def _quality(book: Workbook, candidate: Candidate) -> None:
    columns = (Column("Что"), Column("Форма"), Column("Название формы"), Column("Правило"), Column("Записей", COUNT))
    rows: list[tuple[Value, ...]] = [
        ("В карантине", count.form_id, candidate.form_titles.get(count.form_id), count.rule, _rows_of(count.rows))
        for count in candidate.quarantined
    ]
    rows += [
        (
            "Поступило после прошлого среза, о прежних кварталах",
            count.form_id,
            candidate.form_titles.get(count.form_id),
            None,
            _rows_of(count.rows),
        )
        for count in candidate.late
    ]
    _sheet(book, "Качество данных", columns, rows)


def _rows_of(count: int) -> Value:
    return russian.fewer(SMALLEST_ROWS) if told_rows(count) is None else count


def _sheet(
    book: Workbook, title: str, columns: Sequence[Column], rows: Sequence[Sequence[Value]], *, frozen: int = 1
) -> None:
    """Write a table: heading row and first columns frozen, filter, widths by content, print setting."""
    sheet: Worksheet = book.create_sheet(title)
    for position, column in enumerate(columns, start=1):
        head = sheet.cell(1, position)
        _put(head, column.heading)
        head.font, head.fill = _HEAD_FONT, _HEAD_FILL
        head.alignment = Alignment(wrap_text=True, vertical="center")
    for line, row in enumerate(rows, start=2):
        for position, (column, value) in enumerate(zip(columns, row, strict=True), start=1):
            cell = sheet.cell(line, position)
            _put(cell, value)
            cell.number_format = TEXT if isinstance(value, str) else column.format
            cell.font, cell.border = _BODY_FONT, _LINE
            cell.alignment = Alignment(wrap_text=isinstance(value, str), vertical="top")
    for position, column in enumerate(columns, start=1):
        longest = max((len(str(row[position - 1])) for row in rows if isinstance(row[position - 1], str)), default=0)
        # a heading may wrap once; a text is given room up to a limit, then wraps
        width = min(max(longest + 2, len(column.heading) // 2 + 5, 10), _WIDEST)
        sheet.column_dimensions[get_column_letter(position)].width = width
    sheet.row_dimensions[1].height = 32
    sheet.freeze_panes = sheet.cell(2, frozen + 1)
    if rows:
        sheet.auto_filter.ref = f"A1:{get_column_letter(len(columns))}{len(rows) + 1}"
    sheet.page_setup.orientation = "landscape"
    sheet.page_setup.paperSize = sheet.PAPERSIZE_A4
    sheet.page_setup.fitToWidth, sheet.page_setup.fitToHeight = 1, 0
    sheet.sheet_properties.pageSetUpPr.fitToPage = True
    sheet.print_title_rows = "1:1"


def _put(cell: Cell, value: Value) -> None:
    """Write a value; a text stays a text whatever it begins with."""
    if not isinstance(value, str):
        cell.value = value
        return
    cell.value = ILLEGAL_CHARACTERS_RE.sub("\ufffd", value)[:_TOO_LONG]
    cell.data_type = "s"  # openpyxl takes a leading = for a formula
    if value.startswith(_FORMULA_STARTS):
        cell.quotePrefix = True


def _reproducible(book: Workbook, moment: datetime) -> bytes:
    """Return the file's bytes with every date in it fixed: openpyxl writes the clock into zip and properties."""
    written = BytesIO()
    book.save(written)
    result = BytesIO()
    stamp = moment.astimezone(UTC).timetuple()[:6]
    with zipfile.ZipFile(written) as source, zipfile.ZipFile(result, "w", zipfile.ZIP_DEFLATED) as target:
        for name in source.namelist():
            content = source.read(name)
            if name == "docProps/core.xml":
                content = _MODIFIED.sub(rf"\g<1>{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}\g<2>".encode(), content)
            entry = zipfile.ZipInfo(name, date_time=stamp)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o600 << 16
            target.writestr(entry, content)
    return result.getvalue()


_MODIFIED = re.compile(rb"(<dcterms:modified[^>]*>)[^<]*(</dcterms:modified>)")
