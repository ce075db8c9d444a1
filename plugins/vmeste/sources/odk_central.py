"""ODK Central: what changed since the last complete read, proven against the server's own counts.

A read asks for what was sent in, edited or deleted since a moment of the server's own clock, with an overlap, because
a row can become visible after a younger one. What leaves no moment behind (a restored submission, a purged one, a row
that became visible very late) shows in the server's total; then, once a day in any case, and on servers that do not
tell deletions, all ids are compared. Where ids are found that no read gave, the form is read from the beginning.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any
from zoneinfo import ZoneInfo

from vmeste.forms import Form, Question
from vmeste.sources.answers import AnswerReader, moment
from vmeste.sources.base import LONGEST_ID, Cursor, Extraction, Known, Refusal, Submission, indexable
from vmeste.sources.bodies import Bounds
from vmeste.sources.config import OdkConfig
from vmeste.sources.errors import AnswerNotUnderstood, FormUnusable, ReadIncomplete, SourceNotFound
from vmeste.sources.odk_export import Exported
from vmeste.sources.odk_fields import FormLayout
from vmeste.sources.odk_server import PAGE, FieldNotSupported, OdkServer, SubmissionTable
from vmeste.sources.transport import TIMEOUT, Patience

OVERLAP = timedelta(minutes=10)
"""How far before the newest moment of the last read the next one looks for edits and deletions.

An edit gets its moment inside the request that brings it and becomes visible when that request's transaction ends;
a request takes minutes at the very most. Nothing else would show an edit that came later than that.
"""

OVERLAP_OF_NEW = timedelta(seconds=10)
"""The same for new submissions, of which there may be thousands in minutes (an import) that are not read again for
nothing. One that becomes visible later still shows in the server's total, and the form is read whole for it.
"""

COMPARE_EVERY = timedelta(hours=24)
"""After so long all ids are compared whatever the totals say: a row that became visible late and another one that was
purged between two reads cancel out in them."""

READS = 3
"""How often a read is tried whose rows and counts disagree: submissions come and go while it runs."""

REVIEW_STATES = frozenset({"received", "edited", "hasIssues", "approved", "rejected"})

_UTC = ZoneInfo("UTC")

_TICK = timedelta(milliseconds=1)  # the server's own: it shows no more of a moment


@dataclass(frozen=True, slots=True)
class _Mark:
    """How far the last complete read came; the cursor is this, as JSON."""

    newest: datetime | None  # the newest moment that the server told of any submission
    since: datetime | None  # where the next read begins, but for the overlap
    watches_overlap: bool  # whether has_news looks at the overlap as well …
    watched: str  # … and what it finds if nothing changed
    total: int
    compared_at: datetime  # by our clock
    tells_deletions: bool


class OdkCentralSource:
    """Forms of one ODK Central.

    Args:
        config: the source's part of sources.yml.
        patience: how often one request is tried.
        sleep: waits so many seconds.
        timeout: seconds until a connection stands, and seconds without a byte.
        clock: the present, aware.
    """

    def __init__(
        self,
        config: OdkConfig,
        *,
        patience: Patience | None = None,
        sleep: Callable[[float], None] = time.sleep,
        timeout: tuple[float, float] = TIMEOUT,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.name = config.name
        self._config, self._clock = config, clock
        bounds = Bounds.of(config.largest_answer_mb)
        self._server = OdkServer(config.server, config.connection, config.name, patience, sleep, timeout, bounds)

    def check(self) -> str:
        """Return a line about the connection.

        Raises:
            SourceError: the server does not answer, refuses the credentials, or keeps a configured form from us.
        """
        projects = self._server.get("projects", {"forms": "true"})
        try:
            visible = {(project["id"], form["xmlFormId"]) for project in projects for form in project["formList"]}
        except (TypeError, KeyError):
            raise AnswerNotUnderstood(f"{self.name}: the server lists no projects. Is it ODK Central?") from None
        configured = {(origin.project, origin.form) for origin in self._config.forms.values()}
        for form_id, origin in self._config.forms.items():
            if (origin.project, origin.form) in visible:  # to see a form is not yet to read it
                place = f"{self.name}, {form_id} (form {origin.form} in project {origin.project})"
                SubmissionTable(self._server, origin.project, origin.form, place).count()
        if hidden := sorted(f"{form} in project {project}" for project, form in configured - visible):
            raise SourceNotFound(
                f"{self.name}: our user does not see {', '.join(hidden)}. Give it the right to view submissions, or "
                "mend project and form in sources.yml"
            )
        return f"connected to {self._config.server}, {len(visible)} forms visible"

    def overlooked(self) -> list[Refusal]:
        """Return nothing: a project may hold forms that are not ours."""
        return []

    def has_news(self, form: Form, cursor: Cursor | None, known: Known) -> bool:
        """Ask for what changed since the last complete read, and if nothing did, for the server's total.

        Raises:
            SourceError: the server cannot be asked.
        """
        mark = self._mark_of(form, cursor)
        if mark is None or not timedelta(0) <= self._clock() - mark.compared_at < COMPARE_EVERY:
            return True
        table = self._table(form)
        if mark.since is not None and self._has_changed(form, table, mark, mark.since, known):
            return True
        return table.count() != mark.total

    def _has_changed(self, form: Form, table: SubmissionTable, mark: _Mark, since: datetime, known: Known) -> bool:
        place, live = self._place(form), known.live
        window = _Window.since(since, mark.watches_overlap)
        seen: list[_Seen] = []
        try:
            for rows in table.pages({"$select": "__id,__system"}, window.filter(mark.tells_deletions)):
                changes = [_seen(row, place) for row in rows]
                deleted = {row.key for row in changes if row.deleted_at}
                if deleted and deleted & live():
                    return True
                seen += [row for row in changes if not row.deleted_at]
                if len(seen) >= PAGE:
                    return True  # the last read left fewer to watch
        except (ReadIncomplete, FieldNotSupported):
            return True  # something moves, or the server became another one: the read will say
        return _fingerprint(row for row in seen if window.holds(row)) != mark.watched

    def extract(self, form: Form, cursor: Cursor | None, known: Known) -> Extraction:
        """Read what changed, or everything where a read of changes cannot be proven whole.

        Raises:
            ReadIncomplete: the server's counts and its rows disagree, several times over.
            SourceNotFound: the server knows no such form, or it lies in the bin.
            FormUnusable: the form cannot be read without loss (names that collapse, encryption).
            SourceError: the server cannot be read.
        """
        for remaining in reversed(range(READS)):
            try:
                read = _Read(form, self._place(form), self._config, self._table(form), known, self._clock())
                extraction, mark = read.run(self._mark_of(form, cursor))
                return replace(extraction, cursor=self._cursor_of(form, mark))
            except ReadIncomplete:
                if not remaining:
                    raise
        raise AssertionError("READS is at least 1")

    def _place(self, form: Form) -> str:
        origin = self._config.forms[form.form_id]
        return f"{self.name}, {form.form_id} (form {origin.form} in project {origin.project})"

    def _table(self, form: Form) -> SubmissionTable:
        origin = self._config.forms[form.form_id]
        return SubmissionTable(self._server, origin.project, origin.form, self._place(form))

    def _address(self, form: Form) -> dict[str, Any]:
        """Return where a cursor holds: of another form, or one translated otherwise, it says nothing."""
        origin = self._config.forms[form.form_id]
        # a question that is new to us may have been answered for long
        questions = [(question.name, question.kind) for question in form.every_question]
        read_as = [questions, dict(origin.columns), dict(origin.choices), sorted(self._config.reviews_that_count)]
        return {
            "shape": 1,
            "server": self._config.server,
            "project": origin.project,
            "form": origin.form,
            "read_as": _digest(json.dumps(read_as, sort_keys=True, default=dict)),
        }

    def _mark_of(self, form: Form, cursor: Cursor | None) -> _Mark | None:
        """Return how far the last read came; ``None`` if the cursor is of another form or another version of ours."""
        if cursor is None or any(cursor.get(key) != value for key, value in self._address(form).items()):
            return None
        try:
            moments = {
                key: None if cursor[key] is None else moment(cursor[key], _UTC)
                for key in ("newest", "since", "compared_at")
            }
            total, compared_at = int(cursor["total"]), moments.pop("compared_at")
            if compared_at is None:
                return None
            return _Mark(
                **moments,
                watches_overlap=bool(cursor["watches_overlap"]),
                watched=str(cursor["watched"]),
                total=total,
                compared_at=compared_at,
                tells_deletions=bool(cursor["tells_deletions"]),
            )
        except (KeyError, TypeError, ValueError, OverflowError):
            return None

    def _cursor_of(self, form: Form, mark: _Mark) -> dict[str, Any]:
        return self._address(form) | {
            "newest": _iso(mark.newest) if mark.newest else None,
            "since": _iso(mark.since) if mark.since else None,
            "watches_overlap": mark.watches_overlap,
            "watched": mark.watched,
            "total": mark.total,
            "compared_at": mark.compared_at.astimezone(UTC).isoformat(),
            "tells_deletions": mark.tells_deletions,
        }


@dataclass(frozen=True, slots=True)
class _Seen:
    """What the server knows of a submission beside its answers."""

    key: str
    submitted_at: datetime
    updated_at: datetime | None
    deleted_at: datetime | None

    @property
    def newest(self) -> datetime:
        return max(at for at in (self.submitted_at, self.updated_at, self.deleted_at) if at is not None)


@dataclass(frozen=True, slots=True)
class _Window:
    """What counts as changed: sent in from one moment on, edited or deleted from another."""

    sent_from: datetime
    changed_from: datetime

    @classmethod
    def since(cls, at: datetime, with_overlap: bool) -> _Window:
        return cls(at - OVERLAP_OF_NEW, at - OVERLAP) if with_overlap else cls(at + _TICK, at + _TICK)

    def filter(self, tells_deletions: bool) -> str:
        sent_from, changed_from = _iso(self.sent_from), _iso(self.changed_from)
        where = f"__system/submissionDate ge {sent_from} or __system/updatedAt ge {changed_from}"
        return where + (f" or __system/deletedAt ge {changed_from}" if tells_deletions else "")

    def holds(self, row: _Seen) -> bool:
        """Say whether a submission that was not deleted lies in it."""
        return row.submitted_at >= self.sent_from or (
            row.updated_at is not None and row.updated_at >= self.changed_from
        )


@dataclass(frozen=True, slots=True)
class _Lost:
    """A field that the newest version of a form has not; ``target`` is the field of a row that takes its answer."""

    path: str
    target: str
    kind: str  # of the question that it answers


@dataclass(slots=True)
class _LostRepeat:
    """A repeat that the newest version of a form has not, or of which it lacks questions.

    ``target`` is the field of a row that its members belong to, ``columns`` those of the export: each with the question
    of the repeat that it answers.
    """

    target: str
    is_gone: bool
    columns: dict[str, Question]


class _Read:
    """One attempt to read one form."""

    def __init__(
        self,
        form: Form,
        place: str,
        config: OdkConfig,
        table: SubmissionTable,
        known: Known,
        started_at: datetime,
    ) -> None:
        self._form, self._place, self._config, self._table = form, place, config, table
        self._live, self._deleted, self._started_at = known.live(), known.deleted(), started_at
        self._reader = AnswerReader(form, config.forms[form.form_id], ZoneInfo(config.time_zone), place)
        self._layout = FormLayout(table.fields(), place)
        self._seen: dict[str, _Seen] = {}
        self._submissions: list[Submission] = []
        self._lacking_attachments = 0
        self._notes: list[str] = []
        self._lost: dict[str, _Lost] = {}  # by column of the export
        self._lost_repeats: dict[str, _LostRepeat] = {}  # by path
        self._numbers: dict[str, dict[str, str]] = {}  # repeat, or "" → column of the export → path of a number
        self._waiting: list[tuple[Mapping[str, Any], _Seen]] = []  # rows that lack what the export has of them yet
        self._last: _Mark | None = None

    def run(self, last: _Mark | None) -> tuple[Extraction, _Mark]:
        """Return what was read, without its cursor, and how far it came; ``last`` is how far the last read came."""
        self._last = last
        self._find_questions()
        is_whole, total, present = False, 0, None
        if last is not None and last.since is not None and last.newest is not None:
            tells_deletions = self._take_changes(last.since)
            is_whole, total, present = self._prove(last, last.newest, tells_deletions)
        else:
            tells_deletions = self._tells_deletions()
        if not is_whole:
            self._start_again()
            self._take_pages(None, None)
            present = frozenset(self._seen)
            total = len(present)
        told = self._tell_deletions(present)
        if self._lacking_attachments:
            self._notes.append(f"{self._lacking_attachments} submissions lack attachments (which are never fetched)")
        extraction = Extraction(
            server_count=len(self._submissions),
            submissions=self._submissions,
            cursor={},
            notes=tuple(self._notes),
            present_ids=told,
            server_total=total,
        )
        return extraction, self._mark(last, total, present is not None, tells_deletions)

    def _find_questions(self) -> None:
        """Find which fields answer which questions, those among them that only earlier versions of the form have.

        OData shows the newest version's fields alone, so the answers to a question that was dropped or moved are taken
        from the export: without them old answers would come back empty, as if somebody had deleted them.
        """
        answered = {question.name: path for path in self._layout.paths if (question := self._reader.question_of(path))}
        missing = [question.name for question in self._form.questions if question.name not in answered]
        if missing:
            self._notes.append(f"the server's form has no {', '.join(missing)}")
        self._find_numbers()
        earlier = self._table.earlier_versions()
        if not earlier or not self._may_have_lost():
            return
        for version in earlier:
            place = f"{self._place}, version {version or 'without a name'} of the server's form"
            layout = FormLayout(self._table.fields(version), place, is_newest=False)
            # a reader of its own: that a question moved between versions is no contradiction
            reader = AnswerReader(self._form, self._config.forms[self._form.form_id], _UTC, place)
            for path in layout.paths:
                question = reader.question_of(path)
                if question is None:
                    continue
                if question.kind == "repeat" and path in layout.repeats:
                    self._find_lost_members(path, question, layout, answered, place)
                elif path not in self._layout.paths and path not in layout.repeats:
                    target = answered.setdefault(question.name, path)
                    self._lost[path.replace("/", "-")] = _Lost(path, target, question.kind)
        if lost := sorted([*(field.path for field in self._lost.values()), *self._lost_repeats]):
            self._notes.append(f"only earlier versions of the server's form have {', '.join(lost)}")

    def _find_numbers(self) -> None:
        """Find the numbers among our questions' fields.

        OData makes 12 of ``12,5``, nothing of a word and a rounded one of twenty digits; the export has what was sent.
        """
        asked = {repeat.name: {member.name for member in repeat.members} for repeat in self._form.repeats}
        for repeat, path in sorted(self._layout.numbers):
            if repeat:
                question = self._reader.question_of(repeat)
                members = asked.get(question.name, set()) if question is not None else set()
                is_ours = self._reader.name_of(path, repeat) in members
            else:
                is_ours = self._reader.question_of(path) is not None
            if is_ours:
                self._numbers.setdefault(repeat, {})[path.replace("/", "-")] = path

    def _may_have_lost(self) -> bool:
        """Say whether earlier versions must be looked at, one request each.

        The header of the export tells most forms that nothing of ours was lost. It tells nothing of repeats, and a
        path only with its groups parted by ``-``, which is a letter of names as well.
        """
        if self._form.repeats:
            return True
        ours = {question.name for question in self._form.questions}
        ours |= {field.replace("/", "-") for field in self._config.forms[self._form.form_id].columns}
        present = {path.replace("/", "-") for path in self._layout.paths}
        columns = self._table.columns()
        return any(
            (column not in present or columns.count(column) > 1)
            and any(column == name or column.endswith(f"-{name}") for name in ours)
            for column in columns
        )

    def _find_lost_members(
        self, path: str, repeat: Question, layout: FormLayout, answered: dict[str, str], place: str
    ) -> None:
        """Find what only an earlier version has of a repeat of ours; ``answered`` gains the repeat if it is gone.

        Raises:
            FormUnusable: two fields of a member answer one question.
        """
        asked = {member.name: member for member in repeat.members}
        paths: dict[str, str] = {}  # by question
        for within, member in sorted(layout.members):
            name = self._reader.name_of(member, path)
            if within == path and name in asked and paths.setdefault(name, member) != member:
                raise FormUnusable(
                    f"{place}: two fields of the repeat {path} answer {name}: {paths[name]} and {member}. Say in "
                    f"sources.yml that one is no question: columns: {{{path}/{member}: null}}"
                )
        is_gone = path not in self._layout.repeats
        lost = {
            member.replace("/", "-"): asked[name]
            for name, member in paths.items()
            if is_gone or (path, member) not in self._layout.members
        }
        if lost:
            target = answered.setdefault(repeat.name, path)
            self._lost_repeats.setdefault(path, _LostRepeat(target, is_gone, {})).columns |= lost

    def _start_again(self) -> None:
        self._seen, self._submissions, self._waiting, self._lacking_attachments = {}, [], [], 0

    def _tells_deletions(self) -> bool:
        try:
            self._table.count("__system/deletedAt ge 9999-01-01T00:00:00.000Z")
        except FieldNotSupported:
            return False
        return True

    def _take_changes(self, since: datetime) -> bool:
        """Take what changed; return whether the server tells deletions (that of 2024 does not)."""
        window = _Window.since(since, with_overlap=True)
        for tells_deletions in (True, False):
            self._start_again()
            try:
                self._take_pages(window.filter(tells_deletions), window.filter(tells_deletions=False))
            except FieldNotSupported:
                if not tells_deletions:
                    raise
            else:
                return tells_deletions
        raise AssertionError("one of the two returns or raises")

    def _prove(self, last: _Mark, newest: datetime, tells_deletions: bool) -> tuple[bool, int, frozenset[str] | None]:
        """Compare what we hold after these changes with what the server has.

        Returns whether both are the same, the server's total, and its ids if they had to be asked for. What arrived
        after the changes were read is left out on both sides.

        Raises:
            ReadIncomplete: submissions went or came back in between.
        """
        until = (
            f"__system/submissionDate lt {_iso(max([newest, *(row.newest for row in self._seen.values())]) + _TICK)}"
        )
        given = {row.key for row in self._seen.values() if not row.deleted_at}
        deleted = self._seen.keys() - given
        total = self._table.count(until)
        is_due = not timedelta(0) <= self._started_at - last.compared_at < COMPARE_EVERY
        if tells_deletions and not is_due and len((self._live | given) - deleted) == total:
            return True, total, None
        pages = self._table.pages({"$select": "__id"}, until)
        present = frozenset(_key(row) for rows in pages for row in rows)
        if not given <= present or deleted & present:
            raise ReadIncomplete(
                f"{self._place}: of {len(given)} submissions that the server gave it has {len(given & present)} now; "
                "they were deleted or restored while they were read. Nothing was loaded; the next run reads them again"
            )
        if late := present - self._live - given:
            self._notes.append(f"{len(late)} submissions were restored or became visible late: the form is read whole")
            return False, 0, None
        return True, len(present), present

    def _take_pages(self, where: str | None, where_exported: str | None) -> None:
        """Take the submissions where a filter holds; the export, which knows no deletions, has one of its own.

        Where there is more than one page the export is fetched beside them: Central makes it in another process than
        its pages. It begins after the first page, so that it has whatever the pages have, and an edit in between shows.
        """
        fetched: Future[Mapping[str, Exported]] | None = None
        has_numbers = False
        with ThreadPoolExecutor(1, "odk-export") as beside:
            for rows in self._table.pages({"$expand": "*"}, where):
                self._take(rows)
                if fetched is None and self._waiting and len(rows) == PAGE:
                    has_numbers = self._must_compare_numbers()
                    fetched = beside.submit(self._exported, where_exported, has_numbers)
            must_compare = self._must_compare_numbers()
            if fetched is not None and (has_numbers or not must_compare):
                self._take_waiting(fetched.result())
            elif self._waiting:
                self._take_waiting(self._exported(where_exported, must_compare))

    def _take(self, rows: Iterable[Mapping[str, Any]]) -> None:
        for row in rows:
            seen = _seen(row, self._place)
            self._seen[seen.key] = seen
            if seen.deleted_at:
                continue
            if self._lost or self._lost_repeats or (self._numbers and _may_hold_what_no_client_asks_for(row)):
                self._waiting.append((row, seen))
            else:
                self._submissions.append(self._submission(row, seen, None))

    def _must_compare_numbers(self) -> bool:
        return any(_may_hold_what_no_client_asks_for(row) for row, _ in self._waiting)

    def _exported(self, where: str | None, must_compare_numbers: bool) -> Mapping[str, Exported]:
        """Return what OData does not show of submissions, by id."""
        repeats = {path: set(lost.columns) for path, lost in self._lost_repeats.items()}
        columns = {*self._lost}
        if must_compare_numbers:
            columns |= self._numbers.get("", {}).keys()
            for path, numbers in self._numbers.items():
                if path:
                    repeats.setdefault(path, set()).update(numbers)
        return self._table.exported(columns, repeats, where)

    def _take_waiting(self, exported: Mapping[str, Exported]) -> None:
        """Give the rows that wait what OData does not show of them.

        Raises:
            ReadIncomplete: a submission changed between the two requests.
        """
        for row, seen in self._waiting:
            found = exported.get(row["__id"])
            if found is None or found.edits != str(row["__system"].get("edits")):
                raise ReadIncomplete(
                    f"{self._place}: a submission was edited or deleted while the form was read. Nothing was loaded; "
                    "the next run reads it again"
                )
            self._submissions.append(self._submission(row, seen, found))
        self._waiting = []

    def _submission(self, row: Mapping[str, Any], seen: _Seen, exported: Exported | None) -> Submission:
        if self._layout.is_encrypted(row):
            raise FormUnusable(
                f"{self._place}: the server holds submissions that are encrypted and cannot read them itself. Decrypt "
                "them with ODK Central's export (it asks for the passphrase) and give the CSV to a source of kind "
                "files, or publish the form without encryption and collect anew"
            )
        system = row["__system"]
        state = system.get("reviewState") or "received"
        if state not in REVIEW_STATES:
            raise AnswerNotUnderstood(
                f"{self._place}: {seen.key} has a review state that the connector does not know; whether it counts "
                "cannot be said"
            )
        present, expected = system.get("attachmentsPresent"), system.get("attachmentsExpected")
        if isinstance(present, int) and isinstance(expected, int) and present < expected:
            self._lacking_attachments += 1
        fields, nested = self._layout.fields_of(row)
        if exported is not None:
            for column, lost in self._lost.items():
                if text := exported.values[column]:
                    self._give(fields, lost, _as_odata(text, lost.kind))
            for path, repeat in self._lost_repeats.items():
                self._give_members(fields, repeat, exported.members_of(path))
            if _may_hold_what_no_client_asks_for(row):
                self._correct_numbers(fields, exported)
        answers, extra = self._reader.read(fields)
        version = system.get("formVersion")
        return Submission(
            source=self._config.name,
            form_id=self._form.form_id,
            submission_id=seen.key,
            form_version="" if version is None else str(version),
            submitted_at=seen.submitted_at,
            answers=answers,
            updated_at=seen.updated_at if self._is_dated(seen) else None,
            review_state=state,
            is_counted=state in self._config.reviews_that_count,
            extra=extra | nested,
        )

    def _correct_numbers(self, fields: dict[str, Any], exported: Exported) -> None:
        for column, path in self._numbers.get("", {}).items():
            fields[path] = _as_sent(fields.get(path), exported.values[column])
        for repeat, numbers in self._numbers.items():
            if not repeat:
                continue
            given, sent = fields.get(repeat) or [], exported.members_of(repeat)
            self._refuse_other_members(repeat, given, sent)
            for member, row in zip(given, sent, strict=True):
                for column, path in numbers.items():
                    member[path] = _as_sent(member.get(path), row[column])

    def _give(self, fields: dict[str, Any], lost: _Lost, answer: Any) -> None:
        if fields.get(lost.target) is None:
            fields[lost.target] = answer
        elif fields[lost.target] != answer:
            raise FormUnusable(
                f"{self._place}: in one submission two fields answer {self._reader.name_of(lost.target)}, "
                f"{lost.path} the second. Say in sources.yml that one is no question: columns: {{{lost.path}: null}}"
            )

    def _give_members(self, fields: dict[str, Any], lost: _LostRepeat, exported: Sequence[Mapping[str, str]]) -> None:
        """Give a row the members of a repeat, or the answers of its members, that only the export has.

        Raises:
            ReadIncomplete: OData and the export have not the same members.
        """
        given = fields.get(lost.target) or []
        if lost.is_gone:
            if given:
                return  # the repeat moved, and this submission has it where it is now
            fields[lost.target] = given = [{} for _ in exported]
        self._refuse_other_members(lost.target, given, exported)
        for member, row in zip(given, exported, strict=True):
            for column, question in lost.columns.items():
                # the question may stand elsewhere within the repeat by now
                answering = (inner for inner in member if self._reader.name_of(inner, lost.target) == question.name)
                place = next(answering, question.name)
                if member.get(place) is None and row[column]:
                    member[place] = _as_odata(row[column], question.kind)

    def _refuse_other_members(self, repeat: str, given: Sequence[Any], exported: Sequence[Any]) -> None:
        if len(given) != len(exported):
            raise ReadIncomplete(
                f"{self._place}: a submission has {len(given)} members of {repeat} in OData and {len(exported)} in the "
                "export; it was edited while the form was read. Nothing was loaded; the next run reads it again"
            )

    def _is_dated(self, seen: _Seen) -> bool:
        """Say whether the moment of the last edit is that of what we read.

        Of a submission that was restored the server says when it was last edited, not when it came back. Only an edit
        that is younger than all that the last read knew, deletions found by ids among it, came after the restoration.
        """
        if seen.key not in self._deleted:
            return True
        last = self._last
        if last is None or last.newest is None or seen.updated_at is None:
            return False
        return seen.updated_at > max(last.newest, last.compared_at)

    def _tell_deletions(self, present: frozenset[str] | None) -> frozenset[str] | None:
        """Add the deletions that the server tells; return the ids that it has if deletions are to be found by them."""
        deleted = [row for row in self._seen.values() if row.deleted_at and row.key in self._live]
        if present is not None and deleted:
            if self._live - present - {row.key for row in deleted}:
                return present
            present = None  # the server tells of each when it was deleted, which its absence does not
        self._submissions += [
            Submission(
                source=self._config.name,
                form_id=self._form.form_id,
                submission_id=row.key,
                form_version=self._form.version,
                # the moment of the deletion, as a first arrival: should a version be known that is dated later (a
                # restored submission is dated when we saw it), the deletion is dated when it was seen as well
                submitted_at=row.deleted_at,
                answers={},
                is_deleted=True,
            )
            for row in deleted
            if row.deleted_at
        ]
        return present

    def _mark(self, last: _Mark | None, total: int, is_compared: bool, tells_deletions: bool) -> _Mark:
        moments = [row.newest for row in self._seen.values()]
        if last is not None and last.newest is not None and last.since is not None:
            moments += [last.newest, last.since]
        newest = max(moments, default=None)
        since, watches_overlap, watched = None, True, []
        if newest is not None:
            # a moment in the future, from a clock that was wrong once, must not hide what comes until then
            since = max((at for at in moments if at <= self._started_at), default=self._started_at)
            live = [row for row in self._seen.values() if not row.deleted_at]
            watched = [row for row in live if _Window.since(since, with_overlap=True).holds(row)]
            if len(watched) >= PAGE:  # after an import a look for news stays cheap; the next read has the overlap
                watches_overlap = False
                watched = [row for row in live if _Window.since(since, with_overlap=False).holds(row)]
        return _Mark(
            newest,
            since,
            watches_overlap,
            _fingerprint(watched),
            total,
            self._started_at if is_compared or last is None else last.compared_at,
            tells_deletions,
        )


def _as_odata(text: str, kind: str) -> Any:
    """Return an answer of the export as OData would give it: ``12.50`` there is 12.5 here."""
    try:
        return int(text) if kind == "integer" else float(text) if kind == "decimal" else text
    except ValueError:
        return text  # as it was written; OData would keep the 12 of "12,5"


def _as_sent(value: Any, text: str) -> Any:
    """Return a number as OData has it if it is the one that was sent, or else what was sent."""
    if not text.strip():
        return value
    try:
        return value if value is not None and Decimal(text.strip()) == Decimal(str(value)) else text
    except InvalidOperation:
        return text


def _may_hold_what_no_client_asks_for(row: Mapping[str, Any]) -> bool:
    """Say whether something else than ODK Collect may have sent a submission or its newest version.

    Collect lets nobody send ``12,5`` as a whole number. Central notes the device of the first version alone.
    """
    system = row["__system"]
    return bool(system.get("edits")) or not str(system.get("deviceId") or "").startswith("collect:")


def _key(row: Mapping[str, Any]) -> str:
    """Return a submission's id as the warehouse knows it: what is compared with the server's is what is kept."""
    return indexable(row["__id"], LONGEST_ID)


def _seen(row: Mapping[str, Any], place: str) -> _Seen:
    """Return what the server knows of a submission.

    Raises:
        AnswerNotUnderstood: it does not say when the submission was sent in, or says it otherwise than in ISO.
    """
    system = row.get("__system")
    try:
        if not isinstance(system, dict):
            raise TypeError
        updated, deleted = system.get("updatedAt"), system.get("deletedAt")
        return _Seen(
            _key(row),
            moment(system["submissionDate"], _UTC),
            None if updated is None else moment(updated, _UTC),
            None if deleted is None else moment(deleted, _UTC),
        )
    except (KeyError, TypeError, ValueError, OverflowError):
        raise AnswerNotUnderstood(
            f"{place}: the server does not say of {_key(row)} when it was sent in, edited or deleted. Its version "
            "may be newer or older than those that the connector knows"
        ) from None


def _fingerprint(rows: Iterable[_Seen]) -> str:
    """Return what stands for submissions, each with its newest edit."""
    return _digest("\n".join(sorted(f"{row.key} {row.updated_at}" for row in rows)))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()


def _iso(at: datetime) -> str:
    """Return a moment as OData filters take it; a plus sign would not be understood."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
