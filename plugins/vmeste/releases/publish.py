"""Freezing a quarter: from a candidate and its approvals to rows of ``published`` that nobody can change.

The schema refuses changes of released rows for every role (migration ``0003_published.sql``); a correction is a new
revision, and ``published.restatements`` says what it changed.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from vmeste.releases.candidate import Candidate, Provenance
from vmeste.releases.checks import failed_checks
from vmeste.releases.disclosure import COLUMNS, SUPPRESSION_VERSION, IndicatorValue, hide
from vmeste.releases.overlaps import hide_differences, read_told

logger = logging.getLogger(__name__)

ROLES = {"method": "согласовал(а) методолог", "director": "выпустил(а) директор"}
"""Who approves, in this order, and how the page says it."""

COMPARED = ("status", "eligible", "measured", "achieved", "share", "ci_low", "ci_high", "coverage", "deteriorated")
"""What of a headline counts as a restatement when it differs between two revisions."""

_LOCK = "vmeste.publish"


class PublishError(Exception):
    """A candidate must not be released as it is; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Approval:
    """One of the two approvals that a release needs."""

    role: str  # method: the method owner; director: who releases
    user: str
    approved_at: datetime  # aware
    comment: str | None = None

    def __post_init__(self) -> None:
        if self.role not in ROLES:
            raise PublishError(f"unknown role of an approval: {self.role!r}; expected {' or '.join(ROLES)}")
        if self.approved_at.tzinfo is None:
            raise PublishError(f"the approval of {self.user} has a time without a zone")

    @property
    def role_ru(self) -> str:
        """The role as the page names it."""
        return ROLES[self.role]


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """What identifies a release on its page and in its workbook."""

    release_id: str  # 2021-Q4-r1
    quarter: str
    revision: int
    state: str  # draft | checked | method_approved | released | superseded
    cutoff_at: datetime
    prepared_by: str
    definition_version: str
    code_revision: str
    suppression_version: str
    checksum: str
    approvals: tuple[Approval, ...] = ()
    released_at: datetime | None = None


def draft(
    connection: psycopg.Connection[Any], candidate: Candidate, *, code_revision: str, prepared_by: str
) -> Release:
    """Return the release that ``publish`` would make of a candidate now, for the page that the approvers look at.

    Writes nothing. If the candidate has been released already, that release comes back.
    """
    checksum = checksum_of(candidate)
    latest = _latest(connection, str(candidate.quarter))
    if latest is not None and latest.checksum == checksum:
        return latest
    return _planned(candidate, latest, checksum, code_revision=code_revision, prepared_by=prepared_by)


def publish(
    connection: psycopg.Connection[Any],
    candidate: Candidate,
    approvals: Sequence[Approval],
    code_revision: str,
    prepared_by: str,
    *,
    validation: Mapping[str, Any] | None = None,
    approved_checksum: str | None = None,
) -> str:
    """Freeze a candidate in one transaction and return its ``release_id``.

    The same figures again give the release that has them and change nothing. Other figures for a quarter that has
    been released become its next revision, with a row in ``published.restatements`` for each headline that changed.

    Args:
        connection: acts as ``vmeste_transformer``; a transaction that is open on it is committed with the release.
        candidate: what is released; its cells are hidden once more, whoever made it and whatever was released since.
        approvals: one of the method owner (``method``), then one of the director.
        code_revision: the git commit that computed the candidate, or 'unknown'.
        prepared_by: who prepared it: not the director who releases it.
        validation: results of checks made elsewhere, kept beside this module's own.
        approved_checksum: what the approvers saw; None: the candidate is what they saw.

    Raises:
        PublishError: an approval is missing or is the preparer's own, a check failed, or other cells must be hidden
            than the approvers saw. Nothing is written, and the release that stands stays.
    """
    method, director = _approved(approvals, prepared_by)
    candidate = replace(candidate, indicators=hide(candidate.indicators))
    problems = failed_checks(candidate)
    if problems:
        raise PublishError(f"{candidate.quarter} is not released, checks failed: {'; '.join(problems)}")
    try:
        with connection.transaction():
            # two publishers at once must not both find that revision 1 is free, or that nothing has been told yet
            connection.execute("select pg_advisory_xact_lock(hashtext(%s))", (_LOCK,))
            candidate = replace(
                candidate,
                indicators=hide_differences(candidate.indicators, read_told(connection), candidate.closed_quarters),
            )
            checksum = checksum_of(candidate)
            if approved_checksum not in (None, checksum):
                raise PublishError(
                    f"{candidate.quarter} is not released: another release has told of the same people since the page "
                    "was shown, so that this one must hide more. Run the refresh again, and approve what it shows"
                )
            latest = _latest(connection, str(candidate.quarter))
            if latest is not None and latest.checksum == checksum:
                logger.info("%s stands as %s: nothing to publish", candidate.quarter, latest.release_id)
                release = latest
            else:
                release = _planned(candidate, latest, checksum, code_revision=code_revision, prepared_by=prepared_by)
                _insert(connection, candidate, release, {"failed": [], **(validation or {})})
                if latest is not None:
                    _restate(connection, candidate, release, latest)
                _walk_to_released(connection, release.release_id, method, director)
                logger.info("%s released as %s", candidate.quarter, release.release_id)
        # `transaction` only ends a savepoint if the caller had begun to read before
        connection.commit()
    except BaseException:
        connection.rollback()
        raise
    return release.release_id


def read_release(connection: psycopg.Connection[Any], release_id: str) -> Release:
    """Return a release with its present state.

    Raises:
        PublishError: there is none of this name.
    """
    found = _releases(connection, sql.SQL("r.release_id = %s"), release_id)
    if not found:
        raise PublishError(f"there is no release {release_id}")
    return found[0]


def verify(connection: psycopg.Connection[Any], release_id: str) -> bool:
    """Recompute a release's checksum from the rows that stand in ``published`` and compare.

    Raises:
        PublishError: there is no release of this name.
    """
    release = read_release(connection, release_id)
    with connection.cursor(row_factory=dict_row) as cursor:
        names = sql.SQL(", ").join(map(sql.Identifier, COLUMNS))
        query = sql.SQL("select {} from published.indicator_values where release_id = %s").format(names)
        values = [IndicatorValue(**row) for row in cursor.execute(query, (release_id,))]
        definitions = cursor.execute(
            "select indicator_code, definition_version, definition from published.indicator_definitions "
            "where release_id = %s",
            (release_id,),
        ).fetchall()
    recomputed = _checksum(
        release.quarter,
        release.cutoff_at,
        release.suppression_version,
        {(row["indicator_code"], row["definition_version"]): row["definition"] for row in definitions},
        values,
    )
    return recomputed == release.checksum


def checksum_of(candidate: Candidate) -> str:
    """Return the SHA-256 of what a release of this candidate would freeze.

    Who prepared and approved it, when, and by which code is not in it: the same figures are the same release.
    """
    return _checksum(
        str(candidate.quarter),
        candidate.cutoff_at,
        SUPPRESSION_VERSION,
        {(found.indicator_code, found.version): found.columns for found in candidate.definitions},
        hide(candidate.own_values),
    )


def _checksum(
    quarter: str,
    cutoff_at: datetime,
    suppression_version: str,
    definitions: Mapping[tuple[str, str], Mapping[str, str | None]],
    values: Iterable[IndicatorValue],
) -> str:
    content = {
        "quarter": quarter,
        "cutoff_at": cutoff_at.astimezone(UTC).isoformat(),
        "suppression_version": suppression_version,
        "definitions": [[*key, dict(sorted(columns.items()))] for key, columns in sorted(definitions.items())],
        "columns": COLUMNS,
        "values": [list(asdict(value).values()) for value in sorted(values, key=lambda value: value.cell)],
    }
    return hashlib.sha256(json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()).hexdigest()


def _approved(approvals: Sequence[Approval], prepared_by: str) -> tuple[Approval, Approval]:
    by_role = {approval.role: approval for approval in approvals}
    missing = [role for role in ROLES if role not in by_role]
    if missing or len(by_role) != len(approvals):
        raise PublishError(
            f"a release needs one approval of each role ({', '.join(ROLES)}); "
            + (f"missing: {', '.join(missing)}" if missing else "one role has approved twice")
        )
    method, director = by_role["method"], by_role["director"]
    if director.user.strip().casefold() == prepared_by.strip().casefold():
        raise PublishError(
            f"{prepared_by} prepared this release and must not release it: let another director approve it, or "
            "another engineer prepare it"
        )
    if director.user.strip().casefold() == method.user.strip().casefold():
        raise PublishError(
            f"{method.user} approved as the method owner and as the director: two people look at a release, let "
            "another one give the second approval"
        )
    if director.approved_at < method.approved_at:
        raise PublishError(f"{director.user} released before {method.user} had approved: the method owner comes first")
    return method, director


def _planned(
    candidate: Candidate, latest: Release | None, checksum: str, *, code_revision: str, prepared_by: str
) -> Release:
    revision = 1 if latest is None else latest.revision + 1
    return Release(
        release_id=f"{candidate.quarter}-r{revision}",
        quarter=str(candidate.quarter),
        revision=revision,
        state="draft",
        cutoff_at=candidate.cutoff_at,
        prepared_by=prepared_by,
        definition_version=candidate.definition_version,
        code_revision=code_revision,
        suppression_version=SUPPRESSION_VERSION,
        checksum=checksum,
    )


def _latest(connection: psycopg.Connection[Any], quarter: str) -> Release | None:
    found = _releases(connection, sql.SQL("r.quarter = %s and r.state = 'released'"), quarter)
    return max(found, key=lambda release: release.revision, default=None)


def _releases(connection: psycopg.Connection[Any], condition: sql.SQL, parameter: str) -> list[Release]:
    query = sql.SQL(
        "select r.release_id, r.quarter, r.revision, l.state, r.cutoff_at, r.prepared_by, r.definition_version, "
        "r.code_revision, r.suppression_version, r.checksum, r.approvals, r.released_at "
        "from published.releases as r join published.release_ledger as l using (release_id) where {}"
    ).format(condition)
    with connection.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(query, (parameter,)).fetchall()
    return [
        Release(
            **{
                **row,
                "approvals": tuple(
                    Approval(a["role"], a["user"], datetime.fromisoformat(a["approved_at"]), a["comment"])
                    for a in row["approvals"]
                ),
            }
        )
        for row in rows
    ]


def _insert(
    connection: psycopg.Connection[Any], candidate: Candidate, release: Release, validation: Mapping[str, Any]
) -> None:
    connection.execute(
        "insert into published.releases (release_id, quarter, revision, state, cutoff_at, prepared_by, prepared_at, "
        "definition_version, code_revision, suppression_version, validation, provenance, checksum) "
        "values (%s, %s, %s, 'draft', %s, %s, now(), %s, %s, %s, %s, %s, %s)",
        (
            release.release_id,
            release.quarter,
            release.revision,
            release.cutoff_at,
            release.prepared_by,
            release.definition_version,
            release.code_revision,
            release.suppression_version,
            Jsonb(dict(validation)),
            Jsonb(_provenance_tree(candidate.provenance)),
            release.checksum,
        ),
    )
    names = sql.SQL(", ").join(map(sql.Identifier, ("release_id", *COLUMNS)))
    copy = sql.SQL("copy published.indicator_values ({}) from stdin").format(names)
    with connection.cursor() as cursor, cursor.copy(copy) as rows:
        for value in candidate.own_values:
            rows.write_row((release.release_id, *asdict(value).values()))
    with connection.cursor() as cursor:
        cursor.executemany(
            "insert into published.indicator_definitions values (%s, %s, %s, %s, %s)",
            [
                (release.release_id, found.indicator_code, found.version, found.name_ru, Jsonb(dict(found.columns)))
                for found in candidate.definitions
            ],
        )


def _walk_to_released(
    connection: psycopg.Connection[Any], release_id: str, method: Approval, director: Approval
) -> None:
    """Go through the states one by one; the approvals are written with the states that they allow."""
    connection.execute("update published.releases set state = 'checked' where release_id = %s", (release_id,))
    for state, given, released_at in (
        ("method_approved", (method,), None),
        ("released", (method, director), director.approved_at),
    ):
        connection.execute(
            "update published.releases set state = %s, approvals = %s, released_at = %s where release_id = %s",
            (state, Jsonb([_approval_row(approval) for approval in given]), released_at, release_id),
        )


def _approval_row(approval: Approval) -> dict[str, str | None]:
    return {
        "role": approval.role,
        "user": approval.user,
        "approved_at": approval.approved_at.astimezone(UTC).isoformat(),
        "comment": approval.comment,
    }


Tree = dict[str, dict[str, dict[str, dict[str, int]]]]


def _provenance_tree(counts: Iterable[Provenance]) -> Tree:
    """Arrange as indicator → form → form version → submissions and versions."""
    tree: Tree = {}
    for count in counts:
        forms = tree.setdefault(count.indicator_code, {})
        forms.setdefault(count.form_id, {})[count.form_version] = {
            "submissions": count.submissions,
            "versions": count.versions,
        }
    return tree


def _restate(connection: psycopg.Connection[Any], candidate: Candidate, release: Release, previous: Release) -> None:
    with connection.cursor(row_factory=dict_row) as cursor:
        names = sql.SQL(", ").join(map(sql.Identifier, COLUMNS))
        query = sql.SQL("select {} from published.indicator_values where release_id = %s and split_by = 'all'").format(
            names
        )
        stood = {
            (value.indicator_code, value.period_view): value
            for value in (IndicatorValue(**row) for row in cursor.execute(query, (previous.release_id,)))
        }
        row = cursor.execute(
            "select provenance from published.releases where release_id = %s", (previous.release_id,)
        ).fetchone()
    old_tree: Tree = {} if row is None else row["provenance"]
    new_tree = _provenance_tree(candidate.provenance)
    stands = {(value.indicator_code, value.period_view): value for value in candidate.own_values if value.is_headline}
    for code, view in sorted(stood.keys() | stands.keys()):
        old, new = _compared(stood.get((code, view))), _compared(stands.get((code, view)))
        if old == new:
            continue
        moved = None if old.get("share") is None or new.get("share") is None else (new["share"] - old["share"]) * 100
        connection.execute(
            "insert into published.restatements values (%s, %s, %s, %s, %s, %s, %s, %s, %s)",
            (
                release.release_id,
                previous.release_id,
                release.quarter,
                view,
                code,
                Jsonb(old),
                Jsonb(new),
                moved,
                Jsonb(_rows_by_kind(old_tree.get(code, {}), new_tree.get(code, {}))),
            ),
        )


def _compared(value: IndicatorValue | None) -> dict[str, Any]:
    return {} if value is None else {name: getattr(value, name) for name in COMPARED}


def _rows_by_kind(
    old: Mapping[str, Mapping[str, Mapping[str, int]]], new: Mapping[str, Mapping[str, Mapping[str, int]]]
) -> dict[str, dict[str, int]]:
    """Say for each form that differs how many submissions and versions more the new revision could see."""
    differences = {}
    for form_id in sorted(old.keys() | new.keys()):
        difference = {
            kind: sum(counts[kind] for counts in new.get(form_id, {}).values())
            - sum(counts[kind] for counts in old.get(form_id, {}).values())
            for kind in ("submissions", "versions")
        }
        if any(difference.values()):
            differences[form_id] = difference
    return differences
