"""Landed batches: immutable, compressed, without vault answers; what tasks hand over and what replays start from.

A batch is a Parquet file of text columns at ``<landing>/<source>/<form_id>/<batch_id>.parquet``. A local folder and an
object store are the same code through Airflow's ``ObjectStoragePath``.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import pyarrow as pa
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


def batch_id(source: str, form_id: str, run_id: str, rows: Sequence[Mapping[str, str | None]]) -> str:
    """Return the same id for the same rows of the same run, so that a repeated extract lands the same batch."""
    digest = hashlib.sha256(f"{source}\0{form_id}\0{run_id}\0".encode())
    for row in rows:
        digest.update(f"{row['_submission_id']}\0{row['_content_hash']}\0{row['_updated_at']}\n".encode())
    return digest.hexdigest()[:24]


def write(
    landing_url: str, header: BatchHeader, columns: Sequence[str], rows: Sequence[Mapping[str, str | None]]
) -> str:
    """Land a batch and return its address.

    Args:
        landing_url: the folder or object store address, e.g. ``file:///…/landing`` or ``s3://bucket/landing``.
        header: what the batch says of itself.
        columns: the answer columns, in the form's order.
        rows: answers and ``SYSTEM_COLUMNS`` by name.
    """
    from airflow.sdk import ObjectStoragePath

    names = [*SYSTEM_COLUMNS, *columns]
    schema = pa.schema(
        [pa.field(name, pa.string()) for name in names],
        metadata={"vmeste": json.dumps(asdict(header), ensure_ascii=False)},
    )
    table = pa.table({name: pa.array([row.get(name) for row in rows], pa.string()) for name in names}, schema=schema)
    folder = ObjectStoragePath(landing_url) / header.source / header.form_id
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"{header.batch_id}.parquet"
    # a file that was cut short never has the final name
    part = folder / f"{header.batch_id}.part"
    with part.open("wb") as file:
        pq.write_table(table, file, compression="zstd")
    part.replace(target)
    return str(target)


def read(address: str) -> tuple[BatchHeader, pa.Table]:
    """Read a landed batch.

    Raises:
        LandingError: there is none at this address, or it cannot be read whole.
    """
    from airflow.sdk import ObjectStoragePath

    path = ObjectStoragePath(address)
    try:
        with path.open("rb") as file:
            table = pq.read_table(file)
    except FileNotFoundError:
        raise LandingError(f"no landed batch at {address}: run the extract of this form again") from None
    except (pa.ArrowException, OSError) as error:
        raise LandingError(f"the landed batch {address} cannot be read ({error}): run its extract again") from error
    described = json.loads(table.schema.metadata[b"vmeste"])
    described["notes"] = tuple(described["notes"])
    described["refusals"] = tuple(described["refusals"])
    return BatchHeader(**described), table.replace_schema_metadata(None)
