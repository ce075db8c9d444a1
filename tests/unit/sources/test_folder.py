"""Folders that are not on this machine, and files that are moved aside once they were read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest

from tests.unit.sources.conftest import GOOD, VISIT, make_folder
from vmeste.sources import SourceError
from vmeste.sources.config import FormFiles
from vmeste.sources.files import FilesSource
from vmeste.sources.folder import Folder


@pytest.fixture
def bucket() -> Iterator[str]:
    memory = fsspec.filesystem("memory")
    memory.pipe("/bucket/visit_1.csv", GOOD.encode())
    yield "memory://bucket"
    memory.rm("/bucket", recursive=True)


def source(location: str, **more: str) -> FilesSource:
    return FilesSource("centre", location, "Europe/Moscow", {VISIT.form_id: FormFiles(files="visit_*")}, **more)


def test_a_folder_anywhere_is_read_like_one_here(bucket: str) -> None:
    first = source(bucket).extract(VISIT, None)
    assert [submission.submission_id for submission in first.submissions] == ["id-1"]
    assert not source(bucket).has_news(VISIT, first.cursor)
    fsspec.filesystem("memory").pipe("/bucket/visit_1.csv", GOOD.replace("id-1", "id-2").encode())
    assert source(bucket).has_news(VISIT, first.cursor), "the same size, another content"


def test_what_cannot_be_reached_is_named() -> None:
    with pytest.raises(SourceError, match=r"centre: the folder memory://nowhere cannot be read .* `location`"):
        source("memory://nowhere").overlooked()
    with pytest.raises(SourceError, match="centre: the location nosuch://x cannot be reached"):
        source("nosuch://x").overlooked()


def test_a_store_that_breaks_is_unreachable_and_says_no_key(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("key=secret")

    monkeypatch.setattr(fsspec.get_filesystem_class("memory"), "ls", broken)
    with pytest.raises(SourceError, match=r"does not answer \(RuntimeError\)") as caught:
        source(bucket).overlooked()
    assert "secret" not in str(caught.value)


def test_what_was_read_is_moved_aside_at_the_next_look(bucket: str) -> None:
    moving = source(bucket, move_read_to="read")
    cursor = moving.extract(VISIT, None).cursor
    assert moving.move_read(VISIT, None) == [], "nothing is loaded yet"
    assert moving.move_read(VISIT, cursor) == ["visit_1.csv"]
    memory = fsspec.filesystem("memory")
    assert memory.cat("/bucket/read/visit_1.csv").decode() == GOOD
    assert not memory.exists("/bucket/visit_1.csv")
    assert moving.move_read(VISIT, cursor) == []
    assert not moving.has_news(VISIT, cursor)


def test_another_file_of_the_same_name_stays_beside_the_first(bucket: str) -> None:
    moving = source(bucket, move_read_to="read")
    moving.move_read(VISIT, moving.extract(VISIT, None).cursor)
    memory = fsspec.filesystem("memory")
    memory.pipe("/bucket/visit_1.csv", GOOD.replace("id-1", "id-2").encode())
    (name,) = moving.move_read(VISIT, moving.extract(VISIT, None).cursor)
    assert name.startswith("visit_1.")
    assert sorted(Path(path).name for path in memory.ls("/bucket/read", detail=False)) == sorted(["visit_1.csv", name])


def test_what_changed_since_and_what_another_form_reads_stays(tmp_path: Path) -> None:
    folder = make_folder(tmp_path)
    folder.write("visits.csv", GOOD)
    folder.source.move_read_to = "read"
    cursor = folder.extract()[0].cursor
    folder.write("visits.csv", GOOD.replace("id-1", "id-2"))
    assert folder.source.move_read(VISIT, cursor) == []
    cursor = folder.extract()[0].cursor
    forms = folder.source.forms
    folder.source.forms = {**forms, "other": FormFiles(files="vis*")}
    assert folder.source.move_read(VISIT, cursor) == []
    folder.source.forms = forms
    assert folder.source.move_read(VISIT, cursor) == ["visits.csv"]
    assert (tmp_path / "read" / "visits.csv").exists()


def test_a_folder_that_cannot_be_written_to_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("x", encoding="utf-8")
    (tmp_path / "read").write_text("in the way", encoding="utf-8")
    folder = Folder(str(tmp_path), "centre")
    with pytest.raises(SourceError, match="writable"):
        folder.move(folder.entries()[0], "read", "0" * 64)
