"""Submissions from KoboToolbox, by its API v2.

Kobo says neither when a submission was edited or validated nor what was deleted, and ``_submission_time`` can lie in
the past of an earlier read. So each read is a full one; ingest finds edits by their content and deletions by what a
read that was proven whole no longer has. See ``docs/sources/kobotoolbox.md``.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from vmeste.forms import Form
from vmeste.sources.answers import AnswerReader, moment
from vmeste.sources.base import Cursor, Extraction, Known, Refusal, Submission
from vmeste.sources.bodies import Bounds
from vmeste.sources.config import KoboConfig
from vmeste.sources.errors import AnswerNotUnderstood, FormUnusable, ReadIncomplete, SourceDenied, SourceNotFound
from vmeste.sources.kobo_server import KoboServer, Row
from vmeste.sources.transport import CONNECT_TIMEOUT, READ_TIMEOUT, Patience

_REVIEWS = {
    "validation_status_approved": "approved",
    "validation_status_not_approved": "not_approved",
    "validation_status_on_hold": "on_hold",
}

_BY_SERVER = re.compile(
    r"meta/.*|formhub/.*|_+version_+\d*"
    r"|_(?:id|uuid|attachments|geolocation|tags|notes|submitted_by|submission_time|validation_status|status"
    r"|xform_id_string|userform_id|deleted_at|bamboo_dataset_id|supplementalDetails)"
)
"""What the server adds to the answers of every submission: who, where, and its own bookkeeping."""

_BY_DEVICE = frozenset(
    [
        "start",
        "end",
        "today",
        "deviceid",
        "subscriberid",
        "simserial",
        "phonenumber",
        "username",
        "email",
        "audit",
        "background-audio",
        "start-geopoint",
    ]
)
"""What the device adds where the form asks for it: who, when, where, with which phone."""

_ENCRYPTED = {"base64EncryptedKey", "encryptedXmlFile"}


class KoboToolboxSource:
    """The forms of one KoboToolbox server that sources.yml names."""

    def __init__(
        self,
        config: KoboConfig,
        patience: Patience | None = None,
        sleep: Callable[[float], None] = time.sleep,
        timeout: tuple[float, float] = (CONNECT_TIMEOUT, READ_TIMEOUT),
    ) -> None:
        self.name = config.name
        self._config, self._patience, self._sleep, self._timeout = config, patience, sleep, timeout

    def check(self) -> str:
        """Try the credentials; return a line for a person."""
        with self._server() as server:
            return f"connected to {self._config.server}, {server.forms(self.name)} forms visible"

    def has_news(self, form: Form, cursor: Cursor | None, known: Known) -> bool:
        """Say whether there is anything to compare: edits and deletions leave no trace that could be asked for."""
        if cursor is None or known.live():
            return True
        with self._server() as server:
            return server.count(self._config.forms[form.form_id].asset, f"{self.name}, {form.form_id}") > 0

    def extract(self, form: Form, cursor: Cursor | None, known: Known) -> Extraction:
        """Read all submissions of a form.

        Raises:
            SourceError: it cannot be read, or not whole.
        """
        place = f"{self.name}, {form.form_id}"
        origin = self._config.forms[form.form_id]
        reader = AnswerReader(form, origin, ZoneInfo(self._config.time_zone), place)
        with self._server() as server:
            rows = server.submissions(origin.asset, place)
            ids = _identities(rows, origin.asset, known.live() | known.deleted())
            present = frozenset(ids.values())
            if len(present) != len(rows):
                raise AnswerNotUnderstood(f"{place}: two submissions have the same identity on the server")
            vanished = known.live() - present
            if vanished:
                _refuse_exchange(cursor, origin.asset, place, len(vanished))
                _prove_sight(server, origin.asset, place, len(rows))
        wanted = {question.name for question in form.questions}
        wanted |= {field for field, name in origin.columns.items() if name is not None}
        submissions = [
            self._submission(form, place, ids[number], row, reader.read(_fields(row, wanted, place)))
            for number, row in rows.items()
        ]
        return Extraction(
            server_count=len(submissions),
            submissions=submissions,
            cursor={"asset": origin.asset, "count": len(submissions)},
            notes=_notes(rows, ids, origin.asset, wanted),
            present_ids=present,
            server_total=len(submissions),
        )

    def overlooked(self) -> list[Refusal]:
        """Return nothing: a server may hold any number of forms that are not ours."""
        return []

    def _server(self) -> KoboServer:
        config = self._config
        bounds = Bounds.of(config.largest_answer_mb)
        return KoboServer(
            config.server, config.connection, self.name, self._patience, self._sleep, self._timeout, bounds
        )

    def _submission(
        self,
        form: Form,
        place: str,
        submission_id: str,
        row: Row,
        read: tuple[Mapping[str, str | None], Mapping[str, Any]],
    ) -> Submission:
        answers, extra = read
        review = _review(row, place)
        version = row.get("__version__")
        return Submission(
            source=self.name,
            form_id=form.form_id,
            submission_id=submission_id,
            form_version=version if isinstance(version, str) and version else form.version,
            submitted_at=_received(row, place),
            answers=answers,
            review_state=review,
            is_counted=review in self._config.reviews_that_count,
            extra=extra,
        )


def _fields(row: Row, wanted: AbstractSet[str], place: str) -> dict[str, Any]:
    """Return what people answered, by path, as ``AnswerReader`` takes it."""
    if not _ENCRYPTED.isdisjoint(row):
        raise FormUnusable(
            f"{place}: its submissions are encrypted, and only the owner of the key can read them. Publish the form "
            "without a public_key"
        )
    return {
        path: _members(path, value) if _is_repeat(value) else value
        for path, value in row.items()
        if path in wanted or not (path in _BY_DEVICE or _BY_SERVER.fullmatch(path))
    }


def _is_repeat(value: Any) -> bool:
    return isinstance(value, list) and value != [] and all(isinstance(member, dict) for member in value)


def _members(path: str, value: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return a repeat's members with the names of their fields within the member; Kobo writes whole paths."""
    return [{key.removeprefix(f"{path}/"): answer for key, answer in member.items()} for member in value]


def _identities(rows: Mapping[int, Row], asset: str, known: AbstractSet[str]) -> dict[int, str]:
    """Return ``_id`` → the id that a submission has with us.

    It is ``meta/rootUuid``, which stays through edits and follows a project to another server. Submissions from before
    Kobo had it, and copies that share one, go by form and ``_id``; they keep that name when the server fills the gap
    later, because a second name would be a second submission.
    """
    ids: dict[int, str] = {}
    taken: set[str] = set()
    for number, row in rows.items():
        local = f"{asset}-{number}"
        root = row.get("meta/rootUuid")
        root = root.removeprefix("uuid:").strip() if isinstance(root, str) and root.isprintable() else ""
        ids[number] = root if root and root not in taken and local not in known else local
        taken.add(ids[number])
    return ids


def _refuse_exchange(cursor: Cursor | None, asset: str, place: str, vanished: int) -> None:
    """Refuse to take for deleted what lies in the asset that sources.yml named before."""
    former = (cursor or {}).get("asset")
    if isinstance(former, str) and former != asset:
        raise FormUnusable(
            f"{place}: sources.yml names another asset than at the last read, and {vanished} submissions that we hold "
            "are not in it. To keep them, give the new asset a source of another name. To let them go, name the former "
            "one, delete them there, read once, and name the new one then"
        )


def _prove_sight(server: KoboServer, asset: str, place: str, seen: int) -> None:
    """Refuse to take for deleted what the server only does not show.

    The count proves a read of what the token may see. Kobo keeps a counter beside the submissions: it is hidden from
    those who may see only a part, and it stays when the index that is read here was lost.
    """
    try:
        said = server.asset(asset, place)
    except SourceNotFound:
        return
    if said.says_so and said.counted is None:
        raise SourceDenied(
            f"{place}: the token's user may see only a part of the submissions, and some that we hold are not among "
            "them. Give the user the right to view all submissions of the form (Share → View submissions, without "
            "the restriction to certain users)"
        )
    if seen == 0 and said.counted:
        raise ReadIncomplete(
            f"{place}: the server lists 0 submissions and counts {said.counted}. Its index is being rebuilt, or its "
            "counter is wrong: ask its administrator. Nothing was taken for deleted"
        )


def _review(row: Row, place: str) -> str:
    status = row.get("_validation_status") or {}
    uid = status.get("uid") if isinstance(status, dict) else status
    if isinstance(status, dict) and not uid:
        return "received"
    if not isinstance(uid, str) or uid not in _REVIEWS:
        raise AnswerNotUnderstood(
            f"{place}: submission _id {row['_id']} has a validation status that is none of {', '.join(_REVIEWS)}; "
            "whether it counts nobody can say. Set it anew in KoboToolbox"
        )
    return _REVIEWS[uid]


def _received(row: Row, place: str) -> datetime:
    """When the server received it: ``_submission_time`` names no zone and means UTC."""
    text = row.get("_submission_time")
    try:
        return moment(text if isinstance(text, str) else "", ZoneInfo("UTC")).astimezone(UTC)
    except (ValueError, OverflowError):
        raise AnswerNotUnderstood(
            f"{place}: submission _id {row['_id']} has no moment as its _submission_time"
        ) from None


def _notes(rows: Mapping[int, Row], ids: Mapping[int, str], asset: str, wanted: AbstractSet[str]) -> tuple[str, ...]:
    notes = []
    attached = sum(bool(row.get("_attachments")) for row in rows.values())
    if attached:
        notes.append(f"{attached} submissions have attachments, which are not fetched")
    local = sum(submission_id == f"{asset}-{number}" for number, submission_id in ids.items())
    if local:
        notes.append(f"{local} submissions have no meta/rootUuid of their own and go by form and _id")
    left_out = {path for row in rows.values() for path in row} & (_BY_DEVICE - wanted)
    if left_out:
        notes.append(f"written by the device and left out: {', '.join(sorted(left_out))}")
    return tuple(notes)
