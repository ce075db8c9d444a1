"""Random cohorts as rows of raw.

Hard cases are frequent: pauses over the ends of months, conversions, two pairs of one mentee in a window, statuses that
change during a pair, lenient baselines, two endlines, days on the edge of a window, refused answers, rows that arrive a
second after the cut-off, edits, deletions, two wordings, moments around midnight in Moscow.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from tests.dbt.cohorts import answers
from tests.dbt.cohorts.dates import AS_OF, MOSCOW, TODAY, months_after, quarter_starts
from tests.dbt.cohorts.measures import NEEDS

Draw = Callable[[], dict[str, Any]]
PROGRAMMES: list[tuple[str | None, str | None]] = [("o1", "a"), ("o1", "a"), ("o1", "b"), ("o2", "a"), ("o2", None)]


class Submissions:
    """Rows of raw: form and columns."""

    def __init__(self) -> None:
        """Begin with none."""
        self.rows: list[tuple[str, dict[str, Any]]] = []

    def version(
        self,
        form: str,
        key: str,
        sent: datetime,
        edited: datetime | None,
        given: dict[str, Any],
        operation: str = "upsert",
    ) -> None:
        """Add a version of a submission, as its server sent it."""
        plumbing = {
            "_source": "random",
            "_submission_id": key,
            "_form_version": "1",
            "_submitted_at": sent,
            "_updated_at": edited,
            "_content_hash": f"{len(self.rows)}",
            "_operation": operation,
            "_ingested_at": edited or sent,
            "_batch_id": "b",
        }
        self.rows.append((form, plumbing | given))


class Cohort(Submissions):
    """Random pairs, and what the forms tell of them."""

    def __init__(self, seed: int, prefix: str = "", only: tuple[str, str] | None = None) -> None:
        """Make up everything from the seed.

        prefix: begins every key and every submission's id, so that two cohorts share none.
        only: organisation and programme of every pair; without it most cohorts name neither, the others several.
        """
        super().__init__()
        self.prefix = prefix
        self.wordings: dict[str, str] = {}
        self.chance = random.Random(seed)  # noqa: S311  (a cohort, not a secret)
        several = self.chance.choice([*[[(None, None)]] * 4, PROGRAMMES])
        self.programmes = [only] if only else several
        # which forms are in use: a form that nobody fills in must give no data
        rarely = 0.12
        self.unused = {form for form in ("f4", "f6", "f8", "s1", "s2") if self.chance.random() < rarely}
        self.first_day = date(2019, 9, 1) + timedelta(self.chance.choice([0, 0, 300, 600]))
        size = self.chance.choice([0, 1, 6, 16, 28, 40])
        # an intake that ends together: many in one quarter, not all of them due, or all of them due a year ago
        self.end_together = (
            self.chance.choice([None] * 5 + [date(2021, 12, 20), date(2020, 9, 15)]) if size > 6 else None
        )
        mentees = max(1, round(size * self.chance.choice([0.7, 1])))
        for number in range(mentees if size else 0):
            self._mentee(f"{prefix}m{number}")
        for number in range(size):
            mentee = number if number < mentees else self.chance.randrange(mentees)
            self._pair(f"{prefix}p{number}", f"{prefix}m{mentee}")
        for number in range(self.chance.randint(0, 6) if size else 0):
            self._supervision(number)

    def _add(self, form: str, key: str, on: date, draw: Draw, sent: datetime | None = None) -> None:
        """Add a submission of the day: sometimes late, edited or deleted, before the cut-off, on it or after it."""
        if form[:2] in self.unused:
            return
        chance = self.chance
        beyond = [AS_OF, AS_OF + timedelta(seconds=1), AS_OF + timedelta(days=3)]
        sent = sent or min(datetime.combine(on, time(9, chance.randint(0, 59)), UTC), AS_OF)
        if chance.random() < 0.03:
            sent = chance.choice(beyond)
        self.version(form, key, sent, None, draw())
        later = sent
        if chance.random() < 0.06:
            later = max(sent + timedelta(seconds=1), chance.choice([sent + timedelta(days=1), *beyond]))
            self.version(form, key, sent, later, draw())
        if chance.random() < 0.02:
            gone = max(later + timedelta(seconds=1), chance.choice([later + timedelta(days=1), *beyond]))
            self.version(form, key, sent, gone, draw(), operation="delete")

    def _mentee(self, mentee: str) -> None:
        chance = self.chance
        since = date(2018, 1, 1) if chance.random() < 0.95 else date(2020, 12, 31)
        first = {
            "mentee_key": mentee,
            "sex": chance.choice(["f", "m", "m", "unknown"]),
            "birth_year": chance.randint(1995, 2009),
            "status": chance.choice(["ward", "graduate"]),
            "status_from": since,
        }
        self.version("r1_mentee", mentee, datetime(2018, 2, 1, tzinfo=UTC), None, first)
        if first["status"] == "ward" and chance.random() < 0.4:
            changed = first | {
                "status": "graduate",
                "status_from": date(2020, 1, 1) + timedelta(chance.randint(0, 740)),
            }
            self._add("r1_mentee", f"{mentee}-2", changed["status_from"], lambda: changed)

    def _pair(self, key: str, mentee: str) -> None:
        chance = self.chance
        start = self.first_day + timedelta(chance.randint(0, (TODAY - self.first_day).days + 10))
        if chance.random() < 0.1:
            start = chance.choice([date(2020, 2, 29), date(2020, 12, 31), date(2021, 1, 1), date(2021, 3, 31)])
        if self.end_together:
            start = self.end_together - timedelta(chance.randint(225, 300))
        self.wordings[key] = chance.choice(["ward", "graduate"])
        form = chance.choice(["short", "long"])
        planned = chance.choice([None, months_after(start, 8 if form == "short" else chance.choice([12, 18]))])
        registered = {
            "pair_key": key,
            "mentee_key": mentee,
            "mentor_key": f"{self.prefix}t{chance.randint(0, 6)}",
            "form": form,
            "start_on": start,
            "planned_end_on": planned,
        }
        registered["organisation_code"], registered["programme_code"] = chance.choice(self.programmes)
        self.version("r3_pair", key, datetime(2019, 2, 1, tzinfo=UTC), None, registered)
        ended = self._course(key, start, planned)
        last = min(ended or TODAY, TODAY)
        self._surveys(key, form, start, ended)
        self._registers(key, mentee, start, last)
        if ended:
            self._follow_ups(key, ended)

    def _course(self, key: str, start: date, planned: date | None) -> date | None:
        """Add the events and the closure; return the day of the end, which may lie beyond the cut-off."""
        chance = self.chance
        events = [(start, "active")]
        resumed = start
        for _ in range(chance.choice([0, 0, 1, 2])):
            paused = resumed + timedelta(chance.randint(1, 80))
            resumed = paused + timedelta(chance.choice([1, 10, 31, 62, 120]))
            events += [(paused, "paused"), (resumed, "active")]
        if chance.random() < 0.05:
            events = [(start, chance.choice(["preparing", "cancelled"]))]
        ended: date | None = None
        edges = [start + timedelta(number) for number in (59, 60, 61, 90, 250, 365, 380, 400)]
        if planned:
            edges += [planned + timedelta(number) for number in (-30, -15, -14, -13, 0, 10)]
        end = chance.choice([*edges, start + timedelta(chance.randint(5, 600))])
        if self.end_together:
            end = self.end_together + timedelta(chance.randint(-12, 11))
        if chance.random() < 0.75 and events[0][1] == "active":
            ended = end
            events = [event for event in events if event[0] < end]
            state = chance.choice(["completed", "completed", "closed_early", "converted"])
            by_event, by_form = chance.choice([(True, True), (True, True), (False, True), (True, False)])
            if by_event:
                events.append((end, state))
            if by_form:
                given = answers.closure(chance) | {"pair_key": key, "ended_on": end}
                if by_event:
                    given["reason"] = "converted" if state == "converted" else "term_complete"
                self._add("f9_closure", key, end, lambda: given)
        for number, (on, state) in enumerate(events):
            event = {"pair_key": key, "to_state": state, "occurred_on": on}
            sent = min(datetime.combine(on, time(8), UTC), AS_OF)
            self.version("r4_pair_event", f"{key}-{number}", sent, None, event)
        return ended

    def _wave(self, form: str, key: str, wave: str, on: date, draw: Draw) -> None:
        if on <= TODAY:
            number = len(self.rows)
            given = {"wave": wave, "filled_on": on, "pair_key": key}
            self._add(form, f"{key}-{form}-{number}", on, lambda: given | draw())

    def _surveys(self, key: str, form: str, start: date, ended: date | None) -> None:
        chance = self.chance

        def near(day: date, *edges: int) -> date:
            return day + timedelta(chance.choice([*edges, chance.randint(min(edges), max(edges))]))

        wording = {"wording": self.wordings[key]}

        def self_report(least: int = 1) -> dict[str, Any]:
            return answers.self_report(chance, least) | (wording if chance.random() < 0.9 else {})

        def later_report() -> dict[str, Any]:
            return self_report(chance.choice([1, 2, 3]))

        for _ in range(chance.choice([0, 1, 1, 1, 2])):
            self._wave("f2_self_report", key, "baseline", near(start, -40, -5, -1, 0, 0, 1, 14, 15), self_report)
        for _ in range(chance.choice([0, 1, 1])):
            self._wave(
                "f6_observation",
                key,
                "baseline",
                near(start, -20, 0, 0, 1, 14, 15),
                lambda: answers.observation(chance),
            )
        milestones = [("endline", ended)] if ended else []
        if form == "long":
            milestones += [(f"annual_{months}", months_after(start, months)) for months in (12, 24)]
        for wave, on in milestones:
            for _ in range(chance.choice([0, 1, 1, 1, 2])):
                self._wave("f2_self_report", key, wave, near(on, -31, -30, -2, 0, 2, 30, 31), later_report)
            if chance.random() < 0.7:
                day = near(on, -31, -30, 0, 30, 31)
                self._wave("f6_observation", key, wave, day, lambda: answers.observation(chance))
        quarter = quarter_starts(start)
        while quarter <= min(ended or TODAY, TODAY):
            for instrument, draw in (
                ("f3_mentee_feedback", answers.feedback),
                ("f5_mentor_feedback", answers.mentor_feedback),
            ):
                if chance.random() < 0.6:
                    day = near(quarter, 0, 45, 89, 90, 92)
                    self._wave(instrument, key, "quarterly", day, lambda draw=draw: draw(chance))
            quarter = months_after(quarter, 3)
        if ended:
            for instrument, draw in (
                ("f3_mentee_feedback", answers.feedback),
                ("f5_mentor_feedback", answers.mentor_feedback),
            ):
                for _ in range(chance.choice([0, 1, 2])):
                    day = near(ended, -91, -90, -31, -30, 0, 30, 31)
                    self._wave(instrument, key, "endline", day, lambda draw=draw: draw(chance))

    def _registers(self, key: str, mentee: str, start: date, last: date) -> None:
        chance = self.chance
        day = start + timedelta(chance.choice([-1, 0, 3]))
        for number in range(chance.choice([0, 5, 14])):
            given = {
                "pair_key": key,
                "held_on": day,
                "status": chance.choice(["held"] * 4 + ["no_show"]),
                "duration_min": chance.choice([30, 45, 60, 95]),
            }
            over = datetime.combine(day + timedelta(4), time(), MOSCOW)
            sent = over + timedelta(seconds=chance.choice([-90000, -1, 0, 1, 90000]))
            if day <= TODAY:
                self._add("f4_meeting", f"{key}-{number}", day, lambda given=given: given, min(sent, AS_OF))
            day += timedelta(chance.choice([1, 7, 16, 30]))
            if day > last + timedelta(2):
                break
        for number in range(chance.choice([0, 0, 0, 1, 2])):
            self._incident(f"{key}-{number}", key, start, last)
        assessed = start + timedelta(chance.choice([-30, -1, 0, 1, 14, 15]))
        if chance.random() < 0.7 and assessed <= TODAY:
            given = answers.needs(chance, NEEDS) | {"mentee_key": mentee, "filled_on": assessed}
            self._add("f1_needs", f"{key}-f1", assessed, lambda: given)
        approved = start + timedelta(chance.choice([-3, 0, 29, 30, 31, 45]))
        if chance.random() < 0.7 and approved <= TODAY:
            self._add(
                "s2_plan",
                key,
                approved,
                lambda: {
                    "pair_key": key,
                    "approved_on": approved,
                    "goals": answers.goals(chance, NEEDS, approved, TODAY),
                },
            )

    def _incident(self, key: str, pair: str, start: date, last: date) -> None:
        chance = self.chance
        on = start + timedelta(chance.randint(0, max((last - start).days, 0)))
        # around midnight in Moscow, often of the first day of a quarter
        known_on = chance.choice([on, months_after(quarter_starts(on), 3)])
        reported = datetime.combine(known_on, time(), MOSCOW).astimezone(UTC)
        reported += timedelta(seconds=chance.choice([-1, 0, 1, 36000]))
        if known_on >= TODAY:
            reported = AS_OF - timedelta(hours=chance.choice([23, 24, 25]))
            on = min(on, reported.date())
        triaged = reported + timedelta(hours=24, seconds=chance.choice([-3600, 0, 1, 90000]))
        given = {
            "pair_key": pair,
            "occurred_on": on,
            "reported_at": reported,
            "triaged_at": triaged if chance.random() < 0.6 and triaged <= AS_OF else None,
            "cat": chance.choice(["conflict", "abrupt_end", "distress"]),
            "sev": chance.choice("1233344"),
            "link": chance.choice(["definite", "possible", "none"]),
        }
        self._add("f8_incident", key, on, lambda: given, reported + timedelta(minutes=5))

    def _follow_ups(self, key: str, ended: date) -> None:
        chance = self.chance
        wording = {"wording": self.wordings[key]}
        for horizon, closes in ((6, 60), (12, 90)):
            due = months_after(ended, horizon)
            for attempt in range(chance.choice([0, 1, 1, 2])):
                filled = due + timedelta(chance.choice([-31, -30, 0, closes, closes + 1, chance.randint(-20, closes)]))
                if filled > TODAY:
                    continue
                given = answers.follow_up(chance, filled, ended)
                given |= {"pair_key": key, "horizon": str(horizon), "filled_on": filled}
                if chance.random() < 0.8:
                    given |= wording
                self._add("f7_followup", f"{key}-{horizon}-{attempt}", filled, lambda given=given: given)
            filled = due + timedelta(chance.choice([-31, -30, 0, 0, 0, closes, closes + 1]))
            if horizon == 12 and chance.random() < 0.8:
                self._wave("f2_self_report", key, "fu12", filled, lambda: answers.self_report(chance, 2) | wording)

    def _supervision(self, number: int) -> None:
        chance = self.chance
        held = chance.choice(
            [date(2021, 3, 31), date(2021, 4, 1), date(2020, 10, 1) + timedelta(chance.randint(0, 460))]
        )

        def draw() -> dict[str, Any]:
            came = sorted({f"{self.prefix}t{chance.randint(0, 6)}" for _ in range(chance.randint(0, 4))})
            return {"held_on": held, "mentors": [{"mentor_key": mentor} for mentor in came]}

        self._add("s1_supervision", f"{self.prefix}s{number}", held, draw)
