"""The small charts of the page: one indicator's share with its interval, quarter by quarter, as SVG.

Laid out by hand rather than by a plotting library: the text stays text in the page's own font, every coordinate is
decided here, and the same figures give the same bytes. They must be legible in black and white, so that coverage is
shown by the marker's shape and the present quarter by weight; colour only repeats it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape, quoteattr

from vmeste.releases.quarters import ROMAN, Quarter
from vmeste.releases.russian import percent, percent_digits, percent_range

WIDTH, HEIGHT = 570, 256
"""In tenths of a millimetre, the size at which it is printed."""

_LEFT, _RIGHT, _TOP, _BOTTOM = 84, 10, 20, 90
_TEXT = 22
FONTS = "Vmeste Sans, DejaVu Sans, Verdana, Arial, sans-serif"
"""The first is the page's embedded font; a phone has none of it and takes one of the others."""
INK, MUTED, GRID, ACCENT = "#1a1a1a", "#6b6b6b", "#d0d0d0", "#0b4a7f"


@dataclass(frozen=True, slots=True)
class Point:
    """One quarter: a share 0–1 with its interval, or None with the reason in words."""

    quarter: Quarter
    share: float | None
    low: float | None = None
    high: float | None = None
    coverage_band: str | None = None
    reason_ru: str = ""


def interval_chart(points: Sequence[Point], title: str) -> str:
    """Draw the points, oldest first, the last being the present quarter.

    Quarters are spaced evenly; one without a share keeps its place and has a dash below the axis. Returns an ``svg``
    element; ``title`` and what it shows stand in it as text for screen readers.
    """
    step = (WIDTH - _LEFT - _RIGHT) / len(points)
    spoken = f"{title}: {'; '.join(_spoken(point) for point in points)}"
    parts = [
        f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="{FONTS}" role="img" '
        f"aria-label={quoteattr(spoken)}>",
        *_axis(),
    ]
    if all(point.share is None for point in points):
        middle = (_LEFT + WIDTH - _RIGHT) / 2
        parts.append(_label(middle, _y(0.5) - 10, points[-1].reason_ru, size=26, fill=MUTED, anchor="middle"))
    for position, point in enumerate(points):
        x = _LEFT + step * (position + 0.5)
        is_present = position == len(points) - 1
        parts += _legend(x, point, is_present=is_present, names_year=_names_year(points, position))
        parts += _mark(x, point, is_present=is_present)
    parts.append("</svg>")
    return "".join(parts)


def _y(share: float) -> float:
    return _TOP + (1 - share) * (HEIGHT - _TOP - _BOTTOM)


def _axis() -> list[str]:
    parts = []
    for share in (0.0, 0.5, 1.0):
        y = _y(share)
        width = 2.4 if share == 0 else 1.4
        parts.append(_line(_LEFT, y, WIDTH - _RIGHT, y, GRID if share else MUTED, width))
        parts.append(_label(_LEFT - 10, y + 8, percent(share), size=_TEXT, fill=MUTED, anchor="end"))
    return parts


def _names_year(points: Sequence[Point], position: int) -> bool:
    """Name a year at its first quarter; at the chart's left edge too, unless the next year begins right beside it."""
    is_year_start = points[position].quarter.number == 1
    return is_year_start or (position == 0 and (len(points) == 1 or points[1].quarter.number != 1))


def _legend(x: float, point: Point, *, is_present: bool, names_year: bool) -> list[str]:
    """Write the share, the quarter and the year below the axis, where no interval runs."""
    weight = "bold" if is_present else "normal"
    share = "–" if point.share is None else percent_digits(point.share)
    lines = [(share, INK, 24), (ROMAN[point.quarter.number - 1], MUTED, _TEXT)]
    if names_year:
        lines.append((str(point.quarter.year), MUTED, _TEXT))
    return [
        _label(x, HEIGHT - _BOTTOM + 34 + 25 * row, text, size=size, fill=colour, anchor="middle", weight=weight)
        for row, (text, colour, size) in enumerate(lines)
    ]


def _mark(x: float, point: Point, *, is_present: bool) -> list[str]:
    if point.share is None:
        return []
    colour = ACCENT if is_present else MUTED
    size = 10.0 if is_present else 7.5
    y = _y(point.share)
    parts = []
    if point.low is not None and point.high is not None:
        top, bottom = _y(point.high), _y(point.low)
        width = 4.4 if is_present else 2.4
        parts.append(_line(x, top, x, bottom, colour, width))
        parts += [_line(x - size * 0.8, end, x + size * 0.8, end, colour, width * 0.7) for end in (top, bottom)]
    if point.coverage_band == "no_headline":
        parts.append(_circle(x, y, size, fill="#ffffff", stroke=colour))
    elif point.coverage_band == "caution":
        side = size * 1.3
        corners = " ".join(f"{x + dx:.1f},{y + dy:.1f}" for dx, dy in ((0, -side), (side, 0), (0, side), (-side, 0)))
        parts.append(f'<polygon points="{corners}" fill="#ffffff" stroke="{colour}" stroke-width="3.6"/>')
    else:
        parts.append(_circle(x, y, size, fill=colour, stroke=colour))
    return parts


def _spoken(point: Point) -> str:
    if point.share is None:
        return f"{point.quarter.label_ru} – {point.reason_ru}"
    interval = "" if point.low is None or point.high is None else f" ({percent_range(point.low, point.high)})"
    return f"{point.quarter.label_ru} – {percent(point.share)}{interval}"


def _line(x1: float, y1: float, x2: float, y2: float, stroke: str, width: float) -> str:
    return (
        f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{stroke}" stroke-width="{width:.1f}"/>'
    )


def _circle(x: float, y: float, radius: float, *, fill: str, stroke: str) -> str:
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}" fill="{fill}" stroke="{stroke}" stroke-width="3.6"/>'


def _label(x: float, y: float, text: str, *, size: int, fill: str, anchor: str, weight: str = "normal") -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" fill="{fill}" text-anchor="{anchor}" '
        f'font-weight="{weight}">{escape(text)}</text>'
    )
