"""A wrong setting is named together with the value expected."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from vmeste.settings import EXPECTED, ROOT, Settings, SettingsError, get_settings


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    for name in EXPECTED:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    get_settings.cache_clear()
    yield
    get_settings.cache_clear()


def test_the_defaults_work_on_one_machine(tmp_path: Path) -> None:
    settings = get_settings()
    assert settings.home == tmp_path / ".vmeste"
    assert settings.sources == ROOT / "forms" / "sources.yml"
    assert settings.is_embedded
    assert settings.landing_url == f"file://{tmp_path}/.vmeste/landing"
    assert settings.timezone == "Europe/Moscow"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("VMESTE_HOME", "/tmp/with blank"),
        ("VMESTE_FORMS", "/no/such/folder"),
        ("VMESTE_SOURCES", "/no/such/file.yml"),
        ("VMESTE_WAREHOUSE_URL", "mysql://localhost/x"),
        ("VMESTE_WAREHOUSE_URL", "postgresql://localhost"),
        ("VMESTE_VAULT_URL", "vault"),
        ("VMESTE_TIMEZONE", "Europe/Tambov"),
    ],
)
def test_a_wrong_setting_is_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as error:
        get_settings()
    assert f"{name}={'…' if name.endswith('_URL') else value}" in str(error.value)
    assert EXPECTED[name] in str(error.value)


def test_a_password_in_a_wrong_address_is_not_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VMESTE_WAREHOUSE_URL", "postgresql://u:s3cret@host")
    with pytest.raises(SettingsError) as error:
        get_settings()
    assert "s3cret" not in str(error.value)


def test_one_address_without_the_other_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VMESTE_WAREHOUSE_URL", "postgresql://u@localhost/warehouse")
    with pytest.raises(SettingsError, match="VMESTE_VAULT_URL is missing"):
        get_settings()


def test_every_setting_is_in_the_example() -> None:
    example = (ROOT / ".env.example").read_text(encoding="utf-8")
    fields = {f"VMESTE_{name.upper()}" for name in Settings.model_fields}
    assert fields == set(EXPECTED)
    assert all(f"{name}=" in example for name in fields)
