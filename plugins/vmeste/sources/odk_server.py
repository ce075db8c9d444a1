"""How ODK Central is spoken to: pyodk's session, with a log-in, time-outs and retries of our own.

pyodk alone keeps its token in a file that everybody on the machine may read, waits for ever on plain http and does not
log in again when a token dies. Its session is used without those: the token lives in memory, nothing is written, no
file of the user's home is read.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping
from copy import copy
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import requests
from pyodk._utils.session import Adapter, Session  # type: ignore[import-untyped]
from requests.auth import AuthBase

from vmeste.sources.bodies import USUAL, Bounds
from vmeste.sources.connections import credentials
from vmeste.sources.errors import AnswerNotUnderstood, ReadIncomplete, SourceDenied
from vmeste.sources.odk_export import Exported, Wanted
from vmeste.sources.transport import TIMEOUT, Patience, attempt, failure, json_of

PAGE = 2500
"""Submissions a request. Each request costs Central by itself: 30,000 are read in half the time that pages of 1000
take, and larger ones bring little more. All in one body is slow again (17–32 s for 43 MB measured)."""

_CHUNK = 65536  # bytes


class FieldNotSupported(AnswerNotUnderstood):
    """The server cannot filter by a field that its later versions know (501.5)."""


class _Token(AuthBase):
    """The bearer token of a session; always set, because requests would look into ~/.netrc otherwise."""

    def __init__(self) -> None:
        self.value: str | None = None

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self.value is not None:
            request.headers["Authorization"] = f"Bearer {self.value}"
        return request


def _nobody(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """A log-in bears no token: a dead one would be refused, and one beside it may be in use by another thread."""
    return request


class OdkServer:
    """One ODK Central, as one web user sees it. Nothing is asked before the first ``get``.

    Args:
        address: of the server, with or without ``/v1``.
        connection: id of the connection that holds the web user's e-mail address and password.
        place: the source, for messages.
        patience: how often one request is tried.
        sleep: waits so many seconds.
        timeout: seconds until a connection stands, and seconds without a byte.
        bounds: how much one answer may have.
    """

    def __init__(
        self,
        address: str,
        connection: str,
        place: str,
        patience: Patience | None = None,
        sleep: Callable[[float], None] = time.sleep,
        timeout: tuple[float, float] = TIMEOUT,
        bounds: Bounds = USUAL,
    ) -> None:
        self._connection, self._place, self._patience, self._sleep = connection, place, patience, sleep
        self._bounds = bounds
        self._token = _Token()
        self._address, self._timeout = address, timeout
        self._session = _session(address, self._token, timeout)

    def get(
        self,
        path: str,
        parameters: Mapping[str, str] | None = None,
        place: str | None = None,
        parse: Callable[[bytes], Any] = json_of,
    ) -> Any:
        """Return what the server says of a path of its API.

        Args:
            path: below ``/v1/``, quoted.
            parameters: of the query, not quoted.
            place: the source and the form, for messages.
            parse: makes of a body what it says; ``ValueError`` means that the body is cut.

        Raises:
            SourceError: the server does not answer, refuses, or knows no such thing.
            FieldNotSupported: it cannot filter by a field that is asked for.
        """
        where = place or self._place

        def once() -> Any:
            is_fresh = self._token.value is None
            if is_fresh:
                self._log_in()
            response = self._send("GET", path, where, params=parameters)
            if response.status_code == HTTPStatus.UNAUTHORIZED and not is_fresh:
                self._log_in()  # the token died: it lives for a day at most
                response = self._send("GET", path, where, params=parameters)
            return _said(response, where, parse)

        return attempt(once, self._patience, self._sleep)

    def beside(self) -> OdkServer:
        """Return the same server with a connection of its own, for a request that runs while others do."""
        other = copy(self)
        other._session = _session(self._address, self._token, self._timeout)
        return other

    def _log_in(self) -> None:
        given = credentials(self._connection, self._place)
        if not given.login or not given.password:
            raise SourceDenied(
                f"{self._place}: the connection {self._connection!r} has no login or no password. Expected: the "
                "e-mail address and the password of a web user of ODK Central"
            )
        response = self._send(
            "POST", "sessions", self._place, auth=_nobody, json={"email": given.login, "password": given.password}
        )
        answer = _said(response, self._place)
        token = answer.get("token") if isinstance(answer, dict) else None
        if not isinstance(token, str) or not token.isascii() or not token.isprintable() or not token:
            raise AnswerNotUnderstood(f"{self._place}: the server lets us in and gives no token. Is it ODK Central?")
        self._token.value = token

    def _send(self, method: str, path: str, place: str, **given: Any) -> requests.Response:
        # a redirected log-in would arrive as a GET, and a token has no business on another server
        response: requests.Response = self._session.request(method, path, allow_redirects=False, stream=True, **given)
        self._bounds.of_requests(response, place)
        return response


def _session(address: str, token: _Token, timeout: tuple[float, float]) -> Session:
    # the log-in is done by ``OdkServer``: pyodk's own would log the server's answer
    session = Session(address, "v1", "", "", cache_path=None, chunk_size=_CHUNK)
    session.auth = token
    for scheme in ("http://", "https://"):
        session.mount(scheme, Adapter(timeout=timeout, max_retries=0, blocksize=_CHUNK))
    return session


class SubmissionTable:
    """The submissions of one published form, as OData gives them: newest first."""

    def __init__(self, server: OdkServer, project: int, form: str, place: str) -> None:
        self._server, self._place = server, place
        self._form: str = Session.urlformat("projects/{}/forms/{}", project, form)
        self._path = f"{self._form}.svc/Submissions"

    def fields(self, version: str | None = None) -> Any:
        """Return the listing of a version's fields (by default the newest one's), named as in the form itself."""
        path = self._form
        if version is not None:
            path += Session.urlformat("/versions/{}", version or "___")  # as Central writes a version without a name
        return self._server.get(f"{path}/fields", {"odata": "false"}, self._place)

    def earlier_versions(self) -> list[str]:
        """Return the versions that were published before the newest one."""
        versions = self._server.get(f"{self._form}/versions", None, self._place)
        if not isinstance(versions, list) or not all(isinstance(entry, dict) for entry in versions):
            raise self._not_odata("no list of the form's versions")
        return [str(entry.get("version") or "") for entry in versions[1:]]

    def columns(self) -> list[str]:
        """Return the columns of the export, those of earlier versions among them; groups are parted by ``-``."""
        wanted = Wanted(self._place)
        # no submission is that old: the header alone is what we want
        header: list[str] = self._export(
            wanted.file, wanted.header, "__system/submissionDate lt 1970-01-01T00:00:00.000Z"
        )
        return header

    def exported(
        self, columns: Collection[str], repeats: Mapping[str, Collection[str]], where: str | None
    ) -> dict[str, Exported]:
        """Return by id what the export has in some columns: OData shows the fields of the newest version alone.

        Args:
            columns: of submissions.
            repeats: path of a repeat → columns of its members.
            where: a filter.

        Raises:
            SourceError: the export cannot be had, or lacks what was asked for.
        """
        wanted = Wanted(self._place, columns, repeats)
        # it may be asked for while pages are read
        found: dict[str, Exported] = self._export(wanted.file, wanted.read, where, self._server.beside())
        return found

    def _export(
        self, file: str, parse: Callable[[bytes], Any], where: str | None, server: OdkServer | None = None
    ) -> Any:
        asked = {"deletedFields": "true", "attachments": "false", **_filter(where)}
        return (server or self._server).get(f"{self._form}/{file}", asked, self._place, parse)

    def count(self, where: str | None = None) -> int:
        """Return how many submissions the server has where the filter holds."""
        # the link to a next page that older servers give for an empty one leads round in a circle: it is not followed
        page = self._page({"$top": "0", "$count": "true"} | _filter(where))
        return self._count_of(page)

    def pages(self, parameters: Mapping[str, str], where: str | None = None) -> Iterator[list[dict[str, Any]]]:
        """Yield rows, a page at a time; what was yielded counts only if the end is reached.

        Rows that arrive while the pages are read are newer than the first page and in none of them, so the server's
        count on the first page is what the rows must come to. It is the one guard against a page that begins after a
        submission which was purged in between: the server gives that page empty and says nothing.

        Args:
            parameters: ``$expand`` or ``$select``.
            where: a filter.

        Raises:
            ReadIncomplete: the server counts otherwise than it gave.
            SourceError: a page cannot be had.
        """
        asked = {"$top": str(PAGE), "$count": "true", **parameters, **_filter(where)}
        page = self._page(asked)
        expected = self._count_of(page)
        ids: set[str] = set()
        followed: set[str] = set()
        while True:
            rows = self._rows_of(page)
            ids.update(row["__id"] for row in rows)
            yield rows
            link = page.get("@odata.nextLink")
            if link is None or not rows or len(ids) > expected:
                break
            token = self._skiptoken(link)
            if token in followed:
                raise AnswerNotUnderstood(
                    f"{self._place}: the server's pages lead round in a circle. Nothing was read; report it with the "
                    "server's version"
                )
            followed.add(token)
            page = self._page(asked | {"$skiptoken": token})
        if len(ids) != expected:
            raise ReadIncomplete(
                f"{self._place}: the server counts {expected} submissions and gave {len(ids)}. Nothing was loaded; "
                "the next run reads them again"
            )

    def _page(self, parameters: Mapping[str, str]) -> dict[str, Any]:
        page = self._server.get(self._path, parameters, self._place)
        if not isinstance(page, dict):
            raise self._not_odata("a page that is no object")
        return page

    def _count_of(self, page: Mapping[str, Any]) -> int:
        count = page.get("@odata.count")
        if not isinstance(count, int) or isinstance(count, bool) or count < 0:
            raise self._not_odata("no count")
        return count

    def _rows_of(self, page: Mapping[str, Any]) -> list[dict[str, Any]]:
        rows = page.get("value")
        if not isinstance(rows, list):
            raise self._not_odata("a page without rows")
        for row in rows:
            key = row.get("__id") if isinstance(row, dict) else None
            if not isinstance(key, str) or not key.strip():
                raise self._not_odata("a row without an id")
        return rows

    def _skiptoken(self, link: Any) -> str:
        """Return where the next page begins: of the link nothing else is used, it may name another host for ours."""
        try:
            parts = urlsplit(link)
            tokens = parse_qs(parts.query).get("$skiptoken", [])
            is_ours = unquote(parts.path).endswith("/" + unquote(self._path))
        except (ValueError, TypeError, AttributeError):
            tokens, is_ours = [], False
        if not is_ours or len(tokens) != 1:
            raise self._not_odata("a link to a next page that leads elsewhere")
        return str(tokens[0])

    def _not_odata(self, what: str) -> AnswerNotUnderstood:
        return AnswerNotUnderstood(
            f"{self._place}: the server gives {what}. Is it ODK Central? Its version may be newer or older than those "
            "that the connector knows"
        )


def _filter(where: str | None) -> dict[str, str]:
    return {} if where is None else {"$filter": where}


def _said(response: requests.Response, place: str, parse: Callable[[bytes], Any] = json_of) -> Any:
    """Return what a response says; raise what its status means."""
    status = response.status_code
    if status == HTTPStatus.OK:
        return parse(response.content)
    if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
        raise AnswerNotUnderstood(
            f"{place}: the server sends us elsewhere ({status}). Write the address to which it leads into sources.yml "
            "(server), e.g. https:// instead of http://"
        )
    code = _code(response)
    if code == "501.5":
        raise FieldNotSupported(str(failure(place, status, response.headers, code)))
    raise failure(place, status, response.headers, code)


def _code(response: requests.Response) -> str:
    """Return Central's own code of a problem, e.g. ``404.1``; its message may quote what was asked."""
    try:
        code = response.json().get("code")
    except (ValueError, AttributeError):
        return ""
    return str(code) if isinstance(code, int | float) and not isinstance(code, bool) else ""
