"""Who is to be erased: found by code, and everything that is about that person and nobody else.

A mentee's erasure takes the mentee, every pair and all that was filled in about them. A mentor's takes the
registration, the consent and what the mentor answered; what is the mentee's stays, with a marker in the mentor's place.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from vmeste.forms import Form
from vmeste.forms.columns import key_column
from vmeste.forms.repeats import members_of, members_text
from vmeste.landing import content_hash

Kind = Literal["mentee", "mentor"]

MENTORS_OWN = frozenset({"f5_mentor_feedback"})
"""Forms that name a pair and hold the mentor's own answers: they go with the mentor."""

SHORTEST_WORD = 4
"""Shorter answers are not looked for in logs: they would be found in every line."""


class ErasureError(Exception):
    """The person cannot be erased as asked; the message says why and the way out, and quotes nothing of theirs."""


@dataclass(slots=True)
class Subject:
    """A person while being erased. Lives in the vault and in memory, and is forgotten in the end.

    ``pairs`` are the keys of a mentee's pairs, or of those in which a mentor's own answers stand. ``submissions`` are
    (source, form, id as raw has it); ``words`` are what is looked for in logs.
    """

    kind: Kind
    key: str
    marker: str
    codes: dict[str, str] = field(default_factory=dict)  # key → code, of the person and the pairs
    pairs: set[str] = field(default_factory=set)
    submissions: set[tuple[str, str, str]] = field(default_factory=set)
    words: set[str] = field(default_factory=set)

    @property
    def keys(self) -> frozenset[str]:
        """The keys that must be nowhere afterwards."""
        return frozenset({self.key} | (self.pairs if self.kind == "mentee" else set()))

    def as_json(self) -> str:
        """Return the subject as the vault keeps it until the end."""
        return json.dumps(
            {
                "kind": self.kind,
                "key": self.key,
                "marker": self.marker,
                "codes": self.codes,
                "pairs": sorted(self.pairs),
                "submissions": sorted(self.submissions),
                "words": sorted(self.words),
            },
            ensure_ascii=False,
        )

    @classmethod
    def from_json(cls, kept: Mapping[str, Any]) -> Subject:
        """Return the subject that the vault has kept."""
        return cls(
            kept["kind"],
            kept["key"],
            kept["marker"],
            dict(kept["codes"]),
            set(kept["pairs"]),
            {(source, form_id, key) for source, form_id, key in kept["submissions"]},
            set(kept["words"]),
        )


@dataclass(slots=True)
class Report:
    """What an erasure took, or would take: place → rows, files or words; form → submissions."""

    erasure_id: str
    kind: Kind
    counts: Counter[str] = field(default_factory=Counter)
    submissions: Counter[str] = field(default_factory=Counter)
    act: Path | None = None


Fate = Literal["goes", "stays", "marked"]


def fate(subject: Subject, form: Form, row: Mapping[str, Any]) -> Fate:
    """Say what becomes of a version of a submission.

    Args:
        subject: who is erased.
        form: the version's form.
        row: its answers by column; repeats as text. A version without any key (a deletion) stays by itself.
    """
    named = set(_named(form, row))
    if subject.kind == "mentee":
        if named & subject.keys:
            return "goes"
        return "marked" if _previous(form, row) & subject.keys else "stays"
    if form.form_id in MENTORS_OWN and named & subject.pairs:
        return "goes"
    if subject.key not in named:
        return "stays"
    return "marked" if named - {subject.key} else "goes"


def names_anybody(form: Form, row: Mapping[str, Any]) -> bool:
    """Say whether a version names any person or pair."""
    return any(True for _ in _named(form, row))


def marked(subject: Subject, form: Form, row: Mapping[str, str | None]) -> dict[str, str | None]:
    """Return a version that stays, with the marker wherever it named the person, and the hash of what it is now.

    Args:
        subject: who is erased.
        form: the version's form.
        row: answers as landed text by column, and ``_content_hash``.
    """
    changed = dict(row)
    repeats = {repeat.name for repeat in form.repeats}
    columns = {key_column(question.name) for question in form.every_question if question.key}
    for name, value in row.items():
        if name in columns and value in subject.keys:
            changed[name] = subject.marker
        elif name in repeats and (members := members_of(value)):
            changed[name] = members_text(
                {
                    inner: subject.marker if inner in columns and answer in subject.keys else answer
                    for inner, answer in member.items()
                }
                for member in members
            )
    answers = {name: value for name, value in row.items() if not name.startswith("_")}
    # only where we can tell how the hash was made is it made anew: then the source's next answer is known again
    if content_hash(answers) == row.get("_content_hash"):
        changed["_content_hash"] = content_hash({name: changed[name] for name in answers})
    return changed


def words_of(form: Form, row: Mapping[str, Any]) -> set[str]:
    """Return what a version says in somebody's own words: open answers, unknown columns."""
    texts: set[str] = set()
    open_answers = {question.name for question in form.every_question if question.kind == "text" and not question.key}
    for name in open_answers:
        texts.update(_texts(row.get(name)))
    for repeat in form.repeats:
        for member in members_of(row.get(repeat.name)) or ():
            texts.update(text for name, text in member.items() if name in open_answers)
    extra = row.get("_extra")
    texts.update(_texts(json.loads(extra) if isinstance(extra, str) else extra))
    return {text for text in texts if is_telling(text)}


def is_telling(text: str) -> bool:
    """Say whether a text can be looked for in logs without being found everywhere."""
    is_a_word = bool(re.search(r"[^\W\d_]{3}", text)) or len(re.sub(r"\D", "", text)) >= 7
    return len(text) >= SHORTEST_WORD and is_a_word and not re.fullmatch(r"\d{4}-\d\d-\d\d.*|\d{4}-\d", text)


def _texts(value: Any) -> Iterator[str]:
    match value:
        case str():
            yield value
        case Mapping():
            for inner in value.values():
                yield from _texts(inner)
        case list() | tuple():
            for inner in value:
                yield from _texts(inner)


def _named(form: Form, row: Mapping[str, Any]) -> Iterator[str]:
    """Yield the keys of people and pairs whom a version is about."""
    columns = {
        key_column(question.name)
        for question in form.every_question
        if question.key and question.key != "curator" and not question.name.startswith("previous_")
    }
    rows: list[Mapping[str, Any]] = [row]
    for repeat in form.repeats:
        rows += members_of(row.get(repeat.name)) or ()
    for answers in rows:
        yield from (answers[column] for column in columns if answers.get(column))


def _previous(form: Form, row: Mapping[str, Any]) -> AbstractSet[str]:
    names: Iterable[str] = (key_column(question.name) for question in form.every_question if question.key)
    return {row[name] for name in names if name.startswith("previous_") and row.get(name)}
