"""Forms as files in a folder: CSV, XLSX and JSON lines, as people export them.

A file is read whole or refused whole, and one refused file does not keep the others. How it was written (encoding,
delimiter, header row, dates) is found out file by file and said in the notes. A file that was read is read again only
when its content, or the way in which it would be read, has changed.
"""

from __future__ import annotations

import fnmatch
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import repeat
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from vmeste.forms import Form, FormError, load_form
from vmeste.sources.base import (
    CONTENT_ID_PREFIX,
    LONGEST_ID,
    LONGEST_STATE,
    Cursor,
    Extraction,
    Known,
    Refusal,
    Submission,
)
from vmeste.sources.canonical import as_text, canonical, instants
from vmeste.sources.columns import SYSTEM_COLUMNS, ColumnNames, Columns, Header
from vmeste.sources.config import FormFiles
from vmeste.sources.errors import SourceError
from vmeste.sources.files_csv import read_csv
from vmeste.sources.files_jsonl import read_jsonl
from vmeste.sources.files_xlsx import OLE, read_xlsx, refuse_ole
from vmeste.sources.folder import Entry, Folder
from vmeste.sources.sheets import Cell, FileRefused, Sheet, width_of

READER = 1
"""Counted up when the same file would be read otherwise than before: all files are then read again."""

_ZIP = b"PK\x03\x04"
_JSON_SUFFIXES = (".jsonl", ".ndjson", ".json")
_TABLES = ("*.csv", "*.tsv", "*.txt", "*.xls", "*.xls[xmb]", "*.ods", "*.jsonl", "*.ndjson", "*.json")


@dataclass(slots=True)
class FilesSource:
    """A folder of exports.

    With ``move_read_to``, a folder beside them, files that were read and loaded are moved there at the next look.
    """

    name: str
    location: str | Path
    time_zone: str
    forms: Mapping[str, FormFiles]
    move_read_to: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict, repr=False)
    zone: ZoneInfo = field(init=False)
    _folder: Folder = field(init=False)

    def __post_init__(self) -> None:
        self.zone = ZoneInfo(self.time_zone)
        self._folder = Folder(str(self.location), self.name, self.options)

    def has_news(self, form: Form, cursor: Cursor | None, known: Known | None = None) -> bool:
        """Say whether a file of the form is new, altered, or would be read otherwise than before.

        Size and time of change decide; only where the time alone differs is the content looked at.
        """
        read = self._read_before(form, cursor)
        return any(not self._is_known(entry, read.get(entry.name)) for entry in self._files_of(form))

    def extract(self, form: Form, cursor: Cursor | None, known: Known | None = None) -> Extraction:
        """Read the files that are new or altered since ``cursor``.

        ``server_count`` is the number of rows in the files that were read. A refused file is not in the new cursor,
        so it is tried again each time.

        Raises:
            SourceError: the folder is missing or cannot be listed, or sources.yml has no such form or column.
        """
        entries, before = self._files_of(form), self._read_before(form, cursor)
        names = ColumnNames(form, self.forms[form.form_id].columns)
        read = dict(before)
        tables: list[_Table] = []
        notes: list[str] = []
        refusals: list[Refusal] = []
        for entry in entries:
            try:
                if self._is_known(entry, before.get(entry.name)):
                    read[entry.name] = before[entry.name] | {"mtime_ns": entry.changed_at}
                    continue
                read.pop(entry.name, None)
                content, changed_at = self._folder.content(entry)
                table = _read_table(entry, content, changed_at or _now(), names, self.zone)
            except (FileRefused, OSError) as error:
                reason = error if isinstance(error, FileRefused) else _unreadable(error)
                refusals.append(Refusal(entry.name, str(reason)))
                continue
            tables.append(table)
            notes.append(f"{entry.name}: {table.described}")
            read[entry.name] = {
                "sha256": hashlib.sha256(content).hexdigest(),
                "size": len(content),
                "mtime_ns": changed_at,
            }
        if not entries:
            notes.append(f"no file in {self.location} is called {self.forms[form.form_id].files}: nothing to read")
        elif not tables and not refusals:
            notes.append(f"all {len(entries)} files were read before: nothing new")
        return Extraction(
            server_count=sum(len(table.origins) for table in tables),
            submissions=(submission for table in tables for submission in table.submissions(self.name)),
            cursor={"files": read, "read_as": self._read_as(form)},
            notes=tuple(notes),
            refusals=tuple(refusals),
        )

    def overlooked(self) -> list[Refusal]:
        """Return the files that look like an export and that no form's pattern matches: nobody would read them.

        Raises:
            SourceError: the folder is missing or cannot be listed.
        """
        patterns = [files.files for files in self.forms.values()]
        return [
            Refusal(
                entry.name,
                f"no form of {self.name} has files of this name. Rename it after its form, e.g. {patterns[0]}, add its "
                "name to `files` of its form in sources.yml, or move it out of the folder",
            )
            for entry in self._folder.entries()
            if any(fnmatch.fnmatchcase(entry.name.lower(), table) for table in _TABLES)
            and not any(fnmatch.fnmatchcase(entry.name, pattern) for pattern in patterns)
        ]

    def check(self) -> str:
        """Return how many files the folder has.

        Raises:
            SourceError: the folder is missing or cannot be listed.
        """
        return f"{self.location}: {len(self._folder.entries())} files"

    def move_read(self, form: Form, cursor: Cursor | None) -> list[str]:
        """Move the form's files that the last complete sync read out of the way; return their names.

        A file is moved only after what it held is loaded, by the run after. One that another form's pattern matches
        too stays: the other form may not have read it yet.

        Raises:
            SourceError: the folder cannot be listed or written to.
        """
        if self.move_read_to is None or cursor is None:
            return []
        others = [files.files for form_id, files in self.forms.items() if form_id != form.form_id]
        read = self._read_before(form, cursor)
        return [
            self._folder.move(entry, self.move_read_to, read[entry.name]["sha256"])
            for entry in self._files_of(form)
            if not any(fnmatch.fnmatchcase(entry.name, pattern) for pattern in others)
            and self._is_known(entry, read.get(entry.name))
        ]

    def _files_of(self, form: Form) -> list[Entry]:
        """The form's files in the order of their names."""
        files = self.forms.get(form.form_id)
        if files is None:
            raise SourceError(
                f"{self.name}: sources.yml does not say where {form.form_id} lies. Add it under forms of this source, "
                f'e.g. {form.form_id}: {{files: "{form.form_id}_*"}}'
            )
        return [entry for entry in self._folder.entries(form.form_id) if fnmatch.fnmatchcase(entry.name, files.files)]

    def _is_known(self, entry: Entry, read: Mapping[str, Any] | None) -> bool:
        """Say whether a file is as it was when it was read."""
        if read is None or entry.size != read["size"]:
            return False
        if entry.changed_at and entry.changed_at == read["mtime_ns"]:
            return True
        try:
            return bool(self._folder.sha256(entry) == read["sha256"])
        except OSError:
            return False  # the read will say what is wrong

    def _read_before(self, form: Form, cursor: Cursor | None) -> dict[str, dict[str, Any]]:
        if cursor is None or cursor.get("read_as") != self._read_as(form):
            return {}
        return dict(cursor["files"])

    def _read_as(self, form: Form) -> str:
        """A digest of all that decides how a file is understood, beside the file itself.

        Who translates a column or adds a choice need not touch the files for it to take effect.
        """
        questions = [
            (
                question.name,
                question.kind,
                *question.labels,
                question.is_required,
                [(choice.name, choice.label_ru, choice.label_en) for choice in question.choices],
            )
            for question in form.every_question
        ]
        columns = sorted(self.forms[form.form_id].columns.items())
        text = json.dumps([READER, self.time_zone, columns, questions], ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class _Table:
    """A file that was read: canonical columns, not yet submissions."""

    form: Form
    answers: Mapping[str, Sequence[str | None]]  # by question that has a column
    extra: Mapping[str, Sequence[Cell]]  # by unknown header
    origins: Sequence[str]  # file and row, one a submission
    submission_ids: Sequence[str | None]  # None: from the content
    submitted_at: Sequence[datetime]
    updated_at: Sequence[datetime | None]
    form_versions: Sequence[str]
    review_states: Sequence[str | None]
    described: str

    def submissions(self, source: str) -> Iterator[Submission]:
        names = [question.name for question in self.form.questions]
        columns = [self.answers.get(name) or repeat(None, len(self.origins)) for name in names]
        answered = zip(*columns, strict=True) if columns else repeat((), len(self.origins))
        unknown = zip(*self.extra.values(), strict=True) if self.extra else repeat((), len(self.origins))
        for answer, extra, origin, identity, submitted, updated, version, state in zip(
            answered,
            unknown,
            self.origins,
            self.submission_ids,
            self.submitted_at,
            self.updated_at,
            self.form_versions,
            self.review_states,
            strict=True,
        ):
            answers = dict(zip(names, answer, strict=True))
            kept: dict[str, Any] = {
                header: cell for header, cell in zip(self.extra, extra, strict=True) if cell is not None
            }
            kept["_origin"] = origin
            yield Submission(
                source,
                self.form.form_id,
                identity or content_id(answers),
                version,
                submitted,
                answers,
                updated_at=updated,
                review_state=state,
                is_counted=state != "rejected",
                extra=kept,
            )


def content_id(answers: Mapping[str, str | None]) -> str:
    """Return an id for a submission that has none: the same answers give the same id in whatever file they stand."""
    given = {name: answer for name, answer in answers.items() if answer is not None}
    text = json.dumps(given, ensure_ascii=False, sort_keys=True)
    return CONTENT_ID_PREFIX + hashlib.sha256(text.encode()).hexdigest()


def _now() -> int:
    """The present for a file of which nobody says when it was changed."""
    return round(datetime.now(UTC).timestamp() * 1e9)


def _unreadable(error: OSError) -> str:
    return f"it cannot be read ({error.strerror or error}). Make it readable for the user that runs the pipeline"


def _read_table(entry: Entry, content: bytes, changed_at: int, names: ColumnNames, zone: ZoneInfo) -> _Table:
    sheet = _read_sheet(entry, content, names)
    header = names.find_header(sheet.rows[:1] if sheet.has_header_first else sheet.rows)
    try:
        columns = names.resolve(sheet, header, ())
    except FileRefused:
        # once more with the other forms at hand, to say which of them it may be
        columns = names.resolve(sheet, header, _other_forms(names.form))
    moment = datetime.fromtimestamp(changed_at / 1e9, UTC)
    return _table(entry.name, sheet, columns, names.form, moment, zone)


def _read_sheet(entry: Entry, content: bytes, names: ColumnNames) -> Sheet:
    if content.startswith(OLE):
        raise refuse_ole(content)
    if content.startswith(_ZIP):
        return read_xlsx(content, names.fits)
    suffix = entry.suffix
    if suffix in (".xlsx", ".xlsm"):
        raise FileRefused(
            "the workbook is broken: it does not begin as .xlsx does. Copy it here again, or save it anew"
        )
    if suffix in _JSON_SUFFIXES:
        return read_jsonl(content)
    return read_csv(content, names.recognised)


def _other_forms(form: Form) -> list[ColumnNames]:
    others = []
    for path in sorted(form.path.parent.glob("*.md")):
        try:
            other = load_form(path)
        except FormError:
            continue  # not a form, or not a sound one: no reason to keep quiet about this file
        if other.form_id != form.form_id:
            others.append(ColumnNames(other))
    return others


def _table(file: str, sheet: Sheet, columns: Columns, form: Form, changed_at: datetime, zone: ZoneInfo) -> _Table:
    header = columns.header
    rows, numbers, blank = _filled_rows(sheet, header)
    cells = list(zip(*rows, strict=True)) if rows else [()] * header.width

    answers: dict[str, list[str | None]] = {}
    written: dict[str, list[str]] = {}
    for name, index in columns.questions.items():
        question = form.question(name)
        texts = _texts(cells[index], question.kind, sheet)
        answers[name], way = canonical(texts, question, zone)
        if question.kind == "date" and not all(cell is None or isinstance(cell, str) for cell in cells[index]):
            way = "Excel dates" if sheet.excel_epoch else way
        if way is not None:
            written.setdefault(way, []).append(name)

    system = {name: _texts(cells[index], _SYSTEM_KINDS[name], sheet) for name, index in columns.system.items()}
    notes = [f"{len(rows)} rows", *sheet.detected]
    if not sheet.has_header_first:
        notes.append(f"header in row {sheet.numbers[header.row]}")
    notes += [f"{', '.join(names)}: {way}" for way, names in written.items()]
    submitted_at = _submitted_at(system.get("submitted_at"), numbers, changed_at, zone, notes)
    updated_at = _updated_at(system.get("updated_at"), numbers, zone)
    _refuse_longer("submission_id", system.get("submission_id"), numbers, LONGEST_ID)
    _refuse_longer("review_state", system.get("review_state"), numbers, LONGEST_STATE)
    identities = _identities(system.get("submission_id"), len(rows), notes)
    versions = _versions(system.get("form_version"), len(rows), form, notes)
    unknown = {title: [_as_written(cell) for cell in cells[index]] for title, index in columns.unknown.items()}
    extra = {title: kept for title, kept in unknown.items() if any(cell is not None for cell in kept)}
    if extra:
        notes.append(f"unknown columns kept beside the answers: {', '.join(extra)}")
    if columns.missing:
        notes.append(f"no column for {', '.join(columns.missing)}")
    if blank:
        notes.append(f"{blank} blank rows left out")
    return _Table(
        form,
        answers,
        extra,
        [f"{file}, row {number}" for number in numbers],
        identities,
        submitted_at,
        updated_at,
        versions,
        system.get("review_state") or [None] * len(rows),
        "; ".join(notes),
    )


_SYSTEM_KINDS = {name: "dateTime" if name.endswith("_at") else "text" for name in SYSTEM_COLUMNS}


def _filled_rows(sheet: Sheet, header: Header) -> tuple[list[Sequence[Cell]], list[int], int]:
    """Return the rows below the header, each as long as it, their numbers, and how many were blank.

    Blank rows below the last filled one are not counted: they are no rows to anybody.
    """
    width = header.width
    rows: list[Sequence[Cell]] = []
    numbers: list[int] = []
    last = header.row
    for index in range(header.row + 1, len(sheet.rows)):
        row = sheet.rows[index]
        if not any(row) and all(cell is None or cell == "" for cell in row):
            continue
        if len(row) != width:
            filled = width_of(row)
            if filled > width:
                raise FileRefused(
                    f"row {sheet.numbers[index]} has {filled:,} columns, the header has {width:,}. A delimiter inside "
                    "an answer does this, or a note beside the table: quote the answer, delete the note, or give the "
                    "column a header"
                )
            row = [*row[:width], *repeat(None, width - len(row))]
        rows.append(row)
        numbers.append(sheet.numbers[index])
        last = index
    return rows, numbers, (sheet.numbers[last] - sheet.numbers[header.row] - len(rows)) if rows else 0


def _texts(cells: Sequence[Cell], kind: str, sheet: Sheet) -> list[str | None]:
    epoch = sheet.excel_epoch
    return [(cell.strip() or None) if isinstance(cell, str) else as_text(cell, kind, epoch) for cell in cells]


def _as_written(cell: Cell) -> Cell:
    """Return an unknown column's cell so that JSON can hold it; blank is nothing."""
    if isinstance(cell, str):
        return cell if cell.strip() else None
    return cell if cell is None or isinstance(cell, bool | int | float | list | dict) else as_text(cell, "text")


def _submitted_at(
    texts: Sequence[str | None] | None, numbers: Sequence[int], changed_at: datetime, zone: ZoneInfo, notes: list[str]
) -> list[datetime]:
    if texts is None:
        notes.append("no column submitted_at: the file's time of change stands for it")
        return [changed_at] * len(numbers)
    found = _moments(texts, "submitted_at", numbers, zone)
    absent = sum(moment is None for moment in found)
    if absent:
        notes.append(f"{absent} rows without submitted_at: the file's time of change stands for it")
    return [moment or changed_at for moment in found]


def _updated_at(texts: Sequence[str | None] | None, numbers: Sequence[int], zone: ZoneInfo) -> list[datetime | None]:
    return [None] * len(numbers) if texts is None else _moments(texts, "updated_at", numbers, zone)


def _moments(texts: Sequence[str | None], column: str, numbers: Sequence[int], zone: ZoneInfo) -> list[datetime | None]:
    """Read when versions arrived. A version that arrived nobody knows when belongs to no cut-off: no guess is made."""
    known, _ = instants(texts, column, zone)
    for text, number in zip(texts, numbers, strict=True):
        if text is not None and known[text] is None:
            raise FileRefused(
                # not what stands there: in a shifted table that is a name
                f"row {number}: what stands in {column} is no moment. Write it as 2021-12-31T18:30:00+03:00 or "
                "31.12.2021 18:30:00"
            )
    return [known[text] if text is not None else None for text in texts]


def _refuse_longer(column: str, texts: Sequence[str | None] | None, numbers: Sequence[int], longest: int) -> None:
    """Raise ``FileRefused`` where a cell is longer than what stands there may be: the table is shifted or broken."""
    for text, number in zip(texts or (), numbers, strict=False):
        if text is not None and len(text) > longest:
            raise FileRefused(
                f"row {number}: what stands in {column} has {len(text):,} letters, more than the {longest} that are "
                "read. Look whether the table's columns are shifted, or a quotation mark is not closed; an id of your "
                "own may be any short text"
            )


def _identities(texts: Sequence[str | None] | None, count: int, notes: list[str]) -> Sequence[str | None]:
    if texts is None:
        notes.append("no column submission_id: ids come from the answers, so an edited row is a new submission")
        return [None] * count
    absent = sum(text is None for text in texts)
    if absent:
        notes.append(f"{absent} rows without submission_id: theirs come from the answers")
    return texts


def _versions(texts: Sequence[str | None] | None, count: int, form: Form, notes: list[str]) -> list[str]:
    if texts is None or None in texts:
        notes.append(f"form_version is not given everywhere: taken as {form.version}")
    return [text or form.version for text in texts or [None] * count]
