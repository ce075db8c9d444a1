"""Who was erased does not come back: keyed hashes of codes and of submission ids, looked at before anything is landed.

A code is short, so any hash of it alone could be guessed by trying them all. The key is drawn once, lies in the vault
database and is never copied; without it a tombstone says nothing.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import psycopg

from vmeste.forms import Form
from vmeste.forms.repeats import members_of
from vmeste.sources.base import Submission

STUB_VERSION = "erased"
"""The form version of the empty row that stands where a submission was, so that a server's counts still agree."""

STUB_AT = datetime(1970, 1, 1, tzinfo=UTC)
"""Its moment: when somebody filled in a form is about them as well."""

STUB_PREFIX = "erased-"
"""Begins the id of a stub whose submission had an id that people, and not a server, may have made; and the marker that
stands for an erased mentor."""

_DRAWN = re.compile(r"(?:uuid:)?[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|\d{1,12}", re.IGNORECASE)
"""Ids that a server drew or counted: they lead nowhere without the server."""


def secret_of(vault: psycopg.Connection[Any]) -> bytes:
    """Return the key of the tombstones, drawing it at the first call."""
    vault.execute(
        "insert into vault.secrets (name, secret) values ('tombstones', %s) on conflict do nothing",
        (secrets.token_bytes(32),),
    )
    ((secret,),) = vault.execute("select secret from vault.secrets where name = 'tombstones'").fetchall()
    return bytes(secret)


def digest(secret: bytes, *parts: str) -> bytes:
    """Return HMAC-SHA256 of texts, 32 bytes."""
    return hmac.new(secret, "\0".join(parts).encode(), hashlib.sha256).digest()


def stub_id(secret: bytes, source: str, form_id: str, submission_id: str) -> str:
    """Return the id under which an erased submission's empty row stands.

    A server's own id stays, or the server's submissions could not be compared with ours; any other becomes a hash.
    """
    if _DRAWN.fullmatch(submission_id):
        return submission_id
    return STUB_PREFIX + digest(secret, "stub", source, form_id, submission_id).hex()[:32]


@dataclass(frozen=True, slots=True)
class _Stone:
    """What is known of a code: which erasure it belongs to, what stands for a mentor, in which forms a pair blocks."""

    erasure_id: str
    marker: str
    form_ids: frozenset[str] | None


@dataclass(frozen=True, slots=True)
class Tombstones:
    """All that is known of erased people, by digest of (kind, code), and the digests of their submissions."""

    secret: bytes
    codes: Mapping[bytes, _Stone]
    submissions: AbstractSet[bytes]

    @classmethod
    def read(cls, vault: psycopg.Connection[Any], source: str, form_id: str) -> Tombstones | None:
        """Return what is there for a form of a source; ``None`` as long as nobody was erased."""
        codes = {
            bytes(key): _Stone(erasure_id, marker, None if forms is None else frozenset(forms))
            for key, erasure_id, marker, forms in vault.execute(
                "select digest, erasure_id, marker, form_ids from vault.tombstones"
            )
        }
        if not codes:
            return None
        submissions = {
            bytes(key)
            for (key,) in vault.execute(
                "select digest from vault.erased_submissions where source = %s and form_id = %s", (source, form_id)
            )
        }
        return cls(secret_of(vault), codes, submissions)

    def marker(self, kind: str, code: str) -> str | None:
        """Return what stands for a mentor's code, ``None`` for a code that is nobody erased."""
        found = self.codes.get(digest(self.secret, kind, code))
        return found.marker if found else None

    def blocked_by(self, form: Form, codes: Iterable[tuple[str, str]]) -> str | None:
        """Return the erasure for which a submission that names these (kind, code) must not be loaded, or ``None``.

        A mentee or a pair blocks; an erased mentor only where nobody else is named.
        """
        named = [(kind, self.codes.get(digest(self.secret, kind, code))) for kind, code in codes if kind != "curator"]
        for kind, stone in named:
            if stone and kind != "mentor" and (stone.form_ids is None or form.form_id in stone.form_ids):
                return stone.erasure_id
        mentors = [stone for kind, stone in named if stone and kind == "mentor"]
        return mentors[0].erasure_id if mentors and len(mentors) == len(named) else None

    def held_id(self, source: str, form_id: str, submission_id: str) -> str:
        """Return the id that raw has for a submission id of the source."""
        if digest(self.secret, source, form_id, submission_id) in self.submissions:
            return stub_id(self.secret, source, form_id, submission_id)
        return submission_id

    def emptied(
        self, vault: psycopg.Connection[Any], form: Form, submissions: Sequence[Submission], prefix: str = ""
    ) -> list[Submission]:
        """Return the submissions with all that is about an erased person taken out of those that are blocked.

        Their ids are noted in the vault, as digests: a later deletion of theirs names no code any more.
        """
        questions = {question.name: question.key for question in form.every_question if question.key}
        # what a pair once continued is no statement about the person who fills in
        own = {name: kind for name, kind in questions.items() if not name.startswith("previous_")}
        repeats = {repeat.name for repeat in form.repeats}
        kept, noted = [], []
        for submission in submissions:
            answered: list[Mapping[str, Any]] = [submission.answers]
            for name in repeats:
                answered += members_of(submission.answers.get(name)) or ()
            codes = {
                (kind, prefix + clean(code))
                for answers in answered
                for name, kind in own.items()
                if (code := answers.get(name))
            }
            place = (submission.source, submission.form_id, submission.submission_id)
            key = digest(self.secret, *place)
            erasure_id = self.blocked_by(form, codes)
            if erasure_id and key not in self.submissions:
                noted.append((*place[:2], key, stub_id(self.secret, *place), erasure_id))
            is_theirs = erasure_id is not None or (not codes and key in self.submissions)
            kept.append(_stub(submission, self.secret) if is_theirs else submission)
        if noted:
            with vault.cursor() as cursor:
                cursor.executemany(NOTE_SUBMISSION, noted)
        return kept


NOTE_SUBMISSION = (
    "insert into vault.erased_submissions (source, form_id, digest, stub_id, erasure_id) "
    "values (%s, %s, %s, %s, %s) on conflict do nothing"
)


def _stub(submission: Submission, secret: bytes) -> Submission:
    held = stub_id(secret, submission.source, submission.form_id, submission.submission_id)
    empty = replace(submission, submission_id=held, form_version=STUB_VERSION, answers={}, extra={}, review_state=None)
    if submission.is_deleted:  # that it is gone at the source is news, and says nothing of anybody
        return empty
    return replace(empty, submitted_at=STUB_AT, updated_at=None, is_counted=False)


def clean(code: str | None) -> str:
    """Return a code as it is compared: no outer blanks, one form of each letter."""
    return unicodedata.normalize("NFC", (code or "").strip())
