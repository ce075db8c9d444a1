"""A site is replaced in one step, and an attempt that fails leaves the old one."""

from __future__ import annotations

from pathlib import Path

import pytest

from vmeste.settings import Settings
from vmeste.sites.folders import rebuilt, site


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path)


def write(settings: Settings, text: str) -> None:
    with rebuilt(settings, "docs") as folder:
        (folder / "index.html").write_text(text, encoding="utf-8")


def read(settings: Settings) -> str:
    return (site(settings, "docs") / "index.html").read_text(encoding="utf-8")


def test_the_new_site_takes_the_place_of_the_old_and_nothing_is_left_behind(settings: Settings) -> None:
    for text in ("first", "second"):
        write(settings, text)
        assert read(settings) == text
    assert sorted(path.is_symlink() for path in site(settings, "docs").parent.iterdir()) == [False, True]


def test_the_old_site_stands_while_the_new_one_is_built_and_after_it_failed(settings: Settings) -> None:
    write(settings, "old")
    with pytest.raises(OSError, match="no space"), rebuilt(settings, "docs") as folder:
        (folder / "index.html").write_text("half", encoding="utf-8")
        assert read(settings) == "old"
        raise OSError("no space")
    assert read(settings) == "old"
    assert not folder.exists()


def test_what_a_killed_build_left_goes_with_the_next(settings: Settings) -> None:
    left = site(settings, "docs").parent / "docs.killed"
    left.mkdir(parents=True)
    (left.parent / "docs.killed.link").symlink_to("docs.killed")
    write(settings, "new")
    assert not left.exists()
    assert not (left.parent / "docs.killed.link").is_symlink()
    assert read(settings) == "new"
