"""Files that are refused: each with the reason and the way out, while the others go on."""

from __future__ import annotations

import os
import re
import zipfile
from pathlib import Path

import openpyxl
import pytest

from tests.unit.sources.conftest import HEADER, ROW, Extract
from tests.unit.sources.test_files_read import as_csv, as_xlsx

GOOD = as_csv([HEADER, ROW])


def bomb(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(4):
            archive.writestr(f"xl/{number}.xml", b"\0" * (100 << 20))


def two_sheets(path: Path) -> None:
    as_xlsx(path, [HEADER, ROW], more=[HEADER, ROW])


def cut_workbook(path: Path) -> None:
    as_xlsx(path, [HEADER, ROW])
    path.write_bytes(path.read_bytes()[:-400])


MIXED = GOOD.encode("utf-8") + as_csv([["s2", *ROW[1:]]]).encode("cp1251")
RENAMED = as_csv([["Когда" if name == "held_on" else name for name in HEADER], ROW])
OTHER_FORM = as_csv(
    [["mentee_code", "record", "sex", "birth_year", "status", "status_from"], ["В-1", "new", "f", 2006, "ward", "x"]]
)

# a case a line
# ruff: noqa: E501
CASES = {
    "empty": ("f4_x.csv", b"", "0 bytes"),
    "not text": ("f4_x.csv", b"PK\x03\x04\x00\x00\x00" * 50, "not text"),
    "mixed encodings": ("f4_x.csv", MIXED, "two encodings"),
    "another encoding": ("f4_x.csv", as_csv([[*HEADER, "concern_txt"], [*ROW, "спокойный разговор о школе " * 4]]).encode("koi8_r"), "encoding is unclear"),
    "another form": ("f4_x.csv", OTHER_FORM.encode(), "another form|r1_mentee"),
    "a renamed column": ("f4_x.csv", RENAMED.encode(), r"held_on.*Когда.*sources\.yml"),
    "the same question twice": ("f4_x.csv", as_csv([[*HEADER, "mode"], [*ROW, "phone"]]).encode(), "two columns are the question mode"),
    "ambiguous dates": ("f4_x.csv", as_csv([HEADER, [*ROW[:3], "03/04/2021", *ROW[4:]]]).encode(), "day/month or month/day"),
    "a huge cell": ("f4_x.csv", as_csv([[*HEADER, "concern_txt"], [*ROW, "я" * (50 << 20)]]).encode(), "row 2 has a cell"),
    "a lost quotation mark": ("f4_x.csv", (GOOD + '"s2,2021').encode(), "quotation marks"),
    "ten thousand cells": ("f4_x.csv", (GOOD + ",".join(["x"] * 10_000)).encode(), "row 3 has 10,000 cells"),
    "ten thousand columns": ("f4_x.csv", as_csv([[*HEADER, *[f"c{n}" for n in range(10_000)]], [*ROW, *["x"] * 10_000]]).encode(), "10,008 columns"),
    "a cut row": ("f4_x.csv", (GOOD + "s2,2021-03-02").encode(), "row 3 has 2 cells.*cut short"),
    "a moment that is none": ("f4_x.csv", as_csv([HEADER, ["s1", "вчера", *ROW[2:]]]).encode(), "row 2.*submitted_at"),
    "broken JSON": ("f4_x.jsonl", b'{"submission_id": "s1"', "row 1 is not JSON"),
    "JSON of another shape": ("f4_x.jsonl", b"[1, 2]", "row 1 is not a JSON object"),
    "deep JSON": ("f4_x.jsonl", b"[" * 100_000, "row 1 is not JSON"),
    "not a workbook": ("f4_x.xlsx", b"hello", "not a whole Excel workbook"),
    "an old workbook": ("f4_x.xls", b"\xd0\xcf\x11\xe0", r"\.xls is not a kind"),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_a_file_is_refused_with_the_reason_and_the_rest_goes_on(folder: Path, extract: Extract, case: str) -> None:
    name, content, reason = CASES[case]
    (folder / name).write_bytes(content)
    check(folder, extract, name, reason)


@pytest.mark.parametrize(
    ("make", "reason"), [(bomb, "unpacked it has 400 MB"), (two_sheets, "Sheet, more"), (cut_workbook, "workbook")]
)
def test_a_workbook_is_refused_with_the_reason(folder: Path, extract: Extract, make: object, reason: str) -> None:
    make(folder / "f4_x.xlsx")  # type: ignore[operator]
    check(folder, extract, "f4_x.xlsx", reason)


def test_a_workbook_without_the_form_is_refused(folder: Path, extract: Extract) -> None:
    book = openpyxl.Workbook()
    book.active.append(["смета", "сумма"])
    book.save(folder / "f4_x.xlsx")
    check(folder, extract, "f4_x.xlsx", "no sheet has a header")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission_is_refused(folder: Path, extract: Extract) -> None:
    (folder / "f4_x.csv").write_text(GOOD, encoding="utf-8")
    (folder / "f4_x.csv").chmod(0)
    check(folder, extract, "f4_x.csv", "permissions")


def check(folder: Path, extract: Extract, name: str, reason: str) -> None:
    (folder / "f4_good.csv").write_text(GOOD, encoding="utf-8")
    extraction = extract()
    assert [refusal.name for refusal in extraction.refusals] == [name]
    assert re.search(reason, extraction.refusals[0].reason), extraction.refusals[0].reason
    assert [submission.submission_id for submission in extraction.submissions] == ["s1"]
    assert set(extraction.cursor["files"]) == {"f4_good.csv"}, "a refused file is tried again"
