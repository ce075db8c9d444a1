"""A Superset that runs, on a warehouse with two released quarters, and a real browser in front of it."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import psycopg
import pytest
import yaml
from playwright.sync_api import Browser, Page, Request, Response, sync_playwright

from tests.bi import released_rows
from vmeste.local import superset
from vmeste.settings import ROOT, Settings
from vmeste.warehouse import bi_reader, embedded
from vmeste.warehouse.connect import warehouse_url
from vmeste.warehouse.migrate import migrate

ASSETS = ROOT / "superset" / "assets"
DASHBOARDS = ("leadership", "indicators", "sustainability", "evidence", "quality")
CHROMIUM = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
READY = """() => {
    const holders = [...document.querySelectorAll('.dashboard-component-chart-holder')];
    return holders.length > 0 && !document.querySelector('[data-test=loading-indicator]')
        && holders.every(holder => holder.querySelector('.v, .v-banner, img, [role=alert], .ant-empty, .ant-alert'));
}"""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put first what needs a warehouse before its first release; the rest shares one with two quarters."""
    items.sort(key=lambda item: "before_the_first_release" not in item.name)


def assets(kind: str) -> dict[str, dict[str, Any]]:
    """Read the assets of a kind: name of the file → content."""
    files = sorted((ASSETS / kind).rglob("*.yaml"))
    return {file.stem: yaml.safe_load(file.read_text(encoding="utf-8")) for file in files}


@dataclass
class Visitor:
    """Somebody who has logged in: a page, what it asked of other machines, and what charts were given."""

    page: Page
    url: str
    foreign: list[str] = field(default_factory=list)
    blocked: list[str] = field(default_factory=list)
    data: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)

    def open(self, dashboard: str) -> None:
        """Open a dashboard and wait until every chart shows something."""
        self.data.clear()
        self.page.goto(f"{self.url}/superset/dashboard/{dashboard}/")
        self.wait()

    def wait(self) -> None:
        """Wait until every chart shows something."""
        self.page.wait_for_function(READY, timeout=60_000)
        self.page.wait_for_load_state("networkidle")

    def choose(self, name: str, value: str, apply: str = "Применить") -> None:
        """Choose a filter's value and apply it."""
        control = self.page.locator(".filter-item-wrapper, [data-test=form-item-value]").filter(has_text=name)
        control.locator(".ant-select").first.click()
        self.page.locator(".ant-select-item-option").get_by_text(value, exact=True).click()
        self.page.get_by_role("button", name=apply).click()
        self.wait()

    def chart(self, name: str) -> list[dict[str, Any]]:
        """Return the rows that a chart on the page was given."""
        number = self.page.locator(f'[data-test-chart-name="{name}"]').get_attribute("data-test-chart-id")
        return self.data[str(number)]

    def note_data(self, response: Response) -> None:
        """Remember what a chart was given."""
        if "/api/v1/chart/data" in response.url and response.ok:
            form_data = parse_qs(urlsplit(response.url).query).get("form_data", ["{}"])[0]
            self.data[str(json.loads(form_data).get("slice_id"))] = response.json()["result"][0]["data"]

    def text(self) -> str:
        """Return all that can be read on the page."""
        return self.page.inner_text("body")


@pytest.fixture(scope="session")
def warehouse() -> Iterator[Settings]:
    """A migrated warehouse without a release, with the login of dashboards."""
    # not pytest's own folder: as root the database's server runs as another user, who may not look into that one
    home = Path(tempfile.mkdtemp(prefix="vmeste-bi-"))
    home.chmod(0o755)
    settings = Settings(home=home, warehouse_url="", vault_url="")
    migrate(settings)
    bi_reader.ensure(settings)
    yield settings
    embedded.stop(settings)
    shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="session")
def released(warehouse: Settings) -> Settings:
    """The warehouse with two quarters of each of two organisations."""
    with psycopg.connect(warehouse_url(warehouse)) as connection:
        for organisation in ("north", "south"):
            released_rows.fill(connection, organisation=organisation)
    return warehouse


@pytest.fixture(scope="session")
def provisioned(warehouse: Settings) -> Settings:
    """Superset's environment made, once for all runs, and this home's Superset provisioned."""
    if not os.environ.get("VMESTE_SUPERSET_VENV"):
        kept = Settings(home=ROOT / ".vmeste")
        superset.make_environment(kept)
        os.environ["VMESTE_SUPERSET_VENV"] = str(superset.python(kept).parents[1])
    superset.draw_users(warehouse)
    file = superset.users_file(warehouse)
    users = json.loads(file.read_text(encoding="utf-8"))
    for organisation in ("north", "south"):
        users[organisation] = {"role": "Руководитель", "password": f"of-{organisation}", "organisation": organisation}
    file.write_text(json.dumps(users, ensure_ascii=False), encoding="utf-8")
    superset.provision(warehouse)
    return warehouse


@pytest.fixture(scope="session")
def server(provisioned: Settings) -> Iterator[superset.Address]:
    """The running Superset. It fills its cache once: to do so after each change of a test would take minutes."""
    os.environ["VMESTE_SUPERSET_WARM_SECONDS"] = "3600"
    yield superset.start(provisioned)
    superset.down(provisioned)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    path = os.environ.get("VMESTE_CHROMIUM") or shutil.which("chromium")
    assert path, "there is no chromium: `make bi-test` brings it, or apt-get install chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(CHROMIUM))
        yield browser
        browser.close()


def visit(browser: Browser, server: superset.Address, name: str) -> Visitor:
    """Log in as somebody."""
    page = browser.new_page(viewport={"width": 1440, "height": 4500}, locale="ru-RU")
    visitor = Visitor(page, server.url)

    def note(request: Request) -> None:
        if not request.url.startswith((server.url, "data:", "blob:")):
            visitor.foreign.append(request.url)

    def note_blocked(request: Request) -> None:
        if request.url in visitor.foreign and "csp" in str(request.failure).lower():
            visitor.blocked.append(request.url)

    page.on("request", note)
    page.on("requestfailed", note_blocked)
    page.on("response", visitor.note_data)
    page.on("response", lambda response: visitor.refused.append(response.url) if response.status == 403 else None)
    page.goto(f"{server.url}/login/")
    page.fill("#username, [data-test=username-input]", name)
    page.fill("input[type=password]", json.loads(server.users.read_text(encoding="utf-8"))[name]["password"])
    page.click("button[type=submit]")
    page.wait_for_url(lambda url: "/login" not in url, timeout=60_000)
    return visitor


@pytest.fixture(scope="session")
def leader(browser: Browser, server: superset.Address, released: Settings) -> Visitor:
    """The leader, logged in."""
    return visit(browser, server, "leader")
