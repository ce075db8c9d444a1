"""What KoboToolbox's API v2 says over HTTP: pages of a form's submissions, read until they are proven whole.

Pages are cut by position (``start``, ``limit``), so a row that is deleted while we read moves one that we have not seen
to a page that we have. The count cannot show that: it shrinks with the rows. Therefore a form of more than one page is
gone through a second time, for the ids alone, and only two passes that agree are believed.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode, urlsplit

import httpx

from vmeste.sources.bodies import USUAL, Bounds
from vmeste.sources.connections import credentials
from vmeste.sources.errors import (
    AnswerNotUnderstood,
    FormUnusable,
    ReadIncomplete,
    SourceDenied,
    SourceNotFound,
    SourceUnreachable,
)
from vmeste.sources.transport import CONNECT_TIMEOUT, READ_TIMEOUT, Patience, attempt, failure, json_of

PAGE_ROWS = 1000
"""More are never given, whatever is asked; who asks for no number gets 100."""

SWEEPS = 4
"""How often a form is read when rows come and go under the reading."""

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Page:
    """One page: how many submissions the server counts in all, those of the page, and where the next one lies."""

    count: int
    rows: tuple[Row, ...]
    following: str | None  # path and query


@dataclass(frozen=True, slots=True)
class Asset:
    """What the server says of a form beside its submissions."""

    counted: int | None  # submissions, by a counter of its own; None where the token may see only a part of them
    says_so: bool  # whether it says anything of that at all


class KoboServer:
    """One server as one token sees it; use it as a context manager.

    Every method raises ``SourceError`` by cause: ``SourceDenied`` (token, rights), ``SourceNotFound``,
    ``SourceUnreachable`` (no or half an answer, after all attempts), ``AnswerNotUnderstood``.
    """

    def __init__(
        self,
        address: str,
        connection: str,
        source: str,
        patience: Patience | None = None,
        sleep: Callable[[float], None] = time.sleep,
        timeout: tuple[float, float] = (CONNECT_TIMEOUT, READ_TIMEOUT),
        bounds: Bounds = USUAL,
    ) -> None:
        self._bounds = bounds
        self._address, self._patience, self._sleep = address, patience or Patience(), sleep
        token = credentials(connection, source).password.strip()
        if not token or not token.isascii() or not token.isprintable() or " " in token:
            raise SourceDenied(
                f"{source}: the connection {connection!r} holds no API token. Its password is the token that "
                "KoboToolbox shows under Account settings → Security, without the word Token"
            )
        connect, read = timeout
        self._client = httpx.Client(
            headers={"Authorization": f"Token {token}", "Accept": "application/json"},
            timeout=httpx.Timeout(read, connect=connect),
            verify=_certificates(),
            follow_redirects=False,  # a redirect leads to a login page or to another host, neither of which has rows
        )

    def __enter__(self) -> KoboServer:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def forms(self, place: str) -> int:
        """Return how many forms the token can see."""
        target = "/api/v2/assets/?" + urlencode({"format": "json", "q": "asset_type:survey", "limit": 1})
        return _count(self._get(target, place), place)

    def count(self, asset: str, place: str) -> int:
        """Return how many submissions of a form the token can see."""
        return self._page(_data(asset, 1, ("_id",)), asset, place).count

    def asset(self, asset: str, place: str) -> Asset:
        """Return what the server says of a form beside its submissions."""
        body = self._get(f"/api/v2/assets/{asset}/?format=json", place)
        key = "deployment__submission_count"
        if not isinstance(body, dict) or not isinstance(body.get(key), int | None):
            raise AnswerNotUnderstood(f"{place}: the server describes the form otherwise than KoboToolbox does")
        return Asset(body.get(key), key in body)

    def submissions(self, asset: str, place: str) -> dict[int, Row]:
        """Return all submissions of a form by ``_id``, in that order.

        Raises:
            ReadIncomplete: at each try the server counted otherwise than what it gave; both numbers are in the message.
        """
        tries = 0
        while True:
            tries += 1
            try:
                return self._sweep(asset, place)
            except ReadIncomplete:
                if tries == SWEEPS:
                    raise
                self._sleep(self._patience.first)

    def _sweep(self, asset: str, place: str) -> dict[int, Row]:
        rows: dict[int, Row] = {}
        pages = 0
        count = 0
        for page in self._pages(_data(asset, PAGE_ROWS), asset, place):
            rows |= _by_id(page.rows, place)
            count, pages = page.count, pages + 1
        if len(rows) != count:
            raise ReadIncomplete(
                f"{place}: the server counts {count} submissions and gave {len(rows)}. Nothing was loaded; the next "
                "run reads again"
            )
        if pages > 1:
            ids: set[int] = set()
            for page in self._pages(_data(asset, PAGE_ROWS, ("_id",)), asset, place):
                ids |= _by_id(page.rows, place).keys()
            newest = max(rows)
            if {number for number in ids if number <= newest} != rows.keys():  # newer ones are the next run's
                raise ReadIncomplete(
                    f"{place}: submissions came and went while they were read: {len(rows)} at first, {len(ids)} when "
                    "looked at again, and not the same. Nothing was loaded; the next run reads again"
                )
        return dict(sorted(rows.items()))

    def _pages(self, target: str, asset: str, place: str) -> Iterator[Page]:
        seen: set[int] = set()
        following: str | None = target
        while following is not None:
            page = self._page(following, asset, place)
            yield page
            numbers = _by_id(page.rows, place).keys()
            if page.following is not None and numbers <= seen:
                raise AnswerNotUnderstood(
                    f"{place}: the server's pages lead in a circle: one brought nothing that was not there before, and "
                    "names a next one. Nothing was loaded; its version or a proxy before it must be looked at"
                )
            seen |= numbers
            following = page.following

    def _page(self, target: str, asset: str, place: str) -> Page:
        body = self._get(target, place)
        count = _count(body, place)
        rows, link = body.get("results"), body.get("next")
        if (
            not isinstance(rows, list)
            or not all(isinstance(row, dict) for row in rows)
            or not (link is None or isinstance(link, str))
        ):
            raise AnswerNotUnderstood(f"{place}: a page of submissions is not built as KoboToolbox builds it")
        return Page(count, tuple(rows), _following(link, asset, place) if link else None)

    def _get(self, target: str, place: str) -> Any:
        """Return what the server says under a path and query of the address that sources.yml gives."""

        def request() -> Any:
            try:
                response = self._bounds.of_httpx(self._client, self._address + target, place)
            except httpx.InvalidURL:
                raise AnswerNotUnderstood(f"{place}: what the server calls its next page is no address") from None
            status = response.status_code
            if status == HTTPStatus.NOT_FOUND:  # what a token may not see is hidden, not forbidden
                raise SourceNotFound(
                    f"{place}: the server shows no such form (404). Mend its asset or the server in sources.yml, or "
                    "give the token's user the right to view the form and its submissions"
                )
            if status == HTTPStatus.BAD_REQUEST:
                raise FormUnusable(
                    f"{place}: the server lists no submissions (400), as it does for a form that was never deployed. "
                    "Deploy the form in KoboToolbox, or take it out of sources.yml"
                )
            if not response.is_success and status < HTTPStatus.BAD_REQUEST:
                raise AnswerNotUnderstood(
                    f"{place}: the server sends us elsewhere ({status}). Write the address of its API in sources.yml "
                    "as it is in the end, https and the kf. or eu. host included"
                )
            if not response.is_success:
                raise failure(place, status, response.headers)
            return json_of(response.content)

        try:
            return attempt(request, self._patience, self._sleep)
        except SourceUnreachable as error:  # the shared rules know causes, not places
            if str(error).startswith(place):
                raise
            raise SourceUnreachable(f"{place}: {error}") from None


@cache
def _certificates() -> ssl.SSLContext:
    """Whom we trust; reading the list takes longer than a page, and httpx would do it for every form."""
    return httpx.create_ssl_context()


def _data(asset: str, limit: int, fields: tuple[str, ...] = ()) -> str:
    """Path and query of the first page of a form's submissions, oldest first."""
    query = {"format": "json", "start": "0", "limit": str(limit), "sort": '{"_id":1}'}
    if fields:
        query["fields"] = "[" + ",".join(f'"{field}"' for field in fields) + "]"
    return f"/api/v2/assets/{asset}/data/?{urlencode(query)}"


def _following(link: str, asset: str, place: str) -> str:
    """Path and query of a next page; the host in it is what the server is configured to call itself."""
    data = f"/api/v2/assets/{asset}/data"
    try:
        parts = urlsplit(link)
    except ValueError:
        parts = urlsplit("")
    _, found, after = parts.path.partition(data)
    if not found or after not in ("", "/", ".json"):
        raise AnswerNotUnderstood(
            f"{place}: what the server calls the next page is not one of this form's submissions. Nothing was loaded; "
            "its version or a proxy before it must be looked at"
        )
    return f"{data}{after}?{parts.query}"


def _count(body: Any, place: str) -> int:
    count = body.get("count") if isinstance(body, dict) else None
    if not isinstance(count, int) or isinstance(count, bool) or count < 0:
        raise AnswerNotUnderstood(
            f"{place}: the server does not say how many there are (count), which KoboToolbox's API v2 always does"
        )
    return count


def _by_id(rows: tuple[Row, ...], place: str) -> dict[int, Row]:
    found: dict[int, Row] = {}
    for row in rows:
        number = row.get("_id")
        if not isinstance(number, int) or isinstance(number, bool):
            raise AnswerNotUnderstood(f"{place}: a submission has no whole number as its _id")
        found[number] = row
    return found
