"""What the leader sees in a real browser: every chart, figures to the digit, filters, nothing from elsewhere."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import psycopg
import pytest

from tests.bi.conftest import DASHBOARDS, Visitor, assets
from tests.bi.released_rows import QUARTERS
from vmeste.releases import russian
from vmeste.settings import Settings
from vmeste.warehouse import bi_reader

BOARDS = assets("dashboards")
CUTOFF = datetime.fromisoformat(QUARTERS["2021-Q4"]).astimezone(ZoneInfo("Europe/Moscow"))
ENGLISH = re.compile(r"\b(?!F\d|M\d)[A-Za-z]{4,}\b")


def published(settings: Settings, statement: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(bi_reader.url(settings), options="-c vmeste.organisation=north") as connection:
        return connection.execute(statement.encode()).fetchall()


@pytest.mark.parametrize("dashboard", DASHBOARDS)
def test_every_chart_is_drawn_and_nothing_comes_from_elsewhere(leader: Visitor, dashboard: str) -> None:
    leader.open(dashboard)
    wanted = sum(isinstance(part, dict) and part["type"] == "CHART" for part in BOARDS[dashboard]["position"].values())
    assert leader.page.locator(".dashboard-component-chart-holder").count() == wanted
    assert leader.page.locator("[role=alert], .ant-alert-error").count() == 0
    assert not leader.refused
    # the page's own policy stops what Superset's front end would ask of another machine
    assert set(leader.foreign) == set(leader.blocked)
    text = leader.text()
    assert "IV квартал 2021 года" in text
    assert "выпущен 19.01.2022" in text
    # word for word what the page of the release says of its cut-off
    assert f"дата среза {russian.moment(CUTOFF)}" in text
    # the two invented organisations and their programme are the fixture's own words
    english = set(ENGLISH.findall(text)) - {"north", "south", "together"}
    assert not english
    assert "{{" not in text


def test_the_figures_on_the_page_are_those_of_published(leader: Visitor, released: Settings) -> None:
    leader.open("leadership")
    rows = published(
        released,
        "select indicator_code, share, ci_low, ci_high from published.current_indicator_values "
        "where quarter = '2021-Q4' and period_view = 'rolling_4q' and split_by = 'all' "
        "and indicator_code <> '3.1r' order by 1",
    )
    given = leader.chart("Показатели за четыре квартала")
    assert [(row["indicator_code"], row["share"], row["ci_low"], row["ci_high"]) for row in given] == rows
    table = leader.page.locator('[data-test-chart-name="Показатели за четыре квартала"]').inner_text()
    for words in ("81 %", "17 из 21", "60–92 %", "14 из 20", "70 % измеренных", "планируется", "5 из 29"):
        assert words in table
    pairs = leader.page.locator('[data-test-chart-name="Пары и встречи"]').inner_text()
    assert "34" in pairs
    assert "скрыто: мало наблюдений" in pairs


def test_a_bar_lies_where_its_interval_does(leader: Visitor) -> None:
    leader.open("leadership")
    track = leader.page.locator('[data-test-chart-name="Показатели за четыре квартала"] .v-track').first
    whole, bar = track.bounding_box(), track.locator(".v-ci").bounding_box()
    assert whole
    assert bar
    assert (bar["x"] - whole["x"]) / whole["width"] == pytest.approx(0.5999, abs=0.02)
    assert bar["width"] / whole["width"] == pytest.approx(0.9233 - 0.5999, abs=0.02)


def test_the_definition_is_a_click_away(leader: Visitor) -> None:
    leader.open("leadership")
    definition = leader.page.get_by_text("все, чья пара завершилась").first
    assert not definition.is_visible()
    leader.page.get_by_text("Мотивированы на учёбу или работу").first.click()
    assert definition.is_visible()


def test_another_quarter_says_so_and_hides_its_figures(leader: Visitor) -> None:
    leader.open("leadership")
    leader.choose("Квартал", "2021, III кв.")
    text = leader.text()
    assert "III квартал 2021 года" in text
    assert "Прошлый квартал. Последний выпуск – IV кв. 2021" in text
    given = leader.chart("Показатели за четыре квартала")
    assert [row["share"] for row in given] == [None] * 5
    table = leader.page.locator('[data-test-chart-name="Показатели за четыре квартала"]').inner_text()
    assert table.count("скрыто: мало наблюдений") >= 4
    assert "81 %" not in table


def test_a_form_can_be_chosen(leader: Visitor) -> None:
    leader.open("leadership")
    leader.choose("Форма или группа", "Краткосрочная форма")
    given = {row["indicator_code"]: row for row in leader.chart("Показатели за четыре квартала")}
    assert given["2.1"]["headline_ru"] == "5 из 8"
    assert given["2.1"]["counts_ru"] == "доля скрыта: мало наблюдений"
    assert given["1.1"]["headline_ru"] == "скрыто: раскрыло бы соседнее число"
