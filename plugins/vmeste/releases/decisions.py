"""What leadership has to decide about a quarter, found by rules over the candidate; each rule names its reason."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from vmeste.releases.candidate import Candidate
from vmeste.releases.disclosure import IndicatorValue
from vmeste.releases.quarters import Quarter
from vmeste.releases.russian import counted, counted_at_least, percent, plural
from vmeste.releases.small_counts import least, told_rows

HEADLINE_VIEW = "rolling_4q"
"""Rates are judged over four quarters: one quarter has too few pairs."""

DETERIORATED_FROM = 3


@dataclass(frozen=True, slots=True)
class Decision:
    """One matter: a short subject, what was found, what is to be decided."""

    subject: str
    finding: str
    question: str


def decisions(candidate: Candidate) -> tuple[Decision, ...]:
    """Return the matters in order of urgency: children first, then the figures, then the data and the evidence."""
    headlines = [
        value
        for value in candidate.own_values
        if value.is_headline and value.period_view == HEADLINE_VIEW and not candidate.is_companion(value.indicator_code)
    ]
    return (
        *_deteriorations(headlines),
        *_missed_follow_ups(candidate),
        *_restatements(candidate),
        *_no_headline(headlines),
        *_quarantine(candidate),
        *_caution(headlines),
        *_not_there(headlines),
        *_unapproved(candidate),
        *_readiness(candidate),
    )


def _deteriorations(headlines: list[IndicatorValue]) -> Iterator[Decision]:
    found = [
        f"{value.indicator_code} – у {value.deteriorated} из {value.deterioration_known}"
        for value in headlines
        if value.deteriorated is not None and value.deteriorated >= DETERIORATED_FROM
    ]
    if found:
        yield Decision("Стало хуже", "; ".join(found), "кто разберёт каждый случай с куратором и психологом?")


def _missed_follow_ups(candidate: Candidate) -> Iterator[Decision]:
    missed = sum(count.missed or 0 for count in candidate.follow_ups if count.form == "all")
    if missed:
        follow_ups = counted(missed, "опрос", "опроса", "опросов")
        verb = plural(missed, "пропущен", "пропущены", "пропущено")
        yield Decision("Повторные опросы", f"с начала квартала {verb} {follow_ups}", "кто восстановит контакт?")


def _restatements(candidate: Candidate) -> Iterator[Decision]:
    """Name the released quarters of which a new revision is due."""
    due: dict[str, list[str]] = {}
    for found in candidate.differences:
        if found.reasons and found.of_quarter != str(candidate.quarter):
            codes = due.setdefault(found.of_quarter, [])
            if found.indicator_code not in codes:
                codes.append(found.indicator_code)
    if due:
        quarters = "; ".join(
            f"{Quarter.parse(quarter).label_ru}: {', '.join(codes)}" for quarter, codes in sorted(due.items())
        )
        yield Decision("Пересмотр", quarters, "выпустить новую ревизию?")


def _no_headline(headlines: list[IndicatorValue]) -> Iterator[Decision]:
    found = _coverages(headlines, "no_headline")
    if found:
        yield Decision("Не выносить в заголовок", found, "как наладить сбор замеров?")


def _caution(headlines: list[IndicatorValue]) -> Iterator[Decision]:
    found = _coverages(headlines, "caution")
    if found:
        yield Decision("Осторожно", found, "называть долю только вместе с охватом")


def _coverages(headlines: list[IndicatorValue], band: str) -> str:
    return "; ".join(
        f"{value.indicator_code} – измерены {value.measured} из {value.eligible} ({percent(value.coverage)})"
        for value in headlines
        if value.coverage_band == band and value.coverage is not None
    )


def _quarantine(candidate: Candidate) -> Iterator[Decision]:
    count = candidate.quarantined_rows
    if count:
        rows = quarantined_rows(candidate)
        verb = plural(count, "не учтена", "не учтены", "не учтено")
        yield Decision("Карантин", f"{verb} {rows}" if _is_told(candidate) else f"{rows} не учтено", "кто их исправит?")


def by_form(candidate: Candidate) -> dict[str, list[int]]:
    """Return form → how many rows broke each rule, of the rows in quarantine."""
    forms: dict[str, list[int]] = {}
    for broken in candidate.quarantined:
        forms.setdefault(broken.form_id, []).append(broken.rows)
    return forms


def quarantined_rows(candidate: Candidate) -> str:
    """Say how many rows are in quarantine; where a rule was broken by few, only how many there are at least."""
    if _is_told(candidate):
        total, is_exact = candidate.quarantined_rows, True
    else:  # a row may break several rules of its form
        most, is_exact = [max(counts) for counts in by_form(candidate).values()], False
        total, _ = least(most)
    return counted_at_least(total, is_exact, "запись", "записи", "записей")


def _is_told(candidate: Candidate) -> bool:
    return told_rows(candidate.quarantined_rows) is not None and all(
        told_rows(broken.rows) is not None for broken in candidate.quarantined
    )


def _not_there(headlines: list[IndicatorValue]) -> Iterator[Decision]:
    planned = [value.indicator_code for value in headlines if value.status == "planned"]
    if planned:
        yield Decision("Планируется", ", ".join(planned), "подтвердить, что сбор начнётся в срок")
    empty = [value.indicator_code for value in headlines if value.status == "no_data"]
    if empty:
        yield Decision("Нет данных", ", ".join(empty), "кто отвечает за сбор?")


def _unapproved(candidate: Candidate) -> Iterator[Decision]:
    open_ = [found for found in candidate.definitions if not found.is_approved]
    codes = sorted({found.indicator_code for found in open_ if found.is_headline})
    companions = {found.indicator_code for found in open_ if not found.is_headline}
    if companions:
        codes.append(counted(len(companions), "сопутствующий", "сопутствующих", "сопутствующих"))
    if codes:
        yield Decision("Определения не утверждены", ", ".join(codes), "когда их утвердит методолог?")


def _readiness(candidate: Candidate) -> Iterator[Decision]:
    failed = sum(check.status == "not_met" for check in candidate.readiness)
    open_ = sum(check.status == "not_computable" for check in candidate.readiness)
    found = []
    if failed:
        found.append(counted(failed, "проверка не выполнена", "проверки не выполнены", "проверок не выполнено"))
    if open_:
        found.append(f"{counted(open_, 'проверке', 'проверкам', 'проверкам')} не хватает документа или данных")
    if found:
        yield Decision("Рекомендации экспертов", "; ".join(found), "что подготовить к следующей оценке?")
