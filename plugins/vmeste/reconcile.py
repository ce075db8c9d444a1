"""Compare all that the sources hold with all that we hold, and say what differs. Nothing is written."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

import psycopg

from vmeste import ingest
from vmeste.privacy import vault
from vmeste.settings import Settings
from vmeste.sources import load_sources, open_source
from vmeste.sources.errors import SourceError
from vmeste.warehouse.connect import connect, vault_url
from vmeste.warehouse.known import KnownSubmissions


@dataclass(frozen=True, slots=True)
class Comparison:
    """One form of one source, read from the beginning.

    ``only_there`` has no version here, neither accepted nor quarantined; ``only_here`` is gone from the source, which
    says something only where a read proves that it saw everything (files are moved away, and that deletes nothing).
    ``error`` says why nothing could be compared.
    """

    source: str
    form_id: str
    at_source: int = 0
    here: int = 0
    only_there: tuple[str, ...] = ()
    only_here: tuple[str, ...] = ()
    error: str | None = None

    @property
    def agrees(self) -> bool:
        """Whether both sides hold the same submissions."""
        return not (self.only_there or self.only_here or self.error)


def reconcile(settings: Settings) -> Iterator[Comparison]:
    """Yield a comparison for each form of each source, in the order in which they are read."""
    forms = ingest.forms(settings)
    sources = {config.name: config for config in load_sources(settings.sources).sources}
    for items in ingest.plan(settings).values():
        for item in items:
            name, form_id = item["source"], item["form_id"]
            with connect(settings, "vmeste_loader") as connection:
                known = KnownSubmissions(connection, name, form_id)
                here = known.held()
                try:
                    extraction = open_source(sources[name]).extract(forms[form_id], None, known)
                    given = {entry.submission_id for entry in extraction.submissions if not entry.is_deleted}
                except SourceError as error:
                    yield Comparison(name, form_id, here=len(here), error=str(error))
                    continue
            read = {ingest.id_in_raw(key) for key in given | (extraction.present_ids or frozenset())}
            there = _as_here(settings, name, form_id, read)
            is_whole = extraction.present_ids is not None or extraction.server_total is not None
            yield Comparison(
                name,
                form_id,
                len(there),
                len(here),
                tuple(sorted(there - here)),
                tuple(sorted(here - there)) if is_whole else (),
                "; ".join(f"{refusal.name}: {refusal.reason}" for refusal in extraction.refusals) or None,
            )


def _as_here(settings: Settings, source: str, form_id: str, given: AbstractSet[str]) -> frozenset[str]:
    """Return ids as the warehouse has them: made of answers, they were exchanged; of erased people, made unreadable."""
    with psycopg.connect(vault_url(settings)) as connection:
        exchanged = vault.known_ids(connection, given)
        given = vault.held_ids(connection, source, form_id, given)
    return frozenset(exchanged.get(submission_id, submission_id) for submission_id in given)
