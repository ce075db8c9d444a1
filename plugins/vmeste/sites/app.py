"""What Airflow's navigation leads to: the sites of the night, the newest release, the dashboards.

A small application inside Airflow's api-server, under ``/vmeste``. Everything asks for Airflow's log-in first; whoever
has none is led to it, and then to the page. Nothing but the files of the two sites and of what stands as newest release
is ever read.
"""

from __future__ import annotations

import html
import logging
from typing import TYPE_CHECKING, Annotated
from urllib.parse import quote

import psycopg
from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.responses import FileResponse, HTMLResponse, RedirectResponse, Response
from starlette.exceptions import HTTPException as StarletteHTTPException

from vmeste.local import superset
from vmeste.releases import pack
from vmeste.settings import Settings, get_settings
from vmeste.sites.folders import site
from vmeste.sites.navigation import DATA_DOCS, DBT_DOCS, PREFIX
from vmeste.warehouse.connect import connect

if TYPE_CHECKING:
    from collections.abc import Mapping

logger = logging.getLogger(__name__)

LOG_IN = "/api/v2/auth/login?next="

# a page of the sandbox has no origin: its scripts can neither use the reader's session nor ask any address
DRAWN = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox"
DBT = (
    "default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'; style-src 'unsafe-inline'; img-src data:; "
    "font-src data:; sandbox allow-scripts"
)
POLICIES: Mapping[str, str] = {DATA_DOCS: DRAWN, DBT_DOCS: DBT}

PAGE = """<!DOCTYPE html><html lang="ru"><head><meta charset="utf-8"><title>{title}</title><style>
body {{ margin: 0; font: 16px/1.5 Inter, 'DejaVu Sans', Arial, sans-serif; color: #222; background: #f5f5f5 }}
main {{ max-width: 620px; margin: 14vh auto 0; padding: 32px 40px; background: #fff; border-top: 4px solid #0072B2 }}
h1 {{ margin: 0 0 12px; font-size: 24px; font-weight: 600 }} a {{ color: #0072B2 }}
</style></head><body><main><h1>{title}</h1>{text}</main></body></html>"""

NEWEST = "select release_id from published.current_release where is_newest order by release_id"


async def somebody(request: Request) -> None:
    """Let pass whoever has logged in to Airflow.

    Raises:
        HTTPException: 401 or 403, nobody has.
    """
    from airflow.api_fastapi.core_api.security import get_user

    await get_user(request, None, None)


app = FastAPI(
    title="Vmeste",
    docs_url=None,
    redoc_url=None,
    openapi_url=None,
    redirect_slashes=False,
    dependencies=[Depends(somebody)],
)

Configured = Annotated[Settings, Depends(get_settings)]


@app.exception_handler(StarletteHTTPException)
async def _say(request: Request, error: Exception) -> Response:
    """Lead a browser without a session to the log-in; say anything else in Russian."""
    assert isinstance(error, StarletteHTTPException)  # noqa: S101
    if error.status_code in {401, 403}:
        if request.method == "GET" and "text/html" in request.headers.get("accept", ""):
            return RedirectResponse(LOG_IN + quote(request.url.path), status_code=303)
        return Response(status_code=error.status_code)
    return _page("Такой страницы нет", "<p>Возможно, ссылка устарела.</p>", error.status_code)


@app.get("/dashboards")
def dashboards(settings: Configured) -> Response:
    """Lead to Superset: where the setting says, or where it runs on this machine."""
    given = superset.SupersetSettings().superset_url
    running = None if given else superset.address(settings)
    address = given or (running.url if running else "")
    if address:
        return RedirectResponse(address, status_code=303)
    return _page(
        "Дашборды не запущены",
        "<p>Инженеру данных: <code>make bi</code> запускает их на этой машине; если они на другой, её адрес называет "
        "<code>VMESTE_SUPERSET_URL</code>.</p>",
        503,
    )


@app.get("/latest")
def latest(settings: Configured) -> Response:
    """Show the page of the newest release; where several stand as newest, a list of them."""
    try:
        with connect(settings, "vmeste_bi") as connection:
            newest = [str(release_id) for (release_id,) in connection.execute(NEWEST)]
    except psycopg.Error as error:
        logger.warning("the newest release cannot be read: %s", type(error).__name__)
        return _page("База данных не отвечает", "<p>Страница откроется, как только она заработает.</p>", 503)
    if not newest:
        return _page("Выпусков пока нет", "<p>Ни один квартал ещё не согласован и не выпущен.</p>", 404)
    if len(newest) == 1:
        return RedirectResponse(f"{PREFIX}/latest/{quote(newest[0])}", status_code=303)
    links = "".join(f'<li><a href="{PREFIX}/latest/{quote(one)}">{html.escape(one)}</a></li>' for one in newest)
    return _page("Последние выпуски", f"<ul>{links}</ul>", 200)


@app.get("/latest/{release_id}")
def page_of(release_id: str, settings: Configured) -> Response:
    """Show the printed page of a release that stands as newest, no other and no draft."""
    try:
        with connect(settings, "vmeste_bi") as connection:
            newest = {str(one) for (one,) in connection.execute(NEWEST)}
    except psycopg.Error:
        raise HTTPException(503) from None
    if release_id not in newest:
        raise HTTPException(404)
    file = pack.files(release_id, settings.home / "releases" / release_id)["pdf"]
    if not file.is_file():
        return _page("Файла страницы нет", "<p>Инженеру данных: <code>vmeste release show</code>.</p>", 404)
    return FileResponse(file, media_type="application/pdf", content_disposition_type="inline", headers=_headers())


@app.get("/{name}/{path:path}")
def of_a_site(name: str, path: str, settings: Configured) -> Response:
    """Show a file of a site that was built at night."""
    if name not in POLICIES:
        raise HTTPException(404)
    # the link is followed once, so that a page and its folder are of the same night
    folder = site(settings, name).resolve()
    if not folder.is_dir():
        return _page("Сайт ещё не построен", "<p>Его строит ночью <code>maintain_warehouse</code>.</p>", 404)
    file = (folder / (path or "index.html")).resolve()
    if not file.is_relative_to(folder) or not file.is_file():
        raise HTTPException(404)
    return FileResponse(file, headers=_headers() | {"Content-Security-Policy": POLICIES[name]})


def _headers() -> dict[str, str]:
    # a browser that somebody else uses later must not have kept it
    return {"Cache-Control": "private, no-store", "X-Content-Type-Options": "nosniff"}


def _page(title: str, text: str, status: int) -> Response:
    policy = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'"}
    return HTMLResponse(PAGE.format(title=title, text=text), status, _headers() | policy)
