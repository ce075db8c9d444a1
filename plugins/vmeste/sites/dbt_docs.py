"""dbt's documentation as one file: models, columns, tests and where each comes from. Rows are no part of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from vmeste.settings import Settings
from vmeste.sites.folders import rebuilt
from vmeste.sites.navigation import DBT_DOCS
from vmeste.warehouse import transform


def build(settings: Settings) -> Path:
    """Build the site anew and return its folder; the old one stays until the new one stands.

    Raises:
        TransformError: dbt could not read the project or the warehouse.
    """
    with rebuilt(settings, DBT_DOCS) as folder:
        written = transform.document(settings)
        page = written["index"].read_text(encoding="utf-8")
        for place in ("manifest", "catalog"):
            marker = f'"{place.upper()}.JSON INLINE DATA"'
            if page.count(marker) != 1:
                raise ValueError(
                    f"dbt's page has no place for its {place}: another version of dbt than this was made for"
                )
            content = json.loads(written[place].read_text(encoding="utf-8"))
            page = page.replace(marker, _inline(_told(content)))
        (folder / "index.html").write_text(page, encoding="utf-8")
    return folder


def _told(value: Any, name: str = "") -> Any:
    """Return a manifest without this machine's paths, and with descriptions in which no HTML is left to be drawn."""
    if isinstance(value, dict):
        return {key: _told(one, key) for key, one in value.items() if key != "root_path"}
    if isinstance(value, list):
        return [_told(one, name) for one in value]
    if isinstance(value, str) and name == "description":
        return value.replace("<", "&lt;")
    return value


def _inline(content: Any) -> str:
    """Write JSON that cannot end the script it stands in, whatever a description or a query holds."""
    return json.dumps(content, ensure_ascii=False).replace("<", "\\u003c")
