"""docker-compose.yml as Compose understands it, and the promises it makes: closed, healthy, limited, one image."""

from __future__ import annotations

import importlib.util
import os
import re
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from vmeste.local import airflow
from vmeste.settings import ROOT, Settings
from vmeste.warehouse import embedded

ONE_SHOT = {"init", "superset-provision"}
OF_A_PLACE = re.compile(
    # what must differ: where things are, who may enter, which executor
    r"HOME|FOLDER|SOURCES|DIRECTORY|_DIR|KEY|SECRET|CONN$|URL|FILE|HOST|PORT|EXECUTOR|PARALLELISM|USERS|WORKERS$|DBT_(USER|PASSWORD|DBNAME)"
)


def draw(file: Path) -> list[str]:
    spec = importlib.util.spec_from_file_location("draw_secrets", ROOT / "docker" / "draw_secrets.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    names: list[str] = module.complete(file)
    return names


def compose(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run Docker Compose: the plugin where Docker has it, Debian's package elsewhere."""
    has_plugin = subprocess.run(["docker", "compose", "version"], capture_output=True, check=False).returncode == 0
    command = ["docker", "compose"]
    if not has_plugin:
        brought = subprocess.run(
            [ROOT / "bin" / "debian_command", sys.prefix, "docker-compose", "docker-compose"],
            capture_output=True,
            text=True,
            check=False,
        )
        if brought.returncode:
            pytest.skip(f"Docker Compose cannot be had by this user: {brought.stderr.strip().splitlines()[-1]}")
        command = [brought.stdout.strip()]
    environment = {"PATH": os.environ["PATH"], "HOME": "/nonexistent"}
    return subprocess.run(
        [*command, *arguments], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The services as Compose resolves them, with drawn secrets."""
    file = tmp_path_factory.mktemp("compose") / "env"
    draw(file)
    told = compose("--env-file", file, "--profile", "bi", "config")
    assert told.returncode == 0, told.stderr
    found: dict[str, Any] = yaml.safe_load(told.stdout)["services"]
    return found


def test_compose_refuses_to_start_without_each_secret(tmp_path: Path) -> None:
    file = tmp_path / "env"
    names = draw(file)
    drawn = file.read_text(encoding="utf-8").splitlines()
    used = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    assert [name for name in names if name not in used] == []
    for name in names:
        file.write_text("\n".join(line for line in drawn if not line.startswith(f"{name}=")), encoding="utf-8")
        told = compose("--env-file", file, "--profile", "bi", "config")
        assert told.returncode != 0, f"{name} is missing and Compose starts"
        assert "run make compose-up" in told.stderr


def test_secrets_are_drawn_once_for_this_user_alone(tmp_path: Path) -> None:
    file = tmp_path / "env"
    names = draw(file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    before = file.read_text(encoding="utf-8")
    assert draw(file) == []
    assert file.read_text(encoding="utf-8") == before
    values = [line.split("=", 1)[1] for line in before.splitlines()]
    assert len(set(values)) == len(values) == len(names)
    file.write_text("\n".join(before.splitlines()[1:]), encoding="utf-8")
    assert draw(file) == names[:1], "a new version's secret is added"
    assert before.splitlines()[3] in file.read_text(encoding="utf-8").splitlines(), "and no other changes"


def test_no_secret_has_a_default_or_stands_in_a_file() -> None:
    text = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    for name in re.findall(r"\$\{(\w*(?:PASSWORD|SECRET|FERNET)\w*)", text):
        if not name.startswith("AWS_"):
            assert not re.search(rf"\$\{{{name}(?!:\?)", text), f"{name} must be required"
    assert not re.search(r"(PASSWORD|SECRET|KEY): (?!\$\{)\S", text)


def test_only_this_machine_reaches_a_port(services: dict[str, Any]) -> None:
    ports = [str(port) for service in services.values() for port in service.get("ports", [])]
    assert ports
    assert all("127.0.0.1" in port for port in ports), ports


def test_each_service_is_watched_limited_and_restarted(services: dict[str, Any]) -> None:
    for name, service in services.items():
        assert service["deploy"]["resources"]["limits"].keys() >= {"cpus", "memory"}, name
        if name in ONE_SHOT:
            assert service["restart"] == "no", name
        else:
            assert service["healthcheck"]["test"], name
            assert service["restart"] == "unless-stopped", name


def test_nothing_starts_before_the_one_shot_has_done_its_work(services: dict[str, Any]) -> None:
    before = {"vmeste-airflow:local": "init", "vmeste-superset:local": "superset-provision"}
    for name, service in services.items():
        if service["image"] in before and name not in ONE_SHOT:
            first = before[service["image"]]
            assert service["depends_on"][first]["condition"] == "service_completed_successfully", name
    assert "init" in services["superset-provision"]["depends_on"]


def test_superset_is_given_no_volume_of_the_pipeline(services: dict[str, Any]) -> None:
    for name in ("superset", "superset-provision"):
        assert [str(volume).split(":")[0] for volume in services[name]["volumes"]] == ["bi"]
        assert not [key for key in services[name]["environment"] if "WAREHOUSE" in key or "VAULT" in key]


def test_airflow_is_tuned_here_as_on_one_machine(services: dict[str, Any], tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(embedded, "url", lambda settings, database: f"postgresql://u:p@h/{database}")
        here = airflow.environment(settings, 1)
    there = services["worker"]["environment"]
    shared = {
        name
        for name in here.keys() & there.keys()
        if name.startswith(("AIRFLOW__", "VMESTE_", "DBT_")) and not OF_A_PLACE.search(name)
    }
    assert {name: there[name] for name in shared} == {name: here[name] for name in shared}
    missing = {name for name in here if name.startswith("AIRFLOW__")} - there.keys()
    assert {name for name in missing if not OF_A_PLACE.search(name)} <= {
        "AIRFLOW__DAG_PROCESSOR__PARSING_PROCESSES",
        "AIRFLOW__LOGGING__LOGGING_LEVEL",  # of the command that runs here, not of the services
    }


@pytest.mark.parametrize("file", sorted((ROOT / "docker").glob("*.Dockerfile")), ids=lambda file: file.stem)
def test_images_run_as_nobody_special_from_pinned_packages(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    instructions = [line.split()[0] for line in text.splitlines() if re.match(r"[A-Z]+ ", line)]
    assert not text.startswith("# syntax")
    assert set(re.findall(r"^FROM (\S+)", text, re.M)) == {"python:3.12-slim-bookworm"}
    assert "USER" in instructions and instructions.index("USER") < instructions.index("ENTRYPOINT")
    assert re.findall(r"^USER (\S+)", text, re.M) == ["vmeste"]
    assert "--require-hashes" in text
    assert not re.search(r"(PASSWORD|SECRET|FERNET)", text)


def test_the_builder_is_given_nothing_secret() -> None:
    lines = [line for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines() if line[:1] != "#"]
    assert lines[0] == "*", "everything is kept out that is not named"
    named = {line[1:] for line in lines if line.startswith("!")}
    assert not named & {".git", ".env", ".vmeste", "docker", "docker/.env", ".venv", "."}
    copied = set()
    for file in (ROOT / "docker").glob("*.Dockerfile"):
        for line in re.findall(r"^COPY (?!--from)(.+)$", file.read_text(encoding="utf-8"), re.M):
            copied.update(line.split()[:-1])
    assert copied <= named | {f"superset/{path.name}" for path in (ROOT / "superset").glob("*")}, copied - named


def test_an_image_knows_the_commit_that_it_was_built_from(services: dict[str, Any]) -> None:
    """There is no git in it, and a release says which code computed it."""
    of_airflow = [
        one for one in services.values() if one.get("build", {}).get("dockerfile", "").startswith("docker/air")
    ]
    assert of_airflow
    assert all("VMESTE_CODE_REVISION" in one["build"]["args"] for one in of_airflow)
    # Compose would hide what the image has
    assert not any("VMESTE_CODE_REVISION" in one.get("environment", {}) for one in services.values())
    dockerfile = (ROOT / "docker" / "airflow.Dockerfile").read_text(encoding="utf-8")
    assert "ARG VMESTE_CODE_REVISION" in dockerfile
    assert "ENV VMESTE_CODE_REVISION=$VMESTE_CODE_REVISION" in dockerfile
    made = subprocess.run(["make", "-n", "compose-up"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert 'VMESTE_CODE_REVISION="$(git describe --always --dirty' in made
