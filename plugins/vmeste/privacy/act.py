"""The act of an erasure: a PDF in Russian that says what was taken from where, what stays and why, what is to be done.

It names nobody: the person is the number of the erasure, and the reason is the document that it refers to.
"""

from __future__ import annotations

import html
from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path

from vmeste.privacy.subject import Report
from vmeste.settings import Settings
from vmeste.sources import load_sources
from vmeste.sources.config import FilesConfig
from vmeste.warehouse.connect import airflow_url

PLACES = {
    "vault answers": "Хранилище: ответы, которые указывают на человека",
    "vault keys": "Хранилище: коды и ключи",
    "landing (rows)": "Принятые пакеты: записи",
    "landing (rows marked)": "Принятые пакеты: записи других людей, ключ заменён",
    "raw (rows)": "Таблицы raw: версии записей",
    "raw (rows marked)": "Таблицы raw: записи других людей, ключ заменён",
    "quarantine (rows)": "Карантин: записи",
    "quarantine (rows marked)": "Карантин: записи других людей, ключ заменён",
    "derived schemas dropped": "Расчётные схемы: удалены и построены заново",
    "ledger outcomes": "Исходы, которыми объясняются выпуски",
    "drafts of releases": "Черновики выпусков",
    "curators' lists written anew": "Списки кураторов: записаны заново",
    "words in logs": "Журналы: слова затёрты",
    "rows of Airflow": "Airflow: записи (XCom, параметры, события)",
}


def path_of(settings: Settings, erasure_id: str) -> Path:
    """Return where an erasure's act lies."""
    return settings.home / "erasures" / f"{erasure_id}.pdf"


def write(
    settings: Settings, report: Report, reason: str, requested_by: str, requested_at: datetime, done_at: datetime
) -> Path:
    """Write the act and return its path; only the pipeline's user may read it."""
    from weasyprint import HTML
    from weasyprint.urls import URLFetcher

    path = path_of(settings, report.erasure_id)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.parent.chmod(0o700)
    text = text_of(settings, report, reason, requested_by, requested_at, done_at)
    part = path.with_suffix(".part")
    part.touch(mode=0o600)
    HTML(string=text, url_fetcher=URLFetcher(allowed_protocols=())).write_pdf(part)
    part.replace(path)
    return path


def text_of(
    settings: Settings, report: Report, reason: str, requested_by: str, requested_at: datetime, done_at: datetime
) -> str:
    """Return the act as HTML."""
    zone = settings.zone
    who = {"mentee": "воспитанник или выпускник", "mentor": "наставник"}[report.kind]
    rows = [(PLACES.get(place, place), count) for place, count in sorted(report.counts.items()) if count]
    forms = sorted(report.submissions.items())
    gone_on = (done_at + timedelta(days=settings.backup_days)).astimezone(zone)
    stays = [
        "Выпущенные сводные показатели: в них нет строк о человеке. Выпущенные ревизии не пересчитываются; новая "
        "ревизия того же квартала не публикуется, если она отличалась бы от прежней одним этим человеком.",
        "Пустая запись на месте каждой удалённой (без ответов, ключей и времени), чтобы числа с источником сходились, "
        "и необратимая метка, по которой повторно пришедшие записи не принимаются.",
        f"Копии базы, сделанные раньше: исчезнут до {gone_on:%d.%m.%Y} (срок хранения {settings.backup_days} дн.). "
        "После восстановления из такой копии удаление надо повторить.",
    ]
    if report.kind == "mentor":
        stays.append(
            "Ответы воспитанников и выпускников, встречи и события их пар: это их данные. На месте ключа наставника "
            "стоит метка, которая ни к кому не ведёт."
        )
    by_hand = [
        *_sources(settings, report),
        "Бумажные анкеты, карточка, реестр кодов, письма и выгрузки, сделанные людьми.",
        "Свободный текст в записях о других людях: программа не может знать, что в нём назван этот человек.",
        "Носители: затёртое место файловой системы и её снимки — по правилам центра.",
    ]
    if not settings.is_embedded:
        by_hand.append("Журнал предзаписи (WAL) и архив WAL своего сервера PostgreSQL: администратору.")
    if airflow_url(settings) is None:
        by_hand.append("Таблицы Airflow (XCom, параметры, события): VMESTE_AIRFLOW_URL не задан; администратору.")
    return f"""<!doctype html><html lang="ru"><head><meta charset="utf-8"><title>Акт об удалении</title><style>
@page {{ size: A4; margin: 18mm 20mm }}
body {{ font: 10.5pt/1.35 "DejaVu Sans", sans-serif }} h1 {{ font-size: 15pt; margin: 0 0 4mm }}
h2 {{ font-size: 11.5pt; margin: 5mm 0 1.5mm }} table {{ border-collapse: collapse; width: 100% }}
td, th {{ border-bottom: .3pt solid #888; padding: .8mm 0; text-align: left; vertical-align: top }}
td:last-child, th:last-child {{ text-align: right; white-space: nowrap; padding-left: 6mm }} li {{ margin: .8mm 0 }}
</style></head><body>
<h1>Акт об удалении персональных данных</h1>
<table>
{_line("Номер удаления (вместо имени и кода)", report.erasure_id)}
{_line("Кто удалён", who)}
{_line("Основание", reason)}
{_line("Запросил(а)", f"{requested_by}, {requested_at.astimezone(zone):%d.%m.%Y %H:%M}")}
{_line("Выполнено", f"{done_at.astimezone(zone):%d.%m.%Y %H:%M}")}
</table>
<h2>Что удалено</h2>
<table>{"".join(_line(place, str(count)) for place, count in rows)}</table>
<h2>Удалённые записи по формам</h2>
<table>{"".join(_line(form_id, str(count)) for form_id, count in forms) or _line("записей не было", "0")}</table>
<h2>Что осталось и почему</h2><ul>{_items(stays)}</ul>
<h2>Что надо удалить вручную</h2><ul>{_items(by_hand)}</ul>
<p style="margin-top: 10mm">Ответственный: ______________________ &nbsp;&nbsp; Дата: ______________</p>
</body></html>"""


def _sources(settings: Settings, report: Report) -> list[str]:
    lines = []
    for source in load_sources(settings.sources).sources:
        forms = ", ".join(form_id for form_id in source.forms if form_id in report.submissions)
        if not forms:
            continue
        if isinstance(source, FilesConfig):
            kind, where, moved = "папка", source.location, source.move_read_to
            rest = f", и в папке прочитанных {moved}" if moved else ""
            lines.append(f"Источник «{source.name}» ({kind} {where}): строки файлов форм {forms}{rest}.")
        else:
            lines.append(f"Источник «{source.name}» ({source.kind}, {source.server}): записи форм {forms}.")
    return lines


def _line(name: str, value: str) -> str:
    return f"<tr><td>{html.escape(name)}</td><td>{html.escape(value)}</td></tr>"


def _items(lines: Iterable[str]) -> str:
    return "".join(f"<li>{html.escape(line)}</li>" for line in lines)
