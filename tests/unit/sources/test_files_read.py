"""Files that are read: what people export comes out canonical, and what was detected is said."""

from __future__ import annotations

import csv
import io
import json
import os
from datetime import UTC, date, datetime, time
from pathlib import Path
from zoneinfo import ZoneInfo

import openpyxl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.sources.conftest import HEADER, MEETING, ROW, Extract
from vmeste.sources import Source
from vmeste.sources.base import SourceError
from vmeste.sources.config import FormFiles, SourceConfig
from vmeste.sources.files import FilesSource


def as_csv(rows: list[list[str]], delimiter: str = ",") -> str:
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter).writerows(rows)
    return out.getvalue()


def as_xlsx(path: Path, rows: list[list[object]], **sheets: list[list[object]]) -> None:
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    for title, others in sheets.items():
        sheet = book.create_sheet(title)
        for row in others:
            sheet.append(row)
        sheet.sheet_state = "hidden" if title.startswith("hidden") else "visible"
    book.save(path)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1251", "utf-16"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_encoding_and_delimiter_are_detected_and_said(
    folder: Path, extract: Extract, encoding: str, delimiter: str
) -> None:
    text = as_csv([[*HEADER, "concern_txt"], [*ROW, "Говорили о школе, всё спокойно"]], delimiter)
    (folder / "f4_x.csv").write_bytes(text.encode(encoding))
    extraction = extract()
    assert extraction.refusals == ()
    (submission,) = extraction.submissions
    assert submission.answers["concern_txt"] == "Говорили о школе, всё спокойно"
    assert submission.submission_id == "s1"
    assert submission.submitted_at == datetime(2021, 3, 2, 7, tzinfo=UTC)
    assert encoding.split("-sig")[0] in extraction.notes[0]
    assert submission.extra["_origin"] == "f4_x.csv, row 2"


@pytest.mark.parametrize("written", ["2021-03-01", "01.03.2021", "1.3.2021", "2021-03-01T00:00:00"])
def test_dates_become_iso(folder: Path, extract: Extract, written: str) -> None:
    (folder / "f4_x.csv").write_text(as_csv([HEADER, [*ROW[:3], written, *ROW[4:]]]), encoding="utf-8")
    (submission,) = extract().submissions
    assert submission.answers["held_on"] == "2021-03-01"


def test_slashed_dates_are_read_when_only_one_order_fits(folder: Path, extract: Extract) -> None:
    rows = [[*ROW[:3], written, *ROW[4:]] for written in ("03/01/2021", "03/31/2021")]
    (folder / "f4_x.csv").write_text(as_csv([HEADER, *rows]), encoding="utf-8")
    assert [submission.answers["held_on"] for submission in extract().submissions] == ["2021-03-01", "2021-03-31"]


def test_labels_and_titles_and_true_excel_dates(folder: Path, extract: Extract) -> None:
    labels = [*HEADER[:2], *[MEETING.question(name).label_ru for name in HEADER[2:]]]
    mode = next(choice.label_ru for choice in MEETING.question("mode").choices if choice.name == "phone")
    as_xlsx(
        folder / "f4_x.xlsx",
        [
            ["Журнал встреч"],
            [],
            labels,
            ["s1", datetime(2021, 3, 2, 10), "П-001", date(2021, 3, 1), time(15), 60, mode, "held"],  # noqa: DTZ001
            [None] * 8,
        ],
        hidden_notes=[HEADER, ROW],
    )
    extraction = extract()
    assert extraction.refusals == ()
    (submission,) = extraction.submissions
    assert submission.answers["held_on"] == "2021-03-01"
    assert submission.answers["start_time"] == "15:00:00"
    assert submission.answers["duration_min"] == "60"
    assert submission.answers["mode"] == "phone"
    assert submission.submitted_at == datetime(2021, 3, 2, 10, tzinfo=ZoneInfo("Europe/Moscow"))
    assert submission.extra["_origin"] == "f4_x.xlsx, row 4"
    assert "hidden_notes" in extraction.notes[0]


def test_excel_serial_days_are_dates(folder: Path, extract: Extract) -> None:
    as_xlsx(folder / "f4_x.xlsx", [HEADER, [*ROW[:3], 44256, *ROW[4:]]])
    (submission,) = extract().submissions
    assert submission.answers["held_on"] == "2021-03-01"


def test_formulas_stay_text(folder: Path, extract: Extract) -> None:
    as_xlsx(folder / "f4_x.xlsx", [[*HEADER, "concern_txt"], [*ROW, "=cmd|' /C calc'!A0"]])
    (submission,) = extract().submissions
    assert submission.answers["concern_txt"] == "=cmd|' /C calc'!A0"


@pytest.mark.parametrize("written", ["g1 g3", "g3; g1", "g1, g3"])
def test_several_choices_become_codes(folder: Path, extract: Extract, written: str) -> None:
    (folder / "f4_x.csv").write_text(as_csv([[*HEADER, "goals"], [*ROW, written]]), encoding="utf-8")
    (submission,) = extract().submissions
    assert sorted((submission.answers["goals"] or "").split()) == ["g1", "g3"]


@pytest.mark.parametrize(
    ("question", "written"), [("duration_min", "час"), ("mode", "telegraph"), ("held_on", "вчера")]
)
def test_what_cannot_be_made_canonical_stays_as_written(
    folder: Path, extract: Extract, question: str, written: str
) -> None:
    row = [written if name == question else value for name, value in zip(HEADER, ROW, strict=True)]
    (folder / "f4_x.csv").write_text(as_csv([HEADER, row]), encoding="utf-8")
    (submission,) = extract().submissions
    assert submission.answers[question] == written


def test_json_lines(folder: Path, extract: Extract) -> None:
    record = dict(zip(HEADER, ROW, strict=True)) | {"duration_min": 60, "goals": ["g1", "g2"], "weather": {"t": -5}}
    (folder / "f4_x.jsonl").write_text(json.dumps(record) + "\n\n", encoding="utf-8")
    (submission,) = extract().submissions
    assert submission.answers["duration_min"] == "60"
    assert submission.answers["goals"] == "g1 g2"
    assert json.loads(submission.extra["weather"]) == {"t": -5}


def test_a_mapping_in_sources_yml_names_a_column(folder: Path, extract: Extract) -> None:
    header = ["Вид" if name == "mode" else name for name in HEADER]
    (folder / "f4_x.csv").write_text(as_csv([header, ROW]), encoding="utf-8")
    (submission,) = extract().submissions
    assert submission.answers["mode"] == "in_person"


def test_unknown_columns_are_kept(folder: Path, extract: Extract) -> None:
    (folder / "f4_x.csv").write_text(as_csv([[*HEADER, "Погода"], [*ROW, "снег"]]), encoding="utf-8")
    (submission,) = extract().submissions
    assert submission.extra["Погода"] == "снег"


def test_without_an_id_the_same_row_has_the_same_id_in_whatever_file(folder: Path, extract: Extract) -> None:
    for name in ("f4_a.csv", "f4_b.csv"):
        (folder / name).write_text(as_csv([HEADER[1:], ROW[1:]]), encoding="utf-8")
    extraction = extract()
    first, second = extraction.submissions
    assert first.submission_id == second.submission_id
    assert "no column submission_id" in extraction.notes[0]


def test_a_file_that_was_read_is_no_news_until_its_bytes_change(folder: Path, extract: Extract, source: Source) -> None:
    file = folder / "f4_x.csv"
    file.write_text(as_csv([HEADER, ROW]), encoding="utf-8")
    cursor = extract().cursor
    assert not source.has_news(MEETING, cursor)
    os.utime(file, (1, 1))
    assert not source.has_news(MEETING, cursor), "a touched file is the same file"
    assert extract(cursor=cursor).server_count == 0
    file.write_text(as_csv([HEADER, ROW, ["s2", *ROW[1:]]]), encoding="utf-8")
    assert source.has_news(MEETING, cursor)
    assert extract(cursor=cursor).server_count == 2


def test_an_empty_folder_is_nothing_and_a_missing_one_an_error(folder: Path, extract: Extract) -> None:
    extraction = extract()
    assert (extraction.server_count, extraction.refusals) == (0, ())
    assert "no file" in extraction.notes[0]
    folder.rmdir()
    with pytest.raises(SourceError, match=r"f4_meeting: there is no folder .*sources\.yml"):
        extract()


TEXT = st.text(st.sampled_from("абвгдежзиклмнопрст АБВ,;\"'\n0123-.="), max_size=30)


@given(
    answers=st.lists(st.tuples(TEXT, st.integers(10, 720), st.dates(date(2000, 1, 1), date(2099, 1, 1))), min_size=1),
    encoding=st.sampled_from(["utf-8-sig", "cp1251"]),
    delimiter=st.sampled_from([",", ";", "\t"]),
    date_form=st.sampled_from(["%Y-%m-%d", "%d.%m.%Y"]),
)
def test_whatever_is_written_comes_back(
    tmp_path_factory: pytest.TempPathFactory,
    answers: list[tuple[str, int, date]],
    encoding: str,
    delimiter: str,
    date_form: str,
) -> None:
    folder = tmp_path_factory.mktemp("exports")
    rows = [
        [f"s{number}", *ROW[1:3], day.strftime(date_form), ROW[4], str(minutes), *ROW[6:], note]
        for number, (note, minutes, day) in enumerate(answers)
    ]
    (folder / "f4.csv").write_bytes(as_csv([[*HEADER, "concern_txt"], *rows], delimiter).encode(encoding))
    files = {"f4_meeting": FormFiles(files="f4*")}
    config = SourceConfig(name="c", kind="files", location=folder, time_zone="Europe/Moscow", forms=files)
    extraction = FilesSource(config).extract(MEETING, None)
    assert extraction.refusals == ()
    found = [
        (submission.answers["concern_txt"], submission.answers["duration_min"], submission.answers["held_on"])
        for submission in extraction.submissions
    ]
    # a CSV holds \r\n for a new line inside a cell as it stands
    assert found == [(note.strip() or None, str(minutes), day.isoformat()) for note, minutes, day in answers]
