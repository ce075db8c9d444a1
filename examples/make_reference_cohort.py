"""Make the reference cohort: the form exports of an invented intake whose five indicators are known in advance.

Usage: ``python examples/make_reference_cohort.py [FOLDER]`` (default: ``examples/reference_cohort`` beside this file).

Nothing here is about real people. What each person answers is decided by ``DESIGN``, one line a pair: how the scales
move, how the mentor is judged, how the follow-up goes. A seeded generator only fills in what the indicators do not
depend on (weekdays, durations, which item is higher than the next), so the counts never depend on luck. The same code
writes the same bytes each time, on any machine: files are not compressed, and no clock is read.

The module has three parts, in the order in which data come about: people and their answers (``build_records``), the
faults that the pipeline must catch (``add_faults``), and the files as people would export them (``write_files``).
"""

from __future__ import annotations

import csv
import io
import json
import random
import re
import sys
import uuid
import zipfile
from calendar import monthrange
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import yaml
from openpyxl import Workbook
from openpyxl.styles import Font

from vmeste.forms import Form, load_forms

HERE = Path(__file__).resolve().parent
FOLDER = HERE / "reference_cohort"
FORMS = HERE.parent / "forms"

ZONE = ZoneInfo("Europe/Moscow")
EXPORTED_ON = date(2022, 2, 28)
"""The day of the latest export: nothing is younger."""
ENTERED_LATE_ON = date(2022, 1, 20)
"""The day, after the cut-off 2022-01-15, on which forgotten papers of 2021 were entered."""
LAST_MEETING_ON = date(2022, 1, 31)
"""The pairs that go on have logged their meetings up to this day."""
NAMESPACE = uuid.UUID("6f0c7c3e-2f39-5d5b-9f0e-7a8d4f0e2c11")
FORM_VERSION = "2020010101"

# --------------------------------------------------------------------------------------------------------------------
# Design
# --------------------------------------------------------------------------------------------------------------------

DESIGN = """
pair form  group    sex age start      ended      baseline lif  sup  mot     feedback  followup
1    short ward     f   13  2020-07-06 2021-03-05 early    up   -    -       good      yes
2    short ward     m   15  2020-07-13 2021-03-12 early    up   -    -       good      yes
3    short ward     m   12  2020-07-20 2021-03-19 early    same -    -       low       yes
4    short ward     f   16  2020-07-27 2021-03-26 early    down -    -       good      refused
5    short ward     f   14  2020-08-10 2021-04-09 early    up   -    -       q:good    yes
6    short ward     m   15  2020-08-17 2021-04-16 early    up   -    -       good      yes
7    short ward     m   13  2020-08-24 2021-04-23 early    same -    -       overall   no
8    short graduate m   19  2020-07-15 2021-03-15 early    same -    high    good      yes
9    short graduate f   18  2020-08-03 2021-04-02 none     -    -    high    edge      unreachable
10   short graduate f   21  2020-08-31 2021-04-30 none     -    -    near    good      stale
11   short graduate m   17  2020-09-07 2021-05-07 early    up   -    high    good      yes
12   short ward     f   14  2020-10-12 2021-02-19 full     same same -       low       late
13   short ward     m   15  2020-12-07 2021-08-06 full     up   up   -       good      -
14   short ward     f   16  2021-01-18 2021-07-20 full     down down -       edge      withdrawn
15   short ward     m   12  2021-02-08 2021-10-08 refused  up   -    -       q:good    -
16   short ward     f   14  2021-03-15 2021-11-15 full     up   up   -       good      -
17   short ward     m   15  2021-04-12 2021-12-10 full     same up   -       good      -
18   short graduate f   20  2020-11-16 2021-04-02 full     up   up   high    good      yes
19   short graduate m   18  2020-12-14 2021-08-13 full     same same high    good      -
20   short graduate f   22  2021-02-22 2021-10-22 lenient  same up   high    q:good    -
21   short graduate m   19  2021-04-19 2021-12-17 full     up   up   neither q:mean    -
22   long  ward     m   13  2020-07-08 -          early    up   -    -       q:good    -
23   long  ward     f   15  2020-09-02 -          early    same -    -       q:good    -
24   long  ward     f   17  2020-08-05 2021-08-05 early    up   -    high    good      -
25   long  ward     m   16  2020-08-12 2021-04-14 early    down -    -       good      yes
26   long  ward     m   14  2020-07-22 2021-07-22 early    up   -    -       good      after
27   long  ward     f   12  2020-08-19 2021-08-20 early    up   -    -       mean      -
28   long  ward     m   16  2020-09-16 2021-09-16 early    same -    -       good      -
29   long  ward     f   14  2020-10-07 -          full     up   up   -       q:good    -
30   long  ward     m   15  2020-11-11 -          refused  down -    -       q:good    -
31   long  ward     f   13  2020-12-09 -          full     up   up   -       q:low     -
32   long  ward     m   17  2020-10-21 2021-10-21 full     up   up   high    good      -
33   long  ward     f   16  2020-10-28 2021-11-05 full     up   up   -       edge      -
34   long  ward     m   13  2020-11-04 2021-11-03 full     same up   -       good      -
35   long  ward     f   15  2020-11-25 2021-11-24 full     up   same -       good      -
36   long  ward     m   14  2020-12-02 2021-12-03 refused  same -    -       q:good    -
37   long  ward     f   16  2020-12-16 2021-12-15 full     down up   -       good      -
38   long  graduate f   18  2020-07-01 2021-07-01 early    up   -    high    good      open
39   long  graduate m   20  2020-07-29 2021-07-28 none     -    -    high    good      after
40   long  graduate f   16  2020-09-09 2021-09-10 none     -    -    high    good      -
41   long  graduate m   19  2020-10-05 2021-08-20 full     same same high    unsafe    -
42   long  graduate f   23  2020-10-14 2021-10-14 full     up   up   edge    good      -
43   long  graduate m   18  2020-11-02 2021-11-02 full     down down low     q:overall -
44   long  graduate f   21  2020-11-18 2021-11-18 lenient  up   up   high    good      -
45   long  graduate m   17  2020-11-30 2021-11-30 full     up   up   high    q:good    -
46   long  graduate f   16  2020-12-07 2021-12-07 full     up   up   high    good      -
47   long  graduate m   22  2020-12-14 2021-12-14 lenient  same same high    good      -
48   long  graduate f   19  2020-12-21 2021-12-21 lenient  up   up   low     good      -
"""
"""The 48 pairs. ``group`` is the status on ``start``; ``age`` is the start's year less the year of birth.

baseline  early: strict, on the first edition of F2, which did not ask for support (SUP); full: strict, all answered;
          refused: strict, but two support items are 99, so SUP has no score; lenient: 3 to 13 days after the start,
          so it stays out of the headline; none: never asked
lif, sup  how the scale moves from the baseline to the endline (of an active pair: to annual_12)
mot       high; edge: exactly 3.5; near: 3.4 (too low) with a wish to work; neither: high without a wish; low
feedback  good; edge: mean exactly 4.0; low; mean: 3.71 with a good overall mark; overall: high mean, overall mark 3;
          unsafe: all high, but fb_safe = 1; ``q:`` there is no end-of-pair form, the latest quarterly one counts
followup  of the 6 months: yes, no, stale (in contact, but last 90 days ago), refused, unreachable, late are due by the
          cut-off; late: as yes, but it reached the server after the cut-off; open: answered before its window closed;
          after: answered after the cut-off; withdrawn: filled in after the consent was withdrawn
"""

TURNED_GRADUATE = {24: date(2021, 6, 30), 32: date(2021, 7, 1)}
"""The two wards who leave the institution during the pair: pair → first day as a graduate."""

PAUSES = {
    5: (date(2020, 11, 2), date(2020, 11, 30)),
    13: (date(2021, 4, 5), date(2021, 5, 4)),
    22: (date(2021, 1, 11), date(2021, 2, 15)),
    28: (date(2021, 6, 7), date(2021, 7, 12)),
    33: (date(2021, 2, 1), date(2021, 3, 1)),
    40: (date(2021, 3, 9), date(2021, 4, 12)),
    44: (date(2021, 7, 5), date(2021, 8, 9)),
}
"""Pair → (first day of the pause, day on which the pair went on)."""

CLOSED_EARLY = {
    12: ("mentor", "mentor_moved"),
    14: ("mentee", "incompatibility"),
    18: ("mentee", "mentee_moved"),
    25: ("mentor", "mentor_time"),
    41: ("mentee", "mentee_refused"),
}
"""Pair → (initiator, reason)."""

SECOND_PAIR_OF_MENTOR = {45: 3, 46: 12, 47: 19, 48: 30}
"""Pair → number of a mentor who already has another pair; otherwise a mentor has the pair's number."""

FIGURES = {
    "1.1": {"eligible": 21, "measured": 21, "achieved": 17},
    "2.1": {"eligible": 48, "measured": 20, "achieved": 14, "deteriorated": 2},
    "2.2": {"eligible": 48, "measured": 48, "achieved": 40},
    "2.3": {"eligible": 14, "measured": 11, "achieved": 9},
    "3.1": {"eligible": 29, "measured": 29, "achieved": 16, "deteriorated": 5},
}
"""What the design gives at the cut-off, in the views rolling_4q and cohort_year of 2021-Q4."""

LATER_FIGURES = {code: dict(figures) for code, figures in FIGURES.items()} | {
    "2.3": {"eligible": 14, "measured": 12, "achieved": 10},
}
"""The same as of 2022-02-01, in both views: a late follow-up counts now, and no further window has closed yet.

The four reported ones stay as they are at any later moment. 2.3 stays in rolling_4q, where the day a follow-up is due
decides; in cohort_year, where the day of the end decides, more become eligible from 2022-03-03 on.
"""

REPORTED = {
    "1.1": {"count": 17, "percent": 80, "implied_denominator": 21},
    "2.1": {"count": 14, "percent": 70, "implied_denominator": 20},
    "2.2": {"count": 40, "percent": 83, "implied_denominator": 48},
    "2.3": {"count": None, "percent": None, "implied_denominator": None},
    "3.1": {"count": 16, "percent": 55, "implied_denominator": 29},
}
"""What the practice reported (the percents are truncated); 2.3 was planned."""


@dataclass(frozen=True, slots=True)
class Pair:
    """One line of ``DESIGN``."""

    number: int
    form: str
    group: str
    sex: str
    age: int
    start_on: date
    ended_on: date | None
    baseline: str
    lif: str
    sup: str
    mot: str
    feedback: str
    followup: str

    @property
    def code(self) -> str:
        """The pair's code, as people write it."""
        return f"П-{self.number:03}"

    @property
    def mentee_code(self) -> str:
        """The mentee's code."""
        return f"В-{self.number:03}"

    @property
    def mentor_number(self) -> int:
        """The mentor's number: four mentors have two pairs."""
        return SECOND_PAIR_OF_MENTOR.get(self.number, self.number)

    @property
    def mentor_code(self) -> str:
        """The mentor's code."""
        return f"Н-{self.mentor_number:03}"

    @property
    def birth_year(self) -> int:
        """The mentee's year of birth."""
        return self.start_on.year - self.age

    @property
    def planned_end_on(self) -> date:
        """Eight months after the start for a short pair; a year or two for a long one."""
        if self.form == "short":
            return add_months(self.start_on, 8)
        return add_months(self.start_on, 12 if self.ended_on else 24)

    @property
    def proposed_on(self) -> date:
        """When the two were proposed to each other: three to six weeks before the start."""
        return self.start_on - timedelta(days=21 + self.number % 20)

    @property
    def result_on(self) -> date:
        """The day to which results refer: the end, or the 12-month anniversary of a pair that goes on."""
        return self.ended_on or add_months(self.start_on, 12)

    @property
    def adult_on(self) -> date | None:
        """The 18th birthday, if it falls into the pair's time.

        It is early in January, so that both the full birth date and the year of birth say the same of every survey.
        """
        if self.age != 17:
            return None
        return date(self.start_on.year + 1, 1, 8 + self.number % 10)


def pairs() -> list[Pair]:
    """Read ``DESIGN``."""
    found = []
    for line in DESIGN.strip().splitlines()[1:]:
        number, form, group, sex, age, start, ended, *rest = line.split()
        ended_on = None if ended == "-" else date.fromisoformat(ended)
        found.append(Pair(int(number), form, group, sex, int(age), date.fromisoformat(start), ended_on, *rest))
    return found


def add_months(day: date, months: int) -> date:
    """Return the same day of a later month, or that month's last day if it is shorter, as PostgreSQL does."""
    years, month = divmod(day.month - 1 + months, 12)
    year, month = day.year + years, month + 1
    return date(year, month, min(day.day, monthrange(year, month)[1]))


# --------------------------------------------------------------------------------------------------------------------
# Records
# --------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Record:
    """One submission version as it stands in one file; ``answers`` are typed, moments are in the programme's zone."""

    form_id: str
    file: str
    submission_id: str
    submitted_at: datetime
    answers: Mapping[str, Any]
    updated_at: datetime | None = None

    @property
    def arrived_at(self) -> datetime:
        """When the form server received this version."""
        return self.updated_at or self.submitted_at


@dataclass(frozen=True, slots=True)
class Fault:
    """A planted fault: what the pipeline must say of one submission."""

    family: str
    handling: str  # quarantined | versioned | late
    form: str
    file: str
    submission_id: str
    what: str


@dataclass(slots=True)
class Cohort:
    """All rows of all files, and what is planted in them."""

    records: list[Record] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    repeated_rows: list[Record] = field(default_factory=list)

    def add(
        self,
        form_id: str,
        file: str,
        submission_id: str,
        submitted_at: datetime,
        answers: Mapping[str, Any],
        updated_at: datetime | None = None,
    ) -> Record:
        """Add one row and return it."""
        record = Record(form_id, file, submission_id, submitted_at, answers, updated_at)
        self.records.append(record)
        return record

    def of(self, form_id: str) -> list[Record]:
        """Return the rows of one form, in the order in which they were made."""
        return [record for record in self.records if record.form_id == form_id]


def submission_id(*parts: object) -> str:
    """Return the same UUID for the same parts, each time."""
    return str(uuid.uuid5(NAMESPACE, "/".join(map(str, parts))))


def seeded(*parts: object) -> random.Random:
    """Return a generator of its own for each purpose, so that adding one answer does not shift all others."""
    return random.Random("/".join(map(str, parts)))  # noqa: S311 (made to be repeated, not to be secret)


def moment(rng: random.Random, day: date, days_later: tuple[int, int] = (0, 3)) -> datetime:
    """Return a moment in working hours of a day that is ``days_later`` after ``day``."""
    later = day + timedelta(days=rng.randint(*days_later))
    return datetime.combine(later, time(rng.randint(9, 19), rng.randint(0, 59), rng.randint(0, 59)), ZONE)


def half_year(day: date) -> str:
    """Return the half-year of a date, for file names."""
    return f"{day.year}-H{1 if day.month <= 6 else 2}"


def items_with_sum(rng: random.Random, count: int, total: int) -> list[int]:
    """Return ``count`` scores of 1 to 5 that differ from one another but add up to ``total``."""
    if not count <= total <= 5 * count:
        raise ValueError(f"{count} scores of 1 to 5 cannot add up to {total}")
    low, rest = divmod(total, count)
    scores = [low + 1] * rest + [low] * (count - rest)
    for _ in range(2 * count):
        up, down = rng.sample(range(count), 2)
        if scores[up] < 5 and scores[down] > 1:
            scores[up] += 1
            scores[down] -= 1
    rng.shuffle(scores)
    return scores


def scale(rng: random.Random, names: Sequence[str], total: int, *, declined: Sequence[str] = ()) -> dict[str, Any]:
    """Return answers to a scale whose scores (reverse items turned) add up to ``total`` over the answered items."""
    answered = [name for name in names if name not in declined]
    scores = items_with_sum(rng, len(answered), total)
    answers = dict.fromkeys(declined, "99")
    for name, score in zip(answered, scores, strict=True):
        answers[name] = str(6 - score if name.endswith("r") else score)
    return {name: answers[name] for name in names}


SUP = ("sup1", "sup2", "sup3", "sup4r", "sup5")
LIF = ("lif1", "lif2", "lif3", "lif4", "lif5", "lif6", "lif7", "lif8r")
MOT = ("mot1", "mot2", "mot3", "mot4r", "mot5")
FB = ("fb1", "fb2", "fb3", "fb4", "fb5r", "fb6r", "fb7")
SUPPORT_QUESTIONS = (*SUP, "sup_n", "sup_n_xm")


def build_records() -> Cohort:
    """Return the registrations, surveys and meetings of all pairs, without a single fault."""
    cohort = Cohort()
    mentors: set[int] = set()
    for pair in pairs():
        add_mentee(cohort, pair)
        if pair.mentor_number not in mentors:
            mentors.add(pair.mentor_number)
            add_mentor(cohort, pair)
        add_pair(cohort, pair)
        add_consents(cohort, pair)
        add_events(cohort, pair)
        add_self_reports(cohort, pair)
        add_feedback(cohort, pair)
        add_meetings(cohort, pair)
        add_followups(cohort, pair)
        if pair.ended_on:
            add_closure(cohort, pair, pair.ended_on)
    return cohort


def add_mentee(cohort: Cohort, pair: Pair) -> None:
    """Add R1: the registration, and the change of status of those who leave the institution."""
    rng = seeded("mentee", pair.number)
    first_day = date(pair.birth_year, 1, 2)
    # before the start, so that the age at the start is the same by birth date and by year of birth
    last_day = pair.start_on.replace(year=pair.birth_year) - timedelta(days=3)
    birth_date = first_day + timedelta(days=rng.randint(0, (last_day - first_day).days))
    if pair.adult_on:
        birth_date = pair.adult_on.replace(year=pair.birth_year)
    if pair.group == "ward":
        status_from = date(pair.birth_year + rng.randint(6, 10), rng.choice([2, 6, 9]), 1)
    else:
        status_from = date(pair.start_on.year if pair.age == 16 else pair.start_on.year - 1, 6, 30)
        status_from = min(status_from, pair.proposed_on - timedelta(days=20))
    about = {
        "mentee_code": pair.mentee_code,
        "organisation_code": "radi_budushchego",
        "sex": pair.sex,
        "birth_year": pair.birth_year,
    }
    cohort.add(
        "r1_mentee",
        f"r1_mentee_{pair.proposed_on.year}.{'xlsx' if pair.proposed_on.year == 2020 else 'csv'}",
        submission_id("r1_mentee", pair.number),
        moment(rng, pair.proposed_on - timedelta(days=12)),
        about
        | {
            "record": "new",
            "full_name": f"Участник {pair.number:03} (вымышлен)",
            "birth_date": birth_date,
            "contacts": f"нет телефона {pair.number:03}",
            "institution_group": f"вымышленная группа {1 + pair.number % 6}" if pair.group == "ward" else None,
            "status": pair.group,
            "status_from": status_from,
        },
    )
    if pair.number in TURNED_GRADUATE:
        left_on = TURNED_GRADUATE[pair.number]
        cohort.add(
            "r1_mentee",
            f"r1_mentee_{left_on.year}.csv",
            submission_id("r1_mentee", pair.number, "status_change"),
            moment(rng, left_on),
            about | {"record": "status_change", "status": "graduate", "status_from": left_on},
        )


def add_mentor(cohort: Cohort, pair: Pair) -> None:
    """Add R2: every clearance is valid on the day of the start."""
    number = pair.mentor_number
    rng = seeded("mentor", number)
    born_on = date(rng.randint(1958, 1996), rng.randint(1, 12), rng.randint(1, 28))
    checked_on = pair.start_on - timedelta(days=rng.randint(45, 75))
    trained_on = checked_on + timedelta(days=rng.randint(3, 20))
    cohort.add(
        "r2_mentor",
        f"r2_mentor_{checked_on.year}.{'xlsx' if checked_on.year == 2020 else 'csv'}",
        submission_id("r2_mentor", number),
        moment(rng, trained_on, (1, 5)),
        {
            "mentor_code": f"Н-{number:03}",
            "full_name": f"Наставник {number:03} (вымышлен)",
            "birth_date": born_on,
            "contacts": f"нет телефона наставника {number:03}",
            "organisation_code": "radi_budushchego",
            "sex": rng.choice(["f", "f", "m"]),
            "birth_year": born_on.year,
            "criminal_record_on": checked_on,
            "criminal_record_valid_to": add_months(checked_on.replace(day=1), 24),
            "medical_on": checked_on + timedelta(days=2),
            "medical_valid_to": add_months(checked_on.replace(day=1), 24),
            "interview_on": checked_on + timedelta(days=1),
            "interview_valid_to": None,
            "training_on": trained_on,
            # one training has run out since: nothing is wrong, it was valid on the day when the pair started
            "training_valid_to": add_months(trained_on.replace(day=1), 6 if number == 26 else 36),
        },
    )


def add_pair(cohort: Cohort, pair: Pair) -> None:
    """Add R3."""
    rng = seeded("pair", pair.number)
    intake = f"{pair.start_on.year}-{1 if pair.start_on.month <= 6 else 2}"
    cohort.add(
        "r3_pair",
        f"r3_pair_{intake}.{'xlsx' if intake == '2020-2' else 'csv'}",
        submission_id("r3_pair", pair.number),
        moment(rng, pair.start_on, (0, 0)).replace(hour=8),
        {
            "pair_code": pair.code,
            "mentee_code": pair.mentee_code,
            "mentor_code": pair.mentor_code,
            "curator_code": f"К-{1 + pair.number % 2:02}",
            "organisation_code": "radi_budushchego",
            "programme_code": "deystvuem_vmeste",
            "intake_code": intake,
            "form": pair.form,
            "proposed_on": pair.proposed_on,
            "start_on": pair.start_on,
            "planned_end_on": pair.planned_end_on,
            "previous_pair_code": None,
        },
    )


def add_consents(cohort: Cohort, pair: Pair) -> None:
    """Add R5: a representative's consent with the child's assent under 18, the person's own from 18."""
    rng = seeded("consent", pair.number)
    signed_on = pair.proposed_on - timedelta(days=rng.randint(1, 6))
    is_minor = pair.age < 18
    consent = {
        "subject": "mentee",
        "mentee_code": pair.mentee_code,
        "mentor_code": None,
        "purposes": rng.choice(["service monitoring followup", "service monitoring followup research"]),
        "given_by": "legal_representative" if is_minor else "self",
        "child_assent": "1" if is_minor else None,
        "valid_from": signed_on,
        "withdrawn_on": None,
    }
    if pair.followup == "withdrawn":  # what is withdrawn later was given on a sheet of its own
        consent["purposes"] = "service monitoring"
        cohort.add(
            "r5_consent",
            consent_file(signed_on),
            submission_id("r5_consent", pair.number, "followup"),
            moment(seeded("followup consent", pair.number), signed_on, (0, 1)),
            consent | {"purposes": "followup"},
        )
    cohort.add(
        "r5_consent",
        consent_file(signed_on),
        submission_id("r5_consent", pair.number),
        moment(rng, signed_on, (0, 1)),
        consent,
    )
    if pair.adult_on:
        cohort.add(
            "r5_consent",
            consent_file(pair.adult_on),
            submission_id("r5_consent", pair.number, "adult"),
            moment(rng, pair.adult_on, (0, 1)),
            consent | {"given_by": "self", "child_assent": None, "valid_from": pair.adult_on},
        )


def consent_file(day: date) -> str:
    """Return the file in which a consent of that day lies."""
    return "r5_consent_2020.csv" if day.year == 2020 else "r5_consent_2021.xlsx"


def add_events(cohort: Cohort, pair: Pair) -> None:
    """Add R4: one row a transition, only legal ones, in time order."""
    rng = seeded("event", pair.number)
    steps: list[tuple[str, str, date, str | None, str]] = [
        ("proposed", "preparing", pair.proposed_on + timedelta(days=rng.randint(1, 6)), None, "staff"),
        ("preparing", "active", pair.start_on, None, "staff"),
    ]
    if pair.number in PAUSES:
        paused_on, resumed_on = PAUSES[pair.number]
        steps += [
            ("active", "paused", paused_on, f"условная заметка {pair.number:03}: перерыв", "mentor"),
            ("paused", "active", resumed_on, None, "mentor"),
        ]
    if pair.ended_on:
        initiator, reason = CLOSED_EARLY.get(pair.number, ("staff", None))
        is_early = reason is not None
        note = f"условная заметка {pair.number:03}: досрочно" if is_early else None
        closing_on = pair.ended_on - timedelta(days=rng.randint(5, 9) if is_early else rng.randint(14, 24))
        steps += [
            ("active", "closing", closing_on, note, initiator),
            ("closing", "closed_early" if is_early else "completed", pair.ended_on, note, initiator),
        ]
    for from_state, to_state, occurred_on, note, initiator in steps:
        cohort.add(
            "r4_pair_event",
            f"r4_pair_event_{occurred_on.year}.csv",
            submission_id("r4_pair_event", pair.number, to_state, occurred_on),
            moment(rng, occurred_on, (0, 2)),
            {
                "pair_code": pair.code,
                "from_state": from_state,
                "to_state": to_state,
                "occurred_on": occurred_on,
                "reason": note,
                "initiator": initiator,
            },
        )


def scale_sums(rng: random.Random, move: str, count: int) -> tuple[int, int]:
    """Return the sums of a scale of ``count`` items before and after, so that it moves as the design says."""
    if move == "up":
        before = rng.randint(2 * count, 3 * count + count // 2)
        return before, before + rng.randint(count // 4 + 1, count + count // 2)
    if move == "down":
        before = rng.randint(3 * count + count // 2, 4 * count)
        return before, before - rng.randint(count // 2, count + count // 2)
    before = rng.randint(2 * count + count // 2, 4 * count)
    return before, before


def add_self_reports(cohort: Cohort, pair: Pair) -> None:
    """Add the baseline, for some pairs a midline, and the endline or annual_12."""
    rng = seeded("self_report", pair.number)
    before, after = baseline_and_endline(rng, pair)
    wording = {"pair_code": pair.code, "wording": pair.group}
    assisted_by = "specialist" if rng.random() < 0.2 else "none"

    if pair.baseline != "none":
        filled_on = pair.start_on - timedelta(days=rng.choice([0, 0, 1, 2, 4, 6, 8, 11]))
        if pair.baseline == "lenient":
            filled_on = pair.start_on + timedelta(days=rng.randint(3, 13))
        cohort.add(
            "f2_self_report",
            baseline_file(pair),
            submission_id("f2_self_report", pair.number, "baseline"),
            moment(rng, filled_on, (0, 4)),
            wording | {"wave": "baseline", "filled_on": filled_on, "assisted_by": assisted_by} | before,
        )

    if pair.form == "long" and pair.number % 2 and pair.number not in CLOSED_EARLY:
        filled_on = add_months(pair.start_on, 6) + timedelta(days=rng.randint(-6, 6))
        middle = midline_answers(rng)
        cohort.add(
            "f2_self_report",
            "f2_self_report_2021-1_midline.csv",
            submission_id("f2_self_report", pair.number, "midline"),
            moment(rng, filled_on, (0, 4)),
            wording | {"wave": "midline", "filled_on": filled_on, "assisted_by": "none"} | middle,
        )

    filled_on = pair.result_on + timedelta(days=rng.randint(-7, 7))
    retrospect = {name: rng.randint(1, 3) for name in ("rp_sup", "rp_lif", "rp_mot")} if pair.ended_on else {}
    cohort.add(
        "f2_self_report",
        endline_file(filled_on),
        submission_id("f2_self_report", pair.number, "endline"),
        moment(rng, filled_on, (0, 4)),
        wording
        | {"wave": "endline" if pair.ended_on else "annual_12", "filled_on": filled_on, "assisted_by": assisted_by}
        | after
        | retrospect,
    )


def midline_answers(rng: random.Random) -> dict[str, Any]:
    """Return the answers of a midline; no indicator depends on them."""
    answers = scale(rng, SUP, rng.randint(14, 21)) | scale(rng, LIF, rng.randint(22, 32))
    return answers | scale(rng, MOT, rng.randint(14, 22)) | headcounts(rng, 1, 3) | plans(rng, "study")


def baseline_file(pair: Pair) -> str:
    """Return the file in which a pair's baseline lies."""
    if pair.baseline == "early":
        return "f2_self_report_2020-1_baseline.xlsx"
    return "f2_self_report_2020-2_baseline.csv"


def endline_file(filled_on: date) -> str:
    """Return the file in which an endline of that day lies."""
    if filled_on.month <= 6:
        return "f2_self_report_2021-2_endline.xlsx"
    if filled_on.month <= 9:
        return "f2_self_report_2021-3_endline.csv"
    return "f2_self_report_2021-4_endline.csv"


def baseline_and_endline(rng: random.Random, pair: Pair) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the answers before and after, moved as the design says."""
    lif_move = "up" if pair.lif == "-" else pair.lif
    lif_before, lif_after = scale_sums(rng, lif_move, len(LIF))
    # one declined item still leaves a valid scale (7 of 8); both waves decline it, so the means compare as the sums do
    declined = ("lif5",) if pair.number in {2, 24, 35} else ()
    if declined:
        lif_before, lif_after = scale_sums(rng, lif_move, len(LIF) - 1)
    before = scale(rng, LIF, lif_before, declined=declined)
    after = scale(rng, LIF, lif_after, declined=declined)

    sup_before, sup_after = scale_sums(rng, "up" if pair.sup == "-" else pair.sup, len(SUP))
    if pair.number == 19:  # at the ceiling already: nothing to gain
        sup_before = sup_after = 24
    after |= scale(rng, SUP, sup_after)
    after |= headcounts(rng, 1, 5)
    if pair.baseline == "refused":
        before |= scale(rng, SUP, 9, declined=("sup2", "sup5"))
        before |= {"sup_n": None, "sup_n_xm": None}
    elif pair.baseline == "early":
        before |= dict.fromkeys(SUPPORT_QUESTIONS)
    else:
        before |= scale(rng, SUP, sup_before)
        before |= headcounts(rng, 0, 2)

    before |= scale(rng, MOT, rng.randint(11, 18))
    before |= plans(rng, rng.choice(["unknown", "study", "neither"]))
    match pair.mot:
        case "high":
            after |= scale(rng, MOT, rng.randint(18, 24)) | plans(rng, rng.choice(["study", "work", "both"]))
        case "edge":
            after |= scale(rng, MOT, 14, declined=("mot3",)) | plans(rng, "both")
        case "near":
            after |= scale(rng, MOT, 17) | plans(rng, "work")
        case "neither":
            after |= scale(rng, MOT, 19) | plans(rng, "neither")
        case "low":
            after |= scale(rng, MOT, rng.randint(11, 15)) | plans(rng, "study")
        case _:
            after |= scale(rng, MOT, rng.randint(13, 22)) | plans(rng, rng.choice(["study", "work", "unknown"]))
    return before, after


def headcounts(rng: random.Random, low: int, high: int) -> dict[str, int]:
    """Return how many supporting adults there are, with and without the mentor."""
    count = rng.randint(low, high)
    return {"sup_n": count, "sup_n_xm": max(0, count - rng.randint(0, 1))}


def plans(rng: random.Random, intent: str) -> dict[str, str]:
    """Return the intent as given, and some present occupation."""
    return {"intent": intent, "status": rng.choice(["study", "study", "study", "work", "both", "searching"])}


def feedback_answers(rng: random.Random, kind: str) -> dict[str, Any]:
    """Return F3's answers of the kind that the design names."""
    total, overall, safe = {
        "good": (rng.randint(29, 34), rng.choice(["4", "5", "5"]), "0"),
        "edge": (28, "4", "0"),
        "low": (rng.randint(16, 22), rng.choice(["2", "3"]), "0"),
        "mean": (26, "4", "0"),
        "overall": (31, "3", "0"),
        "unsafe": (31, "4", "1"),
    }[kind]
    return scale(rng, FB, total) | {"fb_all": overall, "fb_safe": safe}


def add_feedback(cohort: Cohort, pair: Pair) -> None:
    """Add F3 each quarter and at the end; where the design says ``q:`` the latest quarterly form stands for the end."""
    rng = seeded("feedback", pair.number)
    only_quarterly, kind = pair.feedback.startswith("q:"), pair.feedback.removeprefix("q:")

    def add(wave: str, filled_on: date, kind: str) -> None:
        note = f"условная заметка {pair.number:03}" if rng.random() < 0.1 else None
        assisted_by = "specialist" if rng.random() < 0.15 else "none"
        cohort.add(
            "f3_mentee_feedback",
            feedback_file(filled_on),
            submission_id("f3_mentee_feedback", pair.number, wave, filled_on),
            moment(rng, filled_on, (0, 3)),
            {"pair_code": pair.code, "wave": wave, "filled_on": filled_on, "assisted_by": assisted_by}
            | feedback_answers(rng, kind)
            | {"fb_open": note},
        )

    last_quarterly_on = (pair.ended_on or LAST_MEETING_ON) - timedelta(days=75)
    day = pair.start_on + timedelta(days=85)
    while day < last_quarterly_on:
        filled_on = day + timedelta(days=rng.randint(-5, 5))
        near = abs((filled_on - pair.result_on).days) <= 100
        # near the day that counts an active pair's forms agree, whichever of them is taken for the latest
        add("quarterly", filled_on, kind if near else rng.choice(["good", "good", "good", "mean"]))
        day += timedelta(days=91)
    if only_quarterly:
        add("quarterly", pair.result_on - timedelta(days=rng.randint(24, 50)), kind)
    if not only_quarterly and pair.ended_on:
        add("endline", pair.ended_on + timedelta(days=rng.randint(-5, 6)), kind)


def feedback_file(day: date) -> str:
    """Return the file in which feedback of that day lies."""
    return f"f3_mentee_feedback_{half_year(day)}.{'xlsx' if half_year(day) == '2021-H1' else 'csv'}"


def meeting_file(day: date) -> str:
    """Return the file in which a meeting of that day lies."""
    return f"f4_meeting_{half_year(day)}.{'xlsx' if half_year(day) == '2021-H1' else 'csv'}"


def add_meetings(cohort: Cohort, pair: Pair) -> None:
    """Add a meeting a week, with cancellations, holidays and pauses; the last one is the farewell."""
    rng = seeded("meeting", pair.number)
    last_on = pair.ended_on or LAST_MEETING_ON
    hour = rng.choice([13, 14, 15, 16, 17])
    weekly = rng.choice([0.95, 0.9, 0.85, 0.75])
    activities = ["a1", "a1", "a2", "a6", "a6", "a5", "a4"] if pair.group == "ward" else ["a6", "a6", "a7", "a8", "a5"]
    day = pair.start_on + timedelta(days=rng.randint(0, 3))
    while day <= last_on:
        held_on = min(day + timedelta(days=rng.choice([0, 0, 0, 1, 2])), last_on)
        paused_on, resumed_on = PAUSES.get(pair.number, (date.max, date.max))
        is_holiday = (held_on.month, held_on.day) >= (12, 31) or (held_on.month == 1 and held_on.day <= 4)
        is_farewell = day + timedelta(days=7) > last_on
        if not paused_on <= held_on < resumed_on and not is_holiday and (is_farewell or rng.random() < weekly):
            status = "held" if is_farewell else rng.choices(MEETING_STATUS, MEETING_STATUS_WEIGHTS)[0]
            start_time = time(hour, rng.choice([0, 0, 15, 30]))
            cohort.add(
                "f4_meeting",
                meeting_file(held_on),
                submission_id("f4_meeting", pair.number, held_on),
                meeting_logged_at(rng, held_on),
                {"pair_code": pair.code, "held_on": held_on, "start_time": start_time, "status": status}
                | meeting_details(rng, pair, status, activities),
            )
        day += timedelta(days=7)


MEETING_STATUS = ("held", "cancelled_mentor", "cancelled_mentee", "cancelled_staff", "no_show")
MEETING_STATUS_WEIGHTS = (84, 5, 6, 1, 4)


def meeting_details(rng: random.Random, pair: Pair, status: str, activities: Sequence[str]) -> dict[str, Any]:
    """Return what is asked about a meeting once its status is known."""
    mode = rng.choices(["in_person", "video", "phone", "chat"], [76, 10, 11, 3])[0]
    if status != "held":
        return {"duration_min": None, "mode": mode, "activity": None, "goals": None, "mentee_mood": None}
    minutes = 5 * rng.randint(6, 30) if mode == "in_person" else 5 * rng.randint(6, 12)
    is_worried = rng.random() < 0.012
    return {
        "duration_min": minutes,
        "mode": mode,
        "activity": rng.choice(activities),
        "goals": " ".join(sorted(rng.sample(["g1", "g2", "g3"], rng.randint(1, 2)))),
        "mentee_mood": rng.choices(["2", "3", "4", "5"], [5, 25, 45, 25])[0],
        "concern": "1" if is_worried else "0",
        "concern_txt": f"условная заметка {pair.number:03}" if is_worried else None,
    }


def meeting_logged_at(rng: random.Random, held_on: date) -> datetime:
    """Mentors log within three days; one in twenty is slower, but none of 2021 after the cut-off."""
    days = rng.randint(4, 9) if rng.random() < 0.05 else rng.randint(0, 2)
    logged_on = held_on + timedelta(days=days)
    return datetime.combine(logged_on, time(rng.randint(19, 22), rng.randint(0, 59), rng.randint(0, 59)), ZONE)


def add_followups(cohort: Cohort, pair: Pair) -> None:
    """Add F7 as the design says, and the first two at 12 months."""
    if pair.ended_on is None or pair.followup == "-":
        return
    rng = seeded("followup", pair.number)
    due_on = add_months(pair.ended_on, 6)
    filled_on = {
        "open": date(2021, 12, 20),
        "after": date(2022, 1, 24) + timedelta(days=pair.number % 4),
        "withdrawn": date(2022, 1, 25),
    }.get(pair.followup, due_on + timedelta(days=rng.randint(-12, 40)))
    submitted_at = moment(rng, filled_on, (0, 2))
    if pair.followup == "late":
        submitted_at = datetime.combine(ENTERED_LATE_ON, time(14, 31, 27), ZONE)
    record = cohort.add(
        "f7_followup",
        f"f7_followup_{submitted_at.year}.jsonl",
        submission_id("f7_followup", pair.number, 6),
        submitted_at,
        {"pair_code": pair.code, "horizon": "6", "filled_on": filled_on, "informant": "mentee"}
        | followup_answers(rng, pair, filled_on),
    )
    if pair.followup == "withdrawn":
        what = "опрос заполнен после отзыва согласия"
        cohort.faults.append(fault_of(record, "consent_withdrawn", "quarantined", what))
    if pair.followup == "late":
        what = "опрос через 6 месяцев записан на бумаге, внесён в систему после даты среза"
        cohort.faults.append(fault_of(record, "late_arrival", "late", what))
    if pair.number in {1, 2}:  # the first two whose 12 months have passed
        filled_on = add_months(pair.ended_on, 12) - timedelta(days=rng.randint(10, 15))
        cohort.add(
            "f7_followup",
            f"f7_followup_{filled_on.year}.jsonl",
            submission_id("f7_followup", pair.number, 12),
            moment(rng, filled_on, (0, 1)),
            {"pair_code": pair.code, "horizon": "12", "filled_on": filled_on, "informant": "mentee"}
            | followup_answers(rng, pair, filled_on),
        )


def followup_answers(rng: random.Random, pair: Pair, filled_on: date) -> dict[str, Any]:
    """Return F7's answers from the question of reach on."""
    if pair.followup == "refused":
        return {"reach": "refused", "attempts": 2, "channels": 1}
    if pair.followup == "unreachable":
        return {"reach": "unreachable", "attempts": 4, "channels": 2}
    answers: dict[str, Any] = {"reach": "completed", "attempts": rng.randint(1, 3), "channels": rng.randint(1, 2)}
    days_ago = {"no": 125, "stale": 90}.get(pair.followup, rng.randint(1, 40))
    answers |= {"contact": "0" if pair.followup == "no" else "1", "last_on": filled_on - timedelta(days=days_ago)}
    if pair.followup == "no":
        answers["stop_why"] = f"условная заметка {pair.number:03}"
    else:
        freq = "rarer" if pair.followup == "stale" else rng.choice(["weekly", "monthly"])
        answers |= {"freq": freq, "initiator": rng.choice(["mentor", "mentee", "both"])}
    answers |= {"status": rng.choice(["study", "study", "work"])}
    answers |= scale(rng, SUP, rng.randint(15, 23)) | {"sup_n_xm": rng.randint(0, 3), "worse": "0"}
    return answers


def add_closure(cohort: Cohort, pair: Pair, ended_on: date) -> None:
    """Add F9."""
    rng = seeded("closure", pair.number)
    initiator, reason = CLOSED_EARLY.get(pair.number, ("staff", rng.choice(["term_complete"] * 3 + ["goals_met"])))
    is_early = pair.number in CLOSED_EARLY
    cohort.add(
        "f9_closure",
        f"f9_closure_{half_year(ended_on)}.{'csv' if ended_on.month <= 6 else 'xlsx'}",
        submission_id("f9_closure", pair.number),
        moment(rng, ended_on, (0, 4)),
        {
            "pair_code": pair.code,
            "ended_on": ended_on,
            "planned": "0" if is_early else "1",
            "initiator": initiator,
            "reason": reason,
            "bye": "0" if pair.number in {12, 41, 9} else "1",
            "warned14": "0" if is_early else rng.choice(["1"] * 9 + ["0"]),
            "after_agree": rng.choice(["1", "1", "0", "99"]),
            "reaction": f"условная заметка {pair.number:03}" if rng.random() < 0.4 else None,
            "rematch": "1" if is_early else rng.choice(["0", "0", "1", "99"]),
        },
    )


# --------------------------------------------------------------------------------------------------------------------
# Faults
# --------------------------------------------------------------------------------------------------------------------


def fault_of(record: Record, family: str, handling: str, what: str) -> Fault:
    """Return the fault that a record carries."""
    return Fault(family, handling, record.form_id, record.file, record.submission_id, what)


def add_faults(cohort: Cohort) -> None:
    """Plant what people get wrong. The figures of ``FIGURES`` hold only if each fault is handled as it says."""
    add_meeting_faults(cohort)
    add_feedback_faults(cohort)
    add_self_report_faults(cohort)
    withdraw_consent(cohort)


def add_meeting_faults(cohort: Cohort) -> None:
    """Plant faults in the meeting log, and let two exports of it overlap."""

    def plant(
        family: str,
        what: str,
        pair_code: str,
        held_on: date,
        file: str | None = None,
        submitted_at: datetime | None = None,
        **changed: Any,
    ) -> None:
        record = cohort.add(
            "f4_meeting",
            file or meeting_file(held_on),
            submission_id("fault", "f4_meeting", what),
            submitted_at or datetime.combine(held_on + timedelta(days=1), time(20, 15, 30), ZONE),
            {
                "pair_code": pair_code,
                "held_on": held_on,
                "start_time": time(11, 45),
                "status": "held",
                "duration_min": 60,
                "mode": "in_person",
                "activity": "a6",
                "goals": "g1",
                "mentee_mood": "4",
                "concern": "0",
                "concern_txt": None,
            }
            | changed,
        )
        handling = "late" if family == "late_arrival" else "quarantined"
        cohort.faults.append(fault_of(record, family, handling, what))

    plant("meeting_after_end", "встреча через 9 дней после завершения пары", "П-010", date(2021, 5, 9))
    plant("unknown_pair", "пары с таким кодом нет", "П-999", date(2020, 11, 18))
    plant("choice_not_in_list", "занятия «a9» в списке нет", "П-033", date(2021, 9, 18), activity="a9")
    plant("bad_number", "длительность записана словами", "П-028", date(2020, 12, 12), duration_min="полтора часа")

    submitted_at = datetime(2021, 12, 12, 20, 15, 30, tzinfo=ZONE)
    plant(
        "future_date", "дата встречи в 2099 году", "П-022", date(2099, 12, 11), "f4_meeting_2021-H2.csv", submitted_at
    )
    submitted_at = datetime.combine(ENTERED_LATE_ON, time(21, 40, 2), ZONE)
    what = "встреча декабря внесена 20 января"
    plant("late_arrival", what, "П-029", date(2021, 12, 18), "f4_meeting_2022-H1.csv", submitted_at)

    held = [
        record
        for record in cohort.of("f4_meeting")
        if record.answers["status"] == "held" and record.file == "f4_meeting_2021-H1.xlsx"
    ]
    first = next(record for record in held if record.answers["pair_code"] == "П-016")
    again = cohort.add(
        "f4_meeting",
        first.file,
        submission_id("fault", "f4_meeting", "duplicate"),
        first.submitted_at + timedelta(minutes=4),
        dict(first.answers) | {"mentee_mood": "5"},
    )
    cohort.faults.append(fault_of(again, "duplicate", "quarantined", "та же встреча отправлена второй раз"))

    edited = next(record for record in held if record.answers["pair_code"] == "П-034")
    cohort.records[cohort.records.index(edited)] = replace(edited, answers=dict(edited.answers) | {"duration_min": 600})
    edit(
        cohort,
        edited,
        "f4_meeting_2021-H2.csv",
        datetime(2021, 7, 12, 10, 3, 44, tzinfo=ZONE),
        {"duration_min": 60},
        "длительность 600 исправлена на 60",
    )

    # the second half-year's export overlaps the first by its last days: the same rows, letter for letter
    for record in held:
        if record.answers["held_on"] >= date(2021, 6, 29) and record.answers["pair_code"] != "П-034":
            copy = replace(record, file="f4_meeting_2021-H2.csv")
            cohort.records.append(copy)
            cohort.repeated_rows.append(copy)


def add_feedback_faults(cohort: Cohort) -> None:
    """Plant faults in the feedback forms."""
    rng = seeded("fault", "f3_mentee_feedback")

    def plant(
        family: str,
        what: str,
        pair_code: str,
        filled_on: date,
        file: str | None = None,
        submitted_at: datetime | None = None,
        **changed: Any,
    ) -> None:
        record = cohort.add(
            "f3_mentee_feedback",
            file or feedback_file(filled_on),
            submission_id("fault", "f3_mentee_feedback", what),
            submitted_at or datetime.combine(filled_on + timedelta(days=1), time(12, 20, 9), ZONE),
            {"pair_code": pair_code, "wave": "quarterly", "filled_on": filled_on, "assisted_by": "none"}
            | feedback_answers(rng, "good")
            | {"fb_open": None}
            | changed,
        )
        handling = "late" if family == "late_arrival" else "quarantined"
        cohort.faults.append(fault_of(record, family, handling, what))

    plant("unknown_pair", "опечатка в коде пары", "П-117", date(2021, 3, 24))
    plant("choice_not_in_list", "оценки 9 в списке нет", "П-027", date(2021, 8, 6), fb_all="9")
    # would lift 2.2 to 41 if it were counted: the pair's own quarterly form is not positive
    plant(
        "mentor_assisted",
        "анкету помог заполнить наставник",
        "П-043",
        date(2021, 11, 1),
        wave="endline",
        assisted_by="mentor",
    )
    # the last to arrive, but not the last to be filled in: taken for the latest, it would lift 2.2 to 41
    plant(
        "late_arrival",
        "квартальная анкета октября внесена 20 января",
        "П-021",
        date(2021, 10, 8),
        "f3_mentee_feedback_2022-H1.csv",
        datetime.combine(ENTERED_LATE_ON, time(16, 22, 50), ZONE),
    )

    endline = next(
        record
        for record in cohort.of("f3_mentee_feedback")
        if record.answers["pair_code"] == "П-006" and record.answers["wave"] == "endline"
    )
    misread = dict(endline.answers) | {"fb_all": "1"}
    cohort.records[cohort.records.index(endline)] = replace(endline, answers=misread)
    edit(
        cohort,
        endline,
        "f3_mentee_feedback_2021-H2.csv",
        datetime(2021, 7, 8, 11, 31, 20, tzinfo=ZONE),
        {"fb_all": "5"},
        "общая оценка 1 исправлена на 5: шкалу поняли наоборот",
    )


def add_self_report_faults(cohort: Cohort) -> None:
    """Plant faults in the self-reports."""
    midline = next(
        record
        for record in cohort.of("f2_self_report")
        if record.answers["pair_code"] == "П-035" and record.answers["wave"] == "midline"
    )
    assisted = cohort.add(
        midline.form_id,
        midline.file,
        submission_id("fault", "f2_self_report", "mentor_assisted"),
        midline.submitted_at + timedelta(days=2),
        dict(midline.answers) | {"assisted_by": "mentor"},
    )
    what = "анкету помог заполнить наставник"
    cohort.faults.append(fault_of(assisted, "mentor_assisted", "quarantined", what))

    pair = next(pair for pair in pairs() if pair.number == 48)
    forgotten = cohort.add(
        "f2_self_report",
        "f2_self_report_2022-1_entered_late.csv",
        submission_id("fault", "f2_self_report", "late_arrival"),
        datetime.combine(ENTERED_LATE_ON, time(12, 5, 11), ZONE),
        {
            "pair_code": pair.code,
            "wording": pair.group,
            "wave": "midline",
            "filled_on": add_months(pair.start_on, 6) + timedelta(days=2),
            "assisted_by": "none",
        }
        | midline_answers(seeded("fault", "f2_self_report")),
    )
    what = "промежуточная анкета на бумаге, внесена в систему после даты среза"
    cohort.faults.append(fault_of(forgotten, "late_arrival", "late", what))

    endline = next(
        record
        for record in cohort.of("f2_self_report")
        if record.answers["pair_code"] == "П-026" and record.answers["wave"] == "endline"
    )
    mistyped = dict(endline.answers) | {name: "5" if name.endswith("r") else "1" for name in LIF}
    cohort.records[cohort.records.index(endline)] = replace(endline, answers=mistyped)
    edit(
        cohort,
        endline,
        "f2_self_report_2021-4_endline.csv",
        datetime(2021, 10, 6, 15, 47, 5, tzinfo=ZONE),
        {},
        "ответы о бытовых умениях введены со сдвигом и исправлены",
    )


def withdraw_consent(cohort: Cohort) -> None:
    """The mentee of П-014 withdraws the consent to be asked later on 17 January 2022, and is asked on 25 January."""
    given = next(
        record
        for record in cohort.of("r5_consent")
        if record.answers["mentee_code"] == "В-014" and record.answers["purposes"] == "followup"
    )
    edit(
        cohort,
        given,
        "r5_consent_2022.csv",
        datetime(2022, 1, 18, 10, 12, 33, tzinfo=ZONE),
        {"withdrawn_on": date(2022, 1, 17)},
        "согласие отозвано",
    )


def edit(cohort: Cohort, right: Record, file: str, updated_at: datetime, answers: Mapping[str, Any], what: str) -> None:
    """Add the edited version of a submission to a later file."""
    edited = replace(right, file=file, updated_at=updated_at, answers=dict(right.answers) | dict(answers))
    cohort.records.append(edited)
    cohort.faults.append(fault_of(edited, "edited_submission", "versioned", what))


def build_cohort() -> Cohort:
    """Return all rows of all files, faults included."""
    cohort = build_records()
    add_faults(cohort)
    return cohort


# --------------------------------------------------------------------------------------------------------------------
# Files
# --------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Layout:
    """How one file looks, as its exporter made it."""

    headers: str = "names"  # names | labels: question names and codes, or the Russian labels of both
    encoding: str = "utf-8-sig"
    delimiter: str = ","
    moments: str = "iso"  # iso: with an offset; local: 31.12.2021 18:30:05
    dates: str = "iso"  # iso | dotted
    title: str | None = None  # a line above the header, merged over all columns
    system: Mapping[str, str] = field(default_factory=dict)  # other names of the system columns
    without: tuple[str, ...] = ()  # questions and system columns that this export does not have
    extra: str | None = None  # a column of their own that people added


CP1251 = Layout(encoding="cp1251", delimiter=";", moments="local", dates="dotted")
CP1251_LABELS = replace(CP1251, headers="labels")
UTF8 = Layout()
UTF8_LABELS = Layout(headers="labels")
SHEET = Layout(headers="names")
SHEET_LABELS = Layout(headers="labels")
KOBO_STYLE = {"submission_id": "KEY", "submitted_at": "SubmissionDate"}

LAYOUTS: dict[str, Layout] = {
    "r1_mentee_2020.xlsx": replace(SHEET_LABELS, title="Регистрация подопечных, набор 2020 года (вымышленные данные)"),
    "r1_mentee_2021.csv": CP1251,
    "r2_mentor_2020.xlsx": SHEET_LABELS,
    "r2_mentor_2021.csv": UTF8_LABELS,
    "r3_pair_2020-2.xlsx": replace(SHEET_LABELS, title="Пары, созданные во втором полугодии 2020 года"),
    "r3_pair_2021-1.csv": CP1251,
    "r4_pair_event_2020.csv": CP1251,
    "r4_pair_event_2021.csv": UTF8,
    "r5_consent_2020.csv": CP1251_LABELS,
    "r5_consent_2021.xlsx": SHEET,
    "r5_consent_2022.csv": UTF8,
    # the first edition was filled in on paper and typed into a sheet: it had no support section and no version number
    "f2_self_report_2020-1_baseline.xlsx": replace(
        SHEET_LABELS, title="Анкеты до начала встреч, 2020 год", without=(*SUPPORT_QUESTIONS, "form_version")
    ),
    "f2_self_report_2020-2_baseline.csv": CP1251,
    "f2_self_report_2021-1_midline.csv": UTF8_LABELS,
    "f2_self_report_2021-2_endline.xlsx": replace(SHEET_LABELS, title="Итоговые анкеты, первое полугодие 2021 года"),
    "f2_self_report_2021-3_endline.csv": CP1251,
    "f2_self_report_2021-4_endline.csv": UTF8,
    "f2_self_report_2022-1_entered_late.csv": UTF8,
    "f3_mentee_feedback_2020-H2.csv": CP1251,
    "f3_mentee_feedback_2021-H1.xlsx": replace(SHEET_LABELS, title="Обратная связь, первое полугодие 2021 года"),
    "f3_mentee_feedback_2021-H2.csv": UTF8,
    "f3_mentee_feedback_2022-H1.csv": CP1251_LABELS,
    "f4_meeting_2020-H2.csv": replace(CP1251, extra="Проезд, руб."),
    "f4_meeting_2021-H1.xlsx": replace(
        SHEET_LABELS, title="Журнал встреч, первое полугодие 2021 года", system=KOBO_STYLE
    ),
    "f4_meeting_2021-H2.csv": UTF8,
    "f4_meeting_2022-H1.csv": CP1251,
    "f7_followup_2021.jsonl": UTF8,
    "f7_followup_2022.jsonl": UTF8,
    "f9_closure_2021-H1.csv": CP1251_LABELS,
    "f9_closure_2021-H2.xlsx": SHEET,
}


def write_files(cohort: Cohort, folder: Path, forms: Mapping[str, Form]) -> None:
    """Write all files of the cohort, ``faults.yml`` and ``expected.yml`` into a folder.

    Raises:
        ValueError: a label stands for two questions of one form, so it cannot be a header.
    """
    folder.mkdir(parents=True, exist_ok=True)
    by_file: dict[str, list[Record]] = defaultdict(list)
    for record in cohort.records:
        by_file[record.file].append(record)
    if set(by_file) != set(LAYOUTS):
        raise ValueError(f"files without a layout or without rows: {sorted(set(by_file) ^ set(LAYOUTS))}")
    for name, layout in LAYOUTS.items():
        rows = sorted(by_file[name], key=lambda record: (record.arrived_at, record.submission_id))
        header, lines = table(rows, layout, forms[rows[0].form_id])
        if name.endswith(".xlsx"):
            content = workbook_bytes(header, lines, layout.title)
        elif name.endswith(".jsonl"):
            content = json_lines(header, lines)
        else:
            content = csv_bytes(header, lines, layout)
        (folder / name).write_bytes(content)
    (folder / "faults.yml").write_text(faults_yaml(cohort), encoding="utf-8")
    (folder / "expected.yml").write_text(expected_yaml(cohort), encoding="utf-8")


def table(rows: Sequence[Record], layout: Layout, form: Form) -> tuple[list[str], list[list[Any]]]:
    """Return the header and the typed cells of one file."""
    questions = [question for question in form.questions if question.name not in layout.without]
    labels = Counter(question.label_ru for question in form.questions)
    twice = [label for label, times in labels.items() if times > 1]
    if layout.headers == "labels" and twice:
        raise ValueError(f"{form.form_id}: these labels stand for several questions and cannot be headers: {twice}")
    system: dict[str, Callable[[Record], Any]] = {
        "submission_id": lambda record: record.submission_id,
        "submitted_at": lambda record: record.submitted_at,
        "form_version": lambda record: FORM_VERSION,
    }
    if any(record.updated_at for record in rows):
        system["updated_at"] = lambda record: record.updated_at
    system = {name: value for name, value in system.items() if name not in layout.without}
    header = [layout.system.get(name, name) for name in system]
    header += [question.label_ru if layout.headers == "labels" else question.name for question in questions]
    choices = {
        question.name: {choice.name: choice.label_ru for choice in question.choices}
        for question in questions
        # several answers in one cell stay codes: a label may hold the separator
        if layout.headers == "labels" and question.kind == "select_one"
    }
    lines = []
    for record in rows:
        cells = [value(record) for value in system.values()]
        for question in questions:
            answer = record.answers.get(question.name)
            cells.append(choices.get(question.name, {}).get(str(answer), answer))
        lines.append(cells)
    if layout.extra:
        header.append(layout.extra)
        for number, cells in enumerate(lines):
            fare = 100 + 7 * number % 150
            cells.append(f"{fare // 2},{'50' if fare % 2 else '00'}" if number % 3 == 0 else None)
    return header, lines


def text_of(value: Any, layout: Layout) -> str:
    """Return a cell's text as the exporter writes it."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        if layout.moments == "local":
            return value.strftime("%d.%m.%Y %H:%M:%S")
        return value.isoformat()
    if isinstance(value, date):
        return value.isoformat() if layout.dates == "iso" else value.strftime("%d.%m.%Y")
    if isinstance(value, time):
        return value.strftime("%H:%M")
    return str(value)


def csv_bytes(header: Sequence[str], lines: Iterable[Sequence[Any]], layout: Layout) -> bytes:
    """Return a CSV file in the layout's encoding."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=layout.delimiter, lineterminator="\r\n")
    writer.writerow(header)
    writer.writerows([text_of(cell, layout) for cell in cells] for cells in lines)
    return out.getvalue().encode(layout.encoding)


def json_lines(header: Sequence[str], lines: Iterable[Sequence[Any]]) -> bytes:
    """Return one JSON object a line, without the unanswered questions."""
    out = []
    for cells in lines:
        answers = {
            name: cell if isinstance(cell, int) else text_of(cell, UTF8)
            for name, cell in zip(header, cells, strict=True)
            if cell is not None
        }
        out.append(json.dumps(answers, ensure_ascii=False))
    return ("\n".join(out) + "\n").encode("utf-8")


def workbook_bytes(header: Sequence[str], lines: Iterable[Sequence[Any]], title: str | None) -> bytes:
    """Return an XLSX file with true dates, times and numbers.

    The archive is stored without compression and carries no time of making, so that the bytes depend on nothing else.
    """
    book = Workbook()
    book.remove(book.worksheets[0])
    sheet = book.create_sheet("Ответы")
    if title:
        sheet.append([title])
        sheet.merge_cells(start_row=1, start_column=1, end_row=1, end_column=len(header))
        sheet.cell(1, 1).font = Font(bold=True, size=14)
    sheet.append(list(header))
    for cell in sheet[sheet.max_row]:
        cell.font = Font(bold=True)
    for cells in lines:
        # a sheet's moments know no zone
        sheet.append([cell.replace(tzinfo=None) if isinstance(cell, datetime) else cell for cell in cells])
        for cell in sheet[sheet.max_row]:
            if isinstance(cell.value, datetime):
                cell.number_format = "dd.mm.yyyy hh:mm:ss"
            elif isinstance(cell.value, date):
                cell.number_format = "dd.mm.yyyy"
            elif isinstance(cell.value, time):
                cell.number_format = "hh:mm"
    raw = io.BytesIO()
    book.save(raw)
    return without_clock(raw.getvalue())


def without_clock(workbook: bytes) -> bytes:
    """Return the same workbook with fixed times in its archive and its properties."""
    out = io.BytesIO()
    made_at = EXPORTED_ON.isoformat() + "T09:00:00Z"
    with zipfile.ZipFile(io.BytesIO(workbook)) as given, zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as kept:
        for name in sorted(given.namelist()):
            content = given.read(name)
            if name == "docProps/core.xml":
                content = re.sub(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", made_at.encode(), content)
            entry = zipfile.ZipInfo(name, (EXPORTED_ON.year, EXPORTED_ON.month, EXPORTED_ON.day, 9, 0, 0))
            entry.create_system = 0
            kept.writestr(entry, content)
    return out.getvalue()


FAULTS_HEAD = """\
# Written by examples/make_reference_cohort.py; do not edit by hand.
# Every fault that is planted in the reference cohort, and what the pipeline must do with it:
#   quarantined: the row never reaches raw, it lies in quarantine.rows with the broken rule;
#   versioned:   both versions are accepted, the newest decides;
#   late:        accepted, but it arrived after the cut-off 2022-01-15 and does not touch the figures as of it.
# repeated_rows stand in two files of one form, letter for letter: they are counted as unchanged.
"""

EXPECTED_HEAD = """\
# Written by examples/make_reference_cohort.py; do not edit by hand.
# forms:      rows in the files = accepted versions + quarantined + unchanged
# indicators: quarter 2021-Q4 as of 2022-01-15 00:00 Europe/Moscow, views rolling_4q and cohort_year, split all;
#             deteriorated is any fall of the scale, however small
# later:      the same quarter and views as of 2022-02-01: the late follow-up counts in 2.3, the other four stay
# reported:   what the practice reported; percents are truncated there
"""


def faults_yaml(cohort: Cohort) -> str:
    """Return the list of planted faults."""
    faults = [
        {
            "form": fault.form,
            "file": fault.file,
            "submission_id": fault.submission_id,
            "family": fault.family,
            "handling": fault.handling,
            "what": fault.what,
        }
        for fault in sorted(cohort.faults, key=lambda fault: (fault.family, fault.form, fault.submission_id))
    ]
    repeated = [
        {"form": record.form_id, "file": record.file, "submission_id": record.submission_id}
        for record in sorted(cohort.repeated_rows, key=lambda record: record.submission_id)
    ]
    return FAULTS_HEAD + dump({"faults": faults, "repeated_rows": repeated})


def expected_yaml(cohort: Cohort) -> str:
    """Return what the pipeline must find."""
    rows = Counter(record.form_id for record in cohort.records)
    quarantined = Counter(fault.form for fault in cohort.faults if fault.handling == "quarantined")
    unchanged = Counter(record.form_id for record in cohort.repeated_rows)
    forms = {
        form_id: {
            "rows": rows[form_id],
            "accepted": rows[form_id] - quarantined[form_id] - unchanged[form_id],
            "quarantined": quarantined[form_id],
            "unchanged": unchanged[form_id],
        }
        for form_id in sorted(rows)
    }
    return EXPECTED_HEAD + dump(
        {
            "cut_off": "2022-01-15T00:00:00+03:00",
            "quarter": "2021-Q4",
            "period_views": ["rolling_4q", "cohort_year"],
            "forms": forms,
            "indicators": FIGURES,
            "later": {"as_of": "2022-02-01T00:00:00+03:00", "indicators": LATER_FIGURES},
            "reported": REPORTED,
        }
    )


def dump(content: Mapping[str, Any]) -> str:
    """Return readable YAML in the given order."""
    return str(yaml.safe_dump(content, allow_unicode=True, sort_keys=False, width=120))


def main(arguments: Sequence[str]) -> None:
    """Write the cohort into the folder given, or into its place in the repository."""
    folder = Path(arguments[0]) if arguments else FOLDER
    cohort = build_cohort()
    write_files(cohort, folder, load_forms(FORMS))
    size = sum(file.stat().st_size for file in folder.iterdir() if file.is_file())
    sys.stdout.write(f"{folder}: {len(LAYOUTS)} files, {len(cohort.records)} rows, {size / 1e6:.1f} MB\n")


if __name__ == "__main__":
    main(sys.argv[1:])
