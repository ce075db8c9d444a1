"""The pack: whole, named by the release, the same bytes again, and every change of a file found."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from vmeste.releases import pack
from vmeste.releases.candidate import Candidate
from vmeste.releases.page import PageError, render_html, write_pdf
from vmeste.releases.publish import Release
from vmeste.settings import ROOT

SEEDS = ROOT / "dbt_project" / "seeds"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pack")


@pytest.fixture
def written(candidate: Candidate, release: Release, folder: Path) -> Path:
    """A pack, written once for all tests of this file: it takes seconds."""
    if not any(folder.iterdir()):
        pack.write(candidate, release, folder, SEEDS)
    return folder


def test_all_files_bear_the_release_in_their_names(written: Path) -> None:
    assert {path.name for path in written.iterdir()} == {
        "2031-Q4-r1.html",
        "2031-Q4-r1.pdf",
        "2031-Q4-r1.xlsx",
        "2031-Q4-r1-annex.pdf",
        "2031-Q4-r1-results-tree.svg",
        "2031-Q4-r1.sha256",
    }


def test_the_manifest_is_what_sha256sum_reads(written: Path) -> None:
    done = subprocess.run(["sha256sum", "-c", "2031-Q4-r1.sha256"], cwd=written, capture_output=True, text=True)
    assert done.returncode == 0
    assert done.stdout.count(": OK") == 5


ELSEWHERE = """
import pickle, sys, time
from pathlib import Path

import weasyprint.pdf.fonts as fonts

clock = time.time
time.time = lambda: clock() + 400 * 86_400
from vmeste.releases import page, pack

candidate, release, seeds, folder = pickle.loads(sys.stdin.buffer.read())
pack.write(candidate, release, folder, seeds)
fonts.harfbuzz_subset = None
page.write_pdf(page.render_html(candidate, release), folder / "without-harfbuzz.pdf")
"""
"""Another process, a year later. A host without harfbuzz-subset has its fonts cut by fontTools, which dates them."""


def test_the_same_release_gives_the_same_bytes_in_another_process(
    written: Path, candidate: Candidate, release: Release, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another clock, zone, locale and hash seed; what SOURCE_DATE_EPOCH says is no matter either."""
    environment = {
        **{name: value for name, value in os.environ.items() if name not in ("LANG", "LANGUAGE")},
        **{"PYTHONPATH": str(ROOT / "plugins"), "PYTHONHASHSEED": "7", "TZ": "Asia/Tokyo", "LC_ALL": "C"},
        "SOURCE_DATE_EPOCH": "86400",
    }
    made = subprocess.run(
        [sys.executable, "-c", ELSEWHERE],
        input=pickle.dumps((candidate, release, SEEDS, tmp_path)),
        env=environment,
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    assert made.returncode == 0, made.stderr.decode()
    for path in written.iterdir():
        assert (tmp_path / path.name).read_bytes() == path.read_bytes(), path.name
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    monkeypatch.setattr("weasyprint.pdf.fonts.harfbuzz_subset", None)
    here = tmp_path / "here.pdf"
    write_pdf(render_html(candidate, release), here)
    assert here.read_bytes() == (tmp_path / "without-harfbuzz.pdf").read_bytes()
    assert here.read_bytes() != (written / "2031-Q4-r1.pdf").read_bytes(), (
        "cut by fontTools: its dates are what is tried"
    )


def test_a_changed_and_a_missing_file_are_named(written: Path, tmp_path: Path) -> None:
    for path in written.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    assert pack.differing("2031-Q4-r1", tmp_path) == ()
    (tmp_path / "2031-Q4-r1-annex.pdf").write_bytes(b"another")
    (tmp_path / "2031-Q4-r1.html").unlink()
    assert pack.differing("2031-Q4-r1", tmp_path) == ("2031-Q4-r1.html", "2031-Q4-r1-annex.pdf")
    (tmp_path / "2031-Q4-r1.sha256").unlink()
    assert pack.differing("2031-Q4-r1", tmp_path) == ("2031-Q4-r1.sha256",)


def test_a_tree_that_cannot_be_drawn_is_named(candidate: Candidate, release: Release, tmp_path: Path) -> None:
    """As a page that cannot be made: nothing is written, and the step that writes says the way out."""
    with pytest.raises(PageError, match=r"results tree cannot be drawn.*indicator_definitions\.csv"):
        pack.write(candidate, release, tmp_path, tmp_path / "nowhere")
    assert list(tmp_path.iterdir()) == []


def test_without_a_manifest_there_is_no_pack(
    candidate: Candidate, release: Release, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is written last: a file that cannot be made leaves no manifest that says all is there."""

    def fail(*_: object) -> None:
        raise PageError("made up")

    monkeypatch.setattr("vmeste.releases.pack.write_pdf", lambda html, path: path.write_text(html))
    monkeypatch.setattr("vmeste.releases.pack.write_annex", fail)
    with pytest.raises(PageError):
        pack.write(candidate, release, tmp_path, SEEDS)
    assert {path.suffix for path in tmp_path.iterdir()} == {".html", ".pdf", ".xlsx"}
