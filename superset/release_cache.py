"""The cache of figures: its keys hold what is released, so that nothing of an earlier release is ever found.

A release changes the key of everything at once; what was kept under the old key is never asked for again and falls out.
So do a migration and a renamed column. Views that live (syncs, quarantine) are not cached: their datasets say so.
"""

from __future__ import annotations

import functools
import logging
import os
from typing import Any

from flask import g, has_app_context
from flask_caching.backends.base import BaseCache
from flask_caching.backends.filesystemcache import FileSystemCache
from flask_caching.backends.rediscache import RedisCache
from sqlalchemy import create_engine
from sqlalchemy.engine import Engine
from sqlalchemy.exc import SQLAlchemyError

logger = logging.getLogger(__name__)

STATE = """
select md5(concat(
    (select string_agg(concat_ws(' ', release_id, is_newest), ' ' order by release_id) from published.current_release),
    (select string_agg(concat_ws(' ', release_id, state), ' ' order by release_id) from published.release_ledger),
    (
        select string_agg(concat_ws(' ', attributes.attrelid, attributes.attname, attributes.atttypid), ' '
            order by attributes.attrelid, attributes.attnum)
        from pg_catalog.pg_attribute as attributes
        inner join pg_catalog.pg_class as relations on attributes.attrelid = relations.oid
        where relations.relnamespace = 'published'::regnamespace and attributes.attnum > 0
    )
))
"""
"""Which releases stand, and which columns there are: two milliseconds."""


def current_state() -> str | None:
    """Return the state of ``published``, or None if it does not answer.

    Asked once a request: one that changes during a request must not label older figures.
    """
    if has_app_context() and hasattr(g, "released_state"):
        return g.released_state  # type: ignore[no-any-return]
    try:
        with _engine().connect() as connection:
            state: str | None = connection.execute(STATE).scalar()
    except SQLAlchemyError as error:
        logger.warning("figures are not cached: the warehouse does not answer (%s)", type(error).__name__)
        state = None
    if has_app_context():
        g.released_state = state
    return state


@functools.cache
def _engine() -> Engine:
    return create_engine(
        os.environ["VMESTE_BI_URL"], pool_size=4, pool_pre_ping=True, connect_args={"connect_timeout": 3}
    )


class ByRelease(BaseCache):  # type: ignore[misc]
    """A cache whose keys begin with the state of ``published``; without an answer from there it holds nothing."""

    def __init__(self, kept: BaseCache) -> None:
        super().__init__(kept.default_timeout)
        self.kept = kept

    def get(self, key: str) -> Any:
        """Return what was kept of this state, or None."""
        full = self._full(key)
        return self.kept.get(full) if full else None

    def set(self, key: str, value: Any, timeout: int | None = None) -> bool | None:
        """Keep under the state that stood when this request began: figures may be newer than it, never older."""
        full = self._full(key)
        return self.kept.set(full, value, timeout) if full else False

    def add(self, key: str, value: Any, timeout: int | None = None) -> bool:
        """Keep unless there is something."""
        full = self._full(key)
        return bool(self.kept.add(full, value, timeout)) if full else False

    def delete(self, key: str) -> bool:
        """Forget."""
        full = self._full(key)
        return bool(self.kept.delete(full)) if full else False

    def has(self, key: str) -> bool:
        """Say whether something is kept."""
        full = self._full(key)
        return bool(self.kept.has(full)) if full else False

    def clear(self) -> bool:
        """Forget all states."""
        return bool(self.kept.clear())

    def _full(self, key: str) -> str | None:
        state = current_state()
        return f"{state}_{key}" if state else None


def make(app: Any, config: dict[str, Any], args: list[Any], options: dict[str, Any]) -> ByRelease:
    """Make the cache, as Flask-Caching calls it for ``CACHE_TYPE``: in Redis where there is one, else in files."""
    if config.get("CACHE_REDIS_URL"):
        kept = RedisCache.factory(app, config, args, options)
    else:
        kept = FileSystemCache.factory(app, config, args, options)
    return ByRelease(kept)
