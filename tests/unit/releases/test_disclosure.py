"""Numbers that must not be seen are gone, and with them those that would give them away."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.releases.synthetic import cell
from vmeste.releases.disclosure import COUNTS, SHARES, STATUSES, IndicatorValue, hide

NUMBERS = (*COUNTS, *SHARES, "coverage", "coverage_band")


def numbers(value: IndicatorValue, names: tuple[str, ...] = NUMBERS) -> set[object]:
    return {getattr(value, name) for name in names}


@st.composite
def cells(draw: st.DrawFn) -> IndicatorValue:
    eligible = draw(st.integers(0, 60))
    measured = draw(st.integers(0, eligible))
    achieved = draw(st.integers(0, measured))
    made = cell(
        draw(st.sampled_from(["1.1", "2.1"])),
        achieved,
        measured,
        eligible,
        split=draw(st.sampled_from([("all", "all"), ("sex", "f"), ("sex", "m"), ("form", "long")])),
        deteriorated=draw(st.none() | st.integers(0, measured)),
        status=draw(st.sampled_from(STATUSES)),
    )
    return replace(made, is_count_shown=draw(st.booleans()), is_share_shown=draw(st.booleans()))


@given(st.lists(cells(), max_size=6))
def test_hidden_numbers_are_none(values: list[IndicatorValue]) -> None:
    for before, after in zip(values, hide(values), strict=True):
        assert after.cell == before.cell
        assert after.status == before.status
        if before.status == "planned" or (before.status != "no_data" and not before.is_count_shown):
            assert numbers(after) == {None}
        if not before.is_share_shown or before.status == "no_data":
            assert numbers(after, SHARES) == {None}
        if before.status == "no_data":
            assert numbers(after, ("measured", "achieved", "deteriorated", "coverage")) == {None}
        for name in NUMBERS:
            assert getattr(after, name) in (None, getattr(before, name)), "hiding never makes a number up"


@given(st.lists(cells(), max_size=6))
def test_hiding_twice_changes_nothing(values: list[IndicatorValue]) -> None:
    once = hide(values)
    assert hide(once) == once


def test_shown_headline_stays_whole() -> None:
    shown = cell("2.1", 14, 20, 48, deteriorated=1)
    assert hide([shown]) == (shown,)


def test_small_headline_keeps_counts_without_percent() -> None:
    (value,) = hide([cell("2.3", 7, 9, 12, status="suppressed_small_n")])
    assert (value.achieved, value.measured, value.eligible) == (7, 9, 12)
    assert numbers(value, SHARES) == {None}


def test_hidden_split_tells_neither_its_size_nor_its_coverage() -> None:
    (value,) = hide([cell("2.2", 2, 12, 14, split=("sex", "f"), status="suppressed_small_n")])
    assert numbers(value) == {None}


def test_no_data_keeps_how_many_there_should_be() -> None:
    (value,) = hide([cell("2.1", 0, 0, 20, status="no_data")])
    assert value.eligible == 20
    assert numbers(value, ("measured", "achieved", "share", "coverage")) == {None}


def test_a_split_without_data_does_not_say_how_many_there_are() -> None:
    (value,) = hide([cell("2.1", 0, 0, 1, split=("age_band", "14-15"), status="no_data")])
    assert numbers(value) == {None}
    assert value.status == "no_data"


@pytest.mark.parametrize("view", ["quarter", "cohort_year"])
def test_splits_of_other_views_are_not_told(view: str) -> None:
    """The year up to the third quarter and up to the fourth, by sex, would give the fourth quarter's hidden cells."""
    shown = cell("3.1", 9, 14, 14, split=("sex", "f"))
    (value,) = hide([replace(shown, period_view=view)])
    assert numbers(value) == {None}
    assert value.status == "suppressed_secondary"
    assert hide([shown]) == (shown,)


@pytest.mark.parametrize("small", [0, 2, 8, 10])
def test_one_small_deterioration_silences_its_whole_split(small: int) -> None:
    """The headline is public: 5 of 20 there and 3 in one half would give the other half away."""
    split = [
        cell("2.1", 5, 10, 10, split=("sex", "f"), deteriorated=3),
        cell("2.1", 5, 10, 10, split=("sex", "m"), deteriorated=small),
        cell("2.1", 5, 10, 10, split=("form", "long"), deteriorated=3),
        cell("2.1", 10, 20, 20, deteriorated=3 + small),
    ]
    assert [value.deteriorated for value in hide(split)] == [None, None, 3, 3 + small]
    assert [value.deterioration_known for value in hide(split)] == [None, None, 10, 20]


def test_unknown_status_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown status 'fine'"):
        hide([replace(cell("2.1", 5, 10, 10), status="fine")])
