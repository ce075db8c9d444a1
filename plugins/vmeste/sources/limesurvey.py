"""Surveys of LimeSurvey: a whole read each time, because an edit leaves no mark there.

``vmeste.sources.limesurvey_rpc`` speaks with the server, ``vmeste.sources.limesurvey_columns`` says which column
answers which question. Here is what a read means: which responses count, that it is whole, and whether the survey is
still the one that was read before.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from vmeste.forms import Form
from vmeste.sources.answers import moment
from vmeste.sources.base import Cursor, Extraction, Known, Refusal, Submission
from vmeste.sources.bodies import Bounds
from vmeste.sources.config import LimeSurveyConfig, LimeSurveyForm
from vmeste.sources.connections import credentials
from vmeste.sources.errors import AnswerNotUnderstood, FormUnusable, ReadIncomplete
from vmeste.sources.limesurvey_columns import Columns, headings_of
from vmeste.sources.limesurvey_rpc import CHUNK, RemoteControl
from vmeste.sources.transport import TIMEOUT, Patience

logger = logging.getLogger(__name__)

_MOMENT = re.compile(r"\d{4}-\d{2}-\d{2}[ T]\d{2}:\d{2}(?::\d{2}(?:\.\d{1,6})?)?(?:Z|[+-]\d{2}:\d{2})?")

_NO_DATE_STAMP = "1980-01-01"
"""The day of every response in a survey that keeps no date stamps, as LimeSurvey makes them unless told otherwise."""

_READS = 4

_WITNESSES = 10  # responses at each end of a survey by which the next read knows it again


@dataclass(frozen=True, slots=True)
class _Response:
    number: int
    submitted: str | None  # as written; None: not completed
    began: str  # a moment that does not move when the response is edited; empty where the survey keeps none
    record: Mapping[str, Any]


class LimeSurveySource:
    """The configured surveys of one server."""

    def __init__(
        self,
        config: LimeSurveyConfig,
        *,
        patience: Patience | None = None,
        sleep: Callable[[float], None] = time.sleep,
        timeout: tuple[float, float] = TIMEOUT,
        chunk: int = CHUNK,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.name = config.name
        self._clock = clock
        self._config, self._zone = config, ZoneInfo(config.time_zone)
        self._patience, self._sleep, self._timeout, self._chunk = patience or Patience(), sleep, timeout, chunk

    def has_news(self, form: Form, cursor: Cursor | None, known: Known) -> bool:
        """Say whether there is anything to read or to miss; edits hide, so only an empty survey has no news.

        Raises:
            SourceError: the server cannot be asked, or the survey is not active.
        """
        with self._remote(self._place(form)) as remote:
            completed, incomplete = remote.counts(self._origin(form).survey)
        return completed + incomplete > 0 or bool(known.live())

    def extract(self, form: Form, cursor: Cursor | None, known: Known) -> Extraction:
        """Read all completed responses of a survey.

        Raises:
            ReadIncomplete: the server counts otherwise than what it gave, again and again.
            FormUnusable: the survey was activated anew since the last read, or two of its columns answer one question.
            SourceError: it cannot be read; names the way out.
        """
        place, origin, seen_at = self._place(form), self._origin(form), self._clock()
        with self._remote(place) as remote:
            properties = remote.properties(origin.survey)
            language = str(properties["language"])
            responses = self._read(remote, origin.survey, language, place)
        before = _witnessed(cursor, origin.survey)
        counted_from = str(properties.get("autonumber_start"))
        if before is not None:
            _refuse_another_generation(before, responses, counted_from, place)
        columns = Columns(form, origin, self._zone, place, headings_of(response.record for response in responses))
        completed = [response for response in responses if response.submitted is not None]
        submissions = [
            self._submission(form, origin.survey, response, columns, seen_at, place) for response in completed
        ]
        present, held = {submission.submission_id for submission in submissions}, known.live()
        # who goes back into a completed response makes it incomplete until it is sent again: it was not deleted
        reopened = {_id(origin.survey, response.number) for response in responses} & held - present
        # a survey that took the place of another says nothing about the other's responses
        elsewhere = {key for key in held if not key.startswith(f"{origin.survey}-")}
        remaining = present | reopened | elsewhere
        return Extraction(
            len(submissions),
            submissions,
            {
                "survey": origin.survey,
                "counted_from": counted_from,
                "witnesses": {str(response.number): response.began for response in _ends(responses)},
                "undated": any(not response.began for response in responses),
            },
            notes=_notes(responses, completed, reopened, elsewhere, columns),
            present_ids=frozenset(remaining),
            server_total=len(remaining),
        )

    def overlooked(self) -> list[Refusal]:
        """Return nothing: a server may have surveys that are none of ours."""
        return []

    def check(self) -> str:
        """Log in, and try each configured survey.

        Raises:
            SourceError: we cannot log in, or a survey cannot be read; names the way out.
        """
        with self._remote(self.name) as remote:
            visible = set(remote.surveys())
        for form_id, origin in self._config.forms.items():
            # to see a survey is not yet to be allowed to export it
            with self._remote(f"{self.name}, {form_id} (survey {origin.survey})") as remote:
                remote.try_export(origin.survey, str(remote.properties(origin.survey)["language"]))
        return f"connected to {self._config.server}, {len(visible)} surveys visible"

    def _origin(self, form: Form) -> LimeSurveyForm:
        return self._config.forms[form.form_id]

    def _place(self, form: Form) -> str:
        return f"{self.name}, {form.form_id}"

    def _remote(self, place: str) -> RemoteControl:
        return RemoteControl(
            self._config.server,
            credentials(self._config.connection, self.name),
            place,
            patience=self._patience,
            sleep=self._sleep,
            timeout=self._timeout,
            chunk=self._chunk,
            bounds=Bounds.of(self._config.largest_answer_mb),
        )

    def _read(self, remote: RemoteControl, survey: int, language: str, place: str) -> list[_Response]:
        """Read everything, again while the server's counts disagree: people answer while we read."""
        for _ in range(_READS - 1):
            try:
                return self._whole(remote, survey, language, place)
            except ReadIncomplete as difference:
                logger.warning("%s", difference)
                self._sleep(self._patience.first)
        return self._whole(remote, survey, language, place)

    def _whole(self, remote: RemoteControl, survey: int, language: str, place: str) -> list[_Response]:
        """Read everything once; the server's counts before or after must agree with it.

        Raises:
            ReadIncomplete: they do not, because somebody answers just now or because the answer is not whole.
        """
        before = remote.counts(survey)
        records = remote.responses(survey, language, sum(before))
        after = remote.counts(survey)
        responses = _responses(records, place)
        completed = sum(response.submitted is not None for response in responses)
        given = (completed, len(responses) - completed)
        # an opened link is an incomplete response already: in a busy survey their number never stands still
        is_whole = completed in (before[0], after[0]) and min(before[1], after[1]) <= given[1] <= max(
            before[1], after[1]
        )
        if not is_whole:
            raise ReadIncomplete(
                f"{place}: the server counts {after[0]} completed and {after[1]} incomplete responses, {given[0]} and "
                f"{given[1]} arrived. Nothing was loaded; the next run reads again"
            )
        return responses

    def _submission(
        self, form: Form, survey: int, response: _Response, columns: Columns, seen_at: datetime, place: str
    ) -> Submission:
        answers, extra = columns.read(response.record)
        return Submission(
            self.name,
            form.form_id,
            _id(survey, response.number),
            form.version,
            # the load keeps the first of them: what says nothing new is no version
            seen_at if _is_undated(response) else _moment(response.submitted or "", self._zone, place),
            answers,
            # datestamp moves with some edits and not with others: whoever trusts it loses the others
            updated_at=None,
            extra=extra,
        )


def _id(survey: int, number: int) -> str:
    return f"{survey}-{number}"


def _responses(records: Sequence[Mapping[str, Any]], place: str) -> list[_Response]:
    """Return the records as responses in the order of their ids.

    Raises:
        AnswerNotUnderstood: a record is not like the others, has no id or no moment of submission.
        ReadIncomplete: an id stands twice.
    """
    found: dict[int, _Response] = {}
    for record in records:
        number, submitted = str(record.get("id")), record.get("submitdate", 0)
        if (
            record.keys() != records[0].keys()
            or not re.fullmatch(r"[1-9][0-9]{0,17}", number)
            or not isinstance(submitted, str | None)
        ):
            raise AnswerNotUnderstood(
                f"{place}: an exported response has another shape than LimeSurvey 6.4 gives. Its version may be newer "
                "or older than those that the connector knows"
            )
        if int(number) in found:
            raise ReadIncomplete(
                f"{place}: a response stands twice in the export ({len(records)} rows). If this stays, a token is in "
                "the survey's participant list twice"
            )
        began = str(record.get("startdate") or submitted or "")
        began = "" if began.startswith(_NO_DATE_STAMP) else began
        found[int(number)] = _Response(int(number), (submitted or "").strip() or None, began, record)
    return [found[number] for number in sorted(found)]


def _is_undated(response: _Response) -> bool:
    return (response.submitted or "").startswith(_NO_DATE_STAMP)


def _moment(submitted: str, zone: ZoneInfo, place: str) -> datetime:
    try:
        if _MOMENT.fullmatch(submitted):  # Python reads more, e.g. a bare date as midnight
            return moment(submitted, zone)
    except (ValueError, OverflowError):
        pass
    raise AnswerNotUnderstood(
        f"{place}: a response has a moment of submission that is none. LimeSurvey writes 2026-12-31 23:59:59"
    )


@dataclass(frozen=True, slots=True)
class _Before:
    counted_from: str
    witnesses: Mapping[str, str]  # response id → a moment of it that does not move


def _witnessed(cursor: Cursor | None, survey: int) -> _Before | None:
    """Return what the last read remembers of this survey; nothing if it read another one or wrote otherwise."""
    if not isinstance(cursor, Mapping) or cursor.get("survey") != survey:
        return None
    witnesses = cursor.get("witnesses")
    if not isinstance(witnesses, Mapping) or not (witnesses or cursor.get("undated")):
        return None
    return _Before(str(cursor.get("counted_from")), witnesses)


def _ends(responses: Sequence[_Response]) -> list[_Response]:
    """Return the first and the last responses that have a moment to be known by."""
    dated = [response for response in responses if response.began]
    return dated if len(dated) <= 2 * _WITNESSES else dated[:_WITNESSES] + dated[-_WITNESSES:]


def _refuse_another_generation(before: _Before, responses: Sequence[_Response], counted_from: str, place: str) -> None:
    """Stop where a survey was deactivated and activated again: its responses lie in an archive, ids begin anew.

    Raises:
        FormUnusable: the responses of the last read are gone, or other responses bear their ids.
    """
    now = {str(response.number): response.began for response in responses if response.began}
    met = [now[number] == began for number, began in before.witnesses.items() if number in now]
    is_another = not any(met) if met else counted_from != before.counted_from
    if is_another:
        raise FormUnusable(
            f"{place}: the survey was deactivated and activated again since the last read: the responses that were "
            "read are in LimeSurvey's archive, and were not deleted. Restore them in LimeSurvey (Responses, Import "
            "responses from a deactivated survey, Preserve response IDs), or give this survey a source of its own in "
            "sources.yml (another name): what was read before stays under the old name"
        )


def _notes(
    responses: Sequence[_Response],
    completed: Sequence[_Response],
    reopened: set[str],
    elsewhere: set[str],
    columns: Columns,
) -> tuple[str, ...]:
    incomplete = len(responses) - len(completed)
    undated = sum(map(_is_undated, completed))
    uploads = sum(columns.uploads(response.record) for response in completed)
    missing = ", ".join(columns.unanswered) if responses else ""
    return tuple(
        note
        for is_so, note in (
            (incomplete, f"{incomplete} incomplete responses are not read"),
            (reopened, f"{len(reopened)} responses are being answered again: their last complete version stays"),
            (elsewhere, f"{len(elsewhere)} responses of another survey stay as they were read"),
            (undated, f"{undated} responses bear no date: the read that first sees one stands for when it was sent"),
            (uploads, f"{uploads} uploaded files are not read"),
            (missing, f"questions that the survey does not have: {missing}"),
        )
        if is_so
    )
