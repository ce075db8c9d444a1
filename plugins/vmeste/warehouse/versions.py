"""Which of the versions that a source gives are new: the history of each submission decides, in order of arrival.

Comparing with the version before, and not with the latest or with all, keeps an answer that was changed and changed
back. Rows in quarantine are part of the history: a version that was refused came between all the same.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

Place = Literal["raw", "open", "closed", "batch"]
"""Where a version is: accepted, in quarantine (still open, or settled), or earlier in the same batch."""

_ORDER: dict[Place, int] = {"raw": 0, "closed": 1, "open": 2, "batch": 3}


@dataclass(frozen=True, slots=True)
class Version:
    """One version of one submission.

    ``content`` is its hash together with the operation and the review state, so that a deletion differs from what it
    deletes, and a review from what it reviews. ``has_time`` says that the source itself told when this version
    arrived, and not only when the submission first did.
    """

    submission_id: str
    content: tuple[str, str, str | None]
    arrived_at: datetime
    place: Place = "batch"
    has_time: bool = True
    row: int = -1


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of the versions of a batch.

    ``unchanged`` are the rows that say nothing new; ``arrived_at`` is where a row's moment had to be set, because the
    source hides when an edit was made: it is then the moment at which we saw it.
    """

    unchanged: frozenset[int]
    arrived_at: dict[int, datetime]


def settle(
    incoming: Iterable[Version],
    known: Iterable[Version],
    seen_at: Iterator[datetime],
    with_edit_times: AbstractSet[str] = frozenset(),
) -> Settled:
    """Compare the versions of a batch with what is known of the same submissions.

    Args:
        incoming: the batch's versions, in the order in which the source gave them.
        known: versions in raw and in quarantine.
        seen_at: ``moments_from`` the batch's landing, one iterator for all chunks of a batch.
        with_edit_times: submissions of which the batch tells when they were edited: a version without a time is then
            the first one, and not an edit that nobody dated.
    """
    histories: defaultdict[str, list[Version]] = defaultdict(list)
    for version in sorted(known, key=lambda version: (version.arrived_at, _ORDER[version.place])):
        histories[version.submission_id].append(version)
    batch: defaultdict[str, list[Version]] = defaultdict(list)
    for version in incoming:
        batch[version.submission_id].append(version)

    unchanged: set[int] = set()
    moved: dict[int, datetime] = {}
    for submission_id, versions in batch.items():
        history = histories[submission_id]
        for given in sorted(versions, key=lambda version: (version.arrived_at, version.row)):
            version = given if submission_id in with_edit_times else _dated(given, history, seen_at)
            if version.arrived_at != given.arrived_at:
                moved[given.row] = version.arrived_at
            if _says_nothing_new(version, history):
                unchanged.add(given.row)
            elif version not in history:
                history.append(version)
                history.sort(key=lambda version: (version.arrived_at, _ORDER[version.place]))
    return Settled(frozenset(unchanged), moved)


def _dated(version: Version, history: list[Version], seen_at: Iterator[datetime]) -> Version:
    """Give a version without a moment of its own the one of the version it repeats, or the moment it was seen."""
    if version.has_time or not history or history[-1].arrived_at < version.arrived_at:
        return version
    latest = history[-1]
    if latest.content == version.content:
        return replace(version, arrived_at=latest.arrived_at)
    # what we saw later came later, also where our clock was ahead the last time
    moment = max(next(seen_at), latest.arrived_at + timedelta(microseconds=1))
    return replace(version, arrived_at=moment)


def _says_nothing_new(version: Version, history: list[Version]) -> bool:
    same = {
        known.place for known in history if (known.content, known.arrived_at) == (version.content, version.arrived_at)
    }
    if same:
        # an open row that the source gives again is looked at again; all else was settled before
        return same != {"open"}
    # of two versions of one moment nobody knows which came first: each is compared with what stood before both as well
    until = [known for known in history if known.arrived_at <= version.arrived_at]
    before = [known for known in until if known.arrived_at < version.arrived_at]
    return version.content in {known.content for known in (*until[-1:], *before[-1:])}


def moments_from(start: datetime) -> Iterator[datetime]:
    """Yield moments one after the other, so that two edits seen in one batch keep their order."""
    while True:
        yield start
        start += timedelta(microseconds=1)
