"""Every dataset and every chart's query, asked of a real warehouse by the login of dashboards, without Superset."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import psutil
import psycopg
import pytest

from tests.bi import released_rows
from tests.bi.conftest import assets
from vmeste.settings import Settings
from vmeste.warehouse import bi_reader
from vmeste.warehouse.connect import warehouse_url

CHARTS, DATASETS = assets("charts"), assets("datasets")
BY_UUID = {dataset["uuid"]: dataset for dataset in DATASETS.values()}

Connection = psycopg.Connection[tuple[Any, ...]]


@pytest.fixture(scope="module")
def reader(released: Settings) -> Iterator[Connection]:
    with psycopg.connect(
        bi_reader.url(released), autocommit=True, options="-c vmeste.organisation=north"
    ) as connection:
        yield connection


def query(chart: dict[str, Any], where: str = "true") -> str:
    """Write the query that Superset writes for a chart of raw rows."""
    params = chart["params"]
    filters = " and ".join(f"({one['sqlExpression']})" for one in params.get("adhoc_filters", [])) or "true"
    orders = [re.findall(r'"(\w+)", (true|false)', one)[0] for one in params.get("order_by_cols", [])]
    order = ", ".join(f"{column} {'asc' if rising == 'true' else 'desc'}" for column, rising in orders) or "1"
    return (
        f"select {', '.join(params['all_columns'])} from ({BY_UUID[chart['dataset_uuid']]['sql']}) as dataset "
        f"where {filters} and {where} order by {order} limit {params['row_limit']}"
    )


def ask(connection: Connection, statement: str) -> list[dict[str, Any]]:
    cursor = connection.execute(statement.encode())
    assert cursor.description
    names = [column.name for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor]


@pytest.mark.parametrize("name", DATASETS)
def test_a_dataset_has_the_columns_that_its_file_says(reader: Connection, name: str) -> None:
    cursor = reader.execute(DATASETS[name]["sql"])
    assert cursor.description
    assert [column.name for column in cursor.description] == [one["column_name"] for one in DATASETS[name]["columns"]]


@pytest.mark.parametrize("name", CHARTS)
def test_a_chart_gets_rows(reader: Connection, name: str) -> None:
    """Also where there is nothing to tell: nothing was synced and nothing came late in this warehouse."""
    rows = ask(reader, query(CHARTS[name]))
    assert rows
    said = {
        "syncs": "загрузок ещё не было",
        "quarantine": "никто не ждёт: карантин пуст",
        "late_rows": "поздних записей нет",
    }
    if name in said:
        assert said[name] in rows[0].values()


@pytest.mark.parametrize("name", CHARTS)
def test_no_word_of_the_data_is_english(reader: Connection, name: str) -> None:
    for row in ask(reader, query(CHARTS[name])):
        for column, value in row.items():
            if column.endswith("_ru") and isinstance(value, str):
                assert not re.search(r"[a-z]{3,}", value.replace("north", "").replace("south", "")), (column, value)


def test_the_figures_of_the_quarter_are_those_of_published(reader: Connection) -> None:
    where = "quarter_ru = '2021, IV кв.' and slice_ru = 'Все'"
    shown = {row["indicator_code"]: row for row in ask(reader, query(CHARTS["indicators_of_quarter"], where))}
    assert list(shown) == ["1.1", "2.1", "2.2", "2.3", "3.1"]
    for code, row in shown.items():
        if code == "2.3":
            assert row["headline_ru"] == "планируется"
            assert not row["has_number"]
            continue
        _, _, _, measured, achieved, low, high, *_ = released_rows.SHOWN[code]
        assert (row["share"], row["ci_low"], row["ci_high"]) == (achieved / measured, low, high)
    assert shown["1.1"]["headline_ru"] == "81 %"
    assert shown["1.1"]["counts_ru"] == "17 из 21"
    assert shown["1.1"]["interval_ru"] == "60–92 %"
    # too few were measured: the count stands out, not the share
    assert shown["2.1"]["headline_ru"] == "14 из 20"
    assert shown["2.1"]["coverage_note_ru"] == "не выносить в заголовок"
    assert shown["3.1"]["is_worse"] is True
    assert shown["1.1"]["previous_ru"] == "скрыто: мало наблюдений"


def test_what_is_hidden_has_words_and_no_number(reader: Connection) -> None:
    where = "quarter_ru = '2021, III кв.' and slice_ru = 'Все'"
    for row in ask(reader, query(CHARTS["indicators_of_quarter"], where)):
        words = "планируется" if row["indicator_code"] == "2.3" else "скрыто: мало наблюдений"
        assert row["headline_ru"] == words
        assert not any(char.isdigit() for key in ("counts_ru", "interval_ru", "coverage_ru") for char in row[key] or "")
        assert (row["share"], row["ci_low"], row["previous_share"]) == (None, None, None)


def test_a_change_is_told_only_outside_the_interval(reader: Connection) -> None:
    """Four quarters beside one another: inside the interval, above it, below it, and another definition."""
    expression = re.search(
        r"case\s+when previous_share is null or ci_low.*?as change_ru", DATASETS["indicators"]["sql"], re.S
    )
    assert expression
    cases = {
        "(0.8::float8, 0.7, 0.9, 0.75::float8, false)": "в пределах интервала",
        "(0.8, 0.7, 0.9, 0.65, false)": "▲ 15 п. п.",
        "(0.8, 0.7, 0.9, 0.95, false)": "▼ 15 п. п.",
        "(0.8, 0.7, 0.9, 0.95, true)": "определение другое",
        "(0.8, 0.7, 0.9, null, false)": None,
    }
    rows = reader.execute(
        f"select {expression[0]} from (values {', '.join(cases)}) "
        "as figures (share, ci_low, ci_high, previous_share, is_break)".encode()
    ).fetchall()
    assert [change for (change,) in rows] == list(cases.values())


def test_a_curve_is_drawn_as_steps_that_lie_where_they_should(reader: Connection) -> None:
    where = "form = 'all' and quarter_ru = '2021, IV кв.'"
    (curve,) = ask(reader, query(CHARTS["survival_match"], where))
    # 12 months are 600 wide: day 244 at 400, day 366 at the end; 100 % is 0 high, 0 % is 200
    assert curve["line"] == "M0.0,0.0H400.0V84.0H600.0V174.0"
    assert curve["band"] == "M0.0,0.0H400.0V58.0H600.0V154.0V190.0H600.0V114.0H400.0V0.0Z"
    assert curve["points_ru"] == "8 мес. – 58 % (43–71); 12 мес. – 13 % (5–23)"
    (hidden,) = ask(reader, query(CHARTS["survival_contact"], where))
    assert (hidden["is_told"], hidden["hidden_ru"], hidden["line"]) == (False, "скрыто: мало наблюдений", None)


def test_reasons_that_are_not_told_are_one_number(reader: Connection) -> None:
    rows = ask(reader, query(CHARTS["follow_ups"], "quarter_ru = '2021, IV кв.'"))
    assert [(row["due"], row["completed"], row["missed"], row["not_completed"]) for row in rows] == [
        (14, 11, None, 3),
        (None, None, None, None),
    ]


def test_queries_are_quick_with_forty_quarters(released: Settings) -> None:
    """Each chart's query costs the server less than 50 ms of a core; other processes must not decide it."""
    years, times = range(2022, 2032), 10
    cutoffs = {f"{year}-Q{number}": f"{year}-{number * 3:02}-28 00:00+00" for year in years for number in range(1, 5)}
    with psycopg.connect(warehouse_url(released)) as connection:
        released_rows.fill(connection, cutoffs)
        connection.execute("analyze")
        server = psutil.Process(connection.info.backend_pid)
        seconds = {}
        for name, chart in CHARTS.items():
            before = server.cpu_times()
            for _ in range(times):
                assert ask(connection, query(chart))
            after = server.cpu_times()
            seconds[name] = (after.user + after.system - before.user - before.system) / times
        connection.rollback()
    assert not {name: cost for name, cost in seconds.items() if cost >= 0.05}
