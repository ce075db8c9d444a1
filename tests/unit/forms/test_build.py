from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest
from openpyxl import load_workbook
from pyxform.xls2xform import convert

from vmeste.forms import FormError, build, load_forms

Edit = Callable[[str, str], Path]

XFORMS, VMESTE = "{http://www.w3.org/2002/xforms}", "{http://vmeste.example/xforms}"


def test_every_form_becomes_a_workbook_and_an_xform(instruments: Path, tmp_path: Path) -> None:
    written = build(instruments, tmp_path / "out")

    form_ids = {*load_forms(instruments), "f2_self_report_graduate", "f7_followup_graduate"}
    assert {path.name for path in written if path.suffix != ".txt"} == {
        f"{form_id}{suffix}" for form_id in form_ids for suffix in (".xlsx", ".xml")
    }
    assert all(path.stat().st_size for path in written)


def test_workbook_converts_back_to_the_same_xform(instruments: Path, tmp_path: Path) -> None:
    for path in build(instruments, tmp_path):
        if path.suffix == ".xlsx":
            again = convert(str(path), form_name="data", pretty_print=True).xform
            assert again == path.with_suffix(".xml").read_text(encoding="utf-8")


def test_xform_binds_bear_privacy_and_key_of_every_question(instruments: Path, tmp_path: Path) -> None:
    build(instruments, tmp_path)

    for form_id, form in load_forms(instruments).items():
        root = ElementTree.parse(tmp_path / f"{form_id}.xml").getroot()  # noqa: S314 (our own file)
        binds = {
            bind.attrib["nodeset"].removeprefix("/data/"): (
                bind.attrib.get(f"{VMESTE}privacy"),
                bind.attrib.get(f"{VMESTE}key"),
            )
            for bind in root.iter(f"{XFORMS}bind")
        }
        assert binds.pop("meta/instanceID") == (None, None)
        expected = {
            question.name: (question.privacy, question.key) for question in form.questions if not question.members
        }
        for repeat in form.repeats:
            expected |= {f"{repeat.name}/{member.name}": (member.privacy, member.key) for member in repeat.members}
        assert binds == expected


def test_workbook_has_the_sheets_of_an_xlsform_with_codes_as_text(folder: Path, tmp_path: Path) -> None:
    build(folder, tmp_path / "out")

    workbook = load_workbook(tmp_path / "out" / "trial.xlsx")
    assert workbook.sheetnames == ["survey", "choices", "settings"]
    assert [cell.value for cell in workbook["choices"][2]] == ["yn", "1", "Да", "Yes"]
    assert workbook["settings"]["D2"].value == "2020010101"


def test_text_that_looks_like_a_formula_stays_text(edit: Edit, tmp_path: Path) -> None:
    build(edit("Почему?", "=1+1"), tmp_path / "out")

    cell = load_workbook(tmp_path / "out" / "trial.xlsx")["survey"]["E5"]
    assert (cell.value, cell.data_type) == ("=1+1", "s")


def test_nothing_is_written_of_a_wrong_form(edit: Edit, tmp_path: Path) -> None:
    with pytest.raises(FormError, match="trial"):
        build(edit("| open |", "| public |"), tmp_path / "out")
    assert not list((tmp_path / "out").glob("*"))
