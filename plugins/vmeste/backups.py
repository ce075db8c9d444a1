"""A copy of all that cannot be computed anew, and the way back from it into an empty home.

A backup is a folder of three parts that may be kept apart: ``warehouse`` (its dump and the landed batches), ``vault``
(names and codes: as secret as the vault itself) and ``releases`` (pages and workbooks). ``manifest.json`` holds the
SHA-256 of every file and what the warehouse held, so that a restoration can prove that nothing is missing.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from vmeste import landing
from vmeste.settings import Settings
from vmeste.warehouse import connect, embedded
from vmeste.warehouse.migrate import migrate

logger = logging.getLogger(__name__)

MANIFEST = "manifest.json"
_STAMP = "%Y%m%dT%H%M%SZ"


class BackupError(Exception):
    """A backup cannot be made or is not whole, or a restoration was refused; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a backup says of itself."""

    made_at: str  # ISO 8601 UTC
    files: dict[str, str]  # path in the folder → SHA-256
    migrations: list[str]
    roles: dict[str, list[str]]  # role → its rights on the warehouse's database
    raw_rows: dict[str, int]  # form → versions in raw
    releases: dict[str, str]  # release_id → checksum


def backup(settings: Settings, out: Path | None = None) -> Path:
    """Write a backup and return its folder; then remove those that are older than ``VMESTE_BACKUP_DAYS``.

    The warehouse's dump is one snapshot, whatever runs beside it. The vault's comes after it, so that every key of the
    warehouse is in it. A folder without a manifest is a backup that was broken off: it is removed by the next one.

    Args:
        settings: what is copied.
        out: the folder in which backups lie; ``VMESTE_HOME/backups`` by default.

    Raises:
        BackupError: ``pg_dump`` failed, or the disk is full.
    """
    place = out or settings.home / "backups"
    try:
        place.mkdir(parents=True, exist_ok=True)
        place.chmod(0o700)
        now, folder = _own_folder(place)
    except OSError as error:
        raise BackupError(f"the backup was not written: {error}. What was there before is untouched") from error
    try:
        for part in ("warehouse", "vault"):
            (folder / part).mkdir(parents=True)
        described = _described(settings)
        _dump(connect.warehouse_url(settings), folder / "warehouse" / "warehouse.dump")
        _dump(connect.vault_url(settings), folder / "vault" / "vault.dump")
        for name, data in _landed(settings):
            target = folder / "warehouse" / "landing" / name
            target.parent.mkdir(parents=True, exist_ok=True)
            _copy(data, target)
        if settings.releases.exists():
            shutil.copytree(settings.releases, folder / "releases")
        manifest = Manifest(made_at=now.isoformat(), files=dict(_hashes(folder)), **described)
        part_file = folder / f"{MANIFEST}.part"
        part_file.write_text(json.dumps(asdict(manifest), ensure_ascii=False, indent=1), encoding="utf-8")
        part_file.rename(folder / MANIFEST)
    except OSError as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise BackupError(f"the backup was not written: {error}. What was there before is untouched") from error
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    _remove_old(place, now - timedelta(days=settings.backup_days), keep=folder)
    return folder


def _own_folder(place: Path) -> tuple[datetime, Path]:
    """Make a folder that is nobody else's: a backup that fails is removed, and must not take another with it."""
    while True:
        now = datetime.now(UTC)
        folder = place / now.strftime(_STAMP)
        try:
            folder.mkdir()
        except FileExistsError:
            time.sleep(0.1)  # until the second is over whose name is taken
        else:
            return now, folder


def read_manifest(folder: Path) -> Manifest:
    """Return what a backup says of itself, after holding every file to it.

    Raises:
        BackupError: there is no backup, or a file is missing or was altered.
    """
    try:
        manifest = Manifest(**json.loads((folder / MANIFEST).read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise BackupError(f"{folder} is no backup, or one that was broken off: there is no {MANIFEST}") from None
    present = dict(_hashes(folder))
    problems = [
        f"{name} {'is missing' if name not in present else 'was altered'}"
        for name, digest in manifest.files.items()
        if present.get(name) != digest
    ]
    if problems:
        raise BackupError(f"{folder} is not whole: {'; '.join(problems)}. Take another backup")
    return manifest


def restore(settings: Settings, folder: Path) -> Manifest:
    """Fill an empty home, or empty databases of one's own, from a backup, and prove that all of it is there.

    The marts come back as they were; an older version's warehouse is brought up to date. Who was erased after the
    backup was made is in it again: see ``docs/erase-a-person.md``.

    Raises:
        BackupError: the backup is not whole, there is something already, or what came back differs from what was
            copied.
    """
    manifest = read_manifest(folder)
    embedded.start(settings)
    for address in (connect.warehouse_url(settings), connect.vault_url(settings)):
        with psycopg.connect(address) as connection:
            if connection.execute("select to_regclass('ops.migrations')").fetchone() != (None,):
                raise BackupError(
                    f"database {connection.info.dbname} is not empty: restore into an empty VMESTE_HOME, or into new "
                    "databases"
                )
    if any(landing.batches(settings.landing_url)):
        raise BackupError(f"{settings.landing_url} holds batches: restore into an empty one")
    _make_roles(connect.warehouse_url(settings), manifest.roles)
    _load(connect.warehouse_url(settings), folder / "warehouse" / "warehouse.dump")
    _load(connect.vault_url(settings), folder / "vault" / "vault.dump")
    _land(settings, folder / "warehouse" / "landing")
    if (folder / "releases").exists():
        shutil.copytree(folder / "releases", settings.releases, dirs_exist_ok=True)
    _prove(settings, manifest)
    migrate(settings)
    return manifest


def _prove(settings: Settings, manifest: Manifest) -> None:
    from vmeste.releases.publish import verify

    present = _described(settings)
    problems = [
        f"{name}: {then} then, {present[what].get(name)} now"
        for what, former in (("raw_rows", manifest.raw_rows), ("releases", manifest.releases))
        for name, then in former.items()
        if present[what].get(name) != then
    ]
    with connect.connect(settings, "vmeste_transformer") as connection:
        for release_id in manifest.releases:
            problems += verify(connection, release_id)
    if problems:
        raise BackupError(f"what came back differs from what was copied: {'; '.join(problems)}")


def _described(settings: Settings) -> dict[str, Any]:
    with connect.connect(settings) as connection:
        rows = connection.execute(
            "select rolname, coalesce(array_agg(privilege_type order by privilege_type) "
            "filter (where privilege_type is not null), '{}') from pg_roles "
            "left join (select grantee, privilege_type from pg_database, aclexplode(datacl) "
            "where datname = current_database()) as granted on grantee = pg_roles.oid "
            "where rolname like 'vmeste\\_%%' and not rolcanlogin group by rolname"
        ).fetchall()
        tables = connection.execute(
            "select relname from pg_class where relnamespace = 'raw'::regnamespace and relkind = 'r' order by 1"
        ).fetchall()
        counts = {
            name: connection.execute(sql.SQL("select count(*) from raw.{}").format(sql.Identifier(name))).fetchall()[0][
                0
            ]
            for (name,) in tables
        }
        migrations = connection.execute("select name from ops.migrations order by name").fetchall()
        releases = connection.execute("select release_id, checksum from published.releases").fetchall()
    return {
        "roles": {name: list(rights) for name, rights in rows},
        "raw_rows": counts,
        "migrations": [name for (name,) in migrations],
        "releases": dict(releases),
    }


def _make_roles(address: str, roles: dict[str, list[str]]) -> None:
    """Make the roles that own and may read what the dump holds; a dump of a database has no roles."""
    with psycopg.connect(address) as connection:
        present = {name for (name,) in connection.execute("select rolname from pg_roles")}
        database = sql.Identifier(connection.info.dbname)
        user = sql.Identifier(connection.info.user)
        for name, rights in roles.items():
            role = sql.Identifier(name)
            if name not in present:
                connection.execute(sql.SQL("create role {} nologin").format(role))
            connection.execute(sql.SQL("grant {} to {}").format(role, user))
            if rights:
                granted = sql.SQL(", ").join(map(sql.SQL, rights))
                connection.execute(sql.SQL("grant {} on database {} to {}").format(granted, database, role))


def _dump(address: str, target: Path) -> None:
    _client("pg_dump", address, ["--format", "custom", "--file", str(target)])


def _load(address: str, source: Path) -> None:
    # one transaction: a restoration that is broken off leaves an empty database
    database = str(psycopg.conninfo.conninfo_to_dict(address)["dbname"])
    _client("pg_restore", address, ["--single-transaction", "--exit-on-error", "--dbname", database, str(source)])


def _client(name: str, address: str, arguments: list[str]) -> None:
    parts = psycopg.conninfo.conninfo_to_dict(address)
    # by the environment: a command line is seen by every user of the machine
    given = {f"PG{variable}": str(parts[key]) for key, variable in _VARIABLES.items() if parts.get(key)}
    done = subprocess.run(
        [embedded.binaries() / name, "--no-password", *arguments],
        env=os.environ | given,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise BackupError(f"{name} of database {parts['dbname']} failed: {done.stderr.strip()[-1000:]}")


_VARIABLES = {
    "host": "HOST",
    "port": "PORT",
    "user": "USER",
    "password": "PASSWORD",
    "dbname": "DATABASE",
    "sslmode": "SSLMODE",
    "sslrootcert": "SSLROOTCERT",
    "sslcert": "SSLCERT",
    "sslkey": "SSLKEY",
}


def _landed(settings: Settings) -> Iterator[tuple[str, Any]]:
    from airflow.sdk import ObjectStoragePath

    for address in landing.batches(settings.landing_url):
        file = ObjectStoragePath(address)
        yield "/".join(file.parts[-3:]), file


def _copy(source: Any, target: Path) -> None:
    if source.protocol == "file":
        # a batch is never written to again, only replaced, so that a second name for it costs no room
        with suppress(OSError):
            os.link(source.path, target)
            return
    with source.open("rb") as read, target.open("wb") as written:
        shutil.copyfileobj(read, written)


def _land(settings: Settings, folder: Path) -> None:
    from airflow.sdk import ObjectStoragePath

    for file in sorted(folder.rglob("*.parquet")):
        target = ObjectStoragePath(settings.landing_url) / file.relative_to(folder).as_posix()
        target.parent.mkdir(parents=True, exist_ok=True)
        with file.open("rb") as read, target.open("wb") as written:
            shutil.copyfileobj(read, written)


def _hashes(folder: Path) -> Iterator[tuple[str, str]]:
    for file in sorted(folder.rglob("*")):
        if file.is_file() and not file.name.startswith(MANIFEST):
            with file.open("rb") as read:
                yield file.relative_to(folder).as_posix(), hashlib.file_digest(read, "sha256").hexdigest()


def _remove_old(place: Path, before: datetime, keep: Path) -> None:
    """Remove backups that are too old, and those that were broken off; other folders are not ours."""
    for folder in place.iterdir():
        try:
            made_at = datetime.strptime(folder.name, _STAMP).replace(tzinfo=UTC)
        except ValueError:
            continue
        if folder != keep and (made_at < before or not (folder / MANIFEST).exists()):
            logger.info("removing the backup %s", folder)
            shutil.rmtree(folder)
