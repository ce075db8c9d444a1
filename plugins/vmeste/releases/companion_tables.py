"""What is frozen beside a release's indicators, for dashboards: a list of tables, where each comes from, what hides it.

Rows are read from the candidate's marts in the transaction that publishes, hidden, and written to ``published``; the
seal of the release covers them (``vmeste.releases.seal``). Which numbers must not be seen also depends on what
releases have told before: what was seen stays known, in a superseded revision too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, LiteralString

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from vmeste.releases.disclosure import SPLIT_VIEW, IndicatorValue
from vmeste.releases.hidden_curves import FORMS as CURVE_FORMS
from vmeste.releases.hidden_curves import Told as CurveTold
from vmeste.releases.hidden_curves import hidden_curve, hide_curve
from vmeste.releases.hidden_erased import (
    changed_checks,
    hide_flow_of_the_erased,
    hide_growing_of_the_erased,
    hide_measures_of_the_erased,
    without_the_erased,
)
from vmeste.releases.hidden_flow import COLUMNS as FLOW_COLUMNS
from vmeste.releases.hidden_flow import hide_flow, told_flow
from vmeste.releases.hidden_measures import cell_of, hide_measures
from vmeste.releases.hidden_readiness import hide_readiness
from vmeste.releases.hidden_sustainability import hide_sustainability
from vmeste.releases.measure_names import measure_names
from vmeste.releases.overlaps import WINDOW
from vmeste.releases.quarters import Quarter
from vmeste.results_tree.picture import draw
from vmeste.results_tree.seeds import Edge, Indicator, Node, ResultsTree
from vmeste.results_tree.words import TITLE

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Reading:
    """What the tables of one release are made from, and those that are made already."""

    connection: psycopg.Connection[Any]
    marts: str
    seeds: str
    quarter: Quarter
    made: dict[str, list[Row]] = field(default_factory=dict)

    def rows(self, query: LiteralString, *parameters: object, table: str = "") -> list[Row]:
        """Run a query in which {marts} and {seeds} stand for the candidate's schemas, {table} for a table's name."""
        composed = sql.SQL(query).format(
            marts=sql.Identifier(self.marts), seeds=sql.Identifier(self.seeds), table=sql.Identifier(table)
        )
        with self.connection.cursor(row_factory=dict_row) as cursor:
            return cursor.execute(composed, parameters).fetchall()

    def told(self, table: str) -> list[Row]:
        """Return all rows of a table that releases have told, superseded ones too, the oldest first."""
        return self.rows(
            "select rows_of.* from published.{table} as rows_of "
            "inner join published.releases using (release_id) where releases.state = 'released' "
            "order by releases.released_at, release_id",
            table=table,
        )


@dataclass(frozen=True, slots=True)
class Companion:
    """A table of ``published``: its name, what names a row within a release, and what gives its rows."""

    table: str
    names: tuple[str, ...]
    read: Callable[[Reading], list[Row]]


def freeze(connection: psycopg.Connection[Any], release_id: str, quarter: Quarter, marts: str) -> None:
    """Write the companion tables of a release that is not released yet. Commits nothing.

    Args:
        connection: acts as ``vmeste_transformer``, in the transaction that publishes.
        release_id: the release.
        quarter: its quarter.
        marts: schema of the candidate's marts; its seeds lie beside it.
    """
    reading = Reading(connection, marts, f"{marts.removesuffix('marts')}seeds", quarter)
    erased = _erased_since(reading)
    for companion in COMPANIONS:
        _make(reading, companion, erased)
        _insert(connection, release_id, companion.table, reading.made[companion.table])


PAGE_TABLES = ("pair_flow", "programme_values", "readiness_checks")
"""What the page and the workbook repeat: they have these rows and read no mart for them."""


def told(connection: psycopg.Connection[Any], quarter: Quarter, marts: str) -> dict[str, list[Row]]:
    """Return the tables that the page repeats as a release of this candidate would freeze them now, with their former.

    Of the quarter before there is what its own release told, nothing if it has none.
    """
    reading = Reading(connection, marts, f"{marts.removesuffix('marts')}seeds", quarter)
    erased = _erased_since(reading)
    for companion in COMPANIONS:
        if companion.table in PAGE_TABLES:
            _make(reading, companion, erased)
    return _with_former(connection, quarter, reading.made)


def frozen(connection: psycopg.Connection[Any], quarter: Quarter, release_id: str) -> dict[str, list[Row]]:
    """Return the same as a release has frozen it; empty if it is older than these tables, or is none."""
    found = {table: _rows_of(connection, table, release_id) for table in PAGE_TABLES}
    return _with_former(connection, quarter, found) if found["readiness_checks"] else {}


def is_after_an_erasure(connection: psycopg.Connection[Any], quarter: Quarter) -> bool:
    """Say whether somebody was erased after a revision of a quarter was built: another one counts one person less."""
    return _erased_since(Reading(connection, "", "", quarter)) is not None


def _with_former(
    connection: psycopg.Connection[Any], quarter: Quarter, own: Mapping[str, list[Row]]
) -> dict[str, list[Row]]:
    former = connection.execute(
        "select release_id from published.release_ledger where state = 'released' and quarter = %s",
        (str(quarter.previous),),
    ).fetchone()
    before = {
        table: [] if former is None or table == "readiness_checks" else _rows_of(connection, table, former[0])
        for table in PAGE_TABLES
    }
    return {table: [*before[table], *own[table]] for table in PAGE_TABLES}


def _rows_of(connection: psycopg.Connection[Any], table: str, release_id: str) -> list[Row]:
    query = sql.SQL("select * from published.{} where release_id = %s").format(sql.Identifier(table))
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(query, (release_id,)).fetchall()


def _make(reading: Reading, companion: Companion, erased: str | None) -> None:
    rows = companion.read(reading)
    if companion.table == "survival_curves" and erased is not None:
        rows = _hide_changed_curves(reading, rows, erased)
    if companion.table in NUMBERS and erased is not None:
        former = _former(reading, companion.table, erased)
        rows = without_the_erased(rows, former, companion.names, NUMBERS[companion.table])
    reading.made[companion.table] = rows


def _insert(connection: psycopg.Connection[Any], release_id: str, table: str, rows: Sequence[Row]) -> None:
    if not rows:
        return
    # a column that a mart got since is not published until a migration says so
    names = [
        name
        for (name,) in connection.execute(
            "select attname from pg_attribute where attrelid = %s::regclass and attnum > 0 and not attisdropped "
            "and attname <> 'release_id' order by attnum",
            (f"published.{table}",),
        )
    ]
    columns = ("release_id", *names)
    # not COPY, which PostgreSQL refuses where policies say whose rows may be written
    insert = sql.SQL("insert into published.{} ({}) values ({})").format(
        sql.Identifier(table),
        sql.SQL(", ").join(map(sql.Identifier, columns)),
        sql.SQL(", ").join(sql.Placeholder() * len(columns)),
    )
    with connection.cursor() as cursor:
        cursor.executemany(insert, [(release_id, *(row[name] for name in names)) for row in rows])


NUMBERS: dict[str, tuple[str, ...]] = {
    "programme_values": (
        *("eligible", "denominator", "numerator", "value", "ci_low", "ci_high", "q1", "q3", "coverage"),
    ),
    "sustainability": (
        *("scheduled", "not_yet_due", "due", "completed", "refused", "unreachable", "gone", "missed", "measured"),
        *("sustained", "share", "ci_low", "ci_high", "coverage", "worst_case", "best_case"),
    ),
    "pair_flow": FLOW_COLUMNS,
}
"""The numbers of the tables in which a revision after an erasure would show who is missing."""


def _erased_since(reading: Reading) -> str | None:
    """Return the last revision of the quarter, if somebody was erased after its marts were built."""
    found = reading.rows(
        "select release_id from published.releases where quarter = %s and state = 'released' and exists ("
        "select from ops.erasures where erased_at >= coalesce(releases.built_at, releases.released_at)) "
        "order by revision desc limit 1",
        str(reading.quarter),
    )
    return found[0]["release_id"] if found else None


def _lacking(reading: Reading) -> set[str]:
    """Return the releases that were built before somebody was erased: they count who is not there any more."""
    found = reading.rows(
        "select release_id from published.releases where state = 'released' and exists ("
        "select from ops.erasures where erased_at >= coalesce(releases.built_at, releases.released_at))"
    )
    return {row["release_id"] for row in found}


def _former(reading: Reading, table: str, release_id: str) -> list[Row]:
    return [row for row in reading.told(table) if row["release_id"] == release_id]


def _pair_flow(reading: Reading) -> list[Row]:
    rows = reading.rows("select quarter, form, active_at_end, started, ended from {marts}.pair_flow_quarterly")
    told = reading.told("pair_flow")
    shown = hide_flow(rows, str(reading.quarter), told_flow(told), {row["quarter"] for row in told})
    return hide_flow_of_the_erased(shown, told, _lacking(reading))


def _programme_values(reading: Reading) -> list[Row]:
    quarter = str(reading.quarter)
    rows = reading.rows(
        "select quarter, period_view, indicator_code, measure_code, split_by, split_value, status, eligible, "
        "denominator, numerator, value, ci_low, ci_high, q1, q3, coverage, is_count_shown, is_share_shown "
        "from {marts}.programme_indicator_quarterly where quarter = %s "
        "order by measure_code, period_view, split_by, split_value",
        quarter,
    )
    medians = reading.rows("select measure_code from {seeds}.programme_measures where kind = 'median'")
    closed = reading.rows(
        "select distinct measure_code, split_by, quarter from {marts}.programme_indicator_quarterly "
        "where period_view = 'quarter' and split_by <> 'all' and not is_count_shown"
    )
    flow = [*reading.told("pair_flow"), *reading.made["pair_flow"]]
    shown = hide_measures(
        rows,
        medians={row["measure_code"] for row in medians},
        told=_measures_told(reading),
        closed_quarters=frozenset((row["measure_code"], row["split_by"], row["quarter"]) for row in closed),
        pairs=_pairs(reading),
        flow_told={
            column: {row["quarter"] for row in flow if row["form"] != "all" and row[column] is not None}
            for column in ("started", "ended")
        },
    )
    numbers = NUMBERS["programme_values"]
    return hide_measures_of_the_erased(shown, reading.told("programme_values"), _lacking(reading), flow, numbers)


def _measures_told(reading: Reading) -> list[IndicatorValue]:
    return [
        cell_of(row)
        for row in reading.told("programme_values")
        if row["split_by"] != "all" and row["period_view"] == SPLIT_VIEW and row["denominator"] is not None
    ]


def _pairs(reading: Reading) -> dict[tuple[str, str], int]:
    """Return how many pairs ran at some time of the rolling year, by each split of pairs."""
    starts_on, ends_on = _rolling_year(reading.quarter)
    found = reading.rows(
        "select splits.split_by, splits.split_value, count(*) as pairs from {marts}.dim_pair as pairs "
        "left join {marts}.dim_mentee as mentees on pairs.mentee_key = mentees.mentee_key "
        "cross join lateral (values ('form', pairs.reporting_form), ('group', pairs.mentee_group_at_start), "
        "('sex', coalesce(mentees.sex, 'unknown'))) as splits (split_by, split_value) "
        "where pairs.is_started and pairs.start_on <= %s and (pairs.ended_on is null or pairs.ended_on >= %s) "
        "group by splits.split_by, splits.split_value",
        ends_on,
        starts_on,
    )
    return {(row["split_by"], row["split_value"]): row["pairs"] for row in found}


def _rolling_year(quarter: Quarter) -> tuple[date, date]:
    first = quarter
    for _ in range(WINDOW - 1):
        first = first.previous
    return first.starts_on, quarter.ends_on


def _sustainability(reading: Reading) -> list[Row]:
    rows = reading.rows("select * from {marts}.sustainability order by result_code, horizon, split_by, split_value")
    told = reading.told("sustainability")
    shown = hide_sustainability(rows, told, str(reading.quarter))
    return hide_growing_of_the_erased(shown, told, _lacking(reading), NUMBERS["sustainability"])


def _survival_curves(reading: Reading) -> list[Row]:
    told: dict[tuple[str, str], dict[str, dict[int, int | None]]] = {}
    for row in reading.told("survival_curves"):
        if row["status"] == "shown":
            releases = told.setdefault((row["curve"], row["form"]), {})
            releases.setdefault(row["release_id"], {})[row["day"]] = row["events"]
    found = []
    for curve, rows in (
        ("contact", reading.rows("select * from {marts}.contact_survival")),
        ("match", reading.rows("select * from {marts}.match_survival")),
    ):
        before: Mapping[str, Sequence[CurveTold]] = {
            form: list(releases.values()) for (name, form), releases in told.items() if name == curve
        }
        found += hide_curve(curve, rows, before)
    return found


def _hide_changed_curves(reading: Reading, rows: list[Row], erased: str) -> list[Row]:
    """Hide each curve of a revision that has another point than the revision before: somebody is not in it any more."""
    names = ("curve", "form", "day", "at_risk", "events", "survival", "ci_low", "ci_high")
    former = {tuple(row[name] for name in names) for row in _former(reading, "survival_curves", erased)}
    changed = {row["curve"] for row in rows if row["status"] == "shown" and tuple(map(row.get, names)) not in former}
    return [row for row in rows if row["curve"] not in changed] + [
        hidden_curve(curve, form, "suppressed_secondary") for curve in sorted(changed) for form in CURVE_FORMS
    ]


def _readiness_checks(reading: Reading) -> list[Row]:
    rows = reading.rows(
        "select readiness.*, checks.check_ru, checks.measure_code, checks.split_by, checks.split_value "
        "from {marts}.evidence_readiness as readiness "
        "inner join {seeds}.readiness_checks as checks on readiness.check_code = checks.check_code "
        "order by readiness.sort_order"
    )
    hidden = {
        (row["measure_code"], row["split_by"], row["split_value"])
        for row in reading.made["programme_values"]
        if row["period_view"] == SPLIT_VIEW and row["denominator"] is None
    }
    erased = _erased_since(reading)
    changed = frozenset() if erased is None else changed_checks(rows, _former(reading, "readiness_checks", erased))
    return hide_readiness(rows, hidden, changed)


def _measure_names(reading: Reading) -> list[Row]:
    return measure_names(
        reading.rows("select measure_code, indicator_code, kind, name_ru, sort_order from {seeds}.programme_measures")
    )


def _pictures(reading: Reading) -> list[Row]:
    return [{"picture_code": "results_tree", "title_ru": TITLE, "svg": draw(_tree(reading))}]


def _tree(reading: Reading) -> ResultsTree:
    """Return the tree as the candidate's seeds have it."""
    indicators: dict[str, list[Indicator]] = {}
    for row in reading.rows(
        "select node_code, indicator_code, status from {seeds}.indicator_definitions "
        "where is_current and kind = 'headline' order by sort_order, indicator_code"
    ):
        indicators.setdefault(row["node_code"], []).append(Indicator(row["indicator_code"], row["status"] == "planned"))
    nodes = reading.rows(
        "select node_code, level, text_ru, is_for_wards, is_for_graduates from {seeds}.results_nodes "
        "order by sort_order, node_code"
    )
    edges = reading.rows(
        "select from_node_code, to_node_code, confirmed from {seeds}.results_edges "
        "order by from_node_code, to_node_code"
    )
    return ResultsTree(
        tuple(
            Node(
                row["node_code"],
                row["level"],
                row["text_ru"],
                row["is_for_wards"],
                row["is_for_graduates"],
                tuple(indicators.get(row["node_code"], ())),
            )
            for row in nodes
        ),
        tuple(Edge(*row.values()) for row in edges),
    )


def _as_it_is(table: str) -> Callable[[Reading], list[Row]]:
    """Read a mart that tells of no person."""

    def read(reading: Reading) -> list[Row]:
        return reading.rows("select * from {marts}.{table}", table=table)

    return read


COMPANIONS: tuple[Companion, ...] = (
    # the order matters: what stands in one table decides what the next may tell
    Companion("pair_flow", ("quarter", "form"), _pair_flow),
    Companion(
        "programme_values",
        ("measure_code", "period_view", "quarter", "split_by", "split_value"),
        _programme_values,
    ),
    Companion("sustainability", ("result_code", "horizon", "split_by", "split_value"), _sustainability),
    Companion("survival_curves", ("curve", "form", "day"), _survival_curves),
    Companion("readiness_checks", ("check_code",), _readiness_checks),
    Companion("readiness_rollup", ("scope", "code"), _as_it_is("readiness_rollup")),
    Companion("results_tree_nodes", ("node_code",), _as_it_is("results_tree_nodes")),
    Companion(
        "results_tree_edges",
        ("from_node_code", "to_node_code"),
        _as_it_is("results_tree_edges"),
    ),
    Companion("results_tree_coverage", ("level",), _as_it_is("results_tree_coverage")),
    Companion(
        "expert_levels",
        ("organisation_code", "programme_code", "section", "year", "source_kind"),
        _as_it_is("expert_levels"),
    ),
    Companion("pictures", ("picture_code",), _pictures),
    Companion("measure_names", ("measure_code",), _measure_names),
)
"""The tables, in the order in which they are made."""
