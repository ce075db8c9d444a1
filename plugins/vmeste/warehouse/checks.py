"""Hold the marts in the database to their expectations."""

from __future__ import annotations

from typing import Any

from vmeste.quality import marts
from vmeste.settings import Settings
from vmeste.warehouse.connect import warehouse_url
from vmeste.warehouse.transform import Target


def validate_marts(settings: Settings, target: Target = "current") -> dict[str, dict[str, Any]]:
    """Check the marts of a target; return relation → rows and rules checked.

    Raises:
        MartsRejected: names each relation and rule that failed.
    """
    import adbc_driver_postgresql.dbapi as adbc

    schema = "marts" if target == "current" else f"{target}_marts"
    with (
        adbc.connect(warehouse_url(settings, "vmeste_transformer")) as connection,
        connection.cursor() as cursor,
    ):
        return marts.validate(cursor, settings.root / "expectations", schema)
