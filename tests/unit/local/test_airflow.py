"""Airflow on this machine, as far as it can be told without starting it."""

from __future__ import annotations

import json
import os
import socket
import stat
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from vmeste.local import PRELOAD, airflow
from vmeste.settings import Settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / "home" / "airflow").mkdir(parents=True)
    return Settings(
        home=tmp_path / "home",
        # the services' environment names the warehouse; nobody connects to it here
        warehouse_url="postgresql://somebody:hidden@localhost:1/warehouse",
        vault_url="postgresql://somebody:hidden@localhost:1/vault",
    )


def remember(settings: Settings, pid: int, created: float) -> None:
    file = settings.home / "airflow" / "pids.json"
    file.write_text(json.dumps({"scheduler": [pid, created]}), encoding="utf-8")


def test_passwords_are_drawn_once_for_their_user_alone(settings: Settings, capfd: pytest.CaptureFixture[str]) -> None:
    airflow.draw_passwords(settings)
    file = settings.home / "secrets" / "airflow_users.json"
    drawn = json.loads(file.read_text(encoding="utf-8"))
    assert set(drawn) == {"admin", "demo_psychologist", "demo_director"}
    assert len(set(drawn.values())) == 3
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    airflow.draw_passwords(settings)
    assert json.loads(file.read_text(encoding="utf-8")) == drawn
    assert capfd.readouterr() == ("", "")


def test_a_new_user_gets_a_password_and_the_others_keep_theirs(tmp_path: Path) -> None:
    file = tmp_path / "users.json"
    airflow._drawn_once(file, {"admin": "first"})
    assert airflow._drawn_once(file, {"admin": "second", "director": "third"}) == {
        "admin": "first",
        "director": "third",
    }


def test_a_process_that_has_inherited_an_old_id_is_not_ours(settings: Settings) -> None:
    mine = psutil.Process(os.getpid())
    remember(settings, mine.pid, mine.create_time() - 60)
    assert airflow._running(settings) == {}
    assert airflow.stop(settings) == []


def test_stop_ends_a_service_with_its_children(settings: Settings) -> None:
    code = (
        "import subprocess, sys, time; subprocess.Popen(['sleep', '600']); print('ready', flush=True); time.sleep(600)"
    )
    service = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, start_new_session=True)
    assert service.stdout is not None
    assert service.stdout.readline() == b"ready\n"
    process = psutil.Process(service.pid)
    (child,) = process.children()
    remember(settings, process.pid, process.create_time())
    assert airflow.stop(settings) == ["scheduler"]
    service.wait(timeout=5)
    assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE
    assert airflow.address(settings) is None


def test_the_port_of_last_time_is_kept_while_it_is_free(settings: Settings) -> None:
    port = airflow._port(settings)
    assert airflow._port(settings) == port
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port))
        taken.listen()
        assert airflow._port(settings) != port


def test_the_services_send_nothing_home_and_listen_here_only(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(airflow.embedded, "airflow_url", lambda settings: "postgresql+psycopg2://airflow@/airflow")
    given = airflow.environment(settings, 4711)
    assert given["AIRFLOW__API__HOST"] == "127.0.0.1"
    assert given["AIRFLOW__COSMOS__ENABLE_TELEMETRY"] == "False"
    assert given["AIRFLOW__USAGE_DATA_COLLECTION__ENABLED"] == "False"
    assert given["DBT_SEND_ANONYMOUS_USAGE_STATS"] == "false"
    assert given["VMESTE_HOME"] == str(settings.home)
    # the scheduler alone gets this one
    assert PRELOAD not in given
