"""Yandex Forms: all answers at every read, because the API says neither what was edited nor what was deleted.

An edit is found by its content. The API counts nothing, so nothing is believed to be deleted either: what we hold and
the pages no longer show is only said in the notes. Columns name the questions, by slug and by text; answers come in the
``raw`` format beside them. Where the documentation leaves a shape open, both that are thinkable are read, and a third
one is an error.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from vmeste.forms import REPEAT, Form, Question
from vmeste.sources.answers import moment
from vmeste.sources.base import Cursor, Extraction, Known, Refusal, Submission
from vmeste.sources.bodies import Bounds
from vmeste.sources.config import YandexConfig, YandexForm
from vmeste.sources.connections import credentials
from vmeste.sources.errors import AnswerNotUnderstood, FormUnusable, SourceError
from vmeste.sources.titles import Item, Titles
from vmeste.sources.transport import READ_TIMEOUT, Patience
from vmeste.sources.yandex_client import YandexForms, headers_of

NOT_ASKED = frozenset({"comment", "layout", "captcha"})
"""Types of columns that are no questions."""


@dataclass(frozen=True, slots=True)
class _Column:
    """A question as it lies on the server; a series has the columns of its members."""

    item: Item
    slug: str
    kind: str
    items: tuple[_Column, ...] = ()


class YandexFormsSource:
    """Surveys of one organisation."""

    def __init__(
        self,
        config: YandexConfig,
        patience: Patience | None = None,
        sleep: Callable[[float], None] = time.sleep,
        timeout: float = READ_TIMEOUT,
    ) -> None:
        self.name, self._config, self._zone = config.name, config, ZoneInfo(config.time_zone)
        self._patience, self._sleep, self._timeout = patience, sleep, timeout
        self._opened: YandexForms | None = None

    def has_news(self, form: Form, cursor: Cursor | None, known: Known) -> bool:
        """Return that there may be some: only a full read finds an edit.

        Raises:
            SourceError: sources.yml does not say where the form lies.
        """
        self._origin(form)
        return True

    def extract(self, form: Form, cursor: Cursor | None, known: Known) -> Extraction:
        """Read all answers.

        ``server_count`` is the number of different answers on all pages: the API counts none itself, so there are
        neither ``present_ids`` nor ``server_total``.

        Raises:
            SourceError: the survey cannot be read.
        """
        origin, place = self._origin(form)
        client = self._client()
        reader = _Reader(self.name, form, Titles(form, origin, self._zone, place), self._zone, place)
        reader.meet(client.columns(origin.survey, place))
        submissions: dict[str, Submission] = {}
        for page in client.pages(origin.survey, place):
            reader.meet(page)
            for answer in page["answers"] or []:
                submission = reader.read(answer)
                submissions[submission.submission_id] = submission
        notes = [f"all answers: {len(submissions)}", *reader.notes()]
        if missing := known.live() - submissions.keys():
            notes.append(
                f"{len(missing)} submissions that we hold are no longer among the answers. The server does not say "
                "whether they were deleted, so they stay"
            )
        return Extraction(
            server_count=len(submissions),
            submissions=list(submissions.values()),
            cursor={"survey": origin.survey},
            notes=tuple(notes),
        )

    def overlooked(self) -> list[Refusal]:
        """Return nothing: other surveys of the organisation are nobody's business here."""
        return []

    def check(self) -> str:
        """Open each survey that is configured; return one line for a person.

        Raises:
            SourceError: the token is refused, or its user may not read the answers of a survey.
        """
        client = self._client()
        for form_id, origin in self._config.forms.items():
            client.columns(origin.survey, f"{self.name}, {form_id}")
        return f"connected to {self._config.server}, {len(self._config.forms)} forms visible"

    def _client(self) -> YandexForms:
        if self._opened is None:
            config = self._config
            headers = headers_of(
                credentials(config.connection, self.name),
                config.organisation,
                is_cloud=config.is_cloud_organisation,
                connection=config.connection,
                place=self.name,
            )
            self._opened = YandexForms(
                config.server,
                headers,
                self._patience,
                self._sleep,
                self._timeout,
                Bounds.of(config.largest_answer_mb),
            )
        return self._opened

    def _origin(self, form: Form) -> tuple[YandexForm, str]:
        origin = self._config.forms.get(form.form_id)
        if origin is None:
            raise SourceError(
                f"{self.name}: sources.yml does not say where {form.form_id} lies. Add it under forms of this source, "
                f'e.g. {form.form_id}: {{survey: "6800cd9202848f10b272a9cc"}}'
            )
        return origin, f"{self.name}, {form.form_id}"


class _Reader:
    """Turns answers into submissions and counts what is worth a note."""

    def __init__(self, source: str, form: Form, titles: Titles, zone: ZoneInfo, place: str) -> None:
        self._source, self._form, self._titles, self._zone, self._place = source, form, titles, zone, place
        self._columns: list[_Column] = []
        self._by_key: dict[str, _Column] = {}  # by id and by slug
        self._questions: dict[str, Question] = {}
        self._members: dict[str, dict[str, Question]] = {}  # item of a series → item id → question of the repeat
        self._files = 0
        self._unknown: set[str] = set()

    def meet(self, page: Mapping[str, Any]) -> None:
        """Learn the columns of a page; a page in the raw format has none, and the ones before hold."""
        if page.get("columns") is None:
            return
        columns = [_column(entry, self._place) for entry in _list(page["columns"], "columns", self._place)]
        self._columns = columns
        self._by_key = {column.slug: column for column in columns if column.slug}
        self._by_key |= {column.item.item_id: column for column in columns}
        asked = [column for column in columns if column.kind not in NOT_ASKED]
        self._questions = self._titles.questions_of([column.item for column in asked])
        self._members = {}
        for column in asked:
            question = self._questions.get(column.item.item_id)
            if question is None:
                continue
            if column.kind == "matrix" or (column.kind == "series") != (question.kind == REPEAT):
                raise FormUnusable(
                    f"{self._place}: {column.item.title!r} ({column.kind}) cannot ask {question.name} "
                    f"({question.kind}). On the server, ask a matrix row by row as single questions, and a repeat as a "
                    "series"
                )
            if question.kind == REPEAT:
                self._members[column.item.item_id] = self._titles.questions_of(
                    [inner.item for inner in column.items], question.name
                )

    def read(self, answer: Any) -> Submission:
        """Return an answer as a submission; who gave it and what it scored is left behind."""
        answer = _object(answer, "an answer", self._place)
        given: list[tuple[Question, Item, Any]] = []
        unknown: list[tuple[Item, Any]] = []
        for column, value in self._values(answer.get("data"), self._columns, self._by_key):
            question = self._questions.get(column.item.item_id)
            if question is None and not column.kind:  # removed from the survey: sources.yml may know it
                question = self._titles.question_of(column.item)
            if column.kind == "file":
                self._files += len(value) if isinstance(value, list) else 0
            elif question is None:
                self._unknown |= {column.item.title} if value not in (None, "", [], {}) else set()
                unknown.append((column.item, _as_text(value)))
            elif question.kind == REPEAT:
                given.append((question, column.item, self._repeated(question, column, value, unknown)))
            else:
                given.append((question, column.item, self._canonical(question, value)))
        answers, extra = self._titles.read(given, unknown)
        return Submission(
            source=self._source,
            form_id=self._form.form_id,
            submission_id=_id(answer.get("id"), self._place),
            form_version=self._form.version,
            submitted_at=self._created(answer),
            answers=answers,
            extra=extra,
        )

    def notes(self) -> list[str]:
        """Return what a person should know about this read."""
        notes = []
        if unasked := self._titles.unasked(self._questions):
            notes.append(f"no question on the server asks {', '.join(unasked)}: their answers are empty")
        if self._unknown:
            notes.append(f"questions that the form does not have, kept beside it: {', '.join(sorted(self._unknown))}")
        if self._files:
            notes.append(f"{self._files} uploaded files are not fetched")
        return notes

    def _created(self, answer: Mapping[str, Any]) -> datetime:
        created = answer.get("created")
        try:
            return moment(created if isinstance(created, str) else "", self._zone)
        except (ValueError, OverflowError):
            raise _not_understood("when an answer was created", self._place) from None

    def _values(
        self, data: Any, columns: Sequence[_Column], by_key: Mapping[str, _Column]
    ) -> list[tuple[_Column, Any]]:
        """Return the columns that are answered, and how.

        ``raw`` gives an object by id or slug (so the example; the schema says a list of objects), ``default`` a list in
        the order of the columns.
        """
        if data is None:
            return []
        if isinstance(data, list) and all(
            entry is None or (isinstance(entry, dict) and "value" in entry) for entry in data
        ):
            if len(data) != len(columns):
                raise _not_understood("data that do not stand in their columns", self._place)
            return [(column, self._value(entry)) for column, entry in zip(columns, data, strict=True)]
        if isinstance(data, list):
            pairs = [pair for entry in data for pair in _object(entry, "the data of an answer", self._place).items()]
            data = dict(pairs)
            if len(data) != len(pairs):
                raise _not_understood("a question that is answered twice", self._place)
        values = _object(data, "the data of an answer", self._place)
        # a question that was removed from the survey has no column any more
        return [
            (by_key.get(key) or _Column(Item(key, key), key, ""), self._value(entry)) for key, entry in values.items()
        ]

    def _value(self, entry: Any) -> Any:
        if entry is None:
            return None
        found = _object(entry, "an answer to a question", self._place)
        if "value" not in found:
            raise _not_understood("an answer to a question", self._place)
        return found["value"]

    def _canonical(self, question: Question, value: Any) -> Any:
        """Return a value for ``AnswerReader``; choices as codes."""
        if not question.choices:
            return _as_text(value)
        if value in (None, "", []):
            return None
        options = [_option(entry, self._place) for entry in (value if isinstance(value, list) else [value])]
        return self._titles.coded(question, options)

    def _repeated(
        self, repeat: Question, column: _Column, value: Any, unknown: list[tuple[Item, Any]]
    ) -> list[dict[str, Any]]:
        """Return the members of a series: lists in the order of its columns, or objects by id or slug."""
        by_key = {inner.slug: inner for inner in column.items if inner.slug}
        by_key |= {inner.item.item_id: inner for inner in column.items}
        questions = self._members.get(column.item.item_id, {})
        members: list[dict[str, Any]] = []
        for position, entry in enumerate(_list(value or [], "a series", self._place), start=1):
            answered: dict[str, Any] = {}
            for inner, answer in self._values(entry, column.items, by_key):
                question = questions.get(inner.item.item_id)
                if inner.kind == "file":
                    self._files += len(answer) if isinstance(answer, list) else 0
                elif question is None:
                    title = f"{column.item.title}[{position}] / {inner.item.title}"
                    unknown.append((Item(f"{column.item.item_id}.{position}.{inner.item.item_id}", title), answer))
                else:
                    answered[question.name] = self._canonical(question, answer)
            members.append(answered)
        return members


def _column(entry: Any, place: str, *, is_inner: bool = False) -> _Column:
    column = _object(entry, "a column", place)
    item_id = _id(column.get("id"), place)
    slug, title, kind = (column.get(key) or "" for key in ("slug", "text", "type"))
    if not (isinstance(slug, str) and isinstance(title, str) and isinstance(kind, str)):
        raise _not_understood("a column", place)
    inner: Any = column.get("items") or []
    if is_inner and inner:
        raise _not_understood("a series inside of a series", place)
    items = tuple(_column(member, place, is_inner=True) for member in _list(inner, "the columns of a series", place))
    return _Column(Item(item_id, title.strip() or slug or item_id, (slug, title)), slug, kind, items)


def _option(entry: Any, place: str) -> tuple[str, ...]:
    """Return what says which option was chosen: its text, then its id."""
    match entry:
        case bool():
            return ("1", "true") if entry else ("0", "false")
        case int() | float():
            return (str(entry),)
        case str():
            return (entry,)
        case dict():
            # a key is a slug, or a number of the server's own that could be a code of ours by accident
            said = [entry.get("text"), entry.get("slug") or entry.get("key")]
            if words := tuple(str(word) for word in said if isinstance(word, str | int) and str(word).strip()):
                return words
    raise _not_understood("an option", place)


def _as_text(value: Any) -> Any:
    """Return what was chosen as texts, one as itself; anything else as it is."""
    if isinstance(value, list):
        texts = [entry["text"] if isinstance(entry, dict) and "text" in entry else entry for entry in value]
        return texts[0] if len(texts) == 1 else texts
    return value


def _id(value: Any, place: str) -> str:
    if isinstance(value, bool) or not isinstance(value, int | str) or not str(value).strip():
        raise _not_understood("an id", place)
    return str(value).strip()


def _object(value: Any, what: str, place: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise _not_understood(what, place)
    return value


def _list(value: Any, what: str, place: str) -> Sequence[Any]:
    if not isinstance(value, list):
        raise _not_understood(what, place)
    return value


def _not_understood(what: str, place: str) -> AnswerNotUnderstood:
    return AnswerNotUnderstood(
        f"{place}: the server's answer is not as the documentation of Yandex Forms says ({what}). Nothing was loaded; "
        "the connector must be looked at"
    )
