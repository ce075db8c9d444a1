"""Bad input: each is refused with its reason and a way out, and the good file beside it is read."""

from __future__ import annotations

import csv
import io
import os
import re
import zipfile
from collections.abc import Callable
from pathlib import Path

import openpyxl
import pytest
from fsspec.implementations.local import LocalFileSystem

from tests.unit.sources.conftest import GOOD, VISIT, Folder
from vmeste.forms import load_form
from vmeste.sources import files_xlsx, sheets

HEAD = GOOD.splitlines()[0]
ROW = GOOD.splitlines()[1]
FORMS = Path(__file__).parents[3] / "forms"


def test_nothing_in_the_file(folder: Folder) -> None:
    folder.write("a.csv", b"")
    assert folder.refusal() == "it is empty (0 bytes). Export or copy it again"


def test_a_file_that_may_not_be_read(folder: Folder) -> None:
    path = folder.write("a.csv", GOOD)
    path.chmod(0)
    folder.path.chmod(0o755)
    for parent in folder.path.parents:
        if parent.stat().st_uid == os.geteuid() and parent.name.startswith(("pytest-", "popen-")):
            parent.chmod(0o755)
    folder.write("good.csv", GOOD)  # as refusal() does, while we still may
    is_root = os.geteuid() == 0
    if is_root:  # root may read everything
        os.seteuid(65534)
    try:
        extraction = folder.source.extract(VISIT, None)
    finally:
        if is_root:
            os.seteuid(0)
    (refusal,) = extraction.refusals
    assert refusal.name == "a.csv"
    assert "cannot be read (Permission denied). Make it readable" in refusal.reason
    assert extraction.server_count == 1


def test_a_link_to_nowhere(folder: Folder) -> None:
    (folder.path / "a.csv").symlink_to(folder.path / "nowhere")
    assert "cannot be read" in folder.refusal()


def test_a_pipe(folder: Folder) -> None:
    os.mkfifo(folder.path / "a.csv")
    assert "a pipe or a device" in folder.refusal()


def test_too_large_a_file(folder: Folder) -> None:
    with (folder.path / "a.csv").open("wb") as file:
        file.truncate(sheets.MAX_CONTENT + 1)  # sparse
    assert "more than the 300 MB" in folder.refusal()


@pytest.mark.parametrize("content", [b"%PDF-1.7\n" + bytes(range(256)) * 9, b"\x1f\x8b\x08\x00" + bytes(4_000)])
def test_what_is_not_text(folder: Folder, content: bytes) -> None:
    folder.write("a.csv", content)
    assert "Export" in folder.refusal()


def test_a_broken_zip(folder: Folder) -> None:
    path = folder.workbook("a.xlsx", {"Ответы": [HEAD.split(","), ROW.split(",")]})
    path.write_bytes(path.read_bytes()[:-400])
    assert "the workbook is broken or cut short" in folder.refusal()


def test_a_workbook_that_is_none(folder: Folder) -> None:
    folder.write("a.xlsx", "текст")
    assert "does not begin as .xlsx does" in folder.refusal()


def test_a_zip_that_is_no_workbook(folder: Folder) -> None:
    with zipfile.ZipFile(folder.path / "a.xlsx", "w") as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
    assert "no XLSX workbook" in folder.refusal()


def test_a_workbook_broken_inside(folder: Folder) -> None:
    path = folder.workbook("a.xlsx", {"Ответы": [HEAD.split(","), ROW.split(",")]})
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    parts["xl/worksheets/sheet1.xml"] = parts["xl/worksheets/sheet1.xml"][:200]
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    assert "the workbook is broken (" in folder.refusal()


def test_entities_in_a_workbook_are_not_expanded(folder: Folder) -> None:
    path = folder.workbook("a.xlsx", {"Ответы": [HEAD.split(","), ROW.split(",")]})
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    head, body = b"<worksheet", parts["xl/worksheets/sheet1.xml"]
    parts["xl/worksheets/sheet1.xml"] = body.replace(head, b'<!DOCTYPE x [<!ENTITY a "ha">]>' + head, 1)
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    assert "it declares XML entities" in folder.refusal()


def test_a_zip_bomb(folder: Folder) -> None:
    with zipfile.ZipFile(folder.path / "a.xlsx", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/workbook.xml", "<workbook/>")
        with archive.open("xl/worksheets/sheet1.xml", "w", force_zip64=True) as part:
            for _ in range(301):
                part.write(bytes(1024**2))
    assert (folder.path / "a.xlsx").stat().st_size < 1024**2
    assert "unpacked it is 301 MB, more than the 300 MB" in folder.refusal()


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"", "an old Excel workbook"), ("EncryptedPackage".encode("utf-16-le"), "encrypted with a password")],
)
@pytest.mark.parametrize("name", ["a.xls", "a.xlsx"])
def test_old_and_encrypted_workbooks(folder: Folder, name: str, content: bytes, said: str) -> None:
    folder.write(name, files_xlsx.OLE + bytes(512) + content)
    assert said in folder.refusal()


def test_a_file_of_another_form(folder: Folder) -> None:
    form = load_form(FORMS / "f4_meeting.md")
    folder.write("a.csv", ";".join(question.label_ru for question in form.questions) + "\n")
    reason = folder.refusal()
    assert "it is not a file of visit" in reason
    assert "It looks like f4_meeting («F4. Журнал встреч»)" in reason


def test_another_form_that_shares_most_required_columns(folder: Folder) -> None:
    """F2 has four of the six columns that F3 requires: it is still told apart."""
    from dataclasses import replace

    other, own = load_form(FORMS / "f2_self_report.md"), load_form(FORMS / "f3_mentee_feedback.md")
    folder.write("a.csv", ",".join(question.name for question in other.questions) + "\n")
    source = replace(folder.source, forms={own.form_id: folder.source.forms["visit"]})
    (refusal,) = source.extract(own, None).refusals
    assert "It looks like f2_self_report" in refusal.reason


def test_a_file_of_nothing_that_is_known_is_not_quoted(folder: Folder) -> None:
    """Without a header the first row is answers, and messages go to logs."""
    folder.write("a.csv", "Участник 001 (вымышлен),2001-01-01\n")
    reason = folder.refusal()
    assert "of the 4 columns that this form requires, 0 are in its first 20 rows" in reason
    assert "Участник" not in reason


def test_a_renamed_required_column(folder: Folder, translated: Callable[..., Folder]) -> None:
    folder.write("a.csv", GOOD.replace("held_on", "Число"))
    reason = folder.refusal()
    assert "required columns are missing: held_on («Дата визита»)" in reason
    assert "not recognised: 'Число'" in reason
    assert 'columns: {"Число": held_on}' in reason
    extraction, submissions = translated(Число="held_on").extract()
    assert extraction.refusals == ()
    assert [found.answers["held_on"] for found in submissions] == ["2021-03-01"] * 2


def test_a_missing_required_column(folder: Folder) -> None:
    folder.write("a.csv", "submission_id,pair_code,held_on,status\nid-2,П-1,2021-03-01,held\n")
    reason = folder.refusal()
    assert "required columns are missing: minutes" in reason
    assert "not recognised: none" in reason
    assert "export the table again" in reason


def test_two_columns_for_one_question(folder: Folder) -> None:
    folder.write("a.csv", GOOD.replace("minutes", "minutes,Сколько минут?").replace("60", "60,45"))
    reason = folder.refusal()
    assert "two columns answer minutes: 'minutes' and 'Сколько минут?'" in reason
    assert "columns: {'Сколько минут?': null}" in reason


def test_a_cell_of_fifty_megabytes(folder: Folder) -> None:
    folder.write("a.csv", f"{HEAD},note\n{ROW},\n{ROW},{'x' * 50_000_000}\n")
    assert "row 3 has a cell of more than 1,048,576 characters" in folder.refusal()


def test_a_long_cell_stops_the_reading_early(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    """The reader never holds more of a cell than the limit."""
    longest = 0
    reader = csv.reader

    def spy(lines: io.StringIO, **options: object) -> object:
        nonlocal longest
        longest = max(longest, csv.field_size_limit())
        return reader(lines, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(csv, "reader", spy)
    folder.write("a.csv", f"{HEAD},note\n{ROW},{'x' * 2_000_000}\n")
    assert "row 2" in folder.refusal()
    assert longest <= sheets.MAX_CELL


def test_a_long_cell_in_a_workbook(folder: Folder) -> None:
    rows = [HEAD.split(","), ROW.split(","), ROW.split(",")]
    path = folder.workbook("a.xlsx", {"Ответы": rows})
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    # openpyxl writes letters as they are, or as numbers where lxml is installed
    code = re.compile("П-1".encode() + b"|" + "П-1".encode("ascii", "xmlcharrefreplace"))
    (part,) = [name for name, content in parts.items() if code.search(content)]
    parts[part] = code.sub(b"x" * 1_100_000, parts[part])
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    assert "row 2 has a cell of more than 1,048,576 characters" in folder.refusal()


def test_a_row_of_ten_thousand_columns(folder: Folder) -> None:
    folder.write("a.csv", GOOD + ",".join("x" * 10_000) + "\n")
    assert "row 3 has 10,000 columns" in folder.refusal()


def test_a_row_wider_than_the_header(folder: Folder) -> None:
    folder.write("a.csv", GOOD + ROW + ",лишнее\n")
    assert "row 3 has 7 columns, the header has 6" in folder.refusal()


def test_a_header_of_too_many_columns(folder: Folder) -> None:
    folder.write("a.csv", f"{HEAD},{','.join(f'q{number}' for number in range(2_000))}\n")
    assert "row 1 has 2,006 columns, more than the 2,000" in folder.refusal()


def test_a_workbook_with_something_far_to_the_right(folder: Folder) -> None:
    folder.workbook("a.xlsx", {"Ответы": [HEAD.split(","), ROW.split(",")]})
    book = openpyxl.load_workbook(folder.path / "a.xlsx")
    book.active.cell(2, 16_384, "х")
    book.save(folder.path / "a.xlsx")
    assert "row 2 has 16,384 columns" in folder.refusal()


def test_a_workbook_with_too_long_a_header(folder: Folder) -> None:
    folder.workbook("a.xlsx", {"Ответы": [[*HEAD.split(","), *map(str, range(2_000))], ROW.split(",")]})
    assert "row 1 has 2,006 columns, more than the 2,000" in folder.refusal()


RUSSIAN = "П-1,2021-03-01,held,60,условная заметка о визите"
WITH_NOTE = "pair_code,held_on,status,minutes,note\n"


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_two_encodings_in_one_file(folder: Folder, mark: bytes) -> None:
    line = RUSSIAN + "\n"
    folder.write("a.csv", mark + (WITH_NOTE + line * 2).encode() + line.encode("cp1251"))
    reason = folder.refusal()
    assert "mixes encodings: line 2 is UTF-8, line 4 is not" in reason


def test_utf8_that_was_once_taken_for_cp1251(folder: Folder) -> None:
    spoiled = RUSSIAN.encode().decode("cp1251", errors="replace")
    folder.write("a.csv", WITH_NOTE + RUSSIAN + "\n" + spoiled.replace("\ufffd", "") + "\n")
    assert "letters in line 3 were once read in a wrong encoding" in folder.refusal()


@pytest.mark.parametrize("code", ["П-1", "В-001", "Н-17"])
@pytest.mark.parametrize("is_utf8_first", [True, False])
def test_a_single_letter_tells_two_encodings_apart(folder: Folder, code: str, is_utf8_first: bool) -> None:
    """Read in the wrong encoding a code would belong to nobody, and nobody would be told."""
    line = f"{code},2021-03-01,held,60,\n"
    parts = [line.encode(), line.encode("cp1251")]
    folder.write("a.csv", WITH_NOTE.encode() + b"".join(parts if is_utf8_first else parts[::-1]))
    assert "mixes encodings" in folder.refusal()


def test_two_encodings_in_one_row(folder: Folder) -> None:
    row = "П-1,2021-03-01,held,60,".encode() + "заметка\n".encode("cp1251")
    folder.write("a.csv", WITH_NOTE.encode() + row)
    assert "mixes encodings" in folder.refusal()


@pytest.mark.parametrize("code", ["П-1", "В-001", "Н-17"])
def test_a_single_spoiled_letter(folder: Folder, code: str) -> None:
    spoiled = code.encode().decode("cp1251")
    folder.write("a.csv", f"{WITH_NOTE}{code},2021-03-01,held,60,\n{spoiled},2021-03-01,held,60,\n")
    assert "letters in line 3 were once read in a wrong encoding" in folder.refusal()


def test_cp1251_that_was_once_taken_for_latin(folder: Folder) -> None:
    folder.write("a.csv", WITH_NOTE + RUSSIAN.encode("cp1251").decode("latin-1") + "\n")
    assert "letters in line 2 were once read in a wrong encoding" in folder.refusal()


def test_a_cut_byte_order_mark(folder: Folder) -> None:
    folder.write("a.csv", (WITH_NOTE + RUSSIAN).encode("utf-16")[:-1])
    assert "cannot be read as utf-16" in folder.refusal()


def test_dates_that_can_be_read_both_ways(folder: Folder) -> None:
    folder.write("a.csv", GOOD.replace("2021-03-01", "03/04/2021"))
    reason = folder.refusal()
    assert "the dates in held_on are ambiguous" in reason
    assert "31.12.2021" in reason


def test_an_unpaired_quotation_mark_swallows_no_rows(folder: Folder) -> None:
    folder.write("a.csv", f'{HEAD},note\n{ROW},"открыто\n{ROW},\n{ROW},\n')
    assert "row 2 (line 4) has a quotation mark without its partner" in folder.refusal()


def test_a_file_that_was_cut_off(folder: Folder) -> None:
    folder.write("a.csv", GOOD + "id-2,2021-03-02T10:00:00+03:00,П-1,2021")
    assert "it is cut off: the last row has 4 columns, the one above it 6" in folder.refusal()


@pytest.mark.parametrize("column", ["submitted_at", "updated_at"])
def test_an_arrival_that_is_no_moment(folder: Folder, column: str) -> None:
    folder.write("a.csv", GOOD.replace("submitted_at", column).replace("2021-03-02T10:00:00+03:00", "вчера"))
    refusal = folder.refusal()
    assert f"row 2: what stands in {column} is no moment" in refusal
    assert "вчера" not in refusal, "in a shifted table a name stands there"


def test_a_file_that_is_being_written(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    path = folder.write("a.csv", GOOD)
    honest = LocalFileSystem.info
    asked: list[str] = []

    def growing(fs: LocalFileSystem, name: str, **named: object) -> dict[str, object]:
        if str(name) == str(path):
            asked.append(name)
            if len(asked) == 2:
                os.utime(path, ns=(5, 5))
        found: dict[str, object] = honest(fs, name, **named)
        return found

    monkeypatch.setattr(LocalFileSystem, "info", growing)
    assert "being written just now" in folder.refusal()
