"""The page: one A4 sheet, the right words, nothing hidden that could be read, the same bytes again."""

from __future__ import annotations

import re
import time
from dataclasses import replace
from pathlib import Path

import pytest
from pypdf import PdfReader

from tests.unit.releases.synthetic import QUARTER, cell, difference
from vmeste.releases import page
from vmeste.releases.candidate import Break, Candidate, Definition, LateCount, ProgrammeValue, QuarantineCount
from vmeste.releases.disclosure import IndicatorValue, hide, keep_silent
from vmeste.releases.page import PageError, render_html, write_pdf
from vmeste.releases.publish import Release


def text_of(html: str) -> str:
    """Return what a reader sees, blanks joined."""
    without_style = re.sub(r"<style>.*?</style>", "", html, flags=re.DOTALL)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", without_style))


def with_cells(candidate: Candidate, *cells: IndicatorValue) -> Candidate:
    """Replace the candidate's cells of the same name."""
    names = {value.cell for value in cells}
    kept = [value for value in candidate.indicators if value.cell not in names]
    return replace(candidate, indicators=hide([*kept, *cells]))


@pytest.fixture
def full(candidate: Candidate) -> Candidate:
    """The candidate with eight quarters before it, zeros and hundreds among them."""
    past, quarter = [], QUARTER
    for back in range(8):
        quarter = quarter.previous
        past += [
            cell("1.1", 21, 21, 21, quarter=quarter),
            cell("2.1", 8 + back, 20, 34 - back, quarter=quarter),
            cell("2.2", 0, 30, 30, quarter=quarter),
            cell("2.3", 11, 13, 14, quarter=quarter),
            cell("3.1", 10, 20, 26, quarter=quarter),
        ]
    return with_cells(candidate, *past)


def test_pdf_is_one_a4_page_with_its_fonts_and_texts(full: Candidate, release: Release, tmp_path: Path) -> None:
    path = tmp_path / "new folder" / "release.pdf"
    write_pdf(render_html(full, release), path)
    reader = PdfReader(path)
    assert len(reader.pages) == 1
    sheet = reader.pages[0]
    assert [round(float(side) / 72 * 25.4) for side in sheet.mediabox[2:]] == [210, 297]
    fonts = [font.get_object() for font in sheet["/Resources"]["/Font"].values()]
    names = {str(font["/BaseFont"]).split("+")[1] for font in fonts}
    assert names == {"Vmeste-Sans", "Vmeste-Sans-Bold"}, "a font of this machine was used instead of the embedded one"
    assert all("/FontFile2" in font["/DescendantFonts"][0].get_object()["/FontDescriptor"] for font in fonts)
    text = sheet.extract_text()
    for words in ("IV квартал 2031", "выпущено", "81 %", "14 из 20", "Требует решения", "demo-director"):
        assert words in text.replace("\u00a0", " ")
    assert reader.metadata is not None
    assert reader.metadata["/CreationDate"] == "D:20320114210000Z"


def test_same_page_gives_the_same_bytes(candidate: Candidate, draft: Release, tmp_path: Path) -> None:
    html = render_html(candidate, draft)
    assert html == render_html(candidate, draft)
    write_pdf(html, tmp_path / "one.pdf")
    time.sleep(1.1)  # dates in fonts and documents count in seconds
    write_pdf(html, tmp_path / "other.pdf")
    assert (tmp_path / "one.pdf").read_bytes() == (tmp_path / "other.pdf").read_bytes()


def test_page_that_cannot_fit_is_refused(
    candidate: Candidate, draft: Release, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page, "TYPE_SIZES", page.TYPE_SIZES[-1:])  # each size tried costs seconds
    endless = tuple(
        Definition(found.indicator_code, {**found.columns, "name_ru": "очень длинное название " * 60})
        for found in candidate.definitions
    )
    with pytest.raises(PageError, match="pages even with the smallest type"):
        write_pdf(render_html(replace(candidate, definitions=endless), draft), tmp_path / "release.pdf")
    assert not (tmp_path / "release.pdf").exists()


def test_html_asks_nothing_from_elsewhere(candidate: Candidate, release: Release) -> None:
    html = render_html(candidate, release)
    assert not re.search(r"https?:|file:|<script|<link|@import|url\(|/(?:home|root)/", html)
    assert '<html lang="ru">' in html
    assert 'name="viewport"' in html


def test_small_group_is_counted_without_a_percent(candidate: Candidate, release: Release) -> None:
    small = cell("2.3", 5, 8, 10, status="suppressed_small_n")
    text = text_of(render_html(with_cells(candidate, small), release))
    assert "5 из 8" in text
    assert "доля скрыта: мало наблюдений" in text
    assert "63 %" not in text


def test_planned_is_a_word_and_never_zero(candidate: Candidate, release: Release) -> None:
    html = render_html(candidate, release)
    (article,) = [part for part in html.split("<article>") if '<span class="code">2.3</span>' in part]
    assert '<p class="words">планируется</p>' in article
    around_chart = re.sub(r"<svg.*?</svg>", "", article, flags=re.DOTALL)
    assert not re.search(r"\b0\b", text_of(around_chart.split("</article>")[0]))


def test_no_data_is_a_word(candidate: Candidate, release: Release) -> None:
    text = text_of(render_html(with_cells(candidate, cell("3.1", 0, 0, 12, status="no_data")), release))
    assert "нет данных подлежат измерению: 12" in text


def test_low_coverage_takes_the_percent_out_of_the_headline(candidate: Candidate, release: Release) -> None:
    html = render_html(candidate, release)
    assert '<p class="big">14 из 20</p>' in html
    assert '<b class="flag no_headline">не выносить в заголовок</b>' in html
    assert '<b class="flag caution">осторожно</b>' in html


@pytest.mark.parametrize(
    ("before", "says"),
    [
        (cell("1.1", 13, 20, 20, quarter=QUARTER.previous), "65\u00a0%, в пределах интервала"),
        (cell("1.1", 9, 18, 20, quarter=QUARTER.previous), "50\u00a0% ▲\u00a031\u00a0п.\u00a0п."),
        (cell("1.1", 20, 20, 20, quarter=QUARTER.previous), "100\u00a0% ▼\u00a019\u00a0п.\u00a0п."),
        (cell("1.1", 5, 8, 8, quarter=QUARTER.previous, status="suppressed_small_n"), "скрыто: мало наблюдений"),
        (
            replace(cell("1.1", 1, 20, 20, quarter=QUARTER.previous), definition_version="0"),
            "5\u00a0%, определение другое",
        ),
    ],
)
def test_arrow_only_beyond_the_interval(
    candidate: Candidate, release: Release, before: IndicatorValue, says: str
) -> None:
    text = render_html(with_cells(candidate, before), release)
    assert f"<dt>Ранее</dt><dd>{says}</dd>" in text


def test_hidden_programme_measure_is_a_word(candidate: Candidate, release: Release) -> None:
    hidden = ProgrammeValue(
        "M4", "2031-Q4", "rolling_4q", "all", None, None, None, None, None, None, None, "suppressed_small_n"
    )
    text = text_of(render_html(replace(candidate, programme=(hidden,)), release))
    assert "скрыто: мало наблюдений" in text
    assert "нет данных" in text  # the doses are not there at all


def test_a_break_is_said_where_the_quarter_before_would_stand(candidate: Candidate, release: Release) -> None:
    """No arrow and no comparison: the figure that was released by the other definition, and that it is another."""
    broken = replace(candidate, breaks=(Break("1.1", "2031-Q3-r1", "1", "2", 0.5),))
    text = text_of(render_html(broken, release))
    assert "разрыв ряда: определение 1 → 2, выпущено 50 %" in text.replace("\u00a0", " ")
    assert text.count("разрыв ряда") == 1
    assert "разрыв ряда" not in text_of(render_html(candidate, release))


def test_a_revision_that_is_due_asks_for_a_decision(candidate: Candidate, release: Release) -> None:
    due = replace(candidate, differences=(difference(quarter="2031-Q3"),))
    assert ": III квартал 2031: 1.1 – выпустить новую ревизию?" in text_of(render_html(due, release))
    small = replace(candidate, differences=(difference(quarter="2031-Q3", reasons=()),))
    assert "Пересмотр" not in text_of(render_html(small, release))


def test_a_revision_says_which_headlines_it_restates(candidate: Candidate, release: Release) -> None:
    restated = replace(candidate, differences=(difference(),))
    assert "Ревизия пересматривает 1.1: прежние значения – лист «Пересмотры»." in text_of(
        render_html(restated, release)
    )


def test_a_hidden_headline_is_said_and_is_no_cell_of_a_split(candidate: Candidate, release: Release) -> None:
    """As after an erasure: the figure would tell of somebody beside the release before."""
    silent = replace(
        candidate,
        indicators=tuple(
            keep_silent(value) if value.indicator_code == "2.2" and value.is_headline else value
            for value in candidate.indicators
        ),
    )
    text, before = (text_of(render_html(found, release)) for found in (silent, candidate))
    assert "скрыто: иначе раскрылось бы скрытое рядом" in text
    assert re.search(r"В разрезах.*?\.", text)[0] == re.search(r"В разрезах.*?\.", before)[0]  # type: ignore[index]


def test_names_are_escaped(candidate: Candidate, release: Release) -> None:
    html = render_html(candidate, replace(release, prepared_by="<script>alert(1)</script>"))
    assert "<script>" not in html
    assert "&lt;script&gt;" in html


def test_caveats_name_quarantine_and_late_rows(candidate: Candidate, release: Release) -> None:
    many = replace(
        candidate,
        quarantined=(QuarantineCount("f2_self_report", "a", 5), QuarantineCount("f4_meeting", "b", 6)),
        quarantined_rows=11,
        late=(LateCount("f4_meeting", 21),),
    )
    text = text_of(render_html(many, release))
    assert "В карантине 11 записей: в показатели не вошли (нарушений по формам – F2: 5, F4: 6)." in text
    assert "После прошлого среза поступила 21 запись о прежних кварталах (F4: 21)." in text
    assert "не учтено 11 записей" in text


def test_a_few_rows_of_a_form_are_not_told_and_do_not_follow(candidate: Candidate, release: Release) -> None:
    """Of F4 one rule was broken by two and one by one, of F2 one by one: neither they nor a sum of them are told."""
    text = text_of(render_html(candidate, release))
    assert "В карантине не меньше 2 записей: в показатели не вошли" in text
    assert "(нарушений по формам – F2: меньше 5, F4: не меньше 2)." in text
    assert "После прошлого среза поступило не меньше 1 записи о прежних кварталах (F4: меньше 5)." in text
    assert "не меньше 2 записей не учтено" in text
    other = replace(candidate, late=(LateCount("f4_meeting", 20), LateCount("f8_incident", 1)))
    assert "поступило не меньше 21 записи о прежних кварталах (F4: 20, F8: меньше 5)" in text_of(
        render_html(other, release)
    )


def test_what_is_said_of_rows_is_the_same_for_one_and_for_four(candidate: Candidate, release: Release) -> None:
    """Whoever compares the pages of one row and of four finds no difference."""

    def page(rows: int) -> str:
        refused = (QuarantineCount("f4_meeting", "a", 7), QuarantineCount("f8_incident", "b", rows))
        late = (LateCount("f4_meeting", 20), LateCount("f8_incident", rows))
        of_rows = replace(candidate, quarantined=refused, quarantined_rows=7 + rows, late=late)
        return text_of(render_html(of_rows, release))

    assert page(1) == page(4)
    assert page(4) != page(5)


def test_follow_ups_of_both_forms_are_added_up(candidate: Candidate, release: Release) -> None:
    html = render_html(candidate, release)
    rows = re.findall(r'<th scope="row">(Все пары|Краткосрочная|Долгосрочная)</th>(.*?)</tr>', html, re.DOTALL)
    assert {label: re.findall(r'"figure">(\d+)</td>', cells)[-2:] for label, cells in rows} == {
        "Все пары": ["8", "1"],
        "Краткосрочная": ["5", "0"],
        "Долгосрочная": ["3", "1"],
    }


def test_reliable_gain_stands_beside_any_gain(candidate: Candidate, draft: Release) -> None:
    """The companion is said within its headline's row, and has no row of its own."""
    html = render_html(candidate, draft)
    assert re.findall(r"Надёжно лучше</dt><dd>([^<]+)</dd>", html) == ["8 из 20"]
    assert re.findall(r'class="code">([^<]+)<', html) == ["1.1", "2.1", "2.2", "2.3", "3.1"]


def test_reliable_gain_of_nobody_is_not_said(candidate: Candidate, draft: Release) -> None:
    unmeasured = with_cells(candidate, *hide([cell("2.1r", 0, 0, 48, status="no_data")]))
    assert "Надёжно лучше</dt>" not in render_html(unmeasured, draft)
