"""The dashboards for whoever has set Superset to English: no Russian word but names that exist in Russian alone."""

from __future__ import annotations

import csv
import json
import re
import sys
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.bi.conftest import DASHBOARDS, Visitor, assets, visit
from vmeste.local import superset
from vmeste.settings import ROOT, Settings

sys.path.insert(0, str(ROOT / "superset"))
import english

KINDS = {kind: assets(kind) for kind in english.TRANSLATED}
ALL = [(kind, name) for kind, found in KINDS.items() for name in found]
CYRILLIC = re.compile("[А-Яа-яЁё]")
RUSSIAN_ALONE = re.compile(
    # the product's name and its users'; of this warehouse: names of sections, recommendations, nodes and measures, and
    # what the release says of a check
    "Вместе|Администратор|Обоснованность данных|Сбор и анализ данных по всем показателям|выполнено проверок: 2 из 5|"
    "показателей со значением: 4 из 5|Узел|Часы встреч в месяц|Доля пар с досрочным завершением|Доля пригодных анкет"
)


@pytest.mark.parametrize(("kind", "name"), ALL)
def test_every_word_of_an_asset_has_an_english_one(kind: str, name: str) -> None:
    made = english.english(kind, KINDS[kind][name])
    texts = json.loads(json.dumps(made, ensure_ascii=False))
    if kind == "datasets":
        # the texts of the data, which stand in the query with their English
        texts["sql"] = texts["sql"].rsplit("cross join (select '", 1)[0]
    assert not CYRILLIC.search(json.dumps(texts, ensure_ascii=False))


def test_a_word_without_an_english_one_is_named() -> None:
    chart = {"slice_name": "Новая диаграмма"}
    with pytest.raises(english.WordMissing, match="«Новая диаграмма»: add it under `dashboards`"):
        english.english("charts", chart)


def test_no_word_is_kept_that_nothing_uses() -> None:
    used = json.dumps([asset for found in KINDS.values() for asset in found.values()], ensure_ascii=False)
    pages = (ROOT / "superset" / "dashboards.css").read_text(encoding="utf-8")
    assert not [word for word in english.WORDS["dashboards"] if word not in used.replace('\\"', '"') + pages]


def test_texts_of_the_data_are_those_of_the_seeds() -> None:
    """Where a seed has an English name, it is the one that is shown."""
    for seed in ("programme_measures", "standard_sections"):
        with (ROOT / "dbt_project" / "seeds" / f"{seed}.csv").open(encoding="utf-8") as file:
            for row in csv.DictReader(file):
                assert english.WORDS["published"][row["name_ru"]] == row["name_en"]
    with (ROOT / "dbt_project" / "seeds" / "indicator_definitions.csv").open(encoding="utf-8") as file:
        names = {row["short_name_ru"] for row in csv.DictReader(file)}
    assert names <= set(english.WORDS["published"])


@pytest.fixture(scope="module")
def reader(browser: Browser, server: superset.Address, released: Settings) -> Iterator[Visitor]:
    """The leader, who has chosen English."""
    visitor = visit(browser, server, "leader")
    visitor.page.goto(f"{server.url}/lang/en")
    yield visitor
    visitor.page.goto(f"{server.url}/lang/ru")
    visitor.page.close()


@pytest.mark.parametrize("dashboard", ["leadership", "quality"])
def test_a_dashboard_is_english(reader: Visitor, dashboard: str) -> None:
    reader.open(dashboard)
    assert f"/superset/dashboard/{dashboard}-en/" in reader.page.url
    assert reader.page.locator("[role=alert], .ant-alert-error").count() == 0
    text = reader.text()
    assert "IV quarter of 2021" in text
    assert "cut-off 2022-01-15 00:00 (UTC+3)" in text
    left = [line for line in text.splitlines() if CYRILLIC.search(RUSSIAN_ALONE.sub("", line))]
    assert not left


def test_the_figures_are_the_same_and_the_filter_works(reader: Visitor) -> None:
    reader.open("leadership")
    table = reader.page.locator('[data-test-chart-name="Indicators of four quarters"]').inner_text()
    for words in ("81%", "17 of 21", "60–92%", "14 of 20", "70% of those measured", "planned", "5 of 29"):
        assert words in table
    reader.choose("Form or group", "Short form", apply="Apply")
    given = {row["indicator_code"]: row for row in reader.chart("Indicators of four quarters")}
    assert given["2.1"]["headline_ru"] == "5 of 8"
    assert given["1.1"]["headline_ru"] == "hidden: would reveal a neighbouring number"


def test_the_language_decides_which_set_is_opened(reader: Visitor) -> None:
    reader.page.goto(f"{reader.url}/superset/welcome/")
    assert "/superset/dashboard/leadership-en/" in reader.page.url
    reader.page.goto(f"{reader.url}/lang/ru")
    reader.open("leadership-en")
    assert "/superset/dashboard/leadership/" in reader.page.url
    assert "IV квартал 2021 года" in reader.text()


def test_there_are_two_sets_and_no_more() -> None:
    slugs = {english.english("dashboards", board)["slug"] for board in KINDS["dashboards"].values()}
    assert slugs == {f"{name}-en" for name in DASHBOARDS}
