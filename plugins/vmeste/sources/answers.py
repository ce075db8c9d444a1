"""From the fields of a server's record to a form's answers, the same for every server.

Servers differ in how they nest and write values; what they mean by a name does not differ: the last part of a path is
the question's name, unless sources.yml translates the field. What the form does not know is kept beside the answers.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from vmeste.forms import REPEAT, Form, Question
from vmeste.forms.repeats import members_text
from vmeste.sources.config import ServerForm
from vmeste.sources.errors import FormUnusable, SourceError

_CLOCK = re.compile(r"(\d{2}:\d{2})(:\d{2})?(?:\.\d+)?(?:Z|[+-]\d{2}:?\d{2})?")


@dataclass(slots=True)
class AnswerReader:
    """Reads the records of one form from one source."""

    form: Form
    origin: ServerForm
    zone: ZoneInfo
    place: str  # the source and the form, for messages
    _fields: dict[str, str] = field(default_factory=dict, init=False)  # question → the field that answers it
    _questions: dict[str, Question] = field(default_factory=dict, init=False)
    _members: dict[str, Question] = field(default_factory=dict, init=False)  # question of a repeat → it

    def __post_init__(self) -> None:
        """Raises ``SourceError`` if sources.yml names a question that the form does not have."""
        self._questions = {question.name: question for question in self.form.questions}
        self._members = {member.name: member for repeat in self.form.repeats for member in repeat.members}
        translated = [name for name in self.origin.columns.values() if name is not None]
        for key, names in (("columns", translated), ("choices", self.origin.choices)):
            for name in names:
                if name not in self._questions | self._members:
                    raise SourceError(
                        f"sources.yml, {self.place}, {key}: the form has no question {name!r}. Expected one of "
                        f"{', '.join(self._questions | self._members)}"
                    )

    def question_of(self, path: str) -> Question | None:
        """Return the question that a field answers, ``None`` if the form does not know it.

        Raises:
            FormUnusable: another field answers that question already; which of them counts nobody can say.
        """
        name = self.name_of(path)
        if name not in self._questions:
            return None
        # a question that moved to another group has two paths, each in records of its own: sources.yml may name both
        if self._fields.setdefault(name, path) != path and path not in self.origin.columns:
            raise FormUnusable(
                f"{self.place}: two fields answer {name}: {self._fields[name]} and {path}. Rename one on the server, "
                f"or say in sources.yml that one is no question: columns: {{{path}: null}}"
            )
        return self._questions[name]

    def name_of(self, path: str, repeat: str = "") -> str:
        """Return which question a field answers, if the form has one of that name; sources.yml may say that none.

        Args:
            path: of the field; of one within a repeat it begins there.
            repeat: path of the repeat, if it is one within a repeat.
        """
        columns, last = self.origin.columns, path.rsplit("/", 1)[-1]
        keys = (f"{repeat}/{path}" if repeat else path, path, last)
        return next((columns[key] or "" for key in keys if key in columns), last)

    def read(self, fields: Mapping[str, Any]) -> tuple[dict[str, str | None], dict[str, Any]]:
        """Return the answers by question and what the form does not know.

        Args:
            fields: path of a field (groups parted by ``/``) → its value as the server's JSON has it. The value of a
                repeat is a list with such a mapping a member, paths beginning inside of the repeat.
        """
        answers: dict[str, str | None] = dict.fromkeys(self._questions)
        extra: dict[str, Any] = {}
        for path, value in fields.items():
            question = self.question_of(path)
            if question is not None and answers[question.name] is not None:
                if value in (None, "", []):
                    continue
                raise FormUnusable(
                    f"{self.place}: in one submission two fields answer {question.name}, {path} the second. Say in "
                    f"sources.yml that one is no question: columns: {{{path}: null}}"
                )
            if question is not None and question.kind == REPEAT and isinstance(value, list):
                answers[question.name] = self._members_of(path, value, question, extra)
            elif question is not None:
                answers[question.name] = self._canonical(value, question)
            elif value not in (None, "", [], {}):
                extra[path] = value
        return answers, extra

    def _members_of(self, path: str, value: list[Any], repeat: Question, extra: dict[str, Any]) -> str | None:
        if not all(isinstance(member, Mapping) for member in value):
            return json.dumps(value, ensure_ascii=False, sort_keys=True)  # validation says that it is no repeat
        asked = {member.name: member for member in repeat.members}
        members: list[dict[str, str | None]] = []
        for position, fields in enumerate(value, start=1):
            answered: dict[str, str | None] = {}
            for inner, answer in fields.items():
                name = self.name_of(inner, path)
                if name in answered:
                    raise FormUnusable(
                        f"{self.place}: two fields of the repeat {repeat.name} answer {name}. Rename one on the "
                        f"server, or say in sources.yml that one is no question: columns: {{{path}/{inner}: null}}"
                    )
                if name in asked:
                    answered[name] = self._canonical(answer, asked[name])
                elif answer not in (None, "", [], {}):
                    extra[f"{path}[{position}]/{inner}"] = answer
            members.append(answered)
        return members_text(members)

    def _canonical(self, value: Any, question: Question) -> str | None:
        match value:
            case None:
                return None
            case bool():
                text = "1" if value else "0"
            case int():
                text = str(value)
            case float():
                text = str(int(value)) if value.is_integer() and abs(value) < 2**53 else repr(value)
            case str():
                text = value.strip()
            case list() if question.kind == "select_multiple":
                text = " ".join(str(item).strip() for item in value)
            case _:
                text = json.dumps(value, ensure_ascii=False, sort_keys=True) if value else ""
        if not text:
            return None
        codes = self.origin.choices.get(question.name)
        if codes:
            if question.kind == "select_multiple":
                return " ".join(codes.get(code, code) for code in text.split())
            return codes.get(text, text)
        if question.kind == "time" and (clock := _CLOCK.fullmatch(text)):
            return clock[1] + (clock[2] or ":00")
        if question.kind == "dateTime":
            return self._moment_text(text)
        return text

    def _moment_text(self, text: str) -> str:
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            return text  # validation says what is wrong with it
        return (moment if moment.tzinfo else moment.replace(tzinfo=self.zone)).isoformat()


def moment(text: str, zone: ZoneInfo) -> datetime:
    """Return an ISO moment in UTC; ``zone`` is meant where it names none.

    Raises:
        ValueError: it is no moment.
    """
    found = datetime.fromisoformat(text)
    return (found if found.tzinfo else found.replace(tzinfo=zone)).astimezone(UTC)
