"""How dbt is called."""

from __future__ import annotations

from pathlib import Path

from vmeste.settings import ROOT, Settings
from vmeste.warehouse.connect import warehouse_url
from vmeste.warehouse.transform import TLS, dbt_environment, parse_option


def test_another_indicator_is_parsed_anew(tmp_path: Path) -> None:
    models, folder = tmp_path / "models" / "intermediate", tmp_path / "target"
    models.mkdir(parents=True)
    folder.mkdir()
    kept = folder / "partial_parse.msgpack"
    said = []
    for change in ("int_indicator_1_1.sql", None, "int_indicator_1_2.sql", None, "fct_meeting.sql"):
        kept.touch()
        if change:
            (models / change).touch()
        said.append((parse_option(tmp_path, folder), kept.exists()))
    anew, partly = ("--no-partial-parse", False), ("--partial-parse", True)
    assert said == [anew, partly, anew, partly, partly]
    (models / "int_indicator_1_1.sql").unlink()
    assert parse_option(tmp_path, folder) == "--no-partial-parse"


def test_how_a_connection_is_protected_reaches_dbt(tmp_path: Path) -> None:
    """An address that wants the server's certificate checked must not be asked without by dbt."""
    asked = "sslmode=verify-full&sslrootcert=/etc/ca.pem&sslcert=/etc/me.pem&sslkey=/etc/me.key"
    settings = Settings(
        home=tmp_path,
        warehouse_url=f"postgresql://me:secret@db.example.org/warehouse?{asked}",
        vault_url="postgresql://you:secret@db.example.org/vault",
    )
    given = dbt_environment(settings)
    assert [given[f"VMESTE_DBT_{name.upper()}"] for name in TLS] == [
        *("verify-full", "/etc/ca.pem", "/etc/me.pem", "/etc/me.key")
    ]
    profile = (ROOT / "dbt_project" / "profiles.yml").read_text(encoding="utf-8")
    for name in TLS:
        assert f"{name}: \"{{{{ env_var('VMESTE_DBT_{name.upper()}', '') }}}}\"" in profile
    assert "sslmode=verify-full" in warehouse_url(settings, "vmeste_loader"), (
        "psycopg and ADBC take it from the address"
    )
