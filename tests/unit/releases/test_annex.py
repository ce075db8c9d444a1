"""The annex for the experts: every recommendation and check, in words, with nothing that must not be seen."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from pypdf import PdfReader

from tests.unit.releases.synthetic import cell
from vmeste.releases import russian
from vmeste.releases.annex import recommendation_rows, render_annex, write_annex
from vmeste.releases.candidate import Candidate, ReadinessCheck
from vmeste.releases.disclosure import hide
from vmeste.releases.publish import Release


def text_of(html: str) -> str:
    """Return what a reader sees, blanks joined."""
    without_style = re.sub(r"<style>.*?</style>", "", html, flags=re.DOTALL)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", without_style))


def with_checks(candidate: Candidate, *checks: ReadinessCheck) -> Candidate:
    return replace(candidate, readiness=checks)


def test_every_recommendation_stands_with_all_its_checks(candidate: Candidate, release: Release) -> None:
    rows = recommendation_rows(candidate)
    assert [row.code for row in rows] == [one.recommendation_id for one in candidate.recommendations]
    assert sum(len(row.checks) for row in rows) == len(candidate.readiness)
    assert [len(row.checks) for row in rows] == [4, 3, 4, 5, 0]
    text = text_of(render_annex(candidate, release))
    for one in candidate.recommendations:
        assert f"{one.recommendation_id}. {one.text_ru}" in text
    assert text.count("Пояснение для проверки") == len(candidate.readiness)
    assert "R2031-3. Текст рекомендации 2031-3 план практики, 2031" in text
    assert text.count("Проверок нет.") == 1


def test_a_check_says_value_threshold_status_and_origin(candidate: Candidate) -> None:
    """Submissions of all versions of a form are counted together; what was not measured is a dash."""
    checks = (
        ReadinessCheck("R2030-1", "regulation", 2030, "partial", 2 / 3, 0.8, "Доля", "a", "data", ("f2_self_report",)),
        ReadinessCheck("R2030-1", "regulation", 2030, "not_computable", None, 1.0, "Нужен документ", "b", "artefact"),
        ReadinessCheck("R2030-1", "regulation", 2030, "not_met", 0.0, 4.0, "Выпуски", "c", "ledger"),
        ReadinessCheck("R2030-1", "regulation", 2030, "met", 10.0, 10.0, "Число", "d", "data", ("f8_incident",)),
    )
    rows = recommendation_rows(with_checks(candidate, *checks))[0].checks
    assert [(row.measured, row.threshold, row.status, row.origin) for row in rows] == [
        ("0,67", "0,8", "частично", "данные, записей F2: 100"),
        ("–", "1", "не вычислить", "документ"),
        ("0", "4", "нет", "журнал выпусков"),
        ("10", "10", "да", "данные, записей F8: 0"),
    ]


def test_no_status_is_without_words(candidate: Candidate) -> None:
    for status in ("met", "partial", "not_met", "not_computable", "not_yet_due"):
        check = ReadinessCheck("R2030-1", "regulation", 2030, status, None, None, "")
        assert recommendation_rows(with_checks(candidate, check))[0].checks[0].status == russian.READINESS[status]


def test_levels_are_those_of_the_experts_and_none_is_predicted(candidate: Candidate, release: Release) -> None:
    text = text_of(render_annex(candidate, release))
    assert text.count("базовый") == len(candidate.levels) == 4
    assert "Уровень по стандарту программа не предсказывает" in text
    assert "базовый" not in text_of(render_annex(replace(candidate, levels=()), release))


def test_a_hidden_cell_stays_hidden(candidate: Candidate, release: Release) -> None:
    small = cell("3.1", 7, 8, 31, status="suppressed_secondary")
    kept = [value for value in candidate.indicators if value.cell != small.cell]
    html = render_annex(replace(candidate, indicators=hide([*kept, small])), release)
    rows = {
        row.split("</th>")[0]: text_of(row) for row in re.findall(r'<th scope="row">(\d\.\d</th>.*?)</tr>', html, re.S)
    }
    assert set(rows) == {"1.1", "2.1", "2.2", "2.3", "3.1"}
    assert "скрыто: иначе раскрылось бы скрытое рядом" in rows["3.1"]
    assert "планируется" in rows["2.3"]
    for code in ("2.3", "3.1"):
        assert not re.search(r"\d", rows[code].replace(code, "").replace("через 6 месяцев", "").replace(": 31", "")), (
            code
        )


def test_html_asks_nothing_from_elsewhere(candidate: Candidate, release: Release) -> None:
    assert not re.search(r"https?:|file:|<script|<link|@import|url\(|/(?:home|root)/", render_annex(candidate, release))


def test_pdf_is_a4_in_our_fonts_with_numbered_pages(candidate: Candidate, release: Release, tmp_path: Path) -> None:
    write_annex(render_annex(candidate, release), tmp_path / "annex.pdf")
    reader = PdfReader(tmp_path / "annex.pdf")
    count = len(reader.pages)
    assert count > 1
    for number, sheet in enumerate(reader.pages, start=1):
        assert [round(float(side) / 72 * 25.4) for side in sheet.mediabox[2:]] == [210, 297]
        fonts = [font.get_object() for font in sheet["/Resources"]["/Font"].values()]
        assert {str(font["/BaseFont"]).split("+")[1] for font in fonts} <= {"Vmeste-Sans", "Vmeste-Sans-Bold"}
        text = sheet.extract_text()
        assert f"стр. {number} из {count}" in text
        assert "Выпуск 2031-Q4-r1, выпущено, контрольная сумма 5e5e5e5e5e5e" in text
