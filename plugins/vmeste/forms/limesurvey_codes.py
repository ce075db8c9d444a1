"""How our names are written in LimeSurvey, which allows only letters and digits: for the exporter and the connector.

A code depends on its name alone and never on its neighbours: a choice that is added to a list later moves no code, so
that the answers of a survey that is already running keep their meaning.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence

from vmeste.forms.model import FormError

QUESTION_CODE_LENGTH = 20
ANSWER_CODE_LENGTH = 5

RESERVED_QUESTION_CODES = frozenset(
    (
        *("id", "submitdate", "lastpage", "startlanguage", "seed", "startdate", "datestamp"),
        *("token", "ipaddr", "refurl", "interviewtime"),
        *("lang", "sid", "savedid", "qid", "gid", "time"),
    )
)
"""Columns of LimeSurvey's own in an export, and words that it refuses; compared without case."""

_FITS = re.compile(rf"[A-Za-z0-9]{{1,{ANSWER_CODE_LENGTH}}}")
_READABLE = 2  # leading characters of a name that stay; the rest of a code tells it from others
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


def question_code(name: str) -> str:
    """Return how a question is called in LimeSurvey: its name without underscores, at most 20 characters."""
    return re.sub(r"[^A-Za-z0-9]", "", name)[:QUESTION_CODE_LENGTH]


def question_codes(names: Iterable[str]) -> dict[str, str]:
    """Return each question's code; LimeSurvey tells codes apart without regard to case.

    Raises:
        FormError: two names have one code, or a code is a word of LimeSurvey's own.
    """
    codes = {name: question_code(name) for name in names}
    for name, code in codes.items():
        if not re.match(r"[A-Za-z]", code) or code.lower() in RESERVED_QUESTION_CODES:
            raise FormError(f"LimeSurvey cannot have a question {name!r}: it would be called {code!r}. Rename it")
    return _without_doubles(codes, "questions")


def answer_code(choice: str) -> str:
    """Return a choice's code in LimeSurvey: itself if it fits (1–5 letters and digits), else made of its name."""
    if _FITS.fullmatch(choice):
        return choice
    number = int.from_bytes(hashlib.sha256(choice.encode()).digest())
    code = re.sub(r"[^a-z0-9]", "", choice.lower())[:_READABLE]
    while len(code) < ANSWER_CODE_LENGTH:
        number, digit = divmod(number, len(_DIGITS))
        code += _DIGITS[digit]
    return code


def answer_codes(choices: Sequence[str]) -> dict[str, str]:
    """Return our code → LimeSurvey's code for a list of choices.

    Raises:
        FormError: two choices have one code.
    """
    return _without_doubles({choice: answer_code(choice) for choice in choices}, "choices")


def _without_doubles(codes: dict[str, str], what: str) -> dict[str, str]:
    owners: dict[str, str] = {}
    for name, code in codes.items():
        owner = owners.setdefault(code.lower(), name)
        if owner != name:
            raise FormError(f"in LimeSurvey the {what} {owner!r} and {name!r} would both be {code!r}. Rename one")
    return codes
