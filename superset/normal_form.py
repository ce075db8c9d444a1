"""One form for what lies in ``assets`` and for what Superset exports, so that the two can be compared.

What has Superset's default is left out, numbers of rows in its database become those of the files, and secrets go.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

CSS = Path(__file__).parent / "dashboards.css"
DEFAULTS = {
    "databases": {"configuration_method": "sqlalchemy_form"},
    "datasets": {
        "offset": 0,
        "filter_select_enabled": True,
        "normalize_columns": False,
        "always_filter_main_dttm": False,
        "metrics": [],
    },
    "charts": {},
    "dashboards": {},
}
COLUMN_DEFAULTS = {"is_dttm": False, "is_active": True, "groupby": True, "filterable": True}


def normal(kind: str, asset: dict[str, Any]) -> dict[str, Any]:
    """Return an asset in normal form; ``kind`` is its folder: databases, datasets, charts or dashboards."""
    short = _without(asset, DEFAULTS[kind])
    if kind == "databases":
        # put in when Superset is provisioned, masked when it exports
        short["sqlalchemy_uri"] = "postgresql+psycopg2://"
    if kind == "datasets":
        short["columns"] = sorted(
            (_without(column, COLUMN_DEFAULTS) for column in asset["columns"]), key=lambda column: column["column_name"]
        )
    if kind == "charts":
        short["params"] = _without(asset["params"], {"annotation_layers": []})
        short["params"].pop("datasource", None)
    if kind == "dashboards":
        _dashboard(short)
    return short


def _dashboard(short: dict[str, Any]) -> None:
    if short.get("css") == CSS.read_text(encoding="utf-8"):
        del short["css"]
    numbers = {}
    for part in short["position"].values():
        if isinstance(part, dict) and part["type"] == "CHART":
            # in the files a chart's number is the end of its uuid; in a database it is whatever was free
            numbers[part["meta"]["chartId"]] = part["meta"]["chartId"] = int(part["meta"]["uuid"][-3:])
    for native in short["metadata"].get("native_filter_configuration", []):
        native["scope"]["excluded"] = sorted(numbers.get(number, number) for number in native["scope"]["excluded"])


def _without(given: dict[str, Any], defaults: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in given.items() if value is not None and defaults.get(name, ...) != value}
