"""Landed batches come back as they were, and damage is found."""

from __future__ import annotations

from pathlib import Path

import pytest

from vmeste import landing

HEADER = landing.BatchHeader(
    "b1", "run", "centre", "f4_meeting", "1", "t0", "t1", 1, None, {"files": {}}, ("note",), ()
)
ROW = {"mode": "phone", "_submission_id": "s1", "_content_hash": "h", "_updated_at": None}


def test_a_batch_comes_back(tmp_path: Path) -> None:
    address = landing.write(f"file://{tmp_path}", HEADER, ["mode"], [ROW])
    header, table = landing.read(address)
    assert header == HEADER
    assert table.to_pylist()[0]["mode"] == "phone"
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["b1.parquet"]


def test_a_cut_batch_is_an_error(tmp_path: Path) -> None:
    address = landing.write(f"file://{tmp_path}", HEADER, ["mode"], [ROW])
    file = next(tmp_path.rglob("*.parquet"))
    file.write_bytes(file.read_bytes()[:-20])
    with pytest.raises(landing.LandingError, match="cannot be read"):
        landing.read(address)


def test_a_missing_batch_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(landing.LandingError, match="no landed batch"):
        landing.read(f"file://{tmp_path}/none.parquet")


def test_the_hash_depends_on_answers_only() -> None:
    assert landing.content_hash({"a": "1", "b": None}) == landing.content_hash({"a": "1"})
    assert landing.content_hash({"a": "1", "b": "2"}) == landing.content_hash({"b": "2", "a": "1"})
    assert landing.content_hash({"a": "1"}) != landing.content_hash({"a": "2"})


def test_the_batch_id_depends_on_run_and_rows() -> None:
    first = landing.batch_id("centre", "f4_meeting", "run", [ROW])
    assert first == landing.batch_id("centre", "f4_meeting", "run", [ROW])
    assert first != landing.batch_id("centre", "f4_meeting", "another run", [ROW])
    assert first != landing.batch_id("centre", "f4_meeting", "run", [ROW | {"_content_hash": "other"}])
