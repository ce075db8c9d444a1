"""The one shape that every form server's records take, and the interface of a connector.

A connector yields submissions as the server gave them: canonical text values, nothing checked, nothing lost.
Typing and rules come later (``vmeste.quality``), so that a bad value is quarantined with its reason instead of
stopping a whole source.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
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


LONGEST_ID = 250
"""Letters of a submission's id; the longest that a form server makes has 249 (KoboToolbox)."""

LONGEST_STATE = 100
"""Letters of a review state."""


def indexable(text: str, longest: int) -> str:
    """Return a text as an index can hold it: one of more letters than that stands as its beginning and its hash.

    An index of PostgreSQL takes no more than 2,700 bytes a row, and a text that is no id may be as long as anything.
    """
    if len(text) <= longest:
        return text
    ending = f"… {hashlib.sha256(text.encode('utf-8', 'replace')).hexdigest()}"
    return text[: longest - len(ending)] + ending  # so long that it would stay as it is


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
    is_counted: bool = True  # False: the source says that it stays but does not count, e.g. rejected in review
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

    ``present_ids`` are all submissions that the server has now, by its own ids and deleted ones left out; only a read
    that was proven whole gives them: what we know beyond them was deleted at the source. ``server_total`` is how many
    the server says it has now; what we hold after the load must agree with it. Both are ``None`` where the source
    cannot say so.
    """

    server_count: int
    submissions: Iterable[Submission]
    cursor: Cursor
    notes: tuple[str, ...] = ()
    refusals: tuple[Refusal, ...] = ()
    present_ids: frozenset[str] | None = None
    server_total: int | None = None


class Known(Protocol):
    """What the warehouse holds of one form of one source; asked only when a connector needs it."""

    def live(self) -> AbstractSet[str]:
        """Return the ids of all submissions, in raw or in quarantine, that were not deleted at the source."""
        ...

    def deleted(self) -> AbstractSet[str]:
        """Return the ids of all submissions that the source deleted; it may restore them."""
        ...


class Source(Protocol):
    """A place where filled-in forms lie."""

    name: str

    def has_news(self, form: Form, cursor: Cursor | None, known: Known) -> bool:
        """Say cheaply whether a read would give anything that the last complete read (``cursor``) did not.

        A connector that can only find out by reading everything returns ``True``.
        """
        ...

    def extract(self, form: Form, cursor: Cursor | None, known: Known) -> Extraction:
        """Read the form to the end.

        Raises ``SourceError`` when nothing at all can be read.
        """
        ...

    def overlooked(self) -> list[Refusal]:
        """Return what lies at the source and belongs to no form that is read, e.g. a file with another name."""
        ...

    def check(self) -> str:
        """Try the source with one cheap request and return a line for a person that says what was found.

        Raises ``SourceError`` when it cannot be read.
        """
        ...
