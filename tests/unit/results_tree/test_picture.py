"""The picture of the results tree: what is committed is what the seeds give, and no tree gives one that runs over."""

from __future__ import annotations

import re
import shutil
from itertools import combinations
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vmeste.results_tree import Edge, Indicator, Node, ResultsTree, ResultsTreeError, read_tree
from vmeste.results_tree.mermaid import diagram, page
from vmeste.results_tree.picture import draw, text_width
from vmeste.results_tree.seeds import LEVELS
from vmeste.results_tree.write import stale, write
from vmeste.settings import ROOT

SEEDS = ROOT / "dbt_project" / "seeds"
GAPS = ["S1", "S2", "S3", "S4", "S6", "S7", "I1"]
SVG = "{http://www.w3.org/2000/svg}"

Rectangle = tuple[float, float, float, float]


def test_what_is_committed_is_what_the_seeds_give() -> None:
    assert stale(SEEDS, ROOT / "docs") == []


def test_a_changed_seed_shows(tmp_path: Path) -> None:
    seeds = copied(tmp_path)
    write(seeds, tmp_path / "docs")
    assert stale(seeds, tmp_path / "docs") == []
    mend(seeds / "results_edges.csv", "A1,S1,false", "A1,S1,true")
    assert stale(seeds, tmp_path / "docs") == ["results-tree.md", "results-tree.svg"]


def test_the_gaps_are_told_by_shape_and_in_words() -> None:
    tree = read_tree(SEEDS)
    assert [node.code for node in tree.nodes if node.is_gap] == GAPS
    assert tree.coverage_ru == "Показатель есть у 4 из 11 результатов; нет у S1, S2, S3, S4, S6, S7, I1."
    picture = ElementTree.fromstring(draw(tree))  # noqa: S314 - our own
    said = [element.text for element in picture.iter(f"{SVG}text")]
    assert said.count("нет показателя") == len(GAPS)
    assert len(list(picture.iter(f"{SVG}polygon"))) == len(GAPS) + 1  # and one in the legend
    assert diagram(tree).count("{{") == len(GAPS)
    assert page(tree, "p.svg").count("| **нет показателя** |") == len(GAPS)


def test_a_confirmed_edge_is_drawn_through(tmp_path: Path) -> None:
    seeds = copied(tmp_path)
    mend(seeds / "results_edges.csv", "A1,S1,false", "A1,S1,true")
    drawn = [len(re.findall(r'stroke-dasharray="7 4"', draw(read_tree(folder)))) for folder in (SEEDS, seeds)]
    assert drawn == [27, 26]  # 26 edges and the legend's
    assert "A1 --> S1" in diagram(read_tree(seeds))
    assert "A1 -.-> S1" in diagram(read_tree(SEEDS))


@pytest.mark.parametrize(
    ("file", "old", "new", "said"),
    [
        ("results_edges.csv", "A1,S1,false", "A1,S9,false", r"results_edges.csv, line 2: there is no node S9"),
        ("results_nodes.csv", "A2,activity", "A1,activity", r"results_nodes.csv, line 3: node A1 stands there twice"),
        ("results_nodes.csv", "A1,activity", "A1,deed", r"line 2: level 'deed' is unknown: use one of activity"),
        ("results_nodes.csv", "true,false,1\n", "true,false,first\n", r"sort_order 'first' is not a number"),
        ("results_nodes.csv", "node_code,level", "code,level", r"results_nodes.csv has no column node_code"),
        ("results_nodes.csv", "R1,medium_term", "R9,medium_term", r"there is no node R1"),
    ],
)
def test_a_seed_that_cannot_be_drawn_is_named(tmp_path: Path, file: str, old: str, new: str, said: str) -> None:
    seeds = copied(tmp_path)
    mend(seeds / file, old, new)
    with pytest.raises(ResultsTreeError, match=said):
        read_tree(seeds)


def test_a_missing_seed_is_named(tmp_path: Path) -> None:
    with pytest.raises(ResultsTreeError, match=r"indicator_definitions.csv is not in"):
        read_tree(tmp_path)


WORDS = st.text('абвгджшщюЖЩ<&"ё', min_size=1, max_size=30)


@st.composite
def a_tree(draw_: st.DrawFn) -> ResultsTree:
    """Up to nine nodes a level, texts and codes of any length, edges of any kind, indicators here and there."""
    nodes = []
    for level in LEVELS:
        for number in range(draw_(st.integers(0, 9))):
            code = f"{level[0].upper()}{number}" * draw_(st.integers(1, 3))
            text = " ".join(draw_(st.lists(WORDS, min_size=1, max_size=12)))
            indicators = [
                Indicator(f"{count}.{number}", draw_(st.booleans())) for count in range(draw_(st.integers(0, 4)))
            ]
            groups = draw_(st.tuples(st.booleans(), st.booleans()))
            nodes.append(Node(code, level, text, *groups, tuple(indicators) if level != "activity" else ()))
    ends = st.sampled_from([node.code for node in nodes]) if nodes else st.nothing()
    pairs = draw_(st.lists(st.tuples(ends, ends, st.booleans()), max_size=20)) if nodes else []
    return ResultsTree(tuple(nodes), tuple(Edge(*pair) for pair in pairs if pair[0] != pair[1]))


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=60)
@given(tree=a_tree())
def test_no_text_runs_over_another_or_out_of_the_picture(tree: ResultsTree) -> None:
    assert overlapping(draw(tree)) == []


def test_the_practice_s_own_tree_is_legible() -> None:
    assert overlapping(draw(read_tree(SEEDS))) == []


def test_texts_that_overlap_are_noticed() -> None:
    crowded = draw(read_tree(SEEDS)).replace('x="78"', 'x="300"')
    assert overlapping(crowded) != []


def overlapping(svg: str) -> list[str]:
    """Return what runs over something else: texts over one another or over the edge, boxes over boxes."""
    picture = ElementTree.fromstring(svg)  # noqa: S314 - our own
    _, _, width, height = (float(number) for number in picture.attrib["viewBox"].split())
    texts = [(element.text or "", extent(element)) for element in picture.iter(f"{SVG}text")]
    found = [text for text, (left, top, right, low) in texts if left < 0 or top < 0 or right > width or low > height]
    return found + [f"{one} / {other}" for (one, a), (other, b) in combinations(texts, 2) if meet(a, b)]


def extent(element: ElementTree.Element) -> Rectangle:
    size = float(element.get("font-size", "13"))
    width = text_width(element.text or "", size, bold=element.get("font-weight") == "bold")
    x, y = float(element.attrib["x"]), float(element.attrib["y"])
    left = x - width if element.get("text-anchor") == "end" else x
    return left, y - size * 0.8, left + width, y + size * 0.2


def meet(a: Rectangle, b: Rectangle) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def copied(folder: Path) -> Path:
    seeds = folder / "seeds"
    seeds.mkdir()
    for name in ("results_nodes.csv", "results_edges.csv", "indicator_definitions.csv"):
        shutil.copy(SEEDS / name, seeds / name)
    return seeds


def mend(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
