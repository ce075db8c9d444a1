"""Which code computed a release: the commit, or that it was none."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from vmeste.releases.code_revisions import code_revision
from vmeste.settings import Settings


class Elsewhere(Settings):
    """Settings of another repository."""

    @property
    def root(self) -> Path:
        """The repository."""
        return self.home


def git(folder: Path, *arguments: str) -> str:
    names = ["-c", "user.name=made-up", "-c", "user.email=made-up@example.org"]
    return subprocess.run(["git", *names, *arguments], cwd=folder, capture_output=True, text=True, check=True).stdout


@pytest.fixture
def repository(tmp_path: Path) -> Elsewhere:
    (tmp_path / "dbt_project").mkdir()
    (tmp_path / "dbt_project" / "model.sql").write_text("select 1", encoding="utf-8")
    (tmp_path / ".gitignore").write_text("target\n", encoding="utf-8")
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "made up")
    return Elsewhere(home=tmp_path, code_revision="of the image")


def test_a_clean_tree_is_its_commit(repository: Elsewhere) -> None:
    assert code_revision(repository) == git(repository.root, "rev-parse", "HEAD").strip()


@pytest.mark.parametrize("name", ["dbt_project/model.sql", "dbt_project/another.sql"])
def test_a_changed_and_a_new_file_make_it_dirty(repository: Elsewhere, name: str) -> None:
    commit = git(repository.root, "rev-parse", "HEAD").strip()
    (repository.root / name).write_text("select 2", encoding="utf-8")
    assert code_revision(repository) == f"{commit}-dirty"
    git(repository.root, "add", ".")
    assert code_revision(repository) == f"{commit}-dirty", "staged is not committed"


def test_what_computes_nothing_does_not_make_it_dirty(repository: Elsewhere) -> None:
    (repository.root / "notes.txt").write_text("x", encoding="utf-8")
    (repository.root / "dbt_project" / "target").mkdir()
    (repository.root / "dbt_project" / "target" / "x").write_text("x", encoding="utf-8")
    assert not code_revision(repository).endswith("-dirty")


@pytest.mark.parametrize(
    ("given", "told"), [("abc-dirty", "abc-dirty"), ("", "unknown"), (" ", "unknown")], ids=["image", "none", "blank"]
)
def test_outside_of_git_it_is_what_the_image_was_built_from(tmp_path: Path, given: str, told: str) -> None:
    assert code_revision(Elsewhere(home=tmp_path, code_revision=given)) == told


def test_without_git_too(repository: Elsewhere, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    assert code_revision(repository) == "of the image"
