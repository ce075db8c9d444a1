"""One or two follow-ups of a form: neither they nor the other form's, which would be the margin less them."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vmeste.releases.candidate import FollowUpCount
from vmeste.releases.small_counts import hide_follow_ups, least, told_rows


def test_a_column_is_hidden_for_both_forms() -> None:
    told = hide_follow_ups(
        [
            FollowUpCount("all", 6, 31, 6, 11),
            FollowUpCount("long", 6, 22, 2, 11),
            FollowUpCount("short", 6, 9, 4, 0),
            FollowUpCount("long", 12, 22, 3, 11),
        ]
    )
    assert told == (
        FollowUpCount("all", 6, 31, 6, 11),
        FollowUpCount("long", 6, 22, None, 11),
        FollowUpCount("short", 6, 9, None, 0),
        FollowUpCount("long", 12, 22, 3, 11),
    )


def test_a_horizon_speaks_for_itself() -> None:
    assert hide_follow_ups(
        [FollowUpCount("all", 6, 8, 3, 1), FollowUpCount("short", 6, 5, 1, 1), FollowUpCount("short", 12, 3, 0, 4)]
    ) == (
        FollowUpCount("all", 6, 8, 3, 1),
        FollowUpCount("short", 6, 5, None, None),
        FollowUpCount("short", 12, 3, 0, 4),
    )


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(short=st.integers(0, 9), long=st.integers(0, 9))
def test_no_one_or_two_is_seen_or_follows(short: int, long: int) -> None:
    told = hide_follow_ups([FollowUpCount(form, 6, count, 0, 0) for form, count in (("short", short), ("long", long))])
    seen = [row.due_soon for row in told]
    assert seen == ([None, None] if {short, long} & {1, 2} else [short, long])


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(counts=st.lists(st.integers(0, 9), max_size=5))
def test_a_sum_of_rows_is_exact_or_the_least_that_what_is_told_allows(counts: list[int]) -> None:
    total, is_exact = least(counts)
    assert is_exact == (not {1, 2, 3, 4} & {*counts})
    assert (total == sum(counts)) if is_exact else (total <= sum(counts))
    as_few = [1 if told_rows(count) is None else count for count in counts]
    assert least(as_few) == (total, is_exact), "one to four look alike"
