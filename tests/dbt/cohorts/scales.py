"""Scoring (DOMAIN 3): reversed items, answers that are none, and the mean of a scale with at least 80% valid items."""

from __future__ import annotations

from collections.abc import Mapping
from math import sqrt
from typing import Any

SCALES = {
    "SUP": ("sup1", "sup2", "sup3", "sup4r", "sup5"),
    "LIF": ("lif1", "lif2", "lif3", "lif4", "lif5", "lif6", "lif7", "lif8r"),
    "MOT": ("mot1", "mot2", "mot3", "mot4r", "mot5"),
    "FB": ("fb1", "fb2", "fb3", "fb4", "fb5r", "fb6r", "fb7"),
    "OBS": tuple(
        f"obs_{skill}"
        for skill in (
            "money",
            "shopping",
            "food",
            "cleaning",
            "transport",
            "offices",
            "help",
            "conflict",
            "study",
            "work",
        )
    ),
}
ENOUGH = {"SUP": 4, "LIF": 7, "MOT": 4, "FB": 6, "OBS": 8}
RELIABLE_CHANGE = 1.96 * 0.8 * sqrt(2) * sqrt(1 - 0.8)
"""The least change that counts, with SD₁ 0.8 and r 0.8."""


def score(form: Mapping[str, Any] | None, scale: str) -> float | None:
    """Return the mean of the scale's valid items; None: no form, or too few of them."""
    if form is None:
        return None
    top = 4 if scale == "OBS" else 5
    values = []
    for item in SCALES[scale]:
        answer = int(form[item]) if form.get(item) else 0
        if 1 <= answer <= top:
            values.append(top + 1 - answer if item.endswith("r") else answer)
    return sum(values) / len(values) if len(values) >= ENOUGH[scale] else None
