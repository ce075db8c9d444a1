"""Messages, through a real mail server and a real HTTP receiver: who gets what, and that no receiver can do harm."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.dags.receivers import FROM, Hook, Mailbox, free_port, http_receiver, mail_server
from vmeste.notifications import messages, sending
from vmeste.notifications.messages import AUDIENCE, FactError, message
from vmeste.notifications.notifier import Notice
from vmeste.notifications.settings import NotificationSettings, get_notification_settings
from vmeste.releases import pack
from vmeste.settings import ROOT

LINK = "http://localhost:8080/dags/refresh_quarterly_indicators/runs/manual__2022-01-15T03%3A00%3A00"
FACTS: dict[str, dict[str, Any]] = {
    "awaiting_approval": {"release_id": "2021-Q4-r1", "role": "method", "page": "/srv/2021-Q4-r1/2021-Q4-r1.pdf"},
    "reminder": {"role": "director", "waiting": 2},
    "released": {"release_id": "2021-Q4-r1", "page": "https://files.example.org/2021-Q4-r1/2021-Q4-r1.pdf"},
    "page": {"release_id": "2021-Q4-r1"},
    "rejected": {"release_id": "2021-Q4-r1", "role": "director"},
    "overdue": {"quarter": "2021-Q4", "days": 5},
    "failed": {"dag_id": "ingest_forms", "task_id": "report_failures"},
    "recovered": {"dag_id": "ingest_forms"},
    "check_failed": {"dag_id": "refresh_quarterly_indicators", "task_id": "validate"},
    "quarantine_growing": {"open_now": 21, "open_before": 19, "arrived": 3, "resolved": 1},
    "follow_ups_due": {"due_now": 3, "due_now_6": 2, "due_now_12": 1, "closing": 1, "open_now": 7},
}
RUN_ID = "scheduled__2022-01-15T03:00:00+00:00__2021-Q4__aB3dE6gH"


def test_every_setting_stands_in_the_example_and_in_the_manual() -> None:
    for file in (".env.example", "docs/notifications.md"):
        text = (ROOT / file).read_text(encoding="utf-8")
        missing = [name for name in NotificationSettings.model_fields if f"VMESTE_NOTIFY_{name.upper()}" not in text]
        assert missing == [], file


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    with mail_server() as box:
        yield box


@pytest.fixture
def hook() -> Iterator[Hook]:
    with http_receiver() as receiver:
        yield receiver


@pytest.fixture
def configured(monkeypatch: pytest.MonkeyPatch, mailbox: Mailbox, hook: Hook) -> Iterator[NotificationSettings]:
    """Both receivers, an address for each role, and no patience."""
    monkeypatch.setenv("AIRFLOW_CONN_OUR_MAIL", mailbox.connection)
    monkeypatch.setenv("AIRFLOW_CONN_OUR_CHAT", hook.connection)
    for name, value in {
        "SMTP": "our_mail",
        "WEBHOOK": "our_chat",
        "ENGINEER": "engineer@example.org, second@example.org",
        "METHOD": "method@example.org",
        "DIRECTOR": "director@example.org",
        "READERS": "board@example.org, partner@example.org",
    }.items():
        monkeypatch.setenv(f"VMESTE_NOTIFY_{name}", value)
    monkeypatch.setattr(sending, "PAUSE", 0.05)
    get_notification_settings.cache_clear()
    yield get_notification_settings()
    get_notification_settings.cache_clear()


def text_of(mailbox: Mailbox) -> str:
    body = mailbox.mails[-1][1].get_body(("html",))
    assert body is not None
    return str(body.get_content())


def test_every_event_has_facts_here() -> None:
    assert set(FACTS) == set(AUDIENCE)
    assert {path.stem for path in messages.TEMPLATES.glob("*.j2")} == set(AUDIENCE)


@pytest.mark.parametrize("event", AUDIENCE)
def test_each_message_reaches_its_people_and_the_webhook(
    event: str, configured: NotificationSettings, mailbox: Mailbox, hook: Hook
) -> None:
    Notice(event, FACTS[event] | {"link": LINK})({}) if event not in (
        "awaiting_approval",
        "failed",
        "recovered",
        "overdue",
    ) else (sending.send(configured, message(event, FACTS[event] | {"link": LINK})))
    roles = AUDIENCE[event] or (FACTS[event]["role"],)
    ((recipients, mail),) = mailbox.mails
    assert recipients == configured.addresses(roles)
    assert mail["From"] == FROM
    assert str(mail["Subject"]).startswith("Вместе: ")
    assert LINK in text_of(mailbox)
    assert "{" not in str(mail["Subject"]) + text_of(mailbox)
    if event == "page":
        assert hook.posts == []
        return
    ((path, headers, body),) = hook.posts
    assert path == "/hooks/made-up-secret"
    assert headers["Content-Type"] == "application/json"
    assert (body["event"], body["link"]) == (event, LINK)
    assert body["text"].startswith(str(mail["Subject"]))
    assert body["facts"] == {name: fact for name, fact in FACTS[event].items() if name != "page"}


def test_only_the_one_who_is_asked_gets_the_question(configured: NotificationSettings, mailbox: Mailbox) -> None:
    for role in ("method", "director"):
        sending.send(
            configured, message("awaiting_approval", FACTS["awaiting_approval"] | {"role": role, "link": LINK})
        )
        assert mailbox.mails[-1][0] == [f"{role}@example.org"]
    assert "ждёт решения директора" in str(mailbox.mails[-1][1]["Subject"])
    assert "ждёт согласования методологом" in str(mailbox.mails[0][1]["Subject"])


@pytest.mark.parametrize(
    ("fact", "value"),
    [
        ("release_id", "M-017"),
        ("role", "Иванова"),
        ("due_now", "Пётр"),
        ("link", "http://localhost/x?answer=да"),
        ("quarter", "2021-Q4; M-017"),
        ("task_id", "load M-017"),
        ("reason", "ребёнок отказался"),
    ],
)
def test_what_a_person_wrote_is_not_told(fact: str, value: str) -> None:
    for event, facts in FACTS.items():
        with pytest.raises(FactError, match=f"{event}: the fact '{fact}'") as refused:
            message(event, facts | {"link": LINK, fact: value})
        assert value not in str(refused.value)


def test_a_mail_is_html_and_a_chat_is_not() -> None:
    told = message("released", FACTS["released"] | {"link": LINK, "page": "/srv/a&b<c>/2021-Q4-r1.pdf"})
    assert "/srv/a&amp;b&lt;c&gt;/2021-Q4-r1.pdf" in told.html
    assert "/srv/a&b<c>/2021-Q4-r1.pdf" in str(told.json["text"])


def test_a_run_id_that_a_person_chose_is_not_told(
    configured: NotificationSettings, hook: Hook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "https://airflow.example.org/vmeste/")
    dag = SimpleNamespace(dag_id="erase_subject")
    for run_id, known in (
        (RUN_ID, True),
        ("manual__2026-11-25T17:50:00.123456+00:00_aB3dE6gH", True),
        ("M-017", False),
    ):
        Notice("failed")({"dag": dag, "run_id": run_id, "ti": SimpleNamespace(task_id="erase")})
        link = hook.posts[-1][2]["link"]
        assert link.startswith("https://airflow.example.org/vmeste/dags/erase_subject")
        assert ("/runs/" in link) is known
        assert "M-017" not in str(hook.posts[-1])


def test_nobody_configured_sends_nothing_and_says_so_once(caplog: pytest.LogCaptureFixture) -> None:
    sending._say_once.cache_clear()
    nobody = NotificationSettings(_env_file=None)  # type: ignore[call-arg]
    with caplog.at_level(logging.INFO, logger=sending.__name__):
        for _ in range(3):
            assert sending.send(nobody, message("released", FACTS["released"] | {"link": LINK})) == {}
    assert [record.getMessage() for record in caplog.records] == [
        "nobody is told of released: set VMESTE_NOTIFY_SMTP with an address for engineer, method, director, or "
        "VMESTE_NOTIFY_WEBHOOK"
    ]


def test_a_role_without_an_address_gets_no_mail(configured: NotificationSettings, mailbox: Mailbox, hook: Hook) -> None:
    without = configured.model_copy(update={"method": "", "director": " "})
    assert sending.send(without, message("follow_ups_due", FACTS["follow_ups_due"] | {"link": LINK})) == {
        "webhook": True
    }
    sending.send(without, message("rejected", FACTS["rejected"] | {"link": LINK}))
    assert [recipients for recipients, _ in mailbox.mails] == [["engineer@example.org", "second@example.org"]]
    assert len(hook.posts) == 2


RELEASED = {"link": LINK} | FACTS["released"]


def test_a_receiver_that_is_busy_is_asked_again(
    configured: NotificationSettings, mailbox: Mailbox, hook: Hook, caplog: pytest.LogCaptureFixture
) -> None:
    mailbox.replies, hook.statuses = ["451 try later"], [503, 502]
    assert sending.send(configured, message("released", RELEASED)) == {"mail": True, "webhook": True}
    assert (len(mailbox.mails), len(hook.posts)) == (1, 3)
    assert "attempt 1" in caplog.text


def test_what_is_refused_for_good_is_not_asked_again(
    configured: NotificationSettings, mailbox: Mailbox, hook: Hook, caplog: pytest.LogCaptureFixture
) -> None:
    mailbox.replies, hook.statuses = ["550 no such mailbox"] * 3, [404] * 3
    assert sending.send(configured, message("released", RELEASED)) == {"mail": False, "webhook": False}
    assert (mailbox.mails, len(mailbox.replies), len(hook.posts)) == ([], 2, 1)
    assert caplog.text.count("given up") == 2


def test_a_receiver_that_is_down_fails_nothing(
    configured: NotificationSettings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """And neither the webhook's secret path nor an address comes into our log."""
    monkeypatch.setenv("AIRFLOW_CONN_OUR_MAIL", Mailbox(port=free_port()).connection)
    monkeypatch.setenv("AIRFLOW_CONN_OUR_CHAT", Hook(port=free_port()).connection)
    began = time.monotonic()
    Notice("released", RELEASED)({})
    assert time.monotonic() - began < 10
    ours = [record.getMessage() for record in caplog.records if record.name == sending.__name__]
    assert sum("attempt 3" in line and "given up" in line for line in ours) == 2
    assert not any("made-up-secret" in line or "@" in line for line in ours)


@pytest.mark.parametrize("slow", ["mail", "webhook"])
def test_a_receiver_that_is_slow_holds_up_nothing(
    slow: str, configured: NotificationSettings, mailbox: Mailbox, hook: Hook, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other receiver is told all the same."""
    monkeypatch.setattr(sending, "SECONDS", 1.0)
    mailbox.seconds, hook.seconds = (6.0, 0.0) if slow == "mail" else (0.0, 6.0)
    began = time.monotonic()
    taken = sending.send(configured, message("released", RELEASED))
    assert time.monotonic() - began < 3
    assert taken == {"mail": slow != "mail", "webhook": slow != "webhook"}


def test_a_connection_that_is_not_there_fails_nothing(
    configured: NotificationSettings, caplog: pytest.LogCaptureFixture
) -> None:
    lost = configured.model_copy(update={"smtp": "nowhere", "webhook": "nowhere"})
    assert sending.send(lost, message("released", RELEASED)) == {"mail": False, "webhook": False}


def test_a_context_that_lacks_something_fails_nothing(
    configured: NotificationSettings, mailbox: Mailbox, caplog: pytest.LogCaptureFixture
) -> None:
    for event in ("awaiting_approval", "outcome", "failed", "overdue", "released"):
        Notice(event)({})
        assert f"nobody was told of {event}" in caplog.text
    assert mailbox.mails == []


class Ti(SimpleNamespace):
    """A task instance with what earlier steps returned."""

    def xcom_pull(self, task_ids: str, key: str = "return_value") -> Any:
        return self.pushed.get((task_ids, key))


def context(task_id: str, pushed: dict[tuple[str, str], Any] | None = None) -> dict[str, Any]:
    dag_id = "refresh_quarterly_indicators"
    ti = Ti(dag_id=dag_id, run_id=RUN_ID, task_id=task_id, pushed=pushed or {})
    return {"ti": ti, "dag": SimpleNamespace(dag_id=dag_id), "run_id": RUN_ID, "dag_run": SimpleNamespace()}


RENDERED = {"release_id": "2021-Q4-r1", "pdf": "/srv/releases/2021-Q4-r1/draft/2021-Q4-r1.pdf"}


def test_the_question_links_to_the_form_where_it_is_answered(configured: NotificationSettings, hook: Hook) -> None:
    Notice("awaiting_approval", {"role": "method"})(context("approve_method", {("render", "return_value"): RENDERED}))
    body = hook.posts[-1][2]
    assert body["link"].endswith("__aB3dE6gH/tasks/approve_method/required_actions")
    assert "Страница: /srv/releases/2021-Q4-r1/draft/2021-Q4-r1.pdf" in body["text"]


def test_releases_that_are_served_are_linked(
    configured: NotificationSettings, hook: Hook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VMESTE_NOTIFY_RELEASES_URL", "https://files.example.org/releases/")
    get_notification_settings.cache_clear()
    Notice("awaiting_approval", {"role": "method"})(context("approve_method", {("render", "return_value"): RENDERED}))
    assert "https://files.example.org/releases/2021-Q4-r1/draft/2021-Q4-r1.pdf" in hook.posts[-1][2]["text"]


@pytest.mark.parametrize(
    ("outcome", "event"),
    [
        ({"event": "released", "release_id": "2021-Q4-r1", "pdf": "/srv/2021-Q4-r1/2021-Q4-r1.pdf"}, "released"),
        ({"event": "rejected", "release_id": "2021-Q4-r1", "role": "director"}, "rejected"),
        (None, None),
    ],
)
def test_the_outcome_is_told_as_it_is(
    outcome: dict[str, str] | None, event: str | None, configured: NotificationSettings, hook: Hook
) -> None:
    """Figures that stand already are news to nobody."""
    Notice("outcome")(context("tell_outcome", {("tell_outcome", "outcome"): outcome}))
    assert [post[2]["event"] for post in hook.posts] == ([event] if event else [])


@pytest.fixture
def outcome(tmp_path: Path) -> dict[str, str]:
    """A release whose files are there, as ``tell_outcome`` pushes it."""
    folder = tmp_path / "2021-Q4-r1"
    folder.mkdir()
    paths = pack.files("2021-Q4-r1", folder)
    for kind, path in paths.items():
        path.write_bytes(b"%PDF-1.7 of " + kind.encode())
    paths["manifest"].write_text(pack._manifest(paths), encoding="utf-8")
    return {"event": "released", "release_id": "2021-Q4-r1", "pdf": str(paths["pdf"])}


def test_the_page_goes_to_its_readers(
    configured: NotificationSettings, mailbox: Mailbox, hook: Hook, outcome: dict[str, str]
) -> None:
    Notice("outcome")(context("tell_outcome", {("tell_outcome", "outcome"): outcome}))
    (_, told), (recipients, mail) = mailbox.mails
    assert recipients == ["board@example.org", "partner@example.org"]
    (attached,) = mail.iter_attachments()
    assert attached.get_filename() == "2021-Q4-r1.pdf"
    assert attached.get_payload(decode=True) == b"%PDF-1.7 of pdf"
    assert "/vmeste/latest/2021-Q4-r1" in text_of(mailbox)
    assert [*told.iter_attachments()] == [], "who runs the release is told as before"
    assert len(hook.posts) == 1


def test_a_page_that_is_not_the_released_one_is_not_sent(
    configured: NotificationSettings, mailbox: Mailbox, outcome: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    Path(outcome["pdf"]).write_bytes(b"%PDF of something else")
    Notice("outcome")(context("tell_outcome", {("tell_outcome", "outcome"): outcome}))
    assert [recipients for recipients, _ in mailbox.mails] == [configured.addresses(AUDIENCE["released"])]
    assert "2021-Q4-r1.pdf is not sent to its readers" in caplog.text


def test_a_rejection_sends_no_page(configured: NotificationSettings, mailbox: Mailbox, outcome: dict[str, str]) -> None:
    rejected = outcome | {"event": "rejected", "role": "director"}
    Notice("outcome")(context("tell_outcome", {("tell_outcome", "outcome"): rejected}))
    assert len(mailbox.mails) == 1


def test_without_readers_no_page_is_sent(
    configured: NotificationSettings, mailbox: Mailbox, outcome: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VMESTE_NOTIFY_READERS", "")
    get_notification_settings.cache_clear()
    Notice("outcome")(context("tell_outcome", {("tell_outcome", "outcome"): outcome}))
    assert len(mailbox.mails) == 1


@pytest.mark.parametrize(
    ("task_id", "event"), [("validate", "check_failed"), ("marts.validate_marts", "check_failed"), ("gate", "failed")]
)
def test_a_failed_check_is_told_as_one(task_id: str, event: str, configured: NotificationSettings, hook: Hook) -> None:
    Notice("failed")(context(task_id))
    assert (hook.posts[-1][2]["event"], hook.posts[-1][2]["facts"]["task_id"]) == (event, task_id)


def test_a_run_without_a_task_to_blame_is_told_too(configured: NotificationSettings, hook: Hook) -> None:
    Notice("failed")({"dag": SimpleNamespace(dag_id="ingest_forms"), "run_id": RUN_ID})
    assert hook.posts[-1][2]["subject"] == "Вместе: сбой: ingest_forms"


def test_a_missed_deadline_is_told_from_the_triggerer(configured: NotificationSettings, hook: Hook) -> None:
    """As the triggerer does it: made with the context of the API, then awaited."""
    run = {"dag_id": "refresh_quarterly_indicators", "dag_run_id": RUN_ID, "partition_key": "2021-Q4"}
    given = {"dag_run": run, "deadline": {"id": "x", "deadline_time": datetime(2022, 1, 20, tzinfo=UTC)}}

    async def missed() -> None:
        await Notice("overdue", {"days": 5}, context=given)

    asyncio.run(missed())
    assert hook.posts[-1][2]["subject"] == "Вместе: выпуск 2021-Q4 не вышел за 5\u00a0дней"
