"""The cells of the programme's measures, and what silence means where too few were heard."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from itertools import chain

from tests.dbt.cohorts.facts import Pair, Row
from tests.dbt.cohorts.harm import agreement, harms
from tests.dbt.cohorts.headline import Cell, Numbers
from tests.dbt.cohorts.measures import Case, Month, cases, dose, months, rate, share
from tests.dbt.cohorts.responses import responses

HARMS = ("M9_incidents", "M9_reported")
MIN_RESPONSE = 0.6
Windows = dict[tuple[str, str], tuple[date, date]]


def programme(
    pairs: list[Pair], forms: dict[str, list[Row]], windows: Windows
) -> tuple[dict[Cell, Numbers], set[Cell]]:
    """Return the cells that have a case, and those of them in which no harm was told and too few were heard."""
    everything = chain(cases(pairs, forms), responses(pairs, forms), harms(pairs, forms), agreement(pairs, forms))
    grouped: dict[Cell, list[Case]] = {}
    for case in everything:
        for cell in _cells(case.measure, case.on, case.splits(), windows):
            grouped.setdefault(cell, []).append(case)
    cells = {cell: (rate if cell[0] == "M9_incidents" else share)(found) for cell, found in grouped.items()}
    unheard = set()
    for cell, numbers in cells.items():
        if cell[0] in HARMS and numbers["denominator"] and not numbers["numerator"]:
            heard = cells.get(("M9_response", *cell[1:]))
            due = heard["denominator"] if heard else None
            if not heard or not due or (heard["numerator"] or 0) / due < MIN_RESPONSE:
                unheard.add(cell)
                numbers |= dict.fromkeys(("numerator", "value", "ci_low", "ci_high"))
    doses: dict[Cell, list[Month]] = {}
    for month in months(pairs, forms):
        for unit in ("M2_hours", "M2_meetings"):
            for cell in _cells(unit, month.on, list(month.pair.splits().items()), windows):
                doses.setdefault(cell, []).append(month)
    return cells | {cell: dose(found, cell[0]) for cell, found in doses.items()}, unheard


def _cells(measure: str, on: date, splits: Sequence[tuple[str, str]], windows: Windows) -> list[Cell]:
    return [
        (measure, view, quarter, split, value)
        for (view, quarter), (opens, closes) in windows.items()
        if opens <= on <= closes
        for split, value in splits
    ]
