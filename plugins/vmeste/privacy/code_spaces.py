"""Codes of different organisations: ``П-001`` on a card of one is nobody of another.

In the vault a code stands behind the name of its organisation, ``one:П-001``. An organisation whose forms were read
before the sources named it keeps its codes as they stand: its history must not begin anew.
"""

from __future__ import annotations

from typing import Any

import psycopg

SEPARATOR = ":"
"""No form lets it into a code."""


def prefix_of(vault: psycopg.Connection[Any], organisation: str | None, *, was_read_before: bool = False) -> str:
    """Return what stands before an organisation's codes, deciding it at the first call.

    Args:
        vault: committed by the caller.
        organisation: as a source names it; ``None`` where it names none: codes stand as they are written.
        was_read_before: whether a source of the organisation has been read while it named none.
    """
    if organisation is None:
        return ""
    vault.execute(
        "insert into vault.code_spaces values (%s, %s) on conflict do nothing",
        (organisation, "" if was_read_before else f"{organisation}{SEPARATOR}"),
    )
    ((prefix,),) = vault.execute(
        "select prefix from vault.code_spaces where organisation_code = %s", (organisation,)
    ).fetchall()
    return str(prefix)


def names_of(vault: psycopg.Connection[Any], code: str, organisation: str | None) -> list[str]:
    """Return as what a code that somebody wrote may be kept: at one organisation, or at any."""
    spaces = vault.execute("select organisation_code, prefix from vault.code_spaces").fetchall()
    prefixes = {prefix for name, prefix in spaces if organisation in (None, name)}
    if organisation is None or not prefixes:
        prefixes.add("")
    return sorted(f"{prefix}{code}" for prefix in prefixes)


def written(name: str) -> str:
    """Return a code as people write it, without what stands before it in the vault."""
    return name.rpartition(SEPARATOR)[2]
