"""Pictures of the five dashboards as the leader sees them: ``python -m tests.bi.screenshots docs/images``.

They show what the warehouse of this machine has released; ``make demo`` fills it with the reference cohort.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

from tests.bi.conftest import CHROMIUM, DASHBOARDS, visit
from vmeste.local import superset
from vmeste.settings import get_settings

BOTTOM = """() => Math.ceil(Math.max(...[...document.querySelectorAll('.dashboard-component-chart-holder')]
    .map(holder => holder.getBoundingClientRect().bottom))) + 16"""


def main(folder: Path) -> None:
    """Write a picture a dashboard, from the bar with the filters to the last chart."""
    address = superset.address(get_settings())
    if address is None:
        raise SystemExit("Superset does not run: `make bi` starts it")
    folder.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        path = os.environ.get("VMESTE_CHROMIUM") or shutil.which("chromium")
        browser = playwright.chromium.launch(executable_path=path, args=list(CHROMIUM))
        leader = visit(browser, address, "leader")
        for dashboard in DASHBOARDS:
            leader.open(dashboard)
            clip = {"x": 0, "y": 0, "width": 1440, "height": leader.page.evaluate(BOTTOM)}
            leader.page.screenshot(path=folder / f"dashboard-{dashboard}.png", clip=clip)
            print(folder / f"dashboard-{dashboard}.png")
        browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
