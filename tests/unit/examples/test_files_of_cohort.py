"""The committed files are what the generator writes, and they hold what expected.yml and faults.yml say."""

from __future__ import annotations

import csv
import fnmatch
import json
from collections import Counter
from pathlib import Path
from typing import Any

import openpyxl
import pytest
import yaml

from vmeste.forms import load_forms

ROOT = Path(__file__).parents[3]
FAMILIES = {
    "meeting_after_end",
    "unknown_pair",
    "choice_not_in_list",
    "duplicate",
    "edited_submission",
    "consent_withdrawn",
    "mentor_assisted",
    "late_arrival",
    "bad_number",
    "future_date",
}


def rows_of(file: Path) -> list[dict[str, Any]]:
    """Read one file the plain way: the formats are known here, the pipeline has to find them out."""
    if file.suffix == ".jsonl":
        return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    if file.suffix == ".xlsx":
        lines = list(openpyxl.load_workbook(file).worksheets[0].iter_rows(values_only=True))
        if lines[0][1] is None:  # a title above the header
            lines = lines[1:]
        return [dict(zip(lines[0], line, strict=True)) for line in lines[1:]]
    content = file.read_bytes()
    encoding, delimiter = ("utf-8-sig", ",") if content.startswith(b"\xef\xbb\xbf") else ("cp1251", ";")
    return list(csv.DictReader(content.decode(encoding).splitlines(), delimiter=delimiter))


@pytest.fixture(scope="module")
def files(folder: Path) -> dict[str, list[dict[str, Any]]]:
    """File name → its rows."""
    return {file.name: rows_of(file) for file in sorted(folder.iterdir()) if file.suffix in {".csv", ".xlsx", ".jsonl"}}


def form_of(name: str) -> str:
    sources = yaml.safe_load((ROOT / "forms" / "sources.yml").read_text(encoding="utf-8"))
    (source,) = sources["sources"]
    (form_id,) = [form for form, given in source["forms"].items() if fnmatch.fnmatch(name, given["files"])]
    return str(form_id)


def identity(row: dict[str, Any]) -> str:
    return str(row.get("submission_id") or row["KEY"])


def test_generator_writes_the_committed_bytes(generator: Any, folder: Path, tmp_path: Path) -> None:
    generator.write_files(generator.build_cohort(), tmp_path, load_forms(ROOT / "forms"))
    written = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    committed = {
        file.name: file.read_bytes() for file in folder.iterdir() if file.name not in {"README.md", ".gitattributes"}
    }
    changed = [name for name in written.keys() | committed.keys() if written.get(name) != committed.get(name)]
    assert not changed, "run `python examples/make_reference_cohort.py` and commit what it writes"


def test_every_row_is_in_a_file_and_counted(files: dict[str, list[dict[str, Any]]], expected: dict[str, Any]) -> None:
    rows: Counter[str] = Counter()
    for name, found in files.items():
        rows[form_of(name)] += len(found)
    assert rows == {form: counts["rows"] for form, counts in expected["forms"].items()}
    for form, counts in expected["forms"].items():
        assert counts["rows"] == counts["accepted"] + counts["quarantined"] + counts["unchanged"], form


def test_faults_lie_where_they_are_said_to_lie(
    files: dict[str, list[dict[str, Any]]], planted: dict[str, Any], expected: dict[str, Any]
) -> None:
    assert {fault["family"] for fault in planted["faults"]} == FAMILIES
    for fault in planted["faults"] + planted["repeated_rows"]:
        assert form_of(fault["file"]) == fault["form"]
        found = [row for row in files[fault["file"]] if identity(row) == fault["submission_id"]]
        assert len(found) == 1, fault
    handled = Counter((fault["form"], fault["handling"]) for fault in planted["faults"])
    for form, counts in expected["forms"].items():
        assert handled[form, "quarantined"] == counts["quarantined"]


def test_each_survey_and_the_meeting_log_have_a_late_row(planted: dict[str, Any]) -> None:
    late = [fault for fault in planted["faults"] if fault["handling"] == "late"]
    assert {fault["family"] for fault in late} == {"late_arrival"}
    assert sorted(fault["form"] for fault in late) == [
        "f2_self_report",
        "f3_mentee_feedback",
        "f4_meeting",
        "f7_followup",
    ]


def test_only_edits_and_overlaps_repeat_a_submission(
    files: dict[str, list[dict[str, Any]]], planted: dict[str, Any]
) -> None:
    seen = Counter(identity(row) for rows in files.values() for row in rows)
    versioned = [fault["submission_id"] for fault in planted["faults"] if fault["handling"] == "versioned"]
    repeated = [row["submission_id"] for row in planted["repeated_rows"]]
    assert sorted(name for name, times in seen.items() if times > 1) == sorted(versioned + repeated)
    assert max(seen.values()) == 2


def test_names_and_contacts_are_invented_and_stay_in_the_registration(
    files: dict[str, list[dict[str, Any]]],
) -> None:
    """What a leak test greps for: these words stand in R1 and R2 and nowhere else."""
    forms = load_forms(ROOT / "forms")
    names = {
        label
        for form_id in ("r1_mentee", "r2_mentor")
        for question in (forms[form_id].question("full_name"), forms[form_id].question("contacts"))
        for label in (question.name, question.label_ru)
    }
    for name, rows in files.items():
        is_registration = form_of(name) in {"r1_mentee", "r2_mentor"}
        for row in rows:
            for header, value in row.items():
                is_private = "вымышлен)" in str(value) or "нет телефона" in str(value)
                assert is_private == (is_registration and header in names and bool(value)), (name, header)


def test_files_are_as_different_as_people_make_them(files: dict[str, list[dict[str, Any]]], folder: Path) -> None:
    content = {name: (folder / name).read_bytes() for name in files}
    csvs = [name for name in files if name.endswith(".csv")]
    assert {content[name].startswith(b"\xef\xbb\xbf") for name in csvs} == {True, False}
    titled = [
        name
        for name in files
        if name.endswith(".xlsx") and openpyxl.load_workbook(folder / name).worksheets[0].merged_cells.ranges
    ]
    assert 1 < len(titled) < sum(name.endswith(".xlsx") for name in files)
    assert any("Код пары" in rows[0] for rows in files.values())
    assert any("pair_code" in rows[0] for rows in files.values())
    assert sum(map(len, content.values())) < 3_000_000
