"""Requests to the Yandex Forms API, on httpx: who we are, one page after the other, errors by their cause."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx

from vmeste.sources.bodies import USUAL, Bounds
from vmeste.sources.connections import Credentials
from vmeste.sources.errors import AnswerNotUnderstood, SourceDenied
from vmeste.sources.transport import CONNECT_TIMEOUT, READ_TIMEOUT, Pace, Patience, attempt, failure, json_of

PAGE = 100
"""Answers that a page may hold. The documentation names no greatest size, and the next page is followed anyway."""

PACE = 0.2
"""Seconds between two requests; the documentation names no limit."""

BARREN_PAGES = 3
"""So many pages in a row may bring no answer that was not there before."""

_TOKEN = re.compile(r"[!-~]+")
_SCHEMES = {"oauth": "OAuth", "bearer": "Bearer"}


def headers_of(given: Credentials, organisation: str, *, is_cloud: bool, connection: str, place: str) -> dict[str, str]:
    """Return who we are to the server.

    The connection's password is the token; its extra ``scheme`` says ``OAuth`` or ``Bearer``. Without it a token that
    begins as IAM tokens do (``t1.``) is a Bearer.

    Raises:
        SourceDenied: there is no token, or it cannot be one; nothing of it is quoted.
    """
    token = given.password.strip()
    scheme = _SCHEMES.get(str(given.extra.get("scheme") or ("bearer" if token.startswith("t1.") else "oauth")).lower())
    if scheme is None or not _TOKEN.fullmatch(token):
        raise SourceDenied(
            f"{place}: the connection {connection!r} holds no token. Put the OAuth token of a user who may read the "
            "answers into its password; its extra scheme, if there is one, is OAuth or Bearer (for an IAM token)"
        )
    name = "X-Cloud-Org-Id" if is_cloud else "X-Org-Id"
    return {"Authorization": f"{scheme} {token}", name: organisation, "Accept": "application/json"}


class YandexForms:
    """Surveys' answers, as the API gives them."""

    def __init__(
        self,
        server: str,
        headers: Mapping[str, str],
        patience: Patience | None = None,
        sleep: Callable[[float], None] = time.sleep,
        timeout: float = READ_TIMEOUT,
        bounds: Bounds = USUAL,
    ) -> None:
        self._bounds = bounds
        self._server, self._patience, self._sleep, self._pace = server, patience, sleep, Pace(PACE, sleep)
        self._http = httpx.Client(
            headers=dict(headers), timeout=httpx.Timeout(timeout, connect=min(CONNECT_TIMEOUT, timeout))
        )

    def columns(self, survey: str, place: str) -> Mapping[str, Any]:
        """Return the first answer with the columns in which answers stand: only this format names the questions."""
        return self._page(survey, place, {"page_size": "1"})

    def pages(self, survey: str, place: str) -> Iterator[Mapping[str, Any]]:
        """Yield all pages, oldest answers first, so that what arrives meanwhile is added at the end.

        The format is ``raw``: it alone says ids and slugs of what was chosen, not only texts.

        Raises:
            AnswerNotUnderstood: the next page is not one of this survey's, or the pages go round in circles.
        """
        ours = {"page_size": str(PAGE), "ordering": "asc", "format": "raw", "use_slugs": "true"}
        asked, seen, barren = ours, set[str](), 0
        while True:
            page = self._page(survey, place, asked)
            yield page
            following = self._following(page, survey, place)
            if following is None:
                return
            ids = {str(answer.get("id")) for answer in page["answers"] or [] if isinstance(answer, dict)}
            barren = 0 if ids - seen else barren + 1
            seen |= ids
            # a link that forgets our format or order would turn the pages around in the middle of the read
            asked = ours | following
            if barren >= BARREN_PAGES:
                raise AnswerNotUnderstood(
                    f"{place}: the server's pages lead nowhere (page after page brings nothing new, after {len(seen)} "
                    "answers). Nothing was loaded; report it to Yandex if it stays"
                )

    def _following(self, page: Mapping[str, Any], survey: str, place: str) -> dict[str, str] | None:
        link = page.get("next")
        link = link.get("next_url") if isinstance(link, dict) else link
        if link in (None, ""):
            return None
        try:
            parts = urlsplit(link) if isinstance(link, str) else None
        except ValueError:
            parts = None
        # the host is not looked at: it may be the one that the server knows itself by
        if parts is None or not parts.path.rstrip("/").endswith(f"/surveys/{survey}/answers") or not parts.query:
            raise AnswerNotUnderstood(f"{place}: the server's link to the next page is none of this survey's answers")
        return dict(parse_qsl(parts.query))

    def _page(self, survey: str, place: str, query: Mapping[str, str]) -> Mapping[str, Any]:
        def once() -> Any:
            self._pace.wait()
            address = f"{self._server}/v1/surveys/{survey}/answers?{urlencode(query)}"
            response = self._bounds.of_httpx(self._http, address, place)
            if response.status_code == HTTPStatus.BAD_REQUEST:
                raise AnswerNotUnderstood(
                    f"{place}: the server refuses the request (400). That is how it says that the form is not the "
                    "organisation's, or its user no member: mend organisation and is_cloud_organisation in sources.yml"
                )
            if response.status_code >= HTTPStatus.MULTIPLE_CHOICES:
                raise failure(place, response.status_code, response.headers)
            return json_of(response.content)

        page = attempt(once, self._patience, self._sleep)
        if not isinstance(page, dict) or not isinstance(page.get("answers", ""), list | None):
            raise AnswerNotUnderstood(
                f"{place}: the server's answer has no list of answers. Is `server` the address of Yandex Forms?"
            )
        return page
