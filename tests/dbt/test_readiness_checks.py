"""Each recommendation keeps every check that was agreed for it, with its threshold: read from the seeds alone."""

from __future__ import annotations

import csv
from collections import defaultdict
from decimal import Decimal

from vmeste.settings import ROOT

SEEDS = ROOT / "dbt_project" / "seeds"

# Recommendation → check and its threshold, a share or a count as the check says.
AGREED: dict[str, dict[str, str]] = {
    # logical model: acyclic, no orphan, edges confirmed; every R has an indicator and an activity
    "R2020-1": {"tree_acyclic": "1", "tree_no_orphan": "1", "tree_edges_confirmed": "1", "results_supported": "1"},
    # sustainability: response at 6 and 12 months, graduates of the programme answer, a document on their involvement
    "R2020-2": {
        "fu6_response": "0.6",
        "fu12_response": "0.6",
        "programme_graduates_answered": "1",
        "involvement_artefact": "1",
    },
    # wording: a full current definition with approval
    "R2020-3": {"definitions_complete": "1", "definitions_approved": "1"},
    # instruments and sample: two an R, M10 assessed, M7, trend
    "R2020-4": {
        "results_with_two_instruments": "1",
        "confirmed_by_two_roles": "0.5",
        "response": "0.8",
        "endline_response": "0.8",
        "sample_trend": "1",
    },
    # two forms, clearances, grave incidents in 24 hours, regulation and risks
    "R2021-1": {
        "indicators_by_form": "1",
        "mentors_cleared": "1",
        "incidents_triaged": "1",
        "regulation_current": "1",
        "risk_current": "1",
    },
    # value, interval, deterioration and sustainability of every R; procedures
    "R2021-2": {"results_published_fully": "1", "results_sustainability": "1", "procedure_artefact": "1"},
    "R2021-3": {"indicators_covered": "1"},
    "R2021-4": {"needs_assessed": "0.9", "analogous_practices": "3"},
    # somebody eligible at 12 months, their response, M8 and M9 published, an outside expert
    "R2021-5": {
        "fu12_eligible": "1",
        "fu12_studied": "0.6",
        "m8_published": "1",
        "m9_published": "1",
        "expert_artefact": "1",
    },
    # M11 overall and for short pairs; rows of the short form
    "R2021-6": {"baseline_strict": "0.9", "baseline_strict_short": "0.9", "short_form_indicators": "1"},
    "P-1": {"refreshes_on_time": "4"},
    "P-2": {"sustainability_12_released": "1"},
    "P-3": {"regulation_artefact": "1"},
}
ON_PAPER_ALONE = {"P-3"}  # the regulation itself is what is asked for


def seed(name: str) -> list[dict[str, str]]:
    with (SEEDS / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_no_recommendation_lost_a_check_or_had_its_threshold_moved() -> None:
    found: defaultdict[str, dict[str, Decimal]] = defaultdict(dict)
    for row in seed("readiness_checks"):
        found[row["recommendation_id"]][row["check_code"]] = Decimal(row["threshold"])
    assert found == {
        recommendation: {code: Decimal(threshold) for code, threshold in checks.items()}
        for recommendation, checks in AGREED.items()
    }
    assert {row["recommendation_id"] for row in seed("recommendations")} == set(AGREED)


def test_a_document_alone_meets_no_recommendation_about_data() -> None:
    evidence: defaultdict[str, set[str]] = defaultdict(set)
    for row in seed("readiness_checks"):
        evidence[row["recommendation_id"]].add(row["evidence"])
        assert (row["evidence"] == "artefact") == (row["artefact_kind"] != ""), row["check_code"]
    assert {recommendation for recommendation, kinds in evidence.items() if kinds == {"artefact"}} == ON_PAPER_ALONE
