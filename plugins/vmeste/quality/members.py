"""The members of a repeat are checked as rows of their own; what one of them breaks, its submission breaks."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import pandas as pd

from vmeste.forms import Question
from vmeste.forms.columns import question_columns
from vmeste.forms.repeats import members_of
from vmeste.quality.typing import typed
from vmeste.quality.validate import Verdict

CARRIED = ("_source", "_submission_id", "_submitted_at", "_today")
"""Columns of a submission that stand beside each of its members."""

PARENT = "_parent"


def member_rows(frame: pd.DataFrame, repeat: Question) -> pd.DataFrame:
    """Return a typed row a member, its questions as columns.

    Args:
        frame: typed submissions, shape (rows, columns), with the repeat's answers and ``CARRIED``.
        repeat: a question of kind ``repeat``.

    Returns:
        shape (members, questions and ``CARRIED``); ``_parent`` is the position of the submission in ``frame``,
        ``_position`` counts the members of a submission from 1.
    """
    kinds = question_columns(repeat.members)
    carried = [column for column in CARRIED if column in frame.columns]
    answers = frame[repeat.name].astype(object).where(frame[repeat.name].notna(), None)
    rows = [
        {name: member.get(name) for name in kinds} | {PARENT: parent, "_position": position}
        for parent, answer in enumerate(answers)
        for position, member in enumerate(members_of(answer) or (), start=1)
    ]
    members = pd.DataFrame(rows, columns=[*kinds, PARENT, "_position"])
    for column in carried:
        members[column] = frame[column].take(members[PARENT].to_numpy("int64")).array
    return typed(members, kinds)


def of_submissions(verdict: Verdict, members: pd.DataFrame) -> Verdict:
    """Return a verdict on members as one on their submissions; a rule that several members broke is named once."""
    return replace(
        verdict, broken=_gathered(verdict.broken.items(), members), noted=_gathered(verdict.noted.items(), members)
    )


def _gathered(found: Iterable[tuple[int, tuple[str, ...]]], members: pd.DataFrame) -> dict[int, tuple[str, ...]]:
    gathered: dict[int, dict[str, None]] = {}
    for row, rules in found:
        gathered.setdefault(int(members[PARENT].iloc[row]), {}).update(dict.fromkeys(rules))
    return {parent: tuple(rules) for parent, rules in gathered.items()}
