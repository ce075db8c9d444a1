"""Superset as a child process: what is needed before it starts, and whose process is ours."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import psutil
import pytest

from vmeste.local import superset
from vmeste.settings import Settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path, warehouse_url="", vault_url="")


def test_beside_a_warehouse_of_ones_own_the_missing_database_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("VMESTE_SUPERSET_METADATA_URL", raising=False)
    own = Settings(home=tmp_path, warehouse_url="postgresql://u@h/w", vault_url="postgresql://u@h/v")
    with pytest.raises(superset.SupersetError, match="set VMESTE_SUPERSET_METADATA_URL"):
        superset.environment(own)


def test_passwords_are_told_once_and_kept_where_only_the_owner_reads(settings: Settings) -> None:
    told = superset.draw_users(settings)
    assert set(told) == {"admin", "engineer", "leader"}
    assert len(set(told.values())) == 3
    assert superset.draw_users(settings) == {}
    file = superset.users_file(settings)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert {name: user["password"] for name, user in json.loads(file.read_text()).items()} == told


def test_whoever_was_added_by_hand_stays(settings: Settings) -> None:
    superset.draw_users(settings)
    file = superset.users_file(settings)
    users = json.loads(file.read_text())
    users["guest"] = {"role": "Руководитель", "password": "of guest", "organisation": "north"}
    del users["engineer"]
    file.write_text(json.dumps(users))
    assert set(superset.draw_users(settings)) == {"engineer"}
    assert json.loads(file.read_text())["guest"]["organisation"] == "north"


def test_a_process_that_has_got_the_number_of_ours_is_not_ours(settings: Settings) -> None:
    pid = settings.home / "superset" / "pid.json"
    pid.parent.mkdir()
    created = psutil.Process().create_time()
    pid.write_text(json.dumps([os.getpid(), created - 60]))
    assert superset.address(settings) is None
    assert superset.down(settings) is False


def test_an_environment_is_made_anew_only_for_other_requirements(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("VMESTE_SUPERSET_VENV", raising=False)
    called = []

    class Done:
        returncode = 0

    def run(command: list[str], **_: object) -> Done:
        called.append(command)
        (settings.home / "superset" / "venv").mkdir(exist_ok=True)
        return Done()

    monkeypatch.setattr(superset.subprocess, "run", run)
    superset.make_environment(settings)
    first = len(called)
    assert first == 2
    assert "--require-hashes" in called[1]
    superset.make_environment(settings)
    assert len(called) == first
    (settings.home / "superset" / "venv" / "made").write_text("of other requirements")
    superset.make_environment(settings)
    assert len(called) == 2 * first


def test_an_environment_that_cannot_be_made_names_its_log(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VMESTE_SUPERSET_VENV", raising=False)

    class Failed:
        returncode = 1

    monkeypatch.setattr(superset.subprocess, "run", lambda *_, **__: Failed())
    with pytest.raises(superset.SupersetError, match=r"superset-install\.log"):
        superset.make_environment(settings)
    assert not (settings.home / "superset" / "venv" / "made").exists()
