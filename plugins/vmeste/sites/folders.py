"""Where a site lies, and how a new one takes the place of the old: whole, or not at all."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vmeste.settings import Settings


def site(settings: Settings, name: str) -> Path:
    """Return the folder that a site is read from; it is a link to the site that stands."""
    return settings.home / "sites" / name


@contextmanager
def rebuilt(settings: Settings, name: str) -> Iterator[Path]:
    """Give an empty folder for a new site, and let it stand when the block ends; after an error the old one stays.

    Readers follow a link, and the link is replaced in one step. What an earlier build left behind is removed.
    """
    link = site(settings, name)
    link.parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(prefix=f"{name}.", dir=link.parent))
    # mkdtemp makes it 0700, and in containers another user may serve it
    fresh.chmod(0o755)
    try:
        yield fresh
    except BaseException:
        shutil.rmtree(fresh, ignore_errors=True)
        raise
    turned = fresh.with_name(f"{fresh.name}.link")
    turned.symlink_to(fresh.name)
    turned.replace(link)
    for left in link.parent.glob(f"{name}.*"):
        if left.is_symlink():
            left.unlink()
        elif left != fresh:
            shutil.rmtree(left, ignore_errors=True)
