"""Words of an erased person wherever texts are kept that we do not know row by row: logs, messages, Airflow's tables.

In a file a word is written over in place, byte for byte: whoever has the file open goes on writing at the right place.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

GONE = "[erased]"

_LARGEST_FILE = 256 * 2**20


def patterns(words: Iterable[str], codes: Iterable[str]) -> str | None:
    """Return a regular expression, for Python and PostgreSQL alike, that finds the words; ``None`` if there are none.

    A code is found where it stands alone: short as it is, it may be part of another. Each is looked for as it is and
    as JSON would write it.
    """
    found = [re.escape(form) for word in words for form in _written(word)]
    found += [rf"(?<![\w-]){re.escape(form)}(?![\w-])" for code in codes for form in _written(code)]
    return "|".join(sorted(set(found), key=lambda one: (-len(one), one))) or None


def _written(word: str) -> set[str]:
    return {word, json.dumps(word)[1:-1], json.dumps(word, ensure_ascii=False)[1:-1]}


def texts_of(root: Path, apart: Iterable[Path]) -> Iterator[Path]:
    """Yield the files below a folder, those below ``apart`` left out."""
    kept_apart = [path.resolve() for path in apart]
    for path in sorted(root.rglob("*")):
        if path.is_file() and not path.is_symlink() and not any(path.is_relative_to(other) for other in kept_apart):
            yield path


def overwrite(path: Path, pattern: str, *, is_tried: bool = False) -> int:
    """Write over all that a pattern finds in a file and return how much that was; ``is_tried`` only counts."""
    if path.stat().st_size > _LARGEST_FILE:
        return _overwrite_by_lines(path, pattern, is_tried=is_tried)
    data = path.read_bytes()
    # a file may be cut within a letter, or be no text at all: what cannot be read stays as it is
    text = data.decode("utf-8", "surrogateescape")
    kept, count = re.subn(pattern, _stars, text)
    if count and not is_tried:
        with path.open("r+b") as file:
            file.write(_bytes(kept))
    return count


def _overwrite_by_lines(path: Path, pattern: str, *, is_tried: bool) -> int:
    total = 0
    with path.open("r+b") as file:
        while line := file.readline():
            kept, count = re.subn(pattern, _stars, line.decode("utf-8", "surrogateescape"))
            if count and not is_tried:
                file.seek(-len(line), 1)
                file.write(_bytes(kept))
            total += count
    return total


def _stars(found: re.Match[str]) -> str:
    return "*" * len(_bytes(found[0]))


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def replace_in_tables(
    connection: psycopg.Connection[Any], pattern: str, schemas: Iterable[str], *, is_tried: bool = False
) -> dict[str, int]:
    """Replace what a pattern finds in every text and JSON column of some schemas; return table → rows concerned.

    Only tables that the connection's user may update are looked at; ``is_tried`` only counts.
    """
    found: dict[str, int] = {}
    columns = connection.execute(
        """
        select
            format('%%I.%%I', spaces.nspname, tables.relname), array_agg(columns.attname::text),
            array_agg(format_type(columns.atttypid, null))
        from pg_attribute as columns
        inner join pg_class as tables on tables.oid = columns.attrelid
        inner join pg_namespace as spaces on spaces.oid = tables.relnamespace
        where
            tables.relkind = 'r' and columns.attnum > 0 and not columns.attisdropped and columns.attgenerated = ''
            and spaces.nspname = any(%s)
            and format_type(columns.atttypid, null) in ('text', 'character varying', 'json', 'jsonb', 'text[]')
            and has_table_privilege(tables.oid, 'select') and has_column_privilege(tables.oid, columns.attnum, 'update')
        group by 1
        order by 1
        """,
        (list(schemas),),
    ).fetchall()
    for table, names, kinds in columns:
        is_found = sql.SQL(" or ").join(sql.SQL("{}::text ~ %(p)s").format(sql.Identifier(name)) for name in names)
        source = sql.SQL("{}").format(sql.SQL(table))
        if is_tried:
            counted = connection.execute(
                sql.SQL("select count(*) from {} where {}").format(source, is_found), {"p": pattern}
            ).fetchone()
            count = counted[0] if counted else 0
        else:
            changed = sql.SQL(", ").join(
                sql.SQL("{0} = regexp_replace({0}::text, %(p)s, %(gone)s, 'g')::{1}").format(
                    sql.Identifier(name), sql.SQL(kind)
                )
                for name, kind in zip(names, kinds, strict=True)
            )
            count = connection.execute(
                sql.SQL("update {} set {} where {}").format(source, changed, is_found), {"p": pattern, "gone": GONE}
            ).rowcount
        if count:
            found[table] = count
    return found
