"""Give a command of Superset's container the warehouse's address, whose password lies in a file, and become it."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from urllib.parse import quote

login = json.loads(Path(os.environ["VMESTE_BI_LOGIN"]).read_text(encoding="utf-8"))
os.environ["VMESTE_BI_URL"] = (
    f"postgresql+psycopg2://{quote(login['user'])}:{quote(login['password'], safe='')}@{os.environ['VMESTE_BI_SERVER']}"
)
os.execvp(sys.argv[1], sys.argv[1:])  # noqa: S606 (the image's own command)
