"""Which column of a file answers which question: by name, by label, or by a translation in sources.yml."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from vmeste.forms import Form, Question
from vmeste.sources.detection import HEADER_WITHIN
from vmeste.sources.errors import SourceError
from vmeste.sources.sheets import Cell, FileRefused, Sheet

SYSTEM_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "submission_id": ("submission_id", "KEY", "meta/instanceID", "meta-instanceID", "instanceID", "__id"),
    "submitted_at": ("submitted_at", "SubmissionDate", "__system/submissionDate", "_submission_time"),
    "updated_at": ("updated_at", "__system/updatedAt"),
    "form_version": ("form_version", "FormVersion", "__version__", "__system/formVersion"),
    "review_state": ("review_state", "ReviewState", "__system/reviewState"),
}
"""What servers call the columns that no question gives; where several stand in a file, the first of these counts."""

_LISTED = 12  # headers that a message names before it says how many more there are


@lru_cache(maxsize=4096)
def comparable(text: str) -> str:
    """Return a label as it is compared: case, ё, blanks, invisible characters and closing marks make no difference."""
    text = unicodedata.normalize("NFC", text).casefold().replace("ё", "е")
    text = "".join(character for character in text if unicodedata.category(character) != "Cf")
    return " ".join(text.split()).rstrip(" .:?!*…")


@dataclass(frozen=True, slots=True)
class Header:
    """The header of a table: one text a column, empty where there is none, and where the answers begin."""

    cells: tuple[str, ...]
    row: int  # index of its last row
    matched: int  # how many different columns of the form it names

    @property
    def width(self) -> int:
        """The number of columns up to the last one that has a header."""
        return max((count for count, cell in enumerate(self.cells, start=1) if cell), default=0)


@dataclass(frozen=True, slots=True)
class Columns:
    """Where what stands in a table: indices of columns."""

    header: Header
    questions: Mapping[str, int]
    system: Mapping[str, int]
    unknown: Mapping[str, int]  # by header
    missing: tuple[str, ...]  # questions, none of them required, that have no column


class ColumnNames:
    """All that the columns of one form may be called."""

    def __init__(self, form: Form, translations: Mapping[str, str | None] | None = None) -> None:
        """Raises ``SourceError`` if sources.yml translates a header into something that the form does not know."""
        self.form = form
        self._required = [question for question in form.questions if question.is_required]
        self._names = [question.name for question in form.questions]
        known = [*self._names, *SYSTEM_COLUMNS]
        for header, name in (translations or {}).items():
            if name is not None and name not in known:
                raise SourceError(
                    f"sources.yml, {form.form_id}, columns: {header!r} is translated into {name!r}, which the form "
                    f"does not have. Expected one of {', '.join(known)}"
                )
        self._targets = _targets(form, translations or {})

    def target(self, header: str) -> str | None:
        """Return the question or system column that a header names, ``None`` if it names none."""
        key = comparable(header)
        if key in self._targets:
            return self._targets[key]
        found = None
        if "/" in key or "-" in key:  # a group's name stands before its questions' in exports
            last = key.replace("-", "/").rsplit("/", 1)[1]
            found = last if last in self._names else None
        return found

    def recognised(self, rows: Sequence[Sequence[Cell]]) -> int:
        """Return how many columns of the form the header among the first rows names; 0 if there is none."""
        header = self.find_header(rows)
        return header.matched if header else 0

    def fits(self, rows: Sequence[Sequence[Cell]]) -> bool:
        """Say whether the first rows hold at least half of the columns that the form requires."""
        header = self.find_header(rows)
        return header is not None and 2 * len(self._missing_required(header.cells)) <= len(self._required)

    def find_header(self, rows: Sequence[Sequence[Cell]]) -> Header | None:
        """Find the row, or the two rows with cells merged across them, that names most columns of the form."""
        best: Header | None = None
        texts = [tuple(_text(cell) for cell in row) for row in rows[:HEADER_WITHIN]]
        for index, cells in enumerate(texts):
            candidates = [Header(cells, index, self._matched(cells))]
            if index:
                merged = self._merged(texts[index - 1], cells)
                candidates.append(Header(merged, index, self._matched(merged)))
            for candidate in candidates:
                if candidate.matched > (best.matched if best else 0):
                    best = candidate
        return best

    def resolve(self, sheet: Sheet, header: Header | None, look_alikes: Sequence[ColumnNames]) -> Columns:
        """Assign the columns of a table.

        Args:
            sheet: the table.
            header: what ``find_header`` found in it.
            look_alikes: the other forms, to say which of them the file may be.

        Raises:
            FileRefused: it is no table of this form, a required column is missing, two columns answer one question.
        """
        if header is None or 2 * len(self._missing_required(header.cells, sheet)) > len(self._required):
            found = len(self._required) - len(self._missing_required(header.cells)) if header else 0
            raise FileRefused(
                f"it is not a file of {self.form.form_id}: of the {len(self._required)} columns that this form "
                f"requires, {found} are in {_place(sheet)}. {self._likeness(sheet, look_alikes)}"
            )
        missing = self._missing_required(header.cells, sheet)
        if missing:
            likeness = self._likeness(sheet, look_alikes, only_whole=True)
            unknown = [cell for cell in header.cells if cell and self.target(cell) is None]
            first = f'columns: {{"{unknown[0] if unknown else "header in the file"}": {missing[0].name}}}'
            raise FileRefused(
                f"required columns are missing: {_listed([f'{q.name} («{q.label_ru}»)' for q in missing])}. "
                f"Headers that were not recognised: {_listed([repr(cell) for cell in unknown]) or 'none'}. "
                f"{likeness}If a column was renamed, translate it in sources.yml under {self.form.form_id}: {first}; "
                "if it was left out, export the table again with it"
            )
        return self._assign(sheet, header)

    def _assign(self, sheet: Sheet, header: Header) -> Columns:
        questions: dict[str, int] = {}
        system: dict[str, int] = {}
        rest: list[int] = []
        for index, cell in enumerate(header.cells[: header.width]):
            name = self.target(cell) if cell else None
            if name is None:
                rest.append(index)
            elif name in SYSTEM_COLUMNS:
                before = system.get(name)
                if before is None or self._rank(cell) < self._rank(header.cells[before]):
                    system[name], index = index, before if before is not None else index
                if system[name] != index:
                    rest.append(index)
            elif name in questions:
                raise FileRefused(
                    f"two columns answer {name}: {header.cells[questions[name]]!r} and {cell!r}. Delete one, or say in "
                    f"sources.yml that it is no question: columns: {{{cell!r}: null}}"
                )
            else:
                questions[name] = index
        unknown: dict[str, int] = {}
        for index in sorted(rest):
            # a leading underscore marks our own entries among the extra ones
            unknown[_unique(header.cells[index].lstrip("_") or f"column {index + 1}", unknown)] = index
        missing = tuple(question.name for question in self.form.questions if question.name not in questions)
        return Columns(header, questions, system, unknown, missing)

    @staticmethod
    def _rank(header: str) -> int:
        """A translated header counts before the names that servers use."""
        return _RANKS.get(comparable(header), 0)

    def _missing_required(self, cells: Sequence[str], sheet: Sheet | None = None) -> list[Question]:
        named = {self.target(cell) for cell in cells if cell}
        return [
            question
            for question in self._required
            if question.name not in named
            and not (sheet is not None and sheet.omits_unanswered and question.relevant_when is not None)
        ]

    def _likeness(self, sheet: Sheet, others: Sequence[ColumnNames], *, only_whole: bool = False) -> str:
        best, score = None, self.recognised(sheet.rows)
        for other in others:
            header = other.find_header(sheet.rows)
            if header is None or header.matched <= score:
                continue
            if not other._missing_required(header.cells, sheet) if only_whole else other.fits(sheet.rows):
                best, score = other, header.matched
        if best is not None:
            name = f"{best.form.form_id} («{best.form.title_ru}»)"
            return f"It looks like {name}: rename the file, or mend `files` in sources.yml. "
        if only_whole:
            return ""
        return (
            "If it is one, its headers must be the form's names or labels, within the first "
            f"{HEADER_WITHIN} rows; others can be translated in sources.yml (columns)"
        )

    def _matched(self, cells: Sequence[str]) -> int:
        return len({self.target(cell) for cell in cells if cell} - {None})

    def _merged(self, upper: Sequence[str], lower: Sequence[str]) -> tuple[str, ...]:
        """One header out of two rows: the lower cell, unless only the upper one is a column of the form."""
        width = max(len(upper), len(lower))
        pairs = zip([*upper, *[""] * (width - len(upper))], [*lower, *[""] * (width - len(lower))], strict=True)
        return tuple(
            above if self.target(above) is not None and self.target(below) is None else below or above
            for above, below in pairs
        )


def _targets(form: Form, translations: Mapping[str, str | None]) -> dict[str, str | None]:
    """Comparable header → column, the strongest claim last: labels, system columns, names, translations."""
    targets: dict[str, str | None] = {}
    doubtful: set[str] = set()
    for question in form.questions:
        for label in {comparable(label) for label in question.labels} - {""}:
            if targets.setdefault(label, question.name) != question.name:
                doubtful.add(label)  # two questions with one label: neither is meant for certain
    for label in doubtful:
        del targets[label]
    targets |= {comparable(alias): name for name, aliases in SYSTEM_COLUMNS.items() for alias in aliases}
    targets |= {comparable(question.name): question.name for question in form.questions}
    targets |= {comparable(header): name for header, name in translations.items()}
    return targets


_RANKS = {comparable(alias): rank for aliases in SYSTEM_COLUMNS.values() for rank, alias in enumerate(aliases, 1)}


def _text(cell: Cell) -> str:
    return "" if cell is None else str(cell).strip()


def _unique(header: str, taken: Mapping[str, int]) -> str:
    name, count = header, 1
    while name in taken:
        count += 1
        name = f"{header} ({count})"
    return name


def _place(sheet: Sheet) -> str:
    return "it" if sheet.has_header_first else f"its first {HEADER_WITHIN} rows"


def _listed(items: Sequence[str]) -> str:
    shown = ", ".join(items[:_LISTED])
    return shown if len(items) <= _LISTED else f"{shown} and {len(items) - _LISTED} more"
