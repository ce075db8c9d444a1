"""The answer of a repeat: JSON text, a list with one flat object a member, question → canonical text.

A repeat stays one answer of its submission all the way into raw. So an edit replaces its members as a set, and the
content hash sees them: servers number members by position, and a number that moves on means nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

Member = dict[str, str]
"""One member's answers; what was not answered has no key."""


def members_of(text: str | None) -> list[Member] | None:
    """Return the members that a repeat's answer holds, ``None`` if the text is no such answer."""
    if text is None:
        return []
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, list):
        return None
    members: list[Member] = []
    for member in found:
        if not isinstance(member, dict):
            return None
        answered = {name: answer for name, answer in member.items() if answer not in (None, "")}
        if not all(isinstance(answer, str) for answer in answered.values()):
            return None
        members.append(answered)
    return members


def members_text(members: Iterable[Mapping[str, str | None]]) -> str | None:
    """Return members as a repeat's answer; ``None`` if there are none. Their order stays, that of their keys does not.

    A member without an answer stays: that somebody added and left it is told by its place.
    """
    given = [{name: answer for name, answer in member.items() if answer is not None} for member in members]
    return json.dumps(given, ensure_ascii=False, sort_keys=True) if given else None
