"""When figures of one window, beside each other, would tell of somebody who was erased."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from tests.unit.releases.synthetic import cell
from vmeste.privacy.differences import Counts
from vmeste.releases.erasures import Told, is_revealed, must_be_silent

NOBODY: Mapping[str, int] = {}
SOMEBODY = {"eligible": 1, "measured": 1, "achieved": 1}
FIRST, SECOND, OTHER = Counts(21, 21, 17), Counts(22, 22, 18), Counts(30, 30, 22)
HIDDEN = Counts(None, None, None)


@pytest.mark.parametrize(
    ("told", "is_silent"),
    [
        ([Told(Counts(21, 21, 17), SOMEBODY)], True),  # 21 were told, 20 are left
        ([Told(Counts(21, 21, 17), NOBODY)], False),  # a late row, and nobody is gone
        ([Told(Counts(27, 27, 20), SOMEBODY)], False),  # the one is among seven, four of them with the result
        ([Told(HIDDEN, SOMEBODY)], False),
        ([Told(OTHER, NOBODY), Told(Counts(21, 21, 17), SOMEBODY)], True),  # superseded or not: it was read
        ([], False),
    ],
)
def test_a_new_figure_is_hidden_beside_one_that_had_somebody_more(told: list[Told], is_silent: bool) -> None:
    assert must_be_silent(told, cell("1.1", 16, 20, 20)) is is_silent


@pytest.mark.parametrize(
    ("told", "is_told"),
    [
        ([Told(FIRST, NOBODY), Told(SECOND, SOMEBODY)], True),  # the one who came late is the one who is gone
        ([Told(FIRST, NOBODY), Told(SECOND, NOBODY)], False),
        ([Told(FIRST, SOMEBODY), Told(SECOND, SOMEBODY)], False),  # gone from both: not who made the difference
        ([Told(FIRST, {"eligible": 1}), Told(SECOND, SOMEBODY)], True),  # counted in both, otherwise in the second
        ([Told(FIRST, NOBODY), Told(OTHER, SOMEBODY)], False),  # nine came, five of them with the result
        ([Told(FIRST, NOBODY), Told(HIDDEN, SOMEBODY)], False),
        ([Told(FIRST, NOBODY), Told(OTHER, SOMEBODY), Told(SECOND, SOMEBODY)], True),
        ([Told(SECOND, SOMEBODY)], False),
    ],
)
def test_two_releases_tell_of_whom_one_has_and_the_other_has_not(told: list[Told], is_told: bool) -> None:
    assert is_revealed(told) is is_told
