"""Kill -9 in each step of each form server's sync and run again: what nobody killed is what comes out.

Each case has a server of its own on which the same things happened: a first sync, then new, edited, deleted, refused
and mended submissions. The second sync is killed, in a process of its own, and repeated here. What raw, quarantine,
vault, counts and cursor hold then is compared with a second sync that ran to its end.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

import pytest

from tests.integration import platforms
from tests.integration.platforms import FORM, INVALID, PLATFORMS, Platform, credentials_of, write_sources
from tests.integration.warehouse_state import State, state_of
from vmeste import ingest
from vmeste.settings import ROOT, Settings
from vmeste.sources import google_client, limesurvey, odk_server, yandex_client

NURSERY = """
import json, os, signal, sys
import adbc_driver_postgresql.dbapi, great_expectations, httpx, pandas, psycopg, pyarrow.parquet, requests
from tests.integration.test_connectors_killed import small_pages
from vmeste import ingest, landing
from vmeste.privacy import vault
from vmeste.settings import Settings
from vmeste.sources import google_client, kobo_server, limesurvey_rpc, odk_server, yandex_client
from vmeste.warehouse import load

small_pages(setattr)


def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)


def after(module, attribute):
    whole = getattr(module, attribute)

    def run(*arguments, **named):
        whole(*arguments, **named)
        die()

    setattr(module, attribute, run)


def after_request(number):
    remaining = [number]

    def counted(attempt):
        def run(*arguments, **named):
            answer = attempt(*arguments, **named)
            remaining[0] -= 1
            if not remaining[0]:
                die()
            return answer
        return run

    for module in (google_client, kobo_server, limesurvey_rpc, odk_server, yandex_client):
        module.attempt = counted(module.attempt)


def sync(name, where):
    settings = Settings()
    if isinstance(where, int):
        after_request(where)
    elif where == "after the last request":
        ingest._vanished = die
    elif where == "before the vault commits":
        after(vault, "split")
    elif where == "before the batch is landed":
        landing.write = die
    elif where == "while the batch is written":
        landing.pq.ParquetWriter.write_table = die
    elif where == "after the versions":
        after(load, "_append_versions")
    elif where == "after the quarantine":
        after(load, "_quarantine")
    elif where == "before the commit":
        after(load, "_record")
    batch = ingest.extract(settings, name, "r1_mentee", "run")
    ingest.load(settings, batch)
    if where == "after the commit":
        die()


# importing all this takes seconds: it is done once, and each sync is a process that was forked from here
for line in sys.stdin:
    asked = json.loads(line)
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.environ.update(asked["environment"])
            sync(asked["source"], asked["where"])
            code = 0
        finally:
            os._exit(code)
    print("exit", os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""

LOAD_PLACES = (
    "before the vault commits",
    "before the batch is landed",
    "while the batch is written",
    "after the versions",
    "after the quarantine",
    "before the commit",
    "after the commit",
)

# how the second sync goes, by requests: which of them bring submissions is seen on the server
EXTRACT_PLACES = ("the first request", "a page in the middle", "after the last request")

CASES = [
    *((kind, where) for kind in PLATFORMS for where in EXTRACT_PLACES),
    # the same code for all: once for a server that is swept and once for one that tells what changed
    *((kind, where) for kind in ("kobotoolbox", "odk_central") for where in LOAD_PLACES),
]


class Setting(Protocol):
    def __call__(self, target: Any, name: str, value: Any, /) -> None: ...


def small_pages(setting: Setting) -> None:
    """Let connectors ask for few submissions at once where they decide, and without pauses."""
    setting(odk_server, "PAGE", platforms.PAGE)
    setting(limesurvey.LimeSurveySource.__init__, "__kwdefaults__", _kwdefaults() | {"chunk": platforms.PAGE})
    setting(google_client, "PACE", 0.0)
    setting(yandex_client, "PACE", 0.0)


def _kwdefaults() -> dict[str, Any]:
    return dict(limesurvey.LimeSurveySource.__init__.__kwdefaults__ or {})


class Nursery:
    """Runs syncs in processes that may be killed."""

    def __init__(self, settings: Settings) -> None:
        environment = {"PYTHONPATH": f"{ROOT / 'plugins'}:{ROOT}", "PATH": "/usr/bin:/bin", "HOME": str(settings.home)}
        environment |= {"VMESTE_HOME": str(settings.home), "AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR"}
        self._process = subprocess.Popen(
            [sys.executable, "-c", NURSERY],
            cwd=settings.home,  # not where a .env may lie
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def sync(self, source: str, where: str | int, environment: dict[str, str]) -> int:
        """Sync a source and die at a place; return the exit code."""
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write(json.dumps({"source": source, "where": where, "environment": environment}) + "\n")
        self._process.stdin.flush()
        while line := self._process.stdout.readline():  # what a sync logs comes before
            if line.startswith("exit "):
                return int(line.split()[1])
        raise AssertionError("the nursery died itself")

    def close(self) -> None:
        """End it."""
        self._process.communicate(timeout=30)


@pytest.fixture(scope="module")
def nursery(settings: Settings) -> Iterator[Nursery]:
    opened = Nursery(settings)
    yield opened
    opened.close()


@pytest.fixture(autouse=True)
def pages(monkeypatch: pytest.MonkeyPatch) -> None:
    small_pages(monkeypatch.setattr)


START = datetime.now(UTC).replace(microsecond=0) - timedelta(days=3)
"""The same for all: cursors hold moments of the server."""

_whole: dict[str, tuple[State, list[str]]] = {}


def whole(settings: Settings, kind: str) -> tuple[State, list[str]]:
    """Return what two syncs leave behind that nobody killed, and the requests of the second."""
    if kind not in _whole:
        with platforms.running(kind) as platform, pytest.MonkeyPatch.context() as patch:
            mine = begun(settings, patch, platform, f"whole_{kind}")
            platform.requests().clear()
            sync(mine, f"whole_{kind}")
            _whole[kind] = (state_of(settings, f"whole_{kind}"), list(platform.requests()))
    return _whole[kind]


def begun(settings: Settings, patch: pytest.MonkeyPatch, platform: Platform, name: str) -> Settings:
    """Sync a first time, and let things happen after that."""
    for variable, value in credentials_of({name: platform}).items():
        patch.setenv(variable, value)
    path = write_sources(settings.home / f"{name}.yml", {name: platform})
    mine = settings.model_copy(update={"sources": path})
    platform.now = START
    platform.add(1, 2, 3)
    platform.add(4, year=INVALID)
    sync(mine, name)
    platform.add(*range(5, 14))
    platform.add(14, year=INVALID)
    platform.edit(1, "2001")
    platform.edit(2, INVALID)
    platform.edit(4, "2004")
    platform.delete(3)
    return mine


def sync(settings: Settings, name: str) -> None:
    batch = ingest.extract(settings, name, FORM, "run")
    assert batch is not None
    ingest.load(settings, batch)


@pytest.mark.parametrize(("kind", "where"), CASES)
def test_nothing_is_lost_or_doubled(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, nursery: Nursery, kind: str, where: str
) -> None:
    undisturbed, requests = whole(settings, kind)
    name = f"killed_{kind}_{(*EXTRACT_PLACES, *LOAD_PLACES).index(where)}"
    with platforms.running(kind) as platform:
        mine = begun(settings, monkeypatch, platform, name)
        environment = credentials_of({name: platform}) | {"VMESTE_SOURCES": str(mine.sources)}
        platform.requests().clear()
        place = requested(platform, requests, where) if where in EXTRACT_PLACES[:2] else where
        before = state_of(settings, name)
        assert nursery.sync(name, place, environment) == -signal.SIGKILL
        if isinstance(place, int):
            seen = [request for request in platform.requests() if is_counted(request)]
            assert len(seen) == place, "it was killed where it was meant to be"
        if where != "after the commit":
            after = state_of(settings, name)
            assert (after.kept.versions, after.quarantine, after.runs, after.cursor) == (
                before.kept.versions,
                before.quarantine,
                before.runs,
                before.cursor,
            ), "half a sync is none"
        batch = ingest.extract(mine, name, FORM, "run")
        if batch is not None:
            ingest.load(mine, batch)
        found = state_of(settings, name)
    assert told(found) == told(undisturbed)
    # who dies after the commit has synced: the run after it is one more, and brings nothing
    assert found.runs[:2] == undisturbed.runs
    assert (len(found.runs) > 2) <= (where == "after the commit")
    assert [run[1:4] for run in found.runs[2:] if run[1] or run[3]] == []


def told(state: State) -> tuple[Any, ...]:
    """Return a state without what is drawn at random: keys of mentees, and hashes in which they are."""
    return (
        {key: answers[1:] for key, answers in state.current.items()},
        [(*row[:3], *row[5:]) for row in state.versions],
        [(*row[:3], *row[4:]) for row in state.quarantine],
        {key: value for key, value in (state.cursor or {}).items() if key != "server"},
        state.vault,
    )


def requested(platform: Platform, requests: list[str], where: str) -> int:
    """Return which request of a sync a place is, from 1."""
    counted = [request for request in requests if is_counted(request)]
    paged = [number for number, request in enumerate(counted, start=1) if platform.is_page(request)]
    assert len(paged) >= 3, "there are pages to be killed between"
    return {
        "the first request": 1,
        "a page in the middle": paged[len(paged) // 2],
    }[where]


def is_counted(request: str) -> bool:
    """Say whether a request is one of the connector's steps: log-ins and log-outs belong to others."""
    return not request.endswith(("/v1/sessions", "release_session_key")) and request != "token"
