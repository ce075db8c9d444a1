"""The rows of a form's sheets, checked one by one and made into records."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from vmeste.forms.expressions import Constraint, ExpressionError, parse_constraint, parse_relevant
from vmeste.forms.model import FIRST_WORDING, REPEAT, WORDING, Choice, Condition, Form, Problem, Question, Wording
from vmeste.forms.tables import Row, Sheet, Tables

BEGIN_REPEAT, END_REPEAT = "begin_repeat", "end_repeat"
KINDS = ("text", "integer", "decimal", "date", "time", "dateTime", "select_one", "select_multiple")
PRIVACY_CLASSES = ("open", "restricted", "vault")
KEYS = ("mentee", "mentor", "pair", "curator")
NAMESPACE = 'vmeste="http://vmeste.example/xforms"'
DEFAULT_LANGUAGE = "Русский (ru)"

RU, EN = "Русский (ru)", "English (en)"
OTHER_WORDINGS = ("graduate",)
PRIVACY_COLUMN, KEY_COLUMN = "bind::vmeste:privacy", "bind::vmeste:key"
SURVEY_COLUMNS = (
    "type", "name", PRIVACY_COLUMN, KEY_COLUMN, "required", "relevant", "constraint", "appearance",
    *(f"{text}::{language}" for text in ("label", "hint", "constraint_message") for language in (RU, EN)),
    *(f"label_{wording}::{language}" for wording in OTHER_WORDINGS for language in (RU, EN)),
)  # fmt: skip
CHOICES_COLUMNS = ("list_name", "name", f"label::{RU}", f"label::{EN}")
SETTINGS_COLUMNS = ("form_title", "title_en", "form_id", "version", "major_version", "default_language", "namespaces")

# System columns of the sources, parts of every XForm, PostgreSQL's own columns: a question of that name could not be
# told from them.
RESERVED_NAMES = frozenset(
    {"submission_id", "submitted_at", "updated_at", "form_version", "review_state", "key"}
    | {"meta", "instanceid", "instancename"}
    | {"ctid", "xmin", "xmax", "cmin", "cmax", "tableoid"}
)
_MAX_NAME_BYTES = 63  # PostgreSQL cuts longer identifiers

_NAME_WAY_OUT = "use small ASCII letters, digits and _, beginning with a letter; what people read is the label"


class FormParser:
    """One reading of one form: ``form`` is as good as the rows allow, ``problems`` says what is wrong with them."""

    def __init__(self, path: Path, tables: Tables) -> None:
        self.path = path
        self.problems: list[Problem] = []
        for name, sheet, columns in (
            ("survey", tables.survey, SURVEY_COLUMNS),
            ("choices", tables.choices, CHOICES_COLUMNS),
            ("settings", tables.settings, SETTINGS_COLUMNS),
        ):
            for column in sheet.columns:
                if column not in columns:
                    self._refuse(
                        sheet.line, column, f"the sheet {name} has no such column", f"use one of {', '.join(columns)}"
                    )
        self._lists = self._read_choices(tables.choices)
        self._used_lists: set[str] = set()
        self._questions: dict[str, Question] = {}  # every one, those of repeats too: their names share one form
        self._member_of: dict[str, str] = {}  # question → the repeat that asks it
        self._open_repeat: Row | None = None
        self._read_survey(tables.survey)
        for name in self._lists.keys() - self._used_lists:
            line = next(row.line for row in tables.choices.rows if row.get("list_name") == name)
            self._refuse(line, name, "no question uses this choice list", "remove it, or mend the question's type")
        settings = self._read_settings(tables.settings)
        self.form = Form(
            form_id=settings.get("form_id", ""),
            version=settings.get("version", ""),
            title_ru=settings.get("form_title", ""),
            title_en=settings.get("title_en", ""),
            questions=tuple(self._nested()),
            path=path,
            major_version=settings.get("major_version", ""),
        )

    def _refuse(self, line: int | None, subject: str, message: str, way_out: str) -> None:
        self.problems.append(Problem(self.path.stem, line, subject, message, way_out))

    # settings

    def _read_settings(self, sheet: Sheet) -> Mapping[str, str]:
        first, *others = sheet.rows
        for row in others:
            self._refuse(row.line, "settings", "the form has two rows of settings", "keep one")
        form_id = first.get("form_id") or ""
        if form_id != self.path.stem:
            self._refuse(
                first.line, "form_id", f"it is {form_id!r} and the file {self.path.name!r}", "make them the same"
            )
        if not _is_name(self.path.stem):
            self._refuse(None, "form_id", "it must become the name of a table", _NAME_WAY_OUT)
        if not re.fullmatch(r"[0-9]{10}", first.get("version") or ""):
            self._refuse(first.line, "version", f"{first.get('version')!r} is no version", "write YYYYMMDDNN")
        major, version = first.get("major_version"), first.get("version") or ""
        if major is not None and not (re.fullmatch(r"[0-9]{10}", major) and major <= version):
            way_out = "write the version (YYYYMMDDNN) since which answers can be compared, or leave it empty"
            self._refuse(first.line, "major_version", f"{major!r} is no version up to {version}", way_out)
        for column in ("form_title", "title_en"):
            if not first.get(column):
                self._refuse(first.line, column, "the title is missing", "give a Russian and an English title")
        for column, wanted in (("default_language", DEFAULT_LANGUAGE), ("namespaces", NAMESPACE)):
            if first.get(column) != wanted:
                self._refuse(first.line, column, f"it is {first.get(column)!r}", f"write {wanted}")
        return first.cells

    # choices

    def _read_choices(self, sheet: Sheet) -> dict[str, tuple[Choice, ...]]:
        lists: dict[str, dict[str, Choice]] = {}
        for row in sheet.rows:
            list_name, name = row.get("list_name") or "", row.get("name") or ""
            subject = f"choice {list_name}/{name}"
            if not list_name or not name:
                self._refuse(row.line, subject, "list_name or name is missing", "give both")
                continue
            if not re.fullmatch(r"[A-Za-z0-9_-]+", name):
                way_out = "use ASCII letters, digits, _ and -: codes of a multiple choice are separated by spaces"
                self._refuse(row.line, subject, f"{name!r} is no code", way_out)
            label_ru, label_en = self._pair(row, "label", subject, is_required=True)
            if name in lists.setdefault(list_name, {}):
                self._refuse(row.line, subject, "the choice is there twice", "remove one, or give it its own code")
                continue
            self._check_label(row, subject, (label_ru, label_en), lists[list_name].values(), "choice of this list")
            lists[list_name][name] = Choice(name, label_ru or "", label_en or "")
        return {name: tuple(choices.values()) for name, choices in lists.items()}

    # survey

    def _read_survey(self, sheet: Sheet) -> None:
        for row in sheet.rows:
            if row.get("type") == BEGIN_REPEAT:
                self._begin_repeat(row)
            elif row.get("type") == END_REPEAT:
                self._end_repeat(row)
            else:
                self._read_question(row)
        if self._open_repeat is not None:
            name = self._open_repeat.get("name") or BEGIN_REPEAT
            way_out = f"write {END_REPEAT} after its last question"
            self._refuse(self._open_repeat.line, name, "the repeat has no end", way_out)

    def _begin_repeat(self, row: Row) -> None:
        name = row.get("name") or ""
        if self._open_repeat is not None:
            way_out = "end the first one before it, or ask its questions in the first one"
            self._refuse(row.line, name, "a repeat inside of a repeat", way_out)
        self._open_repeat = None
        self._read_question(row)
        self._open_repeat = row

    def _end_repeat(self, row: Row) -> None:
        begun, self._open_repeat = self._open_repeat, None
        if begun is None:
            self._refuse(row.line, END_REPEAT, "no repeat is open here", f"write {BEGIN_REPEAT} before its first row")
        elif begun.get("name") not in self._member_of.values():
            way_out = f"ask something between {BEGIN_REPEAT} and {END_REPEAT}, or remove both"
            self._refuse(begun.line, begun.get("name") or "", "the repeat asks nothing", way_out)

    def _nested(self) -> Iterable[Question]:
        for question in self._questions.values():
            if question.name not in self._member_of:
                members = (name for name, repeat in self._member_of.items() if repeat == question.name)
                yield replace(question, members=tuple(self._questions[name] for name in members))

    def _read_question(self, row: Row) -> None:
        name = row.get("name") or ""
        self._check_name(row, name)
        kind, list_name = self._read_type(row, name)
        choices = self._lists.get(list_name, ()) if list_name else ()
        privacy, key = self._read_privacy(row, name, kind)
        label_ru, label_en = self._pair(row, "label", name, is_required=True)
        hint_ru, hint_en = self._pair(row, "hint", name)
        message_ru, _ = self._pair(row, "constraint_message", name)
        constraint = self._read_constraint(row, name, kind)
        if message_ru and not row.get("constraint"):
            self._refuse(row.line, name, "a constraint_message without a constraint", "add the constraint or remove it")
        if row.get("constraint") and not message_ru:
            way_out = "say to the person who answers what is expected"
            self._refuse(row.line, name, "a constraint without a constraint_message", way_out)
        required = row.get("required") or "no"
        if required not in ("yes", "no"):
            way_out = "write yes or no; a required question with `relevant` is required only where it is asked"
            self._refuse(row.line, name, f"required is {required!r}", way_out)
        condition = self._read_relevant(row, name)
        if name in self._questions:
            self._refuse(row.line, name, "the name is there twice", "rename one of the two questions")
            return
        if self._open_repeat is not None:
            self._member_of[name] = self._open_repeat.get("name") or ""
        self._check_label(row, name, (label_ru, label_en), self._questions.values(), "question")
        self._questions[name] = Question(
            name=name,
            kind=kind,
            label_ru=label_ru or "",
            label_en=label_en or "",
            hint_ru=hint_ru,
            hint_en=hint_en,
            privacy=privacy,
            key=key,
            is_required=required == "yes",
            choices=choices,
            list_name=list_name,
            minimum=constraint.minimum,
            maximum=constraint.maximum,
            pattern=constraint.pattern,
            not_in_future=constraint.not_in_future,
            constraint_message_ru=message_ru,
            relevant=row.get("relevant"),
            relevant_when=condition,
            wordings=self._read_wordings(row, name),
        )

    def _read_wordings(self, row: Row, name: str) -> tuple[Wording, ...]:
        wordings = []
        for code in OTHER_WORDINGS:
            label_ru, label_en = self._pair(row, f"label_{code}", name)
            if not label_ru or not label_en:
                continue
            asked = self._questions.get(WORDING)
            if asked is None or not {FIRST_WORDING, code} <= {choice.name for choice in asked.choices}:
                way_out = f"ask above `select_one {WORDING}` with the choices {FIRST_WORDING} and {code}"
                self._refuse(row.line, name, f"nothing says whether it was asked as label_{code}", way_out)
            self._check_label(row, name, (label_ru, label_en), self._questions.values(), "question")
            wordings.append(Wording(code, label_ru, label_en))
        return tuple(wordings)

    def _check_name(self, row: Row, name: str) -> None:
        subject = name or "question"
        if not name:
            self._refuse(row.line, subject, "the name is missing", _NAME_WAY_OUT)
        elif not name.isascii():
            # The form server's OData turns every letter that is not ASCII into the same sign: names would collide.
            self._refuse(row.line, subject, "the name is not ASCII", _NAME_WAY_OUT)
        elif name.startswith("_") or name.lower() in RESERVED_NAMES:
            self._refuse(row.line, subject, "the name is reserved for the pipeline", "choose another name")
        elif name.endswith("_key"):
            self._refuse(row.line, subject, "names in _key are the pipeline's own random keys", "choose another name")
        elif len(name.encode()) > _MAX_NAME_BYTES:
            self._refuse(row.line, subject, f"the name is longer than {_MAX_NAME_BYTES} bytes", "shorten it")
        elif not _is_name(name):
            self._refuse(row.line, subject, f"{name!r} is no column name", _NAME_WAY_OUT)
        elif row.get("type") == BEGIN_REPEAT and len(f"{self.path.stem}__{name}") > _MAX_NAME_BYTES:
            message = f"with the form's id before it the name is longer than {_MAX_NAME_BYTES} bytes"
            self._refuse(row.line, subject, message, "shorten it")

    def _read_type(self, row: Row, name: str) -> tuple[str, str | None]:
        kind, _, list_name = (row.get("type") or "").partition(" ")
        list_name = list_name.strip()
        if kind == BEGIN_REPEAT and not list_name:
            return REPEAT, None
        if kind not in KINDS:
            way_out = (
                f"use one of {', '.join((*KINDS, BEGIN_REPEAT, END_REPEAT))}; what should only be read goes into a hint"
            )
            self._refuse(row.line, name, f"the type {kind!r} is not supported", way_out)
        elif kind.startswith("select_"):
            if list_name not in self._lists:
                way_out = "write `select_one list_name` and give the list's choices in the sheet choices"
                self._refuse(row.line, name, f"there is no choice list {list_name!r}", way_out)
            self._used_lists.add(list_name)
            return kind, list_name
        elif list_name:
            self._refuse(row.line, name, f"{kind} takes no choice list", f"write {kind} alone")
        return kind, None

    def _read_privacy(self, row: Row, name: str, kind: str) -> tuple[str, str | None]:
        privacy, key = row.get(PRIVACY_COLUMN) or "", row.get(KEY_COLUMN)
        if kind == REPEAT:
            for column in (PRIVACY_COLUMN, KEY_COLUMN, "constraint", "appearance"):
                if row.get(column):
                    self._refuse(row.line, name, f"a repeat takes no {column}", "give it to the questions inside")
            if row.get("required") == "yes":
                way_out = "write an expectation about it (expectations/): servers do not ask for a first member"
                self._refuse(row.line, name, "a repeat cannot be required", way_out)
            return "open", None  # of itself; each question inside has its own class
        if privacy not in PRIVACY_CLASSES:
            way_out = f"write one of {', '.join(PRIVACY_CLASSES)} into {PRIVACY_COLUMN}"
            self._refuse(row.line, name, f"the privacy class {privacy!r} is unknown", way_out)
        if key is None:
            return privacy, None
        if key not in KEYS:
            self._refuse(row.line, name, f"the key {key!r} is unknown", f"use one of {', '.join(KEYS)}, or none")
        if privacy != "vault":
            self._refuse(
                row.line, name, "a code with a key must stay in the vault", f"write vault into {PRIVACY_COLUMN}"
            )
        if kind != "text" or not name.endswith("_code"):
            way_out = "make it a text question whose name ends in _code: the key's column is named after it"
            self._refuse(row.line, name, "a key belongs to a code", way_out)
        return privacy, key

    def _read_constraint(self, row: Row, name: str, kind: str) -> Constraint:
        text = row.get("constraint")
        if text is None:
            return Constraint()
        try:
            return parse_constraint(text, kind)
        except ExpressionError as error:
            self._refuse(row.line, name, f"constraint: {error.message}", error.way_out)
            return Constraint()

    def _read_relevant(self, row: Row, name: str) -> Condition | None:
        text = row.get("relevant")
        if text is None:
            return None
        try:
            condition = parse_relevant(text)
        except ExpressionError as error:
            self._refuse(row.line, name, f"relevant: {error.message}", error.way_out)
            return None
        asked = self._questions.get(condition.question)
        if asked is None:
            way_out = "ask about a question that stands above this one"
            self._refuse(row.line, name, f"relevant: there is no {condition.question!r} before it", way_out)
        elif self._member_of.get(asked.name) != (self._open_repeat.get("name") if self._open_repeat else None):
            way_out = "ask about a question of the same repeat, or give the relevance to the whole repeat"
            self._refuse(row.line, name, f"relevant: {asked.name} is not asked beside it", way_out)
        elif not asked.choices or asked.privacy == "vault":
            # Outside the vault the pipeline checks the condition again: it must be able to see the answer.
            way_out = "ask about a choice question that is not in the vault"
            self._refuse(row.line, name, f"relevant: {asked.name} cannot be compared with codes", way_out)
        else:
            for value in condition.values:
                if value not in {choice.name for choice in asked.choices}:
                    way_out = f"use a code of {asked.list_name}"
                    self._refuse(row.line, name, f"relevant: {asked.name} has no choice {value!r}", way_out)
        return condition

    # texts

    def _check_label(
        self,
        row: Row,
        subject: str,
        labels: tuple[str | None, str | None],
        others: Iterable[Choice | Question],
        what: str,
    ) -> None:
        """Exports often bear labels instead of names: a label must lead back to one name only."""
        for other in others:
            for label, taken in zip(labels, (other.label_ru, other.label_en), strict=True):
                if label and label.casefold() == taken.casefold():
                    message = f"the {what} {other.name!r} has the same label {label!r}"
                    self._refuse(row.line, subject, message, "word one of the two differently")

    def _pair(self, row: Row, text: str, subject: str, *, is_required: bool = False) -> tuple[str | None, str | None]:
        """The Russian and the English text; both or, if not required, neither."""
        russian, english = row.get(f"{text}::{RU}"), row.get(f"{text}::{EN}")
        for language, given, other in ((RU, russian, english), (EN, english, russian)):
            if not given and (is_required or other):
                self._refuse(row.line, subject, f"the {text} in {language} is missing", f"fill in {text}::{language}")
        return russian, english


def _is_name(name: str) -> bool:
    return re.fullmatch(r"[a-z][a-z0-9_]*", name) is not None
