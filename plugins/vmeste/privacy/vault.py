"""The vault: codes become random keys, identifying answers stay behind, before anything is written elsewhere.

The keys are drawn at random. A hash of a code, a name or a birth date could be guessed by trying them all.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import psycopg

from vmeste.forms import Form, Question
from vmeste.forms.columns import key_column
from vmeste.forms.repeats import Member, members_of, members_text
from vmeste.privacy.tombstones import Tombstones, clean
from vmeste.sources.base import CONTENT_ID_PREFIX, Submission, indexable

ORIGIN = "_origin"
"""Where in its source a submission stands: the one thing beyond the form's questions that a connector itself adds."""

UNREADABLE = "unreadable"
"""What is said of a repeat that holds no list of members: what stood there may be anything, the vault has it."""

VaultConnection = psycopg.Connection[tuple[Any, ...]]


_LONGEST_CODE = 200
"""Letters; the longest that a form lets pass has 40, an id made of answers 70."""

_LONGEST_QUESTION = 200
"""Letters of what the vault calls an answer: an unknown column may be called anything."""


def exchange_codes(vault: VaultConnection, kind: str, codes: Sequence[str]) -> dict[str, str]:
    """Return the key of each code, drawing one for a code that was never seen.

    A mistyped code gets a key too: that it belongs to no registered pair is found, and said, by validation.
    """
    kept = {code: indexable(code, _LONGEST_CODE) for code in codes}
    wanted = sorted(set(kept.values()))
    vault.execute(
        "insert into vault.keys (kind, code) select %s, unnest(%s::text[]) on conflict do nothing", (kind, wanted)
    )
    rows = vault.execute("select code, key from vault.keys where kind = %s and code = any(%s)", (kind, wanted))
    keys: dict[str, str] = dict(rows.fetchall())
    return {code: keys[name] for code, name in kept.items()}


def known_ids(vault: VaultConnection, submission_ids: Iterable[str]) -> dict[str, str]:
    """Return what submission ids made of answers were exchanged for; one that was never seen is left out."""
    made = [key for key in submission_ids if key.startswith(CONTENT_ID_PREFIX)]
    rows = vault.execute("select code, key from vault.keys where kind = 'submission' and code = any(%s)", (made,))
    return dict(rows.fetchall())


def held_ids(vault: VaultConnection, source: str, form_id: str, submission_ids: Iterable[str]) -> frozenset[str]:
    """Return submission ids of a source as the warehouse has them where they were erased, all others as they are."""
    erased = Tombstones.read(vault, source, form_id)
    if erased is None:
        return frozenset(submission_ids)
    return frozenset(erased.held_id(source, form_id, key) for key in submission_ids)


def split(vault: VaultConnection, form: Form, submissions: Sequence[Submission], prefix: str = "") -> list[Submission]:
    """Put vault answers into the vault and return the submissions without them, codes exchanged for keys.

    ``prefix`` stands before the codes of an organisation that has a name of its own (``code_spaces``).

    The caller commits the vault before it lands what is returned: a crash in between repeats both.
    """
    erased = Tombstones.read(vault, submissions[0].source, form.form_id) if submissions else None
    if erased:
        submissions = erased.emptied(vault, form, submissions, prefix)
    code_questions: dict[str, str] = {question.name: question.key for question in form.every_question if question.key}
    identifying = {question.name for question in form.every_question if question.privacy == "vault"}
    identifying -= set(code_questions)
    # a required column cannot be renamed unnoticed, the others can
    may_hide_secrets = any(
        not question.is_required or question.relevant for question in form.every_question if question.privacy == "vault"
    )
    repeats = {repeat.name: repeat for repeat in form.repeats}
    written: defaultdict[str, set[str]] = defaultdict(set)  # kind → codes
    for submission in submissions:
        of_members = (member for name in repeats for member in members_of(submission.answers.get(name)) or ())
        for answered in (submission.answers, *of_members):
            for name, kind in code_questions.items():
                if code := answered.get(name):
                    written[kind].add(prefix + clean(code))
    markers = {
        (kind, code): marker
        for kind, codes in written.items()
        for code in codes
        if erased and kind == "mentor" and (marker := erased.marker(kind, code))
    }
    keys = markers | {
        (kind, code): key
        for kind, codes in written.items()
        for code, key in exchange_codes(vault, kind, [code for code in codes if (kind, code) not in markers]).items()
    }

    # an id that was made of the answers can be guessed like them: it is exchanged as a code is
    made_ids = exchange_codes(
        vault,
        "submission",
        [entry.submission_id for entry in submissions if entry.submission_id.startswith(CONTENT_ID_PREFIX)],
    )

    opened: list[Submission] = []
    vaulted: list[tuple[Any, ...]] = []
    for submission in submissions:
        answers: dict[str, str | None] = {}
        secret: dict[str, str] = {}
        own_keys: list[str] = []
        extra = dict(submission.extra)
        for name, answer in submission.answers.items():
            if name in repeats:
                answers[name] = _split_members(repeats[name], answer, keys, prefix, secret, own_keys, extra)
            elif name in code_questions:
                key = keys[(code_questions[name], prefix + clean(answer))] if answer else None
                answers[key_column(name)] = key
                if key:
                    own_keys.append(key)
            elif name in identifying:
                if answer is not None:
                    secret[name] = answer
            else:
                answers[name] = answer
        if may_hide_secrets or _lacks_secrets(form, submission):
            # nobody has classified an unknown column: it may be a vault question whose column was renamed
            for name in [name for name in extra if name != ORIGIN]:
                secret[f"_extra.{name}"] = json.dumps(extra.pop(name), ensure_ascii=False)
        arrived_at = submission.updated_at or submission.submitted_at
        submission_id = made_ids.get(submission.submission_id, submission.submission_id)
        vaulted += [
            (
                submission.source,
                submission.form_id,
                submission_id,
                indexable(name, _LONGEST_QUESTION),
                answer,
                arrived_at,
                own_keys,
            )
            for name, answer in secret.items()
        ]
        opened.append(replace(submission, submission_id=submission_id, answers=answers, extra=extra))
    if vaulted:
        with vault.cursor() as cursor:
            cursor.executemany(
                """
                insert into vault.answers (source, form_id, submission_id, question, answer, arrived_at, keys)
                select given.* from (
                    values (%s::text, %s::text, %s::text, %s::text, %s::text, %s::timestamptz, %s::text[])
                ) as given (source, form_id, submission_id, question, answer, arrived_at, keys)
                where not exists (
                    select from vault.answers as known
                    where
                        known.source = given.source
                        and known.form_id = given.form_id
                        and known.submission_id = given.submission_id
                        and known.question = given.question
                        and known.arrived_at = given.arrived_at
                        and known.answer = given.answer
                )
                """,
                vaulted,
            )
    return opened


def _lacks_secrets(form: Form, submission: Submission) -> bool:
    """Say whether a vault question that must be answered is not: its field may have been renamed on the server."""
    asked = [(form.questions, submission.answers)]
    for repeat in form.repeats:
        asked += [(repeat.members, member) for member in members_of(submission.answers.get(repeat.name)) or ()]
    return any(
        question.privacy == "vault" and not answers.get(question.name)
        for questions, answers in asked
        for question in questions
    )


def _split_members(
    repeat: Question,
    answer: str | None,
    keys: Mapping[tuple[str, str], str],
    prefix: str,
    secret: dict[str, str],
    own_keys: list[str],
    extra: dict[str, Any],
) -> str | None:
    """Return a repeat's answer without what the vault keeps; that is added to the last three arguments."""
    members = members_of(answer)
    if members is None:
        secret[repeat.name] = answer or ""
        return UNREADABLE
    asked = {member.name: member for member in repeat.members}
    opened: list[Member] = []
    for position, member in enumerate(members, start=1):
        place = f"{repeat.name}[{position}]"
        kept: Member = {}
        for name, value in member.items():
            question = asked.get(name)
            if question is None:
                extra[f"{place}/{name}"] = value
            elif question.key:
                key = keys[(question.key, prefix + clean(value))]
                kept[key_column(name)] = key
                own_keys.append(key)
            elif question.privacy == "vault":
                secret[f"{place}/{name}"] = value
            else:
                kept[name] = value
        opened.append(kept)
    return members_text(opened)
