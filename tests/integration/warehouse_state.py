"""What the warehouse holds of one source, so that it can be compared with the server or with another source."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import psycopg

from tests.integration.platforms import FORM, Held, Platform, form
from vmeste.privacy import vault
from vmeste.settings import Settings
from vmeste.warehouse.connect import connect, vault_url
from vmeste.warehouse.references import current_versions

COMPARED = ("mentee_key", "record", "organisation_code", "sex", "birth_year", "status", "status_from")

COUNTS = "server_count, accepted, quarantined, voided, unchanged, vanished, server_total, state"


@dataclass(frozen=True)
class State:
    """All that a sync leaves behind but for what differs from run to run: batch ids and moments of our own."""

    current: dict[str, tuple[Any, ...]]  # submission → answers of the version that counts
    versions: list[tuple[Any, ...]]
    quarantine: list[tuple[Any, ...]]
    runs: list[tuple[Any, ...]]
    cursor: dict[str, Any] | None
    vault: list[tuple[Any, ...]]

    @property
    def kept(self) -> State:
        """The same without the runs: what another run that brings nothing must leave as it was."""
        return replace(self, runs=[], cursor=None)


def state_of(settings: Settings, source: str) -> State:
    """Read the state of a source."""
    columns = ", ".join(f"{name}::text" for name in COMPARED)
    with connect(settings) as warehouse:
        current = warehouse.execute(
            f"select _submission_id, {columns} from ({current_versions(FORM, '*')}) as current "
            "where _source = %s".encode(),
            (source,),
        ).fetchall()
        versions = warehouse.execute(
            f"select _submission_id, _operation, _review_state, _content_hash, {columns} from raw.{FORM} "
            "where _source = %s order by _submission_id, coalesce(_updated_at, _submitted_at), _ingested_at, "
            "_operation".encode(),
            (source,),
        ).fetchall()
        quarantine = warehouse.execute(
            "select submission_id, state, rules, content_hash, payload ->> 'birth_year' from quarantine.rows "
            "where source = %s order by submission_id, arrived_at",
            (source,),
        ).fetchall()
        runs = warehouse.execute(
            f"select {COUNTS} from ops.sync_runs where source = %s order by started_at".encode(), (source,)
        ).fetchall()
        cursors = warehouse.execute("select cursor from ops.cursors where source = %s", (source,)).fetchone()
    with psycopg.connect(vault_url(settings)) as opened:
        hidden = opened.execute(
            "select distinct submission_id, question, answer from vault.answers where source = %s order by 1, 2, 3",
            (source,),
        ).fetchall()
    cursor = {key: value for key, value in cursors[0].items() if key != "compared_at"} if cursors else None
    return State({row[0]: row[1:] for row in current}, versions, quarantine, runs, cursor, hidden)


def expected_of(settings: Settings, platform: Platform) -> tuple[dict[str, tuple[Any, ...]], set[str]]:
    """Return what should count now, by submission, and what should lie open in quarantine."""
    codes = [held.answers["mentee_code"] for held in platform.held.values()]
    with psycopg.connect(vault_url(settings)) as opened:
        keys = vault.exchange_codes(opened, "mentee", codes)
        opened.rollback()
    counted = {platform.key(number): held for number, held in platform.held.items() if held.is_counted}
    current = {key: _answers(held, keys) for key, held in counted.items() if held.is_valid}
    return current, {key for key, held in counted.items() if not held.is_valid}


def _answers(held: Held, keys: dict[str, str]) -> tuple[Any, ...]:
    given = held.answers | {"mentee_key": keys[held.answers["mentee_code"]]}
    return tuple(given[name] for name in COMPARED)


def hidden_names() -> set[str]:
    """Return the questions whose answers may lie in the vault alone."""
    return {question.name for question in form().questions if question.privacy == "vault" and not question.key}
