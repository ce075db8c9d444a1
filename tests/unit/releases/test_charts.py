"""The chart says in shapes what the figures say."""

from __future__ import annotations

from functools import cache
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import matplotlib as mpl
import pytest
from fontTools.ttLib import TTFont

from vmeste.releases.charts import HEIGHT, WIDTH, Point, interval_chart
from vmeste.releases.quarters import Quarter


def quarters(count: int) -> list[Quarter]:
    found = [Quarter(2031, 4)]
    while len(found) < count:
        found.insert(0, found[0].previous)
    return found


@cache
def metrics(weight: str) -> tuple[dict[int, str], dict[str, tuple[int, int]], int]:
    """Return the page's font: glyph of a character, advance of a glyph, units of an em."""
    file = {"normal": "DejaVuSans.ttf", "bold": "DejaVuSans-Bold.ttf"}[weight]
    font = TTFont(Path(mpl.get_data_path()) / "fonts" / "ttf" / file)
    return font.getBestCmap(), font["hmtx"].metrics, font["head"].unitsPerEm


def set_width(text: str, weight: str) -> float:
    """Return how wide a text is set, in em."""
    glyphs, advances, em = metrics(weight)
    return sum(advances[glyphs[ord(character)]][0] for character in text) / em


def drawn(points: list[Point], title: str = "1.1") -> ElementTree.Element:
    return ElementTree.fromstring(interval_chart(points, title))  # noqa: S314 - our own


@pytest.mark.parametrize("count", [1, 2, 4, 9])
@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_nothing_leaves_the_picture_and_no_labels_touch(count: int, share: float) -> None:
    svg = drawn(
        [Point(quarter, share, max(0, share - 0.2), min(1, share + 0.2), "publish") for quarter in quarters(count)]
    )
    lines: dict[float, list[tuple[float, float]]] = {}
    for text in svg.iter("text"):
        size, written = float(text.attrib["font-size"]), text.text or ""
        width = size * set_width(written, text.attrib["font-weight"])
        x = float(text.attrib["x"]) - {"middle": width / 2, "end": width, "start": 0}[text.attrib["text-anchor"]]
        assert x >= 0
        assert x + width <= WIDTH
        assert float(text.attrib["y"]) <= HEIGHT
        lines.setdefault(float(text.attrib["y"]), []).append((x, x + width))
    for spans in lines.values():
        spans.sort()
        assert all(end <= start for (_, end), (start, _) in pairwise(spans))


def test_coverage_is_told_by_the_markers_shape() -> None:
    bands = ["publish", "caution", "no_headline"]
    svg = drawn([Point(q, 0.5, 0.4, 0.6, band) for q, band in zip(quarters(3), bands, strict=True)])
    circles = [circle.attrib["fill"] for circle in svg.iter("circle")]
    assert len(circles) == 2
    assert circles[0] != "#ffffff"
    assert circles[1] == "#ffffff"
    assert len(list(svg.iter("polygon"))) == 1


def test_quarter_without_a_share_has_a_dash_and_no_marker() -> None:
    one, other = quarters(2)
    svg = drawn([Point(one, None, reason_ru="нет данных"), Point(other, 0.5, 0.4, 0.6, "publish")])
    assert len(list(svg.iter("circle"))) == 1
    assert [text.text for text in svg.iter("text")].count("–") == 1
    assert "III квартал 2031 – нет данных" in svg.attrib["aria-label"]


def test_empty_chart_gives_the_reason() -> None:
    svg = drawn([Point(quarter, None, reason_ru="планируется") for quarter in quarters(4)])
    assert "планируется" in [text.text for text in svg.iter("text")]


def test_title_is_escaped() -> None:
    svg = drawn([Point(Quarter(2031, 4), 0.5)], 'a "<b>" & c')
    assert svg.attrib["aria-label"].startswith('a "<b>" & c')


def test_same_points_give_the_same_bytes() -> None:
    points = [Point(quarter, 1 / 3, 0.1, 0.7, "publish") for quarter in quarters(9)]
    assert interval_chart(points, "1.1") == interval_chart(points, "1.1")
