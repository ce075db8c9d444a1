"""A withdrawal ends the consent to a purpose, whatever copies of it nobody has marked."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.quality.test_rules_of_records import REGISTRY, found

CHILD, ADULT = 2006, 2001
"""Years of birth: on the day of the answers, 1 June 2021, one is 15 and the other 20."""


def consent(valid_from: str, withdrawn_on: str | None = None, **answers: str) -> dict[str, Any]:
    given = {"purposes": "service monitoring", "given_by": "legal_representative", "child_assent": "1"} | answers
    return given | {"mentee_key": "mentee", "valid_from": valid_from, "withdrawn_on": withdrawn_on}


WITHDRAWN = consent("2021-01-01", "2021-05-01")
OWN = {"given_by": "self", "child_assent": ""}

COVERED = {
    "never withdrawn": (CHILD, [consent("2021-01-01")]),
    "withdrawn later than the day": (CHILD, [consent("2021-01-01", "2021-06-02"), consent("2021-01-01")]),
    "signed again after it": (CHILD, [WITHDRAWN, consent("2021-05-02")]),
    "another purpose was withdrawn": (
        CHILD,
        [consent("2021-01-01", "2021-05-01", purposes="service research"), consent("2021-01-01")],
    ),
    "a representative withdrew for an adult": (ADULT, [WITHDRAWN, consent("2021-01-01", **OWN)]),
}
NOT_COVERED = {
    "withdrawn": (CHILD, [WITHDRAWN]),
    "a copy was forgotten": (CHILD, [WITHDRAWN, consent("2021-01-01")]),
    "an older one was forgotten": (CHILD, [WITHDRAWN, consent("2020-09-01")]),
    "signed on the day of the withdrawal": (CHILD, [WITHDRAWN, consent("2021-05-01")]),
    "an adult's own was withdrawn": (
        ADULT,
        [consent("2021-01-01", "2021-05-01", **OWN), consent("2021-02-01", **OWN)],
    ),
    "an adult withdrew, and a representative later": (
        ADULT,
        [consent("2021-01-01", "2021-04-01", **OWN), WITHDRAWN, consent("2021-02-01", **OWN)],
    ),
}


def is_refused(monkeypatch: pytest.MonkeyPatch, birth_year: int, consents: list[dict[str, Any]]) -> bool:
    mentees = [row | {"birth_year": birth_year} for row in REGISTRY["r1_mentee"]]
    monkeypatch.setitem(REGISTRY, "r1_mentee", mentees)
    monkeypatch.setitem(REGISTRY, "r5_consent", consents)
    (rules,) = found("f6_observation", [{}])
    return "no_consent" in rules


@pytest.mark.parametrize("case", COVERED)
def test_what_is_in_force_covers_the_day(monkeypatch: pytest.MonkeyPatch, case: str) -> None:
    assert not is_refused(monkeypatch, *COVERED[case])


@pytest.mark.parametrize("case", NOT_COVERED)
def test_what_was_withdrawn_covers_no_day_after_it(monkeypatch: pytest.MonkeyPatch, case: str) -> None:
    assert is_refused(monkeypatch, *NOT_COVERED[case])
