"""A Yandex Forms API of our own, as its reference describes it, with the traps of any server."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

SURVEY = "6800cd9202848f10b272a9cc"
DOMAIN = "https://forms.elsewhere.example"  # by which the server knows itself

Trap = tuple[int, dict[str, str], bytes]
"""Status, headers, body of an answer that is given instead of the right one."""


@dataclass
class FakeYandex:
    """What the server has; answers are in the ``raw`` format, by slug. ``traps`` are answered first, one a request."""

    columns: list[dict[str, Any]]
    answers: list[dict[str, Any]]
    page: int = 1000
    formats: tuple[str, ...] = ("default", "raw")  # which it knows; the first stands for one that it does not know
    traps: list[Trap | str] = field(default_factory=list)  # "hang": the socket stays open and nothing comes
    link: str = "/v1/surveys/{survey}/answers?{query}"  # to the next page
    link_forgets: bool = False  # all but the place in the pages
    loops: bool = False
    asked: list[str] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    url: str = ""
    closing: threading.Event = field(default_factory=threading.Event)

    def answer(self, path: str, query: dict[str, list[str]]) -> Trap:
        if path != f"/v1/surveys/{SURVEY}/answers":
            return as_json({"detail": "secret-answer"}, 404)
        given = {key: values[0] for key, values in query.items()}
        rows = sorted(self.answers, key=lambda row: row["id"], reverse=given.get("ordering", "desc") == "desc")
        start, size = int(given.get("id", 0)), min(self.page, int(given.get("page_size", 25)))
        wanted = given.get("format", "default")
        body: dict[str, Any] = {"answers": rows[start : start + size], "next": None}
        if wanted not in self.formats or wanted == "default":
            body = {"columns": self.columns, **body, "answers": [self.positional(row) for row in body["answers"]]}
        if start + size < len(rows) or self.loops:
            following = {"page_size": size} if self.link_forgets else given
            query_of_next = urlencode({**following, "id": start if self.loops else start + size})
            body["next"] = {"next_url": self.link.format(survey=SURVEY, query=query_of_next)}
        return as_json(body)

    def positional(self, row: dict[str, Any]) -> dict[str, Any]:
        """Return an answer in the default format: by column, chosen options as their texts."""
        data = row["data"] if isinstance(row["data"], dict) else {}
        return {
            "id": row["id"],
            "created": row["created"],
            "data": [texts(data.get(column["slug"]), column) for column in self.columns],
        }


def texts(answer: dict[str, Any] | None, column: dict[str, Any]) -> dict[str, Any] | None:
    if answer is None:
        return None
    value = answer["value"]
    if column["type"] == "series":
        return {"value": [[texts(member.get(inner["slug"]), inner) for inner in column["items"]] for member in value]}
    if isinstance(value, list):
        value = [entry.get("text", entry) if isinstance(entry, dict) else entry for entry in value]
    return {"value": value}


def as_json(value: Any, status: int = 200) -> Trap:
    return status, {"Content-Type": "application/json"}, json.dumps(value).encode()


@contextmanager
def serving(fake: FakeYandex) -> Iterator[FakeYandex]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # one packet an answer: two wait 40 ms for one another
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            fake.asked.append(self.path)
            fake.headers = dict(self.headers)
            parts = urlsplit(self.path)
            trap = fake.traps.pop(0) if fake.traps else None
            if trap == "hang":
                fake.closing.wait(5)
                self.close_connection = True
                return
            assert not isinstance(trap, str)
            status, headers, body = trap or fake.answer(parts.path, parse_qs(parts.query))
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
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    try:
        yield fake
    finally:
        fake.closing.set()
        server.shutdown()
        server.server_close()
