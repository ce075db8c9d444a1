"""Each form server from its HTTP to raw, quarantine and ops: what people do there, and what the warehouse makes of it.

The servers are those of the connectors' own tests, the rest is real. After each step the warehouse is compared with
what the server holds, ``vmeste reconcile`` is asked whether it agrees, and a second run may change nothing.
"""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import count
from typing import Any

import pytest

from tests.integration import platforms
from tests.integration.platforms import FORM, INVALID, PLATFORMS, Platform, credentials_of, write_sources
from tests.integration.warehouse_state import expected_of, state_of
from vmeste import cli, ingest
from vmeste.reconcile import reconcile
from vmeste.settings import Settings
from vmeste.sources import google_client, limesurvey_rpc, yandex_client
from vmeste.sources.errors import DeletionsDoubted, FormUnusable, ReadIncomplete, SourceDenied, SourceUnreachable
from vmeste.sources.transport import Patience
from vmeste.warehouse.connect import connect

runs = count()

Counts = tuple[int, int, int, int, int]
"""What a run says: accepted, quarantined, voided, unchanged, vanished."""

NOTHING_NEW = None


@dataclass(frozen=True)
class Step:
    """Something that happens on a platform, and what the next run says of it; of an error it says what it is."""

    title: str
    happens: Callable[[Any], object]
    says: Counts | type[Exception] | None
    is_next_day: bool = False  # connectors compare everything once a day


def sent(platform: Platform) -> None:
    platform.add(*range(1, 7))
    platform.add(7, year=INVALID)


def emptied(platform: Platform) -> None:
    """Everything is gone, and that is not believed: we go on holding it."""
    for number in platform.held:
        platform._delete(number)


def nothing(_: Platform) -> None: ...


# The first five steps are the same for all. An incremental read gives what lies within its overlap once more (ODK: what
# was edited ten minutes before the newest moment, Google the same; two things are twenty minutes apart here).
SCENARIOS: dict[str, list[Step]] = {
    "odk_central": [
        Step("sent in", sent, (6, 1, 0, 0, 0)),
        Step("edited", lambda odk: odk.edit(1, "2001"), (1, 1, 0, 0, 0)),
        Step("edited so that no rule lets it pass", lambda odk: odk.edit(2, INVALID), (0, 1, 0, 1, 0)),
        Step("mended", lambda odk: odk.edit(2, "2002"), (1, 0, 0, 0, 0)),
        Step("mended that was never accepted", lambda odk: odk.edit(7, "2003"), (1, 0, 0, 1, 0)),
        Step("rejected in review", lambda odk: odk.review(2, "rejected"), (0, 0, 1, 1, 0)),
        Step("approved after all", lambda odk: odk.review(2, "approved"), (1, 0, 0, 0, 0)),
        Step("deleted", lambda odk: odk.delete(3), (0, 0, 1, 1, 0)),
        Step("purged", lambda odk: odk.purge(4), (0, 0, 0, 0, 1)),
        Step("sent in and refused", lambda odk: odk.add(8, year=INVALID), (0, 1, 0, 0, 0)),
        Step("deleted while it was refused", lambda odk: odk.delete(8), (0, 0, 1, 0, 0)),
        Step("compared as once a day", nothing, (0, 0, 0, 0, 0), is_next_day=True),
        Step("restored", lambda odk: odk.restore(3), (1, 0, 0, 5, 0)),  # shows in the total only
        Step("edited after we saw that", lambda odk: (odk.catch_up(), odk.edit(3, "2004")), (1, 0, 0, 0, 0)),
        Step("all deleted, one by one", lambda odk: odk.delete(*list(odk.held)), (0, 0, 6, 0, 0)),
    ],
    "kobotoolbox": [
        Step("sent in", sent, (6, 1, 0, 0, 0)),
        Step("edited", lambda kobo: kobo.edit(1, "2001"), (1, 1, 0, 5, 0)),
        Step("edited so that no rule lets it pass", lambda kobo: kobo.edit(2, INVALID), (0, 2, 0, 5, 0)),
        Step("mended", lambda kobo: kobo.edit(2, "2002"), (1, 1, 0, 5, 0)),
        Step("mended that was never accepted", lambda kobo: kobo.edit(7, "2003"), (1, 0, 0, 6, 0)),
        Step("changed back", lambda kobo: kobo.edit(1, "2006"), (1, 0, 0, 6, 0)),
        Step("not approved", lambda kobo: kobo.validate(2, "not_approved"), (0, 0, 1, 6, 0)),
        Step("approved after all", lambda kobo: kobo.validate(2, "approved"), (1, 0, 0, 6, 0)),
        Step("deleted", lambda kobo: kobo.delete(3), (0, 0, 0, 6, 1)),
        Step("there again", lambda kobo: kobo.add(3), (1, 0, 0, 6, 0)),
        Step("sent in and refused", lambda kobo: kobo.add(8, year=INVALID), (0, 1, 0, 7, 0)),
        Step("deleted while it was refused", lambda kobo: kobo.delete(8), (0, 0, 0, 7, 1)),
        Step("emptied", emptied, DeletionsDoubted),
    ],
    "limesurvey": [
        Step("sent in", sent, (6, 1, 0, 0, 0)),
        Step("edited", lambda lime: lime.edit(1, "2001"), (1, 1, 0, 5, 0)),
        Step("edited so that no rule lets it pass", lambda lime: lime.edit(2, INVALID), (0, 2, 0, 5, 0)),
        Step("mended", lambda lime: lime.edit(2, "2002"), (1, 1, 0, 5, 0)),
        Step("mended that was never accepted", lambda lime: lime.edit(7, "2003"), (1, 0, 0, 6, 0)),
        Step("begun", lambda lime: lime.begin(8), (0, 0, 0, 7, 0)),
        Step("completed", lambda lime: lime.complete(8), (1, 0, 0, 7, 0)),
        Step("gone back into", lambda lime: lime.reopen(1, "2005"), (0, 0, 0, 7, 0)),
        Step("sent again", lambda lime: lime.complete(1), (1, 0, 0, 7, 0)),
        Step("deleted", lambda lime: lime.delete(3), (0, 0, 0, 7, 1)),
        Step("imported again", lambda lime: lime.add(3), (1, 0, 0, 7, 0)),
        Step("emptied", lambda lime: lime.fake.rows.clear(), DeletionsDoubted),
        Step("activated anew", lambda lime: lime.fake.reactivate(), FormUnusable),
    ],
    "google_forms": [
        Step("sent in", sent, (6, 1, 0, 0, 0)),
        Step("edited", lambda google: google.edit(1, "2001"), (1, 1, 0, 0, 0)),
        Step("edited so that no rule lets it pass", lambda google: google.edit(2, INVALID), (0, 1, 0, 1, 0)),
        Step("mended", lambda google: google.edit(2, "2002"), (1, 0, 0, 0, 0)),
        Step("mended that was never accepted", lambda google: google.edit(7, "2003"), (1, 0, 0, 1, 0)),
        Step("deleted, which nobody tells", lambda google: google._delete(3), NOTHING_NEW),
        Step("found out at the first read of a day", lambda google: google.held.pop(3), (0, 0, 0, 6, 1), True),
        Step("hidden by the list", lambda google: google.hide(4), ReadIncomplete, True),
        Step("shown again", lambda google: google.show(4), (0, 0, 0, 6, 0), True),
        Step("there again", lambda google: google.add(3), (1, 0, 0, 1, 0)),
        Step("emptied", emptied, DeletionsDoubted, True),
    ],
    "yandex_forms": [
        Step("sent in", sent, (6, 1, 0, 0, 0)),
        Step("edited", lambda yandex: yandex.edit(1, "2001"), (1, 1, 0, 5, 0)),
        Step("edited so that no rule lets it pass", lambda yandex: yandex.edit(2, INVALID), (0, 2, 0, 5, 0)),
        Step("mended", lambda yandex: yandex.edit(2, "2002"), (1, 1, 0, 5, 0)),
        Step("mended that was never accepted", lambda yandex: yandex.edit(7, "2003"), (1, 0, 0, 6, 0)),
        Step("deleted, which nobody ever tells", lambda yandex: yandex.delete(3), (0, 0, 0, 6, 0)),
        Step("there again", lambda yandex: yandex.add(3), (0, 0, 0, 7, 0)),
        Step("emptied", emptied, (0, 0, 0, 0, 0)),
    ],
}


@pytest.fixture(scope="module", autouse=True)
def airflow_has_spoken() -> None:
    """Airflow sets up logging of its own when it is imported: in the middle of a test that listens it deafens it."""
    from airflow.sdk import ObjectStoragePath

    assert ObjectStoragePath


@pytest.fixture(autouse=True)
def haste(monkeypatch: pytest.MonkeyPatch) -> None:
    """As much patience as ever, without the pauses; log-ins of other tests are forgotten."""
    monkeypatch.setattr(Patience.__init__, "__defaults__", (3, 0.0, 60.0))
    monkeypatch.setattr(google_client, "PACE", 0.0)
    monkeypatch.setattr(yandex_client, "PACE", 0.0)
    monkeypatch.setattr(limesurvey_rpc, "_refused", {})
    monkeypatch.setattr(limesurvey_rpc, "_locked", {})


@pytest.mark.parametrize("kind", PLATFORMS)
def test_what_people_do_there_is_what_we_hold(settings: Settings, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    with platforms.running(kind) as platform:
        mine = connected(settings, monkeypatch, {kind: platform})
        for step in SCENARIOS[kind]:
            before = state_of(settings, kind)
            step.happens(platform)
            if step.is_next_day:
                a_day_passes(settings, kind)
            if isinstance(step.says, type):
                with pytest.raises(step.says, match=f"{kind}, {FORM}: "):
                    sync(mine, kind)
                assert state_of(settings, kind).kept == before.kept, step.title
                continue
            assert sync(mine, kind) == step.says, step.title
            after = state_of(settings, kind)
            if step.says is NOTHING_NEW:
                assert after == before, step.title
                assert not any(found.agrees for found in reconcile(mine)), "that is what reconcile is for"
                continue
            agree(mine, platform, kind, step.title)
            again = sync(mine, kind)
            assert again is None or not any((again[0], again[2], again[4])), step.title
            assert state_of(settings, kind).kept == after.kept, step.title


def test_a_source_that_is_down_holds_up_no_other(
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    with ExitStack() as stack, socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # nobody listens
        sources: dict[str, Platform | dict[str, Any]] = {}
        running: dict[str, Platform] = {}
        for kind in PLATFORMS:
            platform = running[f"up_{kind}"] = stack.enter_context(platforms.running(kind))
            platform.add(1, 2)
            address = {"server": f"http://127.0.0.1:{closed.getsockname()[1]}"}
            # the one that is down comes first
            sources |= {f"down_{kind}": {"kind": kind, **platform.source(), **address}, f"up_{kind}": platform}
        mine = connected(settings, monkeypatch, sources, running)
        for kind in PLATFORMS:
            monkeypatch.setenv(f"AIRFLOW_CONN_DOWN_{kind.upper()}_READER", connection_of(running[f"up_{kind}"]))
        assert not cli._ingest(mine)
        said = capsys.readouterr()
        for kind in PLATFORMS:
            assert f"✓ people: up_{kind}, {FORM}: 2 = 2 accepted" in said.out
            assert f"✗ people: down_{kind}, {FORM}: the server did not answer whole" in said.err
            assert len(state_of(settings, f"up_{kind}").current) == 2
            assert state_of(settings, f"down_{kind}").runs == []
            with pytest.raises(SourceUnreachable, match=f"down_{kind}, {FORM}"):
                sync(mine, f"down_{kind}")
        secrets = {secret for platform in running.values() for secret in platform.secrets}
        written = "\n".join((caplog.text, said.out, said.err, kept_text(settings)))
        assert "up_odk_central" in written
        assert {secret for secret in secrets if secret in written} == set()


@pytest.mark.parametrize("kind", PLATFORMS)
def test_wrong_credentials_fail_at_once_and_are_not_repeated(
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    kind: str,
) -> None:
    caplog.set_level(logging.DEBUG)
    name = f"wrong_{kind}"
    with platforms.running(kind) as platform:
        mine = connected(settings, monkeypatch, {name: platform})
        platform.add(1)
        assert sync(mine, name) == (1, 0, 0, 0, 0)
        before = state_of(settings, name)
        platform.refuse_credentials()
        platform.requests().clear()
        with pytest.raises(SourceDenied, match=name) as caught:
            sync(mine, name)
        assert len(platform.requests()) == 1, "it is asked once"
        assert "connection" in str(caught.value), "the way out"
        assert not cli._ingest(mine)
        assert state_of(settings, name) == before
        said = capsys.readouterr()
        written = "\n".join((str(caught.value), caplog.text, said.out, said.err, kept_text(settings)))
        assert name in said.err
        assert [secret for secret in platform.secrets if secret in written] == []


def sync(settings: Settings, source: str) -> Counts | None:
    """Read a source; return what the run says, ``NOTHING_NEW`` if it did not come to one."""
    batch = ingest.extract(settings, source, FORM, f"run {next(runs)}")
    if batch is None:
        return NOTHING_NEW
    counts = ingest.load(settings, batch)
    return tuple(counts[name] for name in ("accepted", "quarantined", "voided", "unchanged", "vanished"))  # type: ignore[return-value]


def agree(settings: Settings, platform: Platform, source: str, title: str) -> None:
    """Compare raw, quarantine, the last run and ``reconcile`` with what the server holds."""
    state = state_of(settings, source)
    current, refused = expected_of(settings, platform)
    assert state.current == current, title
    assert {row[0] for row in state.quarantine if row[1] == "open"} == refused, title
    server_count, accepted, quarantined, voided, unchanged, _, server_total, run_state = state.runs[-1]
    assert (server_count, run_state) == (accepted + quarantined + voided + unchanged, "complete"), title
    was_retry = server_count == 0 and server_total is None  # of what lies in quarantine: the server had nothing new
    assert was_retry or server_total == (len(platform.held) if platform.counts_all else None), title
    (found,) = reconcile(settings)
    assert found.agrees, (title, found)
    assert found.here == len(platform.held), title


def a_day_passes(settings: Settings, source: str) -> None:
    """Put back what a connector remembers of the day: the next read compares everything."""
    with connect(settings) as connection:
        for key, value in (("swept_on", "2020-01-01"), ("compared_at", "2020-01-01T00:00:00+00:00")):
            connection.execute(
                "update ops.cursors set cursor = cursor || jsonb_build_object(%s::text, %s::text) "
                "where source = %s and cursor ? %s",
                (key, value, source, key),
            )


def connected(
    settings: Settings,
    patch: pytest.MonkeyPatch,
    sources: dict[str, Any],
    running: dict[str, Platform] | None = None,
) -> Settings:
    """Return settings whose sources.yml names these, and set the connections of those that run."""
    for name, value in credentials_of(running or sources).items():
        patch.setenv(name, value)
    path = write_sources(settings.home / f"sources_{next(runs)}.yml", sources)
    return settings.model_copy(update={"sources": path})


def connection_of(platform: Platform) -> str:
    (value,) = credentials_of({"any": platform}).values()
    return value


def kept_text(settings: Settings) -> str:
    """Return all that a sync writes but for raw and the vault: ops, quarantine and the landing."""
    tables = ("ops.sync_runs", "ops.cursors", "ops.check_results", "ops.denials", "quarantine.rows")
    with connect(settings) as connection:
        rows = [
            row for table in tables for (row,) in connection.execute(f"select kept::text from {table} as kept".encode())
        ]
    landed = [path.read_bytes().decode("utf-8", "ignore") for path in _files(settings)]
    return "\n".join((*rows, *landed))


def _files(settings: Settings) -> Iterator[Any]:
    return (path for path in (settings.home / "landing").rglob("*") if path.is_file())
