"""An ODK Central of the tests' own on 127.0.0.1: it behaves as the real ones (2026.2 and 2024.2) were measured."""

from __future__ import annotations

import base64
import csv
import io
import json
import re
import threading
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

START = datetime(2026, 11, 24, 4, 48, 20, tzinfo=UTC)

Answer = tuple[int, dict[str, str], bytes]

FIELDS = (
    ("/start", "dateTime"),
    ("/pair_code", "string"),
    ("/when", "structure"),
    ("/when/held_on", "date"),
    ("/when/minutes", "int"),
    ("/status", "string"),
    ("/fare", "decimal"),
    ("/goals", "string"),
    ("/start_time", "time"),
    ("/place", "geopoint"),
    ("/photo", "binary"),
    ("/people", "structure"),
    ("/people/member", "repeat"),
    ("/people/member/m_name", "string"),
    ("/people/member/work", "structure"),
    ("/people/member/work/employer", "string"),
    ("/people/member/job", "repeat"),
    ("/people/member/job/title", "string"),
    ("/meta", "structure"),
    ("/meta/instanceID", "string"),
)


@dataclass
class Row:
    """A submission as the server keeps it."""

    number: int  # order in the database
    key: str
    submitted_at: datetime
    answers: dict[str, Any]
    members: list[dict[str, Any]] = field(default_factory=list)
    updated_at: datetime | None = None
    deleted_at: datetime | None = None
    review_state: str | None = None
    version: str = "1"
    edits: int = 0
    attachments: tuple[int, int] = (0, 0)  # present, expected
    is_encrypted: bool = False
    lost: dict[str, str] = field(default_factory=dict)  # column of an earlier version → answer: OData hides them
    device: str | None = "collect:kv9u7q"
    sent: dict[str, str] = field(default_factory=dict)  # question → the text of a number that OData made of it


class FakeCentral:
    """A server with one form, ``visit_ru`` in project 1; its clock stands still until something happens.

    ``tells_deletions`` false is the server of 2024. ``faults`` answers the next requests otherwise: each gets the
    request's address and says what to answer, ``None`` for as always. ``domain`` is what the server believes it is.
    ``between`` runs before each page of submissions but the first. ``mangle`` changes bodies.
    """

    def __init__(self) -> None:
        self.rows: dict[str, Row] = {}
        self.now = START
        self.fields: list[tuple[str, str]] = list(FIELDS)
        self.first_fields: list[tuple[str, str]] = list(FIELDS)  # of version 1 …
        self.middle_fields: list[tuple[str, str]] = list(FIELDS)  # … and of those up to the newest
        self.is_first_named = True
        self.lost: list[str] = []  # columns that only earlier versions have
        self.member_path = "people/member"  # of the repeat as old submissions have it …
        self.member_columns = ["m_name", "work-employer"]  # … and its columns in the export
        self.versions = 1
        self.tells_deletions = True
        self.is_trashed = False
        self.domain = "https://configured.example.org"
        self.login, self.password = "reader@example.org", "let me in"
        self.tokens: set[str] = set()
        self.logins = 0
        self.requests: list[str] = []  # address with its query, unquoted
        self.faults: list[Callable[[str], Answer | None]] = []
        self.between: list[Callable[[], None]] = []
        self.mangle: Callable[[str, bytes], bytes] = lambda _, body: body
        self.count_of: Callable[[int], int] = lambda count: count
        self.next_of: Callable[[str], str] = lambda link: link
        self.hanging = threading.Event()  # set when the test is over
        self.waited_out = False  # whether somebody waited for the other half of a body
        self._numbers = 0
        self.address = ""

    # what people do on it

    def tick(self, seconds: float = 1.0) -> datetime:
        self.now += timedelta(seconds=seconds)
        return self.now

    def send(self, key: str = "", at: datetime | None = None, **given: Any) -> Row:
        self._numbers += 1
        key = key or f"uuid:{self._numbers:08d}-0000-4000-8000-000000000000"
        members = given.pop("members", [])
        options = {
            name: given.pop(name)
            for name in ("version", "attachments", "is_encrypted", "lost", "device", "sent")
            if name in given
        }
        row = Row(self._numbers, key, at or self.tick(), given, members, **options)
        self.rows[key] = row
        return row

    def edit(self, row: Row, at: datetime | None = None, **given: Any) -> None:
        row.members = given.pop("members", row.members)
        row.answers |= given
        row.updated_at, row.review_state, row.edits = at or self.tick(), "edited", row.edits + 1

    def review(self, row: Row, state: str) -> None:
        row.updated_at, row.review_state = self.tick(), state

    def delete(self, row: Row) -> None:
        row.deleted_at = self.tick()

    def restore(self, row: Row) -> None:
        self.tick()
        row.deleted_at = None  # and no moment anywhere

    def purge(self, row: Row) -> None:
        self.tick()
        del self.rows[row.key]

    # what it answers

    def answer(self, method: str, address: str, token: str | None, body: bytes) -> Answer:
        parts = urlsplit(address)
        path, query = unquote(parts.path), {key: values[0] for key, values in parse_qs(parts.query).items()}
        self.requests.append(unquote(address.replace("+", " ")))
        if self.faults and (fault := self.faults.pop(0)(address)):
            return fault
        if method == "POST" and path == "/v1/sessions":
            return self._session(json.loads(body))
        if token not in self.tokens:
            return refused(401, 401.2)
        if path == "/v1/projects":
            forms = [] if self.is_trashed else [{"projectId": 1, "xmlFormId": "visit_ru"}]
            return said([{"id": 1, "name": "Проект", "formList": forms}])
        form, _, rest = path.removeprefix("/v1/projects/1/forms/").partition("/")
        if self.is_trashed or form.removesuffix(".svc") != "visit_ru":
            return refused(404, 404.1)
        if form == "visit_ru" and (rest == "fields" or re.fullmatch(r"versions/\w+/fields", rest)):
            first = f"versions/{'1' if self.is_first_named else '___'}/fields"
            listed = self.fields if rest == "fields" else self.first_fields if rest == first else self.middle_fields
            return said(
                [
                    {
                        "path": name,
                        "name": name.rsplit("/", 1)[-1],
                        "type": kind,
                        "binary": None,
                        "selectMultiple": None,
                    }
                    for name, kind in listed
                ]
            )
        if (form, rest) == ("visit_ru", "versions"):
            names = [str(number) for number in range(self.versions, 1, -1)]
            return said([{"version": name} for name in [*names, "1" if self.is_first_named else ""]])
        if (form, rest) == ("visit_ru", "submissions.csv"):
            return 200, {"Content-Type": "text/csv; charset=utf-8"}, self._export(query)
        if (form, rest) == ("visit_ru", "submissions.csv.zip"):
            return 200, {"Content-Type": "application/zip"}, self._zip(query)
        if (form, rest) == ("visit_ru.svc", "Submissions"):
            return self._submissions(address, query)
        return refused(404, 404.1)

    def _session(self, given: dict[str, str]) -> Answer:
        if (given["email"], given["password"]) != (self.login, self.password):
            return refused(401, 401.2)
        self.logins += 1
        token = f"token{self.logins}"
        self.tokens = {token}
        return said({"token": token, "expiresAt": "2026-11-25T04:48:20.000Z"})

    def _submissions(self, address: str, query: dict[str, str]) -> Answer:
        if "$select" in query and "$expand" in query:
            return refused(501, 501.11)
        if "$orderby" in query and "$skiptoken" in query:
            return refused(501, 501.1)
        where = query.get("$filter", "")
        if "deletedAt" in where and not self.tells_deletions:
            return refused(501, 501.5)
        token = query.get("$skiptoken")
        if token and self.between:
            self.between.pop(0)()
        found = sorted(self.rows.values(), key=lambda row: (row.submitted_at, row.number), reverse=True)
        found = [row for row in found if _holds(where, row) and (row.deleted_at is None or "deletedAt" in where)]
        remaining = found
        if token:
            key = json.loads(base64.b64decode(token.removeprefix("01")))["instanceId"]
            last = self.rows.get(key)  # purged: no row comes after it
            remaining = [
                row for row in found if last and (row.submitted_at, row.number) < (last.submitted_at, last.number)
            ]
        top = int(query["$top"]) if "$top" in query else len(remaining)
        page = remaining[:top]
        answer: dict[str, Any] = {
            "value": [self._row(row, query) for row in page],
            "@odata.context": f"{self.domain}/v1/projects/1/forms/visit_ru.svc/$metadata#Submissions",
        }
        if len(page) < len(remaining) and (top > 0 or not self.tells_deletions):
            marker = json.dumps({"instanceId": page[-1].key if page else None}, separators=(",", ":")).encode()
            skip = "01" + base64.b64encode(marker).decode()
            asked = re.sub(r"&?%24skiptoken=[^&]*", "", address)
            answer["@odata.nextLink"] = self.next_of(f"{self.domain}{asked}&%24skiptoken={quote(skip, safe='')}")
        if query.get("$count") == "true":
            answer["@odata.count"] = self.count_of(len(found))
        return said(answer)

    def _zip(self, query: dict[str, str]) -> bytes:
        """Beside the submissions the members of the repeat, those of earlier versions with it."""
        if query.get("attachments") != "false":
            raise AssertionError("attachments are never fetched")
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow([*self.member_columns, "PARENT_KEY", "KEY"])
        for row in self.rows.values():
            if row.deleted_at is None and _holds(query.get("$filter", ""), row):
                for place, member in enumerate(row.members, start=1):
                    answers = member | {"work-employer": (member.get("work") or {}).get("employer")}
                    key = f"{row.key}/{self.member_path}[{place}]"
                    writer.writerow([*(answers.get(column) for column in self.member_columns), row.key, key])
        body = io.BytesIO()
        with zipfile.ZipFile(body, "w") as archive:
            archive.writestr("visit_ru.csv", self._export(query))
            archive.writestr("visit_ru-member.csv", text.getvalue())
            archive.writestr(
                "visit_ru-job.csv", "title,PARENT_KEY,KEY\nтокарь,x/people/member[1],x/people/member[1]/job[1]"
            )
        return body.getvalue()

    def _export(self, query: dict[str, str]) -> bytes:
        """The export has the columns of the newest version, then those of earlier ones if they are asked for."""
        own = [path.strip("/").replace("/", "-") for path, kind in self.fields if kind not in ("structure", "repeat")]
        own = [column for column in own if not column.startswith("people-member")]
        lost = self.lost if query.get("deletedFields") == "true" else []
        where = query.get("$filter", "")
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(["SubmissionDate", *own, *lost, "KEY", "Edits", "FormVersion"])
        for row in self.rows.values():
            if row.deleted_at is None and _holds(where, row):
                names = [column.rsplit("-", 1)[-1] for column in own]
                answers = [row.sent.get(name, row.answers.get(name)) for name in names]
                hidden = [row.lost.get(column) for column in lost]
                writer.writerow([iso(row.submitted_at), *answers, *hidden, row.key, row.edits, row.version])
        return text.getvalue().encode()

    def _row(self, row: Row, query: dict[str, str]) -> dict[str, Any]:
        system = {
            "submissionDate": iso(row.submitted_at),
            "updatedAt": iso(row.updated_at),
            "submitterId": "7",
            "submitterName": "Планшет 1",
            "attachmentsPresent": row.attachments[0],
            "attachmentsExpected": row.attachments[1],
            "status": "notDecrypted" if row.is_encrypted else None,
            "reviewState": row.review_state,
            "deviceId": row.device,
            "edits": row.edits,
            "formVersion": row.version,
        }
        if self.tells_deletions:
            system["deletedAt"] = iso(row.deleted_at)
        marks: dict[str, Any] = {"__id": row.key, "__system": system}
        if "$select" in query:
            return {key: marks[key] for key in query["$select"].split(",")}
        return marks if row.is_encrypted else self._answers(row, "$expand" in query) | marks

    def _answers(self, row: Row, is_expanded: bool) -> dict[str, Any]:
        answers: dict[str, Any] = {}
        for path, kind in self.fields:
            if ("/member" in path and kind != "repeat") or path.count("/") > 2:
                continue
            *above, name = path.strip("/").split("/")
            within = answers
            for part in above:
                within = within[part]
            if kind == "structure":
                within[name] = {}
            elif kind == "repeat":
                if row.members:
                    within[f"{name}@odata.navigationLink"] = f"Submissions('{quote(row.key)}')/people/member"
                    if is_expanded:
                        within[name] = [
                            {key: value for key, value in member.items() if self._has_member(key)}
                            | {"__id": f"{place:040d}", "__Submissions-id": row.key}
                            for place, member in enumerate(row.members)
                        ]
            else:
                within[re.sub(r"[^A-Za-z0-9_]+", "_", name)] = row.answers.get(name)
        answers["meta"] = {"instanceID": f"{row.key}-{row.edits}"}
        return answers

    def _has_member(self, name: str) -> bool:
        path = f"/people/member/{name.partition('@')[0]}"
        return any(field == path or field.startswith(f"{path}/") for field, _ in self.fields)


def iso(at: datetime | None) -> str | None:
    """As Central shows moments: microseconds are cut off."""
    return None if at is None else f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03d}Z"


def said(answer: Any, status: int = 200) -> Answer:
    return status, {"Content-Type": "application/json; charset=utf-8"}, json.dumps(answer, ensure_ascii=False).encode()


def refused(status: int, code: float, **headers: str) -> Answer:
    kind, said_headers, body = said({"message": "as the server says it", "code": code}, status)
    return kind, said_headers | {key.replace("_", "-"): value for key, value in headers.items()}, body


def _holds(where: str, row: Row) -> bool:
    if not where:
        return True
    moments = {"submissionDate": row.submitted_at, "updatedAt": row.updated_at, "deletedAt": row.deleted_at}
    for name, operator, text in re.findall(r"__system/(\w+) (ge|lt) (\S+)", where):
        at, limit = moments[name], datetime.fromisoformat(text)
        if at is not None and (at >= limit if operator == "ge" else at < limit):
            return True
    return False


@contextmanager
def running(central: FakeCentral) -> Iterator[FakeCentral]:
    """Serve on a free port of 127.0.0.1."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # or each small answer waits 40 ms for an acknowledgement

        def do_GET(self) -> None:
            self._serve()

        def do_POST(self) -> None:
            self._serve()

        def _serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            token = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
            status, headers, answer = central.answer(self.command, self.path, token, body)
            answer = central.mangle(self.path, answer)
            cut = headers.get("X-Cut")
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer if cut is None else answer[: len(answer) // 2])
            if cut == "hang":  # as a database does that died: half a body, and the socket stays open
                self.wfile.flush()
                central.waited_out |= not central.hanging.wait(2)
            if cut is not None:
                self.close_connection = True

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    central.address = f"http://127.0.0.1:{server.server_port}"
    try:
        yield central
    finally:
        central.hanging.set()
        server.shutdown()
        server.server_close()
        thread.join()
