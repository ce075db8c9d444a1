"""``python -m vmeste.local.lint_sql``: sqlfluff over the dbt project.

Its dbt templater compiles each model, and dbt connects to the warehouse for that: an empty one does, in a home of its
own, so that neither somebody's warehouse nor its being there matters.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from vmeste.settings import ROOT, Settings
from vmeste.warehouse import embedded, migrate
from vmeste.warehouse.transform import dbt_environment

# dbt on the command line sets no limit to the length of a model; its templater leaves sqlparse's own, and sqlfluff then
# passes over a long model with a warning
SQLFLUFF = """
from sqlfluff.cli.commands import cli
from sqlparse.engine import grouping

grouping.MAX_GROUPING_TOKENS = grouping.MAX_GROUPING_DEPTH = None
cli()
"""

FOLDERS = ("dbt_project/models", "dbt_project/tests")


def main() -> int:
    """Return sqlfluff's exit code: 0 when there is nothing to say."""
    with tempfile.TemporaryDirectory(prefix="vmeste-lint-") as home:
        Path(home).chmod(0o755)  # as root, the server runs as another user
        settings = Settings(home=Path(home), warehouse_url="", vault_url="")
        migrate.migrate(settings)
        try:
            command = [sys.executable, "-c", SQLFLUFF, "lint", "-q", "--processes", "2", *FOLDERS]
            return subprocess.run(command, cwd=ROOT, env=os.environ | dbt_environment(settings), check=False).returncode
        finally:
            embedded.stop(settings)


if __name__ == "__main__":
    sys.exit(main())
