"""Landed batches come back as they were, and damage is found."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from vmeste import landing

HEADER = landing.BatchHeader("", "run", "centre", "f4_meeting", "1", "t0", "t1", 1, None, {"files": {}}, ("note",), ())
ROW = {"mode": "phone", "_submission_id": "s1", "_content_hash": "h", "_updated_at": None}


def land(folder: Path, *rows: dict[str, str | None], run_id: str = "run", chunk: int = 2) -> str:
    chunks = [rows[start : start + chunk] for start in range(0, len(rows), chunk)]
    return landing.write(f"file://{folder}", replace(HEADER, run_id=run_id), ["mode"], chunks)


def test_a_batch_comes_back_chunk_by_chunk(tmp_path: Path) -> None:
    address = land(tmp_path, ROW, ROW | {"mode": None}, ROW | {"mode": "chat"})
    with landing.opened(address) as batch:
        assert replace(batch.header, batch_id="") == HEADER
        assert batch.row_count == 3
        assert [chunk["mode"].to_pylist() for chunk in batch.chunks()] == [["phone", None], ["chat"]]
        assert [chunk["mode"].to_pylist() for chunk in batch.chunks(2)] == [["phone", None], ["chat"]]
        assert [chunk["mode"].to_pylist() for chunk in batch.chunks(3)] == [["phone", None, "chat"]]
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == [f"{batch.header.batch_id}.parquet"]


def test_an_empty_batch_comes_back(tmp_path: Path) -> None:
    with landing.opened(land(tmp_path)) as batch:
        assert (batch.row_count, list(batch.chunks())) == (0, [])


def test_a_cut_batch_is_an_error(tmp_path: Path) -> None:
    address = land(tmp_path, ROW)
    file = next(tmp_path.rglob("*.parquet"))
    file.write_bytes(file.read_bytes()[:-20])
    with pytest.raises(landing.LandingError, match="cannot be read"), landing.opened(address):
        pass


def test_an_altered_batch_is_an_error(tmp_path: Path) -> None:
    address = land(tmp_path, *[ROW | {"_submission_id": f"s{number}"} for number in range(50)], chunk=50)
    file = next(tmp_path.rglob("*.parquet"))
    content = bytearray(file.read_bytes())
    content[60] ^= 0xFF
    file.write_bytes(bytes(content))
    with pytest.raises(landing.LandingError, match="cannot be read"), landing.opened(address) as batch:
        list(batch.chunks())


def test_a_missing_batch_is_an_error(tmp_path: Path) -> None:
    with (
        pytest.raises(landing.LandingError, match="no landed batch"),
        landing.opened(f"file://{tmp_path}/none.parquet"),
    ):
        pass


def test_the_hash_depends_on_answers_only() -> None:
    assert landing.content_hash({"a": "1", "b": None}) == landing.content_hash({"a": "1"})
    assert landing.content_hash({"a": "1", "b": "2"}) == landing.content_hash({"b": "2", "a": "1"})
    assert landing.content_hash({"a": "1"}) != landing.content_hash({"a": "2"})


def test_the_same_rows_of_the_same_run_are_the_same_batch(tmp_path: Path) -> None:
    first = land(tmp_path, ROW)
    assert land(tmp_path, ROW) == first
    assert land(tmp_path, ROW, run_id="another run") != first
    assert land(tmp_path, ROW | {"_content_hash": "other"}) != first
