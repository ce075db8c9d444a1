"""What a form is, once it has been read: the records that everything else in the pipeline is driven by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

REPEAT = "repeat"
"""The kind of a question whose answer is a list."""

WORDING = "wording"
"""The question that says in which wording a submission was asked (``vmeste.forms.wordings``)."""

FIRST_WORDING = "ward"
"""The wording in which ``label_ru`` and ``label_en`` themselves are."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong in a form's definition, and what to do about it."""

    form_id: str
    line: int | None  # in the form's Markdown file, from 1; None where no single line is to blame
    subject: str  # the question, the choice list, the setting …
    message: str
    way_out: str

    def __str__(self) -> str:
        place = self.form_id if self.line is None else f"{self.form_id}, line {self.line}"
        return f"{place}: {self.subject}: {self.message}. Way out: {self.way_out}."


class FormError(Exception):
    """A form cannot be used. ``problems`` holds what ``vmeste forms check`` would say of it."""

    def __init__(self, message: str, problems: Sequence[Problem] = ()) -> None:
        super().__init__("\n".join([message, *(f"  {problem}" for problem in problems)]))
        self.problems: tuple[Problem, ...] = tuple(problems)


@dataclass(frozen=True, slots=True)
class Choice:
    """One answer of a choice list: the stored code and its labels."""

    name: str
    label_ru: str
    label_en: str


@dataclass(frozen=True, slots=True)
class Wording:
    """How a question reads in another wording than the first; ``code`` is an answer to the question ``wording``."""

    code: str
    label_ru: str
    label_en: str


@dataclass(frozen=True, slots=True)
class Condition:
    """A question is asked when the answer to ``question`` is (or, in a multiple choice, includes) one of ``values``."""

    question: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Question:
    """One question of a form.

    ``minimum`` and ``maximum`` are inclusive whatever the constraint's operator was. ``pattern`` is anchored
    (``^…$``). ``is_required`` counts only where the question is asked, that is where ``relevant_when`` holds.

    A repeat is a question whose answer is a list (``vmeste.forms.repeats``); ``members`` are the questions that are
    asked for each entry of it. ``relevant_when`` of a member is about a member.
    """

    name: str
    kind: str  # text | integer | decimal | date | time | dateTime | select_one | select_multiple | repeat
    label_ru: str
    label_en: str
    hint_ru: str | None
    hint_en: str | None
    privacy: str  # open | restricted | vault
    key: str | None  # mentee | mentor | pair | curator: the code is exchanged for that person's or pair's random key
    is_required: bool
    choices: tuple[Choice, ...]
    list_name: str | None
    minimum: float | None
    maximum: float | None
    pattern: str | None
    not_in_future: bool
    constraint_message_ru: str | None
    relevant: str | None  # as written
    relevant_when: Condition | None  # the same, parsed
    members: tuple[Question, ...] = ()
    wordings: tuple[Wording, ...] = ()

    @property
    def labels(self) -> tuple[str, ...]:
        """All texts under which people read the question, in any language and wording: exports bear one of them."""
        others = (text for wording in self.wordings for text in (wording.label_ru, wording.label_en))
        return (self.label_ru, self.label_en, *others)


@dataclass(frozen=True, slots=True)
class Form:
    """One instrument: its questions in the order in which they are asked, those of repeats inside of the repeat.

    Answers can be compared from ``major_version`` on: the version in which the items last changed what they measure,
    empty while they never have.
    """

    form_id: str
    version: str  # YYYYMMDDNN
    title_ru: str
    title_en: str
    questions: tuple[Question, ...]
    path: Path
    major_version: str = ""

    def question(self, name: str) -> Question:
        """Return the question of that name; ``FormError`` if the form has none."""
        for question in self.questions:
            if question.name == name:
                return question
        known = ", ".join(question.name for question in self.questions)
        raise FormError(f"{self.form_id} has no question {name!r}; it has {known}")

    @property
    def repeats(self) -> tuple[Question, ...]:
        """The questions whose answer is a list."""
        return tuple(question for question in self.questions if question.kind == REPEAT)

    @property
    def every_question(self) -> tuple[Question, ...]:
        """All questions, those of a repeat after the repeat itself."""
        return tuple(entry for question in self.questions for entry in (question, *question.members))

    @property
    def open_questions(self) -> tuple[Question, ...]:
        """The questions whose answers may be stored outside the vault (open and restricted)."""
        return tuple(question for question in self.questions if question.privacy != "vault")

    @property
    def vault_questions(self) -> tuple[Question, ...]:
        """The questions whose answers only the vault holds, codes of persons and pairs among them."""
        return tuple(question for question in self.questions if question.privacy == "vault")

    @property
    def key_questions(self) -> tuple[Question, ...]:
        """The codes: vault questions whose answer is exchanged for a random key."""
        return tuple(question for question in self.questions if question.key is not None)
