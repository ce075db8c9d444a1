"""Who approves: one pair of people, or a pair for each organisation."""

from __future__ import annotations

import pytest

from vmeste.approvers import Approvers


def test_the_same_people_for_all() -> None:
    given = Approvers(method_owner="anna", director="boris")
    assert given.of("one") == given.of("") == given


def test_people_of_each_organisation() -> None:
    given = Approvers(method_owner="anna", director="one=boris, two=vera")
    assert given.of("two") == Approvers(method_owner="anna", director="vera")
    with pytest.raises(ValueError, match="VMESTE_DIRECTOR names nobody for three"):
        given.of("three")
    with pytest.raises(ValueError, match="names nobody for a deployment of one organisation"):
        given.of("")
