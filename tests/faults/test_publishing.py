"""What breaks while a release is published: nothing of it is there afterwards, and the next try releases it whole."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.faults.test_ingestion import SERVER_FAULTS
from tests.integration.small_marts import small_marts
from tests.unit.releases.synthetic import QUARTER, made_up_candidate
from vmeste.releases.publish import Approval, publish, verify
from vmeste.settings import Settings
from vmeste.warehouse import embedded
from vmeste.warehouse.connect import connect

APPROVALS = (
    Approval("method", "demo-method", datetime(2032, 1, 16, 9, 0, tzinfo=UTC)),
    Approval("director", "demo-director", datetime(2032, 1, 17, 9, 0, tzinfo=UTC)),
)
TABLES = ("published.releases", "published.indicator_values", "published.sustainability", "ledger.seals")


def rows(settings: Settings) -> dict[str, int]:
    with connect(settings) as connection:
        return {
            table: connection.execute(f"select count(*) from {table}".encode()).fetchall()[0][0] for table in TABLES
        }


def test_the_database_goes_away_before_a_release_is_committed(
    settings: Settings, record_property: Callable[[str, object], None]
) -> None:
    record_property("fault", "PostgreSQL goes away in three ways before a release is committed")
    for strike in SERVER_FAULTS.values():

        def broken(release: Any, strike: Callable[[Settings], None] = strike) -> None:
            strike(settings)

        with (
            pytest.raises(Exception, match=r"(?i)connection|terminat|server|socket"),
            small_marts(settings, QUARTER) as (connection, computed),
        ):
            publish(
                connection,
                made_up_candidate(),
                APPROVALS,
                "unknown",
                "demo-engineer",
                computed=computed,
                before_commit=broken,
            )
        embedded.start(settings)
        assert rows(settings) == dict.fromkeys(TABLES, 0)
    with small_marts(settings, QUARTER) as (connection, computed):
        release_id = publish(connection, made_up_candidate(), APPROVALS, "unknown", "demo-engineer", computed=computed)
        assert verify(connection, release_id) == ()
    assert all(rows(settings).values())
