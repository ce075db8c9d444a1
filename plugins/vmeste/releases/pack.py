"""The pack of a release: all its files in one folder, each named by the release, with their SHA-256 beside them.

The same candidate and release give the same bytes. ``sha256sum -c <release>.sha256`` in the folder checks them.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from vmeste.releases.annex import render_annex, write_annex
from vmeste.releases.page import PageError, render_html, write_pdf
from vmeste.releases.workbook import write_workbook
from vmeste.results_tree.picture import draw
from vmeste.results_tree.seeds import ResultsTreeError, read_tree

if TYPE_CHECKING:
    from vmeste.releases.candidate import Candidate
    from vmeste.releases.publish import Release

KINDS = {
    "html": ".html",
    "pdf": ".pdf",
    "xlsx": ".xlsx",
    "annex": "-annex.pdf",
    "tree": "-results-tree.svg",
    "manifest": ".sha256",
}
"""Kind of file → what follows the release's name: the page for the screen and for print, the workbook, the annex for
the experts, the picture of the results tree, and the checksums of those five."""


def files(release_id: str, folder: Path) -> dict[str, Path]:
    """Return kind → path in a folder."""
    return {kind: folder / f"{release_id}{ending}" for kind, ending in KINDS.items()}


def write(candidate: Candidate, release: Release, folder: Path, seeds: Path) -> None:
    """Write all files of a release into a folder that is there.

    Args:
        candidate: the figures; what must not be seen has lost its numbers already.
        release: the release, or the draft.
        folder: where the files go.
        seeds: the seeds of the dbt project, for the results tree.

    Raises:
        PageError: the page does not fit on a sheet, or the results tree cannot be drawn.
    """
    paths = files(release.release_id, folder)
    try:
        tree = draw(read_tree(seeds))
    except ResultsTreeError as error:
        raise PageError(f"the results tree cannot be drawn: {error}") from error
    html = render_html(candidate, release)
    paths["html"].write_text(html, encoding="utf-8")
    write_pdf(html, paths["pdf"])
    write_workbook(candidate, release, paths["xlsx"])
    write_annex(render_annex(candidate, release), paths["annex"])
    paths["tree"].write_text(tree, encoding="utf-8")
    paths["manifest"].write_text(_manifest(paths), encoding="utf-8")


def differing(release_id: str, folder: Path) -> tuple[str, ...]:
    """Return the names of the files that are missing or are not what the manifest says, nothing if all agrees."""
    paths = files(release_id, folder)
    if not paths["manifest"].is_file():
        return (paths["manifest"].name,)
    lines = paths["manifest"].read_text(encoding="utf-8").splitlines()
    written = {name: checksum for checksum, _, name in (line.partition("  ") for line in lines)}
    return tuple(
        path.name
        for kind, path in paths.items()
        if kind != "manifest" and (not path.is_file() or written.get(path.name) != _sha256(path))
    )


def _manifest(paths: dict[str, Path]) -> str:
    return "".join(f"{_sha256(path)}  {path.name}\n" for kind, path in paths.items() if kind != "manifest")


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
