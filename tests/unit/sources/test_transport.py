from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime

import httpx
import pytest
import requests

from vmeste.sources.errors import (
    AnswerNotUnderstood,
    ReadIncomplete,
    SourceDenied,
    SourceError,
    SourceNotFound,
    SourceThrottled,
    SourceUnreachable,
)
from vmeste.sources.transport import Pace, Patience, attempt, failure, json_of

PATIENCE = Patience(attempts=4, first=1.0, longest=30.0)


class Server:
    """Raises what it is given, one a request, then answers."""

    def __init__(self, *raised: BaseException) -> None:
        self.raised = list(raised)
        self.requests = 0

    def __call__(self) -> str:
        self.requests += 1
        if self.raised:
            raise self.raised.pop(0)
        return "answer"


def pauses() -> tuple[list[float], Callable[[float], None]]:
    slept: list[float] = []
    return slept, slept.append


@pytest.mark.parametrize(
    "raised",
    [
        SourceUnreachable("503"),
        SourceThrottled("429"),
        ReadIncomplete("56 and 55"),
        httpx.ReadTimeout("silent"),
        httpx.RemoteProtocolError("cut"),
        requests.ConnectionError("refused"),
        requests.exceptions.ChunkedEncodingError("cut"),
        TimeoutError(),
        ValueError("not JSON"),
    ],
)
def test_what_waiting_can_mend_is_tried_again(raised: BaseException) -> None:
    server, (slept, sleep) = Server(raised, raised), pauses()
    assert attempt(server, PATIENCE, sleep) == "answer"
    assert server.requests == 3
    assert len(slept) == 2


@pytest.mark.parametrize("status", [400, 401, 403, 404, 501])
def test_what_a_person_must_mend_fails_at_once(status: int) -> None:
    server, (slept, sleep) = Server(failure("odk, f4_meeting", status, {})), pauses()
    with pytest.raises(SourceError, match="odk, f4_meeting"):
        attempt(server, PATIENCE, sleep)
    assert (server.requests, slept) == (1, [])


def test_patience_ends_with_the_last_reason() -> None:
    server, (slept, sleep) = Server(*[SourceUnreachable(f"try {number}") for number in range(9)]), pauses()
    with pytest.raises(SourceUnreachable, match="try 3"):
        attempt(server, PATIENCE, sleep)
    assert server.requests == 4
    assert all(0 <= pause <= PATIENCE.longest for pause in slept)


def test_a_server_that_says_how_long_is_given_that_long() -> None:
    server, (slept, sleep) = Server(SourceThrottled("429", 7.0)), pauses()
    attempt(server, PATIENCE, sleep)
    assert slept == [7.0]


def test_a_lock_longer_than_our_patience_is_left_for_the_next_run() -> None:
    server, (slept, sleep) = Server(SourceThrottled("locked", 600.0)), pauses()
    with pytest.raises(SourceThrottled):
        attempt(server, PATIENCE, sleep)
    assert (server.requests, slept) == (1, [])


def test_a_client_s_error_is_told_without_its_words(caplog: pytest.LogCaptureFixture) -> None:
    server, (_, sleep) = Server(*[requests.ConnectionError("https://user:geheim@host")] * 9), pauses()
    with caplog.at_level(logging.DEBUG), pytest.raises(SourceUnreachable) as caught:
        attempt(server, PATIENCE, sleep)
    assert "ConnectionError" in str(caught.value)
    assert "geheim" not in str(caught.value) + caplog.text
    assert caught.value.__cause__ is None


def test_a_mistaken_address_is_not_tried_again() -> None:
    server, (_, sleep) = Server(requests.exceptions.MissingSchema("no scheme")), pauses()
    with pytest.raises(SourceError, match="no address"):
        attempt(server, PATIENCE, sleep)
    assert server.requests == 1


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, AnswerNotUnderstood),
        (401, SourceDenied),
        (403, SourceDenied),
        (404, SourceNotFound),
        (429, SourceThrottled),
        (500, SourceUnreachable),
        (501, AnswerNotUnderstood),
        (503, SourceUnreachable),
        (799, SourceUnreachable),
    ],
)
def test_a_status_has_one_meaning(status: int, kind: type[SourceError]) -> None:
    raised = failure("odk, f4_meeting", status, {}, "code 1.2")
    assert type(raised) is kind
    assert str(status) in str(raised)
    assert "code 1.2" in str(raised)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("12", 12.0), ("Wed, 25 Nov 2026 10:00:30 GMT", 30.0), ("soon", None), ("", None)],
)
def test_retry_after_is_seconds_or_a_date(header: str, seconds: float | None) -> None:
    raised = failure("odk", 429, {"retry-after": header}, now=lambda: datetime(2026, 11, 25, 10, tzinfo=UTC))
    assert isinstance(raised, SourceThrottled)
    assert raised.retry_after == seconds


@pytest.mark.parametrize("body", [b"", b'{"value": [1, 2', "<html>", b'{"value": NaN}', b"[-Infinity]"])
def test_a_cut_body_is_never_an_empty_answer(body: bytes | str) -> None:
    with pytest.raises(SourceUnreachable, match="cut or not JSON"):
        json_of(body)


def test_requests_keep_their_distance() -> None:
    slept: list[float] = []
    now = [100.0]

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        now[0] += seconds

    pace = Pace(0.5, sleep, lambda: now[0])
    for _ in range(3):
        pace.wait()
    assert slept == [0.5, 0.5]
    now[0] += 10
    pace.wait()
    assert slept == [0.5, 0.5], "who comes late need not wait"
