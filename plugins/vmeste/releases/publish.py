"""Freezing a quarter: from a candidate and its approvals to rows of ``published`` that nobody can change.

The schema refuses changes of released rows for every role (migrations ``0003_published.sql``, ``0007_ledger.sql``). A
correction is a new revision, made only when the rule of ``vmeste.releases.restating`` calls for one;
``published.restatements`` says what it changed, and ``ledger.restatement_causes`` why.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from vmeste.releases import companion_tables, comparing, seal
from vmeste.releases.candidate import Candidate, Provenance
from vmeste.releases.checks import failed_checks
from vmeste.releases.comparing import Difference
from vmeste.releases.disclosure import COLUMNS, SUPPRESSION_VERSION, hide
from vmeste.releases.explaining import STEPS
from vmeste.releases.overlaps import hide_differences, read_told
from vmeste.releases.programmes import RELEASE_ID
from vmeste.releases.restating import ERROR

logger = logging.getLogger(__name__)

ROLES = {"method": "согласовал(а) методолог", "director": "выпустил(а) директор"}
"""Who approves, in this order, and how the page says it."""

CHECKSUM_VERSION = 2
_COLUMNS_OF_1 = (
    *("indicator_code", "period_view", "quarter", "split_by", "split_value", "status", "eligible", "due", "reached"),
    *("measured", "achieved", "share", "ci_low", "ci_high", "coverage", "coverage_band", "worst_case", "best_case"),
    *("deteriorated", "deterioration_known", "is_count_shown", "is_share_shown", "definition_version"),
)
"""The columns of a cell that version 1 of the checksum covers, for good."""

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
    checksum_version: int = CHECKSUM_VERSION
    approvals: tuple[Approval, ...] = ()
    released_at: datetime | None = None
    reasons: tuple[str, ...] = ()  # moved | threshold | disclosure | error: why there is another revision

    def has_figures_of(self, candidate: Candidate) -> bool:
        """Say whether a candidate has the figures that this release has, or would freeze."""
        return self.checksum == checksum_of(candidate, self.checksum_version, self.suppression_version)


@dataclass(frozen=True, slots=True, kw_only=True)
class Computed:
    """How a candidate came about, for the ledger: none of it changes what the figures are."""

    marts: str | None = None  # schema of the outcomes that the candidate was counted from
    built_at: datetime | None = None  # when those marts began to be built
    rules_checksum: str | None = None  # of the dbt project that built them


@dataclass(frozen=True, slots=True, kw_only=True)
class Assessment:
    """What publishing a candidate now would make."""

    release: Release  # the draft of the next revision, or the release that stands
    differences: tuple[Difference, ...] = ()  # from the latest revision of the same quarter
    errors: tuple[int, ...] = ()  # declared errors that the revision would answer

    @property
    def stands(self) -> bool:
        """Whether nothing is to be released: the same figures, or differences that are no restatement."""
        return self.release.state == "released"


def draft(
    connection: psycopg.Connection[Any],
    candidate: Candidate,
    *,
    code_revision: str,
    prepared_by: str,
    computed: Computed | None = None,
) -> Assessment:
    """Return what ``publish`` would make of a candidate now, for the page that the approvers look at. Writes nothing.

    Raises:
        PublishError: the latest revision knows more than the candidate.
        ExplanationError: a difference cannot be explained to the last mentee.
    """
    latest = _latest(connection, str(candidate.quarter))
    if latest is not None and latest.has_figures_of(candidate):
        return Assessment(release=latest)
    planned = _planned(candidate, latest, code_revision=code_revision, prepared_by=prepared_by)
    if latest is None:
        return Assessment(release=planned)
    if latest.cutoff_at > candidate.cutoff_at:
        raise PublishError(
            f"{latest.release_id} stands as of {latest.cutoff_at.isoformat()}, later than "
            f"{candidate.cutoff_at.isoformat()}: a revision cannot know less than the one before; prepare it as of "
            "that cut-off or a later one"
        )
    found = comparing.differences(connection, candidate, latest.release_id, (computed or Computed()).marts)
    errors = open_errors(connection, str(candidate.quarter))
    reasons = sorted({reason for difference in found for reason in difference.reasons} | ({ERROR} if errors else set()))
    if not reasons:
        return Assessment(release=latest, differences=found)
    return Assessment(release=replace(planned, reasons=tuple(reasons)), differences=found, errors=tuple(errors))


def open_errors(connection: psycopg.Connection[Any], quarter: str) -> dict[int, str]:
    """Return the errors declared for a quarter that no revision has answered, with their reasons."""
    rows = connection.execute(
        "select error_id, reason from ledger.declared_errors as declared where quarter = %s and not exists ("
        "select from ledger.mended_errors as mended where mended.error_id = declared.error_id) order by error_id",
        (quarter,),
    ).fetchall()
    return dict(rows)


def declare_error(connection: psycopg.Connection[Any], quarter: str, reason: str, declared_by: str) -> None:
    """Keep that a released quarter is wrong and why; its next revision then needs no movement of a headline.

    Raises:
        PublishError: nothing has been released for that quarter, or the reason is empty.
    """
    if not reason.strip() or not declared_by.strip():
        raise PublishError("an error is declared with a reason and by somebody: neither may be empty")
    if _latest(connection, quarter) is None:
        raise PublishError(f"nothing has been released for {quarter}: there is nothing to declare an error of")
    connection.execute(
        "insert into ledger.declared_errors (quarter, reason, declared_by) values (%s, %s, %s)",
        (quarter, reason.strip(), declared_by.strip()),
    )
    connection.commit()


def reject(
    connection: psycopg.Connection[Any],
    *,
    release_id: str,
    checksum: str,
    role: str,
    user: str,
    refused_at: datetime,
    reason: str,
) -> None:
    """Keep that a draft was rejected, by whom, when and why. The same again changes nothing.

    Args:
        connection: acts as ``vmeste_transformer``.
        release_id: the draft.
        checksum: names the figures that were looked at.
        role: method or director.
        user: who rejects.
        refused_at: an aware moment.
        reason: in the words of who rejects; not empty.
    """
    _keep_refusal(connection, "rejected", (release_id, checksum, role, user, refused_at, reason))


def withdraw(
    connection: psycopg.Connection[Any], *, release_id: str, role: str, user: str, withdrawn_at: datetime, reason: str
) -> None:
    """Keep that an approval of a draft does not count any more if it was given before this moment.

    Raises:
        PublishError: the release stands already, it is not the quarter's next one, the role is unknown, or nobody or no
            reason is named.
    """
    if role not in ROLES:
        raise PublishError(f"unknown role {role!r}: an approval is given as {' or '.join(ROLES)}")
    if not user.strip() or not reason.strip():
        raise PublishError("an approval is withdrawn by somebody and with a reason: neither may be empty")
    named = RELEASE_ID.match(release_id)
    if named is None:
        raise PublishError(f"{release_id!r} is no release's name: expected one such as 2021-Q4-r1")
    quarter = named["quarter"]
    # not while somebody publishes: either this comes first and counts, or it comes too late and says so
    connection.execute("select pg_advisory_xact_lock(hashtext(%s))", (_LOCK,))
    latest = _latest(connection, quarter)
    following = f"{release_id.rpartition('-r')[0]}-r{1 if latest is None else latest.revision + 1}"
    if release_id != following:
        connection.rollback()
        if _releases(connection, sql.SQL("r.release_id = %s"), release_id):
            raise PublishError(
                f"{release_id} is released already: an approval cannot be withdrawn any more. If it is wrong, declare "
                f"the error (`vmeste release declare-error {quarter} --reason …`) and release a revision"
            )
        raise PublishError(f"{release_id} is not what would be released next: name the draft, {following}")
    _keep_refusal(connection, "withdrawn", (release_id, None, role, user.strip(), withdrawn_at, reason.strip()))


def _keep_refusal(connection: psycopg.Connection[Any], kind: str, row: tuple[object, ...]) -> None:
    connection.execute(
        "insert into ledger.refusals (kind, release_id, checksum, role, user_name, refused_at, reason) "
        "values (%s, %s, %s, %s, %s, %s, %s) on conflict do nothing",
        (kind, *row),
    )
    connection.commit()


def publish(
    connection: psycopg.Connection[Any],
    candidate: Candidate,
    approvals: Sequence[Approval],
    code_revision: str,
    prepared_by: str,
    *,
    validation: Mapping[str, Any] | None = None,
    approved_checksum: str | None = None,
    computed: Computed | None = None,
    before_commit: Callable[[Release], None] | None = None,
) -> str:
    """Freeze a candidate in one transaction and return its ``release_id``.

    The same figures again give the release that has them and change nothing; so do figures that differ less than the
    rule of restatement asks for. Others become the quarter's next revision, with a row in ``published.restatements``
    for each headline that changed and its causes beside it.

    Args:
        connection: acts as ``vmeste_transformer``; a transaction that is open on it is committed with the release.
        candidate: what is released; its cells are hidden once more, whoever made it and whatever was released since.
        approvals: one of the method owner (``method``), then one of the director.
        code_revision: the git commit that computed the candidate, or 'unknown'.
        prepared_by: who prepared it: not the director who releases it.
        validation: results of checks made elsewhere, kept beside this module's own.
        approved_checksum: what the approvers saw; None: the candidate is what they saw.
        computed: where the candidate's outcomes are; without it nothing is kept to explain later differences by, and
            the release has no companion tables.
        before_commit: is given the release when all its rows are there; if it raises, nothing is released.

    Raises:
        PublishError: an approval is missing, withdrawn or is the preparer's own, a check failed, or other cells must be
            hidden than the approvers saw. Nothing is written, and the release that stands stays.
    """
    method, director = _approved(approvals, prepared_by)
    computed = computed or Computed()
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
            if approved_checksum not in (None, checksum_of(candidate)):
                raise PublishError(
                    f"{candidate.quarter} is not released: another release has told of the same people since the page "
                    "was shown, so that this one must hide more. Run the refresh again, and approve what it shows"
                )
            found = draft(
                connection, candidate, code_revision=code_revision, prepared_by=prepared_by, computed=computed
            )
            release = found.release
            if found.stands:
                logger.info("%s stands as %s: nothing to publish", candidate.quarter, release.release_id)
            else:
                _refuse_withdrawn(connection, release, (method, director))
                _insert(connection, candidate, release, {"failed": [], **(validation or {})}, computed)
                _keep_outcomes(connection, candidate, release, computed)
                _restate(connection, candidate, release, found)
                _keep_late(connection, candidate, release, computed)
                if computed.marts is not None:
                    companion_tables.freeze(connection, release.release_id, candidate.quarter, computed.marts)
                _walk_to_released(connection, release.release_id, method, director)
                seal.set_seal(connection, release.release_id)
                logger.info("%s released as %s", candidate.quarter, release.release_id)
            if before_commit is not None:
                before_commit(read_release(connection, release.release_id))
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


def released_ids(connection: psycopg.Connection[Any]) -> list[str]:
    """Return every release, oldest quarter first."""
    rows = connection.execute("select release_id from published.releases order by quarter, revision").fetchall()
    return [release_id for (release_id,) in rows]


def verify(connection: psycopg.Connection[Any], release_id: str) -> tuple[str, ...]:
    """Recompute a release's checksum and seal from the rows that stand now; say what differs, nothing if all agrees.

    A release of checksum version 1 has no seal: only that something differs can be said of it, not where.

    Raises:
        PublishError: there is no release of this name.
    """
    release = read_release(connection, release_id)
    problems = list(seal.broken(connection, release_id)) if release.checksum_version > 1 else []
    with connection.cursor(row_factory=dict_row) as cursor:
        columns = _COLUMNS_OF_1 if release.checksum_version == 1 else COLUMNS
        query = sql.SQL("select {} from published.indicator_values where release_id = %s").format(
            sql.SQL(", ").join(map(sql.Identifier, columns))
        )
        values = cursor.execute(query, (release_id,)).fetchall()
        definitions = cursor.execute(
            "select indicator_code, definition_version, definition from published.indicator_definitions "
            "where release_id = %s",
            (release_id,),
        ).fetchall()
        parameters = cursor.execute(
            "select parameter_code, parameter from published.parameters where release_id = %s", (release_id,)
        ).fetchall()
    recomputed = _checksum(
        release.checksum_version,
        release.quarter,
        release.cutoff_at,
        release.suppression_version,
        {(row["indicator_code"], row["definition_version"]): row["definition"] for row in definitions},
        {row["parameter_code"]: row["parameter"] for row in parameters},
        values,
    )
    if recomputed != release.checksum:
        problems.append(
            f"published.releases, {release_id}, checksum: {release.checksum}, but its figures, definitions and "
            f"parameters give {recomputed}"
        )
    return tuple(problems)


def checksum_of(
    candidate: Candidate, version: int = CHECKSUM_VERSION, suppression_version: str = SUPPRESSION_VERSION
) -> str:
    """Return the SHA-256 of the figures, definitions and parameters that a release of this candidate would freeze.

    With the versions of a release that stands it says whether these are the figures of that release. Who prepared and
    approved it, when, and by which code is not in it: the same figures are the same release.
    """
    values = candidate.own_values
    if version == 1:  # before earlier cohorts were carried along
        values = tuple(value for value in values if value.quarter == str(candidate.quarter))
    return _checksum(
        version,
        str(candidate.quarter),
        candidate.cutoff_at,
        suppression_version,
        {(found.indicator_code, found.version): found.columns for found in candidate.definitions},
        {found.parameter_code: found.columns for found in candidate.parameters},
        [asdict(value) for value in hide(values)],
    )


def _checksum(
    version: int,
    quarter: str,
    cutoff_at: datetime,
    suppression_version: str,
    definitions: Mapping[tuple[str, str], Mapping[str, str | None]],
    parameters: Mapping[str, Mapping[str, str | None]],
    values: Iterable[Mapping[str, Any]],
) -> str:
    columns = _COLUMNS_OF_1 if version == 1 else COLUMNS
    content = {
        "quarter": quarter,
        "cutoff_at": cutoff_at.astimezone(UTC).isoformat(),
        "suppression_version": suppression_version,
        "definitions": [[*key, dict(sorted(columns.items()))] for key, columns in sorted(definitions.items())],
        "columns": columns,
        "values": sorted([[value[name] for name in columns] for value in values], key=lambda row: row[:5]),
    }
    if version > 1:
        content["parameters"] = [[code, dict(sorted(found.items()))] for code, found in sorted(parameters.items())]
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


def _refuse_withdrawn(connection: psycopg.Connection[Any], release: Release, approvals: Sequence[Approval]) -> None:
    for approval in approvals:
        row = connection.execute(
            "select user_name, reason from ledger.refusals where release_id = %s and role = %s "
            "and kind = 'withdrawn' and refused_at >= %s order by refused_at desc limit 1",
            (release.release_id, approval.role, approval.approved_at),
        ).fetchone()
        if row is not None:
            user, reason = row
            raise PublishError(
                f"{user} has withdrawn the approval of {release.release_id} as {approval.role} ({reason}): nothing is "
                f"released, run {release.quarter} again to ask for both approvals anew"
            )


def _planned(candidate: Candidate, latest: Release | None, *, code_revision: str, prepared_by: str) -> Release:
    revision = 1 if latest is None else latest.revision + 1
    return Release(
        release_id=candidate.programme_of.release_id(candidate.quarter, revision),
        quarter=str(candidate.quarter),
        revision=revision,
        state="draft",
        cutoff_at=candidate.cutoff_at,
        prepared_by=prepared_by,
        definition_version=candidate.definition_version,
        code_revision=code_revision,
        suppression_version=SUPPRESSION_VERSION,
        checksum=checksum_of(candidate),
    )


def _latest(connection: psycopg.Connection[Any], quarter: str) -> Release | None:
    found = _releases(connection, sql.SQL("r.quarter = %s and r.state = 'released'"), quarter)
    return max(found, key=lambda release: release.revision, default=None)


def _releases(connection: psycopg.Connection[Any], condition: sql.SQL, parameter: str) -> list[Release]:
    query = sql.SQL(
        "select r.release_id, r.quarter, r.revision, l.state, r.cutoff_at, r.prepared_by, r.definition_version, "
        "r.code_revision, r.suppression_version, r.checksum, r.checksum_version, r.approvals, r.released_at, r.reasons "
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
                "reasons": tuple(row["reasons"]),
            }
        )
        for row in rows
    ]


def _insert(
    connection: psycopg.Connection[Any],
    candidate: Candidate,
    release: Release,
    validation: Mapping[str, Any],
    computed: Computed,
) -> None:
    connection.execute(
        "insert into published.releases (release_id, quarter, revision, state, cutoff_at, prepared_by, prepared_at, "
        "definition_version, code_revision, suppression_version, validation, provenance, checksum, checksum_version, "
        "rules_checksum, built_at, reasons, time_zone) "
        "values (%s, %s, %s, 'draft', %s, %s, now(), %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
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
            release.checksum_version,
            computed.rules_checksum,
            computed.built_at,
            list(release.reasons),
            str(candidate.cutoff_at.tzinfo),
        ),
    )
    insert = sql.SQL("insert into published.indicator_values ({}) values ({})").format(
        sql.SQL(", ").join(map(sql.Identifier, ("release_id", *COLUMNS))),
        sql.SQL(", ").join(sql.Placeholder() * (len(COLUMNS) + 1)),
    )
    with connection.cursor() as cursor:
        # not COPY, which PostgreSQL refuses where policies say whose rows may be written
        cursor.executemany(insert, [(release.release_id, *asdict(value).values()) for value in candidate.own_values])
        cursor.executemany(
            "insert into published.indicator_definitions values (%s, %s, %s, %s, %s)",
            [
                (release.release_id, found.indicator_code, found.version, found.name_ru, Jsonb(dict(found.columns)))
                for found in candidate.definitions
            ],
        )
        cursor.executemany(
            "insert into published.parameters values (%s, %s, %s, %s, %s)",
            [
                (release.release_id, found.parameter_code, found.version, found.value, Jsonb(dict(found.columns)))
                for found in candidate.parameters
            ],
        )


def _keep_outcomes(
    connection: psycopg.Connection[Any], candidate: Candidate, release: Release, computed: Computed
) -> None:
    """Keep who was counted how in the headlines that the release freezes."""
    if computed.marts is None:
        return
    connection.execute(
        sql.SQL(
            "insert into ledger.outcomes select %s, indicator_code, period_view, quarter, mentee_key, is_due, "
            "is_reached, is_measured, is_achieved, is_deteriorated from {}.fct_indicator_outcome "
            "where is_eligible and (quarter = %s or (period_view = 'cohort_year' and quarter = any(%s)))"
        ).format(sql.Identifier(computed.marts)),
        (release.release_id, release.quarter, list(candidate.maturing)),
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


def _restate(connection: psycopg.Connection[Any], candidate: Candidate, release: Release, found: Assessment) -> None:
    """Write what a further revision changed in each headline, and why."""
    if not found.differences and not found.errors:
        return
    for difference in found.differences:
        code = difference.indicator_code
        previous = difference.of_release_id
        row = connection.execute(
            "select provenance from published.releases where release_id = %s", (previous,)
        ).fetchone()
        counted = _rows_by_kind(
            ({} if row is None else row[0]).get(code, {}), _provenance_tree(candidate.provenance).get(code, {})
        )
        for form_id, kinds in comparing.rows_by_kind(connection, candidate, previous, code).items():
            counted.setdefault(form_id, {}).update(kinds)
        connection.execute(
            "insert into published.restatements (release_id, previous_release_id, quarter, period_view, "
            "indicator_code, old, new, moved_points, rows_by_kind, is_break, moved_by_rows_points, reasons) "
            "values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
            (
                release.release_id,
                previous,
                difference.quarter,
                difference.period_view,
                code,
                Jsonb(difference.old),
                Jsonb(difference.new),
                difference.moved_points,
                Jsonb(counted),
                difference.is_break,
                difference.moved_by_rows_points,
                list(difference.reasons),
            ),
        )
        with connection.cursor() as cursor:
            cursor.executemany(
                "insert into ledger.restatement_causes values (%s, %s, %s, %s, %s, %s, %s, %s, %s)",
                [
                    (
                        *(release.release_id, previous, difference.quarter, difference.period_view, code),
                        *(cause, step, *steps[step]),
                    )
                    for cause, steps in sorted(difference.moves.items())
                    for step in STEPS
                    if step in steps
                ],
            )
    with connection.cursor() as cursor:
        cursor.executemany(
            "insert into ledger.mended_errors values (%s, %s)", [(error, release.release_id) for error in found.errors]
        )


def _keep_late(connection: psycopg.Connection[Any], candidate: Candidate, release: Release, computed: Computed) -> None:
    """Write what arrived late for the quarters released before, and what it does to their headlines."""
    for released in comparing.earlier_releases(connection, candidate.quarter, candidate.cutoff_at):
        row = connection.execute("select quarter from published.releases where release_id = %s", (released,)).fetchone()
        quarter = "" if row is None else row[0]
        with connection.cursor() as cursor:
            cursor.executemany(
                "insert into ledger.late_rows values (%s, %s, %s, %s, %s)",
                [
                    (release.release_id, quarter, form_id, kind, count)
                    for form_id, kind, count in comparing.late_rows(connection, released, candidate.cutoff_at)
                ],
            )
    with connection.cursor() as cursor:
        cursor.executemany(
            "insert into ledger.late_effects values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
            [
                (
                    *(release.release_id, found.of_release_id, found.quarter, found.period_view),
                    *(found.indicator_code, Jsonb(found.old), Jsonb(found.new), found.moved_points),
                    *(found.moved_by_rows_points, found.is_break, list(found.reasons), Jsonb(_said(found))),
                )
                for found in comparing.earlier_differences(connection, candidate, computed.marts)
            ],
        )


def _said(difference: Difference) -> dict[str, dict[str, list[int]]]:
    """Arrange as cause → step → mentees who entered, mentees who left."""
    return {
        cause: {step: list(steps[step]) for step in STEPS if step in steps}
        for cause, steps in sorted(difference.moves.items())
    }


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
