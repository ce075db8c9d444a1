"""What raw and quarantine hold of one form of one source, for connectors that must compare."""

from __future__ import annotations

from datetime import datetime
from functools import cached_property
from typing import Any

import psycopg

from vmeste.privacy.tombstones import STUB_PREFIX


def newest_operations(form_id: str, source_parameter: str, form_parameter: str) -> str:
    """Return SQL for the newest operation of each submission of a form of one source, and its moment.

    The driver decides how the two parameters are written. A refused version is an upsert that does not count yet;
    waived or not, the source still has it.
    """
    return f"""
        select distinct on (submission_id) submission_id, operation, arrived_at
        from (
            select
                _submission_id as submission_id, _operation as operation,
                coalesce(_updated_at, _submitted_at) as arrived_at, _ingested_at as seen_at
            from raw.{form_id}
            where _source = {source_parameter}
            union all
            select submission_id, 'upsert', arrived_at, first_seen_at
            from quarantine.rows
            where source = {source_parameter} and form_id = {form_parameter}
        ) as versions
        order by submission_id, arrived_at desc, seen_at desc, operation
    """


class KnownSubmissions:
    """The ids that the warehouse holds, read once and only when they are asked for."""

    def __init__(self, connection: psycopg.Connection[Any], source: str, form_id: str) -> None:
        self._connection, self._source, self._form_id = connection, source, form_id

    @cached_property
    def _newest(self) -> dict[str, tuple[str, datetime]]:
        rows = self._connection.execute(
            newest_operations(self._form_id, "%s", "%s").encode(), (self._source, self._source, self._form_id)
        )
        return {key: (operation, arrived_at) for key, operation, arrived_at in rows}

    def live(self) -> frozenset[str]:
        """Return the ids of all submissions that were not deleted at the source."""
        return frozenset(key for key in self.held() if not key.startswith(STUB_PREFIX))

    def held(self) -> frozenset[str]:
        """Return the same with those empty rows of erased people whose id no source knows."""
        return frozenset(key for key, (operation, _) in self._newest.items() if operation != "delete")

    def deleted(self) -> frozenset[str]:
        """Return the ids of all submissions that the source deleted."""
        return frozenset(self.deleted_at())

    def deleted_at(self) -> dict[str, datetime]:
        """Return when the submissions that the source deleted were deleted, by id."""
        return {key: moment for key, (operation, moment) in self._newest.items() if operation == "delete"}
