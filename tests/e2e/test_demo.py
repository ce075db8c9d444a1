"""What the demonstration has left behind: figures, files, proof, and nothing that should not be there."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import openpyxl
import psycopg
import pytest
import yaml
from pypdf import PdfReader

from tests.e2e.conftest import Told
from vmeste.local import airflow
from vmeste.settings import ROOT, Settings
from vmeste.warehouse import embedded
from vmeste.warehouse.connect import connect, vault_url

EXPECTED = yaml.safe_load((ROOT / "examples" / "reference_cohort" / "expected.yml").read_text(encoding="utf-8"))


def metadata(settings: Settings, query: str) -> list[Any]:
    """Ask Airflow's own database."""
    with psycopg.connect(embedded.url(settings, embedded.AIRFLOW)) as connection:
        return connection.execute(query.encode()).fetchall()


@pytest.mark.parametrize("view", EXPECTED["period_views"])
def test_the_published_figures_are_those_of_the_cohort(database: Settings, view: str) -> None:
    with connect(database, "vmeste_bi") as connection:
        rows = connection.execute(
            "select indicator_code, eligible, measured, achieved from published.current_indicator_values "
            "where quarter = %s and period_view = %s and split_by = 'all'",
            (EXPECTED["quarter"], view),
        ).fetchall()
    published = {
        code: {"eligible": eligible, "measured": measured, "achieved": a} for code, eligible, measured, a in rows
    }
    wanted = {
        code: {name: figures[name] for name in ("eligible", "measured", "achieved")}
        for code, figures in EXPECTED["indicators"].items()
    }
    assert {code: published[code] for code in wanted} == wanted
    # companions stand beside their headlines: of the same people no more have gained reliably than have gained
    for code in ("2.1", "3.1"):
        reliable = published[f"{code}r"]
        assert (reliable["eligible"], reliable["measured"]) == (wanted[code]["eligible"], wanted[code]["measured"])
        assert 0 < reliable["achieved"] < wanted[code]["achieved"]


def test_every_sync_adds_up(database: Settings) -> None:
    with connect(database, "vmeste_loader") as connection:
        rows = connection.execute(
            "select form_id, server_count, accepted, quarantined, voided, unchanged from ops.sync_runs "
            "where run_id = (select run_id from ops.sync_runs order by finished_at limit 1)"
        ).fetchall()
    found = {row[0]: row[1:] for row in rows}
    assert found == {
        form_id: (counts["rows"], counts["accepted"], counts["quarantined"], 0, counts["unchanged"])
        for form_id, counts in EXPECTED["forms"].items()
    }


def test_all_forms_of_a_sync_start_one_transformation(database: Settings) -> None:
    runs = metadata(database, "select run_type, state from dag_run where dag_id = 'transform_warehouse'")
    assert runs == [("asset_triggered", "success")]
    announced = metadata(database, "select name from asset join asset_event on asset.id = asset_event.asset_id")
    assert {name for (name,) in announced} == {f"raw/{form_id}" for form_id in EXPECTED["forms"]} | {"marts"}


def test_two_people_approved_and_a_third_prepared(database: Settings) -> None:
    with connect(database, "vmeste_transformer") as connection:
        ((state, prepared_by, approvals),) = connection.execute(
            "select state, prepared_by, approvals from published.releases"
        ).fetchall()
    assert (state, prepared_by) == ("released", "admin")
    assert [(given["role"], given["user"]) for given in approvals] == [
        ("method", "demo_psychologist"),
        ("director", "demo_director"),
    ]


def test_the_page_is_one_page_with_the_figures(first: Told) -> None:
    (page,) = PdfReader(first.folder / "release.pdf").pages
    text = page.extract_text()
    for figure in ("17", "21", "IV квартал 2021"):
        assert figure in text
    page_html = (first.folder / "release.html").read_text(encoding="utf-8").replace("\u00a0", " ")
    for counts in ("17 из 21", "14 из 20", "40 из 48", "16 из 29"):
        assert f">{counts}<" in page_html


def test_the_workbook_opens(first: Told) -> None:
    assert len(openpyxl.load_workbook(first.folder / "release.xlsx").sheetnames) > 3


def test_the_terminal_shows_figures_beside_the_reported_ones_and_where_to_go_on(first: Told) -> None:
    for told in ("17/21", "17 (80%)", "42% из 48", "after_pair_end", "demo_director approves", str(first.folder)):
        assert told in first.text, told


def test_no_vault_answer_is_in_logs_landing_or_xcom(database: Settings) -> None:
    with psycopg.connect(vault_url(database)) as vault:
        answers = {answer for (answer,) in vault.execute("select answer from vault.answers").fetchall()}
        answers |= {code for (code,) in vault.execute("select code from vault.keys").fetchall()}
    # dates of birth and the like also stand elsewhere with another meaning
    telling = {answer for answer in answers if any(letter.isalpha() for letter in answer) and len(answer) > 4}
    assert len(telling) > 100
    files = [file for folder in ("landing", "logs") for file in (database.home / folder).rglob("*") if file.is_file()]
    assert len(files) > 50
    found = [(file, answer) for file in files for answer in sorted(telling) if answer in read(file)]
    assert found == []
    xcoms = "\n".join(value for (value,) in metadata(database, "select value::text from xcom"))
    assert [answer for answer in telling if answer in xcoms] == []


def read(file: Path) -> str:
    import gzip

    content = file.read_bytes()
    text = (gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content).decode(errors="replace")
    # logs and batches are JSON: Cyrillic may stand there as \uXXXX
    return text.encode("latin-1", "backslashreplace").decode("unicode_escape", "replace") if "\\u0" in text else text


def test_secrets_are_for_their_user_alone_and_in_no_log(first: Told, settings: Settings) -> None:
    secrets = []
    for file in (settings.home / "secrets").iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file
        secrets += json.loads(file.read_text(encoding="utf-8")).values()
    assert len(secrets) >= 9
    logs = "\n".join(read(file) for file in (settings.home / "logs").rglob("*.log"))
    assert [secret for secret in secrets if secret in logs or secret in first.text] == []


def test_nothing_is_left_running(first: Told, settings: Settings) -> None:
    assert airflow.address(settings) is None
    assert not (settings.home / "airflow" / "pids.json").exists()
    assert "PostgreSQL stopped" in first.text
