"""Kill -9 in each step of each source's sync and run again: what nobody killed is what comes out.

Each case has a server of its own on which the same things happened: submissions came, some were edited, deleted,
refused and mended, before the first sync or before the second. That sync is killed, in a process of its own, and
repeated here. What raw, quarantine, vault, counts and cursor hold then is compared with a sync that ran to its end.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import Any, Protocol

import pytest

from tests.integration import platforms
from tests.integration.memory_source import REGISTRY
from tests.integration.platforms import FORM, INVALID, PLATFORMS, Odk, Platform, Watched, credentials_of, write_sources
from tests.integration.warehouse_state import State, state_of
from vmeste import ingest
from vmeste.settings import ROOT, Settings
from vmeste.sources import (
    google_client,
    kobo_server,
    limesurvey,
    limesurvey_rpc,
    odk_central,
    odk_server,
    yandex_client,
)
from vmeste.warehouse.connect import connect

NURSERY = """
import json, os, signal, sys
import adbc_driver_postgresql.dbapi, httpx, pandas, psycopg, pyarrow.parquet, requests
from tests.integration.platforms import form
from tests.integration.test_connectors_killed import CLIENTS, small_pages
from vmeste import ingest, landing
from vmeste.forms.columns import answer_columns
from vmeste.privacy import vault
from vmeste.quality.suites import Suite, basic_expectations
from vmeste.quality.typing import typed
from vmeste.quality.validate import validate
from vmeste.settings import Settings
from vmeste.sources import files, google_forms, kobotoolbox, limesurvey, odk_central, odk_server, yandex_forms
from vmeste.sources.folder import Folder
from vmeste.warehouse import load

small_pages(setattr)
# Great Expectations loads most of itself when it checks something for the first time
kinds = answer_columns(form())
rows = typed(pandas.DataFrame({column: ["1"] for column in kinds}), kinds)
rules = [rule for rule in basic_expectations(form()) if rule["kwargs"].get("column") in kinds]
validate(rows, Suite("warm", tuple(rules), {}))


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
            try:
                return attempt(*arguments, **named)
            finally:
                remaining[0] -= 1
                if not remaining[0]:
                    die()
        return run

    for module in CLIENTS:
        module.attempt = counted(module.attempt)


def sync(name, where):
    settings = Settings()
    if isinstance(where, int):
        after_request(where)
    elif where == "while the export is fetched":
        odk_server.OdkServer.beside = die
    elif where == "before a file is moved":
        Folder.move = die
    elif where == "after a file is moved":
        after(Folder, "move")
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

MOVE_PLACES = ("before a file is moved", "after a file is moved")

PLACES = (*EXTRACT_PLACES, "the last request", "while the export is fetched", *LOAD_PLACES, *MOVE_PLACES)

STORIES = {
    "changes": "a second sync, of what changed since the first",
    "everything": "the first sync there is",
    "numbers": "the same of submissions whose numbers are compared with an export that is fetched beside the pages",
    "purge": "a second sync that finds by all ids what was deleted without a trace",
    "anew": "a second sync whose cursor is of another form or shape: everything is read again",
}

AGED = {
    "odk_central": {"read_as": "otherwise"},
    "google_forms": {"swept_on": "2026-01-01"},  # the day's first read is a sweep
    "files": {"read_as": "otherwise"},
}
"""What an older cursor of a source says."""

CASES = [
    *(("changes", kind, where) for kind in PLATFORMS for where in EXTRACT_PLACES),
    # the same code for all: once for a server that is swept and once for one that tells what changed
    *(("changes", kind, where) for kind in ("kobotoolbox", "odk_central") for where in LOAD_PLACES),
    *(("everything", kind, "a page in the middle") for kind in PLATFORMS),
    *(("everything", kind, "before the commit") for kind in (*PLATFORMS, "files")),
    *(("everything", "odk_central", where) for where in LOAD_PLACES if where != "before the commit"),
    *(("numbers", "odk_central", where) for where in ("while the export is fetched", "before the commit")),
    *(("anew", "google_forms", where) for where in ("a page in the middle", "the last request", "before the commit")),
    *(("anew", "odk_central", where) for where in ("a page in the middle", "the last request", "before the commit")),
    *(("purge", "odk_central", where) for where in ("the last request", "before the commit")),
    *(("changes", "files", where) for where in (*MOVE_PLACES, "while the batch is written", "after the commit")),
    ("anew", "files", "before the commit"),
]


REQUESTED = ("the first request", "a page in the middle", "the last request")
"""Places that are a request."""


class Setting(Protocol):
    def __call__(self, target: Any, name: str, value: Any, /) -> None: ...


def small_pages(setting: Setting) -> None:
    """Let connectors ask for few submissions at once where they decide, and without pauses."""
    # both: which of them the connector has depends on what was imported first, and with it how many requests it makes
    setting(odk_server, "PAGE", platforms.PAGE)
    setting(odk_central, "PAGE", platforms.PAGE)
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

Whole = tuple[State, list[str], list[list[str]]]
"""What a sync left behind, the request of each of its steps, and where the files lie."""

CLIENTS = (google_client, kobo_server, limesurvey_rpc, odk_server, yandex_client)
"""What makes requests; each is a call of their ``attempt``, however often it is tried and whoever logs in for it."""

_whole: dict[tuple[str, str], Whole] = {}


def whole(settings: Settings, story: str, kind: str) -> Whole:
    """Return what a story leaves behind that nobody killed."""
    if (story, kind) not in _whole:
        name = f"whole_{story}_{kind}"
        with platforms.running(kind) as platform, pytest.MonkeyPatch.context() as patch:
            mine = begun(settings, patch, platform, name, story)
            steps = steps_of(patch, platform)
            sync(mine, name)
            _whole[story, kind] = (state_of(settings, name), steps, files_of(platform))
    return _whole[story, kind]


def steps_of(patch: pytest.MonkeyPatch, platform: Platform) -> list[str]:
    """Return a list that gains the request of each step from now on.

    The server's own list would not do: under load a request may be tried again, and who dies at the last one that the
    server saw here would live there.
    """
    steps: list[str] = []

    def counted(attempt: Callable[..., Any]) -> Callable[..., Any]:
        def run(*arguments: Any, **named: Any) -> Any:
            try:
                return attempt(*arguments, **named)
            finally:
                steps.append(platform.requests()[-1])

        return run

    for module in CLIENTS:
        patch.setattr(module, "attempt", counted(module.attempt))
    return steps


def begun(settings: Settings, patch: pytest.MonkeyPatch, platform: Platform, name: str, story: str) -> Settings:
    """Bring a source to where the sync begins that may be killed."""
    for variable, value in credentials_of({name: platform}).items():
        patch.setenv(variable, value)
    path = write_sources(settings.home / f"{name}.yml", {name: platform})
    mine = settings.model_copy(update={"sources": path})
    platform.now = START
    if story == "numbers":
        assert isinstance(platform, Odk)
        platform.ask_for_numbers()
    platform.add(1, 2, 3)
    platform.add(4, year=INVALID)
    if story not in ("everything", "numbers"):
        sync(mine, name)
    if story == "anew":
        with connect(settings) as warehouse:
            aged = warehouse.execute(
                "update ops.cursors set cursor = cursor || %s::jsonb where source = %s",
                (json.dumps(AGED[platform.kind]), name),
            )
            assert aged.rowcount == 1
    platform.add(*range(5, 14))
    platform.add(14, year=INVALID)
    platform.edit(1, "2001")
    platform.edit(2, INVALID)
    platform.edit(4, "2004")
    if story == "purge":
        assert isinstance(platform, Odk)
        platform.purge(3)
    else:
        platform.delete(3)
    return mine


def sync(settings: Settings, name: str) -> None:
    batch = ingest.extract(settings, name, FORM, "run")
    assert batch is not None
    ingest.load(settings, batch)


@pytest.mark.parametrize(("story", "kind", "where"), CASES)
def test_nothing_is_lost_or_doubled(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, nursery: Nursery, story: str, kind: str, where: str
) -> None:
    undisturbed, steps, files = whole(settings, story, kind)
    name = f"killed_{story}_{kind}_{PLACES.index(where)}"
    with platforms.running(kind) as platform:
        mine = begun(settings, monkeypatch, platform, name, story)
        environment = credentials_of({name: platform}) | {"VMESTE_SOURCES": str(mine.sources)}
        platform.requests().clear()
        place = requested(platform, steps, where) if where in REQUESTED else where
        before = state_of(settings, name)
        code = nursery.sync(name, place, environment)
        assert code == -signal.SIGKILL, f"{place} of {len(steps)}, the server saw {platform.requests()}"
        if isinstance(place, int):
            seen = [request for request in platform.requests() if is_counted(request)]
            assert len(seen) >= place, "it was killed where it was meant to be"
            assert platform.is_page(seen[-1]) == platform.is_page(steps[place - 1])
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
        lie = files_of(platform)
    assert told(found) == told(undisturbed)
    # who dies after the commit has synced: the run after it is one more, and brings nothing
    usual = len(undisturbed.runs)
    assert found.runs[:usual] == undisturbed.runs
    assert (len(found.runs) > usual) <= (where == "after the commit")
    assert [run[1:4] for run in found.runs[usual:] if run[1] or run[3]] == []
    if where == "after the commit":  # the run after it moves what was read
        assert sorted(chain(*lie)) == sorted(chain(*files)), "each file lies somewhere once"
    else:
        assert lie == files
    if where != "while the batch is written":
        assert not [path for path in (settings.home / "landing").rglob("*.part") if name in str(path)]
    assert REGISTRY[FORM]["full_name"].encode() not in landed(settings)


def files_of(platform: Platform) -> list[list[str]]:
    """Return the files of a watched folder that lie there, and those that were moved."""
    return [platform.lying(), platform.moved()] if isinstance(platform, Watched) else [[], []]


def landed(settings: Settings) -> bytes:
    """Return all that was landed, as it lies there."""
    return b"".join(path.read_bytes() for path in (settings.home / "landing").rglob("*") if path.is_file())


def told(state: State) -> tuple[Any, ...]:
    """Return a state without what is drawn at random: keys of mentees, and hashes in which they are."""
    return (
        {key: answers[1:] for key, answers in state.current.items()},
        [(*row[:3], *row[5:]) for row in state.versions],
        [(*row[:3], *row[4:]) for row in state.quarantine],
        # of files their names: when a file was changed and its digest differ from case to case
        {
            key: sorted(value) if key == "files" else value
            for key, value in (state.cursor or {}).items()
            if key != "server"
        },
        state.vault,
    )


def requested(platform: Platform, steps: list[str], where: str) -> int:
    """Return which step of a sync a place is, from 1."""
    paged = [number for number, request in enumerate(steps, start=1) if platform.is_page(request)]
    assert len(paged) >= 3, "there are pages to be killed between"
    return {
        "the first request": 1,
        "a page in the middle": paged[len(paged) // 2],
        "the last request": max(number for number, request in enumerate(steps, start=1) if is_counted(request)),
    }[where]


def is_counted(request: str) -> bool:
    """Say whether a request is one of the connector's steps: log-ins and log-outs belong to others."""
    return not request.endswith(("/v1/sessions", "release_session_key")) and request != "token"
