"""Numbers that must not be seen are gone, and with them those that would give them away."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.releases.synthetic import cell
from vmeste.releases.disclosure import FUNNEL, NUMBERS, SHARES, STATUSES, IndicatorValue, hide


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
        if before.is_headline or before.status == "planned":
            assert after.status == before.status
        if before.status == "planned" or (before.status != "no_data" and not before.is_count_shown):
            assert numbers(after) == {None}
        if not before.is_share_shown or before.status == "no_data":
            assert numbers(after, SHARES) == {None}
        if before.status == "no_data":
            assert numbers(after, ("measured", "achieved", "deteriorated", "coverage")) == {None}
        if after.status != before.status:
            assert numbers(after) == {None}, "a status that says less has no number"
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
    empty, other = hide(
        [
            cell("2.1", 0, 0, 1, split=("age_band", "14-15"), status="no_data"),
            cell("2.1", 5, 10, 12, split=("age_band", "16-17")),
        ]
    )
    assert numbers(empty) == {None}
    assert empty.status == "no_data"
    assert numbers(other, FUNNEL) == {None}, "13 in all, and 12 here, leave one"
    assert (other.achieved, other.measured, other.share) == (5, 10, 0.5)


def test_a_split_value_with_nobody_costs_its_neighbours_nothing() -> None:
    other = cell("2.1", 5, 10, 12, split=("sex", "f"))
    assert hide([other, cell("2.1", 0, 0, 0, split=("sex", "m"), status="no_data")])[0] == other


def test_hidden_cells_of_a_split_have_one_status() -> None:
    """Which of them is the small one, and that one is empty, would give the counts away."""
    split = [
        cell("2.1", 0, 5, 5, split=("sex", "f"), status="suppressed_small_n"),
        cell("2.1", 3, 7, 7, split=("sex", "m"), status="suppressed_secondary"),
        cell("2.1", 0, 0, 0, split=("sex", "unknown"), status="no_data"),
    ]
    assert {value.status for value in hide(split)} == {"suppressed_small_n"}
    assert {value.is_count_shown for value in hide(split)} == {False}


@pytest.mark.parametrize("view", ["quarter", "cohort_year"])
@pytest.mark.parametrize("status", ["shown", "suppressed_small_n", "suppressed_secondary", "no_data"])
def test_splits_of_other_views_are_not_told(view: str, status: str) -> None:
    """The year up to the third quarter and up to the fourth, by sex, would give the fourth quarter's hidden cells.

    Nor is their status: who is in none of the other cells is in this one.
    """
    shown = cell("3.1", 9, 14, 14, split=("sex", "f"))
    (value,) = hide([cell("3.1", 9, 14, 14, split=("sex", "f"), view=view, status=status)])
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
