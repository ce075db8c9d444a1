"""The workbook: every sheet, hidden cells empty, text never a formula, the same bytes again."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from openpyxl import load_workbook

from tests.unit.releases.synthetic import difference
from vmeste.releases import russian
from vmeste.releases.candidate import Break, Candidate, Definition, FormCount, LateCount, QuarantineCount
from vmeste.releases.publish import Release
from vmeste.releases.workbook import write_workbook

SHEETS = [
    *("О выпуске", "Четыре квартала", "Квартал", "Когорта года", "Разрезы", "Сопутствующие"),
    *("Пары и встречи", "Повторные опросы"),
    *("Решения", "Пересмотры", "Готовность", "Определения", "Параметры", "Происхождение", "Качество данных"),
]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "release.xlsx"


def rows_of(path: Path, sheet: str) -> list[dict[str, Any]]:
    heading, *rows = load_workbook(path)[sheet].iter_rows(values_only=True)
    return [dict(zip(map(str, heading), row, strict=True)) for row in rows]


def test_every_sheet_has_a_frozen_heading_and_a_filter(candidate: Candidate, release: Release, path: Path) -> None:
    write_workbook(replace(candidate, differences=(difference(),)), release, path)
    book = load_workbook(path)
    assert book.sheetnames == SHEETS
    for sheet in book:
        assert sheet.freeze_panes is not None
        assert sheet.max_row > 1
        assert sheet.auto_filter.ref == sheet.dimensions


def test_figures_stand_with_their_status_in_words(candidate: Candidate, release: Release, path: Path) -> None:
    write_workbook(candidate, release, path)
    rows = {row["Показатель"]: row for row in rows_of(path, "Четыре квартала") if row["Квартал"] == "IV квартал 2031"}
    assert list(rows) == ["1.1", "2.1", "2.2", "2.3", "3.1"]
    assert (rows["2.1"]["n (достигли)"], rows["2.1"]["N (измерены)"], rows["2.1"]["Подлежат"]) == (14, 20, 48)
    assert rows["2.1"]["Охват, оценка"] == "не выносить в заголовок"
    assert rows["2.3"]["Статус"] == "планируется"
    assert {value for name, value in rows["2.3"].items() if name not in IDENTITY} == {None}


IDENTITY = {
    *("Квартал", "Вид периода", "Показатель", "Название", "Разрез", "Значение", "Статус", "Версия определения"),
}


def test_hidden_cell_is_empty_of_numbers(candidate: Candidate, release: Release, path: Path) -> None:
    write_workbook(candidate, release, path)
    hidden = [row for row in rows_of(path, "Разрезы") if row["Статус"].startswith("скрыто")]
    assert hidden
    for row in hidden:
        assert {value for name, value in row.items() if name not in IDENTITY} == {None}


@pytest.mark.parametrize("text", ["=1+1", "+7", "-2", "@SUM(A1)", "=cmd|' /C calc'!A0", "\t=1"])
def test_text_never_becomes_a_formula(candidate: Candidate, release: Release, path: Path, text: str) -> None:
    dangerous = tuple(
        Definition(found.indicator_code, {**found.columns, "numerator_ru": text, "name_ru": text})
        for found in candidate.definitions
    )
    changed = replace(
        candidate,
        definitions=dangerous,
        quarantined=(QuarantineCount(text, text, 1),),
        form_titles={"f2_self_report": text, text: text},
    )
    write_workbook(changed, replace(release, prepared_by=text), path)
    found = 0
    for sheet in load_workbook(path):
        for row in sheet.iter_rows():
            for cell in row:
                assert cell.data_type != "f"
                if cell.value == text:
                    found += 1
                    assert cell.data_type == "s"
                    assert cell.quotePrefix
    assert found > 10


def test_characters_that_the_format_forbids_do_not_break_it(candidate: Candidate, release: Release, path: Path) -> None:
    write_workbook(candidate, replace(release, prepared_by="a\x00b" + "я" * 40_000), path)
    (row,) = [row for row in rows_of(path, "О выпуске") if row["Что"] == "Подготовил(а)"]
    assert row["Значение"].startswith("a\ufffdb")
    assert len(row["Значение"]) == 32_767


def test_provenance_leads_from_each_figure_to_its_forms(candidate: Candidate, release: Release, path: Path) -> None:
    write_workbook(candidate, release, path)
    first = rows_of(path, "Происхождение")[0]
    assert (first["Показатель"], first["n"], first["N"], first["Форма"], first["Версия формы"]) == (
        *("1.1", 17, 21, "f2_self_report", "2030010101"),
    )
    assert (first["Записей на дату среза"], first["Из них версий"]) == (96, 99)


def test_what_is_no_indicator_has_its_origin_too(candidate: Candidate, release: Release, path: Path) -> None:
    """Pairs and doses follow from the registry and the meetings, not from a questionnaire."""
    meetings = FormCount("f4_meeting", "2030010101", 700, 702)
    write_workbook(replace(candidate, submissions=(*candidate.submissions, meetings)), release, path)
    origins: dict[str, set[tuple[Any, ...]]] = {}
    for row in rows_of(path, "Происхождение"):
        counted = (row["Форма"], row["Записей на дату среза"], row["Из них версий"])
        origins.setdefault(row["Показатель"], set()).add(counted)
    registry = ("r3_pair", 48, 48)
    assert origins["Пары: активны, начаты, завершены"] == origins["M4"] == {registry}
    assert origins["M2_hours, M2_meetings"] == {registry, ("f4_meeting", 700, 702)}


def test_a_check_stands_with_its_recommendation_and_origin(candidate: Candidate, release: Release, path: Path) -> None:
    write_workbook(candidate, release, path)
    rows = rows_of(path, "Готовность")
    assert len(rows) == len(candidate.readiness)
    assert {row["По чему"] for row in rows} == {"данные, записей F2: 100"}
    assert rows[0]["Текст рекомендации"] == "Текст рекомендации 2030-1"
    assert (rows[0]["Измерено"], rows[0]["Порог"], rows[0]["Статус"]) == (0.5, 0.8, "да")


def test_same_candidate_gives_the_same_bytes(candidate: Candidate, release: Release, tmp_path: Path) -> None:
    write_workbook(candidate, release, tmp_path / "one.xlsx")
    time.sleep(2.1)  # a zip counts time in steps of two seconds
    write_workbook(candidate, release, tmp_path / "other.xlsx")
    assert (tmp_path / "one.xlsx").read_bytes() == (tmp_path / "other.xlsx").read_bytes()


def test_candidate_without_rows_gives_empty_sheets(candidate: Candidate, release: Release, path: Path) -> None:
    write_workbook(replace(candidate, quarantined=(), late=(), provenance=(), readiness=()), release, path)
    assert rows_of(path, "Качество данных") == []


def test_a_few_rows_are_not_told(candidate: Candidate, release: Release, path: Path) -> None:
    refused = (QuarantineCount("f4_meeting", "a_rule", 5), QuarantineCount("f8_incident", "a_rule", 4))
    late = (LateCount("f4_meeting", 6), LateCount("f8_incident", 1))
    write_workbook(replace(candidate, quarantined=refused, late=late), release, path)
    assert [row["Записей"] for row in rows_of(path, "Качество данных")] == [5, "меньше\u00a05", 6, "меньше\u00a05"]


def test_companions_have_their_own_sheet(candidate: Candidate, release: Release, path: Path) -> None:
    write_workbook(candidate, release, path)
    rows = rows_of(path, "Сопутствующие")
    assert [(row["Сопутствующий"], row["К показателю"], row["n (достигли)"], row["N (измерены)"]) for row in rows] == [
        ("2.1r", "2.1", 8, 20)
    ] * 3
    assert {row["Вид периода"] for row in rows} == set(russian.PERIOD_VIEWS.values())


def test_a_difference_stands_with_its_causes(candidate: Candidate, release: Release, path: Path) -> None:
    """Of one or two people nothing is told but that they are few; what is hidden has no causes."""
    hidden = difference(quarter="2031-Q3", is_hidden=True)
    write_workbook(replace(candidate, differences=(difference(), hidden)), release, path)
    added, due, silent = rows_of(path, "Пересмотры")
    assert (added["Было n"], added["Стало n"], added["Сдвиг, п. п."]) == (17, 20, pytest.approx(4.0))
    assert (added["Причина"], added["n: вошли"], added["N: вошли"]) == ("поступили новые записи", 3, 4)
    assert (due["Причина"], due["N: вошли"], due["N: вышли"]) == (
        "наступил срок или произошло после среза",
        "1–2",
        0,
    )
    assert added["Пересмотр"] == "пересечён порог: числа измеренных или охвата"
    assert (silent["Причина"], silent["n: вошли"]) == (None, None)


def test_parameters_stand_with_their_versions(candidate: Candidate, release: Release, path: Path) -> None:
    write_workbook(candidate, release, path)
    rows = {row["Параметр"]: row for row in rows_of(path, "Параметры")}
    assert (rows["percent_min_measured"]["Версия"], rows["percent_min_measured"]["Значение"]) == ("1", 10)


def test_a_break_and_the_reasons_of_a_revision_are_named(candidate: Candidate, release: Release, path: Path) -> None:
    broken = replace(candidate, breaks=(Break("1.1", "2031-Q3-r1", "1", "2", 0.5),))
    write_workbook(broken, replace(release, reasons=("moved", "error")), path)
    told = [(row["Что"], row["Значение"]) for row in rows_of(path, "О выпуске")]
    assert ("Разрыв ряда: 1.1", "определение 1 → 2; прежнее – в выпуске 2031-Q3-r1") in told
    assert [value for name, value in told if name == "Почему ревизия"] == [
        "доля сдвинулась на порог пересмотра или больше",
        "объявлена ошибка",
    ]
