"""Sustainability (M8): contact, and results 1 to 3 that were positive at the end, 6 and 12 months later."""

from __future__ import annotations

from tests.dbt.cohorts.facts import FollowUp, Pair, Row, arrived_at
from tests.dbt.cohorts.headline import GOING_ON, PERCENT_MIN, Cell, Numbers
from tests.dbt.cohorts.intervals import wilson
from tests.dbt.cohorts.scales import score
from tests.dbt.cohorts.surveys import Match, matches, unassisted

STATES = ("completed", "refused", "unreachable", "gone", "missed")
ASKED = {("contact", 6), ("contact", 12), ("R2", 6), ("R1", 12), ("R2", 12), ("R3", 12)}


def lasting(pairs: list[Pair], forms: dict[str, list[Row]]) -> dict[Cell, Numbers]:
    """Return the cells (result, horizon, split, value, '') that have a case."""
    chosen: dict[tuple[str, int, str], tuple[tuple[object, ...], Pair, str, bool | None]] = {}
    for pair in pairs:
        if not pair.follow_ups or not pair.is_all_started:
            continue
        for follow_up in pair.follow_ups:
            for result, kept in _results(pair, follow_up, forms):
                state = _state(follow_up, kept)
                # one mentee once: what is due before what is not, then the later end
                rank = (state != "not_yet_due", pair.ended_on, pair.key)
                key = (result, follow_up.horizon, pair.mentee)
                if key not in chosen or rank > chosen[key][0]:
                    chosen[key] = (rank, pair, state, kept)
    grouped: dict[Cell, list[tuple[str, bool | None]]] = {}
    for (result, horizon, _), (_, pair, state, kept) in chosen.items():
        for split, value in pair.splits().items():
            if split != "sex":
                grouped.setdefault((result, str(horizon), split, value, ""), []).append((state, kept))
    # until the first is due the result is planned, in every split
    begun = {(cell[0], cell[1]) for cell, found in grouped.items() if any(state != "not_yet_due" for state, _ in found)}
    return {cell: _numbers(found, is_begun=(cell[0], cell[1]) in begun) for cell, found in grouped.items()}


def _results(pair: Pair, follow_up: FollowUp, forms: dict[str, list[Row]]) -> list[tuple[str, bool | None]]:
    found: list[tuple[str, bool | None]] = [("contact", follow_up.is_kept)]
    at_end = next(match for match in matches(pair, forms) if match.milestone.kind == "end")
    reports = unassisted(forms, "f2_self_report", pair)
    for result, scale in (("R1", "MOT"), ("R2", "SUP"), ("R3", "LIF")):
        if (result, follow_up.horizon) in ASKED and _is_positive(pair, at_end, result, scale):
            found.append((result, _is_lasting(follow_up, at_end, reports, result, scale)))
    return found


def _is_positive(pair: Pair, match: Match, result: str, scale: str) -> bool:
    before, after = match.change(scale)
    if not match.after or after is None:
        return False
    if result == "R1":
        is_graduate = pair.status_on(match.after["filled_on"]) == "graduate"
        return is_graduate and after >= 3.5 and match.after["intent"] in GOING_ON
    if result == "R3" and pair.status_on(pair.start_on) != "ward":
        return False
    return before is not None and after > before


def _is_lasting(follow_up: FollowUp, at_end: Match, reports: list[Row], result: str, scale: str) -> bool | None:
    """Whether the result holds at the follow-up, by the latest valid F2 of the wave, else by F7; None: not known."""
    answer = max(
        (
            row
            for row in reports
            if row["wave"] == f"fu{follow_up.horizon}"
            and follow_up.opens <= row["filled_on"] <= follow_up.closes
            and score(row, scale) is not None
        ),
        key=lambda row: (row["filled_on"], arrived_at(row)),
        default=None,
    )
    own = follow_up.form
    if answer is None and scale == "SUP" and own and own["reach"] == "completed" and own["informant"] == "mentee":
        answer = own
    value = score(answer, scale)
    if answer is None or value is None:
        return None
    if result == "R1":
        if value < 3.5:
            return False
        return None if answer["intent"] is None else answer["intent"] in GOING_ON
    if not at_end.before or answer["wording"] != at_end.before["wording"]:
        return None
    before = at_end.change(scale)[0]
    return None if before is None else value > before


def _state(follow_up: FollowUp, kept: bool | None) -> str:
    if not follow_up.is_closed:
        return "not_yet_due"
    reach = follow_up.form["reach"] if follow_up.form else "missed"
    if kept is not None:
        return "completed"
    return {"moved": "gone", "died": "gone"}.get(reach, reach)


def _numbers(found: list[tuple[str, bool | None]], *, is_begun: bool) -> Numbers:
    due = [(state, kept) for state, kept in found if state != "not_yet_due"]
    known = [kept for _, kept in due if kept is not None]
    numbers: Numbers = {"scheduled": len(found), "not_yet_due": len(found) - len(due)}
    counted = {"due": len(due), "measured": len(known)}
    counted |= {state: sum(one == state for one, _ in due) for state in STATES}
    numbers |= counted if is_begun else dict.fromkeys(counted)
    numbers["sustained"] = sum(known) if known else None
    numbers["coverage"] = len(known) / len(due) if due else None
    shares: Numbers = dict.fromkeys(("share", "ci_low", "ci_high", "worst_case", "best_case"))
    if len(known) >= PERCENT_MIN:
        low, high = wilson(sum(known), len(known))
        shares = {
            "share": sum(known) / len(known),
            "ci_low": low,
            "ci_high": high,
            "worst_case": sum(known) / len(due),
            "best_case": (sum(known) + len(due) - len(known)) / len(due),
        }
    return numbers | shares
