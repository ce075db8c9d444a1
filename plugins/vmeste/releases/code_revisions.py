"""Which code computed a release: a commit, and whether files differed from it."""

from __future__ import annotations

import subprocess
from pathlib import Path

from vmeste.settings import Settings

COMPUTES = ("plugins", "dbt_project", "forms", "expectations", "dags", "requirements.txt")
"""Where a change may change a figure; a new file there counts as well."""

UNKNOWN = "unknown"


def code_revision(settings: Settings) -> str:
    """Return the git commit of this repository, with ``-dirty`` if the files that compute a release are not its own.

    Outside of git, as in a container, it is the setting ``VMESTE_CODE_REVISION``, which the image got when it was
    built; without that 'unknown'.
    """
    try:
        commit = _git(settings.root, "rev-parse", "HEAD")
        changed = _git(settings.root, "status", "--porcelain", "--untracked-files=normal", "--", *COMPUTES)
    except (OSError, subprocess.CalledProcessError):
        return settings.code_revision.strip() or UNKNOWN
    return f"{commit}-dirty" if changed else commit


def _git(root: Path, *arguments: str) -> str:
    # --no-optional-locks: looking must not hold up somebody who commits
    command = ["git", "--no-optional-locks", *arguments]
    return subprocess.run(command, cwd=root, capture_output=True, text=True, check=True).stdout.strip()
