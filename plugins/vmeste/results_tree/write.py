"""Write the pages of the tree, or say that those that lie there are not what the seeds give."""

from __future__ import annotations

from pathlib import Path

from vmeste.results_tree.mermaid import page
from vmeste.results_tree.picture import draw
from vmeste.results_tree.seeds import read_tree

PAGE, PICTURE = "results-tree.md", "results-tree.svg"


def rendered(seeds: Path) -> dict[str, str]:
    """Return file name → what the seeds in a folder give for it.

    Raises:
        ResultsTreeError: a seed cannot be drawn.
    """
    tree = read_tree(seeds)
    return {PAGE: page(tree, PICTURE), PICTURE: draw(tree)}


def write(seeds: Path, folder: Path) -> list[Path]:
    """Write the page and the picture into a folder and return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, text in rendered(seeds).items():
        path = folder / name
        path.write_text(text, encoding="utf-8")
        paths.append(path)
    return paths


def stale(seeds: Path, folder: Path) -> list[str]:
    """Return the names of the files in a folder that are missing or are not what the seeds give."""
    return [
        name
        for name, text in rendered(seeds).items()
        if not (folder / name).is_file() or (folder / name).read_text(encoding="utf-8") != text
    ]
