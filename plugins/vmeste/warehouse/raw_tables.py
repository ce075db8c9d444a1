"""Raw tables follow the forms: one append-only table a form, a column a question."""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg import sql

from vmeste.forms import Form
from vmeste.forms.columns import answer_columns, question_columns

POSTGRES_TYPES = {
    "text": "text",
    "select_one": "text",
    "select_multiple": "text",
    "integer": "bigint",
    "decimal": "double precision",
    "date": "date",
    "time": "time",
    "dateTime": "timestamptz",
    "repeat": "jsonb",
}

PIPELINE_COLUMNS = {
    "_source": "text not null",
    "_submission_id": "text not null",
    "_form_version": "text not null",
    "_submitted_at": "timestamptz not null",
    "_updated_at": "timestamptz",
    "_review_state": "text",
    "_content_hash": "text not null",
    "_operation": "text not null",
    "_ingested_at": "timestamptz not null",
    "_batch_id": "text not null",
    "_warnings": "text[]",
    "_extra": "jsonb",
}

MEMBER_COLUMNS = (
    "_source",
    "_submission_id",
    "_form_version",
    "_submitted_at",
    "_updated_at",
    "_content_hash",
    "_operation",
    "_ingested_at",
    "_batch_id",
    "_position",
)
"""What a member of a repeat carries of its submission version, and where in it it stands, from 1."""


class RawTableError(Exception):
    """A form no longer fits its raw table."""


def ensure_table(connection: psycopg.Connection[Any], form: Form) -> None:
    """Make the form's raw table, or add the columns of new questions; history is never altered.

    Raises:
        RawTableError: a question changed its type: its old answers would no longer fit.
    """
    table = sql.Identifier("raw", form.form_id)
    wanted = {name: POSTGRES_TYPES[kind] for name, kind in answer_columns(form).items()}
    existing = dict(
        connection.execute(
            "select attname, format_type(atttypid, null) from pg_attribute "
            "where attrelid = to_regclass(%s) and attnum > 0 and not attisdropped",
            (f'raw."{form.form_id}"',),
        ).fetchall()
    )
    if not existing:
        columns = [
            sql.SQL("{} {}").format(sql.Identifier(name), sql.SQL(kind))
            for name, kind in (wanted | PIPELINE_COLUMNS).items()
        ]
        connection.execute(sql.SQL("create table {} ({})").format(table, sql.SQL(", ").join(columns)))
        # one submission version is kept once, however often a server gives it
        connection.execute(
            sql.SQL(
                "create unique index on {} "
                "(_source, _submission_id, (coalesce(_updated_at, _submitted_at)), _content_hash, _operation, "
                "_review_state) nulls not distinct"
            ).format(table)
        )
        _ensure_member_views(connection, form)
        connection.commit()
        return
    for name, kind in wanted.items():
        if name not in existing:
            connection.execute(
                sql.SQL("alter table {} add column {} {}").format(table, sql.Identifier(name), sql.SQL(kind))
            )
        elif existing[name] != _canonical(kind):
            raise _retyped(f"{form.form_id}.{name}", kind, existing[name])
    _ensure_member_views(connection, form)
    connection.commit()


def _ensure_member_views(connection: psycopg.Connection[Any], form: Form) -> None:
    """Make ``raw.<form_id>__<repeat>``: a row a member of a submission version, typed, in the order of the answer.

    A view, because members belong to their version: an edit replaces them as a set, nothing can be left over.
    """
    for repeat in form.repeats:
        name = f"{form.form_id}__{repeat.name}"
        kinds = {column: POSTGRES_TYPES[kind] for column, kind in question_columns(repeat.members).items()}
        existing = dict(
            connection.execute(
                "select attname, format_type(atttypid, null) from pg_attribute "
                "where attrelid = to_regclass(%s) and attnum > 0 order by attnum",
                (f'raw."{name}"',),
            ).fetchall()
        )
        for column, kind in kinds.items():
            if existing.get(column, _canonical(kind)) != _canonical(kind):
                raise _retyped(f"{form.form_id}.{repeat.name}.{column}", kind, existing[column])
        # a view can only grow at its end; what was once a column stays one
        columns = [column for column in existing if column not in MEMBER_COLUMNS]
        columns += [column for column in kinds if column not in columns]
        connection.execute(
            sql.SQL(
                "create or replace view {view} as select {carried}, member._position, {answers} "
                "from {table} as version cross join lateral "
                "jsonb_array_elements(version.{repeat}) with ordinality as member (answers, _position)"
            ).format(
                view=sql.Identifier("raw", name),
                carried=sql.SQL(", ").join(sql.Identifier("version", column) for column in MEMBER_COLUMNS[:-1]),
                answers=sql.SQL(", ").join(
                    sql.SQL("(member.answers ->> {})::{} as {}").format(
                        sql.Literal(column), sql.SQL(kinds.get(column) or existing[column]), sql.Identifier(column)
                    )
                    for column in columns
                ),
                table=sql.Identifier("raw", form.form_id),
                repeat=sql.Identifier(repeat.name),
            )
        )


def _retyped(question: str, asked: str, held: str) -> RawTableError:
    return RawTableError(
        f"{question}: the form asks {asked}, raw holds {held}. A question that changes its type is a new question: "
        "give it a new name"
    )


def _canonical(kind: str) -> str:
    return {"time": "time without time zone", "timestamptz": "timestamp with time zone"}.get(kind, kind)
