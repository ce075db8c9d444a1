"""One reader at a time at a server, and no log-in that was just refused: servers limit and lock by user and address."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import update_wrapper
from typing import Any, Concatenate, ParamSpec, TypeVar

import psycopg

from vmeste.settings import Settings
from vmeste.sources.connections import credentials
from vmeste.sources.errors import LoginRefused
from vmeste.warehouse.connect import connect

ERASURE = "vmeste.erasure"
"""An erasure holds this lock alone, syncs hold it together: what is in a sync's hands would be landed after all."""

Steps = ParamSpec("Steps")
Outcome = TypeVar("Outcome")

REMEMBERED_MINUTES = 10
"""For so long a refused log-in is not tried again; LimeSurvey locks an address for as long."""


def waits_for_erasures(
    step: Callable[Concatenate[Settings, Steps], Outcome],
) -> Callable[Concatenate[Settings, Steps], Outcome]:
    """Let a step of a sync begin only when nobody is being erased, and an erasure only when the step has ended."""

    def waiting(settings: Settings, /, *given: Steps.args, **named: Steps.kwargs) -> Outcome:
        with connect(settings, "vmeste_loader") as connection:
            connection.autocommit = True
            connection.execute("select pg_advisory_lock_shared(hashtext(%s))", (ERASURE,))
            return step(settings, *given, **named)

    update_wrapper(waiting, step)
    return waiting


@contextmanager
def erasing(settings: Settings, patience: str = "15min") -> Iterator[None]:
    """Keep syncs waiting, once those that run have ended.

    Raises:
        psycopg.errors.LockNotAvailable: they took longer than ``patience``.
    """
    with connect(settings, "vmeste_eraser") as connection:
        connection.autocommit = True
        connection.execute("select set_config('lock_timeout', %s, false)", (patience,))
        connection.execute("select pg_advisory_lock(hashtext(%s))", (ERASURE,))
        yield


@contextmanager
def turn(connection: psycopg.Connection[Any], source: str, connection_id: str) -> Iterator[None]:
    """Wait until nobody else reads from a server, and keep the others waiting for as long as we do.

    Args:
        connection: to the warehouse, in autocommit; who is killed loses it, and the turn with it.
        source: the source's name.
        connection_id: of its credentials.

    Raises:
        LoginRefused: the server refused these very credentials a moment ago.
    """
    connection.execute("select pg_advisory_lock(hashtext(%s))", (f"ask {source}",))
    try:
        _refuse_again(connection, source, connection_id)
        try:
            yield
        except LoginRefused:
            _remember(connection, source, connection_id)
            raise
    finally:
        connection.execute("select pg_advisory_unlock(hashtext(%s))", (f"ask {source}",))


def _refuse_again(connection: psycopg.Connection[Any], source: str, connection_id: str) -> None:
    found = connection.execute(
        "select salt, fingerprint from ops.denials where source = %s and denied_at > now() - make_interval(mins => %s)",
        (source, REMEMBERED_MINUTES),
    ).fetchone()
    if found and secrets.compare_digest(bytes(found[1]), _fingerprint(connection_id, source, bytes(found[0]))):
        raise LoginRefused(
            f"{source}: the server refused these credentials a moment ago; they are not tried again for "
            f"{REMEMBERED_MINUTES} minutes, because more refusals lock us out. Mend the connection {connection_id!r}: "
            "new credentials are tried at once"
        )


def _remember(connection: psycopg.Connection[Any], source: str, connection_id: str) -> None:
    salt = secrets.token_bytes(16)
    connection.execute(
        "insert into ops.denials (source, salt, fingerprint) values (%s, %s, %s) on conflict (source) do update "
        "set salt = excluded.salt, fingerprint = excluded.fingerprint, denied_at = now()",
        (source, salt, _fingerprint(connection_id, source, salt)),
    )


def _fingerprint(connection_id: str, source: str, salt: bytes) -> bytes:
    found = credentials(connection_id, source)
    text = json.dumps([found.login, found.password, dict(found.extra)], sort_keys=True, default=str)
    return hashlib.scrypt(text.encode(), salt=salt, n=2**14, r=8, p=1)
