"""The candidate of a quarter: all that the page, the workbook and the release need, read once from the warehouse.

It comes from the marts that dbt has built as of the cut-off (target ``candidate``), and, for caveats and provenance,
from the raw tables and the quarantine. Only counts leave the warehouse here, and cells that must not be seen have lost
their numbers already (``vmeste.releases.disclosure``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta, tzinfo
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import psycopg
from psycopg import sql
from psycopg.pq import TransactionStatus
from psycopg.rows import dict_row

from vmeste.releases.disclosure import COLUMNS, IndicatorValue, hide
from vmeste.releases.explaining import ARRIVED_AT, EVENT_COLUMNS, columns_of_raw
from vmeste.releases.hidden_readiness import CELLS, hide_readiness
from vmeste.releases.overlaps import ClosedQuarters, hide_differences, read_told
from vmeste.releases.programmes import ALONE, Programme
from vmeste.releases.quarters import Quarter
from vmeste.releases.small_counts import hide_follow_ups

if TYPE_CHECKING:
    from vmeste.releases.comparing import Difference

QUARTERS_BACK = 8
FOLLOW_UP_DAYS = 60
PROGRAMME_MEASURES = ("M2_hours", "M2_meetings", "M4")
"""What of the programme's measures the page and the workbook show."""
REGISTRY_FORMS = ("f9_closure", "r1_mentee", "r3_pair", "r4_pair_event", "r5_consent")
"""Who is eligible follows from these, whatever the instrument."""

Row = dict[str, Any]


class CandidateError(Exception):
    """The candidate's marts are not there or not complete: the message names the relation and the way out."""


@dataclass(frozen=True, slots=True)
class Definition:
    """One indicator's definition, as in the seed ``indicator_definitions``: every column, as text.

    ``parameters`` holds the versions and values that the mart used: "sd1_sup v1 = 0.8; …".
    """

    indicator_code: str
    columns: Mapping[str, str | None]

    @property
    def name_ru(self) -> str:
        """The indicator's full name."""
        return self.columns.get("name_ru") or self.indicator_code

    @property
    def short_name_ru(self) -> str:
        """The name as leadership calls it."""
        return self.columns.get("short_name_ru") or self.name_ru

    @property
    def is_headline(self) -> bool:
        """Whether it is one of the indicators that the practice reports; a companion only stands beside one."""
        return self.columns.get("kind") != "companion"

    @property
    def companion_of(self) -> str:
        """The code of the indicator that a companion stands beside, '' for a headline."""
        return "" if self.is_headline else self.columns.get("companion_of") or ""

    @property
    def is_reliable_change(self) -> bool:
        """Whether it counts changes that the error of measurement does not explain, not any change."""
        return "reliable_change_min" in (self.columns.get("parameters") or "")

    @property
    def is_approved(self) -> bool:
        """Whether the method owner has approved this version."""
        return bool(self.columns.get("approved_on"))

    @property
    def source_forms(self) -> tuple[str, ...]:
        """The instruments that the numerator comes from, separated by blanks or commas in the seed."""
        return tuple((self.columns.get("source_forms") or "").replace(",", " ").split())

    @property
    def version(self) -> str:
        """The definition's version."""
        return self.columns.get("definition_version") or ""


@dataclass(frozen=True, slots=True)
class Parameter:
    """A threshold, window or constant of the rules, as in the seed ``parameters``: every column, as text."""

    parameter_code: str
    version: str
    value: float
    columns: Mapping[str, str | None]


@dataclass(frozen=True, slots=True)
class Break:
    """An indicator that the quarter before was released by another definition: the two values are not one series."""

    indicator_code: str
    release_id: str  # by which it was released before
    old_version: str
    new_version: str
    old_share: float | None  # of four quarters, as it was released


@dataclass(frozen=True, slots=True)
class PairFlow:
    """Pairs of one form in one quarter; None where one form has too few, or of all beside somebody erased."""

    quarter: str
    form: str  # all | short | long
    active_at_end: int | None
    started: int | None
    ended: int | None
    status: str = "shown"  # of what is None


@dataclass(frozen=True, slots=True)
class ProgrammeValue:
    """One programme measure (M2_hours, M2_meetings, M4): value in hours, meetings or share 0–1."""

    measure_code: str
    quarter: str
    period_view: str
    form: str
    numerator: float | None  # hours, meetings or pairs
    denominator: int | None  # pair-months or pairs
    value: float | None
    ci_low: float | None
    ci_high: float | None
    q1: float | None
    q3: float | None
    status: str


@dataclass(frozen=True, slots=True)
class FollowUpCount:
    """Follow-ups of one form and horizon; None where one form has too few."""

    form: str  # all | short | long
    horizon: int  # months after the pair's end
    due_soon: int | None = None  # due within FOLLOW_UP_DAYS after the cut-off
    open_now: int | None = None  # whose window is open at it
    missed: int | None = None  # since the quarter began
    is_told: bool = True  # otherwise nothing is, whatever it is


@dataclass(frozen=True, slots=True)
class ReadinessCheck:
    """One check of a recommendation of the experts (DOMAIN 7)."""

    recommendation_id: str
    section: str
    year: int
    status: str  # met | partial | not_met | not_computable | not_yet_due
    measured: float | None
    threshold: float | None
    explanation_ru: str
    check_code: str = ""
    evidence: str = "data"  # data | artefact | catalogue | ledger
    source_forms: tuple[str, ...] = ()  # of data: the instruments, beside the registry


@dataclass(frozen=True, slots=True)
class Recommendation:
    """What the experts recommended or the practice planned (DOMAIN 7), in their words."""

    recommendation_id: str
    year: int
    origin: str  # expert | plan
    section: str
    text_ru: str


@dataclass(frozen=True, slots=True)
class StandardLevel:
    """The experts' level of one section of the standard in one year; the system never predicts one."""

    section: str
    year: int
    level_ru: str


@dataclass(frozen=True, slots=True)
class LegacyFigure:
    """What the practice reported before there was this system."""

    indicator_code: str
    year: int
    numerator: int | None
    percent: int | None
    denominator: int | None
    denominator_basis: str | None  # inferred: the report gives no denominator
    text_ru: str


@dataclass(frozen=True, slots=True)
class QuarantineCount:
    """Rows that had arrived by the cut-off and still wait for a correction."""

    form_id: str
    rule: str
    rows: int


@dataclass(frozen=True, slots=True)
class LateCount:
    """Versions about events of earlier quarters that arrived after the cut-off of the quarter before: counted now."""

    form_id: str
    rows: int


@dataclass(frozen=True, slots=True)
class Provenance:
    """Submissions of one form and form version that an indicator could see as of the cut-off.

    ``versions`` counts the edits too, so that a correction shows as well as a new record.
    """

    indicator_code: str
    form_id: str
    form_version: str
    submissions: int
    versions: int


@dataclass(frozen=True, slots=True)
class FormCount:
    """Submissions of one form and form version as of the cut-off; ``versions`` counts the edits too."""

    form_id: str
    form_version: str
    submissions: int
    versions: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """Everything about one quarter, as of its cut-off."""

    quarter: Quarter
    cutoff_at: datetime  # aware, in the programme's zone
    programme_of: Programme = ALONE
    indicators: tuple[IndicatorValue, ...]  # the quarter with its splits, the headlines up to eight quarters back
    definitions: tuple[Definition, ...]
    parameters: tuple[Parameter, ...] = ()
    maturing: tuple[str, ...] = ()  # last quarters of earlier years whose follow-ups are not all closed
    breaks: tuple[Break, ...] = ()
    differences: tuple[Difference, ...] = ()  # from what was released, of this quarter and of those before
    before_hiding: Mapping[tuple[str, str, str], IndicatorValue] = field(default_factory=dict)
    """Headlines that are hidden because beside a release they would tell of somebody erased; for the ledger alone."""
    revealed: frozenset[tuple[str, str, str]] = frozenset()  # of these two releases tell, one beside the other
    pair_flow: tuple[PairFlow, ...] = ()
    programme: tuple[ProgrammeValue, ...] = ()
    follow_ups: tuple[FollowUpCount, ...] = ()
    readiness: tuple[ReadinessCheck, ...] = ()
    recommendations: tuple[Recommendation, ...] = ()
    sections: Mapping[str, str] = field(default_factory=dict)  # section of the standard → its Russian name
    levels: tuple[StandardLevel, ...] = ()
    legacy: tuple[LegacyFigure, ...] = ()
    quarantined: tuple[QuarantineCount, ...] = ()
    quarantined_rows: int = 0  # a row may break several rules
    late: tuple[LateCount, ...] = ()
    provenance: tuple[Provenance, ...] = ()
    submissions: tuple[FormCount, ...] = ()  # of every form, also of those that no indicator follows from
    form_titles: Mapping[str, str] = field(default_factory=dict)  # form → its Russian title
    closed_quarters: ClosedQuarters | None = None  # which quarters' splits could not be shown; None: nobody knows

    def headline(self, code: str, view: str, quarter: Quarter | None = None) -> IndicatorValue | None:
        """Return an indicator's cell for everybody, in the candidate's quarter unless another is named."""
        wanted = str(quarter or self.quarter)
        for value in self.indicators:
            if (value.indicator_code, value.period_view, value.quarter) == (code, view, wanted) and value.is_headline:
                return value
        return None

    def definition(self, code: str, version: str) -> Definition:
        """Return the definition that a cell was computed by."""
        for definition in self.definitions:
            if (definition.indicator_code, definition.version) == (code, version):
                return definition
        raise CandidateError(f"indicator {code}: there is no definition of version {version!r}")

    def is_companion(self, code: str) -> bool:
        """Say whether an indicator only stands beside one of those that the practice reports."""
        return any(found.indicator_code == code and not found.is_headline for found in self.definitions)

    @property
    def own_values(self) -> tuple[IndicatorValue, ...]:
        """What a release freezes: the cells of its quarter, and the headlines of earlier years' cohorts that mature."""
        return tuple(
            value
            for value in self.indicators
            if value.quarter == str(self.quarter)
            or (value.quarter in self.maturing and value.period_view == "cohort_year" and value.is_headline)
        )

    @property
    def forms(self) -> dict[str, frozenset[str]]:
        """Return the forms that each indicator's figures follow from."""
        codes = {definition.indicator_code for definition in self.definitions}
        return {code: frozenset({*REGISTRY_FORMS, *_forms_of(code, self.definitions)}) for code in codes}

    @property
    def definition_version(self) -> str:
        """The versions of the definitions used, in one line."""
        return ", ".join(sorted({value.definition_version for value in self.own_values}))


def read_candidate(
    connection: psycopg.Connection[Any],
    quarter: Quarter,
    schema_prefix: str = "candidate_",
    *,
    cutoff_at: datetime | None = None,
    zone: tzinfo = ZoneInfo("Europe/Moscow"),  # noqa: B008 - immutable
    form_titles: Mapping[str, str] | None = None,
    programme_of: Programme = ALONE,
) -> Candidate:
    """Read a quarter from the schemas ``<prefix>marts`` and ``<prefix>seeds``, all from one snapshot.

    Args:
        connection: acts as ``vmeste_transformer``.
        quarter: the quarter that the candidate's marts have been built for.
        schema_prefix: '' reads the current marts.
        cutoff_at: as of when the marts were built; the quarter's own cut-off, or a later one for a restatement.
        zone: decides the cut-off.
        form_titles: Russian titles of the forms, for the page's caveats and the workbook.
        programme_of: whose figures the schemas show.

    Raises:
        CandidateError: a relation is missing, or has no row of this quarter.
    """
    reader = _Reader(connection, schema_prefix)
    cutoff_at = cutoff_at or quarter.cutoff(zone)
    is_idle = connection.info.transaction_status == TransactionStatus.IDLE
    try:
        with connection.transaction():
            if is_idle:  # a transaction of the caller's keeps the level that the caller chose
                connection.execute("set transaction isolation level repeatable read, read only")
            closed_quarters = _closed_quarters(reader)
            indicators = hide_differences(hide(_indicators(reader, quarter)), read_told(connection), closed_quarters)
            definitions = _definitions(reader, indicators)
            parameters = _parameters(reader)
            quarantined, quarantined_rows = _quarantined(reader, cutoff_at)
            submissions = _submissions(reader, cutoff_at)
            return Candidate(
                quarter=quarter,
                cutoff_at=cutoff_at,
                programme_of=programme_of,
                indicators=indicators,
                definitions=definitions,
                parameters=parameters,
                maturing=_maturing(quarter, parameters, indicators),
                follow_ups=hide_follow_ups(_follow_ups(reader, quarter, cutoff_at)),
                readiness=_readiness(reader),
                recommendations=_recommendations(reader),
                sections=_sections(reader),
                levels=_levels(reader),
                legacy=_legacy(reader),
                quarantined=quarantined,
                quarantined_rows=quarantined_rows,
                late=_late(reader, quarter, quarter.previous.cutoff(zone), cutoff_at),
                provenance=_provenance(definitions, submissions),
                submissions=submissions,
                form_titles=dict(form_titles or {}),
                closed_quarters=closed_quarters,
            )
    except (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn, psycopg.errors.InvalidSchemaName) as error:
        raise CandidateError(
            f"the candidate of {quarter} cannot be read: {error.diag.message_primary}. Build it with "
            f"`dbt build --target candidate` as of {cutoff_at.isoformat()}"
        ) from error


def with_told(candidate: Candidate, told: Mapping[str, Sequence[Mapping[str, Any]]]) -> Candidate:
    """Return the candidate with what its release tells of pairs, programme measures and readiness, and nothing else.

    So the page, the workbook and the annex have no number that dashboards must not show, and the same rule hides it.

    Args:
        candidate: as it was read: without the numbers that depend on what else the release tells.
        told: table of ``published`` → its rows, as they are frozen or will be, and those of the quarter before.
    """
    checks = {row["check_code"]: row for row in told.get("readiness_checks", ())}
    flow = (
        PairFlow(**{name: row[name] for name in PairFlow.__slots__})
        for row in told.get("pair_flow", ())
        if row["quarter"] in (str(candidate.quarter), str(candidate.quarter.previous))
    )
    programme = (
        ProgrammeValue(
            **{name: _plain(row[name]) for name in ProgrammeValue.__slots__ if name != "form"},
            form=row["split_value"],
        )
        for row in told.get("programme_values", ())
        if row["measure_code"] in PROGRAMME_MEASURES and row["split_by"] in ("all", "form")
    )
    return replace(
        candidate,
        pair_flow=tuple(sorted(flow, key=lambda one: (one.quarter, one.form))),
        programme=tuple(sorted(programme, key=lambda one: (one.measure_code, one.quarter, one.period_view, one.form))),
        readiness=tuple(
            check
            if (row := checks.get(check.check_code)) is None
            else replace(check, measured=_plain(row["measured"]), explanation_ru=row["explanation_ru"])
            for check in candidate.readiness
        ),
    )


def without_follow_ups(candidate: Candidate) -> Candidate:
    """Return a revision after an erasure: how many follow-ups there are, beside the page before, would be the one."""
    return replace(
        candidate, follow_ups=tuple(FollowUpCount(one.form, one.horizon, is_told=False) for one in candidate.follow_ups)
    )


class _Reader:
    """Runs queries against the marts, seeds, raw tables and quarantine of one candidate."""

    def __init__(self, connection: psycopg.Connection[Any], schema_prefix: str) -> None:
        self.connection = connection
        self.marts = f"{schema_prefix}marts"
        self._schemas = {
            "marts": sql.Identifier(self.marts),
            "seeds": sql.Identifier(f"{schema_prefix}seeds"),
        }

    def rows(self, query: str, parameters: Sequence[object] = (), **identifiers: sql.Composable) -> list[Row]:
        """Run a query in which ``{marts}``, ``{seeds}`` and the given identifiers stand for their quoted names."""
        composed = sql.SQL(query).format(**self._schemas, arrived_at=ARRIVED_AT, **identifiers)
        with self.connection.cursor(row_factory=dict_row) as cursor:
            return cursor.execute(composed, parameters).fetchall()

    def raw_forms(self) -> dict[str, set[str]]:
        """Return the raw tables with their columns, in name order."""
        return columns_of_raw(self.connection)


def _indicators(reader: _Reader, quarter: Quarter) -> list[IndicatorValue]:
    first = quarter
    for _ in range(QUARTERS_BACK):
        first = first.previous
    found = reader.rows(
        # The splits of a companion stay in the mart: it has the same people as its headline, so that cells which are
        # hidden in one table would follow from the other.
        "select {columns} from {marts}.indicator_quarterly "
        "where (quarter = %s and kind is distinct from 'companion') "
        "or (split_by = 'all' and quarter between %s and %s) "
        "order by indicator_code, period_view, quarter, split_by, split_value",
        (str(quarter), str(first), str(quarter)),
        columns=sql.SQL(", ").join(map(sql.Identifier, COLUMNS)),
    )
    values = [
        IndicatorValue(
            **{name: _plain(cell) for name, cell in row.items() if name != "definition_version"},
            definition_version=str(row["definition_version"]),
        )
        for row in found
    ]
    if not any(value.quarter == str(quarter) for value in values):
        raise CandidateError(
            f"marts.indicator_quarterly has no row of {quarter}: either nothing had arrived by its cut-off, or the "
            f"candidate was built for another quarter; `dbt build --target candidate` with as_of of {quarter}"
        )
    return values


def _closed_quarters(reader: _Reader) -> frozenset[tuple[str, str, str]]:
    """Return the splits of single quarters in which a cell is hidden, whatever the quarter."""
    found = reader.rows(
        "select distinct indicator_code, split_by, quarter from {marts}.indicator_quarterly "
        "where period_view = 'quarter' and split_by <> 'all' and not is_count_shown and status <> 'planned'"
    )
    return frozenset((row["indicator_code"], row["split_by"], row["quarter"]) for row in found)


def _plain(cell: Any) -> Any:
    """Return numerics of the database as float; counts, texts and flags as they are."""
    return cell if cell is None or isinstance(cell, (str, bool, int)) else float(cell)


def _text(cell: object) -> str | None:
    return None if cell is None else str(cell)


def _seed(reader: _Reader, name: str) -> list[Row]:
    found = reader.rows("select to_jsonb(seed) as row from {seeds}.{name} as seed", name=sql.Identifier(name))
    return [row["row"] for row in found]


def _definitions(reader: _Reader, indicators: Sequence[IndicatorValue]) -> tuple[Definition, ...]:
    """Return the definitions that the cells were computed by, and every current one, whether it has a cell or not."""
    used = {(value.indicator_code, value.definition_version) for value in indicators}
    parameters = {
        (row["indicator_code"], str(row["definition_version"])): row["parameter_versions"]
        for row in reader.rows(
            "select distinct indicator_code, definition_version, parameter_versions from {marts}.indicator_quarterly"
        )
    }
    definitions = []
    for row in _seed(reader, "indicator_definitions"):
        key = (str(row["indicator_code"]), str(row["definition_version"]))
        columns = {name: _text(cell) for name, cell in row.items()} | {"parameters": parameters.get(key)}
        if key in used or row.get("is_current"):
            definitions.append(Definition(key[0], columns))
    kept = sorted(
        definitions,
        key=lambda definition: (definition.indicator_code, definition.version),
    )
    missing = used - {(definition.indicator_code, definition.version) for definition in kept}
    if missing:
        code, version = sorted(missing)[0]
        raise CandidateError(f"indicator {code}: the seed indicator_definitions has no version {version!r}")
    return tuple(kept)


def _follow_ups(reader: _Reader, quarter: Quarter, cutoff_at: datetime) -> tuple[FollowUpCount, ...]:
    cutoff_on = cutoff_at.date()
    found = reader.rows(
        "select coalesce(form, 'all') as form, horizon::int as horizon, "
        "count(*) filter (where state <> 'done' and due_on >= %s and due_on < %s)::int as due_soon, "
        "count(*) filter (where state = 'open')::int as open_now, "
        "count(*) filter (where state = 'missed' and window_closes_on >= %s)::int as missed "
        "from {marts}.followup_calendar group by grouping sets ((form, horizon), (horizon)) order by 1, 2",
        (cutoff_on, cutoff_on + timedelta(days=FOLLOW_UP_DAYS), quarter.starts_on),
    )
    return tuple(FollowUpCount(**row) for row in found)


def _readiness(reader: _Reader) -> tuple[ReadinessCheck, ...]:
    seeds = {row["check_code"]: row for row in _seed(reader, "readiness_checks")}
    found = reader.rows(
        "select recommendation_id::text as recommendation_id, section::text as section, year::int as year, status, "
        "measured, threshold, explanation_ru, check_code, evidence, counted, counted_of "
        "from {marts}.evidence_readiness order by sort_order, check_code"
    )
    names = ("check_ru", "measure_code", "split_by", "split_value")
    checks = [row | {name: seeds[row["check_code"]][name] for name in names} for row in found]
    # whose figures are told is not known here: see `with_told`
    untold = {*CELLS.values(), *((row["measure_code"], row["split_by"], row["split_value"]) for row in checks)}
    return tuple(
        ReadinessCheck(
            **{name: _plain(cell) for name, cell in row.items() if name not in ("counted", "counted_of")},
            source_forms=tuple((seeds[row["check_code"]]["source_forms"] or "").split()),
        )
        for row in hide_readiness(checks, untold)
    )


def _recommendations(reader: _Reader) -> tuple[Recommendation, ...]:
    rows = sorted(_seed(reader, "recommendations"), key=lambda row: int(row["sort_order"]))
    names = ("recommendation_id", "year", "origin", "section", "text_ru")
    return tuple(Recommendation(*(row[name] for name in names)) for row in rows)


def _sections(reader: _Reader) -> dict[str, str]:
    rows = sorted(_seed(reader, "standard_sections"), key=lambda row: int(row["sort_order"]))
    return {str(row["section"]): str(row["name_ru"]) for row in rows}


def _levels(reader: _Reader) -> tuple[StandardLevel, ...]:
    """Return the levels that the experts gave; of two for a section and year the form's, the later one first."""
    found = reader.rows(
        "select distinct on (section, year) section::text as section, year::int as year, level_ru "
        "from {marts}.expert_levels where is_confirmed "
        "order by section, year, source_kind = 'form' desc, assessed_on desc nulls last, level_ru"
    )
    return tuple(StandardLevel(**row) for row in found)


def _legacy(reader: _Reader) -> tuple[LegacyFigure, ...]:
    figures = (
        LegacyFigure(
            indicator_code=str(row["indicator_code"]),
            year=int(row["reported_year"]),
            numerator=row["reported_numerator"],
            percent=row["reported_percent"],
            denominator=row["implied_denominator"],
            denominator_basis=row["denominator_basis"],
            text_ru=str(row["reported_text_ru"]),
        )
        for row in _seed(reader, "legacy_indicators")
    )
    return tuple(sorted(figures, key=lambda figure: figure.indicator_code))


def _parameters(reader: _Reader) -> tuple[Parameter, ...]:
    rows = [row for row in _seed(reader, "parameters") if row["is_current"]]
    found = (
        Parameter(
            str(row["parameter_code"]),
            str(row["parameter_version"]),
            float(row["value"]),
            {name: _text(cell) for name, cell in row.items()},
        )
        for row in rows
    )
    return tuple(sorted(found, key=lambda parameter: parameter.parameter_code))


def _maturing(
    quarter: Quarter, parameters: Sequence[Parameter], indicators: Sequence[IndicatorValue]
) -> tuple[str, ...]:
    """Return the cohorts of earlier years of which a twelve-month follow-up could still come in this quarter."""
    days = next((found.value for found in parameters if found.parameter_code == "fu12_closes_days_after"), 0)
    there = {value.quarter for value in indicators}
    found = []
    for year in range(quarter.year - 1, quarter.year - 4, -1):
        last_window_closes_on = date(year + 1, 12, 31) + timedelta(days=days)
        cohort = str(Quarter(year, 4))
        if last_window_closes_on >= quarter.starts_on and cohort in there:
            found.append(cohort)
    return tuple(sorted(found))


def _quarantined(reader: _Reader, cutoff_at: datetime) -> tuple[tuple[QuarantineCount, ...], int]:
    """Count rows refused as of the cut-off: they may be missing from the figures.

    What became of them afterwards is no matter here, or the same cut-off would give another page tomorrow: a refused
    version counts unless a later one of its submission had arrived by then, or it was let into raw as it is.
    """
    counted: dict[tuple[str, str], int] = {}
    total = 0
    columns = reader.raw_forms()
    for form in reader.rows("select distinct form_id from quarantine.rows order by 1"):
        in_raw = sql.SQL(
            "not exists (select from raw.{form} where _source = refused.source "
            "and _submission_id = refused.submission_id and {arrived_at} > refused.arrived_at "
            "and {arrived_at} <= %s)"
        ).format(form=sql.Identifier(form["form_id"]), arrived_at=ARRIVED_AT)
        found = reader.rows(
            "select refused.rules from quarantine.rows as refused "
            "where refused.form_id = %s and refused.arrived_at <= %s and refused.state <> 'released' "
            "and refused.source <> all((select ops.unseen_sources())::text[]) "
            "and (refused.state <> 'waived' or refused.resolved_at > %s) "
            "and not exists (select from quarantine.rows as later where later.source = refused.source "
            "and later.form_id = refused.form_id and later.submission_id = refused.submission_id "
            "and later.arrived_at > refused.arrived_at and later.arrived_at <= %s) and {in_raw}",
            (form["form_id"], cutoff_at, cutoff_at, cutoff_at, cutoff_at),
            in_raw=in_raw if form["form_id"] in columns else sql.SQL("%s is not null"),
        )
        total += len(found)
        for row in found:
            for rule in row["rules"]:
                counted[form["form_id"], rule] = counted.get((form["form_id"], rule), 0) + 1
    return tuple(QuarantineCount(*key, rows) for key, rows in sorted(counted.items())), total


def _late(reader: _Reader, quarter: Quarter, former_cutoff_at: datetime, cutoff_at: datetime) -> tuple[LateCount, ...]:
    counts = []
    for form_id, columns in reader.raw_forms().items():
        event = next((sql.Identifier(name) for name in EVENT_COLUMNS if name in columns), None)
        if event is None:
            continue
        (row,) = reader.rows(
            "select count(*)::int as rows from raw.{form} "
            "where {arrived_at} > %s and {arrived_at} <= %s and {event} < %s "
            "and _source <> all((select ops.unseen_sources())::text[])",
            (former_cutoff_at, cutoff_at, quarter.starts_on),
            form=sql.Identifier(form_id),
            event=event,
        )
        if row["rows"]:
            counts.append(LateCount(form_id, row["rows"]))
    return tuple(counts)


def _submissions(reader: _Reader, cutoff_at: datetime) -> tuple[FormCount, ...]:
    return tuple(
        FormCount(form_id, row["form_version"], row["submissions"], row["versions"])
        for form_id in reader.raw_forms()
        for row in reader.rows(
            "with visible as ("
            " select distinct on (_source, _submission_id) _form_version, _operation,"
            " count(*) over (partition by _source, _submission_id) as versions"
            " from raw.{form} where {arrived_at} <= %s and _source <> all((select ops.unseen_sources())::text[])"
            " order by _source, _submission_id, {arrived_at} desc, _ingested_at desc, _content_hash desc"
            ") select _form_version as form_version, count(*)::int as submissions, sum(versions)::int as versions "
            "from visible where _operation = 'upsert' group by 1 order by 1",
            (cutoff_at,),
            form=sql.Identifier(form_id),
        )
    )


def _provenance(definitions: Sequence[Definition], submissions: Sequence[FormCount]) -> tuple[Provenance, ...]:
    return tuple(
        Provenance(code, count.form_id, count.form_version, count.submissions, count.versions)
        for code in sorted({definition.indicator_code for definition in definitions})
        for form_id in sorted({*REGISTRY_FORMS, *_forms_of(code, definitions)})
        for count in submissions
        if count.form_id == form_id
    )


def _forms_of(code: str, definitions: Sequence[Definition]) -> set[str]:
    return {form for found in definitions if found.indicator_code == code for form in found.source_forms}
