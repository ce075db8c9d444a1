"""What Airflow's navigation leads to: nothing without the log-in, and no file that is not of a site or a release."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from vmeste.local import superset
from vmeste.settings import Settings, get_settings
from vmeste.sites import app as sites
from vmeste.sites import navigation

PATHS = [
    "/dashboards",
    "/latest",
    "/latest/2021-Q4-r1",
    "/data-docs/",
    "/dbt-docs/index.html",
    "/data-docs/../secrets/x",
]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "users.json").write_text("secret")
    for name in ("data-docs", "dbt-docs"):
        folder = tmp_path / "sites" / name
        folder.mkdir(parents=True)
        (folder / "index.html").write_text(f"<p>{name}</p>")
    (tmp_path / "sites" / "data-docs" / "out.html").symlink_to(tmp_path / "secrets" / "users.json")
    release = tmp_path / "releases" / "2021-Q4-r1"
    (release / "draft").mkdir(parents=True)
    (release / "2021-Q4-r1.pdf").write_bytes(b"%PDF of the release")
    (tmp_path / "releases" / "2022-Q1-r1").mkdir()
    (tmp_path / "releases" / "2022-Q1-r1" / "2022-Q1-r1.pdf").write_bytes(b"%PDF of a draft")
    return tmp_path


@pytest.fixture
def newest() -> list[str]:
    """The releases that stand as newest, as the database says."""
    return ["2021-Q4-r1"]


@pytest.fixture
def anonymous(home: Path, newest: list[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[TestClient]:
    """A browser without a session, before the application as Airflow mounts it."""

    @contextmanager
    def connect(*_: Any) -> Iterator[Any]:
        if newest == ["down"]:
            raise psycopg.OperationalError("password of somebody")
        yield SimpleNamespace(execute=lambda _: [(one,) for one in newest])

    monkeypatch.setattr(sites, "connect", connect)
    sites.app.dependency_overrides[get_settings] = lambda: Settings(home=home)
    root = FastAPI()
    root.mount(navigation.PREFIX, navigation.application)
    yield TestClient(root, base_url="http://localhost/", follow_redirects=False)
    sites.app.dependency_overrides.clear()


@pytest.fixture
def reader(anonymous: TestClient) -> TestClient:
    """The same, logged in."""
    sites.app.dependency_overrides[sites.somebody] = lambda: None
    return anonymous


@pytest.mark.parametrize("path", [*PATHS, "/nothing", "/"])
def test_nobody_sees_anything_without_the_log_in(anonymous: TestClient, path: str) -> None:
    answer = anonymous.get(navigation.PREFIX + path)
    assert answer.status_code in {401, 404}
    assert not answer.content or answer.status_code == 404
    assert b"<p>d" not in answer.content
    assert b"secret" not in answer.content
    if answer.status_code == 404:
        assert path in {"/", "/nothing", "/data-docs/../secrets/x"}, "only what is no route at all"


def test_a_forged_session_is_refused(anonymous: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    from airflow.api_fastapi.core_api import security
    from jwt import InvalidTokenError

    async def refuse(_: str) -> None:
        raise InvalidTokenError

    monkeypatch.setattr(security, "get_auth_manager", lambda: SimpleNamespace(get_user_from_token=refuse))
    answer = anonymous.get("/vmeste/data-docs/", headers={"Cookie": "_token=forged"})
    assert answer.status_code == 403
    assert not answer.content


def test_a_browser_is_led_to_the_log_in_and_back(anonymous: TestClient) -> None:
    answer = anonymous.get("/vmeste/data-docs/", headers={"Accept": "text/html"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/api/v2/auth/login?next=/vmeste/data-docs/")


@pytest.mark.parametrize("name", ["data-docs", "dbt-docs"])
def test_a_site_is_shown_in_a_sandbox(reader: TestClient, name: str) -> None:
    answer = reader.get(f"/vmeste/{name}/")
    assert (answer.status_code, answer.text) == (200, f"<p>{name}</p>")
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "sandbox" in policy
    assert "allow-same-origin" not in policy
    assert "http" not in policy
    assert "no-store" in answer.headers["cache-control"]


@pytest.mark.parametrize(
    "path", ["../secrets/users.json", "..%2f..%2fsecrets/users.json", "out.html", "%2fetc%2fpasswd", "nothing.html"]
)
def test_no_file_outside_the_site_is_read(reader: TestClient, path: str) -> None:
    answer = reader.get(f"/vmeste/data-docs/{path}")
    assert answer.status_code == 404
    assert "secret" not in answer.text


def test_a_site_that_is_not_built_yet_says_so(reader: TestClient, home: Path) -> None:
    (home / "sites").rename(home / "elsewhere")
    answer = reader.get("/vmeste/dbt-docs/")
    assert answer.status_code == 404
    assert "Сайт ещё не построен" in answer.text


def test_the_newest_release_is_shown_and_no_other(reader: TestClient) -> None:
    answer = reader.get("/vmeste/latest", follow_redirects=True)
    assert (answer.content, answer.headers["content-type"]) == (b"%PDF of the release", "application/pdf")
    for other in ("2022-Q1-r1", "%2e%2e%2fsecrets", "2021-Q4-r1%2fdraft"):
        assert reader.get(f"/vmeste/latest/{other}").status_code == 404


def test_of_several_newest_releases_there_is_a_list(reader: TestClient, newest: list[str]) -> None:
    newest.append("north-<b>")
    answer = reader.get("/vmeste/latest")
    assert "2021-Q4-r1</a>" in answer.text
    assert "north-&lt;b&gt;</a>" in answer.text


@pytest.mark.parametrize(
    ("state", "status", "words"),
    [
        ([], 404, "Выпусков пока нет"),
        (["down"], 503, "База данных не отвечает"),
        (["2023-Q1-r1"], 404, "Файла страницы нет"),
    ],
)
def test_what_is_the_matter_is_said_in_russian(
    reader: TestClient, newest: list[str], state: list[str], status: int, words: str
) -> None:
    newest[:] = state
    answer = reader.get("/vmeste/latest", follow_redirects=True)
    assert (answer.status_code, words in answer.text) == (status, True)
    assert "password" not in answer.text


def test_dashboards_are_where_the_setting_says(reader: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VMESTE_SUPERSET_URL", "https://dashboards.example.org/")
    assert reader.get("/vmeste/dashboards").headers["location"] == "https://dashboards.example.org/"


def test_dashboards_are_where_they_run(reader: TestClient, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = reader.get("/vmeste/dashboards")
    assert (answer.status_code, "Дашборды не запущены" in answer.text) == (503, True)
    here = superset.Address("http://127.0.0.1:8088", home / "users.json")
    monkeypatch.setattr(superset, "address", lambda _: here)
    assert reader.get("/vmeste/dashboards").headers["location"] == here.url


def test_airflow_is_told_of_all_of_it() -> None:
    from airflow.api_fastapi.core_api.datamodels.plugins import ExternalViewResponse

    from vmeste.plugin import VmestePlugin

    views = [ExternalViewResponse(**view) for view in VmestePlugin.external_views]
    assert [view.href for view in views] == [
        "/vmeste/dashboards",
        "/vmeste/latest",
        "/vmeste/data-docs/",
        "/vmeste/dbt-docs/",
    ]
    assert json.dumps(VmestePlugin.external_views)
    assert [one["url_prefix"] for one in VmestePlugin.fastapi_apps] == ["/vmeste"]
