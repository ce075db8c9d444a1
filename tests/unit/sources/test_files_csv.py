from __future__ import annotations

import pytest

from tests.unit.sources.conftest import GOOD, Folder

LABELS = (
    'Код пары;Дата визита;Состоялся ли визит?;Сколько минут?;Заметка\nП-1;01.03.2021;Состоялась;60;"он сказал ""да"""\n'
)
ANSWERS = {
    "pair_code": "П-1",
    "held_on": "2021-03-01",
    "status": "held",
    "minutes": "60",
    "note": 'он сказал "да"',
}


def given(answers: dict[str, str | None]) -> dict[str, str]:
    return {name: answer for name, answer in answers.items() if answer is not None}


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1251", "cp866", "koi8-r"])
def test_encodings_and_delimiters_are_found_out(folder: Folder, encoding: str, delimiter: str) -> None:
    folder.write("a.csv", LABELS.replace(";", delimiter), encoding)
    assert [given(answers) for answers in folder.answers()] == [ANSWERS]


def test_what_was_found_out_is_said(folder: Folder) -> None:
    folder.write("a.csv", LABELS, "cp1251")
    (note,) = folder.extract()[0].notes
    for said in ("CSV", "cp1251", "separated by semicolons", "header in row 1", "held_on: dates d.m.Y"):
        assert said in note


def test_decimal_commas_are_said(folder: Folder) -> None:
    folder.write("a.csv", "pair_code;held_on;status;minutes;fare\nП-1;2021-03-01;held;60;12,5\n")
    extraction, (submission,) = folder.extract()
    assert submission.answers["fare"] == "12.5"
    assert "fare: decimal comma" in extraction.notes[0]


def test_the_header_may_stand_below_titles(folder: Folder) -> None:
    folder.write("a.csv", "Журнал;;;;\n\nза март;;;;\n" + LABELS)
    extraction, (submission,) = folder.extract()
    assert given(dict(submission.answers)) == ANSWERS
    assert "header in row 4" in extraction.notes[0]
    assert submission.extra["_origin"] == "a.csv, row 5"


def test_a_header_over_two_rows(folder: Folder) -> None:
    """Cells that were merged downwards keep their text in the upper row."""
    folder.write("a.csv", "Код пары;Визит;;\n;Дата визита;Состоялся ли визит?;Сколько минут?\nП-1;01.03.2021;held;60\n")
    assert [given(answers) for answers in folder.answers()] == [{k: v for k, v in ANSWERS.items() if k != "note"}]


def test_rows_are_counted_as_a_spreadsheet_counts_them(folder: Folder) -> None:
    head = "submission_id,pair_code,held_on,status,minutes,note\n"
    folder.write(
        "a.csv", head + 'id-1,П-1,2021-03-01,held,60,"две\nстроки"\n\n,,,,,\nid-2,П-1,2021-03-01,held,60,\n\n\n'
    )
    extraction, submissions = folder.extract()
    assert [found.extra["_origin"] for found in submissions] == ["a.csv, row 2", "a.csv, row 5"]
    assert submissions[0].answers["note"] == "две\nстроки"
    assert "2 blank rows left out" in extraction.notes[0], "blank rows at the end are no rows"


def test_excels_own_hint_is_followed(folder: Folder) -> None:
    folder.write("a.csv", "sep=;\r\n" + LABELS.replace("\n", "\r\n"), "cp1251")
    _, (submission,) = folder.extract()
    assert submission.extra["_origin"] == "a.csv, row 2"


def test_empty_cells_to_the_right_are_nothing(folder: Folder) -> None:
    folder.write("a.csv", "pair_code,held_on,status,minutes,,,\nП-1,2021-03-01,held,60,,,,,,\nП-2,2021-03-01,held\n")
    first, second = folder.answers()
    assert first["minutes"] == "60"
    assert second["minutes"] is None


def test_case_and_marks_in_headers_make_no_difference(folder: Folder) -> None:
    folder.write(
        "a.csv", "КОД  ПАРЫ*;дата визита:;Состоялся ли визит;сколько минут\u200b?;Note\nП-1;2021-03-01;held;60;х\n"
    )
    (answers,) = folder.answers()
    assert answers["note"] == "х"
    assert answers["minutes"] == "60"


def test_formulas_stay_text(folder: Folder) -> None:
    formula = "=cmd|'/C calc'!A0"
    folder.write("a.csv", f'pair_code,held_on,status,minutes,note\n"{formula}",2021-03-01,held,=1+1,"{formula}"\n')
    (answers,) = folder.answers()
    assert (answers["pair_code"], answers["minutes"], answers["note"]) == (formula, "=1+1", formula)


def test_letters_that_were_lost_before_are_said(folder: Folder) -> None:
    folder.write("a.csv", GOOD.replace("П-1", "\ufffd-1"))
    assert "1 letters were lost" in folder.extract()[0].notes[0]


@pytest.mark.parametrize("encoding", ["utf-8", "cp1251"])
@pytest.mark.parametrize(
    "note", ["«Р»", "СССР – США", "«ПР» — №1", "Р.", "С–По", "СОС!", "Сімферополь", "Ёж, ёж", "café"]
)
def test_what_people_write_is_no_mixture(folder: Folder, note: str, encoding: str) -> None:
    text = f'pair_code,held_on,status,minutes,note\nП-1,2021-03-01,held,60,"{note}"\n'
    folder.write("a.csv", text.encode(encoding, errors="replace"))
    expected = note.encode(encoding, errors="replace").decode(encoding)
    assert folder.answers()[0]["note"] == expected
