"""Credentials of form servers: an Airflow connection, or the environment variable that stands for one.

``AIRFLOW_CONN_<ID>`` (a URI or JSON, as Airflow writes them) works with and without a scheduler; inside a task Airflow
is asked as well, so that a connection made in its UI or kept in a secrets backend is found. Nothing else holds
credentials: not sources.yml, not a cursor, not a message.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from vmeste.sources.errors import SourceDenied


@dataclass(frozen=True, slots=True)
class Credentials:
    """Who we are to a server; nothing of it is shown when it is printed."""

    login: str = field(default="", repr=False)
    password: str = field(default="", repr=False)
    extra: Mapping[str, Any] = field(default_factory=dict, repr=False)


def credentials(connection_id: str, place: str) -> Credentials:
    """Return the credentials of a connection.

    Args:
        connection_id: as sources.yml names it.
        place: the source, for the message.

    Raises:
        SourceDenied: there is no such connection, or it cannot be read; names the ways to give it.
    """
    variable = f"AIRFLOW_CONN_{connection_id.upper()}"
    written = os.environ.get(variable, "").strip()
    # where Airflow is there already, it reads the connection: it hides the password in its logs from then on
    if "airflow.sdk" not in sys.modules and written.startswith("{") and (plain := _plain(written)) is not None:
        return plain

    from airflow.sdk import Connection
    from airflow.sdk.exceptions import AirflowNotFoundException, AirflowRuntimeError

    try:
        if written.startswith("{"):
            found = Connection.from_json(written, conn_id=connection_id)
        elif written and "://" not in written:
            raise ValueError(written)
        elif written:
            found = Connection.from_uri(written, conn_id=connection_id)
        else:
            found = Connection.get(connection_id)
        return Credentials(found.login or "", found.password or "", found.extra_dejson)
    except (AirflowNotFoundException, AirflowRuntimeError, ImportError):
        reason = "there is no such connection"
    except (ValueError, TypeError, json.JSONDecodeError):
        reason = "it cannot be read"
    # `from None` and no text of the original: it may quote the password
    raise SourceDenied(
        f"{place}: the connection {connection_id!r}: {reason}. Make it in Airflow (Admin → Connections), or set "
        f'{variable}, e.g. {{"conn_type": "http", "login": "…", "password": "…"}}'
    ) from None


def _plain(written: str) -> Credentials | None:
    """Return a connection that is written as JSON without Airflow, whose import takes seconds; None to let it try."""
    try:
        given = json.loads(written)
        extra = given.get("extra") or {}
        extra = json.loads(extra) if isinstance(extra, str) else extra
        login, password = given.get("login") or "", given.get("password") or ""
    except (ValueError, AttributeError):
        return None
    is_plain = isinstance(extra, dict) and isinstance(login, str) and isinstance(password, str)
    return Credentials(login, password, extra) if is_plain else None


def storage_options(connection_id: str, place: str) -> dict[str, Any]:
    """Return what a file system of fsspec needs from a connection: its extra, login and password where it has them.

    Raises:
        SourceDenied: as ``credentials``.
    """
    found = credentials(connection_id, place)
    named = {"username": found.login, "password": found.password}
    return {**{name: value for name, value in named.items() if value}, **found.extra}
