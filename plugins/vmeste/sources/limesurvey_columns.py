"""Which column of a LimeSurvey export answers which question of a form, and what its codes mean.

LimeSurvey spreads one question over many columns (``goals[g1]``, ``rank[2]``, ``reason[other]``) and knows neither
underscores in a question's code nor an answer code of more than five characters. What an exporter made of our names
(``vmeste.forms.limesurvey_codes``) is undone here, so that a survey made from our file needs no translation.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from zoneinfo import ZoneInfo

from vmeste.forms import Form, Question
from vmeste.forms.limesurvey_codes import answer_code, question_code
from vmeste.sources.answers import AnswerReader
from vmeste.sources.config import LimeSurveyForm
from vmeste.sources.errors import FormUnusable

DROPPED = frozenset(("id", "submitdate", "token", "ipaddr", "refurl", "lastpage", "seed", "datestamp", "interviewtime"))
"""Columns of LimeSurvey's own that are kept nowhere: they may tell who answered, or change by themselves."""

_TIMES = re.compile(r"interviewtime|\d+X\d+(?:X\d+)?time|(?:group|question)time\d+", re.IGNORECASE)
_HEADING = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])*)")
_OTHER = "other"  # the free text beside a list's own answers
_LIST_OTHER = "-oth-"  # the answer code of a list that means it
_NO_CODES = (_OTHER, "comment", "filecount")
_DAY = re.compile(r"(\d{4}-\d{2}-\d{2})[ T](\d{2}:\d{2}:\d{2})(?:\.0+)?")
_CHOSEN, _NOT_CHOSEN = "Y", "N"  # an option that was left is mostly empty


@dataclass(frozen=True, slots=True)
class _Column:
    heading: str
    base: str  # what stands before the brackets
    parts: tuple[str, ...]  # what stands in them, unless it is part of the question's name

    @property
    def is_beside(self) -> bool:
        """Whether it holds what was written beside an answer."""
        return bool(self.parts) and self.parts[-1] in _NO_CODES


@dataclass(slots=True)
class Columns:
    """Reads the records of one survey; ``headings`` are all that its export has."""

    form: Form
    origin: LimeSurveyForm
    zone: ZoneInfo
    place: str
    headings: Sequence[str]
    unanswered: tuple[str, ...] = field(default=(), init=False)  # questions that the survey does not have
    _names: dict[str, list[str]] = field(default_factory=dict, init=False)  # code in LimeSurvey → our names
    _columns: dict[str, list[_Column]] = field(default_factory=dict, init=False)  # question → its columns
    _rest: list[str] = field(default_factory=list, init=False)
    _files: list[str] = field(default_factory=list, init=False)  # codes of upload questions
    _reader: AnswerReader = field(init=False)

    def __post_init__(self) -> None:
        """Raises ``FormUnusable`` if it cannot be said which column answers a question, or none answers any."""
        AnswerReader(self.form, self.origin, self.zone, self.place)  # checks the names in sources.yml
        own = {question.name for question in self.form.questions}
        if inside := sorted({name for name in self.origin.columns.values() if name is not None} - own):
            raise FormUnusable(
                f"{self.place}: {', '.join(inside)} belongs to a repeat, which LimeSurvey does not have. Take it out "
                "of sources.yml (columns), and ask this form on ODK Central or KoboToolbox"
            )
        choices = {
            question.name: _codes(question) | dict(self.origin.choices.get(question.name, {}))
            for question in self.form.questions
            if question.choices or question.name in self.origin.choices
        }
        translated = self.origin.model_copy(update={"columns": {}, "choices": choices})
        self._reader = AnswerReader(self.form, translated, self.zone, self.place)
        for question in self.form.questions:
            for code in {question_code(question.name).lower(), _plain(question.name)}:
                self._names.setdefault(code, []).append(question.name)
        self._files = [heading.removesuffix("[filecount]") for heading in self.headings if "[filecount]" in heading]
        for heading in self.headings:
            self._assign(heading)
        self.unanswered = tuple(question.name for question in self.form.questions if question.name not in self._columns)
        if self.headings and not self._columns:
            raise FormUnusable(
                f"{self.place}: none of the survey's questions is one of this form. Mend the survey's id in "
                "sources.yml, or translate the survey's question codes there (columns)"
            )

    def read(self, record: Mapping[str, Any]) -> tuple[dict[str, str | None], dict[str, Any]]:
        """Return the answers by question and what the form does not know."""
        extra = {heading: record.get(heading) for heading in self._rest}
        fields: dict[str, Any] = {}
        for name, columns in self._columns.items():
            fields[name] = self._value(self.form.question(name), columns, record, extra)
        answers, unknown = self._reader.read(fields)
        return answers, unknown | {key: value for key, value in extra.items() if value not in (None, "", [], {})}

    def uploads(self, record: Mapping[str, Any]) -> int:
        """Return how many files came with a record."""
        counts = [str(record.get(f"{code}[filecount]") or "0") for code in self._files]
        return sum(int(count) for count in counts if re.fullmatch(r"\d{1,6}", count))

    def _assign(self, heading: str) -> None:
        found = _HEADING.fullmatch(heading)
        base = found[1] if found else heading
        parts = tuple(found[2][1:-1].split("][")) if found and found[2] else ()
        name, used = self._question(heading, base, parts)
        if name is None:
            if not (heading in DROPPED or _TIMES.fullmatch(heading) or base in self._files):
                self._rest.append(heading)
            return
        column, others = _Column(heading, base, used), self._columns.setdefault(name, [])
        if any(not _fit_together(other, column) for other in others):
            raise FormUnusable(
                f"{self.place}: two columns answer {name}: {others[0].heading} and {heading}. Give one of the two "
                "questions another code in LimeSurvey, or say in sources.yml that one is no question: columns: "
                f"{{{heading}: null}}"
            )
        others.append(column)

    def _question(self, heading: str, base: str, parts: tuple[str, ...]) -> tuple[str | None, tuple[str, ...]]:
        """Return the question that a column belongs to, and which of its parts say more than that."""
        columns = self.origin.columns
        path = "/".join((base, *parts))
        for key in (heading, path):
            if key in columns:
                return columns[key], ()
        if base in columns:
            return columns[base], parts
        if parts and parts[-1] in columns:
            return columns[parts[-1]], ()
        if heading in DROPPED or base in self._files:
            return None, ()
        joined = self._named("".join((base, *parts))) if parts else None
        own = self._named(base)
        if parts and own is not None and joined is not None and parts[-1] not in _NO_CODES:
            raise FormUnusable(
                f"{self.place}: the column {heading} may answer {own} and {joined}. Say which in sources.yml (columns)"
            )
        if joined is not None:
            return joined, ()
        if own is not None:
            return own, parts
        last = self._named(parts[-1]) if parts and parts[-1] not in _NO_CODES else None
        return last, ()

    def _named(self, code: str) -> str | None:
        names = self._names.get(_plain(code), [])
        if len(names) > 1:
            raise FormUnusable(
                f"{self.place}: LimeSurvey's {code} may be each of {', '.join(names)}, because LimeSurvey has no "
                "underscores. Rename one of the questions, or say which it is in sources.yml (columns)"
            )
        return names[0] if names else None

    def _value(
        self, question: Question, columns: Sequence[_Column], record: Mapping[str, Any], extra: dict[str, Any]
    ) -> Any:
        whole = next((column.heading for column in columns if not column.parts), None)
        headings = {"_".join(column.parts): column.heading for column in columns if column.parts}
        parts = {part: record.get(heading) for part, heading in headings.items()}
        answered = {part: value for part, value in parts.items() if value not in (None, "")}
        beside = {part: answered.pop(part) for part in list(answered) if _is_beside(part, headings)}
        is_multiple = question.kind == "select_multiple"
        chooses_other = is_multiple and _OTHER in beside and any(choice.name == _OTHER for choice in question.choices)
        extra.update({headings[part]: value for part, value in beside.items()})
        if whole is not None:
            return _written(record.get(whole), question)
        if is_multiple:
            answered = {part: value for part, value in answered.items() if value != _NOT_CHOSEN}
        if all(part.isdecimal() for part in answered) and any(value != _CHOSEN for value in answered.values()):
            return [answered[part] for part in sorted(answered, key=int)]  # a ranking
        if is_multiple:
            # a mark that is none becomes a code that the form does not have: validation says so
            codes = [part if value == _CHOSEN else f"{part}={value}" for part, value in answered.items()]
            return [re.sub(r"\s", "_", code) for code in codes] + [_OTHER] * chooses_other
        return answered


def _is_beside(part: str, parts: Container[str]) -> bool:
    return part in _NO_CODES or (part.endswith("comment") and part.removesuffix("comment") in parts)


def _fit_together(one: _Column, other: _Column) -> bool:
    """Whether two columns may belong to one question: as its options, or as an answer and what stands beside it."""
    return one.base == other.base and (bool(one.parts and other.parts) or one.is_beside or other.is_beside)


def _plain(code: str) -> str:
    return code.replace("_", "").lower()


def _written(value: Any, question: Question) -> Any:
    """LimeSurvey writes dates and times alike, as moments."""
    found = _DAY.fullmatch(value.strip()) if isinstance(value, str) else None
    if found is not None and question.kind == "date" and found[2] == "00:00:00":
        return found[1]
    if found is not None and question.kind == "time":
        return found[2]
    return value


def _codes(question: Question) -> dict[str, str]:
    """Return LimeSurvey's code → ours for the choices of a question; a code that is one of ours stays."""
    ours = [choice.name for choice in question.choices]
    made = Counter(answer_code(name) for name in ours)
    codes = {answer_code(name): name for name in ours if made[answer_code(name)] == 1}
    codes |= {name: name for name in ours}
    return codes | ({_LIST_OTHER: _OTHER} if _OTHER in ours else {})


def headings_of(records: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return all headings of some records, in their order."""
    return list(dict.fromkeys(heading for record in records for heading in record))
