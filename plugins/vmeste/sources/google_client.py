"""Requests to the Google Forms API, on google-api-python-client.

The client brings the API's description and the service account's login. What it does not bring is set here: a time-out
on each request, no redirects, retries by the rules of ``transport``, and a body that does not parse is an error (the
client hands it out as a text, and an answer without a body as an empty list).
"""

from __future__ import annotations

import http.client
import json
import re
import time
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

import google.auth.exceptions
import google_auth_httplib2  # type: ignore[import-untyped]
import httplib2  # type: ignore[import-untyped]
from google.oauth2 import service_account
from googleapiclient.discovery import build  # type: ignore[import-untyped]
from googleapiclient.errors import HttpError  # type: ignore[import-untyped]
from googleapiclient.model import JsonModel  # type: ignore[import-untyped]

from vmeste.sources.bodies import USUAL, Bounds
from vmeste.sources.connections import Credentials
from vmeste.sources.errors import (
    AnswerNotUnderstood,
    SourceDenied,
    SourceError,
    SourceNotFound,
    SourceThrottled,
    SourceUnreachable,
)
from vmeste.sources.transport import READ_TIMEOUT, Pace, Patience, attempt, failure, json_of

SCOPES = (
    "https://www.googleapis.com/auth/forms.body.readonly",
    "https://www.googleapis.com/auth/forms.responses.readonly",
)

PACE = 0.4
"""Seconds between two requests of one process: 150 a minute, of 180 that Google allows a user."""

MAX_PAGE = 5000
"""Responses that one page can hold."""

RESPONSE_FIELDS = "responseId,createTime,lastSubmittedTime,answers"
"""What is asked of a response: not who sent it (``respondentEmail``), not the scores of a quiz."""

_WORD = re.compile(r"[A-Za-z_]{1,60}")

_QUOTA_REASONS = {"rateLimitExceeded", "userRateLimitExceeded", "quotaExceeded", "RATE_LIMIT_EXCEEDED"}


def key_of(given: Credentials, connection: str, place: str) -> service_account.Credentials:
    """Return the service account that a connection holds, in its extra ``keyfile_dict`` or as JSON in its password.

    Raises:
        SourceDenied: there is none, or it is no key of a service account; nothing of it is quoted.
    """
    written = given.extra.get("keyfile_dict") or given.password
    try:
        info = json.loads(written) if isinstance(written, str) else dict(written)
        account: service_account.Credentials = service_account.Credentials.from_service_account_info(  # type: ignore[no-untyped-call]
            info, scopes=list(SCOPES)
        )
    except Exception:  # cryptography has its own errors, and each of them may quote the key
        raise SourceDenied(
            f"{place}: the connection {connection!r} holds no key of a service account. Put the JSON file that Google "
            "Cloud made for it (IAM, Service accounts, Keys) into the connection's extra as keyfile_dict, or into its "
            "password"
        ) from None
    return account


class GoogleForms:
    """Forms and their responses, as the API gives them."""

    def __init__(
        self,
        server: str,
        account: service_account.Credentials,
        patience: Patience | None = None,
        sleep: Callable[[float], None] = time.sleep,
        timeout: float = READ_TIMEOUT,
        bounds: Bounds = USUAL,
    ) -> None:
        self._patience, self._sleep, self._pace = patience, sleep, Pace(PACE, sleep)
        transport = _BoundedHttp(bounds, timeout=timeout)
        transport.follow_redirects = False  # Google gives none, and a token must not follow one
        # a token that was withdrawn is exchanged once; a second refusal is an answer
        self._http = google_auth_httplib2.AuthorizedHttp(account, http=transport, max_refresh_attempts=1)
        self._forms = build(
            "forms",
            "v1",
            http=self._http,
            model=_StrictModel(),
            client_options={"api_endpoint": f"{server}/"},
            static_discovery=True,
            cache_discovery=False,
        ).forms()

    def form(self, form_id: str, place: str) -> Mapping[str, Any]:
        """Return a form with its items."""
        return self._run(self._forms.get(formId=form_id), place)

    def page(
        self, form_id: str, place: str, since: str | None = None, token: str | None = None, size: int = MAX_PAGE
    ) -> Mapping[str, Any]:
        """Return one page of responses.

        Args:
            form_id: of Google.
            place: the source and the form, for messages.
            since: a filter such as ``timestamp >= 2021-03-02T10:00:00Z``; the same for all pages of a read.
            token: of the page; the first has none.
            size: at most so many responses.
        """
        given = {"filter": since, "pageToken": token}
        return self._run(
            self._forms.responses().list(
                formId=form_id,
                pageSize=size,
                fields=f"responses({RESPONSE_FIELDS}),nextPageToken",
                **{name: value for name, value in given.items() if value is not None},
            ),
            place,
        )

    def has(self, form_id: str, response_id: str, place: str) -> bool:
        """Say whether a response exists; the server's 404 is its word that it does not."""
        try:
            self._run(self._forms.responses().get(formId=form_id, responseId=response_id, fields="responseId"), place)
        except SourceNotFound:
            return False
        return True

    def _run(self, request: Any, place: str) -> Mapping[str, Any]:
        def once() -> Any:
            self._pace.wait()
            try:
                return request.execute(num_retries=0)
            except Exception as error:
                # a connection that broke in the middle of an answer would fail the next request as well
                self._http.close()
                raise _meant(place, error) from None

        answer = attempt(once, self._patience, self._sleep)
        if not isinstance(answer, dict):
            raise AnswerNotUnderstood(f"{place}: Google's answer is JSON, but no object. Is `server` Google's address?")
        return answer


class _BoundedHttp(httplib2.Http):  # type: ignore[misc]  # it is untyped
    """Reads no more of a body than it may have."""

    def __init__(self, bounds: Bounds, **given: Any) -> None:
        super().__init__(**given)
        self._response_class = bounds.of_http_client("Google Forms")

    def _conn_request(self, conn: Any, *asked: Any) -> Any:
        conn.response_class = self._response_class
        return super()._conn_request(conn, *asked)


class _StrictModel(JsonModel):  # type: ignore[misc]  # it is untyped
    """Reads a body as JSON or not at all."""

    def deserialize(self, content: bytes) -> Any:
        return json_of(content)

    @property
    def no_content_response(self) -> None:
        return None


def _meant(place: str, error: Exception) -> Exception:
    """Return an error of the client as one of ours; those of sockets and of JSON are translated in ``transport``."""
    if isinstance(error, HttpError):
        return _refusal(place, error)
    if isinstance(error, google.auth.exceptions.RefreshError) and not error.retryable:
        return SourceDenied(
            f"{place}: Google does not let the service account in. Its key was deleted, or the clock of this machine "
            "is wrong: make a new key and put it into the connection of this source"
        )
    if isinstance(error, google.auth.exceptions.GoogleAuthError | httplib2.HttpLib2Error | http.client.HTTPException):
        return SourceUnreachable(
            f"{place}: Google did not answer whole ({type(error).__name__}): it is tried again at the next run"
        )
    return error


def _refusal(place: str, error: HttpError) -> SourceError:
    """Return what a refused request means; of what Google said only its code words are repeated."""
    try:
        said = json.loads(error.content)["error"]
        reasons = [entry.get("reason") for entry in [*said.get("details", []), *said.get("errors", [])]]
        words = [word for word in [said.get("status"), *reasons] if isinstance(word, str) and _WORD.fullmatch(word)]
    except (ValueError, TypeError, KeyError, AttributeError):
        words = []
    if error.status_code == HTTPStatus.FORBIDDEN and _QUOTA_REASONS.intersection(words):
        return SourceThrottled(f"{place}: Google's quota is used up ({', '.join(words)})")
    return failure(place, error.status_code, dict(error.resp), ", ".join(dict.fromkeys(words)))
