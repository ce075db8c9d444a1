"""The rule of restatement at its edges: five points, ten people, the bands of coverage."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmeste.releases.restating import MOVED, THRESHOLD, Thresholds, moved_points, reasons

RULE = Thresholds(min_points=5, min_measured=10, coverage_publish=0.8, coverage_caution=0.6)


def counts(achieved: int, measured: int, eligible: int) -> dict[str, int]:
    return {"achieved": achieved, "measured": measured, "eligible": eligible}


@pytest.mark.parametrize(
    ("old", "new", "wanted"),
    [
        ((10, 20, 20), (11, 20, 20), (MOVED,)),  # 5.0 points: the threshold itself counts
        ((11, 20, 20), (10, 20, 20), (MOVED,)),
        ((17, 21, 21), (18, 21, 21), ()),  # 4.8
        ((5, 9, 9), (6, 10, 10), (THRESHOLD,)),  # the first percent
        ((6, 10, 10), (5, 9, 9), (THRESHOLD,)),
        ((2, 4, 4), (8, 9, 9), ()),  # both without a percent: counts alone
        ((16, 20, 25), (16, 20, 26), (THRESHOLD,)),  # 80 → 76.9 percent of coverage
        ((16, 20, 26), (16, 20, 25), (THRESHOLD,)),
        ((15, 21, 35), (15, 21, 36), (THRESHOLD,)),  # 60 → 58.3
        ((15, 21, 35), (15, 21, 34), ()),
        ((0, 0, 0), (0, 0, 0), ()),
        ((0, 0, 0), (0, 0, 3), (THRESHOLD,)),  # somebody is there whom nobody measured
    ],
)
def test_at_the_edges(old: tuple[int, int, int], new: tuple[int, int, int], wanted: tuple[str, ...]) -> None:
    assert reasons(RULE, counts(*old), counts(*new)) == wanted


def test_the_parameters_decide() -> None:
    strict = Thresholds.of(
        {
            "restatement_min_points": 4,
            "percent_min_measured": 22,
            "coverage_publish_min": 0.9,
            "coverage_caution_min": 0.6,
        }
    )
    assert moved_points(strict, counts(17, 21, 21), counts(18, 21, 21)) is None
    assert reasons(strict, counts(17, 22, 22), counts(18, 22, 22)) == (MOVED,)
    assert reasons(strict, counts(17, 22, 22), counts(17, 22, 25)) == (THRESHOLD,)
    with pytest.raises(KeyError, match="percent_min_measured"):
        Thresholds.of({"restatement_min_points": 5})


funnels = st.integers(0, 60).flatmap(
    lambda eligible: st.integers(0, eligible).flatmap(
        lambda measured: st.integers(0, measured).map(lambda achieved: (achieved, measured, eligible))
    )
)


@given(old=funnels, new=funnels)
def test_movement_agrees_with_exact_fractions(old: tuple[int, int, int], new: tuple[int, int, int]) -> None:
    """Seven twentieths less six twentieths are five points, whatever floating point makes of it."""
    found = reasons(RULE, counts(*old), counts(*new))
    has_percent = old[1] >= 10 and new[1] >= 10
    moved = has_percent and abs(Fraction(new[0], new[1]) - Fraction(old[0], old[1])) >= Fraction(5, 100)
    assert (MOVED in found) == moved
    assert reasons(RULE, counts(*old), counts(*old)) == ()
