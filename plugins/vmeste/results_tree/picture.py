"""The tree as SVG: a column a level, laid out by hand so that the same seeds give the same bytes.

Sizes are in units of the view box, about a third of a millimetre on a sheet A4 in landscape. Text is broken by the
widths of DejaVu Sans, the widest of the fonts that a reader may get, so that no other one runs over a box. It has to be
legible in black and white: a gap is told by its shape and in words, an unconfirmed edge by its dashes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from vmeste.results_tree.seeds import LEVELS, Edge, Node, ResultsTree
from vmeste.results_tree.words import CONFIRMED, LEVELS_RU, NO_INDICATOR, TITLE, UNCONFIRMED, labels, measured_by

FONTS = "DejaVu Sans, Verdana, Arial, sans-serif"
INK, MUTED, PALE = "#1a1a1a", "#555555", "#ededed"

COLUMN_WIDTHS = {"activity": 300, "short_term": 250, "medium_term": 240, "impact": 230}
GUTTER, MARGIN = 90, 24
SIDE = 44
"""Room left of the first column for edges between activities."""
TOP, GAP, PADDING = 108, 16, 10
SIZE, LINE, SMALL = 13, 17, 11
CUT = 14
"""How much of its corners a gap loses."""
CHIP, CHIP_PADDING = 20, 8


@dataclass(frozen=True, slots=True)
class Box:
    """Where a node stands, and its text broken into lines: for whom it is, what it says, what measures it."""

    node: Node
    x: float
    y: float
    width: float
    height: float
    groups: tuple[str, ...]
    lines: tuple[str, ...]
    chips: tuple[str, ...]

    @property
    def middle(self) -> float:
        """Height of its middle."""
        return self.y + self.height / 2


def draw(tree: ResultsTree) -> str:
    """Return the tree as one SVG document, text as text, with its legend."""
    columns = _columns(tree)
    boxes = _boxes(columns)
    bottom = max((box.y + box.height for box in boxes.values()), default=TOP)
    edges = _edges(tree.edges, boxes)
    shown = [level for level in LEVELS if columns[level]]
    width = _column_x(shown, len(shown)) - GUTTER + MARGIN
    legend, legend_width, height = _legend(MARGIN + 2, bottom + 34, tree)
    said = text_width(tree.coverage_ru)
    width = max(width, legend_width, MARGIN + said + MARGIN)
    described = f"{TITLE}. {tree.coverage_ru} " + " ".join(
        f"{node.code}: {node.text_ru}" + (f" ({measured_by(node)})." if node.is_result else ".") for node in tree.nodes
    )
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_n(width)} {_n(height)}" font-family="{FONTS}" '
        f'font-size="{SIZE}" role="img" aria-labelledby="title desc">',
        f'<title id="title">{TITLE}</title>',
        f'<desc id="desc">{escape(described)}</desc>',
        '<defs><marker id="arrow" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="8" markerHeight="8" '
        f'markerUnits="userSpaceOnUse" orient="auto"><path d="M0 0L10 5L0 10z" fill="{INK}"/></marker></defs>',
        f'<rect width="{_n(width)}" height="{_n(height)}" fill="#ffffff"/>',
        _text(MARGIN, 36, TITLE, size=22, weight="bold"),
        _text(MARGIN, 58, tree.coverage_ru, fill=MUTED),
        *(
            _text(_column_x(shown, number), TOP - 14, LEVELS_RU[level], size=15, weight="bold")
            for number, level in enumerate(shown)
        ),
        *edges,
        *(part for box in boxes.values() for part in _drawn(box)),
        *legend,
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _columns(tree: ResultsTree) -> dict[str, list[Node]]:
    """Return level → its nodes from top to bottom: each as near as possible to what leads to it."""
    places: dict[str, float] = {}
    columns: dict[str, list[Node]] = {}
    for level in LEVELS:
        nodes = tree.on(level)
        wanted: dict[str, float] = {}
        for number, node in enumerate(nodes):
            causes = [places[edge.cause] for edge in tree.edges if edge.effect == node.code and edge.cause in places]
            wanted[node.code] = sum(causes) / len(causes) if causes else number / max(len(nodes), 1)
        ordered = sorted(nodes, key=lambda node: wanted[node.code]) if places else list(nodes)
        places |= {node.code: (number + 0.5) / len(ordered) for number, node in enumerate(ordered)}
        columns[level] = ordered
    return columns


def _column_x(shown: list[str], number: int) -> float:
    return MARGIN + SIDE + sum(COLUMN_WIDTHS[level] + GUTTER for level in shown[:number])


def _boxes(columns: Mapping[str, list[Node]]) -> dict[str, Box]:
    """Return code → box, the columns spread over the height of the tallest."""
    shown = [level for level in LEVELS if columns[level]]
    placed = [_stacked(columns[level], level, _column_x(shown, number)) for number, level in enumerate(shown)]
    tallest = max((column[-1].y + column[-1].height for column in placed), default=0)
    boxes: dict[str, Box] = {}
    for column in placed:
        spare = (tallest - column[-1].y - column[-1].height) / len(column)
        boxes |= {
            box.node.code: replace(box, y=TOP + box.y + spare * (number + 0.5)) for number, box in enumerate(column)
        }
    return boxes


def _stacked(nodes: Iterable[Node], level: str, x: float) -> list[Box]:
    """Return the boxes of a column one under the other, the first at height 0."""
    boxes: list[Box] = []
    width = COLUMN_WIDTHS[level]
    for node in nodes:
        beside = width - 2 * CUT - text_width(node.code, bold=True) - 2 * PADDING
        groups = broken_text(node.group_ru, beside, SMALL)
        lines = broken_text(node.text_ru, width - 2 * PADDING)
        inside = width - 2 * CUT - 2 * CHIP_PADDING
        chips = tuple(line for label in labels(node) for line in broken_text(label, inside, SMALL, bold=True))
        height = 2 * PADDING + LINE * (max(1, len(groups)) + len(lines)) + (CHIP * len(chips) + 4 if chips else 0)
        y = boxes[-1].y + boxes[-1].height + GAP if boxes else 0
        boxes.append(Box(node, x, y, width, height, groups, lines, chips))
    return boxes


def _drawn(box: Box) -> Iterable[str]:
    node, x, y = box.node, box.x, box.y
    if node.is_gap:
        yield _octagon(x, y, box.width, box.height)
    else:
        radius, fill, stroke = (10, "#ffffff", 2.2) if node.is_result else (0, PALE, 1)
        yield (
            f'<rect x="{_n(x)}" y="{_n(y)}" width="{_n(box.width)}" height="{_n(box.height)}" rx="{radius}" '
            f'fill="{fill}" stroke="{INK}" stroke-width="{stroke}"/>'
        )
    baseline = y + PADDING + SIZE
    inner = CUT if node.is_gap else PADDING
    yield _text(x + inner, baseline, node.code, weight="bold")
    for number, group in enumerate(box.groups):
        yield _text(x + box.width - inner, baseline + LINE * number, group, size=SMALL, fill=MUTED, anchor="end")
    baseline += LINE * (max(1, len(box.groups)) - 1)
    for line in box.lines:
        baseline += LINE
        yield _text(x + PADDING, baseline, line)
    for number, label in enumerate(box.chips):
        top = baseline + 9 + CHIP * number
        if node.is_gap:
            yield _text(x + inner, top + CHIP - 7, label, size=SMALL, weight="bold")
            continue
        width = text_width(label, SMALL, bold=True) + 2 * CHIP_PADDING
        yield (
            f'<rect x="{_n(x + PADDING)}" y="{_n(top)}" width="{_n(width)}" height="{CHIP - 2}" rx="3" fill="{INK}"/>'
        )
        yield _text(x + PADDING + CHIP_PADDING, top + CHIP - 7, label, size=SMALL, weight="bold", fill="#ffffff")


def _octagon(x: float, y: float, width: float, height: float, cut: float = CUT) -> str:
    right, bottom = x + width, y + height
    corners = [
        *((x + cut, y), (right - cut, y), (right, y + cut), (right, bottom - cut)),
        *((right - cut, bottom), (x + cut, bottom), (x, bottom - cut), (x, y + cut)),
    ]
    points = " ".join(f"{_n(across)},{_n(down)}" for across, down in corners)
    return f'<polygon points="{points}" fill="#ffffff" stroke="{INK}" stroke-width="1.4" stroke-dasharray="2 3"/>'


def _edges(edges: Iterable[Edge], boxes: Mapping[str, Box]) -> list[str]:
    """Return the edges as paths; those that share a side of a box are spread over it as their other ends lie."""
    ends: dict[tuple[str, str], list[tuple[int, float, int, bool]]] = {}
    listed = list(edges)
    for number, edge in enumerate(listed):
        cause, effect = boxes[edge.cause], boxes[edge.effect]
        ends.setdefault((edge.cause, _leaves(cause, effect)), []).append((*_place(cause, effect), number, True))
        ends.setdefault((edge.effect, "left"), []).append((*_place(effect, cause), number, False))
    ports: dict[tuple[int, bool], tuple[float, float]] = {}
    for (code, side), there in ends.items():
        box = boxes[code]
        across = box.x if side == "left" else box.x + box.width
        for place, (*_, number, is_cause) in enumerate(sorted(there), start=1):
            ports[number, is_cause] = (across, box.y + box.height * place / (len(there) + 1))
    paths = []
    for number, edge in enumerate(listed):
        (from_x, from_y), (to_x, to_y) = ports[number, True], ports[number, False]
        if _leaves(boxes[edge.cause], boxes[edge.effect]) == "left":
            # between neighbours of one column: the further apart, the wider the bow
            bow = min(SIDE + 14, 20 + 0.09 * abs(to_y - from_y))
            bends = (from_x - bow, to_x - bow)
        else:
            bends = (from_x + GUTTER * 0.55, to_x - GUTTER * 0.55)
        path = f"M{_n(from_x)} {_n(from_y)}C{_n(bends[0])} {_n(from_y)} {_n(bends[1])} {_n(to_y)} {_n(to_x)} {_n(to_y)}"
        paths.append(_path(path, edge.is_confirmed))
    return paths


def _place(box: Box, other: Box) -> tuple[int, float]:
    """Return what sorts the other ends along a side from top to bottom: bows within one column lie in one another."""
    if box.x != other.x:
        return 1, other.middle
    return (0 if other.middle < box.middle else 2), -other.middle


def _leaves(cause: Box, effect: Box) -> str:
    return "right" if effect.x > cause.x else "left"


def _path(path: str, is_confirmed: bool) -> str:
    dashes = "" if is_confirmed else ' stroke-dasharray="7 4"'
    return f'<path d="{path}" fill="none" stroke="{INK}" stroke-width="1.3"{dashes} marker-end="url(#arrow)"/>'


def _legend(x: float, y: float, tree: ResultsTree) -> tuple[list[str], float, float]:
    """Return the legend from a corner on, and where the picture ends right of it and below."""
    entries = [
        (
            f'<rect x="{_n(x)}" y="{_n(y - 12)}" width="34" height="16" fill="{PALE}" stroke="{INK}"/>',
            LEVELS_RU["activity"].lower(),
        ),
        (
            f'<rect x="{_n(x)}" y="{_n(y + 10)}" width="34" height="16" rx="5" fill="#ffffff" stroke="{INK}" '
            'stroke-width="2.2"/>',
            "результат, у которого есть показатель",
        ),
        (_octagon(x, y + 32, 34, 16, 5), f"результат, у которого {NO_INDICATOR}: изменение не измеряется"),
    ]
    middle = x + 46 + max(text_width(words) for _, words in entries) + 40
    parts = []
    for number, (shape, words) in enumerate(entries):
        parts += [shape, _text(x + 46, y + 22 * number + 1, words)]
    for number, (words, is_confirmed) in enumerate([(UNCONFIRMED, False), (CONFIRMED, True)]):
        height = y + 22 * number - 4
        parts.append(_path(f"M{_n(middle)} {_n(height)}H{_n(middle + 40)}", is_confirmed))
        parts.append(_text(middle + 52, y + 22 * number + 1, words))
    confirmed = sum(edge.is_confirmed for edge in tree.edges)
    parts.append(_text(middle, y + 45, f"Подтверждено связей: {confirmed} из {len(tree.edges)}", fill=MUTED))
    right = middle + 52 + max(text_width(words) for words in (UNCONFIRMED, CONFIRMED)) + MARGIN
    return parts, right, y + 45 + MARGIN


def broken_text(text: str, width: float, size: float = SIZE, *, bold: bool = False) -> tuple[str, ...]:
    """Break a text into lines that are at most ``width`` wide; a single word that is wider is cut."""
    lines: list[str] = []
    for word in text.split():
        if lines and text_width(f"{lines[-1]} {word}", size, bold=bold) <= width:
            lines[-1] += f" {word}"
            continue
        lines.append("")
        for letter in word:
            if lines[-1] and text_width(lines[-1] + letter, size, bold=bold) > width:
                lines.append("")
            lines[-1] += letter
    return tuple(lines)


def text_width(text: str, size: float = SIZE, *, bold: bool = False) -> float:
    """Return how wide a text is in DejaVu Sans, in the picture's units."""
    advances, unknown, em = _advances(bold)
    return sum(advances.get(ord(letter), unknown) for letter in text) * size / em


@cache
def _advances(bold: bool) -> tuple[dict[int, int], int, int]:
    """Return character → advance, that of a character unknown to the font, and the units of one em."""
    import matplotlib as mpl
    from fontTools.ttLib import TTFont  # type: ignore[import-untyped]

    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    with TTFont(Path(mpl.get_data_path()) / "fonts" / "ttf" / name, lazy=True) as font:
        widths: dict[str, Any] = font["hmtx"].metrics
        advances = {character: int(widths[glyph][0]) for character, glyph in font.getBestCmap().items()}
        return advances, int(widths[".notdef"][0]), int(font["head"].unitsPerEm)


def _text(
    x: float,
    y: float,
    text: str,
    *,
    size: float = SIZE,
    weight: str = "normal",
    fill: str = INK,
    anchor: str = "start",
) -> str:
    looks = "" if weight == "normal" else f' font-weight="{weight}"'
    looks += "" if size == SIZE else f' font-size="{_n(size)}"'
    looks += "" if anchor == "start" else f' text-anchor="{anchor}"'
    return f'<text x="{_n(x)}" y="{_n(y)}" fill="{fill}"{looks}>{escape(text)}</text>'


def _n(number: float) -> str:
    """Return a coordinate to a tenth, without a trailing zero."""
    return f"{number:.1f}".removesuffix(".0")
