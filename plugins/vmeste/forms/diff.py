"""``vmeste forms diff``: which changes of the instruments are safe, and which would break the history of answers."""

from __future__ import annotations

import subprocess
import tempfile
import unicodedata
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from enum import IntEnum
from pathlib import Path

from vmeste.forms.mapping import NOTHING_SAID, FormMapping, faults
from vmeste.forms.model import Choice, Form, FormError, Question
from vmeste.forms.reader import load_form, load_forms

ITEM_LISTS = frozenset({"a5", "s4"})
"""Choice lists of the items that make up scales: how such an item reads is what it measures."""

PRIVACY = ("open", "restricted", "vault")  # from the lowest class to the highest


class Verdict(IntEnum):
    """What a change does to the answers that there are."""

    SAFE = 0
    WARNING = 1
    BREAKS = 2


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that is otherwise in the new form, and what to do about it."""

    verdict: Verdict
    form_id: str
    subject: str
    message: str
    way_out: str = ""


def compare_forms(
    old: Mapping[str, Form], new: Mapping[str, Form], mappings: Mapping[str, FormMapping] | None = None
) -> list[Change]:
    """Return every change between two sets of forms, the worst first.

    Raises:
        FormError: a mapping is about a form that there is not in both, or says what the forms contradict.
    """
    mappings = mappings or {}
    wrong = [
        f"{form_id}: it is not among both the old and the new forms"
        for form_id in mappings
        if form_id not in old or form_id not in new
    ]
    for form_id in mappings.keys() & old.keys() & new.keys():
        wrong += [f"{form_id}: {fault}" for fault in faults(mappings[form_id], old[form_id], new[form_id])]
    if wrong:
        raise FormError("the mapping does not fit the forms:\n" + "\n".join(f"  {line}" for line in sorted(wrong)))
    changes: list[Change] = []
    for form_id in sorted(old.keys() | new.keys()):
        if form_id not in new:
            way_out = "keep the file while raw holds answers of it"
            changes.append(Change(Verdict.BREAKS, form_id, "form", "the form is gone", way_out))
        elif form_id not in old:
            changes.append(Change(Verdict.SAFE, form_id, "form", "a new form"))
        else:
            changes += compare(old[form_id], new[form_id], mappings.get(form_id, NOTHING_SAID))
    return sorted(changes, key=lambda change: -change.verdict)


def compare(old: Form, new: Form, mapping: FormMapping = NOTHING_SAID) -> list[Change]:
    """Return every change of one form. What a mapping accounts for is a warning, no longer a break."""
    return list(_Comparison(old, new, mapping).changes())


@contextmanager
def forms_at(place: str) -> Iterator[dict[str, Form]]:
    """Give the forms of a file, of a folder, or of either at a git revision: ``REVISION:path``, as git writes it.

    Raises:
        FormError: there is no such place, or a form there cannot be used.
    """
    path = Path(place)
    if path.is_dir():
        yield load_forms(path)
    elif path.exists():
        yield _by_id(load_form(path))
    elif ":" in place:
        with tempfile.TemporaryDirectory() as folder:
            for name, content in _at_revision(place):
                (Path(folder) / name).write_bytes(content)
            yield load_forms(Path(folder))
    else:
        raise FormError(f"there is no {place}: give a form (*.md), a folder of forms, or REVISION:path of either")


def _by_id(form: Form) -> dict[str, Form]:
    return {form.form_id: form}


def _at_revision(place: str) -> Iterator[tuple[str, bytes]]:
    revision, _, path = place.partition(":")
    names = [path]
    if not path.endswith(".md"):
        listed = _git("ls-tree", "--name-only", revision, f"{path.rstrip('/')}/").decode()
        names = [name for name in listed.splitlines() if name.endswith(".md")]
    for name in names:
        yield Path(name).name, _git("show", f"{revision}:{name}")


def _git(*arguments: str) -> bytes:
    try:
        return subprocess.run(["git", *arguments], capture_output=True, check=True, timeout=60).stdout
    except FileNotFoundError:
        raise FormError("git is not installed: give files or folders instead of a revision") from None
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        said = (error.stderr or b"").decode(errors="replace").strip()
        raise FormError(f"git {' '.join(arguments)} failed ({said}): give REVISION:path as git knows it") from None


@dataclass(frozen=True, slots=True)
class _Comparison:
    old: Form
    new: Form
    mapping: FormMapping

    def changes(self) -> Iterator[Change]:
        before = {question.name: question for question in self.old.every_question}
        after = {question.name: question for question in self.new.every_question}
        origin = {became: name for name, became in self.mapping.renamed.items()}
        yield from self._versions()
        for name, question in after.items():
            was = before.get(origin.get(name, name))
            if was is None:
                yield from self._added(question)
                continue
            if name in origin:
                message = f"renamed from {was.name}, as the mapping says"
                way_out = "what raw holds stays in the old column: read both in staging, `coalesce(new, old)`"
                yield self._change(Verdict.WARNING, name, message, way_out)
            yield from self._changed(was, question)
        gone = [question for name, question in before.items() if name not in after and name not in self.mapping.renamed]
        fresh = [question for name, question in after.items() if name not in before and name not in origin]
        for question in gone:
            yield self._gone(question, fresh)

    def _change(self, verdict: Verdict, subject: str, message: str, way_out: str = "") -> Change:
        return Change(verdict, self.new.form_id, subject, message, way_out)

    # the form

    def _versions(self) -> Iterator[Change]:
        old, new = self.old, self.new
        same = replace(new, version=old.version, path=old.path)
        if same != old and new.version <= old.version:
            message = f"the form has changed and its version has not been raised above {old.version}"
            yield self._change(Verdict.BREAKS, "version", message, "raise `version` (YYYYMMDDNN) in settings")
        if new.version < old.version and same == old:
            message = f"it went back from {old.version} to {new.version}"
            yield self._change(Verdict.BREAKS, "version", message, "raise `version` (YYYYMMDDNN) in settings")
        if new.major_version < old.major_version:
            message = f"it went back from {old.major_version} to {new.major_version or 'none'}"
            way_out = "keep it: answers before and after it measure different things"
            yield self._change(Verdict.BREAKS, "major_version", message, way_out)
        elif new.major_version > old.major_version:
            message = f"answers from {new.major_version} on are not compared with those before"
            yield self._change(Verdict.WARNING, "major_version", message, "say so beside the figures")
        if (old.title_ru, old.title_en) != (new.title_ru, new.title_en):
            yield self._change(Verdict.SAFE, "form_title", "the title is worded otherwise")

    @property
    def _is_major(self) -> bool:
        """Whether the new form says that its items measure something else from now on."""
        return self.new.major_version > max(self.old.major_version, self.old.version)

    # questions that are there once

    def _added(self, question: Question) -> Iterator[Change]:
        if not question.is_required:
            yield self._change(Verdict.SAFE, question.name, "a new question")
            return
        way_out = "make it not required, unless all sources ask it from now on"
        message = "a new required question: submissions and files of the old form have no answer to it"
        yield self._change(Verdict.WARNING, question.name, message, way_out)

    def _gone(self, question: Question, fresh: list[Question]) -> Change:
        if question.name in self.mapping.removed:
            message = "removed, as the mapping says: raw keeps its column and its answers"
            return self._change(Verdict.WARNING, question.name, message, "remove it from staging and its rules, too")
        heir = next((other for other in fresh if _is_likely_heir(question, other, self.old, self.new)), None)
        if heir is None:
            way_out = f"keep it, or say in the mapping `{self.new.form_id}: {{removed: [{question.name}]}}`"
            return self._change(Verdict.BREAKS, question.name, "the question is gone", way_out)
        way_out = (
            f"keep the name, or say in the mapping `{self.new.form_id}: {{renamed: {{{question.name}: {heir.name}}}}}`"
        )
        message = f"the question is gone; {heir.name} looks like it under another name"
        return self._change(Verdict.BREAKS, question.name, message, way_out)

    # questions that are there twice

    def _changed(self, was: Question, now: Question) -> Iterator[Change]:
        name = now.name
        if was.kind != now.kind:
            way_out = "give the new question a new name: the old answers keep their column and its type"
            yield self._change(Verdict.BREAKS, name, f"{was.kind} became {now.kind}", way_out)
        if _repeat_of(was, self.old) != _repeat_of(now, self.new):
            way_out = "give the new question a new name: its answers stand in another table"
            yield self._change(Verdict.BREAKS, name, "it moved into or out of a repeat", way_out)
        yield from self._privacy(was, now)
        yield from self._choices(was, now)
        yield from self._texts(was, now)
        yield from self._limits(was, now)

    def _privacy(self, was: Question, now: Question) -> Iterator[Change]:
        if was.key != now.key:
            way_out = "give the new question a new name: codes of different people have different keys"
            yield self._change(Verdict.BREAKS, now.name, f"its key was {was.key} and is {now.key}", way_out)
        if was.privacy == now.privacy or now.privacy not in PRIVACY or was.privacy not in PRIVACY:
            return
        message = f"its class was {was.privacy} and is {now.privacy}"
        if PRIVACY.index(now.privacy) < PRIVACY.index(was.privacy):
            way_out = "keep the class; what people told under it stays under it"
            yield self._change(Verdict.BREAKS, now.name, message, way_out)
        else:
            way_out = "what raw holds already stays there: drop the old answers by an erasure"
            yield self._change(Verdict.WARNING, now.name, message, way_out)

    def _choices(self, was: Question, now: Question) -> Iterator[Change]:
        before, after = ({choice.name: choice for choice in question.choices} for question in (was, now))
        said = self.mapping.choices.get(now.name, {})
        for code in after.keys() - before.keys():
            if code not in said.values():
                yield self._change(Verdict.SAFE, f"{now.name}/{code}", "a new choice")
        for code, choice in before.items():
            if code in after:
                yield from self._choice_text(now, choice, after[code])
            elif code in said:
                message = f"became {said[code]}, as the mapping says"
                way_out = "what raw holds keeps the old code: read both in staging"
                yield self._change(Verdict.WARNING, f"{now.name}/{code}", message, way_out)
            else:
                yield self._choice_gone(now, choice, before, after)

    def _choice_gone(
        self, now: Question, choice: Choice, before: Mapping[str, Choice], after: Mapping[str, Choice]
    ) -> Change:
        heirs = [code for code, other in after.items() if code not in before and _same(other.label_ru, choice.label_ru)]
        became = heirs[0] if heirs else "new_code"
        message = f"the choice is gone; {heirs[0]} has its label" if heirs else "the choice is gone"
        said = f"{self.new.form_id}: {{choices: {{{now.name}: {{{choice.name}: {became}}}}}}}"
        return self._change(
            Verdict.BREAKS, f"{now.name}/{choice.name}", message, f"keep it, or say in the mapping `{said}`"
        )

    def _choice_text(self, now: Question, was: Choice, choice: Choice) -> Iterator[Change]:
        if (was.label_ru, was.label_en) == (choice.label_ru, choice.label_en):
            return
        yield self._wording(now, f"{now.name}/{choice.name}", _same(was.label_ru, choice.label_ru))

    def _texts(self, was: Question, now: Question) -> Iterator[Change]:
        if (was.label_ru, was.label_en) != (now.label_ru, now.label_en):
            yield self._wording(now, now.name, _same(was.label_ru, now.label_ru))
        other, others = ({wording.code: wording for wording in question.wordings} for question in (was, now))
        for code in other.keys() | others.keys():
            if other.get(code) == others.get(code):
                continue
            if code in other and code in others:
                is_same = _same(other[code].label_ru, others[code].label_ru)
                yield self._wording(now, f"{now.name} ({code})", is_same)
            else:
                message = f"it {'has' if code in others else 'no longer has'} a text of its own for {code}"
                way_out = "compare answers within one wording alone"
                yield self._change(Verdict.WARNING, now.name, message, way_out)
        if (was.hint_ru, was.hint_en) != (now.hint_ru, now.hint_en):
            yield self._change(Verdict.SAFE, now.name, "the hint is worded otherwise")
        if was.constraint_message_ru != now.constraint_message_ru:
            yield self._change(Verdict.SAFE, now.name, "the message of its constraint is worded otherwise")

    def _wording(self, question: Question, subject: str, is_same: bool) -> Change:
        message = "the wording: does it still measure the same?"
        if is_same:
            return self._change(Verdict.SAFE, subject, "the wording, by the English text, case or punctuation alone")
        if question.list_name not in ITEM_LISTS:
            way_out = "if it does not, it is a new question: give it a new name"
            return self._change(Verdict.WARNING, subject, message, way_out)
        if self._is_major:
            return self._change(Verdict.WARNING, subject, "the wording of an item, with a new major version")
        way_out = "keep the wording, or set `major_version` in settings to the new version: changes end there"
        return self._change(Verdict.BREAKS, subject, f"the wording of an item of a scale; {message}", way_out)

    def _limits(self, was: Question, now: Question) -> Iterator[Change]:
        if now.is_required and not was.is_required:
            way_out = "old submissions without an answer go into quarantine when they are read again"
            yield self._change(Verdict.WARNING, now.name, "it is required now", way_out)
        elif was.is_required and not now.is_required:
            yield self._change(Verdict.SAFE, now.name, "it is no longer required")
        if was.relevant_when != now.relevant_when:
            way_out = "say so beside the figures: who is asked decides what they are a share of"
            yield self._change(Verdict.WARNING, now.name, "it is asked of others than before", way_out)
        tightened, loosened = _tightened(was, now), _tightened(now, was)
        if now.pattern is not None:
            loosened = [limit for limit in loosened if "pattern" not in limit]  # said as tighter: it may be both
        if tightened:
            way_out = "old answers outside of it go into quarantine when they are read again"
            yield self._change(Verdict.WARNING, now.name, f"its constraint is tighter: {', '.join(tightened)}", way_out)
        if loosened:
            yield self._change(Verdict.SAFE, now.name, f"its constraint is wider: {', '.join(loosened)}")


def _repeat_of(question: Question, form: Form) -> str | None:
    return next((repeat.name for repeat in form.repeats if question in repeat.members), None)


def _is_likely_heir(question: Question, other: Question, old: Form, new: Form) -> bool:
    """Say whether another question seems to be the same: by a label, or by its neighbours and its kind."""
    if question.kind != other.kind:
        return False
    if _same(question.label_ru, other.label_ru) or _same(question.label_en, other.label_en):
        return True
    return question.list_name == other.list_name and _neighbours(question, old) == _neighbours(other, new)


def _neighbours(question: Question, form: Form) -> tuple[str | None, str | None]:
    names = [None, *(entry.name for entry in form.every_question), None]
    at = names.index(question.name)
    return names[at - 1], names[at + 1]


def _tightened(was: Question, now: Question) -> list[str]:
    """Return which limits let less through than before."""
    found = []
    if now.minimum is not None and (was.minimum is None or now.minimum > was.minimum):
        found.append(f"at least {now.minimum:g}")
    if now.maximum is not None and (was.maximum is None or now.maximum < was.maximum):
        found.append(f"at most {now.maximum:g}")
    if now.pattern is not None and now.pattern != was.pattern:
        found.append("another pattern" if was.pattern else "a pattern")
    if now.not_in_future and not was.not_in_future:
        found.append("not in the future")
    return found


def _same(first: str, second: str) -> bool:
    """Say whether two texts read alike: case, blanks, ё and punctuation make no difference."""
    return _letters(first) == _letters(second)


def _letters(text: str) -> str:
    folded = unicodedata.normalize("NFKC", text).casefold().replace("ё", "е")
    return " ".join("".join(character if character.isalnum() else " " for character in folded).split())
