"""Fill the cache of figures when something new is released, so that whoever opens a dashboard first does not wait.

The server looks by itself: a thread that begins with its first request looks every half minute what is released, and
asks each dashboard's queries as the browser does when nothing was chosen yet. What it gets is what everybody may see
who is not held to one organisation; whoever is, fills the cache for his own.
"""

from __future__ import annotations

import json
import logging
import os
import threading
import time
from typing import Any

from flask import Flask, g
from release_cache import current_state

logger = logging.getLogger(__name__)

SECONDS = float(os.environ.get("VMESTE_SUPERSET_WARM_SECONDS") or 30)
"""Between two looks."""
PAUSE = 0.05
"""Seconds between two queries: whoever opens a page meanwhile goes first."""


def start(app: Flask) -> threading.Thread:
    """Begin to look, in a thread that ends with the process."""
    thread = threading.Thread(target=_watch, args=(app,), daemon=True, name="warming")
    thread.start()
    return thread


def _watch(app: Flask) -> None:
    warmed = None
    while True:
        try:
            with app.test_request_context():
                state = current_state()
                if state and state != warmed:
                    began = time.perf_counter()
                    count = warm()
                    logger.info("%s queries of dashboards are cached (%.1f s)", count, time.perf_counter() - began)
                    warmed = state
        except Exception as error:
            # the next look tries again; a page that is opened meanwhile asks for itself
            logger.warning("the cache of figures was not filled: %s", type(error).__name__)
        time.sleep(SECONDS)


def warm() -> int:
    """Ask what every dashboard asks at its opening, and return how many queries that were."""
    from superset.extensions import db, security_manager
    from superset.models.dashboard import Dashboard
    from superset.utils.core import override_user

    asked = 0
    with override_user(security_manager.find_user(username="admin")):
        for dashboard in db.session.query(Dashboard).order_by(Dashboard.slug).all():
            filters = []
            for native in json.loads(dashboard.json_metadata).get("native_filter_configuration", []):
                chosen, rows = _filter(native)
                asked += rows is not None
                filters.append((set(native["scope"]["excluded"]), chosen))
            for chart in dashboard.slices:
                given = [one for excluded, chosen in filters if chart.id not in excluded for one in chosen]
                _ask(_of_chart(chart, given))
                asked += 1
    return asked


def _filter(native: dict[str, Any]) -> tuple[list[dict[str, Any]], Any]:
    """Return what a filter chooses at the opening, after asking for its values as the browser does."""
    target = native["targets"][0]
    column, control = target["column"]["name"], native["controlValues"]
    rows = _ask(
        {
            "datasource": {"id": target["datasetId"], "type": "table"},
            # no measures: each value once
            "queries": [_query([column], [[column, control["sortAscending"]]], 1000) | {"metrics": []}],
        }
    )
    chosen = native["defaultDataMask"].get("extraFormData", {}).get("filters", [])
    if control.get("defaultToFirstItem") and rows:
        chosen = [{"col": column, "op": "IN", "val": [rows[0][column]]}]
    return chosen, rows


def _of_chart(chart: Any, filters: list[dict[str, Any]]) -> dict[str, Any]:
    params = json.loads(chart.params)
    where = " AND ".join(f"({one['sqlExpression']})" for one in params.get("adhoc_filters", []))
    order = [json.loads(one) for one in params.get("order_by_cols", [])]
    return {
        "datasource": {"id": chart.datasource_id, "type": "table"},
        "queries": [_query(params["all_columns"], order, params["row_limit"], filters, where)],
    }


def _query(
    columns: list[str],
    order: list[list[Any]],
    limit: int,
    filters: list[dict[str, Any]] | None = None,
    where: str = "",
) -> dict[str, Any]:
    """Return a query as the front end writes it: what differs in one word has another key."""
    return {
        "filters": filters or [],
        "extras": {"having": "", "where": where},
        "applied_time_extras": {},
        "columns": columns,
        "orderby": order,
        "annotation_layers": [],
        "row_limit": limit,
        "series_limit": 0,
        "group_others_when_limit_reached": False,
        "order_desc": True,
        "url_params": {},
        "custom_params": {},
        "custom_form_data": {},
    }


def _ask(context: dict[str, Any]) -> Any:
    from superset.charts.schemas import ChartDataQueryContextSchema
    from superset.commands.chart.data.get_data_command import ChartDataCommand

    time.sleep(PAUSE)
    g.pop("form_data", None)
    whole = {**context, "force": False, "result_format": "json", "result_type": "full"}
    return ChartDataCommand(ChartDataQueryContextSchema().load(whole)).run()["queries"][0]["data"]
