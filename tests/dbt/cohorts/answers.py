"""Random answers to one form, as the choice lists allow them."""

from __future__ import annotations

import random
from datetime import date, timedelta
from typing import Any

from tests.dbt.cohorts.scales import SCALES

Answers = dict[str, Any]
YES_NO = ["1", "0", "99", None]


def _items(chance: random.Random, scale: str, gap: float, least: int = 1) -> Answers:
    refused = "9" if scale == "OBS" else "99"
    top = 4 if scale == "OBS" else 5
    # some answer everything alike, so that a scale stands still or on a threshold
    level = chance.randint(least, top)
    found: Answers = {}
    for item in SCALES[scale]:
        value = level if chance.random() < 0.5 else chance.randint(least, top)
        answer = str(top + 1 - value if item.endswith("r") else value)
        found[item] = chance.choice([refused, None]) if chance.random() < gap else answer
    return found


def self_report(chance: random.Random, least: int = 1) -> Answers:
    """Return F2: the three scales, no item below ``least`` once it is scored, and the intention."""
    gap = chance.choice([0.0, 0.02, 0.15])
    answers = {"assisted_by": chance.choice(["none"] * 5 + ["specialist", "other", "mentor"])}
    answers |= {"wording": chance.choice(["ward"] * 5 + ["graduate"])}
    answers |= {"intent": chance.choice(["study", "work", "both"] * 3 + ["neither", "unknown", None])}
    for scale in ("SUP", "LIF", "MOT"):
        answers |= _items(chance, scale, gap, least)
    if chance.random() < 0.15:
        # on the threshold: 3.5 by four items
        answers |= {"mot1": "3", "mot2": "4", "mot3": "3", "mot4r": "99", "mot5": "4"}
    return answers


def feedback(chance: random.Random) -> Answers:
    """Return F3; kind ones are frequent, for a threshold of 4 must be reached now and then."""
    items = _items(chance, "FB", chance.choice([0.0, 0.02, 0.2]))
    if chance.random() < 0.5:
        items |= {item: chance.choice("12" if item.endswith("r") else "45") for item in SCALES["FB"]}
    return items | {
        "assisted_by": chance.choice(["none"] * 6 + ["mentor"]),
        "fb_all": chance.choice(["3", "4", "4", "5", None]),
        "fb_safe": chance.choice(["0"] * 8 + ["1", "99"]) if chance.random() < 0.5 else "0",
    }


def mentor_feedback(chance: random.Random) -> Answers:
    """Return F5: how the mentor sees the support."""
    return {"ch_sup": chance.choice(["-2", "-1", "0", "1", "1", "2", None])}


def observation(chance: random.Random) -> Answers:
    """Return F6."""
    return _items(chance, "OBS", chance.choice([0.0, 0.1, 0.3])) | {
        "observer": chance.choice(["psychologist", "educator", "specialist", "mentor"]),
        "mot_obs": chance.choice(["1", "2", "3", "4", None]),
    }


def follow_up(chance: random.Random, filled_on: date, ended_on: date) -> Answers:
    """Return F7: whom they reached, and what was said."""
    reach = chance.choice(["completed"] * 6 + ["refused", "unreachable", "moved", "died"])
    answers: Answers = {
        "informant": chance.choice(["mentee"] * 5 + ["mentor"]),
        "reach": reach,
        "contact": None,
        "last_on": None,
        "worse": None,
        "wording": chance.choice(["ward", "ward", "graduate", None]),
    } | dict.fromkeys(SCALES["SUP"])
    if reach == "completed":
        last = [filled_on - timedelta(number) for number in (0, 30, 59, 60, 61, 200)]
        answers |= _items(chance, "SUP", chance.choice([0.0, 0.1]))
        answers["contact"] = chance.choice(["1"] * 4 + ["0", "99", None])
        answers["last_on"] = chance.choice([None, ended_on, *last])
        answers["worse"] = chance.choice(["0"] * 6 + ["1", "99", None])
    return answers


def closure(chance: random.Random) -> Answers:
    """Return F9."""
    reason = chance.choice(["term_complete"] * 3 + ["goals_met", "converted", "lost_contact", "safety"])
    return {"reason": reason, "bye": chance.choice(YES_NO), "warned14": chance.choice(YES_NO)}


def needs(chance: random.Random, domains: tuple[str, ...]) -> Answers:
    """Return F1."""
    return {f"need_{domain}": chance.choice("0123") for domain in domains}


def goals(chance: random.Random, domains: tuple[str, ...], approved_on: date, last: date) -> list[Answers]:
    """Return the members of S2: some reviewed, some attained."""
    found = []
    for number in range(chance.randint(0, 4)):
        reviewed = approved_on + timedelta(chance.randint(10, 300))
        is_reviewed = chance.random() < 0.6 and reviewed <= last
        found.append(
            {
                "goal_no": number + 1,
                "domain": chance.choice(domains),
                "reviewed_on": reviewed.isoformat() if is_reviewed else None,
                "attainment": chance.choice(["-2", "-1", "0", "1", "2", None]) if is_reviewed else None,
            }
        )
    return found
