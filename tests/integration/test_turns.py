"""Tasks are processes of their own: what they must not do at once or again they learn from the warehouse."""

from __future__ import annotations

import json
from collections.abc import Iterator
from threading import Event, Thread

import pytest

from vmeste.settings import Settings
from vmeste.sources.errors import LoginRefused, SourceDenied
from vmeste.warehouse.connect import connect
from vmeste.warehouse.turns import turn


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    log_in_as(monkeypatch, "wrong")
    yield


def log_in_as(monkeypatch: pytest.MonkeyPatch, password: str) -> None:
    written = {"conn_type": "http", "login": "reader", "password": password}
    monkeypatch.setenv("AIRFLOW_CONN_LIME", json.dumps(written))


def ask(settings: Settings, source: str, answer: Exception | None = None) -> str:
    with connect(settings, "vmeste_loader") as connection:
        connection.autocommit = True
        with turn(connection, source, "lime"):
            if answer:
                raise answer
            return "asked"


def test_a_refused_login_is_not_tried_again_until_it_changes(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(LoginRefused, match="at the server"):
        ask(settings, "refused", LoginRefused("at the server"))
    with pytest.raises(LoginRefused, match="refused these credentials a moment ago") as caught:
        ask(settings, "refused")
    assert "wrong" not in str(caught.value)
    assert ask(settings, "another") == "asked"
    log_in_as(monkeypatch, "wrong too")
    with pytest.raises(LoginRefused, match="at the server"):
        ask(settings, "refused", LoginRefused("at the server"))
    with pytest.raises(LoginRefused, match="a moment ago"):
        ask(settings, "refused")
    log_in_as(monkeypatch, "right")
    assert ask(settings, "refused") == "asked"


def test_ten_minutes_later_it_is_tried_again(settings: Settings) -> None:
    with pytest.raises(LoginRefused):
        ask(settings, "later", LoginRefused("at the server"))
    with connect(settings) as connection:
        connection.execute("update ops.denials set denied_at = denied_at - interval '11 minutes'")
    assert ask(settings, "later") == "asked"


def test_a_missing_right_on_one_form_stops_no_other(settings: Settings) -> None:
    with pytest.raises(SourceDenied):
        ask(settings, "right", SourceDenied("no right on this form"))
    assert ask(settings, "right") == "asked"


def test_no_password_lies_in_the_warehouse(settings: Settings) -> None:
    with pytest.raises(LoginRefused):
        ask(settings, "kept", LoginRefused("at the server"))
    with connect(settings) as connection:
        (row,) = connection.execute("select denials::text from ops.denials where source = 'kept'").fetchall()
    assert "wrong" not in row[0]
    assert b"wrong".hex() not in row[0]


def test_one_reader_at_a_time(settings: Settings) -> None:
    first_is_in, first_may_go, second_is_in = Event(), Event(), Event()

    def first() -> None:
        with connect(settings, "vmeste_loader") as connection:
            connection.autocommit = True
            with turn(connection, "busy", "lime"):
                first_is_in.set()
                first_may_go.wait(10)

    def second() -> None:
        ask(settings, "busy")
        second_is_in.set()

    readers = [Thread(target=first), Thread(target=second)]
    readers[0].start()
    assert first_is_in.wait(10)
    readers[1].start()
    assert not second_is_in.wait(0.2)
    assert ask(settings, "idle") == "asked", "another source does not wait"
    first_may_go.set()
    assert second_is_in.wait(10)
    for reader in readers:
        reader.join()
