"""Figures are kept under the release that they are of; the server fills the cache by itself."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import psycopg
import pytest
from playwright.sync_api import Response

from tests.bi.conftest import Visitor, assets
from tests.bi.test_states import changed
from vmeste.local import superset
from vmeste.settings import Settings
from vmeste.warehouse.connect import warehouse_url

LIVE = {"Последняя загрузка", "Карантин по правилам и возрасту", "Поздние записи"}
STEP = """
import os, sys
sys.path.insert(0, sys.argv[1])
from flask_caching.backends.filesystemcache import FileSystemCache
from release_cache import ByRelease
cache = ByRelease(FileSystemCache(sys.argv[2]))
if sys.argv[3] == "set":
    cache.set("figures", "of this state")
print(cache.get("figures"), cache.has("figures"))
"""

WARM = """
from superset.app import create_app
app = create_app()
with app.test_request_context():
    import warming
    print(warming.warm())
"""


def step(settings: Settings, folder: Path, what: str) -> str:
    """Set and get, or get alone, in a process of Superset's environment; return what it found."""
    done = subprocess.run(
        [superset.python(settings), "-c", STEP, settings.root / "superset", folder, what],
        env=superset.environment(settings),
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def test_what_was_kept_is_not_found_in_another_state(released: Settings, provisioned: Settings, tmp_path: Path) -> None:
    kept, nothing = "of this state True", "None False"
    assert step(provisioned, tmp_path, "set") == kept
    assert step(provisioned, tmp_path, "get") == kept
    rename = "set role vmeste_keeper; alter table published.expert_levels rename column {} to {}; reset role"
    with changed(released, rename.format("year", "of_year"), rename.format("of_year", "year")):
        assert step(provisioned, tmp_path, "get") == nothing
    assert step(provisioned, tmp_path, "get") == kept
    # a warehouse that does not answer: nothing is found, and nothing is kept
    role = "alter role vmeste_bi_reader {}"
    with changed(released, role.format("nologin"), role.format("login")):
        assert step(provisioned, tmp_path, "set") == nothing


def test_a_state_is_one_of_releases_and_columns(released: Settings) -> None:
    """A draft, an approval and a revision each change it: the history of releases shows them."""
    text = (released.root / "superset" / "release_cache.py").read_text(encoding="utf-8")
    statement = text.split('STATE = """')[1].split('"""')[0].encode()
    with psycopg.connect(warehouse_url(released)) as connection:
        states = [connection.execute(statement).fetchone()]
        connection.execute("set role vmeste_transformer")
        connection.execute(
            "insert into published.releases (organisation_code, programme_code, release_id, quarter, revision, "
            "state, cutoff_at, prepared_by, "
            "prepared_at, definition_version, code_revision, suppression_version, validation, provenance, checksum) "
            "select organisation_code, programme_code, '2021-Q4-north.together-r2', quarter, 2, 'draft', "
            "cutoff_at, prepared_by, prepared_at, definition_version, "
            "code_revision, suppression_version, validation, provenance, repeat('3', 64) from published.releases "
            "where release_id = '2021-Q4-north.together-r1'"
        )
        states.append(connection.execute(statement).fetchone())
        connection.execute(
            "update published.releases set state = 'released', released_at = now(), approvals = (select approvals from "
            "published.releases where release_id = '2021-Q4-north.together-r1') "
            "where release_id = '2021-Q4-north.together-r2'"
        )
        states.append(connection.execute(statement).fetchone())
        connection.rollback()
        states.append(connection.execute(statement).fetchone())
    assert len(set(states)) == 3
    assert states[0] == states[3]


@pytest.fixture(scope="module")
def warmed(server: superset.Address, provisioned: Settings, released: Settings) -> int:
    """Every figure that was kept is gone, and then the cache is filled as the server does it after a release."""
    shutil.rmtree(provisioned.home / "superset" / "cache" / "figures")
    done = subprocess.run(
        [superset.python(provisioned), "-c", WARM],
        env=superset.environment(provisioned) | {"PYTHONPATH": str(provisioned.root / "superset")},
        capture_output=True,
        text=True,
        check=True,
    )
    return int(done.stdout.split()[-1])


def test_all_that_dashboards_ask_is_asked(warmed: int) -> None:
    asked = sum(
        len(board["metadata"]["native_filter_configuration"])
        + sum(isinstance(part, dict) and part["type"] == "CHART" for part in board["position"].values())
        for board in assets("dashboards").values()
    )
    assert warmed == 2 * asked, "in Russian and in English"


@pytest.mark.parametrize("dashboard", ["leadership", "quality"])
def test_the_first_opening_after_a_release_finds_its_figures(leader: Visitor, warmed: int, dashboard: str) -> None:
    answers: list[Response] = []
    leader.page.on("response", lambda answer: answers.append(answer) if "/api/v1/chart/data" in answer.url else None)
    leader.open(dashboard)
    live = {
        str(leader.page.locator(f'[data-test-chart-name="{name}"]').get_attribute("data-test-chart-id"))
        for name in LIVE
        if leader.page.locator(f'[data-test-chart-name="{name}"]').count()
    }
    cached = {}
    for answer in answers:
        form_data = json.loads(parse_qs(urlsplit(answer.url).query).get("form_data", ["{}"])[0])
        cached[str(form_data.get("slice_id", "filter"))] = answer.json()["result"][0]["is_cached"]
    assert cached
    assert {chart for chart, is_cached in cached.items() if not is_cached} == live


def test_the_server_fills_the_cache_by_itself(server: superset.Address, provisioned: Settings, leader: Visitor) -> None:
    log = provisioned.home / "logs" / "superset.log"
    until = time.monotonic() + 90
    while "queries of dashboards are cached" not in log.read_text(encoding="utf-8", errors="replace"):
        assert time.monotonic() < until, log.read_text(encoding="utf-8", errors="replace")[-2000:]
        time.sleep(1)
