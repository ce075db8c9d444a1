"""The seal of a release: all that was released, word for word, and its SHA-256.

The checksum of a release names the figures that were approved. The seal goes further: definitions, parameters,
restatements with their causes, the ledger, provenance, validation and approvals. It keeps the rows themselves, so that
``verify`` can say which row and which column are no longer what they were.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from typing import Any

import psycopg
from psycopg import sql

from vmeste.releases.companion_tables import COMPANIONS

SEALED: dict[str, tuple[str, ...]] = {
    "published.releases": ("release_id",),
    "published.indicator_values": ("indicator_code", "period_view", "quarter", "split_by", "split_value"),
    "published.indicator_definitions": ("indicator_code", "definition_version"),
    "published.parameters": ("parameter_code",),
    "published.restatements": ("quarter", "period_view", "indicator_code"),
    "ledger.restatement_causes": ("quarter", "period_view", "indicator_code", "cause", "step"),
    "ledger.late_effects": ("of_release_id", "quarter", "period_view", "indicator_code"),
    "ledger.late_rows": ("quarter", "form_id", "kind"),
    **{f"published.{companion.table}": companion.names for companion in COMPANIONS},
}
"""Which tables a seal covers, and what names a row of each within its release."""

Content = dict[str, dict[str, dict[str, Any]]]
"""table → row → column → value, as JSON has it."""


def set_seal(connection: psycopg.Connection[Any], release_id: str) -> str:
    """Seal what stands of a release now, and return the SHA-256. Once for each release."""
    text = _text(_content(connection, release_id))
    sha256 = _sha256(text)
    connection.execute("insert into ledger.seals values (%s, %s, %s)", (release_id, sha256, text))
    return sha256


def broken(connection: psycopg.Connection[Any], release_id: str) -> Iterator[str]:
    """Yield what no longer agrees with a release's seal: table, row, column, both values."""
    row = connection.execute("select sha256, content from ledger.seals where release_id = %s", (release_id,)).fetchone()
    if row is None:
        yield "ledger.seals: there is no seal"
        return
    sha256, text = row
    if _sha256(text) != sha256:
        yield "ledger.seals: the kept copy is not what was sealed; rows are compared with it all the same"
    was: Content = json.loads(text)
    now = _content(connection, release_id)
    for table in sorted(was.keys() | now.keys()):
        former, present = was.get(table, {}), now.get(table, {})
        for name in sorted(former.keys() | present.keys()):
            if name not in present:
                yield f"{table}, {name}: the row is gone"
            elif name not in former:
                yield f"{table}, {name}: the row was not released"
            else:
                yield from _columns(f"{table}, {name}", former[name], present[name])


def _columns(where: str, was: dict[str, Any], now: dict[str, Any]) -> Iterator[str]:
    # a column that a later migration added says nothing of this release
    for column in sorted(was):
        if column not in now:
            yield f"{where}, {column}: the column is gone"
        elif was[column] != now[column]:
            yield f"{where}, {column}: {_shown(now[column])}, released as {_shown(was[column])}"


def _shown(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


def _content(connection: psycopg.Connection[Any], release_id: str) -> Content:
    content: Content = {}
    with connection.transaction():
        connection.execute("set local timezone to 'UTC'")
        connection.execute("set local extra_float_digits to 1")  # every double as the shortest text that names it
        for table, names in SEALED.items():
            rows = connection.execute(
                sql.SQL("select to_jsonb(rows_of) from {} as rows_of where release_id = %s").format(
                    sql.Identifier(*table.split("."))
                ),
                (release_id,),
            ).fetchall()
            content[table] = {" ".join(str(row[name]) for name in names): row for (row,) in rows}
        connection.execute("set local timezone to default")
    return content


def _text(content: Content) -> str:
    return json.dumps(content, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
