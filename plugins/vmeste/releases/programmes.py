"""Whose release it is: one programme of one organisation.

Each has its own figures, approvals and revisions. One warehouse may hold many; a session that names one sees no row of
another in ``published`` and ``ledger`` (migration ``0011_organisations.sql``), and reads the candidate's marts through
views of its own rows, so that nothing else of a release needs to know that there are others.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql

from vmeste.releases.explaining import ARRIVED_AT
from vmeste.settings import Settings
from vmeste.warehouse.connect import connect

UNKNOWN = "unknown"
"""What the marts call a programme or an organisation that no registration names."""

OWN_PREFIX = "release_"
"""Schemas ``release_marts`` and ``release_seeds``: the candidate as one programme sees it."""

RELEASE_ID = re.compile(
    r"^(?P<quarter>\d{4}-Q[1-4])(?:-(?P<organisation>[^.]+)\.(?P<programme>.+))?-r(?P<revision>\d+)$"
)


class ProgrammeNotChosen(Exception):
    """Several programmes are registered and none is named, or one that is not there; the message lists them."""


@dataclass(frozen=True, slots=True, order=True)
class Programme:
    """One programme of one organisation, by their codes."""

    organisation: str
    programme: str
    is_only: bool = True  # the only one of this warehouse: its releases need not say whose they are

    def release_id(self, quarter: object, revision: int) -> str:
        """Name a release: ``2021-Q4-r1``, and among several programmes ``2021-Q4-<organisation>.<programme>-r1``."""
        return f"{quarter}-r{revision}" if self.is_only else f"{quarter}-{self}-r{revision}"

    def __str__(self) -> str:
        return f"{self.organisation}.{self.programme}"


ALONE = Programme(UNKNOWN, UNKNOWN)
"""Where nobody has asked whose a release is."""


def quarter_of(release_id: str) -> str:
    """Return the quarter that a release's name begins with."""
    return release_id[: len("2021-Q4")]


def chosen(settings: Settings, release_id: str = "") -> tuple[Settings, Programme]:
    """Return settings that name one programme, and that programme: the one they ask for, or the only one there is.

    Args:
        settings: ``organisation`` and ``programme`` may be empty where the register leaves no choice.
        release_id: a release whose name may say whose it is.

    Raises:
        ProgrammeNotChosen: the register has several that fit, or none.
    """
    named = RELEASE_ID.match(release_id)
    if named and named["organisation"]:
        settings = settings.model_copy(update={"organisation": named["organisation"], "programme": named["programme"]})
    there = registered(settings)
    asked = {"organisation": settings.organisation, "programme": settings.programme}
    fitting = [one for one in there if all(code in ("", getattr(one, name)) for name, code in asked.items())]
    if len(fitting) != 1:
        known = ", ".join(map(str, there))
        wanted = ", ".join(f"{name} {code}" for name, code in asked.items() if code)
        why = f"no pair is registered for {wanted}" if not fitting else "several programmes are registered"
        raise ProgrammeNotChosen(
            f"{why}: a release is of one programme of one organisation. Name one of {known} by --organisation and "
            "--programme, by the run's parameters, or by VMESTE_ORGANISATION and VMESTE_PROGRAMME"
        )
    (one,) = fitting
    return settings.model_copy(update={"organisation": one.organisation, "programme": one.programme}), one


def registered(settings: Settings) -> list[Programme]:
    """Return the programmes of which a pair is registered, in the order of their codes; without any, one unknown."""
    with connect(settings, "vmeste_transformer") as connection:
        columns = connection.execute(
            "select attname from pg_attribute where attrelid = to_regclass('raw.r3_pair') and not attisdropped"
        ).fetchall()
        if {("organisation_code",), ("programme_code",)} <= set(columns):
            found = connection.execute(
                sql.SQL(
                    "select distinct coalesce(organisation_code, {unknown}), coalesce(programme_code, {unknown}) from ("
                    "select distinct on (_source, _submission_id) * from raw.r3_pair "
                    "order by _source, _submission_id, {arrived} desc, _ingested_at desc, _content_hash desc"
                    ") as latest where _operation = 'upsert' order by 1, 2"
                ).format(unknown=sql.Literal(UNKNOWN), arrived=ARRIVED_AT)
            ).fetchall()
        else:
            found = []
    return [Programme(organisation, programme, len(found) == 1) for organisation, programme in found] or [ALONE]


def show_own(connection: psycopg.Connection[Any], programme: Programme, built_prefix: str) -> None:
    """Make the views through which a release reads the marts that were built for all.

    Args:
        connection: acts as ``vmeste_transformer``; what is open on it is committed.
        programme: whose rows are shown. A mart without an organisation tells of none and is shown whole.
        built_prefix: of the schemas that dbt filled: ``candidate_``.
    """
    relations = connection.execute(
        "select tables.table_schema, tables.table_name, array_agg(columns.column_name::text) "
        "from information_schema.tables inner join information_schema.columns using (table_schema, table_name) "
        "where tables.table_schema = any(%s) group by 1, 2",
        ([f"{built_prefix}marts", f"{built_prefix}seeds"],),
    ).fetchall()
    for kind in ("marts", "seeds"):
        schema = sql.Identifier(f"{OWN_PREFIX}{kind}")
        connection.execute(sql.SQL("drop schema if exists {} cascade").format(schema))
        connection.execute(sql.SQL("create schema {}").format(schema))
    for built, name, columns in relations:
        conditions = [
            sql.SQL("{} = {}").format(sql.Identifier(column), sql.Literal(code))
            for column, code in (
                ("organisation_code", programme.organisation),
                ("programme_code", programme.programme),
            )
            if column in columns
        ]
        connection.execute(
            sql.SQL("create view {own} as select * from {built} where {only}").format(
                own=sql.Identifier(f"{OWN_PREFIX}{built.removeprefix(built_prefix)}", name),
                built=sql.Identifier(built, name),
                only=sql.SQL(" and ").join([sql.SQL("true"), *conditions]),
            )
        )
    connection.commit()
