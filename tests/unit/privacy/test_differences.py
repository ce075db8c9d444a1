"""What subtraction makes of two tables."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vmeste.privacy.differences import Cell, Counts, isolating

CELL: Cell = ("1.1", "cohort_year", "2021-Q4", "all", "all")


@pytest.mark.parametrize(
    ("frozen", "later", "is_isolated"),
    [
        (Counts(21, 21, 17), Counts(21, 21, 17), False),
        (Counts(21, 21, 17), Counts(20, 20, 16), True),  # one erased, who had achieved
        (Counts(21, 21, 17), Counts(20, 20, 17), True),  # one erased, who had not
        (Counts(21, 21, 17), Counts(21, 20, 16), True),  # only the measurement went
        (Counts(21, 21, 17), Counts(27, 27, 20), False),  # six came, three of them achieved
        (Counts(21, 21, 17), Counts(26, 26, 20), True),  # two of the five had not
        (Counts(21, 21, 17), Counts(24, 24, 20), True),  # all three had: the group is homogeneous
        (Counts(21, 21, 17), Counts(21, 21, 16), True),  # one answer was changed
        (Counts(21, 21, 17), Counts(None, None, None), False),  # hidden: nothing to subtract
        (Counts(21, 21, None), Counts(20, 20, None), True),
        (Counts(None, 21, 17), Counts(20, 27, 20), False),
        (Counts(21, 21, 17, 20, 4), Counts(21, 21, 17, 20, 4), False),
        (Counts(21, 21, 17, 20, 4), Counts(21, 21, 17, 20, 5), True),  # one got worse
        (Counts(21, 21, 17, 20, 4), Counts(27, 27, 20, 26, 7), False),
        (Counts(21, 21, 17, 20, 4), Counts(27, 27, 20, 26, 6), True),  # two of the six
    ],
)
def test_a_group_too_small_is_isolated(frozen: Counts, later: Counts, is_isolated: bool) -> None:
    assert isolating({CELL: frozen}, {CELL: later}) == ([CELL] if is_isolated else [])


def test_a_cell_of_one_table_alone_isolates_nobody() -> None:
    other: Cell = ("2.1", "cohort_year", "2021-Q4", "all", "all")
    assert isolating({CELL: Counts(21, 21, 17)}, {other: Counts(1, 1, 1)}) == []


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(measured=st.integers(1, 200), share=st.floats(0, 1), achieved_too=st.booleans())
def test_one_person_less_is_always_isolated(measured: int, share: float, achieved_too: bool) -> None:
    achieved = round(measured * share)
    achieved_too = achieved_too if 0 < achieved < measured else achieved > 0
    later = Counts(measured - 1, measured - 1, achieved - achieved_too)
    assert isolating({CELL: Counts(measured, measured, achieved)}, {CELL: later}) == [CELL]
