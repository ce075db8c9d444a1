"""Nobody finds a hidden cell: a solver is given all that releases tell, and must find more than one possibility.

How wide is wide enough: at least two possibilities for the count and for its complement. No rule can promise more while
headlines are public: with 1 of 20 achieved each cell of a split holds 0 or 1.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import product

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from tests.unit.releases.disclosure_attacker import (
    SMALLEST,
    Attacker,
    Counts,
    from_figures,
    hidden_cells_found,
    suppressed,
    table_of,
    window,
)
from tests.unit.releases.synthetic import cell
from vmeste.releases import disclosure
from vmeste.releases.disclosure import IndicatorValue, hide
from vmeste.releases.overlaps import hide_differences
from vmeste.releases.quarters import Quarter

FIRST = Quarter(2030, 1)
VIEWS = ("quarter", "rolling_4q", "cohort_year")
STREAMS = 40
Stream = dict[Quarter, Counts]
Release = Sequence[IndicatorValue]

quick = hypothesis_settings(
    max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True
)


def people(chance: random.Random, largest: int) -> tuple[int, ...]:
    """Return how many of each kind one cell of one quarter holds."""
    if chance.random() < 0.3:
        return (0, 0, chance.choice([0, 0, 1]), 0, 0)
    achieved, missed = chance.randint(0, largest), chance.randint(0, largest)
    worse = chance.randint(0, missed)
    return (achieved, missed, chance.choice([0, 0, 1, 3]), worse, achieved + missed - worse)


def stream(seed: int) -> Stream:
    """Return some quarters of a programme of some size; in the largest most quarters could be shown by themselves."""
    chance = random.Random(seed)  # noqa: S311  (people made up, not a secret)
    largest = chance.choice([1, 2, 5, 12])
    values = ("a", "b", "c", "d")[: chance.choice([2, 2, 3, 4])]
    quarters = [FIRST]
    while len(quarters) < chance.choice([5, 6, 7]):
        quarters.append(quarters[-1].next)
    if largest == 12:
        return {
            quarter: {value: tuple(n + SMALLEST for n in people(chance, largest)) for value in values}
            for quarter in quarters
        }
    return {quarter: {value: people(chance, largest) for value in values} for quarter in quarters}


def seen(history: Stream, view: str, quarter: Quarter) -> Counts:
    """Return the cells of a window: sums of its quarters."""
    inside = [history[found] for found in window(view, quarter) if found in history]
    return {value: tuple(map(sum, zip(*(cells[value] for cells in inside), strict=True))) for value in inside[0]}


def computed(history: Stream, quarter: Quarter, suppress: Callable[..., dict[str, str]] = suppressed) -> Release:
    """Return what the mart has of a quarter."""
    return [
        value
        for view in VIEWS
        for value in table_of("2.1", view, quarter, "sex", seen(history, view, quarter), suppress)
    ]


def closed(history: Stream, quarters: Sequence[Quarter]) -> frozenset[tuple[str, str, str]]:
    return frozenset(
        ("2.1", "sex", str(quarter))
        for quarter in quarters
        if any(min(cell[:2]) < SMALLEST and sum(cell[:2]) for cell in history[quarter].values())
    )


def released(history: Stream, *, looks_back: bool = True, **rules: Callable[..., dict[str, str]]) -> list[Release]:
    """Release quarter after quarter, each beside those before it."""
    releases: list[Release] = []
    told: list[IndicatorValue] = []
    for quarter in history:
        cells: Release = hide(computed(history, quarter, **rules))
        if looks_back:
            up_to = [found for found in history if found <= quarter]
            cells = hide_differences(cells, told, closed(history, up_to))
        told += [value for value in cells if not value.is_headline and value.measured is not None]
        releases.append(cells)
    return releases


def leaks(history: Stream, releases: Sequence[Release]) -> Iterator[str]:
    """Yield each hidden cell that follows from the releases."""
    truth = [value for quarter in history for value in computed(history, quarter)]
    return hidden_cells_found(truth, releases)


@pytest.mark.parametrize("seed", range(STREAMS))
def test_no_hidden_cell_follows_from_successive_releases(seed: int) -> None:
    history = stream(seed)
    assert list(leaks(history, released(history))) == []


def test_the_attacker_finds_what_releases_that_do_not_look_back_tell() -> None:
    """Windows that overlap: the quarter that came less the quarter that left."""
    assert any(any(leaks(stream(seed), released(stream(seed), looks_back=False))) for seed in range(20))


def test_the_attacker_finds_what_a_split_without_secondary_suppression_tells() -> None:
    alone = partial(suppressed, with_secondary=False)
    assert any(any(leaks(stream(seed), released(stream(seed), suppress=alone))) for seed in range(20))


def test_the_streams_have_what_they_are_to_show() -> None:
    """Splits told and splits hidden, windows that overlap with those told, and programmes that tell all of them."""
    kinds = set()
    for seed in range(STREAMS):
        told = [any(v.measured for v in cells if not v.is_headline) for cells in released(stream(seed))]
        looked_at = [
            any(v.measured for v in cells if not v.is_headline) for cells in released(stream(seed), looks_back=False)
        ]
        kinds |= {("kept back", told != looked_at), ("told", any(told)), ("told always", all(told))}
    assert kinds == set(product(("kept back", "told", "told always"), (True, False)))


def test_large_programmes_tell_their_splits_in_each_release() -> None:
    """Where each quarter could be shown by itself there is nothing to be found out, and nothing is kept back."""
    counts = {"a": (4, 5, 0, 0, 0), "b": (6, 3, 0, 0, 0)}
    quarters = [FIRST, FIRST.next, FIRST.next.next]
    releases = released(dict.fromkeys(quarters, counts))
    assert [sum(value.measured is not None for value in cells if not value.is_headline) for cells in releases] == [
        2
    ] * 3


def test_a_split_is_told_again_after_four_quarters() -> None:
    """Each quarter has a cell with 1 of 3; the year has 4 of 12."""
    counts = {"a": (1, 2, 0, 0, 0), "b": (3, 3, 0, 0, 0)}
    quarters = [FIRST]
    while len(quarters) < 9:
        quarters.append(quarters[-1].next)
    releases = released(dict.fromkeys(quarters, counts))
    told = [str(quarter) for quarter, cells in zip(quarters, releases, strict=True) if any(numbers_of(cells))]
    # the first two windows have 1 and 2 achieved: hidden by themselves, and so no hindrance for the third
    assert told == ["2030-Q3", "2031-Q3"]


def single(cells: dict[str, tuple[int, int]]) -> Stream:
    return {FIRST: {value: (a, c, 0, 0, 0) for value, (a, c) in cells.items()}}


def test_statuses_that_tell_small_from_secondary_would_give_the_count_away() -> None:
    """3 of 12, hidden 0 of 5 and 3 of 7: if the second is known to hold at least 3, the first holds none."""
    history = single({"a": (0, 5), "b": (3, 4)})
    assert list(leaks(history, released(history))) == []
    apart = [
        replace(value, **dict.fromkeys(disclosure.NUMBERS)) if not value.is_count_shown else value
        for value in computed(history, FIRST)
    ]
    assert any(leaks(history, [apart]))


def test_a_status_that_tells_an_empty_cell_would_give_its_neighbour_away() -> None:
    """1 of 9, all of them in one cell."""
    history = single({"a": (1, 8), "b": (0, 0)})
    assert list(leaks(history, released(history))) == []
    apart = [
        replace(value, **dict.fromkeys(disclosure.NUMBERS)) if not value.is_count_shown else value
        for value in computed(history, FIRST)
    ]
    assert any(leaks(history, [apart]))


def test_how_many_nobody_measured_in_a_cell_does_not_follow_from_the_funnel() -> None:
    """22 measured of 23 in all; the one whom nobody measured is the only one of his value."""
    history = {FIRST: {"a": (5, 5, 0, 0, 0), "b": (6, 6, 2, 0, 0), "c": (0, 0, 1, 0, 0)}}
    attacker = Attacker([FIRST], ["a", "b", "c"])
    attacker.learn(computed(history, FIRST))
    assert attacker.range("unmeasured", "rolling_4q", FIRST, "c") == (1, 1), "the mart itself tells it"
    attacker = Attacker([FIRST], ["a", "b", "c"])
    attacker.learn(hide(computed(history, FIRST)))
    low, high = attacker.range("unmeasured", "rolling_4q", FIRST, "c")
    assert low < high


@quick
@given(
    st.lists(
        st.tuples(st.integers(0, 9), st.integers(0, 9), st.integers(0, 9)).filter(lambda kinds: kinds[2] <= kinds[1]),
        min_size=2,
        max_size=4,
    )
)
def test_no_hidden_deterioration_follows_from_the_margin(kinds: list[tuple[int, int, int]]) -> None:
    history = {FIRST: {f"{number}": (a, c, 0, w, a + c - w) for number, (a, c, w) in enumerate(kinds)}}
    attacker = Attacker([FIRST], list(history[FIRST]))
    cells = hide(computed(history, FIRST))
    attacker.learn(cells)
    headline = next(value for value in cells if value.is_headline and value.period_view == "rolling_4q")
    if not headline.deteriorated or sum(1 for a, c, _ in kinds if a + c) < 2:
        return  # nobody got worse, or everybody is in one cell: the headline says so
    for value, (_, _, _, worse, not_worse) in history[FIRST].items():
        told = next(v for v in cells if v.cell == ("2.1", "rolling_4q", str(FIRST), "sex", value))
        if told.deteriorated is None and worse + not_worse and min(worse, not_worse) < SMALLEST:
            low, high = attacker.range("worse", "rolling_4q", FIRST, value)
            assert low < high or headline.deteriorated == headline.deterioration_known


@quick
@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=2, max_size=4))
def test_not_even_the_rule_and_the_sizes_tell_a_hidden_count(counts: list[tuple[int, int]]) -> None:
    """Somebody knows the rule and how many were measured in each cell: he tries every table that looks the same."""
    cells = {f"{number}": pair for number, pair in enumerate(counts)}
    sizes = {value: sum(pair) for value, pair in cells.items()}
    achieved = sum(a for a, _ in counts)
    if achieved in (0, sum(sizes.values())) or sum(1 for size in sizes.values() if size) < 2:
        return  # the headline alone says that nobody, or everybody, achieved; or it is the cell

    def looks(table: dict[str, tuple[int, int]]) -> list[tuple[str, int | None, int | None]]:
        shown = hide(table_of("2.1", "rolling_4q", FIRST, "sex", {v: (*pair, 0, 0, 0) for v, pair in table.items()}))
        return [(value.status, value.achieved, value.measured) for value in shown]

    outward = looks(cells)
    hidden = [value for value, (_, shown, _) in zip(cells, outward[1:], strict=True) if shown is None and sizes[value]]
    possible: dict[str, set[int]] = {value: set() for value in hidden}
    for numbers in product(*(range(sizes[value] + 1) if value in hidden else [cells[value][0]] for value in cells)):
        table = {value: (n, sizes[value] - n) for value, n in zip(cells, numbers, strict=True)}
        if sum(numbers) == achieved and looks_alike(table, cells) and looks(table) == outward:
            for value in hidden:
                possible[value].add(table[value][0])
    assert all(len(numbers) > 1 for numbers in possible.values()), possible


def looks_alike(table: dict[str, tuple[int, int]], cells: dict[str, tuple[int, int]]) -> bool:
    """Say quickly that two tables hide the same cells, before they are compared in full."""
    hidden = ("suppressed_small_n", "suppressed_secondary")
    return [s in hidden for s in suppressed(table).values()] == [s in hidden for s in suppressed(cells).values()]


def test_interval_and_share_tell_the_counts() -> None:
    """Why a hidden cell loses them: they are the counts in another writing."""
    value = cell("2.1", 7, 19, 23)
    assert from_figures(replace(value, achieved=None, measured=None)) == [(7, 19)]
    assert from_figures(replace(value, achieved=None, measured=None, share=None, ci_high=None)) == [(7, 19)]


def revision(counts: dict[str, tuple[int, int]]) -> Release:
    return hide(table_of("2.1", "rolling_4q", FIRST, "sex", {v: (*pair, 0, 0, 0) for v, pair in counts.items()}))


def numbers_of(cells: Release) -> list[int | None]:
    return [value.measured for value in cells if not value.is_headline]


def test_a_revision_tells_a_split_only_as_it_stood() -> None:
    """One late child: 6 of 11 where 5 of 10 stood is that child."""
    first = revision({"a": (5, 5), "b": (6, 6)})
    told = [value for value in first if not value.is_headline]
    assert numbers_of(hide_differences(first, told, frozenset())) == [10, 12]
    second = hide_differences(revision({"a": (6, 5), "b": (6, 6)}), told, frozenset())
    assert numbers_of(second) == [None, None]
    assert {value.status for value in second if not value.is_headline} == {"suppressed_secondary"}
    assert next(value for value in second if value.is_headline).measured == 23, "headlines are public"


def test_the_difference_is_looked_for_in_each_release_that_told() -> None:
    """What a superseded release told stays known; other splits and indicators are no matter."""
    told = [value for value in revision({"a": (5, 5), "b": (6, 6)}) if not value.is_headline]
    moved = [replace(value, quarter=str(FIRST.next)) for value in revision({"a": (9, 9), "b": (9, 9)})]
    shut = frozenset({("2.1", "sex", str(FIRST.next))})
    assert numbers_of(hide_differences(moved, told, shut)) == [None, None]
    assert numbers_of(hide_differences(moved, told, None)) == [None, None]
    assert numbers_of(hide_differences(moved, told, frozenset())) == [18, 18]
    for other in ({"split_by": "form"}, {"indicator_code": "2.2"}, {"quarter": str(FIRST.previous.previous.previous)}):
        assert numbers_of(hide_differences(moved, [replace(value, **other) for value in told], shut)) == [18, 18]


def test_windows_hang_together_through_those_between() -> None:
    """Told up to the first and the fourth quarter: the seventh overlaps with the fourth, and that with the first."""
    cells = revision({"a": (5, 5), "b": (6, 6)})
    quarters = [FIRST]
    while len(quarters) < 7:
        quarters.append(quarters[-1].next)
    told = [replace(v, quarter=str(quarters[place])) for place in (0, 3) for v in cells if not v.is_headline]
    seventh = [replace(value, quarter=str(quarters[6])) for value in cells]
    before = FIRST.previous.previous.previous
    assert numbers_of(hide_differences(seventh, told, frozenset({("2.1", "sex", str(before))}))) == [None, None]
    assert numbers_of(hide_differences(seventh, told, frozenset({("2.1", "sex", str(before.previous))}))) == [10, 12]


def test_doing_it_twice_changes_nothing() -> None:
    for seed in range(10):
        history = stream(seed)
        told: list[IndicatorValue] = []
        for quarter in history:
            once = hide_differences(hide(computed(history, quarter)), told, None)
            assert hide(once) == once
            assert hide_differences(once, told, None) == once
            told += [value for value in once if not value.is_headline and value.measured is not None]


def test_companions_keep_silent_beside_a_hidden_cell_of_their_family() -> None:
    """2 of 12 may follow from two companions that count the same people."""

    def cells(code: str, split_by: str, first: tuple[int, int]) -> list[IndicatorValue]:
        counts = {"a": (*first, 0, 3, 9), "b": (6, 6, 0, 3, 9)}
        return [v for v in table_of(code, "rolling_4q", FIRST, split_by, counts) if not v.is_headline]

    shown = hide([*cells("1.1", "sex", (2, 10)), *cells("1.1b", "sex", (5, 7)), *cells("1.2", "sex", (5, 7))])
    assert numbers_of(shown) == [None, None, None, None, 12, 12]
    shown = hide([*cells("1.1", "sex", (5, 7)), *cells("1.1b", "sex", (2, 10)), *cells("1.1c", "sex", (5, 7))])
    assert numbers_of(shown) == [12, 12, None, None, None, None], "the indicator itself goes before its companions"
    assert numbers_of(hide([*cells("1.1", "form", (2, 10)), *cells("1.1b", "sex", (5, 7))])) == [None, None, 12, 12]
