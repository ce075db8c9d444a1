"""Expectations at the outer boundary: what leaves the marts for publication.

dbt tests guard what happens between raw and marts; these suites (``expectations/marts.<relation>.json``) are the last
look at the figures themselves, and block a release.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from vmeste.quality.suites import Suite, read_suite
from vmeste.quality.validate import validate as validate_frame


class MartsRejected(Exception):
    """A mart broke a critical expectation: nothing of it may be published."""


def suites(folder: Path) -> dict[str, Suite]:
    """Return relation name → suite for every mart that has one."""
    found = {}
    for file in sorted(folder.glob("marts.*.json")):
        written = read_suite(file)
        found[file.stem.removeprefix("marts.")] = Suite(file.stem, tuple(written["expectations"]), {})
    return found


def validate(cursor: Any, folder: Path, schema: str) -> dict[str, dict[str, Any]]:
    """Check the marts in a schema and return relation → rows and rules checked.

    Args:
        cursor: an open ADBC cursor that may read the schema.
        folder: where the suites lie.
        schema: ``marts`` or ``candidate_marts``.

    Raises:
        MartsRejected: names each relation and rule that failed, with its remedy.
    """
    summary: dict[str, dict[str, Any]] = {}
    failures = []
    for relation, suite in suites(folder).items():
        cursor.execute(f"select * from {schema}.{relation}")
        frame = cursor.fetch_arrow_table().to_pandas()
        verdict = validate_frame(frame, suite)
        summary[relation] = {"rows": len(frame), "rules": len(suite.expectations), "failed": list(verdict.blocking)}
        failures += [f"{schema}.{relation}: {rule} ({verdict.remedies[rule]})" for rule in verdict.blocking]
    if failures:
        raise MartsRejected("; ".join(failures))
    return summary
