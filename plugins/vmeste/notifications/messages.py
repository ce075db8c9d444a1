"""What is said: an event and its facts become a subject, a text in Russian and a link.

A message goes through mail servers and chats that are not ours, so its facts are numbers, names of releases, of DAGs
and of tasks, and links to this Airflow; nothing else passes. What a person wrote (a reason, an answer) is read where
the link leads.
"""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from vmeste.notifications.settings import ROLES
from vmeste.releases import russian

TEMPLATES = Path(__file__).parent / "templates"

AUDIENCE: dict[str, tuple[str, ...]] = {
    "awaiting_approval": (),  # the one who is asked, and nobody else
    "reminder": (),
    "released": ROLES,
    "page": ("readers",),  # beside ``released``, with the page itself; by mail alone
    "rejected": ROLES,
    "overdue": ROLES,
    "failed": ("engineer",),
    "recovered": ("engineer",),
    "check_failed": ("engineer", "method"),
    "quarantine_growing": ("engineer", "method"),
    "follow_ups_due": ("method",),
}
"""Event → who is told by e-mail. A webhook is told of all but ``page``."""

PATTERNS: dict[str, str] = {
    "release_id": r"\d{4}-Q[1-4]-r\d+",
    "quarter": r"\d{4}-Q[1-4]",
    "role": "method|director",
    "dag_id": r"[a-z_]+",
    "task_id": r"[\w.]+",
    "link": r"https?://[\w.:\[\]-]+/?[\w./%~:+-]*(?:\?map_index=-1)?",
    "page": r"\S+/\d{4}-Q[1-4]-r\d+\.pdf",
}
"""Fact → all that it may be; a fact that is not here is a number."""

Fact = str | int


class FactError(ValueError):
    """A message would say what it must not; names the fact, never its value."""


@dataclass(frozen=True, slots=True)
class Message:
    """What is sent; ``to`` are roles."""

    event: str
    to: tuple[str, ...]
    subject: str
    text: str
    link: str
    facts: Mapping[str, Fact]
    attachment: Path | None = None

    @property
    def html(self) -> str:
        """The text as HTML for a mail: a paragraph a line, and the link."""
        lines = "".join(f"<p>{html.escape(line)}</p>" for line in self.text.splitlines() if line.strip())
        link = html.escape(self.link, quote=True)
        return f'<html lang="ru"><body>{lines}<p><a href="{link}">{link}</a></p></body></html>'

    @property
    def json(self) -> dict[str, object]:
        """The message for a webhook: ``text`` as chats want it, and the event with its facts for a program."""
        return {
            "event": self.event,
            "subject": self.subject,
            "text": f"{self.subject}\n\n{self.text}\n\n{self.link}",
            "link": self.link,
            "facts": {name: fact for name, fact in self.facts.items() if name not in ("link", "page")},
        }


def message(event: str, facts: Mapping[str, Fact], attachment: Path | None = None) -> Message:
    """Return the message of an event.

    Args:
        event: one of ``AUDIENCE``.
        facts: what its template names; ``link`` always.
        attachment: a file that goes with the mail.

    Raises:
        FactError: a fact is of a kind that must not be told.
        UndefinedError: the template needs a fact that is not given.
    """
    for name, fact in facts.items():
        if not _may_be_told(name, fact):
            raise FactError(f"{event}: the fact {name!r} is neither a number nor of its pattern: it is not told")
    role = str(facts.get("role", ""))
    subject, _, text = _environment().get_template(f"{event}.j2").render(facts).partition("\n")
    return Message(
        event=event,
        to=AUDIENCE[event] or (role,),
        subject=f"Вместе: {subject.strip()}",
        text=text.strip(),
        link=str(facts["link"]),
        facts=dict(facts),
        attachment=attachment,
    )


def _may_be_told(name: str, fact: Fact) -> bool:
    if name in PATTERNS:
        return isinstance(fact, str) and re.fullmatch(PATTERNS[name], fact) is not None
    return isinstance(fact, int)


@cache
def _environment() -> Environment:
    # plain text: what goes into HTML is escaped there
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        autoescape=False,  # noqa: S701
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["counted"] = russian.counted
    return environment
