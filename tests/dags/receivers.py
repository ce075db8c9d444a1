"""A real mail server and a real HTTP receiver on this machine, which keep what they are sent."""

from __future__ import annotations

import asyncio
import email
import email.policy
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

FROM = "vmeste@example.org"


@dataclass
class Mailbox:
    """What came by mail: recipients and message; ``replies`` are given before mails are taken, one a mail."""

    port: int = 0
    mails: list[tuple[list[str], EmailMessage]] = field(default_factory=list)
    replies: list[str] = field(default_factory=list)
    seconds: float = 0.0

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 - its name
        await asyncio.sleep(self.seconds)
        if self.replies:
            return self.replies.pop(0)
        parsed = email.message_from_bytes(envelope.content or b"", policy=email.policy.default)
        assert isinstance(parsed, EmailMessage)
        self.mails.append((list(envelope.rcpt_tos), parsed))
        return "250 OK"

    @property
    def connection(self) -> str:
        """As it stands in ``AIRFLOW_CONN_…``."""
        extra = {"from_email": FROM, "disable_ssl": True, "disable_tls": True, "retry_limit": 0}
        return json.dumps({"conn_type": "smtp", "host": "127.0.0.1", "port": self.port, "extra": extra})


@dataclass
class Hook:
    """What was posted: path, headers and JSON; ``statuses`` are answered first, one a request."""

    port: int = 0
    posts: list[tuple[str, dict[str, str], Any]] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def connection(self) -> str:
        """As it stands in ``AIRFLOW_CONN_…``."""
        return json.dumps({"conn_type": "http", "host": f"http://127.0.0.1:{self.port}/hooks/made-up-secret"})


@contextmanager
def mail_server() -> Iterator[Mailbox]:
    """Serve SMTP on a free port."""
    box = Mailbox(port=free_port())
    controller = Controller(box, hostname="127.0.0.1", port=box.port)
    controller.start()
    try:
        yield box
    finally:
        controller.stop()


@contextmanager
def http_receiver() -> Iterator[Hook]:
    """Serve HTTP on a free port."""
    hook = Hook()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            time.sleep(hook.seconds)
            status = hook.statuses.pop(0) if hook.statuses else 200
            hook.posts.append((self.path, dict(self.headers), body))
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Keep quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    hook.port = server.server_address[1]
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield hook
    finally:
        server.shutdown()
        server.server_close()


def free_port() -> int:
    """Return a port on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
