"""What of the checks of readiness may be seen: the outcome always, its numbers unless they tell of one person or two.

The outcome (met, partial, not met) is what the experts ask for (DOMAIN 7) and speaks of the practice. A number that
stands elsewhere in the release is told here if it is told there; any other number of people if neither it nor what is
lacking is one or two.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from vmeste.releases.disclosure import SMALLEST_SPLIT_COUNT

Row = dict[str, Any]
Cell = tuple[str, str, str]
"""Measure, split and value of a figure of the rolling four quarters."""

NOT_ABOUT_PEOPLE = frozenset(
    {
        "results_with_two_instruments",
        "indicators_by_form",
        "results_published_fully",
        "results_sustainability",
        "indicators_covered",
        "m8_published",
        "m9_published",
        "short_form_indicators",
        "sustainability_12_released",
    }
)
"""Checks on data that count indicators, results or measures. A new check counts people until it is named here."""

HEADLINES = frozenset({"fu6_response", "fu12_response", "fu12_eligible", "fu12_studied"})
"""Checks whose numbers are headlines of ``published.sustainability``."""

CELLS: dict[str, Cell] = {"incidents_triaged": ("M15_triage", "all", "all")}
"""Checks that take a figure of a measure without naming it in their seed."""

OF_TWO_WINDOWS = frozenset({"sample_trend"})
"""Checks that set one cell of a split beside that of another year, which its own release may have hidden."""


def hide_readiness(rows: Iterable[Row], hidden_cells: Collection[Cell], changed: Collection[str] = ()) -> list[Row]:
    """Return the checks without the numbers that must not be seen; the explanation says so.

    Args:
        rows: the columns of ``marts.evidence_readiness``, and check_ru, measure_code, split_by, split_value of its
            seed.
        hidden_cells: the figures of measures whose counts this release does not tell.
        changed: after an erasure, the checks whose numbers are not those that the revision before has.
    """
    shown = []
    for row in rows:
        seed = {name: row[name] for name in ("check_ru", "measure_code", "split_by", "split_value")}
        kept = {name: value for name, value in row.items() if name not in seed}
        if row["measured"] is not None and _is_hidden(row, hidden_cells, changed):
            threshold = f"{row['threshold']:g}".replace(".", ",")
            why = "иначе раскрылось бы скрытое рядом" if row["check_code"] in changed else "мало наблюдений"
            kept |= {
                "measured": None,
                "counted": None,
                "counted_of": None,
                "explanation_ru": f"{row['check_ru']}: число скрыто — {why}; порог {threshold}",
            }
        shown.append(kept)
    return shown


def _is_hidden(row: Row, hidden_cells: Collection[Cell], changed: Collection[str]) -> bool:
    code = row["check_code"]
    if row["evidence"] != "data" or code in NOT_ABOUT_PEOPLE:
        return False
    if code in changed:
        return True
    if code in HEADLINES:
        return False
    if code in OF_TWO_WINDOWS:
        return True
    cell = CELLS.get(code)
    if row["measure_code"]:
        cell = (row["measure_code"], row["split_by"], row["split_value"])
    if cell is not None:
        return cell in hidden_cells
    lacking = 0 if row["counted_of"] is None else row["counted_of"] - row["counted"]
    return any(0 < number < SMALLEST_SPLIT_COUNT for number in (row["counted"], lacking))
