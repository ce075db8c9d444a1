"""From text to typed columns. What cannot be typed is set apart, not guessed and not thrown away."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from vmeste.forms import REPEAT
from vmeste.forms.repeats import members_of

INTEGER = r"[+-]?\d{1,18}"
DECIMAL = r"[+-]?\d+(?:\.\d+)?(?:[eE][+-]?\d{1,3})?"
DATE = r"\d{4}-\d{2}-\d{2}"
TIME = r"(?:[01]\d|2[0-3]):[0-5]\d(?::[0-5]\d)?"

UNTYPED = "_untyped__"
"""Prefix of the columns that keep what could not be typed."""


def typed(text: pd.DataFrame, kinds: Mapping[str, str]) -> pd.DataFrame:
    """Return the frame with each answer column in its kind's type.

    Args:
        text: answers as canonical text, shape (rows, questions and pipeline columns).
        kinds: question name → kind, as in the form.

    For each question that is not text or a choice a column ``_untyped__<name>`` is added that holds the text which did
    not fit and is null elsewhere. Dates are ``datetime64``, instants are UTC, times stay ``HH:MM:SS`` text, a repeat
    stays the JSON text of its members.
    """
    columns: dict[str, pd.Series] = {name: text[name] for name in text.columns if name not in kinds}
    for name, kind in kinds.items():
        values = text[name].astype("string")
        if kind == "integer":
            fits = values.str.fullmatch(INTEGER)
            columns[name] = pd.to_numeric(values.where(fits.fillna(False))).astype("Int64")
        elif kind == "decimal":
            fits = values.str.fullmatch(DECIMAL)
            columns[name] = pd.to_numeric(values.where(fits.fillna(False))).astype("Float64")
        elif kind == "date":
            shaped = values.where(values.str.fullmatch(DATE).fillna(False))
            columns[name] = pd.to_datetime(shaped, format="%Y-%m-%d", errors="coerce").astype("datetime64[us]")
        elif kind == "dateTime":
            instants = pd.to_datetime(values, format="ISO8601", utc=True, errors="coerce")
            columns[name] = instants.astype("datetime64[us, UTC]")
        elif kind == "time":
            shaped = values.where(values.str.fullmatch(TIME).fillna(False))
            columns[name] = shaped.where(shaped.str.len() != len("14:30"), shaped + ":00")
        elif kind == REPEAT:
            is_list = values.map(lambda text: members_of(text) is not None, na_action="ignore")
            columns[name] = values.where(is_list.eq(True))
        else:
            columns[name] = values
            continue
        columns[f"{UNTYPED}{name}"] = values.where(values.notna() & columns[name].isna())
    return pd.DataFrame(columns, index=text.index)
