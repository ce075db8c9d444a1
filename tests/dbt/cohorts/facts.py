"""What the rows of raw say as of the cut-off: the version that counts, the pairs, their milestones and follow-ups."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

from tests.dbt.cohorts.dates import AS_OF, TODAY, days, months_after

Row = dict[str, Any]
MIN_ACTIVE_DAYS = 60
ENDLINE_DAYS = 30


def arrived_at(row: Row) -> Any:
    """Return when the form server received the version."""
    return row["_updated_at"] or row["_submitted_at"]


def current(rows: list[tuple[str, Row]]) -> dict[str, list[Row]]:
    """Return form → its submissions as they stood at the cut-off, in the order in which they arrived."""
    newest: dict[tuple[str, str], Row] = {}
    for form, row in rows:
        if arrived_at(row) <= AS_OF:
            key = (form, row["_submission_id"])
            if key not in newest or arrived_at(row) > arrived_at(newest[key]):
                newest[key] = row
    found: dict[str, list[Row]] = {}
    for (form, _), row in sorted(newest.items(), key=lambda item: (arrived_at(item[1]), item[0])):
        if row["_operation"] == "upsert":
            found.setdefault(form, []).append(row)
    return found


@dataclass
class Milestone:
    """The end of a pair, or a 12-month anniversary at which a long pair was running."""

    kind: str
    wave: str
    on: date
    is_all_started: bool

    @property
    def opens(self) -> date:
        """The first day of the wave's window."""
        return self.on - timedelta(ENDLINE_DAYS)

    @property
    def closes(self) -> date:
        """The last day of the wave's window."""
        return self.on + timedelta(ENDLINE_DAYS)


@dataclass
class FollowUp:
    """A follow-up that is or will be due, and the F7 that counts for it."""

    horizon: int
    due_on: date
    opens: date
    closes: date
    form: Row | None = None

    @property
    def is_closed(self) -> bool:
        """Whether its last day is over."""
        return self.closes < TODAY

    @property
    def is_kept(self) -> bool | None:
        """Whether contact goes on: the mentee says so, and it was within 60 days; None: not known."""
        if not self.form or self.form["reach"] != "completed" or self.form["informant"] != "mentee":
            return None
        if self.form["contact"] == "0":
            return False
        if self.form["contact"] == "1" and self.form["last_on"]:
            return (self.form["filled_on"] - self.form["last_on"]).days <= 60
        return None


@dataclass
class Pair:
    """A pair as the forms tell of it by the cut-off."""

    organisation: str
    programme: str
    key: str
    mentee: str
    mentor: str
    form: str
    start_on: date
    planned_end_on: date | None
    state: str | None
    ended_on: date | None
    is_converted: bool
    had_farewell: bool | None
    was_warned: bool | None
    active: set[date] = field(repr=False)
    sex: str = "unknown"
    age_band: str = "unknown"
    statuses: list[tuple[date, str]] = field(default_factory=list)
    follow_ups: list[FollowUp] = field(default_factory=list)

    @property
    def is_started(self) -> bool:
        """Whether it has begun."""
        return self.start_on <= TODAY and self.state not in {"proposed", "preparing", "cancelled"}

    @property
    def reporting_form(self) -> str:
        """The form under which results count."""
        return "long" if self.is_converted else self.form

    @property
    def is_all_started(self) -> bool:
        """Whether an ended pair belongs to the main population."""
        return len(self.active) >= MIN_ACTIVE_DAYS

    @property
    def is_closed_early(self) -> bool:
        """M4: ended more than 14 days before the planned end."""
        if self.ended_on is None or self.is_converted:
            return False
        if self.planned_end_on is None:
            return self.state == "closed_early"
        return self.ended_on < self.planned_end_on - timedelta(14)

    def status_on(self, day: date) -> str:
        """Return whether the mentee was ward or graduate on a day."""
        return next((status for since, status in reversed(self.statuses) if since <= day), "unknown")

    def splits(self) -> dict[str, str]:
        """Return the splits of the programme's measures and this pair's value in each."""
        return {"all": "all", "form": self.reporting_form, "group": self.status_on(self.start_on), "sex": self.sex}

    def milestones(self) -> list[Milestone]:
        """Return its end, and the anniversaries that no end within 30 days takes the place of."""
        found = [("end", "endline", self.ended_on)] if self.ended_on else []
        number = 1
        while self.form == "long" and (on := months_after(self.start_on, 12 * number)) <= TODAY:
            if self.ended_on is None or self.ended_on > on + timedelta(ENDLINE_DAYS):
                found.append(("anniversary", f"annual_{12 * number}", on))
            number += 1
        return [
            Milestone(kind, wave, on, sum(day < on for day in self.active) >= MIN_ACTIVE_DAYS)
            for kind, wave, on in found
            if on
        ]


def age_band(age: int) -> str:
    """Return the published age band."""
    for last, band in ((13, "≤13"), (15, "14-15"), (17, "16-17"), (23, "18-23")):
        if age <= last:
            return band
    return "24+"


YES_NO = {"1": True, "0": False}
OF_PEOPLE = ("r1_mentee", "f1_needs", "s1_supervision")
"""Forms that name no pair: of a mentee, or of the mentors who came."""

Part = tuple[list["Pair"], dict[str, list[Row]]]


def by_programme(pairs: list[Pair], forms: dict[str, list[Row]]) -> dict[tuple[str, str], Part]:
    """Return organisation and programme → its pairs and the forms that tell of them: nobody else's say anything."""
    found: dict[tuple[str, str], Part] = {}
    for programme in sorted({(pair.organisation, pair.programme) for pair in pairs}):
        own = [pair for pair in pairs if (pair.organisation, pair.programme) == programme]
        keys, mentees, mentors = ({getattr(pair, name) for pair in own} for name in ("key", "mentee", "mentor"))
        chosen = {
            form: [row for row in rows if row.get("pair_key") in keys]
            for form, rows in forms.items()
            if form not in OF_PEOPLE
        }
        for form in ("r1_mentee", "f1_needs"):
            chosen[form] = [row for row in forms.get(form, []) if row["mentee_key"] in mentees]
        chosen["s1_supervision"] = [
            row | {"mentors": [mentor for mentor in row["mentors"] if mentor["mentor_key"] in mentors]}
            for row in forms.get("s1_supervision", [])
        ]
        found[programme] = own, chosen
    return found


def pairs_of(forms: dict[str, list[Row]]) -> list[Pair]:
    """Return every registered pair."""
    events: dict[str, list[Row]] = {}
    for row in forms.get("r4_pair_event", []):
        if row["occurred_on"] <= TODAY:
            events.setdefault(row["pair_key"], []).append(row)
    closures = {row["pair_key"]: row for row in forms.get("f9_closure", []) if row["ended_on"] <= TODAY}
    mentees = {row["mentee_key"]: row for row in forms.get("r1_mentee", [])}
    statuses: dict[str, dict[date, str]] = {}
    for row in forms.get("r1_mentee", []):
        statuses.setdefault(row["mentee_key"], {})[row["status_from"]] = row["status"]
    found = []
    for row in {row["pair_key"]: row for row in forms.get("r3_pair", [])}.values():
        key = row["pair_key"]
        course = sorted(events.get(key, []), key=lambda event: event["occurred_on"])
        closure = closures.get(key)
        state = course[-1]["to_state"] if course else None
        ended_on = None
        if closure:
            ended_on = closure["ended_on"]
        elif state in {"completed", "closed_early", "converted"}:
            ended_on = course[-1]["occurred_on"]
        active = set(days(row["start_on"], ended_on or TODAY))
        for event, following in zip(course, [*course[1:], None], strict=False):
            if event["to_state"] == "paused":
                active -= set(days(event["occurred_on"], following["occurred_on"] if following else TODAY))
        planned = row["planned_end_on"] or (months_after(row["start_on"], 8) if row["form"] == "short" else None)
        pair = Pair(
            organisation=row["organisation_code"] or "unknown",
            programme=row["programme_code"] or "unknown",
            key=key,
            mentee=row["mentee_key"],
            mentor=row["mentor_key"],
            form=row["form"],
            start_on=row["start_on"],
            planned_end_on=planned,
            state=state,
            ended_on=ended_on,
            is_converted=state == "converted" or bool(closure and closure["reason"] == "converted"),
            had_farewell=YES_NO.get(closure["bye"]) if closure else None,
            was_warned=YES_NO.get(closure["warned14"]) if closure else None,
            active=active,
            statuses=sorted(statuses.get(row["mentee_key"], {}).items()),
        )
        mentee = mentees.get(pair.mentee)
        if mentee:
            pair.sex, pair.age_band = mentee["sex"], age_band(pair.start_on.year - mentee["birth_year"])
        if pair.is_started and pair.ended_on and not pair.is_converted:
            own = [form for form in forms.get("f7_followup", []) if form["pair_key"] == key]
            pair.follow_ups = [_follow_up(pair.ended_on, horizon, own) for horizon in (6, 12)]
        found.append(pair)
    return found


def _follow_up(ended_on: date, horizon: int, forms: list[Row]) -> FollowUp:
    """Return the follow-up with the form that tells most: completed, by the mentee, the latest."""
    due = months_after(ended_on, horizon)
    planned = FollowUp(horizon, due, due - timedelta(30), due + timedelta(60 if horizon == 6 else 90))
    inside = [
        form
        for form in forms
        if int(form["horizon"]) == horizon and planned.opens <= form["filled_on"] <= planned.closes
    ]
    planned.form = max(
        inside,
        key=lambda form: (
            form["reach"] == "completed",
            form["informant"] == "mentee",
            form["filled_on"],
            arrived_at(form),
        ),
        default=None,
    )
    return planned
