"""Which versions are new: small histories written out by hand, and what must hold for any."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmeste.warehouse.versions import Place, Version, moments_from, settle

LANDED = datetime(2022, 1, 1, tzinfo=UTC)


def at(day: int) -> datetime:
    return datetime(2021, 1, day, tzinfo=UTC)


def version(content: str, day: int, row: int = -1, place: Place = "batch", has_time: bool = True) -> Version:
    operation = "delete" if content == "gone" else "upsert"
    return Version("m", (content, operation), at(day), place, has_time, row)


@pytest.mark.parametrize(
    ("known", "given_now", "unchanged"),
    [
        ([], [("A", 1)], []),
        ([("A", 1, "raw")], [("A", 1)], [0]),
        ([("A", 1, "raw")], [("A", 2)], [0]),
        ([("A", 1, "raw")], [("B", 2)], []),
        ([("A", 1, "raw"), ("B", 2, "raw")], [("A", 3)], []),
        ([("B", 2, "raw")], [("A", 1)], []),
        ([("A", 1, "raw"), ("B", 2, "raw")], [("A", 1), ("B", 2)], [0, 1]),
        ([], [("A", 1), ("A", 1), ("A", 2), ("B", 3), ("A", 4)], [1, 2]),
        ([("A", 1, "open")], [("A", 1)], []),
        ([("A", 1, "closed")], [("A", 1)], [0]),
        ([("A", 1, "raw"), ("B", 2, "open")], [("A", 3)], []),
        ([("A", 1, "raw")], [("gone", 2)], []),
    ],
)
def test_the_version_before_decides(
    known: list[tuple[str, int, Place]], given_now: list[tuple[str, int]], unchanged: list[int]
) -> None:
    settled = settle(
        [version(content, day, row) for row, (content, day) in enumerate(given_now)],
        [version(content, day, place=place) for content, day, place in known],
        moments_from(LANDED),
    )
    assert sorted(settled.unchanged) == unchanged
    assert settled.arrived_at == {}


def test_a_first_version_beside_a_dated_edit_is_no_edit() -> None:
    known = [version("A", 1, place="raw"), version("B", 5, place="raw")]
    batch = [version("A", 1, 0, has_time=False), version("B", 5, 1)]
    assert settle(batch, known, moments_from(LANDED), {"m"}).unchanged == {0, 1}
    assert settle(batch[:1], known, moments_from(LANDED)).arrived_at == {0: LANDED}, (
        "alone it is what the source has now"
    )


def test_an_edit_without_a_time_arrived_when_it_was_seen() -> None:
    settled = settle([version("B", 1, 0, has_time=False)], [version("A", 1, place="raw")], moments_from(LANDED))
    assert settled.unchanged == frozenset()
    assert settled.arrived_at == {0: LANDED}


def test_an_edit_seen_after_a_clock_was_set_back_still_came_later() -> None:
    ahead = Version("m", ("B", "upsert", None), LANDED + timedelta(days=2), "raw")
    settled = settle([Version("m", ("C", "upsert", None), at(1), has_time=False, row=0)], [ahead], moments_from(LANDED))
    assert settled.unchanged == frozenset()
    assert settled.arrived_at[0] > ahead.arrived_at


def test_several_edits_without_a_time_keep_their_order() -> None:
    settled = settle(
        [version(content, 1, row, has_time=False) for row, content in enumerate("ABA")], [], moments_from(LANDED)
    )
    assert settled.unchanged == frozenset()
    assert settled.arrived_at == {1: LANDED, 2: LANDED + timedelta(microseconds=1)}


def test_what_was_seen_before_stays_where_it_was_seen() -> None:
    seen = Version("m", ("B", "upsert"), LANDED - timedelta(days=3), "raw")
    settled = settle([version("B", 1, 0, has_time=False)], [version("A", 1, place="raw"), seen], moments_from(LANDED))
    assert settled.unchanged == {0}


@given(st.lists(st.tuples(st.sampled_from("AB"), st.integers(1, 6)), max_size=8))
def test_reading_the_same_again_finds_nothing_new(given_now: list[tuple[str, int]]) -> None:
    batch = [version(content, day, row) for row, (content, day) in enumerate(given_now)]
    first = settle(batch, [], moments_from(LANDED))
    kept = [Version("m", entry.content, entry.arrived_at, "raw") for entry in batch if entry.row not in first.unchanged]
    assert settle(batch, kept, moments_from(LANDED)).unchanged == set(range(len(batch)))
