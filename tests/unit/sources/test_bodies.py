"""Servers that answer more than any form gives: each connector stops reading, says so once, and needs no memory."""

from __future__ import annotations

import http.client
import json
import resource
import threading
import zlib
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from typing import Any

import httpx
import pytest

from tests.unit.sources.google_server import keyfile
from vmeste.sources.base import Source
from vmeste.sources.bodies import LARGEST_MB, Bounds
from vmeste.sources.config import GoogleConfig, KoboConfig, LimeSurveyConfig, OdkConfig, YandexConfig
from vmeste.sources.connections import Credentials
from vmeste.sources.errors import AnswerNotUnderstood, AnswerTooLarge
from vmeste.sources.google_client import GoogleForms, key_of
from vmeste.sources.google_forms import GoogleFormsSource
from vmeste.sources.kobotoolbox import KoboToolboxSource
from vmeste.sources.limesurvey import LimeSurveySource
from vmeste.sources.odk_central import OdkCentralSource
from vmeste.sources.transport import Patience
from vmeste.sources.yandex_forms import YandexFormsSource

MB = 1024**2
PATIENCE = Patience(attempts=3, first=0.001, longest=0.01)


class Endless:
    """A server that lets everybody in and whose answers do not end, but after ``most`` bytes."""

    def __init__(self) -> None:
        self.url = ""
        self.requests = 0
        self.sent = 0
        self.is_packed = False
        self.most = 4096 * MB

    def pieces(self) -> Iterator[bytes]:
        packing = zlib.compressobj(wbits=zlib.MAX_WBITS | 16)
        blank = b" " * MB
        for _ in range(0, self.most, MB):
            yield packing.compress(blank) + packing.flush(zlib.Z_SYNC_FLUSH) if self.is_packed else blank


@pytest.fixture
def endless() -> Iterator[Endless]:
    server = Endless()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            asked = self.rfile.read(int(self.headers["Content-Length"]))
            if self.path == "/token":
                self.say({"access_token": "secret-token", "expires_in": 3600, "token_type": "Bearer"})
            elif self.path == "/v1/sessions":
                self.say({"token": "a token"})
            elif b"get_session_key" in asked:
                self.say({"id": json.loads(asked)["id"], "result": "a key", "error": None})
            elif b"release_session_key" in asked:
                self.say({"id": json.loads(asked)["id"], "result": "OK", "error": None})
            else:
                self.go_on()

        def do_GET(self) -> None:
            self.go_on()

        def say(self, answer: dict[str, Any]) -> None:
            body = json.dumps(answer).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def go_on(self) -> None:
            server.requests += 1
            self.send_response(200)
            self.send_header("Transfer-Encoding", "chunked")
            if server.is_packed:
                self.send_header("Content-Encoding", "gzip")
            self.end_headers()
            try:
                for piece in server.pieces():
                    self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
                    server.sent += len(piece)
                self.wfile.write(b"0\r\n\r\n")
            except OSError:
                self.close_connection = True

        def log_message(self, *_: Any) -> None: ...

    listening = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    listening.daemon_threads = True
    server.url = f"http://127.0.0.1:{listening.server_port}"
    threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    yield server
    listening.shutdown()
    listening.server_close()


SOURCES: dict[str, Callable[[dict[str, Any]], Source]] = {
    "odk_central": lambda given: OdkCentralSource(
        OdkConfig(kind="odk_central", forms={"visit": {"project": 1, "form": "visit"}}, **given), patience=PATIENCE
    ),
    "kobotoolbox": lambda given: KoboToolboxSource(
        KoboConfig(kind="kobotoolbox", forms={"visit": {"asset": "aT4x"}}, **given), patience=PATIENCE
    ),
    "limesurvey": lambda given: LimeSurveySource(
        LimeSurveyConfig(kind="limesurvey", forms={"visit": {"survey": 1}}, **given), patience=PATIENCE
    ),
    "yandex_forms": lambda given: YandexFormsSource(
        YandexConfig(kind="yandex_forms", organisation="1", forms={"visit": {"survey": "a1"}}, **given),
        patience=PATIENCE,
    ),
    "google_forms": lambda given: GoogleFormsSource(
        GoogleConfig(kind="google_forms", forms={"visit": {"form": "a1"}}, **given), patience=PATIENCE
    ),
}


def connected(kind: str, endless: Endless, patch: pytest.MonkeyPatch, **given: Any) -> Source:
    held = {"conn_type": "http", "login": "reader", "password": "secret"}
    if kind == "google_forms":
        held = {"conn_type": "http", "extra": json.dumps({"keyfile_dict": keyfile(endless.url)})}
    patch.setenv("AIRFLOW_CONN_FIELD", json.dumps(held))
    common = {"name": "field", "server": endless.url, "connection": "field", "time_zone": "Europe/Moscow"}
    return SOURCES[kind](common | given)


@pytest.mark.parametrize("is_packed", [False, True], ids=["plain", "gzip"])
@pytest.mark.parametrize("kind", SOURCES)
def test_an_answer_without_end_is_given_up(
    endless: Endless, monkeypatch: pytest.MonkeyPatch, kind: str, is_packed: bool
) -> None:
    endless.is_packed = is_packed
    source = connected(kind, endless, monkeypatch, largest_answer_mb=8)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(AnswerTooLarge, match=r"more than 8 MB.*largest_answer_mb"):
        source.check()
    assert endless.requests == 1, "the same again would be as long"
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200 * 1024, "KiB"
    assert endless.sent < 64 * MB


@pytest.mark.parametrize("kind", SOURCES)
def test_an_answer_within_the_bounds_is_read_to_its_end(
    endless: Endless, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """It is blank here, so that it is a body cut short: which is tried again, and is no large answer."""
    endless.most = 7 * MB
    source = connected(kind, endless, monkeypatch, largest_answer_mb=8)
    with pytest.raises(Exception, match=r"cut|not JSON|answers with nothing|did not answer whole") as raised:
        source.check()
    assert not isinstance(raised.value, AnswerTooLarge)
    assert endless.requests == PATIENCE.attempts


def test_the_bounds_are_those_of_sources_yml() -> None:
    bounds = Bounds.of(3)
    assert len(bounds.whole([b"x" * MB] * 3, "field")) == 3 * MB
    with pytest.raises(AnswerTooLarge, match="field, visit: the server's answer has more than 3 MB"):
        bounds.whole(iter([b"x" * MB] * 3 + [b"x"]), "field, visit")
    assert Bounds().largest == LARGEST_MB * MB


def test_a_body_that_drips_for_ever_is_given_up() -> None:
    seconds = count(step=30)
    with pytest.raises(AnswerTooLarge, match=r"field: .* did not end within 15 minutes"):
        Bounds(clock=lambda: next(seconds)).whole((b"x" for _ in count()), "field")


def test_what_is_compressed_twice_is_not_unpacked() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, headers={"Content-Encoding": "gzip, gzip"}, stream=httpx.ByteStream(b"x"))

    with (
        httpx.Client(transport=httpx.MockTransport(answer)) as client,
        pytest.raises(AnswerNotUnderstood, match="once"),
    ):
        Bounds().of_httpx(client, "http://127.0.0.1/", "field")


@pytest.mark.parametrize("coding", ["gzip", "deflate", "gzip, but it is not"])
@pytest.mark.parametrize("cut", [0, 5])
def test_googles_client_reads_what_is_packed_and_knows_what_is_cut(coding: str, cut: int) -> None:
    body = json.dumps({"formId": "я" * 5000}).encode()
    packed = zlib.compress(body, wbits=zlib.MAX_WBITS | (16 if coding == "gzip" else 0))
    if coding.endswith("not"):
        coding, packed = "gzip", body

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.give(b'{"access_token": "t", "expires_in": 3600, "token_type": "Bearer"}', "")

        def do_GET(self) -> None:
            self.give(packed, coding)

        def give(self, sent: bytes, coding: str) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(sent)))
            if coding:
                self.send_header("Content-Encoding", coding)
            self.end_headers()
            self.wfile.write(sent[: len(sent) - cut] if coding else sent)

        def log_message(self, *_: Any) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}"
    account = key_of(Credentials("", "", {"keyfile_dict": keyfile(url)}), "google", "field")
    client = GoogleForms(url, account, Patience(attempts=1), sleep=lambda _: None, timeout=5.0)
    try:
        if cut or packed == body:
            with pytest.raises(Exception, match="did not answer whole") as raised:
                client.form("a1", "field")
            assert isinstance(raised.value.__context__, http.client.HTTPException)
        else:
            assert client.form("a1", "field") == {"formId": "я" * 5000}
    finally:
        server.shutdown()
        server.server_close()
