"""Russian names and units of the programme's measures: of M2–M15 from the seed, of the curves and of M8 from here."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

Row = dict[str, Any]

UNITS = {"share": "доля", "rate": "на 100 месяцев пар", "M2_hours": "часов в месяц", "M2_meetings": "встреч в месяц"}
"""By the kind of a measure; of a median by its code."""

OTHERS = (
    ("match", "M1", "Длительность пары: доля пар, которые ещё продолжаются", "доля", 0),
    ("contact", "M8", "Общение с наставником после завершения: доля пар, которые общаются", "доля", 101),
    ("sustainability", "M8", "Результаты, которые сохранились через 6 и 12 месяцев после завершения", "доля", 102),
)
"""What is in no seed, for it is a curve or has results for rows: code, indicator, name, unit, order."""


def measure_names(rows: Iterable[Row]) -> list[Row]:
    """Return a name and a unit for each measure.

    Args:
        rows: measure_code, indicator_code, kind, name_ru, sort_order of the seed ``programme_measures``.
    """
    names = ("measure_code", "indicator_code", "name_ru", "unit_ru", "sort_order")
    found = [dict(zip(names, other, strict=True)) for other in OTHERS]
    for row in rows:
        unit = UNITS.get(row["measure_code"]) or UNITS.get(row["kind"], "")
        found.append({name: row[name] for name in names if name != "unit_ru"} | {"unit_ru": unit})
    return sorted(found, key=lambda row: (row["sort_order"], row["measure_code"]))
