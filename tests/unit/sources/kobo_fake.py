"""A KoboToolbox of the tests' own: an HTTP server that pages, counts, clamps and hides as kpi does.

What a test wants to go wrong it sets on ``FakeKobo``; ``before`` runs ahead of each page, so that rows can come
and go between two of them.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

TOKEN = "geheim-0123456789abcdef"
ASSET = "aT4xmGv7Rz3qSgBBJmDLcX"
VERSION = "vK7pQ2mXw9sLrT4bNdYcZe"


def uuid(number: int) -> str:
    return f"00000000-0000-4000-8000-{number:012d}"


def row(number: int, **answers: Any) -> dict[str, Any]:
    """A submission as kpi writes it: all that it adds, and the answers with their full paths."""
    return {
        "_id": number,
        "formhub/uuid": "f" * 32,
        "start": "2026-11-20T10:00:00.000+03:00",
        "end": "2026-11-20T10:05:00.000+03:00",
        "deviceid": "ee.example.org:Ab12",
        "username": "robot",
        "__version__": VERSION,
        "meta/instanceID": f"uuid:{uuid(number)}",
        "meta/rootUuid": f"uuid:{uuid(number)}",
        "_xform_id_string": ASSET,
        "_uuid": uuid(number),
        "_attachments": [],
        "_status": "submitted_via_web",
        "_geolocation": [None, None],
        "_submission_time": f"2026-11-20T07:{number // 60 % 60:02d}:{number % 60:02d}",
        "_validation_status": {},
        "_submitted_by": "robot",
        **{path.replace("__", "/"): answer for path, answer in answers.items()},
    }


@dataclass
class FakeKobo:
    rows: list[dict[str, Any]] = field(default_factory=list)
    max_limit: int = 1000
    default_limit: int = 100
    domain: str = "https://kf.kobo.example.org"  # what the server calls itself in links
    count_off: int = 0
    statuses: list[int] = field(default_factory=list)  # answered before anything else, one a request
    headers: dict[str, str] = field(default_factory=dict)  # beside those of a refusal
    is_sorted: bool = True
    is_deployed: bool = True
    counter: int | str | None = "true"  # what the form's own counter says; None to who may see only a part
    cut_after: int | None = None  # bytes of a body before the socket falls silent
    closes: bool = False  # or is closed
    next_link: Callable[[str | None], Any] = lambda link: link
    body: Callable[[Any], Any] = lambda body: body  # what becomes of a page of submissions
    before: Callable[[FakeKobo, int], None] | None = None  # told the number of the data request, from 1
    requests: list[str] = field(default_factory=list)
    url: str = ""
    _silent: threading.Event = field(default_factory=threading.Event)

    @property
    def data_requests(self) -> list[dict[str, str]]:
        """The queries of the requests for submissions."""
        return [_query(target) for target in self.requests if "/data" in target]

    def edit(self, number: int, **answers: Any) -> None:
        """Change a submission as Kobo does: ``_uuid`` and the instance are new, everything else stays."""
        found = next(entry for entry in self.rows if entry["_id"] == number)
        new = uuid(900_000 + number + len(self.requests))
        found |= {"_uuid": new, "meta/instanceID": f"uuid:{new}", "meta/deprecatedID": f"uuid:{uuid(number)}"}
        found |= {path.replace("__", "/"): answer for path, answer in answers.items()}

    def delete(self, *numbers: int) -> None:
        self.rows = [entry for entry in self.rows if entry["_id"] not in numbers]

    def answer(self, target: str, token: str) -> tuple[int, Any]:
        self.requests.append(target)
        if self.statuses:
            return self.statuses.pop(0), {"detail": f"Erwin said {TOKEN}"}
        if token != f"Token {TOKEN}":
            return 401, {"detail": "Invalid token."}
        path, query = urlsplit(target).path, _query(target)
        if path == "/api/v2/assets/":
            return 200, {"count": 3, "next": None, "previous": None, "results": [{"uid": ASSET}]}
        if path == f"/api/v2/assets/{ASSET}/":
            counted = len(self.rows) if self.counter == "true" else self.counter
            return 200, {"uid": ASSET, "deployment__submission_count": counted}
        if path != f"/api/v2/assets/{ASSET}/data/":
            return 404, {"detail": "Not found."}
        if not self.is_deployed:
            return 400, {"detail": "The specified asset has not been deployed"}
        if self.before:
            self.before(self, len(self.data_requests))
        return 200, self.body(self._page(path, query))

    def _page(self, path: str, query: dict[str, str]) -> dict[str, Any]:
        limit = min(int(query.get("limit", self.default_limit)), self.max_limit)
        start = int(query.get("start", 0))
        rows = sorted(self.rows, key=lambda entry: entry["_id"]) if self.is_sorted else list(self.rows)
        fields = json.loads(query["fields"]) if "fields" in query else None
        count = len(rows) + self.count_off
        following = None
        if start + limit < len(rows):
            following = f"{self.domain}{path}?{urlencode(query | {'limit': limit, 'start': start + limit})}"
        given = rows[start : start + limit]
        if fields:
            given = [{key: entry[key] for key in (*fields, "_uuid") if key in entry} for entry in given]
        return {"count": count, "next": self.next_link(following), "previous": None, "results": given}


def _query(target: str) -> dict[str, str]:
    return {name: values[-1] for name, values in parse_qs(urlsplit(target).query).items()}


@contextmanager
def serve(fake: FakeKobo) -> Iterator[FakeKobo]:
    """Serve on a free port of this machine until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            status, said = fake.answer(self.path, self.headers.get("Authorization", ""))
            body = said if isinstance(said, bytes) else json.dumps(said).encode()
            self.send_response(status)
            for name, value in (fake.headers if status >= 300 else {}).items():
                self.send_header(name, value)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if fake.cut_after is None:
                self.wfile.write(body)
                return
            self.wfile.write(body[: fake.cut_after])
            self.wfile.flush()
            self.close_connection = True
            if not fake.closes:
                fake._silent.wait(10)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    fake.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield fake
    finally:
        fake._silent.set()
        server.shutdown()
        server.server_close()
        thread.join()
