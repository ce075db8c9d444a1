"""Text becomes typed columns; what does not fit is set apart."""

from __future__ import annotations

import pandas as pd
import pytest

from vmeste.quality.typing import UNTYPED, typed


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("integer", "60", 60),
        ("integer", "-3", -3),
        ("decimal", "12.5", 12.5),
        ("decimal", "1e3", 1000.0),
        ("date", "2020-02-29", pd.Timestamp("2020-02-29")),
        ("date", "2099-01-01", pd.Timestamp("2099-01-01")),
        ("time", "14:30", "14:30:00"),
        ("time", "14:30:15", "14:30:15"),
        ("dateTime", "2021-12-31T23:30:00+03:00", pd.Timestamp("2021-12-31T20:30:00Z")),
        ("select_one", "99", "99"),
        ("text", "=cmd|' /C calc'!A0", "=cmd|' /C calc'!A0"),
    ],
)
def test_what_fits_is_typed(kind: str, text: str, value: object) -> None:
    frame = typed(pd.DataFrame({"q": [text]}), {"q": kind})
    assert frame["q"][0] == value
    assert f"{UNTYPED}q" not in frame or pd.isna(frame[f"{UNTYPED}q"][0])


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("integer", "час"),
        ("integer", "12,5"),
        ("integer", "12.0"),
        ("integer", "99999999999999999999"),
        ("decimal", "12,5"),
        ("decimal", "nan"),
        ("date", "2021-02-29"),
        ("date", "31.12.2021"),
        ("date", "2021-1-1"),
        ("time", "25:00"),
        ("dateTime", "вчера"),
    ],
)
def test_what_does_not_fit_is_set_apart_and_kept(kind: str, text: str) -> None:
    frame = typed(pd.DataFrame({"q": [text, None]}), {"q": kind})
    assert pd.isna(frame["q"][0])
    assert frame[f"{UNTYPED}q"][0] == text
    assert pd.isna(frame[f"{UNTYPED}q"][1])


def test_an_empty_frame_keeps_its_columns() -> None:
    frame = typed(pd.DataFrame({"q": pd.Series([], dtype=object), "_batch_id": []}), {"q": "integer"})
    assert list(frame.columns) == ["_batch_id", "q", f"{UNTYPED}q"]
