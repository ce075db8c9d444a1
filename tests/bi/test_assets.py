"""The dashboards as files: whole, in Russian, over published alone. No Superset is needed to see so."""

from __future__ import annotations

import re

import pytest

from tests.bi.conftest import DASHBOARDS, assets

CHARTS, DATASETS, BOARDS = assets("charts"), assets("datasets"), assets("dashboards")
LATIN_ALLOWED = {"F2", "F3", "M8"}


def test_the_five_dashboards_are_there() -> None:
    assert sorted(board["slug"] for board in BOARDS.values()) == sorted(DASHBOARDS)


def test_every_uuid_is_given_once() -> None:
    uuids = [asset["uuid"] for kind in (CHARTS, DATASETS, BOARDS) for asset in kind.values()]
    assert len(uuids) == len(set(uuids))


def test_every_chart_is_on_a_dashboard_and_every_dataset_under_a_chart() -> None:
    shown = {
        part["meta"]["uuid"]
        for board in BOARDS.values()
        for part in board["position"].values()
        if isinstance(part, dict) and part["type"] == "CHART"
    }
    assert shown == {chart["uuid"] for chart in CHARTS.values()}
    used = {chart["dataset_uuid"] for chart in CHARTS.values()}
    assert used == {dataset["uuid"] for dataset in DATASETS.values()}


@pytest.mark.parametrize("name", DATASETS)
def test_a_dataset_reads_published_alone(name: str) -> None:
    relations = re.findall(r"\b(?:from|join)\s+(\w+\.\w+)", DATASETS[name]["sql"])
    assert relations
    assert {relation.split(".")[0] for relation in relations} == {"published"}


@pytest.mark.parametrize("name", CHARTS)
def test_a_template_shows_only_columns_that_the_chart_asks_for(name: str) -> None:
    params = CHARTS[name]["params"]
    dataset = next(one for one in DATASETS.values() if one["uuid"] == CHARTS[name]["dataset_uuid"])
    columns = {column["column_name"] for column in dataset["columns"]}
    asked = set(params["all_columns"])
    template = params["handlebarsTemplate"]
    shown = set(re.findall(r"\{\{(?:#if |#unless )?([a-z]\w*)(?: includeZero=true)?\}\}", template))
    grouped = set(re.findall(r'#group data by="(\w+)"', template))
    assert asked <= columns, f"the dataset has no {asked - columns}"
    assert shown | grouped <= asked | {"else", "value", "x", "label"}, f"not asked for: {shown - asked}"


@pytest.mark.parametrize("name", CHARTS)
def test_a_template_closes_what_it_opens(name: str) -> None:
    template = CHARTS[name]["params"]["handlebarsTemplate"]
    for block in ("if", "unless", "each", "group", "with"):
        assert len(re.findall(rf"\{{\{{#{block}\b", template)) == len(re.findall(rf"\{{\{{/{block}\}}", template)), (
            block
        )
    # a blank line ends the HTML for Markdown, which then shows the rest as text
    assert not re.search(r"\n\s*\n", template)


@pytest.mark.parametrize("name", [*CHARTS, *BOARDS])
def test_no_english_is_left_over(name: str) -> None:
    asset = CHARTS.get(name) or BOARDS[name]
    titles = [asset.get("slice_name"), asset.get("dashboard_title"), asset.get("description")]
    filters = [native["name"] for native in asset.get("metadata", {}).get("native_filter_configuration", [])]
    template = re.sub(r"\{\{.*?\}\}|<[^>]*>", " ", asset.get("params", {}).get("handlebarsTemplate", ""))
    for text in [*titles, *filters, template]:
        words = set(re.findall(r"[A-Za-z]{2,}", text or ""))
        assert words <= LATIN_ALLOWED, words
