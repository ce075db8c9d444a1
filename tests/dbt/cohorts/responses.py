"""M7: which forms were due and came in valid; the same for F3 and F7 is the response on which M9 stands."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta

from tests.dbt.cohorts.dates import TODAY, days, months_after, quarter_starts
from tests.dbt.cohorts.facts import MIN_ACTIVE_DAYS, Pair, Row
from tests.dbt.cohorts.measures import Case
from tests.dbt.cohorts.scales import score

FORMS = {
    "f1": "f1_needs",
    "f2": "f2_self_report",
    "f3": "f3_mentee_feedback",
    "f5": "f5_mentor_feedback",
    "f6": "f6_observation",
    "f7": "f7_followup",
}


def _is_valid(instrument: str, row: Row) -> bool:
    if instrument in {"f1", "f5"}:
        return True
    if instrument == "f6":
        return row["observer"] != "mentor" and score(row, "OBS") is not None
    if row["assisted_by"] == "mentor":
        return False
    scales = ("FB",) if instrument == "f3" else ("SUP", "LIF", "MOT")
    return any(score(row, scale) is not None for scale in scales)


def _due(pair: Pair) -> Iterator[tuple[str, str, date, date, date]]:
    """Yield instrument, wave, due date, first and last day of each form whose window is over."""
    lenient = pair.start_on + timedelta(14)
    if lenient < TODAY:
        for instrument in ("f1", "f2", "f6"):
            yield instrument, "baseline", pair.start_on, date.min, lenient
    for milestone in pair.milestones():
        if milestone.is_all_started and milestone.closes < TODAY:
            for instrument in ("f2", "f3", "f5", "f6") if milestone.kind == "end" else ("f2", "f6"):
                yield instrument, milestone.wave, milestone.on, milestone.opens, milestone.closes
    opens = quarter_starts(pair.start_on)
    while (closes := months_after(opens, 3) - timedelta(1)) < TODAY:
        if len(pair.active & set(days(opens, closes + timedelta(1)))) >= MIN_ACTIVE_DAYS:
            yield "f3", "quarterly", closes, opens, closes
            yield "f5", "quarterly", closes, opens, closes
        opens = closes + timedelta(1)
    for follow_up in pair.follow_ups:
        if pair.is_all_started and follow_up.is_closed and follow_up.horizon == 12:
            yield "f2", "fu12", follow_up.due_on, follow_up.opens, follow_up.closes


def responses(pairs: list[Pair], forms: dict[str, list[Row]]) -> Iterator[Case]:
    """Yield the cases of M7 and M9_response."""
    first = {
        instrument: min((row["filled_on"] for row in forms.get(form, [])), default=date.max)
        for instrument, form in FORMS.items()
    }
    for pair in pairs:
        if not pair.is_started:
            continue
        found: list[tuple[str, str, date, bool | None]] = []
        for instrument, wave, on, opens, closes in _due(pair):
            valid = any(
                row.get("pair_key") == pair.key or (instrument == "f1" and row["mentee_key"] == pair.mentee)
                for row in forms.get(FORMS[instrument], [])
                if opens <= row["filled_on"] <= closes
                and (instrument == "f1" or wave in ("quarterly", row["wave"]))
                and _is_valid(instrument, row)
            )
            found.append((instrument, wave, on, valid if first[instrument] <= closes else None))
        for follow_up in pair.follow_ups:
            if pair.is_all_started and follow_up.is_closed:
                came = bool(follow_up.form and follow_up.form["reach"] == "completed")
                known = came if first["f7"] <= follow_up.closes else None
                found.append(("f7", f"fu{follow_up.horizon}", follow_up.due_on, known))
        for instrument, wave, on, valid in found:
            yield Case("M7", pair, on, valid, ("instrument", f"{instrument}_{wave}"))
            if instrument in {"f3", "f7"}:
                yield Case("M9_response", pair, on, valid, ("instrument", instrument))
