"""Each rule finds its matter, and is silent without its cause."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.unit.releases.synthetic import cell
from vmeste.releases.candidate import Candidate, Definition, FollowUpCount, ReadinessCheck
from vmeste.releases.decisions import decisions
from vmeste.releases.disclosure import hide


@pytest.fixture
def calm(candidate: Candidate) -> Candidate:
    """A candidate about which nothing is to be decided."""
    return replace(
        candidate,
        indicators=(cell("2.1", 40, 48, 48, deteriorated=2),),
        definitions=(Definition("2.1", {"definition_version": "1", "approved_on": "2030-01-01"}),),
        follow_ups=(),
        readiness=(),
        quarantined=(),
        quarantined_rows=0,
    )


def test_calm_candidate_asks_nothing(calm: Candidate) -> None:
    assert decisions(calm) == ()


@pytest.mark.parametrize(
    ("change", "subject", "finding"),
    [
        ({"indicators": (cell("2.1", 40, 48, 48, deteriorated=3),)}, "Стало хуже", "2.1 – у 3 из 48"),
        (
            {"indicators": (cell("2.1", 14, 20, 48),)},
            "Не выносить в заголовок",
            "2.1 – измерены 20 из 48 (42\u00a0%)",
        ),
        ({"indicators": (cell("2.1", 14, 30, 48),)}, "Осторожно", "2.1 – измерены 30 из 48 (63\u00a0%)"),
        ({"indicators": (cell("2.3", 0, 0, 0, status="planned"),)}, "Планируется", "2.3"),
        ({"indicators": hide([cell("2.3", 0, 0, 5, status="no_data")])}, "Нет данных", "2.3"),
        (
            {"follow_ups": (FollowUpCount("all", 6, 0, 0, 2), FollowUpCount("long", 6, 0, 0, None))},
            "Повторные опросы",
            "с начала квартала пропущены 2\u00a0опроса",
        ),
        ({"quarantined_rows": 5}, "Карантин", "не учтено 5\u00a0записей"),
        ({"definitions": (Definition("2.1", {"approved_on": None}),)}, "Определения не утверждены", "2.1"),
        (
            {"definitions": (Definition("2.1", {}), Definition("2.1r", {"kind": "companion"}))},
            "Определения не утверждены",
            "2.1, 1\u00a0сопутствующий",
        ),
        (
            {"readiness": (ReadinessCheck("R", "data", 2030, "not_met", 0.1, 0.8, ""),)},
            "Рекомендации экспертов",
            "1\u00a0проверка не выполнена",
        ),
    ],
)
def test_rule_finds_its_matter(calm: Candidate, change: dict[str, object], subject: str, finding: str) -> None:
    (matter,) = decisions(replace(calm, **change))  # type: ignore[arg-type]
    assert (matter.subject, matter.finding) == (subject, finding)
    assert matter.question


def test_companion_is_no_matter_of_its_own(calm: Candidate) -> None:
    """It has the same people as its headline, so that each matter would be said twice."""
    found = (cell("2.1r", 1, 20, 48, deteriorated=9),)
    definitions = (Definition("2.1r", {"kind": "companion", "approved_on": "2031-01-01"}),)
    assert decisions(replace(calm, indicators=found, definitions=definitions)) == ()


def test_children_come_first(candidate: Candidate) -> None:
    assert [matter.subject for matter in decisions(candidate)][:2] == ["Стало хуже", "Повторные опросы"]
