"""How figures are written in Russian: rounding half up, decimal comma, plural forms, names of codes."""

from __future__ import annotations

from datetime import date, datetime
from decimal import ROUND_HALF_UP, Decimal

NBSP = "\u00a0"
MINUS = "\u2212"

MONTHS_GENITIVE = (
    *("января", "февраля", "марта", "апреля", "мая", "июня"),
    *("июля", "августа", "сентября", "октября", "ноября", "декабря"),
)

PERIOD_VIEWS = {"rolling_4q": "четыре квартала", "quarter": "квартал", "cohort_year": "когорта года"}
FORMS = {"all": "все", "short": "краткосрочная", "long": "долгосрочная"}
SPLITS = {"all": "все", "form": "форма", "group": "группа", "sex": "пол", "age_band": "возраст"}
SPLIT_VALUES = {  # age bands speak for themselves
    **FORMS,
    "ward": "воспитанники",
    "graduate": "выпускники",
    "other": "другие",
    "f": "женский",
    "m": "мужской",
    "unknown": "не указан",
}
STATUSES = {
    "shown": "показано",
    "suppressed_small_n": "скрыто: мало наблюдений",
    "suppressed_secondary": "скрыто: иначе раскрылось бы скрытое рядом",
    "planned": "планируется",
    "no_data": "нет данных",
}
FEW = "мало"
"""Beside figures of pairs: how many there are of one form is not told, since they are one or two."""
HIDDEN = "скрыто"
"""Beside figures of pairs after an erasure: not how many there are, nor that they are few."""
COVERAGE_BANDS = {"publish": "достаточный", "caution": "осторожно", "no_headline": "не выносить в заголовок"}
FOLLOW_UP_COLUMNS = {
    "due_soon": "срок в ближайшие 60 дней",
    "open_now": "окно открыто",
    "missed": "пропущены с начала квартала",
}
MEASURES = {
    "M2_hours": "M2: часы встреч на активную пару в месяц, медиана",
    "M2_meetings": "M2: встречи на активную пару в месяц, медиана",
    "M4": "M4: доля завершённых досрочно",
}
DEFINITION_COLUMNS = {
    "indicator_code": "Показатель",
    "definition_version": "Версия",
    "status": "Статус определения",
    "kind": "Вид",
    "companion_of": "К показателю",
    "result_code": "Результат",
    "node_code": "Узел дерева результатов",
    "name_ru": "Название",
    "short_name_ru": "Краткое название",
    "numerator_ru": "Числитель",
    "denominator_ru": "Знаменатель",
    "reference_date_ru": "На какую дату",
    "instrument": "Инструмент",
    "source_forms": "Формы",
    "scale_code": "Шкала",
    "parameters": "Параметры",
    "approved_on": "Утверждено",
    "sort_order": "Порядок",
}
RELEASE_STATES = {
    "draft": "черновик",
    "checked": "проверено",
    "method_approved": "согласовано методологом",
    "released": "выпущено",
    "superseded": "заменено новой ревизией",
}
EVIDENCE = {"data": "данные", "artefact": "документ", "catalogue": "дерево и определения", "ledger": "журнал выпусков"}
ORIGINS = {"expert": "рекомендация экспертов", "plan": "план практики"}
READINESS = {
    "met": "да",
    "partial": "частично",
    "not_met": "нет",
    "not_computable": "не вычислить",
    "not_yet_due": "рано",
}


def rounded(value: float, digits: int = 0) -> Decimal:
    """Round half up, away from zero, on the shortest decimal that names the number: 0.145 → 0.15, not 0.14."""
    return Decimal(repr(value)).quantize(Decimal(1).scaleb(-digits), rounding=ROUND_HALF_UP)


def number(value: float, digits: int = 0) -> str:
    """Write a number with a decimal comma, groups of three from 10 000 on, and a true minus."""
    written = f"{abs(rounded(value, digits)):,f}" if abs(value) >= 10_000 else f"{abs(rounded(value, digits)):f}"
    sign = MINUS if rounded(value, digits) < 0 else ""
    return sign + written.replace(",", NBSP).replace(".", ",")


def percent_digits(share: float) -> str:
    """Write a share 0–1 as whole percents without the sign."""
    return number(float(Decimal(repr(share)) * 100))


def percent(share: float) -> str:
    """Write a share 0–1 as whole percents: 0.8095 → «81 %»."""
    return f"{percent_digits(share)}{NBSP}%"


def percent_range(low: float, high: float) -> str:
    """Write an interval of shares: «60–92 %»."""
    return f"{percent_digits(low)}–{percent_digits(high)}{NBSP}%"


def plural(count: int, one: str, few: str, many: str) -> str:
    """Choose the form for a count: 1, 21 ребёнок; 2–4 ребёнка; 0, 5–20 детей."""
    tens, units = abs(count) % 100, abs(count) % 10
    if units == 1 and tens != 11:
        return one
    return few if 2 <= units <= 4 and not 12 <= tens <= 14 else many


def counted(count: int, one: str, few: str, many: str) -> str:
    """Write a count with its noun: «21 запись», «3 записи», «11 записей»."""
    return f"{number(count)}{NBSP}{plural(count, one, few, many)}"


def fewer(smallest: int) -> str:
    """Say of a small count only that it is small: «меньше 5»."""
    return f"меньше{NBSP}{number(smallest)}"


def counted_at_least(count: int, is_exact: bool, one: str, few: str, many: str) -> str:
    """Write a count with its noun, or the least that it may be: «не меньше 21 записи»; ``few`` is the genitive."""
    if is_exact:
        return counted(count, one, few, many)
    return f"не меньше {number(count)}{NBSP}{few if count % 10 == 1 and count % 100 != 11 else many}"


def day(value: date) -> str:
    """Write a day: «15 января 2022»."""
    return f"{value.day}{NBSP}{MONTHS_GENITIVE[value.month - 1]}{NBSP}{value.year}"


def moment(value: datetime) -> str:
    """Write an aware moment in its own zone: «15.01.2022 00:00 (UTC+3)»."""
    offset = value.strftime("%z")
    hours, minutes = int(offset[:3]), offset[3:5]
    zone = f"UTC{'+' if hours >= 0 else MINUS}{abs(hours)}" + ("" if minutes == "00" else f":{minutes}")
    return f"{value:%d.%m.%Y %H:%M} ({zone})"


def form_code(form_id: str) -> str:
    """Return an instrument's short code: ``f4_meeting`` → «F4»."""
    return form_id.split("_", 1)[0].upper()
