"""What goes into a CSV file, in whatever way it is written, comes out as the same answers."""

from __future__ import annotations

import csv
import io
import tempfile
from datetime import date, time
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.sources.conftest import GOALS, MOODS, STATUSES, VISIT, make_folder

WORDS = st.sampled_from(
    [
        "условно",
        "Заметка",
        "визит",
        "ёлка",
        "№ 5",
        "«да»",
        'он сказал "нет"',
        "a;b",
        "1,5",
        "две\nстроки",
        "=1+1",
        "tab\t.",
    ]
)
DATE_FORMS = {"ISO": "%Y-%m-%d", "dotted": "%d.%m.%Y", "day first": "%d/%m/%Y", "month first": "%m/%d/%Y"}
TELLING = date(2021, 1, 31)  # the first row's: without a day after the 12th slashes would be ambiguous

ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "held_on": st.dates(date(1990, 1, 1), date(2099, 12, 31)),
            "status": st.sampled_from(STATUSES),
            "minutes": st.none() | st.integers(-5, 100_000),
            "start_time": st.none() | st.times().map(lambda moment: moment.replace(microsecond=0)),
            "fare": st.none() | st.decimals(0, 1000, places=2),
            "mood": st.none() | st.sampled_from(MOODS),
            "goals": st.lists(st.sampled_from(GOALS), unique=True),
            "note": st.none() | st.lists(WORDS, min_size=1, max_size=3).map(" ".join),
        }
    ),
    min_size=1,
    max_size=8,
)


def written(row: dict[str, Any], style: dict[str, Any]) -> dict[str, str]:
    def choice(chosen: Any) -> str:
        return "" if chosen is None else str(getattr(chosen, style["choices"]))

    clock: time | None = row["start_time"]
    return {
        "pair_code": "П-1",
        "held_on": row["held_on"].strftime(DATE_FORMS[style["dates"]]),
        "status": choice(row["status"]),
        "minutes": "" if row["minutes"] is None else str(row["minutes"]),
        "start_time": "" if clock is None else clock.strftime("%H:%M:%S"),
        "fare": "" if row["fare"] is None else str(row["fare"]).replace(".", style["decimal"]),
        "mood": choice(row["mood"]),
        "goals": (" " if style["choices"] == "name" else "; ").join(map(choice, row["goals"])),
        "note": row["note"] or "",
    }


def expected(row: dict[str, Any]) -> dict[str, str | None]:
    return {
        "pair_code": "П-1",
        "held_on": row["held_on"].isoformat(),
        "status": row["status"].name,
        "minutes": None if row["minutes"] is None else str(row["minutes"]),
        "start_time": None if row["start_time"] is None else row["start_time"].isoformat(),
        "fare": None if row["fare"] is None else str(row["fare"]),
        "mood": None if row["mood"] is None else row["mood"].name,
        "goals": " ".join(goal.name for goal in row["goals"]) or None,
        "seen_at": None,
        "note": row["note"],
    }


@settings(deadline=None, max_examples=150)
@given(
    rows=ROWS,
    encoding=st.sampled_from(["utf-8-sig", "cp1251"]),
    delimiter=st.sampled_from([",", ";", "\t"]),
    style=st.fixed_dictionaries(
        {
            "dates": st.sampled_from(list(DATE_FORMS)),
            "choices": st.sampled_from(["name", "label_ru", "label_en"]),
            "decimal": st.sampled_from([".", ","]),
            "headers": st.sampled_from(["name", "label_ru", "label_en"]),
            "titles": st.integers(0, 5),
            "line": st.sampled_from(["\n", "\r\n"]),
        }
    ),
)
def test_what_is_written_is_what_is_read(
    rows: list[dict[str, Any]], encoding: str, delimiter: str, style: dict[str, Any]
) -> None:
    rows = [rows[0] | {"held_on": TELLING}, *rows[1:]]
    names = list(written(rows[0], style))
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=delimiter, lineterminator=style["line"])
    for _ in range(style["titles"]):
        writer.writerow(["Выгрузка", *[""] * (len(names) - 1)])
    writer.writerow([getattr(VISIT.question(name), style["headers"]) for name in names])
    writer.writerows(written(row, style).values() for row in rows)
    with tempfile.TemporaryDirectory() as folder:
        target = make_folder(Path(folder))
        target.write("a.csv", text.getvalue(), encoding)
        assert target.answers() == [expected(row) for row in rows]
