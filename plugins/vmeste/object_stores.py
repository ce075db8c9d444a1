"""S3 and what speaks like it, as a place for landed batches: Airflow finds this module by our provider's entry.

Airflow's own ``s3`` comes with the Amazon provider, which brings some thirty packages that nothing here uses.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

schemes = ["s3", "s3a"]


def get_fs(conn_id: str | None, storage_options: Mapping[str, Any] | None = None) -> Any:
    """Return the file system.

    The key, its secret and the address come from the environment, as for every client of S3: ``AWS_ACCESS_KEY_ID``,
    ``AWS_SECRET_ACCESS_KEY``, ``AWS_ENDPOINT_URL``, ``AWS_DEFAULT_REGION``.

    Raises:
        ValueError: a connection of Airflow is named, which would be a second place for the same key.
    """
    from s3fs import S3FileSystem

    if conn_id:
        raise ValueError(f"connection {conn_id!r}: the landing reads its key from AWS_* variables, not from Airflow")
    return S3FileSystem(**(storage_options or {}))
