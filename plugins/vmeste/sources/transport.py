"""How every request to a form server is made: with a time-out, tried again when waiting can help, never too fast.

Connectors differ in their clients (pyodk and citric stand on requests, the others on httpx), so what is shared is not
a client but the rules: ``attempt`` runs one request, ``failure`` says what a status means, ``Pace`` keeps a distance.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any, TypeVar

import tenacity

from vmeste.sources.errors import (
    AnswerNotUnderstood,
    SourceDenied,
    SourceError,
    SourceNotFound,
    SourceThrottled,
    SourceUnreachable,
)

logger = logging.getLogger(__name__)

T = TypeVar("T")

CONNECT_TIMEOUT = 10.0
"""Seconds until a connection must stand."""

READ_TIMEOUT = 60.0
"""Seconds without a byte after which a body counts as cut: servers have been seen to send half and keep silent."""

TIMEOUT = (CONNECT_TIMEOUT, READ_TIMEOUT)
"""As requests takes it."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long one request is tried: ``attempts`` times, with pauses that double up to ``longest`` seconds."""

    attempts: int = 5
    first: float = 1.0
    longest: float = 60.0


def attempt(
    request: Callable[[], T], patience: Patience | None = None, sleep: Callable[[float], None] = time.sleep
) -> T:
    """Run one request, again where waiting can help.

    Args:
        request: makes the request and reads its body to the end; says what went wrong with an exception of
            ``vmeste.sources.errors``. Exceptions of requests and httpx are translated here.
        patience: how often and how long.
        sleep: waits so many seconds.

    Raises:
        SourceError: what the last attempt raised.
    """
    patience = patience or Patience()
    backoff = tenacity.wait_random_exponential(multiplier=patience.first, max=patience.longest)

    def wait(state: tenacity.RetryCallState) -> float:
        raised = state.outcome.exception() if state.outcome else None
        asked = raised.retry_after if isinstance(raised, SourceThrottled) else None
        return float(backoff(state)) if asked is None else max(asked, 0.0)

    def is_worth_it(raised: BaseException) -> bool:
        # a server that asks for more patience than we have is left for the next run
        too_long = isinstance(raised, SourceThrottled) and (raised.retry_after or 0) > patience.longest
        return isinstance(raised, SourceUnreachable) and not too_long

    retrying = tenacity.Retrying(
        retry=tenacity.retry_if_exception(is_worth_it),
        stop=tenacity.stop_after_attempt(patience.attempts),
        wait=wait,
        sleep=sleep,
        before_sleep=lambda state: logger.warning(
            "attempt %d of %d: %s", state.attempt_number, patience.attempts, state.outcome and state.outcome.exception()
        ),
        reraise=True,
    )

    def translated() -> T:
        with transport_errors():
            return request()

    return retrying(translated)


@contextmanager
def transport_errors() -> Iterator[None]:
    """Turn what requests, httpx and JSON parsers raise into ``SourceUnreachable``; only the kind of error is said."""
    import httpx
    import requests

    try:
        yield
    except SourceError:
        raise
    except (httpx.TransportError, httpx.DecodingError, requests.RequestException, OSError, ValueError) as error:
        # httpx.InvalidURL and requests' InvalidURL are mistakes of ours, not of the network
        if isinstance(error, requests.exceptions.InvalidURL | requests.exceptions.MissingSchema):
            raise SourceError("the server's address in sources.yml is no address: write https://…") from None
        what = "a body that is cut or not JSON" if isinstance(error, ValueError) else type(error).__name__
        raise SourceUnreachable(
            f"the server did not answer whole ({what}): it is tried again at the next run"
        ) from None


def failure(
    place: str, status: int, headers: Mapping[str, str], said: str = "", now: Callable[[], datetime] | None = None
) -> SourceError:
    """Return what a refused request means.

    Args:
        place: the source and the form, for the message.
        status: of the response, 400 or more.
        headers: of the response; ``Retry-After`` is heeded.
        said: the server's own code or message, only where it is known to quote no answer and no credential.
        now: the present, for a ``Retry-After`` that is a date.
    """
    told = f"{status} {HTTPStatus(status).phrase}" if status in HTTPStatus._value2member_map_ else str(status)
    told += f", {said}" if said else ""
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return SourceThrottled(
            f"{place}: the server asks for patience ({told})", _retry_after(headers, now or (lambda: datetime.now(UTC)))
        )
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        return SourceDenied(
            f"{place}: the server refuses the credentials ({told}). Mend the connection of this source, and give its "
            "user the right to read submissions"
        )
    if status == HTTPStatus.NOT_FOUND:
        return SourceNotFound(
            f"{place}: the server knows no such form ({told}). Mend its address in sources.yml, or restore the form"
        )
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR and status != HTTPStatus.NOT_IMPLEMENTED:
        return SourceUnreachable(f"{place}: the server has trouble of its own ({told})")
    return AnswerNotUnderstood(
        f"{place}: the server refuses the request ({told}). Its version may be newer or older than those that the "
        "connector knows"
    )


def _retry_after(headers: Mapping[str, str], now: Callable[[], datetime]) -> float | None:
    value = next((value for name, value in headers.items() if name.lower() == "retry-after"), "").strip()
    if value.isdigit():
        return float(value)
    try:
        return (parsedate_to_datetime(value) - now()).total_seconds()
    except ValueError:
        return None


class Pace:
    """Keeps requests at least ``seconds`` apart."""

    def __init__(
        self,
        seconds: float,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._seconds, self._sleep, self._clock = seconds, sleep, clock
        self._next = 0.0

    def wait(self) -> None:
        """Return when the next request may be made."""
        now = self._clock()
        if now < self._next:
            self._sleep(self._next - now)
            now = self._next
        self._next = now + self._seconds


def json_of(body: bytes | str) -> Any:
    """Return what a body says; one that does not parse is a cut answer, never an empty one.

    Raises:
        SourceUnreachable: it is not JSON.
    """
    import json

    def refuse(constant: str) -> None:
        raise ValueError(f"{constant} is no JSON")  # Python's parser alone takes NaN for a number

    try:
        return json.loads(body, parse_constant=refuse)
    except ValueError:
        raise SourceUnreachable("the server's answer is cut or not JSON") from None
