"""Invented meeting logs in any number, and the registry that makes them acceptable."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

from vmeste.sources.base import Submission

START = date(2015, 1, 1)
MEETINGS_A_PAIR = 50
SOURCE = "benchmark"

_MODES = ("in_person", "video", "phone", "chat")


def registry(pairs: int) -> dict[str, list[Submission]]:
    """Return mentees, mentors and pairs, so that a meeting of any of the pairs is accepted."""
    people: dict[str, list[Submission]] = {"r1_mentee": [], "r2_mentor": [], "r3_pair": []}
    for number in range(pairs):
        organisation = {"organisation_code": "radi_budushchego"}
        mentee, mentor, pair = f"В-{number}", f"Н-{number}", f"П-{number}"
        people["r1_mentee"].append(
            _submission(
                "r1_mentee",
                mentee,
                {"mentee_code": mentee, "record": "new", "full_name": "Участник (вымышлен)", "sex": "f"}
                | {"birth_year": "2000", "status": "ward", "status_from": START.isoformat()}
                | organisation,
            )
        )
        people["r2_mentor"].append(
            _submission(
                "r2_mentor",
                mentor,
                {"mentor_code": mentor, "full_name": "Наставник (вымышлен)", "sex": "m", "birth_year": "1980"}
                | organisation,
            )
        )
        people["r3_pair"].append(
            _submission(
                "r3_pair",
                pair,
                {"pair_code": pair, "mentee_code": mentee, "mentor_code": mentor, "form": "long"}
                | {"programme_code": "deystvuem_vmeste", "intake_code": "2015-1", "start_on": START.isoformat()}
                | {"planned_end_on": "2030-01-01"}
                | organisation,
            )
        )
    return people


def meetings(count: int, first: int = 0) -> Iterator[Submission]:
    """Yield meetings numbered from ``first``: twelve answers each, none the same as another, all acceptable."""
    for number in range(first, first + count):
        pair, meeting = divmod(number, MEETINGS_A_PAIR)
        held_on = START + timedelta(days=meeting * 7)
        yield _submission(
            "f4_meeting",
            f"m{number}",
            {
                "pair_code": f"П-{pair}",
                "held_on": held_on.isoformat(),
                "start_time": f"{9 + number % 9:02}:00:00",
                "status": "held",
                "duration_min": str(30 + number % 90),
                "mode": _MODES[number % 4],
                "activity": f"a{1 + number % 8}",
                "goals": "g1 g3" if number % 3 else "g2",
                "mentee_mood": str(1 + number % 5),
                "concern": "1" if number % 20 == 0 else "0",
                "concern_txt": "беспокоит (вымышлено)" if number % 20 == 0 else None,
            },
            datetime(held_on.year, held_on.month, held_on.day, 18, tzinfo=UTC),
        )


def _submission(
    form_id: str, identity: str, answers: dict[str, str | None], at: datetime = datetime(2015, 1, 1, tzinfo=UTC)
) -> Submission:
    return Submission(SOURCE, form_id, identity, "1", at, answers)
