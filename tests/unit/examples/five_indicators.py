"""The five indicators of DOMAIN 4 once more, in plain pandas and without the warehouse: an oracle for the cohort.

It is written from the definitions, not from the dbt models, and takes rows that are free of faults.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import pandas as pd

SUP = ["sup1", "sup2", "sup3", "sup4r", "sup5"]
LIF = ["lif1", "lif2", "lif3", "lif4", "lif5", "lif6", "lif7", "lif8r"]
MOT = ["mot1", "mot2", "mot3", "mot4r", "mot5"]
FB = ["fb1", "fb2", "fb3", "fb4", "fb5r", "fb6r", "fb7"]


def current_rows(records: Sequence[Any], as_of: datetime) -> dict[str, pd.DataFrame]:
    """Return form → the newest version of each submission that had arrived by ``as_of``, one column a question."""
    rows: dict[str, dict[str, tuple[datetime, Mapping[str, Any]]]] = {}
    for record in records:
        versions = rows.setdefault(record.form_id, {})
        newest = versions.get(record.submission_id)
        if record.arrived_at <= as_of and (newest is None or record.arrived_at >= newest[0]):
            versions[record.submission_id] = (record.arrived_at, record.answers)
    frames = {}
    for form_id, versions in rows.items():
        frame = pd.DataFrame([answers for _, answers in versions.values()])
        for column in frame.columns:
            if column.endswith("_on") or column in {"status_from", "valid_from"}:
                frame[column] = pd.to_datetime(frame[column])
        frames[form_id] = frame
    return frames


def score(rows: pd.DataFrame, items: list[str]) -> pd.Series:
    """Return the mean of a scale's items, missing where fewer than 80% of them are valid."""
    answers = rows[items].apply(pd.to_numeric).replace(99, float("nan"))
    for item in items:
        if item.endswith("r"):
            answers[item] = 6 - answers[item]
    return answers.mean(axis=1).where(answers.notna().mean(axis=1) >= 0.8)


def contributing_pairs(forms: Mapping[str, pd.DataFrame], year: int, as_of: datetime) -> pd.DataFrame:
    """Return the pairs whose end, or 12-month anniversary while they go on, lies in the year."""
    pairs = forms["r3_pair"].merge(forms["f9_closure"][["pair_code", "ended_on"]], on="pair_code", how="left")
    anniversary = pairs["start_on"] + pd.DateOffset(months=12)
    pairs["result_on"] = pairs["ended_on"].fillna(anniversary.where(pairs["form"] == "long"))
    pairs = pairs[(pairs["result_on"].dt.year == year) & (pairs["result_on"] < pd.Timestamp(as_of.date()))]
    is_started = ((pairs["ended_on"].fillna(pd.Timestamp(as_of.date())) - pairs["start_on"]).dt.days) >= 60
    return pairs[is_started].reset_index(drop=True)


def status_on(statuses: pd.DataFrame, mentee_code: str, day: pd.Timestamp) -> str:
    """Return the mentee's status on a day."""
    own = statuses[(statuses["mentee_code"] == mentee_code) & (statuses["status_from"] <= day)]
    return str(own.sort_values("status_from")["status"].iloc[-1])


def five_indicators(
    forms: Mapping[str, pd.DataFrame], year: int, as_of: datetime, view: str = "cohort_year"
) -> dict[str, dict[str, int]]:
    """Return code → eligible, measured, achieved (and deteriorated of 2.1 and 3.1) over one year, as of its Q4.

    The views ``cohort_year`` and ``rolling_4q`` differ in 2.3 only: the year of the end, or of the day it is due.
    """
    pairs = contributing_pairs(forms, year, as_of)
    statuses = forms["r1_mentee"]
    group = pd.Series(
        [status_on(statuses, pair.mentee_code, pair.start_on) for pair in pairs.itertuples()], index=pairs["pair_code"]
    )
    surveys = forms["f2_self_report"].merge(pairs[["pair_code", "mentee_code", "start_on", "ended_on", "result_on"]])
    surveys = surveys.assign(sup=score(surveys, SUP), lif=score(surveys, LIF), mot=score(surveys, MOT))
    strict = surveys[(surveys["wave"] == "baseline") & (surveys["filled_on"] <= surveys["start_on"])]
    in_window = (surveys["filled_on"] - surveys["result_on"]).dt.days.abs() <= 30
    final_wave = surveys["ended_on"].notna().map({True: "endline", False: "annual_12"})
    final = surveys[(surveys["wave"] == final_wave) & in_window]
    for waves in (strict, final):
        assert waves["pair_code"].is_unique, "a wave was asked twice"
    both = strict.merge(final, on=["pair_code", "wording"], suffixes=("_before", "_after")).set_index("pair_code")

    at_end = final[final["ended_on"].notna()]
    is_graduate = [status_on(statuses, row.mentee_code, row.filled_on) == "graduate" for row in at_end.itertuples()]
    graduates = at_end[is_graduate]
    motivated = graduates[graduates["mot"].notna() & graduates["intent"].notna()]
    is_motivated = (motivated["mot"] >= 3.5) & motivated["intent"].isin(["study", "work", "both"])

    return {
        "1.1": {"eligible": len(graduates), "measured": len(motivated), "achieved": int(is_motivated.sum())},
        "2.1": change(both, "sup", eligible=len(pairs)),
        "2.2": feedback(forms["f3_mentee_feedback"], pairs),
        "2.3": followup(forms["f7_followup"], followups_due(forms, year, as_of, view), as_of),
        "3.1": change(both[both.index.map(group) == "ward"], "lif", eligible=int((group == "ward").sum())),
    }


def change(both: pd.DataFrame, scale: str, eligible: int) -> dict[str, int]:
    """Return how a scale moved from the strict baseline to the final wave."""
    moved = (both[f"{scale}_after"] - both[f"{scale}_before"]).dropna()
    return {
        "eligible": eligible,
        "measured": len(moved),
        "achieved": int((moved > 0).sum()),
        "deteriorated": int((moved < 0).sum()),
    }


def feedback(forms: pd.DataFrame, pairs: pd.DataFrame) -> dict[str, int]:
    """Return 2.2 from the end-of-pair form, or from the latest within 90 days before the day that counts."""
    forms = forms[forms["assisted_by"] != "mentor"].merge(pairs[["pair_code", "ended_on", "result_on"]])
    forms = forms.assign(mean=score(forms, FB)).dropna(subset=["mean"])
    days_after = (forms["filled_on"] - forms["result_on"]).dt.days
    is_end = (forms["wave"] == "endline") & forms["ended_on"].notna() & (days_after.abs() <= 30)
    forms = forms.assign(is_end=is_end)[is_end | days_after.between(-90, 0)]
    one = forms.sort_values(["is_end", "filled_on"]).groupby("pair_code").tail(1)
    is_positive = (one["mean"] >= 4) & (pd.to_numeric(one["fb_all"]) >= 4) & (one["fb_safe"] != "1")
    return {"eligible": len(pairs), "measured": len(one), "achieved": int(is_positive.sum())}


def followups_due(forms: Mapping[str, pd.DataFrame], year: int, as_of: datetime, view: str) -> pd.DataFrame:
    """Return the ended pairs whose follow-up of the sixth month counts in the year, with the day on which it is due."""
    ends = pd.concat([contributing_pairs(forms, ended_in, as_of) for ended_in in (year - 1, year)])
    due = ends.dropna(subset=["ended_on"]).assign(due_on=lambda rows: rows["ended_on"] + pd.DateOffset(months=6))
    return due[due["ended_on" if view == "cohort_year" else "due_on"].dt.year == year]


def followup(forms: pd.DataFrame, due: pd.DataFrame, as_of: datetime) -> dict[str, int]:
    """Return 2.3 from the answers of mentees whose window of the sixth month has closed."""
    due = due[due["due_on"] + pd.Timedelta(days=60) < pd.Timestamp(as_of.date())]
    answers = forms[(forms["horizon"] == "6") & (forms["informant"] == "mentee") & (forms["reach"] == "completed")]
    answers = answers[answers["contact"].isin(["0", "1"])].merge(due[["pair_code", "due_on"]])
    answers = answers[(answers["filled_on"] - answers["due_on"]).dt.days.between(-30, 60)]
    days_ago = (answers["filled_on"] - answers["last_on"]).dt.days
    return {
        "eligible": len(due),
        "measured": len(answers),
        "achieved": int(((answers["contact"] == "1") & (days_ago <= 60)).sum()),
    }
