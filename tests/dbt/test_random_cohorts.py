"""Marts of random small cohorts, from raw on, beside a count in Python that shares no line with the SQL."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pandas as pd
import psycopg
import pytest
from psycopg.rows import dict_row

from vmeste.settings import Settings
from vmeste.warehouse import transform
from vmeste.warehouse.connect import connect

AS_OF = datetime(2022, 1, 15, tzinfo=UTC)
AS_OF_ON = AS_OF.date()
QUARTER_ENDS = date(2021, 12, 31)
MARTS = ("match_survival", "contact_survival", "sustainability", "programme_indicator_quarterly")
SEEDS = 200


@dataclass
class Pair:
    """A pair as the generator knows it; what arrived after the cut-off is not in here."""

    key: str
    mentee: str
    mentor: str
    form: str
    start_on: date
    pause: tuple[date, date] | None = None
    ended_on: date | None = None
    is_converted: bool = False
    had_farewell: str | None = None
    followups: list[dict[str, Any]] = field(default_factory=list)
    plan_on: date | None = None

    def days(self) -> set[date]:
        """Return its active days, those of the pause out."""
        last = self.ended_on or AS_OF_ON
        held = {self.start_on + timedelta(n) for n in range((last - self.start_on).days)}
        return {day for day in held if not (self.pause and self.pause[0] <= day < self.pause[1])}


class Cohort:
    """Random pairs, and the rows of raw that tell of them."""

    def __init__(self, seed: int) -> None:
        """Make up the pairs."""
        self.chance = random.Random(seed)  # noqa: S311  (a cohort, not a secret)
        self.rows: list[tuple[str, dict[str, Any]]] = []
        self.pairs = [self._pair(number) for number in range(self.chance.randint(0, self.chance.choice([3, 14, 40])))]
        self.attended: dict[str, set[date]] = {}
        for number in range(self.chance.randint(0, 6) if self.pairs else 0):
            self._supervision(number)

    def _add(self, form: str, key: str, on: date, **answers: Any) -> bool:
        """Add a row, sometimes one that arrives too late; say whether it counts."""
        late = self.chance.random() < 0.05
        sent = AS_OF + timedelta(days=1) if late else datetime(on.year, on.month, on.day, tzinfo=UTC)
        sent = max(sent, AS_OF + timedelta(seconds=1)) if late else min(sent, AS_OF)
        self._version(form, key, sent, None, answers)
        return not late

    def _version(self, form: str, key: str, sent: datetime, edited: datetime | None, answers: dict[str, Any]) -> None:
        plumbing = {
            "_source": "random",
            "_submission_id": key,
            "_form_version": "1",
            "_submitted_at": sent,
            "_updated_at": edited,
            "_content_hash": f"{len(self.rows)}",
            "_operation": "upsert",
            "_ingested_at": edited or sent,
            "_batch_id": "b",
        }
        self.rows.append((form, plumbing | answers))

    def _pair(self, number: int) -> Pair:
        chance = self.chance
        start = date(2019, 9, 1) + timedelta(chance.randint(0, 800))
        pair = Pair(f"p{number}", f"m{number}", f"t{chance.randint(0, 4)}", chance.choice(["short", "long"]), start)
        base = datetime(2019, 2, 1, tzinfo=UTC)
        self._version("r1_mentee", pair.key, base, None, {"mentee_key": pair.mentee, "sex": "f", "status": "ward"})
        self.rows[-1][1].update({"status_from": date(2019, 1, 1), "birth_year": 2005})
        keys = {"pair_key": pair.key, "mentee_key": pair.mentee, "mentor_key": pair.mentor, "form": pair.form}
        self._version("r3_pair", pair.key, base, None, keys | {"start_on": start})
        if chance.random() < 0.3:
            paused = start + timedelta(chance.randint(1, 60))
            resumed = paused + timedelta(chance.randint(1, 90))
            for name, day, state in (("a", start, "active"), ("b", paused, "paused"), ("c", resumed, "active")):
                event = {"pair_key": pair.key, "to_state": state, "occurred_on": day}
                self._version("r4_pair_event", pair.key + name, base, None, event)
            if paused <= AS_OF_ON:
                pair.pause = (paused, min(resumed, AS_OF_ON))
        ended = start + timedelta(
            chance.choice([chance.randint(1, 90), chance.randint(91, 300), chance.randint(91, 500)])
        )
        if chance.random() < 0.8 and ended <= AS_OF_ON:
            reason = chance.choice(["term_complete", "goals_met", "converted", "lost_contact"])
            bye = chance.choice(["1", "0", "99", None])
            answers = {"pair_key": pair.key, "ended_on": ended, "reason": reason, "bye": bye}
            if self._add("f9_closure", pair.key, ended, **answers):
                pair.ended_on, pair.is_converted, pair.had_farewell = ended, reason == "converted", bye
            self._followups(pair, ended)
        if chance.random() < 0.5:
            approved = start + timedelta(chance.randint(0, 45))
            if approved <= AS_OF_ON and self._add(
                "s2_plan", pair.key, approved, pair_key=pair.key, approved_on=approved
            ):
                pair.plan_on = approved
        return pair

    def _followups(self, pair: Pair, ended: date) -> None:
        chance = self.chance
        for horizon in (6, 12):
            due = (pd.Timestamp(ended) + pd.DateOffset(months=horizon)).date()
            for attempt in range(chance.choice([0, 1, 1, 2])):
                filled = due + timedelta(
                    chance.choice([chance.randint(-35, 65), chance.randint(-30, 60), chance.randint(60, 100)])
                )
                if filled > AS_OF_ON:
                    continue
                answer: dict[str, Any] = {
                    "pair_key": pair.key,
                    "horizon": str(horizon),
                    "filled_on": filled,
                    "informant": chance.choice(["mentee"] * 5 + ["mentor"]),
                    "reach": chance.choice(["completed"] * 6 + ["refused", "unreachable", "moved"]),
                    "contact": None,
                    "last_on": None,
                }
                if answer["reach"] == "completed":
                    answer["contact"] = chance.choice(["1", "1", "1", "1", "0", None])
                    answer["last_on"] = chance.choice(
                        [None] + [filled - timedelta(days) for days in (0, 30, 59, 60, 61, 200)]
                    )
                key = f"{pair.key}-{horizon}-{attempt}"
                if self._add("f7_followup", key, filled, **answer):
                    answer["order"] = (filled, len(self.rows))
                    pair.followups.append(answer)

    def _supervision(self, number: int) -> None:
        chance = self.chance
        held = date(2021, 1, 1) + timedelta(chance.randint(0, 360))
        first, second = ({f"t{chance.randint(0, 4)}" for _ in range(chance.randint(0, 3))} for _ in range(2))
        sent = datetime(held.year, held.month, held.day, tzinfo=UTC)
        versions = [(None, first)]
        if chance.random() < 0.5:
            versions.append((sent + timedelta(days=1), second))  # an edit replaces the mentors, or takes them all out
        for edited, mentors in versions:
            members = json.dumps([{"mentor_key": mentor} for mentor in sorted(mentors)])
            self._version("s1_supervision", f"s{number}", sent, edited, {"held_on": held, "mentors": members})
        for mentor in versions[-1][1]:
            self.attended.setdefault(mentor, set()).add(held)


@pytest.fixture(scope="module")
def models(settings: Settings) -> list[tuple[str, str]]:
    """Return relation and SQL of each table that the marts stand on, in the order of building."""
    transform.build(settings, as_of=AS_OF)
    nodes = json.loads((settings.home / "dbt" / "current" / "manifest.json").read_text(encoding="utf-8"))["nodes"]
    ordered: dict[str, None] = {}

    def visit(name: str) -> None:
        if name.startswith("model.") and name not in ordered:
            for parent in nodes[name]["depends_on"]["nodes"]:
                visit(parent)
            ordered[name] = None

    for mart in MARTS:
        visit(f"model.vmeste.{mart}")
    kept = {"table", "incremental"}  # an increment's SQL says the whole relation too
    tables = [nodes[name] for name in ordered if nodes[name]["config"]["materialized"] in kept]
    return [(f"{node['schema']}.{node['name']}", node["compiled_code"]) for node in tables]


@pytest.fixture(scope="module")
def connection(settings: Settings, models: list[tuple[str, str]]) -> Iterator[psycopg.Connection[dict[str, Any]]]:
    with connect(settings) as opened:
        opened.row_factory = dict_row  # type: ignore[assignment]
        yield opened  # type: ignore[misc]


@pytest.fixture(scope="module")
def columns(connection: psycopg.Connection[dict[str, Any]]) -> dict[str, str]:
    found = connection.execute(
        "select table_schema || '.' || table_name as name, string_agg(column_name, ', ') as columns "
        "from information_schema.columns where table_schema in ('staging', 'intermediate', 'marts') group by 1"
    ).fetchall()
    connection.commit()
    return {row["name"]: row["columns"] for row in found}


def build(
    connection: psycopg.Connection[dict[str, Any]],
    models: list[tuple[str, str]],
    columns: dict[str, str],
    cohort: Cohort,
) -> dict[str, list[dict[str, Any]]]:
    """Fill raw and every table again, read the marts, and leave nothing behind."""
    for form, row in cohort.rows:
        names = ", ".join(row)
        places = ", ".join(f"%({name})s" for name in row)
        connection.execute(f"insert into raw.{form} ({names}) values ({places})".encode(), row)
    for relation, code in models:
        chosen = columns[relation]
        connection.execute(f"delete from {relation}".encode())
        connection.execute(f"insert into {relation} ({chosen}) select {chosen} from ({code}) as made".encode())
    marts = {mart: connection.execute(f"select * from marts.{mart}".encode()).fetchall() for mart in MARTS}
    connection.rollback()
    return marts


def judge(pair: Pair, horizon: int) -> tuple[str, bool | None, date, dict[str, Any] | None]:
    """Return what became of a follow-up: its state, whether contact is kept (None: not known), due date, the form."""
    assert pair.ended_on
    due = (pd.Timestamp(pair.ended_on) + pd.DateOffset(months=horizon)).date()
    closes = due + timedelta(60 if horizon == 6 else 90)
    inside = [
        form
        for form in pair.followups
        if int(form["horizon"]) == horizon and due - timedelta(30) <= form["filled_on"] <= closes
    ]
    inside.sort(key=lambda form: (form["reach"] == "completed", form["informant"] == "mentee", form["order"]))
    form = inside[-1] if inside else None
    kept: bool | None = None
    if form and form["reach"] == "completed" and form["informant"] == "mentee":
        if form["contact"] == "0":
            kept = False
        elif form["contact"] == "1" and form["last_on"]:
            kept = (form["filled_on"] - form["last_on"]).days <= 60
    if closes >= AS_OF_ON:
        return "not_yet_due", kept, due, form
    if form is None:
        return "missed", kept, due, form
    return {"moved": "gone", "died": "gone"}.get(form["reach"], form["reach"]), kept, due, form


def product_limit(cases: list[tuple[int, bool]]) -> dict[int, tuple[int, int, int, float]]:
    survival, drawn = 1.0, {}
    for day in sorted({0, *(day for day, _ in cases)} if cases else ()):
        at_risk = sum(other >= day for other, _ in cases)
        events = sum(other == day and event for other, event in cases)
        survival *= 1 - events / at_risk
        drawn[day] = (at_risk, events, sum(other == day for other, _ in cases) - events, survival)
    return drawn


def compare_curve(found: list[dict[str, Any]], form: str, cases: list[tuple[int, bool]], column: str) -> None:
    expected = product_limit(cases)
    rows = {row["day"]: row for row in found if row["form"] == form}
    if column == "survival":
        assert set(rows) == set(expected)
        for day, (at_risk, events, censored, _) in expected.items():
            assert (rows[day]["at_risk"], rows[day]["events"], rows[day]["censored"]) == (at_risk, events, censored)
    for day, row in rows.items():
        assert row[column] == pytest.approx(expected[max(known for known in expected if known <= day)][3], abs=1e-9)


@pytest.mark.parametrize("block", range(4))
def test_marts_agree_with_an_independent_count(
    connection: psycopg.Connection[dict[str, Any]],
    models: list[tuple[str, str]],
    columns: dict[str, str],
    block: int,
) -> None:
    for seed in range(block * SEEDS // 4, (block + 1) * SEEDS // 4):
        cohort = Cohort(seed)
        marts = build(connection, models, columns, cohort)
        started = [pair for pair in cohort.pairs if pair.start_on <= AS_OF_ON]
        for form in ("all", "short", "long"):
            chosen = [pair for pair in started if form in ("all", "long" if pair.is_converted else pair.form)]
            lengths = [
                (((pair.ended_on or AS_OF_ON) - pair.start_on).days, bool(pair.ended_on) and not pair.is_converted)
                for pair in chosen
            ]
            compare_curve(marts["match_survival"], form, lengths, "survival")
            check_contact(marts, form, chosen)
        check_programme(marts["programme_indicator_quarterly"], started, cohort)


def check_contact(marts: dict[str, list[dict[str, Any]]], form: str, pairs: list[Pair]) -> None:
    followed = [pair for pair in pairs if pair.ended_on and not pair.is_converted and len(pair.days()) >= 60]
    curves: dict[str, list[tuple[int, bool]]] = {"survival": [], "worst_case": [], "best_case": []}
    for pair in followed:
        assert pair.ended_on
        confirmed, lost, silent = 0, None, None
        for horizon in (6, 12):
            state, kept, due, answer = judge(pair, horizon)
            if kept is False and lost is None:
                assert answer
                lost = max(((answer["last_on"] or answer["filled_on"]) - pair.ended_on).days, confirmed)
            elif kept and lost is None:
                assert answer
                confirmed, silent = max(confirmed, (answer["last_on"] - pair.ended_on).days), None
            elif kept is None and state != "not_yet_due":
                silent = (due - pair.ended_on).days
        for curve, cases in curves.items():
            if lost is not None:
                cases.append((lost, True))
            elif curve == "best_case" and silent is not None:
                cases.append((max(silent, confirmed), False))
            else:
                cases.append((confirmed, curve == "worst_case" and silent is not None))
    for column, cases in curves.items():
        compare_curve(marts["contact_survival"], form, cases, column)
    for horizon in (6, 12):
        judged = [judge(pair, horizon) for pair in followed]
        cells = [
            row
            for row in marts["sustainability"]
            if (row["result_code"], row["horizon"], row["split_value"]) == ("contact", horizon, form)
        ]
        assert len(cells) == 1 or not judged
        for cell in cells:
            due = [(state, kept) for state, kept, *_ in judged if state != "not_yet_due"]
            assert cell["scheduled"] == len(judged)
            if cell["status"] == "planned":
                assert due == []
                continue
            for state in ("completed", "refused", "unreachable", "gone", "missed"):
                assert cell[state] == sum(other == state for other, _ in due), state
            known = [kept for _, kept in due if kept is not None]
            assert (cell["due"], cell["measured"]) == (len(due), len(known))
            assert cell["sustained"] == (sum(known) if known else None)
            assert cell["share"] == (pytest.approx(sum(known) / len(known), abs=1e-9) if len(known) >= 10 else None)


def check_programme(found: list[dict[str, Any]], pairs: list[Pair], cohort: Cohort) -> None:
    year = [
        row
        for row in found
        if (row["quarter"], row["period_view"], row["split_by"]) == ("2021-Q4", "cohort_year", "all")
    ]
    cells = {row["measure_code"]: row for row in year}
    if not cells:
        assert all(pair.start_on > QUARTER_ENDS for pair in cohort.pairs)
        return

    def this_year(day: date | None) -> bool:
        return day is not None and date(2021, 1, 1) <= day <= QUARTER_ENDS

    def counted(code: str, cases: list[bool | None]) -> None:
        known = [case for case in cases if case is not None]
        cell = cells[code]
        assert (cell["eligible"], cell["denominator"]) == (len(cases), len(known)), code
        assert cell["numerator"] == (sum(known) if known else None), code
        assert cell["value"] == (pytest.approx(sum(known) / len(known), abs=1e-9) if len(known) >= 10 else None), code

    ended = [pair for pair in pairs if this_year(pair.ended_on)]
    early = []
    for pair in ended:
        planned = (pd.Timestamp(pair.start_on) + pd.DateOffset(months=8)).date() - timedelta(14)
        early.append(
            not pair.is_converted and pair.form == "short" and pair.ended_on is not None and pair.ended_on < planned
        )
    counted("M4", list(early))
    farewells = {"1": True, "0": False}
    counted("M5_farewell", [farewells.get(pair.had_farewell or "") for pair in ended if not pair.is_converted])
    first_plan = min((pair.plan_on for pair in cohort.pairs if pair.plan_on), default=date.max)
    plans: list[bool | None] = []
    for pair in pairs:
        due = pair.start_on + timedelta(30)
        if this_year(due) and due < AS_OF_ON:
            plans.append(bool(pair.plan_on and pair.plan_on <= due) if first_plan <= due else None)
    counted("M13_plans", plans)
    first_held = min((day for days in cohort.attended.values() for day in days), default=date.max)
    supervised: list[bool | None] = []
    for opens, closes in (
        (date(2021, 1, 1), date(2021, 3, 31)),
        (date(2021, 4, 1), date(2021, 6, 30)),
        (date(2021, 7, 1), date(2021, 9, 30)),
        (date(2021, 10, 1), date(2021, 12, 31)),
    ):
        active = {pair.mentor for pair in pairs if any(opens <= day <= closes for day in pair.days())}
        for mentor in active:
            here = any(opens <= day <= closes for day in cohort.attended.get(mentor, ()))
            supervised.append(here if first_held <= closes else None)
    counted("M12", supervised)
