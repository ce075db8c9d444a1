"""A folder of files anywhere that fsspec reaches: this machine, an object store, SFTP, a share."""

from __future__ import annotations

import fnmatch
import hashlib
import posixpath
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from vmeste.sources.errors import SourceError, SourceUnreachable
from vmeste.sources.sheets import MAX_CONTENT, FileRefused

_LEFTOVERS = ("~$*", ".*", "*.part", "*.tmp", "*.crdownload")  # of programs that have a file open or are copying it


@dataclass(frozen=True, slots=True)
class Entry:
    """A file of a folder as its listing shows it; ``changed_at`` is in nanoseconds since 1970, 0 if nobody says."""

    name: str
    path: str
    size: int
    changed_at: int
    is_regular: bool

    @property
    def suffix(self) -> str:
        """The name's ending with its dot, small."""
        return posixpath.splitext(self.name)[1].lower()


class Folder:
    """A folder; nothing is asked of it before its first listing."""

    def __init__(self, location: str, place: str, options: Mapping[str, Any] | None = None) -> None:
        """Keep where it lies.

        Args:
            location: an absolute path or an address such as ``s3://bucket/exports``.
            place: the source, for messages.
            options: what the file system needs to know beside, credentials among it (fsspec's storage options).
        """
        self.location, self._place, self._options = location, place, dict(options or {})

    def _open(self) -> tuple[Any, str]:
        import fsspec

        try:
            fs, root = fsspec.core.url_to_fs(self.location, **self._options)
        except (ImportError, ValueError) as error:
            raise SourceError(
                f"{self._place}: the location {self.location} cannot be reached ({error}). Install the package that it "
                "names, or mend `location` of this source in sources.yml"
            ) from None
        fs.invalidate_cache()  # a folder is watched: what was listed before says nothing
        return fs, root

    def entries(self, form_id: str = "") -> list[Entry]:
        """Return the folder's files in the order of their names, without what programs leave while they write.

        Args:
            form_id: for whom they are listed, for the message.

        Raises:
            SourceError: it cannot be listed.
        """
        with self._trouble(form_id):
            fs, root = self._open()
            listed = fs.ls(root, detail=True)
            if all(info["name"].rstrip("/") == root for info in listed) and not fs.isdir(root):
                raise NotADirectoryError(20, "it is no folder" if listed else "there is no such folder")
        found = (_entry(info) for info in listed if info["type"] != "directory" and info["name"].rstrip("/") != root)
        return sorted(
            (entry for entry in found if not any(fnmatch.fnmatchcase(entry.name, left) for left in _LEFTOVERS)),
            key=lambda entry: entry.name,
        )

    def content(self, entry: Entry) -> tuple[bytes, int]:
        """Return a file's bytes and its time of change (ns).

        Raises:
            FileRefused: it is no file, too large, empty, or being written at this moment.
            OSError: it cannot be read.
            SourceUnreachable: the store does not answer.
        """
        with self._store_trouble(self._place):
            fs, _ = self._open()
            if not entry.is_regular and fs.exists(entry.path) and not fs.isfile(entry.path):
                raise FileRefused("it is not a file but a pipe or a device. Copy the export itself into the folder")
            before = _entry(fs.info(entry.path))
            if before.size > MAX_CONTENT:
                raise FileRefused(
                    f"it has {before.size / 1024**2:,.0f} MB, more than the {MAX_CONTENT // 1024**2} MB that are read. "
                    "Split it, by year for instance; every part needs the header"
                )
            with fs.open(entry.path, "rb") as file:
                content: bytes = file.read(MAX_CONTENT + 1)
            after = _entry(fs.info(entry.path))
        if (before.size, before.changed_at) != (len(content), after.changed_at):
            raise FileRefused("it is being written just now. It will be read at the next run; nothing is to be done")
        if not content:
            raise FileRefused("it is empty (0 bytes). Export or copy it again")
        return content, after.changed_at

    def sha256(self, entry: Entry) -> str:
        """Return the digest of a file's content.

        Raises:
            OSError: it cannot be read.
            SourceUnreachable: the store does not answer.
        """
        with self._store_trouble(self._place):
            fs, _ = self._open()
            with fs.open(entry.path, "rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest()

    def move(self, entry: Entry, target: str, sha256: str) -> str:
        """Move a file into another folder and return its name there.

        Args:
            entry: the file.
            target: a folder of the same file system, relative to this one or absolute; it is made if need be.
            sha256: of the content: a file of the same name and another content stays beside it.

        Raises:
            SourceError: it cannot be moved.
        """
        with self._trouble():
            fs, root = self._open()
            folder = posixpath.join(root, target)
            if posixpath.normpath(folder) == posixpath.normpath(root):
                raise SourceError(f"{self._place}: move_read_to is the folder itself. Name another, e.g. read")
            fs.makedirs(folder, exist_ok=True)
            name = entry.name
            if fs.exists(posixpath.join(folder, name)):
                stem, suffix = posixpath.splitext(name)
                name = f"{stem}.{sha256[:8]}{suffix}"
            fs.mv(entry.path, posixpath.join(folder, name))
            return name

    @contextmanager
    def _trouble(self, form_id: str = "") -> Iterator[None]:
        place = f"{self._place}, {form_id}" if form_id else self._place
        try:
            with self._store_trouble(place):
                yield
        except OSError as error:
            raise SourceError(
                f"{place}: the folder {self.location} cannot be read ({error.strerror or type(error).__name__}). "
                "Create it, mount it or make it readable and writable, or mend `location` of this source in sources.yml"
            ) from None

    @contextmanager
    def _store_trouble(self, place: str) -> Iterator[None]:
        try:
            yield
        except (FileRefused, SourceError, OSError):
            raise
        except Exception as error:  # each store's client has exceptions of its own; their texts may quote a key
            raise SourceUnreachable(
                f"{place}: the folder {self.location} does not answer ({type(error).__name__})"
            ) from None


def _entry(info: Mapping[str, Any]) -> Entry:
    path = str(info["name"]).rstrip("/")
    size = info.get("size")
    return Entry(posixpath.basename(path), path, int(size or 0), _nanoseconds(info), info["type"] == "file")


def _nanoseconds(info: Mapping[str, Any]) -> int:
    """Return a file's time of change: each file system has its own name and type for it."""
    for name in ("mtime", "LastModified", "last_modified", "modified", "updated", "created"):
        match info.get(name):
            case int() | float() as seconds:
                return round(seconds * 1e9)
            case datetime() as moment:
                return round(moment.timestamp() * 1e9)
    return 0
