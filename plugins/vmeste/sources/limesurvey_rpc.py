"""LimeSurvey's RemoteControl 2, spoken through citric's session: time-outs, log-in again, errors by cause.

The server answers HTTP 200 to everything it can name, a mistake among them (``{"status": "…"}``). citric gives neither
a time-out nor a second log-in, and a log-in too many locks our address out, so both are decided here.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import logging
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from http import HTTPStatus
from types import TracebackType
from typing import Any, Self

import requests
from citric.exceptions import (
    InvalidJSONResponseError,
    LimeSurveyApiError,
    LimeSurveyStatusError,
    ResponseMismatchError,
    RPCInterfaceNotEnabledError,
)
from citric.session import Session

from vmeste.sources.bodies import USUAL, Bounds
from vmeste.sources.connections import Credentials
from vmeste.sources.errors import (
    AnswerNotUnderstood,
    LoginRefused,
    SourceDenied,
    SourceError,
    SourceNotFound,
    SourceThrottled,
    SourceUnreachable,
)
from vmeste.sources.transport import TIMEOUT, Patience, attempt, failure, json_of

logger = logging.getLogger(__name__)

LOCK = 600.0
"""Seconds for which LimeSurvey locks an address out after three bad log-ins, unless it says otherwise."""

CHUNK = 2000
"""Responses asked for at once: the server writes the whole answer before it sends the first byte."""

_PATH = "/admin/remotecontrol"
_LAST_ID = 2**31 - 1  # response ids are 32-bit integers
_LOGIN_ATTEMPTS = 2  # an unreadable answer may have been a refusal, and the third refusal locks
_KEYS = 3  # session keys one request may use up
_WRONG_LOGIN = "Invalid user name or password"

_refused: dict[str, float] = {}
"""Fingerprint of a log-in → until when (monotonic seconds) it is not tried again by this process.

A source has many forms, each opens a session: three with a mistyped password would lock everybody's door.
"""

_locked: dict[str, float] = {}
"""Address of a server → until when (monotonic seconds) it locks us out: each log-in meanwhile begins the lock anew."""


class _KeyExpired(SourceError):
    """The session key is not, or no longer, known: only another log-in helps."""


class _Nothing(SourceError):
    """There are no responses, or no surveys: LimeSurvey calls that an error."""


class TimedSession(requests.Session):
    """A session whose requests all have a time-out and bounds, and that takes credentials to no other address."""

    def __init__(self, timeout: tuple[float, float], bounds: Bounds, place: str) -> None:
        super().__init__()
        self._timeout, self._bounds, self._place = timeout, bounds, place

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        """Send a request; a redirection is an error, because it turns a POST into a GET."""
        given = {"timeout": self._timeout, "allow_redirects": False, "stream": True}
        response = super().send(request, **(kwargs | given))
        self._bounds.of_requests(response, self._place)
        if response.is_redirect:
            raise SourceError(
                "the server sends us to another address: write the address that it redirects to (often https instead "
                "of http) into sources.yml as the server"
            )
        return response


def endpoint(server: str) -> str:
    """Return the address of the RemoteControl of a server; one that names it already stays as it is."""
    return server if server.endswith(_PATH) else f"{server.removesuffix('/index.php')}/index.php{_PATH}"


class RemoteControl:
    """A session with a server, to be used in a ``with`` block: its key is released at the end, whatever happened."""

    def __init__(
        self,
        server: str,
        user: Credentials,
        place: str,
        *,
        patience: Patience | None = None,
        sleep: Callable[[float], None] = time.sleep,
        timeout: tuple[float, float] = TIMEOUT,
        chunk: int = CHUNK,
        bounds: Bounds = USUAL,
    ) -> None:
        self._url, self._user, self._place = endpoint(server), user, place
        self._patience, self._sleep, self._chunk = patience or Patience(), sleep, chunk
        self._http = TimedSession(timeout, bounds, place)
        self._session: Session | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._session is None:
            return
        try:
            self._session.close()
        except Exception as problem:  # what was read is what counts: the key dies by itself after two hours
            logger.debug("%s: the session key was not released (%s)", self._place, type(problem).__name__)
        self._session = None

    def surveys(self) -> list[int]:
        """Return the ids of the surveys that the user may see."""
        try:
            listed = self._call("list_surveys", None)
        except _Nothing:
            return []
        try:
            return [_whole(entry["sid"]) for entry in listed]
        except (KeyError, TypeError, ValueError):
            raise self._not_understood("list_surveys") from None

    def properties(self, survey: int) -> dict[str, Any]:
        """Return whether a survey is active, its base language and from which id its responses are counted.

        Raises:
            SourceNotFound: there is no such survey, or it is not active: its responses lie in an archive.
        """
        found = self._call("get_survey_properties", survey, ["active", "language", "autonumber_start"])
        if not isinstance(found, dict) or not isinstance(found.get("language"), str) or "active" not in found:
            raise self._not_understood("get_survey_properties")
        if found["active"] != "Y":
            raise self._inactive()
        return found

    def counts(self, survey: int) -> tuple[int, int]:
        """Return how many responses the server has: completed, incomplete.

        Raises:
            SourceNotFound: there is no such survey, or it is not active.
        """
        found = self._call("get_summary", survey, "all")
        if found == [] or (isinstance(found, dict) and not {"completed_responses", "full_responses"} & set(found)):
            raise self._inactive()
        try:
            completed, every = _whole(found["completed_responses"]), _whole(found["full_responses"])
        except (KeyError, TypeError, ValueError):
            raise self._not_understood("get_summary") from None
        if not 0 <= completed <= every:
            raise self._not_understood("get_summary")
        return completed, every - completed

    def responses(self, survey: int, language: str, expected: int) -> list[Mapping[str, Any]]:
        """Return all responses, incomplete ones among them, in no order; headings are codes, answers are codes.

        Args:
            survey: the survey's id.
            language: one of the survey's.
            expected: how many there should be; many are asked for in ranges of ids.
        """
        found: list[Mapping[str, Any]] = []
        first, width = 1, self._chunk
        while expected - len(found) > self._chunk and first + width <= _LAST_ID:
            part = self._range(survey, language, first, first + width - 1)
            found += part
            first, width = first + width, self._chunk if part else width * 2  # ids may begin anywhere, and have gaps
        return found + self._range(survey, language, first, None)

    def try_export(self, survey: int, language: str) -> None:
        """Ask for one response, whether there is one or not.

        Raises:
            SourceDenied: our user may not export responses.
        """
        self._range(survey, language, 1, 1)

    def _range(self, survey: int, language: str, first: int, last: int | None) -> list[Mapping[str, Any]]:
        asked = (survey, "json", language, "all", "code", "short", first, last)
        try:
            records = self._call("export_responses", *asked, read=self._records)
        except _Nothing:
            return []
        found: list[Mapping[str, Any]] = records
        return found

    def _records(self, result: Any) -> list[Mapping[str, Any]]:
        if not isinstance(result, str):
            raise self._not_understood("export_responses")
        try:
            body = base64.b64decode("".join(result.split()), validate=True)
        except (binascii.Error, ValueError):
            raise SourceUnreachable(f"{self._place}: the exported responses are cut in the middle") from None
        try:
            written = json_of(body)
        except RecursionError:
            raise self._not_understood("export_responses") from None
        records = written.get("responses") if isinstance(written, dict) else None
        if not isinstance(records, list) or not all(isinstance(record, dict) for record in records):
            raise self._not_understood("export_responses")
        # for an empty range some versions write one record of nothing but headings
        return [record for record in records if any(value not in ("", None) for value in record.values())]

    def _call(self, method: str, *parameters: Any, read: Callable[[Any], Any] = lambda result: result) -> Any:
        """Ask, and log in (again) where needed; ``read`` is part of what is tried again when a body is cut."""
        for _ in range(_KEYS):
            self._session = self._session or self._login()
            request = partial(self._ask, self._session, method, parameters, read)
            try:
                return attempt(request, self._patience, self._sleep)
            except _KeyExpired:
                self._session = None
        raise SourceUnreachable(
            f"{self._place}: the server forgets its session keys as soon as it gives them. Look at its "
            "iSessionExpirationTime; the next run tries again"
        )

    def _login(self) -> Session:
        """Open a session.

        Raises:
            SourceDenied: the server does not know the user or the password; it is asked once only.
            SourceThrottled: the server locks our address out; how long it says itself.
        """
        login = _fingerprint(self._url, self._user)
        if (left := _locked.get(self._url, 0.0) - time.monotonic()) > 0:
            raise self._lock(left)
        if _refused.get(login, 0.0) > time.monotonic():
            raise self._wrong_login("They were refused a moment ago and are not tried again")
        plugin = str(self._user.extra.get("auth_plugin") or "Authdb")

        def open_session() -> Session:
            try:
                session: Session = self._translated(
                    lambda: Session(
                        self._url,
                        self._user.login,
                        self._user.password,
                        auth_plugin=plugin,
                        requests_session=self._http,
                    )
                )
            except LimeSurveyStatusError as refusal:
                raise self._refusal(str(refusal), login) from None
            if not isinstance(session.key, str) or not session.key:
                raise self._not_understood("get_session_key")
            return session

        patience = replace(self._patience, attempts=min(_LOGIN_ATTEMPTS, self._patience.attempts))
        return attempt(open_session, patience, self._sleep)

    def _refusal(self, status: str, login: str) -> SourceError:
        """What a refused log-in means. The lock is told in the site's language; a number of minutes is in it."""
        minutes = re.search(r"\d+", status)
        if status.startswith("You have exceeded") or (minutes and status != _WRONG_LOGIN):
            seconds = 60.0 * int(minutes[0]) if minutes and len(minutes[0]) < 4 else LOCK
            _locked[self._url] = time.monotonic() + seconds
            return self._lock(seconds)
        if "not allowed" in status:
            return SourceDenied(
                f"{self._place}: the server does not let our user log in this way. Give the user the global right "
                "'Use internal database authentication', or name another plugin in the connection's extra (auth_plugin)"
            )
        _refused[login] = time.monotonic() + LOCK
        return self._wrong_login("They are not tried again for ten minutes, because the third refusal locks us out")

    def _lock(self, seconds: float) -> SourceThrottled:
        return SourceThrottled(
            f"{self._place}: the server has locked our address out after bad log-ins. Mend the login and the password "
            f"of the connection, and wait {max(seconds / 60, 1):.0f} minutes",
            seconds,
        )

    def _wrong_login(self, said: str) -> LoginRefused:
        return LoginRefused(
            f"{self._place}: the server refuses the login or the password. {said}. Mend the connection of this source"
        )

    def _ask(self, session: Session, method: str, parameters: Sequence[Any], read: Callable[[Any], Any]) -> Any:
        try:
            result = self._translated(lambda: session.rpc(method, *parameters))
        except LimeSurveyStatusError as refusal:
            raise self._meaning(method, str(refusal)) from None
        return read(result)

    def _translated(self, request: Callable[[], Any]) -> Any:
        """Run a request of citric's; its exceptions, but for a status, become ours."""
        try:
            return request()
        except LimeSurveyStatusError:
            raise
        except requests.HTTPError as error:
            response = error.response
            if response is None:
                raise
            if response.status_code == HTTPStatus.NOT_FOUND:
                raise SourceNotFound(
                    f"{self._place}: there is no RemoteControl at this address (404). Write the address of LimeSurvey "
                    "itself into sources.yml, or the whole address that LimeSurvey shows in its global settings"
                ) from None
            raise failure(self._place, response.status_code, response.headers) from None
        except RPCInterfaceNotEnabledError:
            raise SourceUnreachable(
                f"{self._place}: the server answers with nothing. If this stays, switch on RemoteControl: "
                "Configuration, Global settings, Interfaces, RPC interface: JSON-RPC"
            ) from None
        except InvalidJSONResponseError:
            raise SourceUnreachable(
                f"{self._place}: the server's answer is cut, or something stands around its JSON. If this stays, "
                "switch off display_errors in PHP, and see that RemoteControl is set to JSON-RPC"
            ) from None
        except ResponseMismatchError:
            raise SourceUnreachable(f"{self._place}: the server answered another question") from None
        except LimeSurveyApiError as error:
            if re.match(r"unknown method|unable to decode|Writer for", str(error)):
                raise self._not_understood("the request") from None
            if "permission" in str(error):  # a user who was switched off
                raise self._wrong_login("The user may have been deactivated") from None
            raise SourceUnreachable(
                f"{self._place}: the server has trouble of its own while it answers; its own log says which"
            ) from None
        except (KeyError, TypeError, AttributeError, RecursionError):  # citric takes the shape of an answer for granted
            raise self._not_understood("the request") from None

    def _meaning(self, method: str, status: str) -> SourceError:
        """What a status means; it is compared, never repeated."""
        said = status.lower()
        if "session key" in said:
            return _KeyExpired(f"{self._place}: the session key is not known")
        if "no permission" in said:
            return SourceDenied(
                f"{self._place}: the server says 'No permission': the survey id in sources.yml is wrong, or our user "
                "lacks a right. Give it, for this survey: Survey: view, Survey settings: view, Responses: export"
            )
        if "invalid survey" in said:
            return SourceNotFound(f"{self._place}: the server has no such survey. Mend its id in sources.yml")
        if "table does not exist" in said or "no available data" in said:
            return self._inactive()
        if "could not get max id" in said or "no surveys found" in said:
            return _Nothing(self._place)
        return self._not_understood(method)

    def _inactive(self) -> SourceNotFound:
        return SourceNotFound(
            f"{self._place}: the survey is not active: LimeSurvey has moved its responses into an archive, or it never "
            "had any. What was read before stays. Activate it again and restore its responses, or take it out of "
            "sources.yml"
        )

    def _not_understood(self, method: str) -> AnswerNotUnderstood:
        return AnswerNotUnderstood(
            f"{self._place}: the server's answer to {method} has another shape than LimeSurvey 6.4 gives. Its version "
            "may be newer or older than those that the connector knows"
        )


def _whole(value: Any) -> int:
    """Return a number that PHP may have written as text."""
    if isinstance(value, bool) or not isinstance(value, int | str) or not re.fullmatch(r"\d{1,18}", str(value)):
        raise ValueError("not a whole number")
    return int(value)


def _fingerprint(url: str, user: Credentials) -> str:
    return hashlib.sha256("\0".join((url, user.login, user.password)).encode()).hexdigest()
