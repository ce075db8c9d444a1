"""A LimeSurvey of the tests' own: answers RemoteControl 2 over HTTP as LimeSurvey 6.4.2 was measured to do."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

RECORDED = Path(__file__).parent / "recorded" / "limesurvey"
LOGIN, PASSWORD = "reader", "geheim-7"
SURVEY = 777358

Response = dict[str, Any]
"""A row of the survey's table by heading; an incomplete one has an empty ``submitdate``."""


def recorded(name: str) -> Any:
    return json.loads((RECORDED / f"{name}.json").read_text(encoding="utf-8"))


def recorded_responses(name: str = "export_raw_base64") -> list[Response]:
    found: list[Response] = json.loads(base64.b64decode(recorded(name)["result"]))["responses"]
    return found


def exported(responses: list[Response]) -> str:
    """As PHP writes it: escaped, in base64."""
    return base64.b64encode(json.dumps({"responses": responses}).encode()).decode()


@dataclass
class LimeSurvey:
    """One survey, and knobs for what goes wrong."""

    rows: list[Response] = field(default_factory=list)
    password: str = PASSWORD
    is_active: bool = True
    counted_from: int = 0
    visible: bool = True  # to our user
    counts: Callable[[], dict[str, Any]] | None = None  # a summary that lies
    answers: dict[str, list[Any]] = field(default_factory=dict)  # method → results to give first, once each
    bodies: dict[str, list[bytes]] = field(default_factory=dict)  # method → raw bodies to give first, once each
    silences: dict[str, int] = field(default_factory=dict)  # method → how many requests get half a body and no end
    status: dict[str, int] = field(default_factory=dict)  # method → HTTP status
    mangle: Callable[[str, bytes], bytes] | None = None
    after_export: Callable[[LimeSurvey], None] | None = None
    calls: list[str] = field(default_factory=list)
    asked: list[list[Any]] = field(default_factory=list)  # parameters of export_responses, without the key
    keys: set[str] = field(default_factory=set)
    bad_logins: int = 0
    given_keys: int = 0
    url: str = ""
    ended: threading.Event = field(default_factory=threading.Event)

    def expire_keys(self) -> None:
        self.keys.clear()

    def row(self, number: int) -> Response:
        return next(row for row in self.rows if row["id"] == number)

    def reactivate(self) -> None:
        """As the administration does: the table goes into the archive, ids go on after the last one."""
        self.counted_from, self.rows = max((row["id"] for row in self.rows), default=0) + 1, []

    def result(self, method: str, parameters: list[Any]) -> Any:
        self.calls.append(method)
        queued = self.answers.get(method)
        if queued:
            given = queued.pop(0)
            return given() if callable(given) else given
        if method == "get_session_key":
            return self._login(*parameters)
        key, *rest = parameters
        if method == "release_session_key":
            self.keys.discard(key)
            return "OK"
        if key not in self.keys:
            return {"status": "Invalid session key"}
        return getattr(self, f"_{method}")(*rest)

    def _login(self, login: str, password: str, plugin: str) -> Any:
        if self.bad_logins >= 3:
            return recorded("err_lockout")["result"]
        if (login, password, plugin) != (LOGIN, self.password, "Authdb"):
            self.bad_logins += 1
            return {"status": "Invalid user name or password"}
        self.given_keys += 1
        self.keys.add(f"key-{self.given_keys}")
        return f"key-{self.given_keys}"

    def _list_surveys(self, user: None) -> Any:
        return recorded("list_surveys")["result"] if self.visible else {"status": "No surveys found"}

    def _get_survey_properties(self, survey: int, names: list[str]) -> Any:
        if survey != SURVEY:
            return {"status": "Error: Invalid survey ID"}
        if not self.visible:
            return {"status": "No permission"}
        properties = recorded("survey_properties")["result"] | {
            "active": "Y" if self.is_active else "N",
            "autonumber_start": self.counted_from,
        }
        return {name: properties[name] for name in names}

    def _get_summary(self, survey: int, name: str) -> Any:
        if survey != SURVEY:
            return {"status": "Invalid surveyid"}
        if not self.visible:
            return {"status": "No permission"}
        if not self.is_active:
            return []
        if self.counts is not None:
            return self.counts()
        completed = sum(bool(row["submitdate"]) for row in self.rows)
        return {
            "completed_responses": completed,
            "incomplete_responses": len(self.rows) - completed,
            "full_responses": len(self.rows),
        }

    def _export_responses(self, survey: int, *asked: Any) -> Any:
        self.asked.append(list(asked))
        kind, language, completion, headings, answers, first, last = asked
        assert (kind, completion, headings, answers) == ("json", "all", "code", "short")
        if survey != SURVEY or not self.visible:
            return recorded("err_no_survey")["result"]
        if not self.is_active:
            return {"status": "No Data, survey table does not exist."}
        if not self.rows:
            return {"status": "No Data, could not get max id."}
        if language not in ("ru", "en"):
            return recorded("err_bad_lang")["result"]
        last = max(row["id"] for row in self.rows) if last is None else last
        given = exported([row for row in self.rows if first <= row["id"] <= last])
        if self.after_export is not None:
            self.after_export(self)
        return given


class _Handler(BaseHTTPRequestHandler):
    lime: LimeSurvey
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # a request would take 40 ms

    def do_POST(self) -> None:
        lime = self.lime
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        method = asked["method"]
        if self.path != "/index.php/admin/remotecontrol":
            self._send(404, b"<html>404</html>")
            return
        status = lime.status.get(method, 200)
        if status != 200:
            lime.calls.append(method)
            self._send(status, b"<!DOCTYPE html><html>500: Internal Server Error</html>")
            return
        body = lime.bodies[method].pop(0) if lime.bodies.get(method) else None
        if body is None:
            envelope = {"id": asked["id"], "result": lime.result(method, asked["params"]), "error": None}
            body = json.dumps(envelope).encode()
        else:
            lime.calls.append(method)
            body = body.replace(b'"id":1', b'"id":%d' % asked["id"]).replace(b'"id": 1', b'"id": %d' % asked["id"])
        if lime.mangle is not None:
            body = lime.mangle(method, body)
        self._send(200, body, is_cut=self._is_silent(method))

    def _is_silent(self, method: str) -> bool:
        left = self.lime.silences.get(method, 0)
        self.lime.silences[method] = max(left - 1, 0)
        return left > 0

    def _send(self, status: int, body: bytes, *, is_cut: bool = False) -> None:
        self.send_response(status)
        if 300 <= status < 400:
            self.send_header("Location", "https://127.0.0.1:1/elsewhere")
        self.send_header("content-type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if is_cut:  # measured: half of the body, then the socket stays open
            self.wfile.write(body[: len(body) // 2])
            self.wfile.flush()
            self.lime.ended.wait(5)
            self.close_connection = True
            return
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        pass


@contextmanager
def serving(lime: LimeSurvey) -> Iterator[LimeSurvey]:
    """Serve on a free port of this machine."""
    handler = type("Handler", (_Handler,), {"lime": lime})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=lambda: server.serve_forever(poll_interval=0.01), daemon=True)
    thread.start()
    lime.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield lime
    finally:
        lime.ended.set()
        server.shutdown()
        server.server_close()
        thread.join(5)
