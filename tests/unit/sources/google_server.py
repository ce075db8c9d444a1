"""A Google Forms API of our own, as its reference describes it, with the traps of any server."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

FORM_ID = "1AbCdEf"

Trap = tuple[int, dict[str, str], bytes]
"""Status, headers, body of an answer that is given instead of the right one."""


@dataclass
class FakeGoogle:
    """What the server has; ``traps`` are answered first, one a request, to requests of the API."""

    form: dict[str, Any]
    responses: list[dict[str, Any]]
    page: int = 5000
    traps: list[Trap | str] = field(default_factory=list)  # "hang": the socket stays open and nothing comes
    token_refusal: Trap | None = None
    token_loops: str | None = None  # "same": the same token again, "new": a new one, with the same page
    hidden: set[str] = field(default_factory=set)  # ids that the list leaves out, though the server has them
    asked: list[str] = field(default_factory=list)
    url: str = ""
    closing: threading.Event = field(default_factory=threading.Event)

    def answer(self, path: str, query: dict[str, list[str]]) -> Trap:
        parts = path.strip("/").split("/")
        if parts[:2] != ["v1", "forms"] or len(parts) < 3 or parts[2] != FORM_ID:
            return refusal(404, "NOT_FOUND")
        if len(parts) == 3:
            return as_json(self.form)
        if len(parts) == 5:
            found = [entry for entry in self.responses if entry["responseId"] == parts[4]]
            return as_json(found[0]) if found else refusal(404, "NOT_FOUND")
        return as_json(self.listing(query))

    def listing(self, query: dict[str, list[str]]) -> dict[str, Any]:
        rows = [entry for entry in self.responses if entry["responseId"] not in self.hidden]
        for condition in query.get("filter", []):
            _, operator, moment = condition.split(" ")
            rows = [
                entry
                for entry in rows
                if nanos(entry["lastSubmittedTime"]) > nanos(moment)
                or (operator == ">=" and nanos(entry["lastSubmittedTime"]) == nanos(moment))
            ]
        start = int(query.get("pageToken", ["t0"])[0].strip("tx"))
        size = min(self.page, int(query["pageSize"][0]))
        page = rows[start : start + size]
        if self.token_loops == "same":
            return {"responses": page, "nextPageToken": "t0"}
        if self.token_loops == "new":
            return {"responses": page, "nextPageToken": "t0" + "x" * len(self.asked)}
        # as the protocol writes it: what is empty is left out
        given: dict[str, Any] = {"responses": page} if page else {}
        if start + size < len(rows):
            given["nextPageToken"] = f"t{start + size}"
        return given


def nanos(moment: str) -> str:
    """Return a moment so that it can be compared with others."""
    whole, _, fraction = moment.removesuffix("Z").partition(".")
    return f"{whole}.{fraction.ljust(9, '0')}"


def as_json(value: Any, status: int = 200) -> Trap:
    return status, {"Content-Type": "application/json"}, json.dumps(value).encode()


def refusal(status: int, word: str, reason: str | None = None) -> Trap:
    """An error as Google writes it; its message quotes what must not be repeated."""
    error: dict[str, Any] = {"code": status, "message": "secret-answer of secret-token", "status": word}
    if reason:
        error["details"] = [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason}]
    return as_json({"error": error}, status)


@contextmanager
def serving(fake: FakeGoogle) -> Iterator[FakeGoogle]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # one packet an answer: two wait 40 ms for one another
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            assert "jwt-bearer" in body
            fake.asked.append("token")
            token = as_json({"access_token": "secret-token", "expires_in": 3600, "token_type": "Bearer"})
            self.give(*(fake.token_refusal or token))

        def do_GET(self) -> None:
            fake.asked.append(self.path)
            parts = urlsplit(self.path)
            if self.headers["Authorization"] != "Bearer secret-token":
                return self.give(*refusal(401, "UNAUTHENTICATED"))
            trap = fake.traps.pop(0) if fake.traps else None
            if trap == "hang":
                fake.closing.wait(5)
                self.close_connection = True
                return None
            assert not isinstance(trap, str)
            return self.give(*(trap or fake.answer(parts.path, parse_qs(parts.query))))

        def give(self, status: int, headers: dict[str, str], body: bytes) -> None:
            self.send_response(status)
            for name, value in ({"Content-Length": str(len(body))} | headers).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)
            # a body shorter than it was announced ends with the connection
            self.close_connection = int(headers.get("Content-Length", len(body))) != len(body)

        def log_message(self, *args: Any) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    fake.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield fake
    finally:
        fake.closing.set()
        server.shutdown()
        server.server_close()


@cache
def private_key() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


def keyfile(url: str) -> dict[str, str]:
    """The JSON file that Google Cloud makes for a service account; its login is our server."""
    return {
        "type": "service_account",
        "project_id": "vmeste",
        "private_key_id": "1",
        "private_key": private_key(),
        "client_email": "reader@vmeste.example",
        "client_id": "1",
        "token_uri": f"{url}/token",
    }
