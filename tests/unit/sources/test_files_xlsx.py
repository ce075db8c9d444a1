from __future__ import annotations

from datetime import datetime, time

import openpyxl
import pytest
from openpyxl.utils.datetime import CALENDAR_MAC_1904
from openpyxl.worksheet.formula import ArrayFormula

from tests.unit.sources.conftest import Folder

HEAD = ["submission_id", "Код пары", "Дата визита", "Состоялся ли визит?", "Сколько минут?", "Начало", "Заметка"]
DAY = datetime(2021, 3, 1)  # noqa: DTZ001 (as Excel has it)
ROW = ["id-1", "П-1", DAY, "Состоялась", 60.0, time(14, 30), None]


def test_true_dates_and_numbers(folder: Folder) -> None:
    folder.workbook("a.xlsx", {"Ответы": [HEAD, ROW]})
    extraction, (submission,) = folder.extract()
    given = {name: answer for name, answer in submission.answers.items() if answer is not None}
    assert given == {
        "pair_code": "П-1",
        "held_on": "2021-03-01",
        "status": "held",
        "minutes": "60",
        "start_time": "14:30:00",
    }
    for said in ("XLSX", "sheet 'Ответы'", "header in row 1", "held_on: Excel dates"):
        assert said in extraction.notes[0]


def test_serial_dates(folder: Folder) -> None:
    folder.workbook("a.xlsx", {"Ответы": [HEAD, ["id-1", "П-1", 44256, "held", 60, 14.5 / 24, None]]})
    (answers,) = folder.answers()
    assert (answers["held_on"], answers["start_time"]) == ("2021-03-01", "14:30:00")


def test_serial_dates_of_a_workbook_that_counts_from_1904(folder: Folder) -> None:
    book = openpyxl.Workbook()
    book.epoch = CALENDAR_MAC_1904
    book.active.append(HEAD)
    book.active.append(["id-1", "П-1", 44256 - 1462, "held", 60, None, None])
    book.save(folder.path / "a.xlsx")
    assert folder.answers()[0]["held_on"] == "2021-03-01"


def test_titles_and_blank_rows(folder: Folder) -> None:
    rows = [["Журнал визитов"], [], HEAD, ROW, [], ["id-2", *ROW[1:]], [None, ""], []]
    folder.workbook("a.xlsx", {"Ответы": rows})
    book = openpyxl.load_workbook(folder.path / "a.xlsx")
    book.active.merge_cells("A1:G1")
    book.save(folder.path / "a.xlsx")
    extraction, submissions = folder.extract()
    assert [found.extra["_origin"] for found in submissions] == ["a.xlsx, row 4", "a.xlsx, row 6"]
    assert "header in row 3" in extraction.notes[0]
    assert "1 blank rows left out" in extraction.notes[0]


def test_merged_headers(folder: Folder) -> None:
    upper = ["submission_id", "Код пары", "Визит", None, None, None, "Заметка"]
    lower = [None, None, *HEAD[2:6], None]
    folder.workbook("a.xlsx", {"Ответы": [upper, lower, ROW]})
    book = openpyxl.load_workbook(folder.path / "a.xlsx")
    for cells in ("A1:A2", "B1:B2", "C1:F1", "G1:G2"):
        book.active.merge_cells(cells)
    book.save(folder.path / "a.xlsx")
    extraction, (submission,) = folder.extract()
    assert submission.submission_id == "id-1"
    assert submission.answers["minutes"] == "60"
    assert set(submission.extra) == {"_origin"}
    assert "header in row 2" in extraction.notes[0]


def test_hidden_and_other_sheets_are_ignored_and_said(folder: Folder) -> None:
    hidden = [HEAD, ["id-9", *ROW[1:]]]
    folder.workbook("a.xlsx", {"Старое": hidden, "Справка": [["как заполнять"]], "Ответы": [HEAD, ROW], "Пусто": []})
    book = openpyxl.load_workbook(folder.path / "a.xlsx")
    book["Старое"].sheet_state = "veryHidden"
    book.save(folder.path / "a.xlsx")
    extraction, submissions = folder.extract()
    assert [found.submission_id for found in submissions] == ["id-1"]
    assert "hidden sheets ignored: 'Старое'" in extraction.notes[0]
    assert "other sheets ignored: 'Справка'" in extraction.notes[0]


def test_two_sheets_that_hold_the_form_are_refused(folder: Folder) -> None:
    folder.workbook("a.xlsx", {"Март": [HEAD, ROW], "Апрель": [HEAD, ROW]})
    assert "sheets 'Март', 'Апрель' all hold this form" in folder.refusal()


def test_a_workbook_with_nothing_visible_is_refused(folder: Folder) -> None:
    folder.workbook("a.xlsx", {"Пусто": []})
    assert "no visible sheet" in folder.refusal()


@pytest.mark.parametrize("formula", ["=1+1", "=cmd|'/C calc'!A0", '=HYPERLINK("http://example.invalid","x")'])
def test_formulas_stay_text(folder: Folder, formula: str) -> None:
    folder.workbook("a.xlsx", {"Ответы": [HEAD, ["id-1", "П-1", DAY, "held", formula, None, formula]]})
    (answers,) = folder.answers()
    assert (answers["minutes"], answers["note"]) == (formula, formula)


def test_array_formulas_stay_text(folder: Folder) -> None:
    book = openpyxl.Workbook()
    book.active.append(HEAD)
    book.active.append(ROW)
    book.active["G2"] = ArrayFormula("G2:G2", "=SUM(E2:E2)")
    book.save(folder.path / "a.xlsx")
    assert folder.answers()[0]["note"] == "=SUM(E2:E2)"


def test_an_extent_that_lies_does_not_cut(folder: Folder) -> None:
    """Some programs write <dimension ref="A1"/> whatever the sheet holds."""
    import zipfile

    source = folder.workbook("a.xlsx", {"Ответы": [HEAD, ROW]})
    parts = {}
    with zipfile.ZipFile(source) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    sheet = "xl/worksheets/sheet1.xml"
    assert b'<dimension ref="A1:G2"' in parts[sheet]
    parts[sheet] = parts[sheet].replace(b'<dimension ref="A1:G2"', b'<dimension ref="A1"')
    with zipfile.ZipFile(source, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    assert folder.answers()[0]["minutes"] == "60"
