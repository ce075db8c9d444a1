"""Which cells stand is noted when a release is released: the same as the windows over everything ever released say."""

from __future__ import annotations

import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest

from vmeste.settings import Settings
from vmeste.warehouse.connect import Role, connect

Connection = psycopg.Connection[tuple[Any, ...]]
QUARTERS = [f"{year}-Q{number}" for year in (2020, 2021) for number in (1, 2, 3, 4)]
SPLITS = (("all", "all"), ("form", "short"), ("form", "long"), ("sex", "f"))
ROWS = (
    "select revision, cutoff_at, released_at, release_id, indicator_code, period_view, quarter, split_by, split_value, "
    "status, eligible, share, is_count_shown, definition_version, released_with, is_break "
)


def add_cells(connection: Connection, release: str, quarter: str, cells: list[tuple[str, str, str, str, str]]) -> None:
    connection.execute(
        "insert into published.releases (release_id, quarter, revision, state, cutoff_at, prepared_by, prepared_at, "
        "definition_version, code_revision, suppression_version, validation, provenance, checksum) values (%s, %s, %s, "
        "'draft', timestamptz '2020-01-01' + %s * interval '1 day', 'somebody', now(), '1', 'x', '1', '{}', '{}', "
        "repeat('0', 64))",
        (release, quarter, int(release[-1]), 90 * QUARTERS.index(quarter) + 10 * int(release[-1])),
    )
    for number, (indicator, of_quarter, split_by, split_value, version) in enumerate(cells):
        connection.execute(
            "insert into published.indicator_values (release_id, indicator_code, period_view, quarter, split_by, "
            "split_value, status, eligible, is_count_shown, is_share_shown, definition_version) "
            "values (%s, %s, 'cohort_year', %s, %s, %s, 'shown', %s, true, false, %s)",
            (release, indicator, of_quarter, split_by, split_value, number, version),
        )


def set_free(connection: Connection, release: str) -> None:
    connection.execute(
        "update published.releases set state = 'released', released_at = now(), approvals = "
        """'[{"role": "method", "user": "a"}, {"role": "director", "user": "b"}]' where release_id = %s""",
        (release,),
    )


@pytest.fixture
def transformer(settings: Settings) -> Iterator[Connection]:
    with connect(settings, "vmeste_transformer") as opened:
        yield opened
        opened.rollback()


def compare(connection: Connection) -> int:
    """Compare what is noted with what everything released says now; return how many cells stand."""
    noted, computed = (
        connection.execute(f"{ROWS} from {view} order by 5, 6, 7, 8, 9".encode()).fetchall()
        for view in ("published.current_indicator_values", "ledger.standing_indicator_values")
    )
    assert noted == computed
    return len(noted)


@pytest.mark.parametrize("seed", range(4))
def test_after_each_release_the_cells_that_stand_are_noted(transformer: Connection, seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311  (cells, not a secret)
    versions = {"1.1": 1, "2.1": 1}
    breaks = 0
    order = [(quarter, revision) for quarter in QUARTERS for revision in range(1, chance.choice([2, 3, 4]))]
    # a revision may come after releases of later quarters
    order.sort(key=lambda item: (QUARTERS.index(item[0]) + chance.choice([0, 0, 2.5]) * (item[1] > 1), item[1]))
    for quarter, revision in order:
        versions = {code: number + (chance.random() < 0.15) for code, number in versions.items()}
        place = QUARTERS.index(quarter)
        cells = [
            (code, of_quarter, *split, str(number))
            for code, number in versions.items()
            for of_quarter in QUARTERS[max(0, place - 3) : place + 1]
            for split in SPLITS
            # of earlier quarters the margins alone; a value of a split may be missing
            if (of_quarter == quarter or split[0] == "all") and chance.random() < 0.85
        ]
        release = f"{quarter}-r{revision}"
        add_cells(transformer, release, quarter, cells)
        compare(transformer)
        set_free(transformer, release)
        assert compare(transformer) > 0
        (found,) = transformer.execute("select count(*) from ledger.standing_cells where is_break").fetchone() or (0,)
        breaks += found
    assert breaks


@pytest.mark.parametrize("role", ["vmeste_transformer", "vmeste_loader", "vmeste_bi"])
@pytest.mark.parametrize("statement", ["delete from {}", "truncate {}", "update {} set is_break = true"])
def test_nobody_notes_them_by_hand(settings: Settings, role: Role, statement: str) -> None:
    with connect(settings, role) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute(statement.format("ledger.standing_cells").encode())


def test_of_two_releases_at_once_both_are_noted(settings: Settings) -> None:
    def release(quarter: str) -> None:
        with connect(settings, "vmeste_transformer") as connection:
            add_cells(connection, f"{quarter}-r1", quarter, [("1.1", quarter, "all", "all", "1")])
            set_free(connection, f"{quarter}-r1")
            connection.execute("select pg_sleep(0.3)")

    with ThreadPoolExecutor(2) as publishers:
        list(publishers.map(release, QUARTERS[:2]))
    with connect(settings, "vmeste_transformer") as connection:
        assert compare(connection) == 2


def test_who_asks_for_no_figure_reads_none(transformer: Connection) -> None:
    plan = transformer.execute(
        "explain select status, count(*) from published.current_indicator_values where quarter = '2021-Q1' group by 1"
    ).fetchall()
    assert "indicator_values" not in str(plan)
    assert "standing_cells" in str(plan)
