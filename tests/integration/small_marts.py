"""Marts of a small made-up programme, as tables filled by hand: what a release freezes beside its indicators."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg import sql

from vmeste.releases.publish import Computed
from vmeste.releases.quarters import Quarter
from vmeste.settings import Settings
from vmeste.warehouse.connect import connect

MARTS = "small_marts"
SEEDS = "small_seeds"

AS_PUBLISHED = {
    "programme_indicator_quarterly": "programme_values",
    "sustainability": "sustainability",
    "pair_flow_quarterly": "pair_flow",
    "contact_survival": "survival_curves",
    "match_survival": "survival_curves",
    "evidence_readiness": "readiness_checks",
    "readiness_rollup": "readiness_rollup",
    "results_tree_nodes": "results_tree_nodes",
    "results_tree_edges": "results_tree_edges",
    "results_tree_coverage": "results_tree_coverage",
    "expert_levels": "expert_levels",
}
"""Mart → the table of ``published`` that has its columns."""

OTHERS = (
    "small_marts.dim_pair (pair_key text, mentee_key text, reporting_form text, mentee_group_at_start text, "
    "is_started boolean, start_on date, ended_on date)",
    "small_marts.dim_mentee (mentee_key text, sex text)",
    "small_marts.fct_indicator_outcome (indicator_code text, period_view text, quarter text, mentee_key text, "
    "is_eligible boolean, is_due boolean, is_reached boolean, is_measured boolean, is_achieved boolean, "
    "is_deteriorated boolean)",
    "small_seeds.programme_measures (measure_code text, indicator_code text, kind text, name_ru text, "
    "sort_order integer)",
    "small_seeds.readiness_checks (check_code text, check_ru text, measure_code text, split_by text, split_value text)",
    "small_seeds.indicator_definitions (indicator_code text, node_code text, status text, kind text, "
    "is_current boolean, sort_order integer)",
    "small_seeds.results_nodes (node_code text, level text, text_ru text, is_for_wards boolean, "
    "is_for_graduates boolean, sort_order integer)",
    "small_seeds.results_edges (from_node_code text, to_node_code text, confirmed boolean)",
)


@contextmanager
def small_marts(settings: Settings, quarter: Quarter) -> Iterator[tuple[psycopg.Connection[Any], Computed]]:
    """Give a connection on which the marts of one quarter are there, and how to name them to ``publish``."""
    with connect(settings, "vmeste_transformer") as connection:
        connection.execute(f"drop schema if exists {MARTS}, {SEEDS} cascade".encode())
        connection.execute(f"create schema {MARTS}".encode())
        connection.execute(f"create schema {SEEDS}".encode())
        for mart, table in AS_PUBLISHED.items():
            connection.execute(f"create table {MARTS}.{mart} (like published.{table})".encode())
            connection.execute(f"alter table {MARTS}.{mart} drop column release_id".encode())
        # a mart keeps what is hidden, and marks less
        connection.execute(f"alter table {MARTS}.contact_survival drop column curve, drop column status".encode())
        connection.execute(f"alter table {MARTS}.match_survival drop column curve, drop column status".encode())
        connection.execute(f"alter table {MARTS}.pair_flow_quarterly drop column status".encode())
        for columns in OTHERS:
            connection.execute(f"create table {columns}".encode())
        _fill(connection, str(quarter))
        connection.commit()
        try:
            yield connection, Computed(marts=MARTS)
        finally:
            connection.rollback()
            connection.execute(f"drop schema if exists {MARTS}, {SEEDS} cascade".encode())
            connection.commit()


def put(connection: psycopg.Connection[Any], table: str, names: str, *rows: Sequence[object]) -> None:
    """Insert rows."""
    query = sql.SQL("insert into {} ({}) values ({})").format(
        sql.Identifier(*table.split(".")),
        sql.SQL(", ").join(map(sql.Identifier, names.split())),
        sql.SQL(", ").join([sql.Placeholder()] * len(names.split())),
    )
    with connection.cursor() as cursor:
        cursor.executemany(query, rows)


def _fill(connection: psycopg.Connection[Any], quarter: str) -> None:
    put(
        connection,
        f"{MARTS}.pair_flow_quarterly",
        "quarter form active_at_end started ended",
        (quarter, "all", 40, 44, 4),
        (quarter, "short", 18, 21, 3),
        (quarter, "long", 22, 23, 1),
    )
    names = (
        "quarter period_view indicator_code measure_code split_by split_value status eligible denominator numerator "
        "value coverage is_count_shown is_share_shown"
    )
    put(
        connection,
        f"{MARTS}.programme_indicator_quarterly",
        names,
        (quarter, "rolling_4q", "M4", "M4", "all", "all", "shown", 40, 40, 4, 0.1, 1, True, True),
        *(
            (quarter, "rolling_4q", "M4", "M4", "form", form, status, 20, 20, early, early / 20, 1, False, False)
            for form, status, early in (
                ("short", "suppressed_secondary", 3),
                ("long", "suppressed_small_n", 1),
            )
        ),
        (quarter, "rolling_4q", "M11", "M11", "all", "all", "shown", 44, 44, 20, 20 / 44, 1, True, True),
        (quarter, "rolling_4q", "M11", "M11", "form", "short", "shown", 21, 21, 9, 9 / 21, 1, True, True),
        (quarter, "rolling_4q", "M11", "M11", "form", "long", "shown", 23, 23, 11, 11 / 23, 1, True, True),
    )
    funnel = "result_code horizon split_by split_value status scheduled not_yet_due due completed refused unreachable "
    funnel += "gone missed measured sustained share is_count_shown is_share_shown"
    put(
        connection,
        f"{MARTS}.sustainability",
        funnel,
        ("contact", 6, "all", "all", "shown", 30, 4, 26, 20, 1, 2, 0, 3, 20, 15, 0.75, True, True),
        *(
            ("contact", 6, "form", *form, 15, 2, 13, 10, 1, 1, 0, 1, 10, *rest, False, False)
            for form, rest in (
                (("short", "suppressed_small_n"), (8, 0.8)),
                (("long", "suppressed_secondary"), (7, 0.7)),
            )
        ),
    )
    curve = "form day at_risk events censored survival ci_low ci_high"
    put(
        connection,
        f"{MARTS}.match_survival",
        curve,
        ("all", 0, 44, 0, 0, 1, 1, 1),
        ("all", 130, 44, 1, 0, 43 / 44, 0.8, 1),
        ("all", 137, 43, 2, 0, 41 / 44, 0.8, 1),
        ("all", 243, 41, 20, 0, 21 / 44, 0.3, 0.6),
        ("all", 400, 21, 0, 21, 21 / 44, 0.3, 0.6),
    )
    check = "check_code recommendation_id section year evidence status measured counted counted_of threshold "
    check += "explanation_ru sort_order"
    for number, (code, status, counted, total) in enumerate(
        (("mentors_cleared", "partial", 43, 44), ("needs_assessed", "partial", 20, 44), ("tree_acyclic", "met", 1, 2))
    ):
        evidence = "catalogue" if code.startswith("tree") else "data"
        put(
            connection,
            f"{MARTS}.evidence_readiness",
            check,
            (code, "R", "data", 2021, evidence, status, counted / total, counted, total, 0.9, f"{counted}", number),
        )
        put(connection, f"{SEEDS}.readiness_checks", "check_code check_ru", (code, "Доля"))
    put(
        connection,
        f"{MARTS}.readiness_rollup",
        "scope code name_ru checks met partly_met not_met not_computable not_yet_due explanation_ru sort_order",
        ("section", "data", "Данные", 3, 1, 2, 0, 0, 0, "выполнено проверок: 1 из 3", 1),
    )
    put(
        connection,
        f"{MARTS}.expert_levels",
        "organisation_code programme_code section section_ru year source_kind level_code level_ru is_confirmed "
        "sort_order",
        ("o", "p", "data", "Данные", 2021, "report", "basic", "базовый", True, 1),
    )
    _fill_tree(connection)
    put(
        connection,
        f"{SEEDS}.programme_measures",
        "measure_code indicator_code kind name_ru sort_order",
        ("M4", "M4", "share", "Завершены досрочно", 4),
        ("M11", "M11", "share", "Измерены до начала", 18),
    )
    put(
        connection,
        f"{MARTS}.dim_pair",
        "pair_key mentee_key reporting_form mentee_group_at_start is_started start_on ended_on",
        *((f"p{n}", f"m{n}", "short" if n < 21 else "long", "ward", True, "2000-01-01", None) for n in range(44)),
    )


def _fill_tree(connection: psycopg.Connection[Any]) -> None:
    nodes = (("A1", "activity", "Занятия"), ("R1", "medium_term", "Результат"))
    put(
        connection,
        f"{MARTS}.results_tree_nodes",
        "node_code level text_ru is_for_wards is_for_graduates status indicator_count indicators_with_data "
        "published_indicator_count has_activity reaches_impact is_on_cycle is_orphan explanation_ru sort_order",
        *((*node, True, False, "gap", 0, 0, 0, True, False, False, True, "пробел", n) for n, node in enumerate(nodes)),
    )
    put(
        connection,
        f"{MARTS}.results_tree_edges",
        "from_node_code to_node_code from_level to_level from_text_ru to_text_ru is_confirmed explanation_ru",
        ("A1", "R1", "activity", "medium_term", "Занятия", "Результат", False, "не подтверждена"),
    )
    put(
        connection,
        f"{MARTS}.results_tree_coverage",
        "level nodes with_indicator with_data share_with_indicator share_with_data gaps explanation_ru",
        ("all", 1, 1, 0, 1.0, 0.0, None, "с показателем: 1 из 1"),
    )
    put(
        connection,
        f"{SEEDS}.results_nodes",
        "node_code level text_ru is_for_wards is_for_graduates sort_order",
        *((*node, True, False, n) for n, node in enumerate(nodes)),
    )
    put(connection, f"{SEEDS}.results_edges", "from_node_code to_node_code confirmed", ("A1", "R1", False))
    put(
        connection,
        f"{SEEDS}.indicator_definitions",
        "indicator_code node_code status kind is_current sort_order",
        ("1.1", "R1", "active", "headline", True, 1),
    )
