"""Landed batches: immutable, compressed, without vault answers; what tasks hand over and what replays start from.

A batch is a Parquet file of text columns at ``<landing>/<source>/<form_id>/<batch_id>.parquet``. A local folder and an
object store are the same code through Airflow's ``ObjectStoragePath``.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

SYSTEM_COLUMNS = (
    "_submission_id",
    "_form_version",
    "_submitted_at",
    "_updated_at",
    "_review_state",
    "_operation",
    "_content_hash",
    "_extra",
)
"""Beside the answers, each landed row has these; all text, times in ISO 8601 UTC."""

_VERSION = ("_submission_id", "_content_hash", "_updated_at", "_operation", "_review_state")
"""What tells a version from another: a batch with another of them is another batch."""


class LandingError(Exception):
    """A landed batch is missing, cut short or altered."""


@dataclass(frozen=True, slots=True)
class BatchHeader:
    """What a batch says of itself."""

    batch_id: str
    run_id: str
    source: str
    form_id: str
    form_version: str
    started_at: str
    landed_at: str
    server_count: int
    cursor_from: Mapping[str, Any] | None
    cursor_to: Mapping[str, Any]
    notes: tuple[str, ...]
    refusals: tuple[str, ...]
    vanished: int = 0  # rows at the end that say what a complete read no longer found
    server_total: int | None = None


def content_hash(answers: Mapping[str, str | None]) -> str:
    """Return the SHA-256 of the answers that were given, whatever their order."""
    given = {name: answer for name, answer in answers.items() if answer is not None}
    text = json.dumps(given, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def write(
    landing_url: str,
    header: BatchHeader,
    columns: Sequence[str],
    chunks: Iterable[Sequence[Mapping[str, str | None]]],
) -> str:
    """Land a batch and return its address.

    Args:
        landing_url: the folder or object store address, e.g. ``file:///…/landing`` or ``s3://bucket/landing``.
        header: what the batch says of itself. Its id is made here: the same rows of the same run, read again by a
            repeated task, land as the same batch.
        columns: the answer columns, in the form's order.
        chunks: rows of answers and ``SYSTEM_COLUMNS`` by name; each chunk is one row group, and memory holds one.
    """
    from airflow.sdk import ObjectStoragePath

    names = [*SYSTEM_COLUMNS, *columns]
    schema = pa.schema([pa.field(name, pa.string()) for name in names])
    folder = ObjectStoragePath(landing_url) / header.source / header.form_id
    folder.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256(f"{header.source}\0{header.form_id}\0{header.run_id}\0".encode())
    # a file that was cut short never has the final name
    part = folder / f"{digest.hexdigest()[:24]}.part"
    try:
        with (
            part.open("wb") as file,
            pq.ParquetWriter(file, schema, compression="zstd", write_page_checksum=True) as writer,
        ):
            for rows in chunks:
                for row in rows:
                    digest.update("\0".join(str(row.get(name)) for name in _VERSION).encode() + b"\n")
                writer.write_table(
                    pa.table({name: pa.array([row.get(name) for row in rows], pa.string()) for name in names}, schema),
                    row_group_size=max(len(rows), 1),
                )
            header = replace(header, batch_id=digest.hexdigest()[:24])
            writer.add_key_value_metadata({"vmeste": json.dumps(asdict(header), ensure_ascii=False)})
    except BaseException:
        part.unlink(missing_ok=True)  # a source that breaks off while it is read
        raise
    target = folder / f"{header.batch_id}.parquet"
    part.replace(target)
    return str(target)


@dataclass(frozen=True, slots=True)
class Batch:
    """A landed batch that is being read."""

    header: BatchHeader
    row_count: int
    _file: pq.ParquetFile
    _address: str

    def chunks(self, rows: int = 1) -> Iterator[pa.Table]:
        """Yield the rows in the order in which they were landed, chunks as landed joined up to so many rows.

        Raises:
            LandingError: the file was altered or cut since it was opened.
        """
        joined: list[int] = []
        for group in range(self._file.num_row_groups):
            sizes = [self._file.metadata.row_group(number).num_rows for number in (*joined, group)]
            if joined and sum(sizes) > rows:
                yield self._groups(joined)
                joined = []
            joined.append(group)
        if joined:
            yield self._groups(joined)

    def _groups(self, groups: list[int]) -> pa.Table:
        with _damage(self._address):
            return self._file.read_row_groups(groups).replace_schema_metadata(None)

    def with_edit_times(self) -> frozenset[str]:
        """Return the submissions of which any version of the batch says when it was edited."""
        found: set[str] = set()
        for group in range(self._file.num_row_groups):
            with _damage(self._address):
                chunk = self._file.read_row_group(group, columns=["_submission_id", "_updated_at"])
            found.update(chunk.filter(pc.is_valid(chunk["_updated_at"]))["_submission_id"].to_pylist())
        return frozenset(found)


@contextmanager
def opened(address: str) -> Iterator[Batch]:
    """Open a landed batch.

    Raises:
        LandingError: there is none at this address, or it cannot be read.
    """
    from airflow.sdk import ObjectStoragePath

    with ExitStack() as stack:
        with _damage(address):
            file = stack.enter_context(ObjectStoragePath(address).open("rb"))
            parquet = stack.enter_context(pq.ParquetFile(file, page_checksum_verification=True))
            described = json.loads(parquet.metadata.metadata[b"vmeste"])
            lists = {name: tuple(described[name]) for name in ("notes", "refusals")}
            header = BatchHeader(**described | lists)
        yield Batch(header, parquet.metadata.num_rows, parquet, address)


def batches(landing_url: str) -> Iterator[str]:
    """Yield the addresses of all landed batches, loaded ones and waiting ones."""
    from airflow.sdk import ObjectStoragePath

    root = ObjectStoragePath(landing_url)
    if not root.exists():
        return
    for source in sorted(root.iterdir()):
        for form in sorted(source.iterdir()) if source.is_dir() else ():
            for file in sorted(form.iterdir()) if form.is_dir() else ():
                if file.name.endswith(".parquet"):
                    yield str(file)


def remove_unfinished(landing_url: str) -> int:
    """Remove what killed writers left behind and return how much; nobody may be landing meanwhile."""
    from airflow.sdk import ObjectStoragePath

    root = ObjectStoragePath(landing_url)
    found = list(root.glob("*/*/*.part")) if root.exists() else []
    for file in found:
        file.unlink()
    return len(found)


def rewrite(
    address: str, change: Callable[[dict[str, str | None]], dict[str, str | None]], said: Callable[[str], str]
) -> int:
    """Change rows of a landed batch in place, whole or not at all, and return how many changed.

    The one exception to batches being immutable, for the erasure of a person: count, order and header stay, so that
    a batch that waits is loaded as it would have been.

    Args:
        address: the batch.
        change: given a row's text by column, returns the row to be kept.
        said: given a line of the header's notes and refusals, returns it as it is kept.

    Raises:
        LandingError: the batch cannot be read.
    """
    from airflow.sdk import ObjectStoragePath

    path = ObjectStoragePath(address)
    part = path.parent / f"{path.name}.part"
    changed = 0
    with opened(address) as batch:
        schema = batch._file.schema_arrow.remove_metadata()
        notes, refusals = (tuple(map(said, lines)) for lines in (batch.header.notes, batch.header.refusals))
        header = replace(batch.header, notes=notes, refusals=refusals)
        try:
            with (
                part.open("wb") as file,
                pq.ParquetWriter(file, schema, compression="zstd", write_page_checksum=True) as writer,
            ):
                for group in range(batch._file.num_row_groups):
                    table = batch._groups([group])
                    rows = table.to_pylist()
                    kept = [change(row) for row in rows]
                    changed += sum(before != after for before, after in zip(rows, kept, strict=True))
                    columns = {name: pa.array([row[name] for row in kept], pa.string()) for name in schema.names}
                    writer.write_table(pa.table(columns, schema), row_group_size=max(len(rows), 1))
                writer.add_key_value_metadata({"vmeste": json.dumps(asdict(header), ensure_ascii=False)})
        except BaseException:
            part.unlink(missing_ok=True)
            raise
    if changed or header != batch.header:
        part.replace(path)
    else:
        part.unlink()
    return changed


@contextmanager
def _damage(address: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise LandingError(f"no landed batch at {address}: run the extract of this form again") from None
    except (pa.ArrowException, OSError, KeyError, TypeError, ValueError) as error:
        raise LandingError(f"the landed batch {address} cannot be read ({error}): run its extract again") from error
