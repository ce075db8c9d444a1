"""What the dashboards ask of ``published``, as ``vmeste_bi``, on 40 quarters with two revisions each."""

from __future__ import annotations

import itertools
import statistics
import tempfile
import time
from pathlib import Path

import psycopg

from vmeste.settings import Settings
from vmeste.warehouse import embedded
from vmeste.warehouse.connect import connect
from vmeste.warehouse.migrate import migrate

QUARTERS = [f"{year}-Q{quarter}" for year in range(2017, 2027) for quarter in range(1, 5)]
INDICATORS = [f"{number}" for number in range(1, 18)]
SPLIT_VALUES = 50
"""Values of each split: as many cells as fifty organisations would have, where there is no such split yet."""

ROUNDS = 20

QUERIES = {
    "banner: the latest release": (
        "select quarter, revision, released_at, definition_version from published.release_ledger "
        "where state = 'released' order by quarter desc limit 1"
    ),
    "a quarter at a glance, with the quarter before": (
        "select indicator_code, quarter, status, share, ci_low, ci_high, measured, achieved, coverage, coverage_band "
        "from published.current_indicator_values where split_by = 'all' and period_view = 'rolling_4q' "
        "and quarter in (%(quarter)s, %(before)s) order by indicator_code, quarter"
    ),
    "an indicator over all quarters": (
        "select quarter, share, ci_low, ci_high, worst_case, best_case, status from published.current_indicator_values "
        "where indicator_code = %(indicator)s and split_by = 'all' and period_view = 'quarter' order by quarter"
    ),
    "short beside long over all quarters": (
        "select quarter, split_value, share, ci_low, ci_high, status from published.current_indicator_values "
        "where indicator_code = %(indicator)s and split_by = 'form' and period_view = 'rolling_4q' order by quarter"
    ),
    "wards beside graduates in a quarter": (
        "select indicator_code, split_value, share, measured, status from published.current_indicator_values "
        "where quarter = %(quarter)s and split_by = 'group' and period_view = 'rolling_4q'"
    ),
    "the funnel of a quarter": (
        "select indicator_code, eligible, due, reached, measured, achieved from published.current_indicator_values "
        "where quarter = %(quarter)s and split_by = 'all' and period_view = 'cohort_year'"
    ),
    "what got worse": (
        "select indicator_code, quarter, deteriorated, deterioration_known from published.current_indicator_values "
        "where split_by = 'all' and period_view = 'rolling_4q' and deteriorated > 0 order by quarter desc limit 50"
    ),
    "hidden cells by status": (
        "select status, count(*) from published.current_indicator_values where quarter = %(quarter)s group by status"
    ),
    "from a figure to its definition": (
        "select name_ru, definition from published.indicator_definitions inner join published.release_ledger "
        "using (release_id) where quarter = %(quarter)s and indicator_code = %(indicator)s and state = 'released'"
    ),
    "history of releases": (
        "select release_ledger.*, restatements.moved_points from published.release_ledger "
        "left join published.restatements using (release_id) order by quarter desc, revision desc"
    ),
}


def fill(connection: psycopg.Connection[tuple[object, ...]]) -> int:
    """Release two revisions of each quarter; return the number of cells."""
    for quarter, revision in itertools.product(QUARTERS, (1, 2)):
        release = f"{quarter}-r{revision}"
        connection.execute(
            "insert into published.releases (release_id, quarter, revision, state, cutoff_at, prepared_by, "
            "prepared_at, definition_version, code_revision, suppression_version, validation, provenance, checksum) "
            "values (%s, %s, %s, 'draft', now(), 'benchmark', now(), '1', 'x', '1', '{}', '{}', repeat('0', 64))",
            (release, quarter, revision),
        )
        connection.execute(
            "insert into published.indicator_definitions select %s, code, '1', 'Показатель', '{}' "
            "from unnest(%s::text[]) as code",
            (release, INDICATORS),
        )
        connection.execute(
            "insert into published.indicator_values (release_id, indicator_code, period_view, quarter, split_by, "
            "split_value, status, eligible, due, reached, measured, achieved, share, ci_low, ci_high, coverage, "
            "coverage_band, worst_case, best_case, deteriorated, deterioration_known, is_count_shown, is_share_shown, "
            "definition_version) select %s, code, period_view, %s, split_by, value::text, 'shown', 60, 50, 45, 40, "
            "30, 0.75, 0.6, 0.86, 0.8, 'publish', 0.6, 0.8, value %% 3, 40, true, true, '1' "
            "from unnest(%s::text[]) as code "
            "cross join unnest(array['quarter', 'rolling_4q', 'cohort_year']) as period_view "
            "cross join unnest(array['all', 'form', 'group', 'sex', 'age_band']) as split_by "
            "cross join generate_series(1, case split_by when 'all' then 1 else %s end) as value",
            (release, quarter, INDICATORS, SPLIT_VALUES),
        )
    connection.execute(
        "update published.releases set state = 'released', released_at = now(), "
        """approvals = '[{"role": "method", "user": "a"}, {"role": "director", "user": "b"}]'"""
    )
    (cells,) = connection.execute("select count(*) from published.indicator_values").fetchone() or (0,)
    connection.commit()
    return int(str(cells))


def run() -> None:
    """Fill a fresh warehouse and print the 95th percentile of each query, in milliseconds."""
    settings = Settings(home=Path(tempfile.mkdtemp(prefix="vmeste-benchmark-")), warehouse_url="", vault_url="")
    settings.home.chmod(0o755)
    migrate(settings)
    try:
        with connect(settings, "vmeste_transformer") as connection:
            print(f"\n{fill(connection):,} published cells", flush=True)
        with connect(settings) as connection:
            connection.execute("analyze published.indicator_values")
            connection.execute("analyze ledger.standing_cells")
        every = []
        with connect(settings, "vmeste_bi") as connection:
            connection.autocommit = True
            for name, query in QUERIES.items():
                times = []
                for turn in range(ROUNDS):
                    place = 1 + (7 * turn) % (len(QUARTERS) - 1)
                    chosen = {"quarter": QUARTERS[place], "before": QUARTERS[place - 1]}
                    chosen["indicator"] = INDICATORS[turn % len(INDICATORS)]
                    started = time.perf_counter()
                    rows = connection.execute(query.encode(), chosen).fetchall()
                    times.append(1000 * (time.perf_counter() - started))
                    assert rows, name
                every += times
                print(f"    p95 {statistics.quantiles(times, n=20)[-1]:7.1f} ms  {name}")
        print(f"all queries: p95 {statistics.quantiles(every, n=20)[-1]:.1f} ms, slowest {max(every):.1f} ms")
    finally:
        embedded.stop(settings)
