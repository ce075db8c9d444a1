"""Fetching from an ODK Central beside two bare paging loops, alternating, in one run.

One loop takes pages of a thousand, the other pages as large as the connector's.
``python -m benchmarks.odk https://central.example.org 1 f4_meeting`` reads a form of a real server; its credentials
are in ``AIRFLOW_CONN_ODK``.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import httpx

from vmeste import ingest
from vmeste.settings import get_settings
from vmeste.sources.config import OdkConfig, OdkForm
from vmeste.sources.odk_central import OdkCentralSource
from vmeste.sources.odk_server import PAGE

ROUNDS = 5

PLAIN_PAGE = 1000


class Nothing:
    """What a warehouse holds that holds nothing."""

    def live(self) -> frozenset[str]:
        return frozenset()

    def deleted(self) -> frozenset[str]:
        return frozenset()


def bare(server: str, project: int, form: str, login: str, password: str, page: int) -> int:
    """Read all pages and parse them; return the number of rows."""
    with httpx.Client(timeout=60) as client:
        token = client.post(f"{server}/v1/sessions", json={"email": login, "password": password}).json()["token"]
        client.headers["Authorization"] = f"Bearer {token}"
        url = f"{server}/v1/projects/{project}/forms/{form}.svc/Submissions"
        answer: dict[str, Any] = client.get(url, params={"$expand": "*", "$top": page, "$count": "true"}).json()
        count = len(answer["value"])
        while link := answer.get("@odata.nextLink"):
            answer = client.get(server + link[link.index("/v1/") :]).json()
            count += len(answer["value"])
        return count


def timed(step: Callable[[], int]) -> tuple[float, int]:
    started = time.perf_counter()
    count = step()
    return time.perf_counter() - started, count


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("server")
    parser.add_argument("project", type=int)
    parser.add_argument("form", help="its id on the server")
    parser.add_argument("--ours", default="f4_meeting", help="which of our forms it is")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    options = parser.parse_args()
    who = json.loads(os.environ["AIRFLOW_CONN_ODK"])
    config = OdkConfig(
        name="benchmark",
        kind="odk_central",
        server=options.server,
        connection="odk",
        time_zone="Europe/Moscow",
        forms={options.ours: OdkForm(project=options.project, form=options.form)},
    )
    form = ingest.forms(get_settings())[options.ours]

    def ours() -> int:
        return sum(1 for _ in OdkCentralSource(config).extract(form, None, Nothing()).submissions)

    def loop(page: int) -> int:
        return bare(options.server.rstrip("/"), options.project, options.form, who["login"], who["password"], page)

    sizes = (PLAIN_PAGE, PAGE)
    ratios: dict[int, list[float]] = {page: [] for page in sizes}
    for _ in range(options.rounds):
        plain = {page: timed(partial(loop, page)) for page in sizes}
        taken, read = timed(ours)
        for page, (seconds, there) in plain.items():
            ratios[page].append(taken / seconds)
            print(f"bare loop in pages of {page:5,} {seconds:6.2f} s for {there:,} rows")
        print(f"connector                    {taken:6.2f} s for {read:,} rows", flush=True)
    for page in sizes:
        median = statistics.median(ratios[page])
        print(f"connector: {median:.2f} times a bare loop in pages of {page:,} (median of {options.rounds})")


if __name__ == "__main__":
    main()
