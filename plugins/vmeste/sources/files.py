"""Files in a folder: what people export and copy there.

Each file is read whole or refused with the reason, and the others go on. A file that was read and has not changed since
is no news. Every row is a submission version; its place in the file goes along as ``_origin``.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from vmeste.forms import Form, load_forms
from vmeste.sources import canonical
from vmeste.sources.base import Cursor, Extraction, Refusal, SourceError, Submission
from vmeste.sources.config import SourceConfig
from vmeste.sources.tables import Cell, Table, TableRefused, read_table

logger = logging.getLogger(__name__)

SYSTEM_HEADERS = {
    "submission_id": ("submission_id", "key", "meta/instanceid", "meta-instanceid", "instanceid", "_uuid"),
    "submitted_at": ("submitted_at", "submissiondate", "_submission_time"),
    "updated_at": ("updated_at", "updateddate"),
    "form_version": ("form_version", "formversion", "__version__"),
    "review_state": ("review_state", "reviewstate"),
}
"""What a row says of itself, under the names that form servers give it."""


@dataclass(frozen=True, slots=True)
class _Columns:
    """Where in a table the form's questions, the system columns and everything else stand."""

    questions: Mapping[str, int]
    system: Mapping[str, int]
    others: Mapping[str, int]


class FilesSource:
    """The files of one folder, by the globs of ``sources.yml``."""

    def __init__(self, config: SourceConfig) -> None:
        self.name = config.name
        self._config = config
        self._zone = ZoneInfo(config.time_zone)

    def has_news(self, form: Form, cursor: Cursor | None) -> bool:
        """Say whether a file is new or its bytes have changed since it was read."""
        read = (cursor or {}).get("files", {})
        return any(not self._is_read(path, read.get(path.name)) for path in self._files(form))

    def extract(self, form: Form, cursor: Cursor | None) -> Extraction:
        """Read the files that are new or changed, in the order of their names.

        Raises:
            SourceError: the folder does not exist.
        """
        read: dict[str, Any] = dict((cursor or {}).get("files", {}))
        submissions: list[Submission] = []
        notes: list[str] = []
        refusals: list[Refusal] = []
        paths = self._files(form)
        if not paths:
            pattern = self._config.forms[form.form_id].files
            notes.append(f"no file is called {pattern} in {self._config.location.name}")
        for path in paths:
            if self._is_read(path, read.get(path.name)):
                continue
            try:
                given, said = self._read(form, path)
            except TableRefused as error:
                refusals.append(Refusal(path.name, str(error)))
                continue
            submissions += given
            notes.append(f"{path.name}: {len(given)} rows; {'; '.join(said)}")
            read[path.name] = _fingerprint(path)
        return Extraction(len(submissions), submissions, {"files": read}, tuple(notes), tuple(refusals))

    def _files(self, form: Form) -> list[Path]:
        folder = self._config.location
        if not folder.is_dir():
            raise SourceError(
                f"{self.name}, {form.form_id}: there is no folder {folder}; make it or correct `location` in "
                "sources.yml"
            )
        found = folder.glob(self._config.forms[form.form_id].files)
        # a spreadsheet that is open somewhere leaves a lock file beside it
        return sorted(path for path in found if path.is_file() and not path.name.startswith((".", "~")))

    def _is_read(self, path: Path, known: Mapping[str, Any] | None) -> bool:
        if known is None:
            return False
        status = path.stat()
        if (status.st_size, status.st_mtime_ns) == (known["size"], known["mtime_ns"]):
            return True
        return bool(status.st_size == known["size"] and _sha256(path) == known["sha256"])

    def _read(self, form: Form, path: Path) -> tuple[list[Submission], list[str]]:
        mapping = {canonical.folded(header): name for header, name in self._config.forms[form.form_id].columns.items()}
        table = read_table(path, lambda cells: len(_match(form, cells, mapping).questions))
        columns = _match(form, table.header, mapping)
        _refuse_other_form(form, table.header, columns)
        notes = list(table.notes)
        answers = self._answers(form, table, columns, notes)
        return list(self._submissions(form, path, table, columns, answers, notes)), notes

    def _answers(self, form: Form, table: Table, columns: _Columns, notes: list[str]) -> dict[str, list[str | None]]:
        return {
            name: canonical.column(form.question(name), [row[at] for _, row in table.rows], self._zone, notes)
            for name, at in columns.questions.items()
        }

    def _submissions(
        self,
        form: Form,
        path: Path,
        table: Table,
        columns: _Columns,
        answers: Mapping[str, Sequence[str | None]],
        notes: list[str],
    ) -> Iterator[Submission]:
        copied_at = datetime.fromtimestamp(path.stat().st_mtime, UTC)
        for wanted, instead in (
            ("submission_id", "a row is known by its answers"),
            ("submitted_at", "the file's time"),
        ):
            if wanted not in columns.system:
                notes.append(f"no column {wanted}: {instead}")
        names = list(answers)
        for position, (number, row) in enumerate(table.rows):
            given = dict(zip(names, (answers[name][position] for name in names), strict=True))
            system = {name: row[at] for name, at in columns.system.items()}
            submitted_at = canonical.instant(system.get("submitted_at"), self._zone)
            if submitted_at is None and canonical.text(system.get("submitted_at")) is not None:
                raise TableRefused(f"row {number}: {system['submitted_at']!r} in column submitted_at is not a moment")
            extra: dict[str, Any] = {
                header: canonical.text(row[at]) for header, at in columns.others.items() if row[at] not in {None, ""}
            }
            yield Submission(
                source=self.name,
                form_id=form.form_id,
                submission_id=canonical.text(system.get("submission_id")) or _identity(given),
                form_version=canonical.text(system.get("form_version")) or form.version,
                submitted_at=submitted_at or copied_at,
                answers=given,
                updated_at=canonical.instant(system.get("updated_at"), self._zone),
                review_state=canonical.text(system.get("review_state")),
                extra=extra | {"_origin": f"{path.name}, row {number}"},
            )


def _match(form: Form, cells: Sequence[Cell], mapping: Mapping[str, str]) -> _Columns:
    """Find the form's questions among header cells: by name, by Russian or English label, by the source's mapping.

    Raises:
        TableRefused: two columns are the same question.
    """
    known = {canonical.folded(question.name): question.name for question in form.questions}
    for question in form.questions:
        for label in (question.label_ru, question.label_en):
            known.setdefault(canonical.folded(label), question.name)
    known |= mapping
    system = {alias: name for name, aliases in SYSTEM_HEADERS.items() for alias in aliases}
    questions: dict[str, int] = {}
    own: dict[str, int] = {}
    others: dict[str, int] = {}
    for at, cell in enumerate(cells):
        header = canonical.folded(str(cell or ""))
        if not header:
            continue
        if header in known:
            name = known[header]
            if name in questions:
                raise TableRefused(f"two columns are the question {name}: remove one or rename it")
            questions[name] = at
        elif header in system:
            own.setdefault(system[header], at)
        else:
            others[str(cell).strip()] = at
    return _Columns(questions, own, others)


def _refuse_other_form(form: Form, header: Sequence[str], columns: _Columns) -> None:
    """A file without the form's required questions is another form's, or its columns were renamed."""
    required = [question for question in form.questions if question.is_required and question.relevant is None]
    missing = [question for question in required if question.name not in columns.questions]
    if not missing:
        return
    if len(missing) > len(required) / 2:
        others = load_forms(form.path.parent).values()
        likeliest = max(others, key=lambda other: len(_match(other, header, {}).questions))
        hint = f"it looks like {likeliest.form_id}" if likeliest.form_id != form.form_id else "it is another form's"
        raise TableRefused(
            f"{len(missing)} of {len(required)} required questions of {form.form_id} have no column: {hint}; move or "
            "rename the file"
        )
    listed = ", ".join(f"{question.name} («{question.label_ru}»)" for question in missing)
    unknown = ", ".join(columns.others) or "none"
    raise TableRefused(
        f"no column for the required question {listed}. Columns that were not recognised: {unknown}. Rename the column "
        "in the file, or say in sources.yml which it is: `columns: {header: question}`"
    )


def _identity(answers: Mapping[str, str | None]) -> str:
    """Return the same id for the same answers in whatever file; one-way, and of the whole row, not of a name."""
    given = json.dumps({name: answer for name, answer in answers.items() if answer}, sort_keys=True)
    return f"row-{hashlib.sha256(given.encode()).hexdigest()[:32]}"


def _fingerprint(path: Path) -> dict[str, Any]:
    status = path.stat()
    return {"size": status.st_size, "mtime_ns": status.st_mtime_ns, "sha256": _sha256(path)}


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
