"""An hourly run in which ten forms of a server have no news: our own time beside the requests.

``python -m benchmarks.no_news`` starts the tests' ODK Central, reads its ten empty forms once, and then looks for news
in a process that was just started, as an hour later.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml

from tests.unit.sources.odk_fake import FakeCentral, running
from vmeste.forms import load_forms
from vmeste.settings import ROOT, Settings
from vmeste.warehouse import embedded
from vmeste.warehouse.migrate import migrate

FORMS = 10

HOUR = """
import time
started = time.perf_counter()
import requests
from vmeste import ingest

from vmeste.settings import get_settings
import vmeste.sources.odk_central, airflow.sdk, pyxform.xls2json_backends  # a task has them before it begins

asking = 0.0
send = requests.Session.send

def timed(*arguments, **named):
    global asking
    begun = time.perf_counter()
    try:
        return send(*arguments, **named)
    finally:
        asking += time.perf_counter() - begun

requests.Session.send = timed
settings = get_settings()
imported = time.perf_counter()
batches = [
    ingest.extract(settings, item["source"], item["form_id"], "hour")
    for items in ingest.plan(settings).values()
    for item in items
]
ended = time.perf_counter()
landed = sum(batch is not None for batch in batches)
print(f"{landed} forms with news; {ended - imported - asking:.2f} s of our own, {asking:.2f} s in requests, "
      f"{imported - started:.2f} s to import, once a process")
for batch in filter(None, batches):
    ingest.load(settings, batch)
"""


def main() -> None:
    """Print what the first read and the look an hour later cost."""
    home = Path(tempfile.mkdtemp(prefix="vmeste-benchmark-"))
    forms = list(load_forms(ROOT / "forms"))[:FORMS]
    with running(FakeCentral()) as central:
        source = {
            "name": "odk",
            "kind": "odk_central",
            "server": central.address,
            "connection": "odk",
            "time_zone": "Europe/Moscow",
            "forms": {form_id: {"project": 1, "form": "visit_ru"} for form_id in forms},
        }
        sources = home / "sources.yml"
        sources.write_text(yaml.safe_dump({"stages": {"all": forms}, "sources": [source]}), encoding="utf-8")
        who = {"conn_type": "http", "login": central.login, "password": central.password}
        settings = Settings(home=home, sources=sources, warehouse_url="", vault_url="")
        migrate(settings)
        environment = os.environ | {
            "VMESTE_HOME": str(home),
            "VMESTE_SOURCES": str(sources),
            "AIRFLOW_CONN_ODK": json.dumps(who),
        }
        try:
            for what in ("first read", "an hour later", "another hour later"):
                print(what, end=": ", flush=True)
                subprocess.run([sys.executable, "-c", HOUR], env=environment, check=True)
        finally:
            embedded.stop(settings)


if __name__ == "__main__":
    main()
