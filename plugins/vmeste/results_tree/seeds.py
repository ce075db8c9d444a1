"""The results tree as it stands in the seeds of dbt: nodes, edges, and the indicators that measure nodes."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

LEVELS = ("activity", "short_term", "medium_term", "impact")
"""From what is done to what it is done for, as the picture shows them from left to right."""

_TRUE = {"true", "t", "1"}


class ResultsTreeError(Exception):
    """A seed cannot be drawn: the message names the file, the row and the way out."""


@dataclass(frozen=True, slots=True)
class Indicator:
    """A headline indicator of a node."""

    code: str
    is_planned: bool


@dataclass(frozen=True, slots=True)
class Node:
    """An activity or a result; ``indicators`` measure it, and a result without any is a gap."""

    code: str
    level: str
    text_ru: str
    is_for_wards: bool
    is_for_graduates: bool
    indicators: tuple[Indicator, ...]

    @property
    def is_result(self) -> bool:
        """Whether it is a change, not something that is done."""
        return self.level != "activity"

    @property
    def is_gap(self) -> bool:
        """Whether it is a result that no indicator measures."""
        return self.is_result and not self.indicators

    @property
    def group_ru(self) -> str:
        """For whom it is."""
        groups = [
            name
            for name, is_meant in (("воспитанники", self.is_for_wards), ("выпускники", self.is_for_graduates))
            if is_meant
        ]
        return " и ".join(groups)


@dataclass(frozen=True, slots=True)
class Edge:
    """What leads to what, and whether the centre has confirmed it."""

    cause: str
    effect: str
    is_confirmed: bool


@dataclass(frozen=True, slots=True)
class ResultsTree:
    """Nodes in their order of display, edges in that of the seed."""

    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]

    def on(self, level: str) -> tuple[Node, ...]:
        """Return the nodes of a level."""
        return tuple(node for node in self.nodes if node.level == level)

    @property
    def results(self) -> tuple[Node, ...]:
        """Everything but the activities."""
        return tuple(node for node in self.nodes if node.is_result)

    @property
    def coverage_ru(self) -> str:
        """How many of the results are measured, in a sentence, and which are not."""
        gaps = [node.code for node in self.results if node.is_gap]
        measured = f"Показатель есть у {len(self.results) - len(gaps)} из {len(self.results)} результатов"
        return f"{measured}; нет у {', '.join(gaps)}." if gaps else f"{measured}."


def read_tree(folder: Path) -> ResultsTree:
    """Read the tree from a folder of seeds.

    Args:
        folder: holds ``results_nodes.csv``, ``results_edges.csv`` and ``indicator_definitions.csv``, of which the
            current headline indicators count.

    Raises:
        ResultsTreeError: a file or a column is missing, a level is unknown, a node stands twice, or an edge or an
            indicator names a node that is not there.
    """
    indicators: dict[str, list[Indicator]] = {}
    links: list[tuple[str, str]] = []
    columns = ("indicator_code", "is_current", "kind", "status", "node_code")
    for where, row in _rows(folder / "indicator_definitions.csv", *columns):
        if row["is_current"].lower() in _TRUE and row["kind"] == "headline":
            indicator = Indicator(row["indicator_code"], row["status"] == "planned")
            indicators.setdefault(row["node_code"], []).append(indicator)
            links.append((where, row["node_code"]))

    nodes: dict[str, tuple[int, Node]] = {}
    names = ("node_code", "level", "text_ru", "is_for_wards", "is_for_graduates", "sort_order")
    for where, row in _rows(folder / "results_nodes.csv", *names):
        code = row["node_code"]
        if code in nodes:
            raise ResultsTreeError(f"{where}: node {code} stands there twice: remove one of the rows")
        if row["level"] not in LEVELS:
            raise ResultsTreeError(f"{where}: level {row['level']!r} is unknown: use one of {', '.join(LEVELS)}")
        if not row["sort_order"].isdigit():
            raise ResultsTreeError(f"{where}: sort_order {row['sort_order']!r} is not a number: nodes need an order")
        node = Node(
            code,
            row["level"],
            row["text_ru"],
            row["is_for_wards"].lower() in _TRUE,
            row["is_for_graduates"].lower() in _TRUE,
            tuple(indicators.get(code, ())),
        )
        nodes[code] = (int(row["sort_order"]), node)

    edges = []
    for where, row in _rows(folder / "results_edges.csv", "from_node_code", "to_node_code", "confirmed"):
        for end in (row["from_node_code"], row["to_node_code"]):
            if end not in nodes:
                raise ResultsTreeError(f"{where}: there is no node {end} in results_nodes.csv: add it or mend the code")
        edges.append(Edge(row["from_node_code"], row["to_node_code"], row["confirmed"].lower() in _TRUE))
    for where, code in links:
        if code not in nodes:
            raise ResultsTreeError(f"{where}: there is no node {code} in results_nodes.csv: add it or mend the code")
    ordered = sorted(nodes.values(), key=lambda entry: (entry[0], entry[1].code))
    return ResultsTree(tuple(node for _, node in ordered), tuple(edges))


def _rows(path: Path, *columns: str) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield where a row stands, for messages, and the row."""
    if not path.is_file():
        raise ResultsTreeError(f"{path.name} is not in {path.parent}: the tree is drawn from dbt's seeds")
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        missing = [column for column in columns if column not in (reader.fieldnames or ())]
        if missing:
            raise ResultsTreeError(f"{path.name} has no column {', '.join(missing)}: put it back")
        for number, row in enumerate(reader, start=2):
            yield f"{path.name}, line {number}", {name: row[name] or "" for name in columns}
