"""Landing on S3: the same batches at the same addresses, held against a server that speaks S3."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import boto3
import pytest
from moto.server import ThreadedMotoServer

from tests.landed_batch import HEADER
from vmeste import landing, object_stores


def row(submission_id: str, hours: str) -> dict[str, str | None]:
    return {"_submission_id": submission_id, "_content_hash": hours, "hours": hours}


@pytest.fixture(scope="module")
def server() -> Iterator[None]:
    # one for all tests: file systems are kept by their options, and these do not hold the server's address
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    _, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", "key")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        patch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
        yield
    server.stop()


@pytest.fixture
def bucket(server: None, request: pytest.FixtureRequest) -> str:
    name = f"batches-{abs(hash(request.node.name))}"
    boto3.client("s3").create_bucket(Bucket=name)
    return f"s3://{name}/landing"


def keys(bucket: str) -> list[str]:
    found = boto3.client("s3").list_objects_v2(Bucket=bucket.split("/")[2])
    return [item["Key"] for item in found.get("Contents", [])]


def test_a_batch_lands_and_is_read_listed_and_rewritten(bucket: str) -> None:
    address = landing.write(bucket, HEADER, ["hours"], [[row("a", "1")], [row("b", "2")]])
    assert list(landing.batches(bucket)) == [address]
    assert address.startswith(f"{bucket}/centre/f4_meeting/")
    with landing.opened(address) as batch:
        assert (batch.row_count, batch.header.source) == (2, "centre")
        assert [line["hours"] for chunk in batch.chunks() for line in chunk.to_pylist()] == ["1", "2"]
    assert landing.rewrite(address, lambda line: line | {"hours": None}, lambda line: line) == 2
    with landing.opened(address) as batch:
        assert [line["hours"] for chunk in batch.chunks() for line in chunk.to_pylist()] == [None, None]
    assert len(keys(bucket)) == 1


def test_a_source_that_breaks_off_leaves_nothing(bucket: str) -> None:
    def breaks_off() -> Iterator[list[dict[str, str | None]]]:
        yield [row("a", "1")]
        raise OSError("the source went away")

    with pytest.raises(OSError, match="went away"):
        landing.write(bucket, HEADER, ["hours"], breaks_off())
    assert keys(bucket) == []


def test_what_a_killed_writer_left_is_removed_and_nothing_else(bucket: str) -> None:
    address = landing.write(bucket, HEADER, ["hours"], [[row("a", "1")]])
    boto3.client("s3").put_object(Bucket=bucket.split("/")[2], Key="landing/centre/f4_meeting/half.part", Body=b"PAR1")
    assert list(landing.batches(bucket)) == [address]
    assert landing.remove_unfinished(bucket) == 1
    assert list(landing.batches(bucket)) == [address]


def test_a_second_place_for_the_key_is_refused() -> None:
    with pytest.raises(ValueError, match=r"aws_default.*AWS_"):
        object_stores.get_fs("aws_default")
