"""A backup restored into an empty home is the same warehouse; what is not whole is refused."""

from __future__ import annotations

import shutil
import stat
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from tests.integration.test_publish import APPROVALS
from tests.landed_batch import HEADER
from tests.unit.releases.synthetic import made_up_candidate
from vmeste import backups, landing
from vmeste.releases.publish import publish, verify
from vmeste.settings import Settings
from vmeste.warehouse import embedded
from vmeste.warehouse.connect import connect, vault_url


@pytest.fixture(scope="module")
def release_id(settings: Settings) -> str:
    """What the warehouse holds: a release, rows in raw, a key in the vault, a landed batch, a page."""
    landing.write(settings.landing_url, HEADER, ["hours"], [[{"_submission_id": "a", "hours": "1"}]])
    with connect(settings, "vmeste_loader") as connection:
        connection.execute(
            "insert into raw.f8_incident (_source, _submission_id, _form_version, _submitted_at, _content_hash, "
            "_operation, _ingested_at, _batch_id) select 'centre', number, '1', now(), number, 'upsert', now(), 'b' "
            "from generate_series(1, 7) as number"
        )
    with psycopg.connect(vault_url(settings)) as vault:
        vault.execute("insert into vault.secrets values ('marker', '\\x01')")
    with connect(settings, "vmeste_transformer") as connection:
        released = publish(connection, made_up_candidate(), APPROVALS, "unknown", "demo-engineer")
    page = settings.releases / released / "release.pdf"
    page.parent.mkdir(parents=True)
    page.write_bytes(b"%PDF")
    return released


@pytest.fixture(scope="module")
def folder(settings: Settings, release_id: str) -> Path:
    return backups.backup(settings)


@pytest.fixture
def empty() -> Iterator[Settings]:
    home = Path(tempfile.mkdtemp(prefix="vmeste-restored-"))
    home.chmod(0o755)
    fresh = Settings(home=home, warehouse_url="", vault_url="")
    yield fresh
    embedded.stop(fresh)
    shutil.rmtree(home, ignore_errors=True)


def test_all_comes_back_and_the_warehouse_goes_on(
    settings: Settings, folder: Path, empty: Settings, release_id: str
) -> None:
    manifest = backups.restore(empty, folder)
    assert manifest.raw_rows["f8_incident"] == 7
    assert manifest.releases.keys() == {release_id}
    with connect(empty, "vmeste_transformer") as connection:
        assert verify(connection, release_id) == ()
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("delete from published.indicator_values")
    with connect(empty, "vmeste_bi") as connection:
        assert connection.execute("select count(*) from published.indicator_values").fetchone() != (0,)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("select * from raw.f8_incident")
    with connect(empty, "vmeste_loader") as connection, pytest.raises(psycopg.errors.UniqueViolation):
        connection.execute("insert into raw.f8_incident select * from raw.f8_incident limit 1")
    with psycopg.connect(vault_url(empty)) as vault:
        assert vault.execute("select secret from vault.secrets where name = 'marker'").fetchall() == [(b"\x01",)]
    (address,) = landing.batches(empty.landing_url)
    with landing.opened(address) as batch:
        assert batch.row_count == 1
    assert (empty.releases / release_id / "release.pdf").read_bytes() == b"%PDF"


def test_nobody_else_may_look_into_a_backup(folder: Path) -> None:
    assert stat.S_IMODE(folder.parent.stat().st_mode) == 0o700


def test_a_home_that_is_not_empty_is_left_alone(settings: Settings, folder: Path) -> None:
    with pytest.raises(backups.BackupError, match="is not empty: restore into an empty VMESTE_HOME"):
        backups.restore(settings, folder)


@pytest.mark.parametrize("name", ["warehouse/warehouse.dump", "vault/vault.dump"])
def test_a_file_that_was_altered_is_named_before_anything_is_written(
    folder: Path, empty: Settings, tmp_path: Path, name: str
) -> None:
    copied = shutil.copytree(folder, tmp_path / "copied")
    content = bytearray((copied / name).read_bytes())
    content[100] ^= 255
    (copied / name).write_bytes(content)
    with pytest.raises(backups.BackupError, match=rf"not whole: {name} was altered"):
        backups.restore(empty, copied)
    assert not (empty.home / "postgres").exists()


def test_a_missing_batch_is_named(folder: Path, tmp_path: Path) -> None:
    copied = shutil.copytree(folder, tmp_path / "copied")
    shutil.rmtree(copied / "warehouse" / "landing")
    with pytest.raises(backups.BackupError, match=r"landing/centre/f4_meeting/\w+\.parquet is missing"):
        backups.read_manifest(copied)


def test_rows_that_did_not_come_back_are_counted(
    settings: Settings, folder: Path, empty: Settings, tmp_path: Path
) -> None:
    copied = shutil.copytree(folder, tmp_path / "copied")
    said = (copied / backups.MANIFEST).read_text(encoding="utf-8")
    (copied / backups.MANIFEST).write_text(said.replace('"f8_incident": 7', '"f8_incident": 8'), encoding="utf-8")
    with pytest.raises(backups.BackupError, match="f8_incident: 8 then, 7 now"):
        backups.restore(empty, copied)


def test_old_and_broken_off_backups_go_and_other_folders_stay(settings: Settings, release_id: str) -> None:
    place = settings.home / "others"
    old = datetime.now(UTC) - timedelta(days=settings.backup_days + 1)
    kept = datetime.now(UTC) - timedelta(days=settings.backup_days - 1)
    for moment in (old, kept):
        (place / moment.strftime("%Y%m%dT%H%M%SZ")).mkdir(parents=True)
        (place / moment.strftime("%Y%m%dT%H%M%SZ") / backups.MANIFEST).touch()
    (place / "20990101T000000Z").mkdir()
    (place / "of somebody else").mkdir()
    new = backups.backup(settings, place)
    assert {found.name for found in place.iterdir()} == {
        new.name,
        kept.strftime("%Y%m%dT%H%M%SZ"),
        "of somebody else",
    }


def test_two_backups_of_one_second_are_two(settings: Settings) -> None:
    """A backup that fails removes its folder, which must never be another's."""
    place = Path(tempfile.mkdtemp(prefix="vmeste-backups-"))
    folders = [backups._own_folder(place)[1] for _ in range(2)]
    assert len({folder.name for folder in folders}) == 2
    (folders[0] / "precious").touch()
    with pytest.raises(backups.BackupError, match=r"Not a directory|File exists"):
        backups.backup(settings, folders[0] / "precious")
    assert (folders[0] / "precious").exists()
    shutil.rmtree(place)


def test_a_full_disk_leaves_no_half_backup(
    settings: Settings, release_id: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(backups, "_copy", full)
    with pytest.raises(backups.BackupError, match="No space left on device"):
        backups.backup(settings, tmp_path / "full")
    assert list((tmp_path / "full").iterdir()) == []
