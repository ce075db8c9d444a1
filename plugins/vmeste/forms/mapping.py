"""What became of renamed and removed questions and choices: said once, checked whole, told to sources.yml."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from vmeste.forms.model import Form, FormError, Question

KEYS = ("renamed", "removed", "choices")

SHAPE = "write `form_id: {renamed: {old: new}, removed: [question], choices: {question: {old: new}}}`"


@dataclass(frozen=True, slots=True)
class FormMapping:
    """What was said about one form. Questions of ``choices`` bear their new name."""

    renamed: Mapping[str, str] = field(default_factory=dict)
    removed: frozenset[str] = frozenset()
    choices: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


NOTHING_SAID = FormMapping()


def read_mapping(path: Path) -> dict[str, FormMapping]:
    """Read a mapping file: form id → what became of its questions and choices.

    Raises:
        FormError: the file cannot be read or is of another shape.
    """
    try:
        said = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
        return {str(form_id): _of_form(str(form_id), entry) for form_id, entry in said.items()}
    except (OSError, UnicodeDecodeError, yaml.YAMLError, AttributeError, TypeError) as error:
        raise FormError(f"{path} cannot be read as a mapping ({error}): {SHAPE}") from None


def _of_form(form_id: str, entry: Any) -> FormMapping:
    if not isinstance(entry, dict) or set(entry) - set(KEYS):
        raise FormError(f"the mapping of {form_id} has other keys than {', '.join(KEYS)}: {SHAPE}")
    choices = entry.get("choices") or {}
    if not isinstance(entry.get("removed") or [], list):
        raise FormError(f"the mapping of {form_id}, removed: a list of questions is expected: {SHAPE}")
    return FormMapping(
        {str(old): str(new) for old, new in (entry.get("renamed") or {}).items()},
        frozenset(str(name) for name in entry.get("removed") or ()),
        {str(name): {str(old): str(new) for old, new in codes.items()} for name, codes in choices.items()},
    )


def faults(mapping: FormMapping, old: Form, new: Form) -> list[str]:
    """Return what a mapping says that the two forms contradict; an empty list means that it can be relied on."""
    before = {question.name: question for question in old.every_question}
    after = {question.name: question for question in new.every_question}
    found: list[str] = []
    for name, became in mapping.renamed.items():
        if name not in before or name in after:
            found.append(f"renamed: {name} is no question that only the old form has")
        if became not in after or became in before:
            found.append(f"renamed: {became} is no question that only the new form has")
    targets = list(mapping.renamed.values())
    found += [f"renamed: two questions became {name}" for name in sorted({n for n in targets if targets.count(n) > 1})]
    for name in sorted(mapping.removed):
        if name not in before or name in after:
            found.append(f"removed: {name} is no question that only the old form has")
        if name in mapping.renamed:
            found.append(f"removed: {name} is renamed too")
    origin = {became: name for name, became in mapping.renamed.items()}
    for name, codes in mapping.choices.items():
        question, was = after.get(name), before.get(origin.get(name, name))
        if question is None or was is None:
            found.append(f"choices: {name} is no question of both forms")
            continue
        found += _choice_faults(name, codes, was, question)
    return found


def _choice_faults(name: str, codes: Mapping[str, str], was: Question, question: Question) -> Iterable[str]:
    known, now = {choice.name for choice in was.choices}, {choice.name for choice in question.choices}
    for code, became in codes.items():
        if code not in known or code in now:
            yield f"choices: {name} has no code {code} that only the old form has"
        if became not in now:
            yield f"choices: {name} has no code {became} in the new form"


def sources_entry(form_id: str, mapping: FormMapping, old: Form, new: Form) -> str:
    """Return what sources.yml must say of a form so that exports of the old one are still read; empty for nothing.

    A file's header may be a question's name or its label: both are translated.
    """
    before = {question.name: question for question in old.every_question}
    after = {question.name: question for question in new.every_question}
    columns: dict[str, str] = {}
    for name, became in mapping.renamed.items():
        columns[name] = became
        columns |= {label: became for label in before[name].labels if label not in after[became].labels}
    entry: dict[str, Any] = {}
    if columns:
        entry["columns"] = columns
    if mapping.choices:
        entry["choices"] = {name: dict(codes) for name, codes in mapping.choices.items()}
    return yaml.safe_dump({form_id: entry}, allow_unicode=True, sort_keys=False, width=120) if entry else ""
