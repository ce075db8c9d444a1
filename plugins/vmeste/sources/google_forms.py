"""Google Forms: responses by the time of their last submission, and once a day all of them.

A form there knows titles, not names, so questions and choices are found by their wording (``titles``). The API says
when a response was edited and keeps silent about deleted ones and about how many there are. So the first read of each
day is a sweep of all pages, and a response that it does not show is asked for by its id: only the server's 404 is a
deletion.
"""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from vmeste.forms import Form, Question
from vmeste.sources.base import Cursor, Extraction, Known, Refusal, Submission
from vmeste.sources.bodies import Bounds
from vmeste.sources.config import GoogleConfig, GoogleForm
from vmeste.sources.connections import credentials
from vmeste.sources.errors import AnswerNotUnderstood, FormUnusable, ReadIncomplete, SourceError
from vmeste.sources.google_client import GoogleForms, key_of
from vmeste.sources.titles import Item, Titles
from vmeste.sources.transport import READ_TIMEOUT, Patience

READER = 1
"""Counted up when the same responses would be read otherwise than before: all of them are then read again."""

OVERLAP = timedelta(minutes=10)
"""How far a read reaches back behind the last one: a response may become visible later than its time says."""

SWEEPS = 3
"""So often a sweep is tried whose pages leave out responses that the server says it has."""

EMPTY_PAGES = 3
"""So many pages in a row may bring no response that was not there before."""

_STAMP = re.compile(r"(\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2})(?:\.(\d{1,9}))?(Z|[+-]\d{2}:\d{2})")


@dataclass(frozen=True, slots=True)
class _Stamp:
    """A moment of the server, to the nanosecond as it wrote it; ``text`` sorts as the moments do."""

    text: str
    moment: datetime


class GoogleFormsSource:
    """Forms that are shared with one service account."""

    def __init__(
        self,
        config: GoogleConfig,
        patience: Patience | None = None,
        sleep: Callable[[float], None] = time.sleep,
        timeout: float = READ_TIMEOUT,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.name, self._config, self._zone = config.name, config, ZoneInfo(config.time_zone)
        self._patience, self._sleep, self._timeout, self._now = patience, sleep, timeout, now
        self._opened: GoogleForms | None = None

    def has_news(self, form: Form, cursor: Cursor | None, known: Known) -> bool:
        """Say whether a response was submitted since ``cursor``, or a sweep is due; at most one request.

        Raises:
            SourceError: the server cannot be asked.
        """
        origin, place = self._origin(form)
        if cursor is None or cursor.get("form") != origin.form or cursor.get("swept_on") != self._today():
            return True
        if cursor.get("config") != _fingerprint(form, origin):
            return True
        since = _since(cursor, origin.form)  # nothing while the form has no response
        page = self._client().page(origin.form, place, f"timestamp > {since.text}" if since else None, size=1)
        return bool(_responses(page, place))

    def extract(self, form: Form, cursor: Cursor | None, known: Known) -> Extraction:
        """Read what was submitted since ``cursor``, or everything at the first read of a day.

        ``server_count`` is the number of different responses on all pages: the API counts none itself. A sweep that was
        read to its end gives ``present_ids``, after the server confirmed of each missing response that it is gone.

        Raises:
            SourceError: the form cannot be read.
            ReadIncomplete: the pages leave out responses that the server has.
        """
        origin, place = self._origin(form)
        client = self._client()
        titles = Titles(form, origin, self._zone, place)
        items = _items(client.form(origin.form, place), place)
        questions = titles.questions_of(list(items.values()))
        read_as = _fingerprint(form, origin, {item_id: question.name for item_id, question in questions.items()})
        since = _since(cursor, origin.form)
        is_sweep = (
            since is None
            or cursor is None
            or cursor.get("swept_on") != self._today()
            or cursor.get("read_as") != read_as
        )
        swept_on = self._today()  # before the read: one that lasts over midnight belongs to the day that began it
        if is_sweep or since is None:
            found = self._sweep(client, origin.form, place, known)
        else:
            found = self._list(client, origin.form, place, since)
        reader = _Reader(self.name, form, titles, items, questions, place)
        submissions = [reader.read(response) for response in found.values()]
        newest = max((_stamp(response, place).text for response in found.values()), default=None)
        if since is not None:
            newest = max(newest or since.text, since.text)
        return Extraction(
            server_count=len(submissions),
            submissions=submissions,
            cursor={
                "form": origin.form,
                "until": newest,
                "swept_on": swept_on,
                "config": _fingerprint(form, origin),
                "read_as": read_as,
            },
            notes=(f"{'all' if is_sweep else 'new and edited'} responses: {len(submissions)}", *reader.notes()),
            present_ids=frozenset(found) if is_sweep else None,
        )

    def overlooked(self) -> list[Refusal]:
        """Return nothing: a service account cannot list the forms that are shared with it."""
        return []

    def check(self) -> str:
        """Open each form that is configured; return one line for a person.

        Raises:
            SourceError: the service account is refused, or a form is not shared with it.
        """
        client = self._client()
        for form_id, origin in self._config.forms.items():
            client.form(origin.form, f"{self.name}, {form_id}")
        return f"connected to {self._config.server}, {len(self._config.forms)} forms visible"

    def _client(self) -> GoogleForms:
        if self._opened is None:
            connection = self._config.connection
            account = key_of(credentials(connection, self.name), connection, self.name)
            bounds = Bounds.of(self._config.largest_answer_mb)
            self._opened = GoogleForms(self._config.server, account, self._patience, self._sleep, self._timeout, bounds)
        return self._opened

    def _origin(self, form: Form) -> tuple[GoogleForm, str]:
        origin = self._config.forms.get(form.form_id)
        if origin is None:
            raise SourceError(
                f"{self.name}: sources.yml does not say where {form.form_id} lies. Add it under forms of this source, "
                f'e.g. {form.form_id}: {{form: "1aBc…"}}, the id in the address of its editor'
            )
        return origin, f"{self.name}, {form.form_id}"

    def _today(self) -> str:
        return self._now().astimezone(self._zone).date().isoformat()

    def _list(
        self, client: GoogleForms, form_id: str, place: str, since: _Stamp | None = None
    ) -> dict[str, Mapping[str, Any]]:
        """Read all pages; of a response that stands on two of them, because rows moved, the later one is kept."""
        start = f"timestamp >= {_zulu(since.moment - OVERLAP)}" if since else None
        found: dict[str, Mapping[str, Any]] = {}
        token: str | None = None
        barren = 0
        while True:
            page = client.page(form_id, place, start, token)
            before = len(found)
            for response in _responses(page, place):
                key = _text(response, "responseId", place)
                if key not in found or _stamp(found[key], place).text <= _stamp(response, place).text:
                    found[key] = response
            token = page.get("nextPageToken")
            if token in (None, ""):
                return found
            barren = 0 if len(found) > before else barren + 1
            if not isinstance(token, str) or barren >= EMPTY_PAGES:
                raise AnswerNotUnderstood(
                    f"{place}: Google's pages lead nowhere (nextPageToken is no text, or page after page brings "
                    f"nothing new, after {len(found)} responses). Nothing was loaded; report it to Google if it stays"
                )

    def _sweep(self, client: GoogleForms, form_id: str, place: str, known: Known) -> dict[str, Mapping[str, Any]]:
        """Read everything; what we know and the pages do not show must be gone by the server's own word."""
        gone: set[str] = set()
        missed: list[str] = []
        found: dict[str, Mapping[str, Any]] = {}
        for _ in range(SWEEPS):
            found = self._list(client, form_id, place)
            missed = []
            for key in sorted(known.live() - found.keys() - gone):
                if client.has(form_id, key, place):
                    missed.append(key)
                else:
                    gone.add(key)
            if not missed:
                return found
        raise ReadIncomplete(
            f"{place}: Google's pages show {len(found)} responses and leave out {len(missed)} that it has. Nothing was "
            "loaded; it is tried again at the next run"
        )


class _Reader:
    """Turns responses into submissions and counts what is worth a note."""

    def __init__(
        self,
        source: str,
        form: Form,
        titles: Titles,
        items: Mapping[str, Item],
        questions: Mapping[str, Question],
        place: str,
    ) -> None:
        self._source, self._form, self._titles, self._place = source, form, titles, place
        self._items, self._questions = items, questions
        self._files = 0
        self._unknown: set[str] = set()

    def read(self, response: Mapping[str, Any]) -> Submission:
        """Return a response as a submission; who sent it and what it scored is left behind."""
        created, last = _stamp(response, self._place, "createTime"), _stamp(response, self._place)
        given: list[tuple[Question, Item, Any]] = []
        unknown: list[tuple[Item, Any]] = []
        for item_id, answer in _object(response.get("answers", {}), "answers", self._place).items():
            values = self._values(_object(answer, "an answer", self._place))
            item = self._items.get(item_id) or Item(item_id, item_id)
            question = self._questions.get(item_id) or self._titles.question_of(item)
            if question is None:
                self._unknown |= {item.title} if values else set()
                unknown.append((item, values[0] if len(values) == 1 else values))
            elif question.choices:
                given.append((question, item, self._titles.coded(question, [(value,) for value in values])))
            else:
                given.append((question, item, values[0] if len(values) == 1 else values))
        answers, extra = self._titles.read(given, unknown)
        return Submission(
            source=self._source,
            form_id=self._form.form_id,
            submission_id=_text(response, "responseId", self._place),
            form_version=self._form.version,
            submitted_at=created.moment,
            answers=answers,
            updated_at=last.moment if last.text > created.text else None,
            extra=extra,
        )

    def notes(self) -> list[str]:
        """Return what a person should know about this read."""
        notes = []
        if unasked := self._titles.unasked(self._questions):
            notes.append(f"no item on the server asks {', '.join(unasked)}: their answers are empty")
        if self._unknown:
            notes.append(f"items that are no question of the form, kept beside it: {', '.join(sorted(self._unknown))}")
        if self._files:
            notes.append(f"{self._files} uploaded files are not fetched")
        return notes

    def _values(self, answer: Mapping[str, Any]) -> list[str]:
        """Return what was written or chosen; nothing for files, which are counted."""
        files = _object(answer.get("fileUploadAnswers", {}), "fileUploadAnswers", self._place)
        self._files += len(_list(files.get("answers", []), "fileUploadAnswers", self._place))
        texts = _object(answer.get("textAnswers", {}), "textAnswers", self._place)
        values = []
        for entry in _list(texts.get("answers", []), "textAnswers", self._place):
            value = _object(entry, "a text answer", self._place).get("value", "")
            if not isinstance(value, str):
                raise _not_understood("a text answer", self._place)
            if value.strip():
                values.append(value)
        return values


def _items(form: Mapping[str, Any], place: str) -> dict[str, Item]:
    """Return what can be answered in a form: question id → its titles. Each row of a grid is an item of its own."""
    items: dict[str, Item] = {}
    for entry in _list(form.get("items", []), "items", place):
        item = _object(entry, "an item", place)
        title = _text(item, "title", place, "")
        found: list[tuple[str, ...]] = []
        if "questionItem" in item:
            question = _object(_object(item["questionItem"], "an item", place).get("question"), "a question", place)
            found.append((_text(question, "questionId", place), title))
        elif "questionGroupItem" in item:
            group = _object(item["questionGroupItem"], "an item", place)
            for row in _list(group.get("questions", []), "the rows of a grid", place):
                question = _object(row, "a row of a grid", place)
                label = _text(_object(question.get("rowQuestion", {}), "a row of a grid", place), "title", place, "")
                found.append((_text(question, "questionId", place), f"{title} / {label}", label))
        for item_id, *names in found:
            if item_id in items:
                raise _not_understood("two items with one id", place)
            items[item_id] = Item(item_id, names[0] if names[0].strip() else item_id, tuple(names))
    if not items:
        raise FormUnusable(f"{place}: the form on the server has no question")
    return items


def _responses(page: Mapping[str, Any], place: str) -> list[Mapping[str, Any]]:
    return [_object(response, "a response", place) for response in _list(page.get("responses", []), "responses", place)]


def _since(cursor: Cursor | None, form_id: str) -> _Stamp | None:
    """Return up to when a form was read; nothing if the cursor is of another form or of another shape."""
    if cursor is None or cursor.get("form") != form_id or not isinstance(cursor.get("until"), str):
        return None
    try:
        since = _stamp({"lastSubmittedTime": cursor["until"], "createTime": cursor["until"]}, "")
    except SourceError:
        return None
    return since if since.moment.year >= 1970 else None


def _stamp(response: Mapping[str, Any], place: str, key: str = "lastSubmittedTime") -> _Stamp:
    """Return when a response was submitted, the last time if nothing else is asked."""
    written = response.get(key, response.get("createTime"))
    parts = _STAMP.fullmatch(written) if isinstance(written, str) else None
    if parts is None:
        raise _not_understood(f"{key} of a response", place)
    fraction = (parts[2] or "").ljust(9, "0")
    try:
        whole = datetime.fromisoformat(parts[1] + parts[3]).astimezone(UTC)
    except (ValueError, OverflowError):
        raise _not_understood(f"{key} of a response", place) from None
    moment = whole.replace(microsecond=int(fraction[:6]))
    return _Stamp(f"{whole.replace(tzinfo=None).isoformat()}.{fraction}Z", moment)


def _zulu(moment: datetime) -> str:
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def _fingerprint(form: Form, origin: GoogleForm, questions: Mapping[str, str] | None = None) -> str:
    """Return what changes when the same responses would be read otherwise."""
    parts = [READER, repr(form.every_question), origin.model_dump(mode="json"), questions]
    return hashlib.sha256(json.dumps(parts, ensure_ascii=False, sort_keys=True).encode()).hexdigest()


def _object(value: Any, what: str, place: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise _not_understood(what, place)
    return value


def _list(value: Any, what: str, place: str) -> Sequence[Any]:
    if not isinstance(value, list):
        raise _not_understood(what, place)
    return value


def _text(value: Mapping[str, Any], key: str, place: str, default: str | None = None) -> str:
    text = value.get(key, default)
    if not isinstance(text, str) or (default is None and not text.strip()):
        raise _not_understood(key, place)
    return text


def _not_understood(what: str, place: str) -> AnswerNotUnderstood:
    return AnswerNotUnderstood(
        f"{place}: Google's answer is not as its documentation says ({what}). Nothing was loaded; the connector must "
        "be looked at"
    )
