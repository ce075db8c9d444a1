"""A made-up candidate: plainly synthetic figures that meet every wording of the page."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from statsmodels.stats.proportion import proportion_confint

from vmeste.releases.candidate import (
    Candidate,
    Definition,
    FollowUpCount,
    FormCount,
    LateCount,
    LegacyFigure,
    PairFlow,
    Parameter,
    ProgrammeValue,
    Provenance,
    QuarantineCount,
    ReadinessCheck,
    Recommendation,
    StandardLevel,
)
from vmeste.releases.comparing import Difference
from vmeste.releases.disclosure import IndicatorValue, hide
from vmeste.releases.quarters import Quarter

MOSCOW = ZoneInfo("Europe/Moscow")
QUARTER = Quarter(2031, 4)
VIEWS = ("cohort_year", "quarter", "rolling_4q")

NAMES = {
    "1.1": (
        "Мотивированы на учёбу или работу",
        "Количество/доля выпускников, мотивированных на продолжение обучения и/или трудоустройство",
    ),
    "2.1": (
        "Больше поддержки вне учреждения",
        "Количество/доля воспитанников/выпускников, у которых отмечается повышение уровня поддержки вне учреждения",
    ),
    "2.1r": (
        "Надёжно больше поддержки",
        "Количество/доля воспитанников/выпускников, у которых отмечается надёжное повышение уровня поддержки",
    ),
    "2.2": (
        "Положительная обратная связь",
        "Количество/доля воспитанников/выпускников, давших положительную обратную связь о взаимодействии с наставником",
    ),
    "2.3": (
        "Общаются с наставником через 6 месяцев",
        "Количество/доля воспитанников/выпускников, продолжающих общение с наставником через 6 месяцев после "
        "завершения программы",
    ),
    "3.1": (
        "Выше социальная адаптация",
        "Количество/доля воспитанников, у которых отмечается повышение уровня социальной адаптации",
    ),
}
COMPANIONS = {
    "2.1r": {
        "kind": "companion",
        "companion_of": "2.1",
        "parameters": "reliable_change_min v1 = 1.96; sd1_sup v1 = 0.8",
    }
}
SECTIONS = {
    "regulation": "Регламентированность практики",
    "justification": "Обоснованность практики",
    "results": "Достижение социальных результатов",
    "data": "Обоснованность данных о социальных результатах",
}


def cell(
    code: str,
    achieved: int,
    measured: int,
    eligible: int,
    *,
    view: str = "rolling_4q",
    quarter: Quarter = QUARTER,
    split: tuple[str, str] = ("all", "all"),
    deteriorated: int | None = None,
    status: str = "shown",
) -> IndicatorValue:
    """Return a cell as the mart would compute it; the interval comes from statsmodels."""
    low, high = proportion_confint(achieved, measured, method="wilson") if measured else (None, None)
    coverage = measured / eligible if eligible else None
    missing = eligible - measured
    return IndicatorValue(
        indicator_code=code,
        period_view=view,
        quarter=str(quarter),
        split_by=split[0],
        split_value=split[1],
        status=status,
        eligible=eligible,
        due=eligible,
        reached=max(measured, eligible - missing // 2),
        measured=measured,
        achieved=achieved,
        share=achieved / measured if measured else None,
        ci_low=low,
        ci_high=high,
        coverage=coverage,
        coverage_band=None
        if coverage is None
        else ("publish" if coverage >= 0.8 else "caution" if coverage >= 0.6 else "no_headline"),
        worst_case=achieved / eligible if eligible else None,
        best_case=(achieved + missing) / eligible if eligible else None,
        deteriorated=deteriorated,
        deterioration_known=None if deteriorated is None else measured,
        is_count_shown=status in ("shown", "no_data") or (split[0] == "all" and status == "suppressed_small_n"),
        is_share_shown=status == "shown",
        definition_version="1",
    )


def _history() -> list[IndicatorValue]:
    """Three quarters before, with a headline that grew, one that stayed, one that was hidden."""
    past = []
    quarter = QUARTER.previous
    for back in range(3):
        past += [
            cell("1.1", 9 - back, 18 - back, 20, quarter=quarter),
            cell("2.1", 8, 12, 40, quarter=quarter, deteriorated=1),
            cell("2.2", 30 + back, 38, 40 + back, quarter=quarter),
            cell("2.3", 0, 0, 0, quarter=quarter, status="planned"),
            cell("3.1", 14 + 2 * back, 27, 30, quarter=quarter, deteriorated=2)
            if back < 2
            else cell("3.1", 4, 7, 9, quarter=quarter, status="suppressed_small_n"),
        ]
        quarter = quarter.previous
    return past


def _present() -> list[IndicatorValue]:
    present = []
    for view in VIEWS:
        present += [
            cell("1.1", 17, 21, 21, view=view),
            cell("1.1", 9, 12, 12, view=view, split=("form", "long")),
            cell("1.1", 8, 9, 9, view=view, split=("form", "short"), status="suppressed_small_n"),
            cell("2.1", 14, 20, 48, view=view, deteriorated=4),
            cell("2.1r", 8, 20, 48, view=view, deteriorated=1),
            cell("2.1", 6, 10, 27, view=view, split=("form", "long"), deteriorated=2),
            cell("2.1", 8, 10, 21, view=view, split=("form", "short"), deteriorated=2),
            cell("2.2", 40, 48, 48, view=view),
            cell("2.2", 22, 27, 27, view=view, split=("form", "long")),
            cell("2.2", 18, 21, 21, view=view, split=("form", "short")),
            cell("2.3", 0, 0, 0, view=view, status="planned"),
            cell("3.1", 16, 29, 40, view=view, deteriorated=3),
        ]
    return present


def difference(
    quarter: str = str(QUARTER), reasons: tuple[str, ...] = ("threshold",), is_hidden: bool = False
) -> Difference:
    """Return what a release of 1.1 differs by: four late rows, and one person whose window closed."""
    return Difference(
        of_release_id=f"{quarter}-r1",
        quarter=quarter,
        period_view="rolling_4q",
        indicator_code="1.1",
        old={"achieved": 17, "measured": 21, "share": 17 / 21},
        new={} if is_hidden else {"achieved": 20, "measured": 26, "share": 20 / 26},
        moves={"added": {"achieved": (3, 0), "measured": (4, 0)}, "due": {"measured": (1, 0)}},
        moved_points=4.0,
        moved_by_rows_points=3.0,
        is_break=False,
        is_hidden=is_hidden,
        reasons=reasons,
    )


def made_up_candidate() -> Candidate:
    """Return a candidate of 2031-Q4."""
    return Candidate(
        quarter=QUARTER,
        cutoff_at=QUARTER.cutoff(MOSCOW),
        indicators=hide(_present() + _history()),
        definitions=tuple(
            Definition(
                code,
                {
                    "indicator_code": code,
                    "definition_version": "1",
                    "short_name_ru": short,
                    "name_ru": name,
                    "numerator_ru": "Числитель, придуманный для проверки",
                    "denominator_ru": "=Знаменатель, который начинается со знака равенства",
                    "source_forms": "f2_self_report",
                    "approved_on": None,
                    **COMPANIONS.get(code, {"kind": "headline"}),
                },
            )
            for code, (short, name) in NAMES.items()
        ),
        parameters=tuple(
            Parameter(code, "1", value, {"parameter_code": code, "value": str(value), "unit": "made up"})
            for code, value in (
                ("coverage_caution_min", 0.6),
                ("coverage_publish_min", 0.8),
                ("percent_min_measured", 10),
                ("restatement_min_points", 5),
            )
        ),
        pair_flow=(
            PairFlow(str(QUARTER), "all", 31, 6, 11),
            PairFlow(str(QUARTER), "long", 22, 2, 4),
            PairFlow(str(QUARTER), "short", 9, 4, 7),
        ),
        programme=(
            ProgrammeValue("M2_hours", str(QUARTER), "quarter", "all", None, 74, 6.25, None, None, 4.5, 8.0, "shown"),
            ProgrammeValue("M2_hours", str(QUARTER), "quarter", "long", None, 50, 5.75, None, None, 4.0, 7.5, "shown"),
            ProgrammeValue("M2_hours", str(QUARTER), "quarter", "short", None, 24, 7.0, None, None, 6.0, 9.25, "shown"),
            ProgrammeValue("M2_meetings", str(QUARTER), "quarter", "all", None, 74, 4.0, None, None, 3.0, 5.0, "shown"),
            ProgrammeValue(
                "M2_meetings", str(QUARTER), "quarter", "long", None, 50, 4.0, None, None, 3.0, 4.0, "shown"
            ),
            ProgrammeValue("M4", str(QUARTER), "rolling_4q", "all", 5, 43, 5 / 43, 0.051, 0.245, None, None, "shown"),
            ProgrammeValue("M4", str(QUARTER), "rolling_4q", "long", 3, 22, 3 / 22, 0.047, 0.333, None, None, "shown"),
            ProgrammeValue(
                "M4",
                str(QUARTER),
                "rolling_4q",
                "short",
                None,
                None,
                None,
                None,
                None,
                None,
                None,
                "suppressed_small_n",
            ),
        ),
        follow_ups=(
            FollowUpCount("all", 6, 8, 3, 2),
            FollowUpCount("all", 12, 1, 0, 0),
            FollowUpCount("long", 6, 3, 2, 1),
            FollowUpCount("long", 12, 1, 0, 0),
            FollowUpCount("short", 6, 5, 1, 1),
            FollowUpCount("short", 12, 0, 0, 0),
        ),
        readiness=tuple(
            ReadinessCheck(
                f"R{year}-{number}",
                section,
                year,
                status,
                0.5,
                0.8,
                "Пояснение для проверки",
                source_forms=("f2_self_report",),
            )
            for section, year, number, statuses in (
                ("regulation", 2030, 1, ("met", "met", "partial", "not_computable")),
                ("justification", 2030, 2, ("met", "not_met", "not_computable")),
                ("results", 2031, 1, ("met", "partial", "not_met", "not_yet_due")),
                ("data", 2031, 2, ("met", "met", "met", "partial", "not_met")),
            )
            for status in statuses
        ),
        recommendations=tuple(
            Recommendation(f"R{year}-{number}", year, origin, section, f"Текст рекомендации {year}-{number}")
            for year, number, origin, section in (
                (2030, 1, "expert", "regulation"),
                (2030, 2, "expert", "justification"),
                (2031, 1, "expert", "results"),
                (2031, 2, "plan", "data"),
                (2031, 3, "plan", "data"),
            )
        ),
        sections=SECTIONS,
        levels=tuple(StandardLevel(section, 2030, "базовый") for section in SECTIONS),
        legacy=(
            LegacyFigure("1.1", 2030, 17, 80, 21, "inferred", "17 (80%)"),
            LegacyFigure("2.3", 2030, None, None, None, None, "планируется"),
        ),
        quarantined=(
            QuarantineCount("f2_self_report", "answers_are_in_the_list", 1),
            QuarantineCount("f4_meeting", "meeting_lies_in_the_pairs_period", 2),
            QuarantineCount("f4_meeting", "pair_is_known", 1),
        ),
        quarantined_rows=3,
        late=(LateCount("f4_meeting", 1),),
        provenance=(
            Provenance("1.1", "f2_self_report", "2030010101", 96, 99),
            Provenance("1.1", "r3_pair", "2030010101", 48, 48),
            Provenance("2.1", "f2_self_report", "2030010101", 96, 99),
        ),
        submissions=(
            FormCount("f2_self_report", "2030010101", 96, 99),
            FormCount("f2_self_report", "2031010101", 4, 4),
            FormCount("r3_pair", "2030010101", 48, 48),
        ),
        form_titles={"f2_self_report": "F2. Самоотчёт", "f4_meeting": "F4. Журнал встреч"},
    )
