"""Connections: one address for each database, one role for each kind of work."""

from __future__ import annotations

from typing import Any, Literal
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

import psycopg

from vmeste.settings import Settings
from vmeste.warehouse import embedded

Role = Literal["vmeste_loader", "vmeste_transformer", "vmeste_bi", "vmeste_eraser"]


def warehouse_url(settings: Settings, role: Role | None = None) -> str:
    """Return the warehouse's address; with a role, every session on it acts as that role."""
    address = settings.warehouse_url or embedded.url(settings, embedded.WAREHOUSE)
    if role is None:
        return address
    parts = urlsplit(address)
    query = dict(parse_qsl(parts.query))
    query["options"] = f"{query.get('options', '')} -c role={role}".strip()
    return urlunsplit(parts._replace(query=urlencode(query, quote_via=quote, safe="/")))


def vault_url(settings: Settings) -> str:
    """Return the vault's address."""
    return settings.vault_url or embedded.url(settings, embedded.VAULT)


def airflow_url(settings: Settings) -> str | None:
    """Return the address of Airflow's own database; None where it is on a server that nobody has told us of."""
    if settings.airflow_url:
        return settings.airflow_url
    return embedded.url(settings, embedded.AIRFLOW) if settings.is_embedded else None


def connect(settings: Settings, role: Role | None = None) -> psycopg.Connection[tuple[Any, ...]]:
    """Open the warehouse as a role; where the settings name an organisation or a programme, its rows alone are seen."""
    connection = psycopg.connect(warehouse_url(settings, role))
    for name in ("organisation", "programme"):
        if code := getattr(settings, name):
            connection.execute("select set_config(%s, %s, false)", (f"vmeste.{name}", code))
    connection.commit()
    return connection
