"""The one shape that every form server's records take, and the interface of a connector.

A connector yields submissions as the server gave them: canonical text values, nothing checked, nothing lost.
Typing and rules come later (``vmeste.quality``), so that a bad value is quarantined with its reason instead of
stopping a whole source.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from vmeste.forms import Form

Cursor = Mapping[str, Any]
"""What a connector needs to know about its last complete read: JSON-serialisable, opaque to everybody else."""


CONTENT_ID_PREFIX = "content-"
"""Marks a submission id that a connector made of the answers, codes and vault answers among them.

Such an id can be guessed by whoever guesses the answers: like a code it must not leave the vault's side as it is.
"""


class SourceError(Exception):
    """A source cannot be read: the message names the source, the form and the way out."""


@dataclass(frozen=True, slots=True)
class Submission:
    """One version of one filled-in form.

    ``answers`` maps question names to canonical text: ISO dates, a dot as the decimal separator, choice codes,
    space-separated codes for a multiple choice; ``None`` where nothing was answered. A value that the connector
    cannot make canonical stays as it was written. ``extra`` keeps what the form does not know.
    """

    source: str
    form_id: str
    submission_id: str
    form_version: str
    submitted_at: datetime  # aware, UTC: when the server received it
    answers: Mapping[str, str | None]
    updated_at: datetime | None = None  # aware, UTC: when the server received this edit
    review_state: str | None = None
    is_deleted: bool = False
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Refusal:
    """A part of a source (a file, a page) that was not read, why, and what to do about it."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class Extraction:
    """All that one read of one form gave.

    ``server_count`` is the number of submission versions that the server says it has for this read; the sync is
    proven complete against it. ``notes`` say what was detected (encoding, delimiter, header row …).
    """

    server_count: int
    submissions: Iterable[Submission]
    cursor: Cursor
    notes: tuple[str, ...] = ()
    refusals: tuple[Refusal, ...] = ()


class Source(Protocol):
    """A place where filled-in forms lie."""

    name: str

    def has_news(self, form: Form, cursor: Cursor | None) -> bool:
        """Say cheaply whether a read would give anything that the last complete read (``cursor``) did not."""
        ...

    def extract(self, form: Form, cursor: Cursor | None) -> Extraction:
        """Read the form to the end.

        Raises ``SourceError`` when nothing at all can be read.
        """
        ...

    def overlooked(self) -> list[Refusal]:
        """Return what lies at the source and belongs to no form that is read, e.g. a file with another name."""
        ...
