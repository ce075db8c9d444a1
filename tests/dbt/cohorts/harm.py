"""M9, what became worse; and M10, whether a second independent role says the same."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from tests.dbt.cohorts.dates import TODAY
from tests.dbt.cohorts.facts import YES_NO, Pair, Row, arrived_at
from tests.dbt.cohorts.measures import Case, months
from tests.dbt.cohorts.scales import RELIABLE_CHANGE, score
from tests.dbt.cohorts.surveys import Match, matches, unassisted


def harms(pairs: list[Pair], forms: dict[str, list[Row]]) -> Iterator[Case]:
    """Yield the cases of M9 but for its response."""
    by_key = {pair.key: pair for pair in pairs}
    incidents = [row for row in forms.get("f8_incident", []) if row["pair_key"] in by_key]
    # without a single F8 nothing is known of incidents
    known = False if forms.get("f8_incident") else None
    for month in months(pairs, forms):
        yield Case("M9_incidents", month.pair, month.on, known, exposure=1)
    for row in incidents:
        if row["link"] in {"definite", "possible"}:
            yield Case("M9_incidents", by_key[row["pair_key"]], row["occurred_on"], is_achieved=True, exposure=0)
    for pair in pairs:
        for row in unassisted(forms, "f3_mentee_feedback", pair):
            yield Case("M9_reported", pair, row["filled_on"], YES_NO.get(row["fb_safe"]), ("instrument", "f3"))
        for row in forms.get("f7_followup", []):
            if row["pair_key"] == pair.key and row["reach"] == "completed":
                worse = YES_NO.get(row["worse"] or "")
                yield Case("M9_reported", pair, row["filled_on"], worse, ("instrument", "f7"))
        if not pair.is_started:
            continue
        for match in matches(pair, forms):
            if match.milestone.is_all_started and match.milestone.closes < TODAY:
                for scale in ("SUP", "LIF", "MOT"):
                    before, after = match.change(scale)
                    both = before is not None and after is not None
                    fell = before - after >= RELIABLE_CHANGE if both else None
                    yield Case("M9_deteriorated", pair, match.milestone.on, fell, ("scale", scale))
        if pair.ended_on and not pair.is_converted:
            told = any(row["pair_key"] == pair.key and row["cat"] == "abrupt_end" for row in incidents)
            yield Case("M9_abrupt", pair, pair.ended_on, True if told else _is_abrupt(pair))


def _is_abrupt(pair: Pair) -> bool | None:
    """Neither a farewell nor a warning: one yes settles it, a no and an unknown do not."""
    if pair.had_farewell or pair.was_warned:
        return False
    return None if None in (pair.had_farewell, pair.was_warned) else True


def agreement(pairs: list[Pair], forms: dict[str, list[Row]]) -> Iterator[Case]:
    """Yield the cases of M10."""
    for pair in pairs:
        if not pair.is_started:
            continue
        for match in matches(pair, forms):
            if not match.milestone.is_all_started:
                continue
            others = _others(pair, match, forms)
            for scale in ("SUP", "LIF", "MOT"):
                before, after = match.change(scale)
                if before is None or after is None:
                    continue
                own, other, on = _sign(after - before), others[scale], match.milestone.on
                if own == 1:
                    confirmed = None if other is None else other == 1
                    yield Case("M10_confirmed", pair, on, confirmed, ("scale", scale))
                conflict = None if other is None else own * other == -1
                yield Case("M10_conflict", pair, on, conflict, ("scale", scale))


def _sign(change: float) -> int:
    return (change > 0) - (change < 0)


def _others(pair: Pair, match: Match, forms: dict[str, list[Row]]) -> dict[str, int | None]:
    """Return what the mentor (SUP) and the observer (LIF, MOT) say: 1 better, 0 the same, −1 worse, None nothing."""
    milestone = match.milestone
    views = [
        row
        for row in forms.get("f5_mentor_feedback", [])
        if row["pair_key"] == pair.key
        and row["ch_sup"] is not None
        and milestone.on - timedelta(90) <= row["filled_on"] <= milestone.closes
    ]
    view = max(views, key=lambda row: (row["filled_on"], arrived_at(row)), default=None)
    cards = [
        row for row in forms.get("f6_observation", []) if row["pair_key"] == pair.key and row["observer"] != "mentor"
    ]
    first = max(
        (row for row in cards if row["wave"] == "baseline" and row["filled_on"] <= pair.start_on),
        key=lambda row: (score(row, "OBS") is not None, row["filled_on"], arrived_at(row)),
        default=None,
    )
    last = min(
        (
            row
            for row in reversed(cards)
            if row["wave"] == milestone.wave and milestone.opens <= row["filled_on"] <= milestone.closes
        ),
        key=lambda row: (score(row, "OBS") is None, abs((row["filled_on"] - milestone.on).days)),
        default=None,
    )
    # a change is told from two cards alone
    first = first if last else None
    skills = (score(first, "OBS"), score(last, "OBS"))
    moods = tuple(int(card["mot_obs"]) if card and card["mot_obs"] else None for card in (first, last))
    return {
        "SUP": _sign(int(view["ch_sup"])) if view else None,
        "LIF": None if None in skills else _sign(skills[1] - skills[0]),
        "MOT": None if None in moods else _sign(moods[1] - moods[0]),
    }
