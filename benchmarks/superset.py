"""The dashboards as people meet them: provisioning, the leadership's page in a real browser, and every chart's query.

``python -m benchmarks.superset`` needs Superset's environment (``VMESTE_SUPERSET_VENV``, or it is made) and Chromium
(``VMESTE_CHROMIUM``). Everything is measured in one run, on a warehouse of its own that goes when it ends.
"""

from __future__ import annotations

import os
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path

import psutil
import psycopg
from playwright.sync_api import Browser, sync_playwright

from tests.bi import released_rows
from tests.bi.conftest import CHROMIUM, READY, Visitor, visit
from tests.bi.test_datasets import BY_UUID, CHARTS, ask, query
from vmeste.local import superset
from vmeste.settings import Settings
from vmeste.warehouse import bi_reader, embedded
from vmeste.warehouse.connect import warehouse_url
from vmeste.warehouse.migrate import migrate

OPENINGS = 7
ROUNDS = 20
ORGANISATIONS = 50
WARM_SECONDS = 120


def provisioning(settings: Settings) -> None:
    """Print what the first provisioning takes and what one more takes, by the clock and of a core."""
    for name in ("first, with Superset's own tables", "once more"):
        before, began = os.times(), time.perf_counter()
        superset.provision(settings)
        after, ended = os.times(), time.perf_counter()
        busy = after.children_user + after.children_system - before.children_user - before.children_system
        print(f"provisioning, {name}: {ended - began:.1f} s, {busy:.1f} s of a core", flush=True)


def opening(settings: Settings, browser: Browser) -> None:
    """Print how long the leadership's page takes until every chart is drawn: in a new browser, and once more."""
    address = superset.start(settings)
    try:
        _wait_until_warm(settings)
        colds, warms = [], []
        for _ in range(OPENINGS):
            leader = visit(browser, address, "leader")
            # the log-in has led to the page already: a browser that has seen nothing is one without its cache
            leader.page.context.new_cdp_session(leader.page).send("Network.clearBrowserCache")
            colds.append(_seconds(leader))
            warms.append(_seconds(leader))
            leader.page.context.close()
        for name, times in (("cold, an empty browser", colds), ("warm", warms)):
            print(
                f"leadership, {name}: median {statistics.median(times):.1f} s, longest {max(times):.1f} s", flush=True
            )
    finally:
        superset.down(settings)


def _seconds(leader: Visitor) -> float:
    leader.page.goto("about:blank")
    began = time.perf_counter()
    leader.page.goto(f"{leader.url}/superset/dashboard/leadership/", wait_until="commit")
    leader.page.wait_for_function(READY, timeout=60_000, polling=20)
    return time.perf_counter() - began


def _wait_until_warm(settings: Settings) -> None:
    log = settings.home / "logs" / "superset.log"
    until = time.monotonic() + WARM_SECONDS
    while "queries of dashboards are cached" not in log.read_text(encoding="utf-8", errors="replace"):
        if time.monotonic() > until:
            raise SystemExit(f"the cache of figures was not filled within {WARM_SECONDS} s: see {log}")
        time.sleep(1)


def queries(settings: Settings) -> None:
    """Print the slowest charts on ``RELEASES`` releases, by the clock (p95) and of the server's core."""
    years = range(2022, 2032)
    cutoffs = {f"{year}-Q{number}": f"{year}-{number * 3:02}-28 00:00+00" for year in years for number in range(1, 5)}
    with psycopg.connect(warehouse_url(settings)) as connection:
        for number in range(ORGANISATIONS):
            released_rows.fill(connection, cutoffs, organisation=f"centre_{number:02}")
            connection.commit()
    with psycopg.connect(warehouse_url(settings), autocommit=True) as connection:
        # each release notes its programme's cells anew; between two of them weeks pass, and autovacuum
        connection.execute("vacuum analyze")
    newest = f"{years[-1]}, IV кв."
    found = {}
    with psycopg.connect(bi_reader.url(settings), autocommit=True) as connection:
        server = psutil.Process(connection.info.backend_pid)
        for name, chart in CHARTS.items():
            columns = {column["column_name"] for column in BY_UUID[chart["dataset_uuid"]]["columns"]}
            # as a user of one organisation asks: the filter stands on the newest quarter, but where a chart shows all
            where = "organisation_code = 'centre_07'"
            if "quarter_ru" in columns and name != "indicators_by_quarter":
                where += f" and quarter_ru = '{newest}'"
            times, before = [], server.cpu_times()
            for _ in range(ROUNDS):
                began = time.perf_counter()
                ask(connection, query(chart, where))
                times.append(1000 * (time.perf_counter() - began))
            after = server.cpu_times()
            core = 1000 * (after.user + after.system - before.user - before.system) / ROUNDS
            found[name] = (statistics.quantiles(times, n=20)[-1], core)
    print(f"{len(CHARTS)} charts on {len(cutoffs)} quarters of {ORGANISATIONS} organisations, slowest first:")
    for name, (p95, core) in sorted(found.items(), key=lambda one: -one[1][0]):
        print(f"    p95 {p95:7.1f} ms, of a core {core:6.1f} ms  {name}", flush=True)


def run(parts: list[str]) -> None:
    """Measure the named parts on a fresh warehouse: ``provisioning``, then ``opening``, ``queries``; all by default."""
    parts = parts or ["provisioning", "opening", "queries"]
    settings = Settings(home=Path(tempfile.mkdtemp(prefix="vmeste-benchmark-")), warehouse_url="", vault_url="")
    settings.home.chmod(0o755)
    path = os.environ.get("VMESTE_CHROMIUM") or shutil.which("chromium")
    print(f"load of the machine {psutil.getloadavg()[0]:.1f}", flush=True)
    try:
        migrate(settings)
        bi_reader.ensure(settings)
        if "provisioning" in parts:
            superset.make_environment(settings)
            provisioning(settings)
        if "opening" in parts:
            with psycopg.connect(warehouse_url(settings)) as connection:
                released_rows.fill(connection)
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(executable_path=path, args=list(CHROMIUM))
                opening(settings, browser)
                browser.close()
        if "queries" in parts:
            queries(settings)
        print(f"load of the machine {psutil.getloadavg()[0]:.1f}")
    finally:
        superset.down(settings)
        embedded.stop(settings)
        shutil.rmtree(settings.home, ignore_errors=True)


if __name__ == "__main__":
    run(sys.argv[1:])
