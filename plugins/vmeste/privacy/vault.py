"""The vault: codes become random keys, identifying answers stay behind, before anything is written elsewhere.

The keys are drawn at random. A hash of a code, a name or a birth date could be guessed by trying them all.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import psycopg

from vmeste.forms import Form
from vmeste.forms.columns import key_column
from vmeste.sources.base import CONTENT_ID_PREFIX, Submission

ORIGIN = "_origin"
"""Where in its source a submission stands: the one thing beyond the form's questions that a connector itself adds."""

VaultConnection = psycopg.Connection[tuple[Any, ...]]


def exchange_codes(vault: VaultConnection, kind: str, codes: Sequence[str]) -> dict[str, str]:
    """Return the key of each code, drawing one for a code that was never seen.

    A mistyped code gets a key too: that it belongs to no registered pair is found, and said, by validation.
    """
    wanted = sorted(set(codes))
    vault.execute(
        "insert into vault.keys (kind, code) select %s, unnest(%s::text[]) on conflict do nothing", (kind, wanted)
    )
    rows = vault.execute("select code, key from vault.keys where kind = %s and code = any(%s)", (kind, wanted))
    return dict(rows.fetchall())


def known_ids(vault: VaultConnection, submission_ids: Iterable[str]) -> dict[str, str]:
    """Return what submission ids made of answers were exchanged for; one that was never seen is left out."""
    made = [key for key in submission_ids if key.startswith(CONTENT_ID_PREFIX)]
    rows = vault.execute("select code, key from vault.keys where kind = 'submission' and code = any(%s)", (made,))
    return dict(rows.fetchall())


def split(vault: VaultConnection, form: Form, submissions: Sequence[Submission]) -> list[Submission]:
    """Put vault answers into the vault and return the submissions without them, codes exchanged for keys.

    The caller commits the vault before it lands what is returned: a crash in between repeats both.
    """
    code_questions: dict[str, str] = {question.name: question.key for question in form.questions if question.key}
    identifying = {question.name for question in form.vault_questions} - set(code_questions)
    # a required column cannot be renamed unnoticed, the others can
    may_hide_secrets = any(not question.is_required or question.relevant for question in form.vault_questions)
    keys: dict[tuple[str, str], str] = {}
    for kind in set(code_questions.values()):
        codes = {
            _clean(submission.answers[name])
            for submission in submissions
            for name, of_kind in code_questions.items()
            if of_kind == kind and submission.answers.get(name)
        }
        keys |= {(kind, code): key for code, key in exchange_codes(vault, kind, sorted(codes)).items()}

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
        for name, answer in submission.answers.items():
            if name in code_questions:
                key = keys[(code_questions[name], _clean(answer))] if answer else None
                answers[key_column(name)] = key
                if key:
                    own_keys.append(key)
            elif name in identifying:
                if answer is not None:
                    secret[name] = answer
            else:
                answers[name] = answer
        extra = dict(submission.extra)
        if may_hide_secrets:
            # nobody has classified an unknown column: it may be a vault question whose column was renamed
            for name in [name for name in extra if name != ORIGIN]:
                secret[f"_extra.{name}"] = json.dumps(extra.pop(name), ensure_ascii=False)
        arrived_at = submission.updated_at or submission.submitted_at
        submission_id = made_ids.get(submission.submission_id, submission.submission_id)
        vaulted += [
            (submission.source, submission.form_id, submission_id, name, answer, arrived_at, own_keys)
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


def _clean(code: str | None) -> str:
    """Return a code as it is compared: no outer blanks, one form of each letter."""
    return unicodedata.normalize("NFC", (code or "").strip())
