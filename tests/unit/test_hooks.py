from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.sources.yandex_server import SURVEY, FakeYandex, as_json, serving
from vmeste import hooks
from vmeste.provider import get_provider_info
from vmeste.settings import get_settings
from vmeste.sources import CONNECTORS

REPOSITORY = Path(__file__).parents[2]
KINDS = sorted(CONNECTORS)

SOURCE = """
  - name: {name}
    kind: yandex_forms
    time_zone: Europe/Moscow
    server: {server}
    connection: {connection}
    organisation: "2188"
    forms: {{visit: {{survey: {survey}}}}}
"""


@pytest.fixture
def yandex() -> Iterator[FakeYandex]:
    with serving(FakeYandex([], [])) as fake:
        yield fake


def configure(monkeypatch: pytest.MonkeyPatch, folder: Path, **sources: tuple[str, str]) -> None:
    """Write sources.yml: name of a source → its server and connection."""
    path = folder / "sources.yml"
    entries = [
        SOURCE.format(name=name, server=server, connection=connection, survey=SURVEY)
        for name, (server, connection) in sources.items()
    ]
    path.write_text(f"stages: {{surveys: [visit]}}\nsources:{''.join(entries)}", encoding="utf-8")
    monkeypatch.setenv("VMESTE_SOURCES", str(path))
    get_settings.cache_clear()


@pytest.fixture(autouse=True)
def _settings_of_others() -> Iterator[None]:
    yield
    get_settings.cache_clear()


def connect(monkeypatch: pytest.MonkeyPatch, conn_id: str, **given: str) -> None:
    written = {"conn_type": "vmeste_yandex_forms", "password": "secret-token"} | given
    monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", json.dumps(written))


def test_the_connection_of_a_source_is_tried_by_its_connector(
    yandex: FakeYandex, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    configure(monkeypatch, tmp_path, ours=(yandex.url, "forms"), other=("https://other.example", "others"))
    connect(monkeypatch, "forms")
    assert hooks.YandexFormsHook("forms").test_connection() == (
        True,
        f"ours: connected to {yandex.url}, 1 forms visible",
    )
    yandex.traps = [as_json({"detail": "secret"}, 401)]
    is_sound, said = hooks.YandexFormsHook("forms").test_connection()
    assert not is_sound
    assert "the server refuses the credentials (401 Unauthorized)" in said
    assert "secret" not in said


def test_what_airflow_tests_under_an_id_of_its_own_goes_to_the_server_that_is_said(
    yandex: FakeYandex, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    configure(monkeypatch, tmp_path, ours=(yandex.url, "forms"), other=("https://other.example", "others"))
    connect(monkeypatch, "made_up", host=yandex.url.removeprefix("http://"))
    assert hooks.YandexFormsHook("made_up").test_connection()[0]
    assert yandex.headers["Authorization"] == "OAuth secret-token"
    connect(monkeypatch, "made_up", host=yandex.url)
    assert hooks.YandexFormsHook("made_up").test_connection()[0]


def test_credentials_are_sent_to_no_server_on_a_guess(
    yandex: FakeYandex, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    configure(monkeypatch, tmp_path, ours=(yandex.url, "forms"), other=("https://other.example", "others"))
    connect(monkeypatch, "made_up")
    assert "several servers" in hooks.YandexFormsHook("made_up").test_connection()[1]
    connect(monkeypatch, "made_up", host="third.example")
    said = hooks.YandexFormsHook("made_up").test_connection()[1]
    assert said == "sources.yml has no source of the kind yandex_forms on third.example: add it there first"
    assert hooks.GoogleFormsHook("made_up").test_connection()[0] is False
    assert yandex.asked == []


def test_where_there_is_one_server_no_address_is_needed(
    yandex: FakeYandex, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    configure(monkeypatch, tmp_path, ours=(yandex.url, "forms"))
    connect(monkeypatch, "made_up")
    assert hooks.YandexFormsHook("made_up").test_connection()[0]


def test_each_kind_of_connector_has_its_hook_and_its_form() -> None:
    types = {entry["connection-type"]: entry for entry in get_provider_info()["connection-types"]}
    assert sorted(types) == sorted(f"vmeste_{kind}" for kind in KINDS)
    for conn_type, entry in types.items():
        hook = getattr(hooks, entry["hook-class-name"].removeprefix("vmeste.hooks."))
        assert (hook.conn_type, hook.hook_name) == (conn_type, entry["hook-name"])
        assert conn_type == f"vmeste_{hook.kind}"


def test_airflow_offers_our_connection_types(tmp_path: Path) -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    # as an installation of this revision writes it; a process of its own, because Airflow reads it once
    written = tmp_path / "vmeste-0.1.0.dist-info"
    written.mkdir()
    (written / "METADATA").write_text("Metadata-Version: 2.1\nName: vmeste\nVersion: 0.1.0\n")
    ((name, target),) = project["entry-points"]["apache_airflow_provider"].items()
    (written / "entry_points.txt").write_text(f"[apache_airflow_provider]\n{name} = {target}\n")
    asked = """
import json
from airflow.providers_manager import ProvidersManager
manager = ProvidersManager()
ours = {kind: hook and hook.hook_name for kind, hook in manager.hooks.items() if kind.startswith("vmeste_")}
print(json.dumps([ours, sorted(name for name in manager.connection_form_widgets if "vmeste" in name)]))
"""
    ran = subprocess.run(
        [sys.executable, "-W", "error::airflow.exceptions.AirflowProviderDeprecationWarning", "-c", asked],
        env={"PYTHONPATH": f"{tmp_path}:{REPOSITORY / 'plugins'}", "AIRFLOW_HOME": str(tmp_path), "PATH": ""},
        capture_output=True,
        text=True,
        check=True,
    )
    offered, fields = json.loads(ran.stdout.splitlines()[-1])
    assert sorted(offered) == sorted(f"vmeste_{kind}" for kind in KINDS)
    assert all(offered.values()), "each hook can be imported"
    assert fields == ["extra__vmeste_google_forms__keyfile_dict", "extra__vmeste_yandex_forms__scheme"]
