"""What Airflow's navigation shows, and the application behind it."""

from __future__ import annotations

from typing import Any

PREFIX = "/vmeste"
DATA_DOCS = "data-docs"
DBT_DOCS = "dbt-docs"

VIEWS: list[dict[str, Any]] = [
    {"name": "Дашборды", "href": f"{PREFIX}/dashboards", "category": "browse"},
    {"name": "Последний выпуск", "href": f"{PREFIX}/latest", "category": "browse"},
    {"name": "Проверки данных (Data Docs)", "href": f"{PREFIX}/{DATA_DOCS}/", "category": "docs"},
    {"name": "Модели данных (dbt)", "href": f"{PREFIX}/{DBT_DOCS}/", "category": "docs"},
]
"""Each opens in a page of its own: a dashboard refuses frames. At the top level there is no room for a name."""


async def application(scope: Any, receive: Any, send: Any) -> None:
    """Answer by ``vmeste.sites.app``, which is imported with the first request.

    Airflow reads its plugins in each of its processes, and a task must not pay for a web application.
    """
    from vmeste.sites.app import app

    await app(scope, receive, send)
