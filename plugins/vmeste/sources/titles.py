"""Questions and choices by their titles, for platforms where a person builds the form by hand.

Google Forms and Yandex Forms know no names of ours: a form there is typed in from the instrument, so its titles are our
labels and its options our choices' labels. sources.yml says the rest. What is translated here is not translated again.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from vmeste.forms import Form, Question
from vmeste.sources.answers import AnswerReader
from vmeste.sources.config import ServerForm
from vmeste.sources.errors import FormUnusable

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Item:
    """Something that can be answered on a server: its id, its title for people, and all that it is called.

    ``names`` are looked for in sources.yml and among our questions' names and labels, in this order.
    """

    item_id: str
    title: str
    names: tuple[str, ...] = ()


@dataclass(slots=True)
class Titles:
    """Finds the question that an item asks and the code that an option's text means; reads a form's answers."""

    form: Form
    origin: ServerForm
    zone: ZoneInfo
    place: str  # the source and the form, for messages
    _reader: AnswerReader = field(init=False)
    _scopes: dict[str, dict[str, Question]] = field(init=False)  # repeat, or "" → name or label → question
    _codes: dict[str, dict[str, str]] = field(init=False)  # question → code or label → code
    _said: dict[str, dict[str, str]] = field(init=False)  # question → what sources.yml translates → code

    def __post_init__(self) -> None:
        """Raises ``SourceError`` if sources.yml names a question that the form does not have."""
        AnswerReader(self.form, self.origin, self.zone, self.place)
        # with the choices that are translated here a code would be translated twice: {"1": "2", "2": "1"}
        coded = {question.name for question in self.form.every_question if question.choices}
        choices = {name: codes for name, codes in self.origin.choices.items() if name not in coded}
        self._reader = AnswerReader(self.form, ServerForm(choices=choices), self.zone, self.place)
        self._scopes = {"": _by_wording(self.form.questions)}
        self._scopes |= {repeat.name: _by_wording(repeat.members) for repeat in self.form.repeats}
        self._codes = {
            question.name: _unambiguous(
                (text, choice.name) for choice in question.choices for text in (choice.label_ru, choice.label_en)
            )
            | {choice.name: choice.name for choice in question.choices}
            for question in self.form.every_question
        }
        self._said = {
            question.name: {_plain(text): code for text, code in self.origin.choices.get(question.name, {}).items()}
            for question in self.form.every_question
        }

    def questions_of(self, items: Sequence[Item], repeat: str = "") -> dict[str, Question]:
        """Return item id → question, for the items that ask a question of the form, or of one of its repeats.

        Raises:
            FormUnusable: two items ask the same question; which of the answers counts nobody can say.
        """
        found: dict[str, Question] = {}
        asked: dict[str, Item] = {}
        for item in items:
            question = self.question_of(item, repeat)
            if question is None:
                continue
            other = asked.setdefault(question.name, item)
            if other.item_id != item.item_id:
                raise FormUnusable(
                    f"{self.place}: two items on the server ask {question.name}: {other.title!r} ({other.item_id}) and "
                    f"{item.title!r} ({item.item_id}). Delete one on the server, give it another title, or say in "
                    f"sources.yml that one is no question: columns: {{{item.item_id}: null}}"
                )
            found[item.item_id] = question
        return found

    def question_of(self, item: Item, repeat: str = "") -> Question | None:
        """Return the question that one item asks; one that was removed from the server's form has an id alone."""
        scope = self._scopes[repeat]
        keys = (item.item_id, *item.names)
        said = next((key for key in keys if key in self.origin.columns), None)
        if said is not None:
            return scope.get(self.origin.columns[said] or "")
        return next((scope[plain] for plain in map(_plain, item.names) if plain in scope), None)

    def coded(self, question: Question, options: Sequence[Sequence[str]]) -> Any:
        """Return the answer to a choice question, for ``read``.

        Args:
            question: with a list of choices.
            options: what was chosen; each option by its text, which stands where no choice is meant (validation says
                so), and then by its ids on the server. The text is what the respondent saw, so it is surer than an id,
                and sources.yml is surer than both.
        """
        said = self._said[question.name]
        codes = self._codes[question.name]
        meant = [
            next((known[text] for known in (said, codes) for text in map(_plain, option) if text in known), None)
            for option in options
        ]
        written = [option[0] for option in options]
        if question.kind == "select_multiple":
            # a text of several words would fall apart into codes that nobody chose: it stays whole, with the others
            return meant if None not in meant else json.dumps(written, ensure_ascii=False)
        return meant[0] or written[0] if len(meant) == 1 else written

    def read(
        self, given: Iterable[tuple[Question, Item, Any]], unknown: Iterable[tuple[Item, Any]]
    ) -> tuple[dict[str, str | None], dict[str, Any]]:
        """Return the answers by question and what the form does not know.

        Args:
            given: which question, which item answered it, what was answered.
            unknown: answers to what is no question of the form.

        Raises:
            FormUnusable: one submission answers a question twice.
        """
        fields: dict[str, Any] = {}
        asked: dict[str, Item] = {}
        for question, item, value in given:
            if value in (None, "", []):
                continue  # an item that took another's place stands empty beside its answer
            if question.name in asked:
                other = asked[question.name]
                raise FormUnusable(
                    f"{self.place}: a submission answers {question.name} twice: {other.title!r} ({other.item_id}) and "
                    f"{item.title!r} ({item.item_id}). Say in sources.yml that one is no question: columns: "
                    f"{{{item.item_id}: null}}"
                )
            asked[question.name], fields[question.name] = item, value
        answers, extra = self._reader.read(fields)
        for item, value in unknown:
            if value not in (None, "", [], {}):
                title = item.title if item.title not in extra else f"{item.title} ({item.item_id})"
                extra[title] = value
        return answers, extra

    def unasked(self, asked: Mapping[str, Question]) -> list[str]:
        """Return the names of the form's questions that no item asks: their answers will all be empty."""
        names = {question.name for question in asked.values()}
        return [question.name for question in self.form.questions if question.name not in names]


def _by_wording(questions: Sequence[Question]) -> dict[str, Question]:
    """Return name or label → question; a name is surer than a label."""
    return _unambiguous((text, question) for question in questions for text in question.labels) | {
        question.name: question for question in questions
    }


def _plain(text: str) -> str:
    """Return a wording as it is compared: people copy it with line breaks and spaces that nobody sees."""
    return " ".join(text.split())


def _unambiguous(pairs: Iterable[tuple[str, T]]) -> dict[str, T]:
    """Return wording → what it means, without wordings that mean two things."""
    found: dict[str, list[T]] = {}
    for text, meant in pairs:
        found.setdefault(_plain(text), []).append(meant)
    return {text: meant[0] for text, meant in found.items() if text and all(other == meant[0] for other in meant)}
