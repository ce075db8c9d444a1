"""What Superset says in Russian beyond its own translation: words of the interface, and pages for what goes wrong."""

from __future__ import annotations

import functools
import json
import os
import re
from importlib.resources import files
from pathlib import Path
from typing import Any

import warming
from english import ENDING
from flask import Flask, Response, abort, redirect, request
from flask_babel import get_locale
from flask_login import current_user
from sqlalchemy import create_engine
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import NullPool

FIRST_PAGE = "/superset/dashboard/leadership/"
DASHBOARD = re.compile(rf"/superset/dashboard/(leadership|indicators|sustainability|evidence|quality)({ENDING})?/?")
LISTS_OF_CHARTS = ("/chart/list", "/chart/add", "/explore", "/superset/explore")
WORDS = Path(__file__).parent / "words_ru.json"

DOWN = (
    "База данных не отвечает",
    "Дашборды откроются, как только она заработает. Администратору: проверить PostgreSQL; на одной машине – команда "
    "vmeste bi up.",
)
PAGES = {
    401: ("Нужно войти", "Сеанс закончился или вы ещё не вошли. Войдите, и страница откроется."),
    403: (
        "Эта страница вам не открыта",
        "Ваша роль видит пять дашбордов и ничего больше. Если нужна эта страница – обратитесь к инженеру данных.",
    ),
    404: (
        "Такой страницы нет",
        "Возможно, ссылка устарела, или эта страница вам не открыта. Все дашборды – в меню «Дашборды».",
    ),
    500: (
        "Не получилось открыть страницу",
        "Ошибка записана. Попробуйте ещё раз; если повторится – сообщите инженеру данных.",
    ),
    503: DOWN,
}
PAGE = """<!DOCTYPE html><html lang="ru"><head><meta charset="utf-8"><title>{title}</title><style>
body {{ margin: 0; font: 16px/1.5 Inter, 'DejaVu Sans', Arial, sans-serif; color: #222; background: #f5f5f5 }}
main {{ max-width: 560px; margin: 18vh auto 0; padding: 32px 40px; background: #fff; border-top: 4px solid #0072B2 }}
h1 {{ margin: 0 0 12px; font-size: 24px; font-weight: 600 }} p {{ margin: 0 0 20px }} a {{ color: #0072B2 }}
</style></head><body><main>
<h1>{title}</h1><p>{text}</p><a href="{first_page}">К дашборду руководителя</a>
</main></body></html>"""

# what a chart says when its query fails: by PostgreSQL's words
DATABASE_ERRORS = {
    re.compile("does not exist"): (
        "В хранилище нет того, что ждёт эта диаграмма: дашборды и хранилище разных версий. Инженеру данных: "
        "vmeste migrate, затем vmeste bi provision."
    ),
    re.compile("permission denied"): (
        "Дашборды не могут прочесть эти данные: у их учётной записи нет права. Инженеру данных: vmeste migrate."
    ),
    re.compile("statement timeout"): (
        "Запрос шёл слишком долго и остановлен. Выберите один квартал или сообщите инженеру данных."
    ),
    re.compile("OperationalError|connect to server|server closed|shutting down|starting up"): f"{DOWN[0]}. {DOWN[1]}",
}


def install(app: Flask) -> None:
    """Teach the application our words, pages and first page."""
    begin = functools.cache(lambda: warming.start(app))
    # with the first request, so that nothing but a server does it
    app.before_request(lambda: begin() and None)
    app.register_error_handler(OperationalError, _database_down)
    app.before_request(_words_and_first_page)
    app.after_request(_say_what_is_the_matter)


@functools.cache
def _language_pack() -> str:
    """Return Superset's Russian messages, completed by ours."""
    pack = json.loads((files("superset") / "translations/ru/LC_MESSAGES/messages.json").read_text(encoding="utf-8"))
    messages = pack["locale_data"]["superset"]
    messages.update({english: [russian] for english, russian in json.loads(WORDS.read_text(encoding="utf-8")).items()})
    return json.dumps(pack, ensure_ascii=False)


def _words_and_first_page() -> Any:
    if request.path.rstrip("/") == "/superset/language_pack/ru":
        # also before anybody has logged in, so that the page that asks for the password speaks Russian
        return Response(_language_pack(), mimetype="application/json", headers={"Cache-Control": "max-age=3600"})
    if request.path in {"/", "/superset/welcome/"} and current_user.is_authenticated:
        return redirect(_in_this_language(FIRST_PAGE))
    wanted = _in_this_language(request.path)
    if wanted != request.path:
        query = request.query_string.decode()
        return redirect(f"{wanted}?{query}" if query else wanted)
    if request.path.startswith(LISTS_OF_CHARTS) and current_user.is_authenticated and not _may_see_charts():
        abort(403)
    if request.path.startswith("/superset/dashboard/"):
        _look_whether_the_warehouse_answers()
    return None


def _in_this_language(path: str) -> str:
    """Return where a dashboard is in the language that the reader has chosen; any other path as it is."""
    found = DASHBOARD.fullmatch(path)
    if not found or bool(found[2]) == _is_english():
        return path
    return f"/superset/dashboard/{found[1]}{ENDING if _is_english() else ''}/"


def _is_english() -> bool:
    return str(get_locale()) == "en"


def _may_see_charts() -> bool:
    """Say whether somebody works with charts; the list of a reader would be empty."""
    from superset.extensions import security_manager

    return bool(security_manager.can_access("menu_access", "Charts"))


def _look_whether_the_warehouse_answers() -> None:
    """Ask before the page is made: its filters would wait for ever for a warehouse that is not there."""
    engine = create_engine(os.environ["VMESTE_BI_URL"], poolclass=NullPool, connect_args={"connect_timeout": 3})
    with engine.connect() as connection:
        connection.execute("select 1")


def _database_down(error: OperationalError) -> Response:
    return Response(f"{DOWN[0]}: {type(error).__name__}", status=503, mimetype="text/plain")


def _say_what_is_the_matter(response: Response) -> Response:
    """Replace an error's body: by a page for a browser, by a sentence for a chart."""
    if response.status_code < 400 or response.status_code not in {400, *PAGES}:
        return response
    is_page = "text/html" in request.accept_mimetypes and not request.path.startswith("/api/")
    if is_page and response.status_code in PAGES:
        title, text = PAGES[response.status_code]
        response.direct_passthrough = False
        response.set_data(PAGE.format(title=title, text=text, first_page=FIRST_PAGE))
        response.mimetype = "text/html"
    elif request.path.startswith("/api/v1/chart/data"):
        said = response.get_data(as_text=True)
        sentence = next((words for pattern, words in DATABASE_ERRORS.items() if pattern.search(said)), None)
        if sentence:
            # what PostgreSQL says holds a piece of the query, which helps nobody who reads a dashboard
            response.set_data(json.dumps({"message": sentence}, ensure_ascii=False))
            response.mimetype = "application/json"
    return response
