"""Two quarters as if they had been released: small enough to check by hand, and with every state a cell can be in.

2021-Q3 is all hidden; 2021-Q4 shows, hides and plans. Rows are put in as a release does: as a draft that is approved.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb

Connection = psycopg.Connection[tuple[Any, ...]]

QUARTERS = {"2021-Q3": "2021-10-14 21:00+00", "2021-Q4": "2022-01-14 21:00+00"}
"""Quarter → its cut-off."""

INDICATORS = {
    "1.1": "Мотивированы на учёбу или работу",
    "2.1": "Больше поддержки вне учреждения",
    "2.2": "Положительная обратная связь",
    "2.3": "Общаются с наставником через 6 месяцев",
    "3.1": "Выше социальная адаптация",
    "3.1r": "Надёжно выше социальная адаптация",
}
# eligible, due, reached, measured, achieved, low, high, worst, best, deteriorated, known of it: 2021-Q4, everybody
SHOWN = {
    "1.1": (21, 21, 21, 21, 17, 0.5999, 0.9233, 0.8095, 0.8095, 1, 13),
    "2.1": (48, 47, 47, 20, 14, 0.4810, 0.8545, 0.2917, 0.8750, 2, 20),
    "2.2": (48, 48, 48, 48, 40, 0.7042, 0.9130, 0.8333, 0.8333, None, None),
    "3.1": (29, 29, 29, 29, 16, 0.3755, 0.7159, 0.5517, 0.5517, 5, 29),
    "3.1r": (29, 29, 29, 29, 9, 0.1735, 0.4923, 0.3103, 0.3103, 5, 29),
}


def fill(connection: Connection, quarters: Mapping[str, str] = QUARTERS, organisation: str = "north") -> None:
    """Put the quarters of an organisation in and release them; the caller commits."""
    connection.execute("set role vmeste_transformer")
    for quarter, cutoff_at in quarters.items():
        release_id = f"{quarter}-{organisation}.together-r1"
        _insert(
            connection,
            "releases",
            release_id=release_id,
            organisation_code=organisation,
            programme_code="together",
            quarter=quarter,
            revision=1,
            state="draft",
            cutoff_at=cutoff_at,
            prepared_by="admin",
            prepared_at=cutoff_at,
            definition_version="1",
            code_revision="0000000",
            suppression_version="leadership-1",
            validation=Jsonb({}),
            provenance=Jsonb({}),
            checksum=("1" if quarter.endswith("3") else "2") * 64,
        )
        for table, row in _rows(quarter, organisation, is_hidden=quarter == "2021-Q3"):
            _insert(connection, table, release_id=release_id, **row)
        connection.execute(
            "update published.releases set state = 'released', released_at = cutoff_at + interval '4 days', "
            "approvals = %s where release_id = %s",
            (
                json.dumps([{"role": "method", "user": "psychologist"}, {"role": "director", "user": "director"}]),
                release_id,
            ),
        )
    connection.execute("reset role")


def _insert(connection: Connection, table: str, **row: Any) -> None:
    connection.execute(
        sql.SQL("insert into published.{} ({}) values ({})").format(
            sql.Identifier(table),
            sql.SQL(", ").join(map(sql.Identifier, row)),
            sql.SQL(", ").join(map(sql.Placeholder, row)),
        ),
        row,
    )


def _rows(quarter: str, organisation: str, *, is_hidden: bool) -> Iterator[tuple[str, dict[str, Any]]]:
    for code, name in INDICATORS.items():
        definition = {
            "kind": "companion" if code.endswith("r") else "headline",
            "sort_order": list(INDICATORS).index(code),
            "short_name_ru": name,
            "name_ru": f"Доля тех, у кого: {name}",
            "numerator_ru": "те, у кого стало лучше",
            "denominator_ru": "все, чья пара завершилась",
            "reference_date_ru": "дата завершения",
            "instrument": "F2",
            "definition_version": "1",
        }
        yield (
            "indicator_definitions",
            {"indicator_code": code, "definition_version": "1", "name_ru": name, "definition": Jsonb(definition)},
        )
        for view in ("quarter", "rolling_4q", "cohort_year"):
            for split_by, split_value in (("all", "all"), ("form", "short"), ("form", "long"), ("group", "ward")):
                yield "indicator_values", _cell(quarter, code, view, split_by, split_value, is_hidden=is_hidden)
    yield from _programme(quarter, is_hidden=is_hidden)
    yield from _evidence(organisation)


def _cell(quarter: str, code: str, view: str, split_by: str, split_value: str, *, is_hidden: bool) -> dict[str, Any]:
    cell = {
        "indicator_code": code,
        "period_view": view,
        "quarter": quarter,
        "split_by": split_by,
        "split_value": split_value,
        "definition_version": "1",
        "is_count_shown": False,
        "is_share_shown": False,
    }
    if code == "2.3":
        return {**cell, "status": "planned"}
    if is_hidden or split_by == "group":
        return {**cell, "status": "suppressed_small_n"}
    if code == "2.1" and split_by == "form":
        # a count may be told where a share may not
        counts = {"eligible": 24, "due": 24, "reached": 24, "measured": 8, "achieved": 5, "coverage": 8 / 24}
        return {
            **cell,
            **counts,
            "status": "suppressed_small_n",
            "coverage_band": "no_headline",
            "is_count_shown": True,
        }
    if split_by == "form":
        return {**cell, "status": "suppressed_secondary"}
    eligible, due, reached, measured, achieved, low, high, worst, best, deteriorated, known = SHOWN[code]
    return {
        **cell,
        "status": "shown",
        "eligible": eligible,
        "due": due,
        "reached": reached,
        "measured": measured,
        "achieved": achieved,
        "share": achieved / measured,
        "ci_low": low,
        "ci_high": high,
        "coverage": measured / eligible,
        "coverage_band": "publish" if measured / eligible >= 0.8 else "no_headline",
        "worst_case": worst,
        "best_case": best,
        "deteriorated": deteriorated,
        "deterioration_known": known,
        "is_count_shown": True,
        "is_share_shown": True,
    }


def _programme(quarter: str, *, is_hidden: bool) -> Iterator[tuple[str, dict[str, Any]]]:
    measures = {
        "M2_hours": "Часы встреч в месяц",
        "M4": "Доля пар с досрочным завершением",
        "M7": "Доля пригодных анкет",
    }
    for order, (code, name) in enumerate(measures.items()):
        unit = "ч" if code.startswith("M2") else "%"
        names = {
            "measure_code": code,
            "indicator_code": code[:2],
            "name_ru": name,
            "unit_ru": unit,
            "sort_order": order,
        }
        yield "measure_names", names
        for view in ("quarter", "rolling_4q"):
            for split_by, split_value in (("all", "all"), ("form", "short"), ("form", "long")):
                is_told = split_by == "all" and not is_hidden
                is_median = code == "M2_hours"
                numbers = {
                    "eligible": 43,
                    "denominator": 43,
                    "numerator": 150.5 if is_median else 5,
                    "value": 3.25 if is_median else 5 / 43,
                    "ci_low": None if is_median else 0.0509,
                    "ci_high": None if is_median else 0.2446,
                    "q1": 2.4 if is_median else None,
                    "q3": 4.2 if is_median else None,
                    "coverage": 1.0,
                }
                yield (
                    "programme_values",
                    {
                        "quarter": quarter,
                        "period_view": view,
                        "indicator_code": code[:2],
                        "measure_code": code,
                        "split_by": split_by,
                        "split_value": split_value,
                        "status": "shown" if is_told else "suppressed_small_n",
                        "is_count_shown": is_told,
                        "is_share_shown": is_told,
                        **(numbers if is_told else {}),
                    },
                )
    for form, counts in (("all", (34, 2, 8)), ("short", (8, None, None)), ("long", (26, None, None))):
        status = "shown" if form == "all" else "suppressed_small_n"
        yield "pair_flow", {"quarter": quarter, "form": form, "status": status, **_named(counts)}
    asked = {"scheduled": 43, "not_yet_due": 29, "due": 14, "completed": 11, "measured": 11, "sustained": 9}
    shown = {"share": 9 / 11, "ci_low": 0.523, "ci_high": 0.9486, "worst_case": 0.6429, "best_case": 0.8571}
    for result, horizon, status, numbers in (
        ("contact", 6, "suppressed_small_n" if is_hidden else "shown", {} if is_hidden else {**asked, **shown}),
        ("contact", 12, "planned", {"scheduled": 43, "not_yet_due": 43}),
        ("R2", 12, "planned", {"scheduled": 12, "not_yet_due": 12}),
    ):
        cell = {"result_code": result, "horizon": horizon, "split_by": "all", "split_value": "all", "status": status}
        told = {"is_count_shown": bool(numbers), "is_share_shown": "share" in numbers}
        yield "sustainability", {**cell, **told, **numbers}
    for form in ("short", "long"):
        for curve in ("contact", "match"):
            yield "survival_curves", {"curve": curve, "form": form, "day": 0, "status": "suppressed_small_n"}
    yield "survival_curves", {"curve": "contact", "form": "all", "day": 0, "status": "suppressed_small_n"}
    for day, survival, low, high in ((0, 1.0, 1.0, 1.0), (244, 0.58, 0.43, 0.71), (366, 0.13, 0.05, 0.23)):
        row = {"curve": "match", "form": "all", "day": day, "status": "shown", "survival": survival}
        yield "survival_curves", {**row, "ci_low": low, "ci_high": high, "at_risk": None if day else 48}


def _named(counts: tuple[int | None, ...]) -> dict[str, int | None]:
    return dict(zip(("active_at_end", "started", "ended"), counts, strict=True))


def _evidence(organisation: str) -> Iterator[tuple[str, dict[str, Any]]]:
    counts = {"checks": 5, "met": 2, "partly_met": 1, "not_met": 1, "not_computable": 1, "not_yet_due": 0}
    said = "выполнено проверок: 2 из 5"
    yield (
        "readiness_rollup",
        {
            "scope": "section",
            "code": "data",
            "name_ru": "Обоснованность данных",
            "section": "data",
            "explanation_ru": said,
            "sort_order": 1,
            **counts,
        },
    )
    yield (
        "readiness_rollup",
        {
            "scope": "recommendation",
            "code": "R2021-3",
            "name_ru": "Сбор и анализ данных по всем показателям",
            "section": "data",
            "year": 2021,
            "status": "partial",
            "explanation_ru": said,
            "sort_order": 2,
            **counts,
        },
    )
    yield (
        "readiness_checks",
        {
            "check_code": "indicators_with_value",
            "recommendation_id": "R2021-3",
            "section": "data",
            "year": 2021,
            "evidence": "data",
            "status": "partial",
            "explanation_ru": "показателей со значением: 4 из 5",
            "sort_order": 1,
        },
    )
    for code, level in (("A1", "activity"), ("S1", "short_term"), ("R1", "medium_term")):
        is_measured = code == "R1"
        yield (
            "results_tree_nodes",
            {
                "node_code": code,
                "level": level,
                "text_ru": f"Узел {code}",
                "is_for_wards": True,
                "is_for_graduates": True,
                "status": "activity" if code == "A1" else "with_data" if is_measured else "gap",
                "indicator_count": int(is_measured),
                "indicators_with_data": int(is_measured),
                "published_indicator_count": int(is_measured),
                "indicator_codes": "1.1" if is_measured else None,
                "has_activity": True,
                "reaches_impact": True,
                "is_on_cycle": False,
                "is_orphan": False,
                "explanation_ru": "пояснение",
                "sort_order": 1,
            },
        )
    for year, level, level_ru in ((2020, "initial", "начальный"), (2021, "basic", "базовый")):
        yield (
            "expert_levels",
            {
                "organisation_code": organisation,
                "programme_code": "together",
                "section": "data",
                "section_ru": f"Обоснованность данных, {organisation}",
                "year": year,
                "source_kind": "report",
                "level_code": level,
                "level_ru": level_ru,
                "is_confirmed": True,
                "sort_order": 4,
            },
        )
    svg = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 40 20"><text x="2" y="14">Дерево</text></svg>'
    yield "pictures", {"picture_code": "results_tree", "title_ru": "Дерево результатов", "svg": svg}
