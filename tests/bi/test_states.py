"""What is not as it should be: each time the page says in Russian what is the matter, and comes back by itself."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest
from playwright.sync_api import Browser

from tests.bi.conftest import DASHBOARDS, Visitor, visit
from vmeste.local import superset
from vmeste.settings import Settings
from vmeste.warehouse import embedded
from vmeste.warehouse.connect import warehouse_url


@pytest.fixture(scope="module")
def early(browser: Browser, server: superset.Address) -> Iterator[Visitor]:
    """The leader, before anything was released."""
    visitor = visit(browser, server, "leader")
    yield visitor
    visitor.page.close()


@pytest.mark.parametrize("dashboard", DASHBOARDS)
def test_before_the_first_release_a_page_says_so(early: Visitor, dashboard: str) -> None:
    early.open(dashboard)
    text = early.text()
    assert "Выпусков пока нет" in text
    assert "Ни один квартал ещё не согласован и не выпущен" in text
    assert early.page.locator(".ant-alert-error").count() == 0
    assert "null" not in text
    assert "undefined" not in text


@contextmanager
def changed(settings: Settings, there: str, back: str) -> Iterator[None]:
    """Change the warehouse as its owner, and change it back."""
    with psycopg.connect(warehouse_url(settings), autocommit=True) as owner:
        owner.execute(there.encode())
        try:
            yield
        finally:
            owner.execute(back.encode())


def test_a_renamed_column_is_named_as_another_version(leader: Visitor, released: Settings) -> None:
    rename = "set role vmeste_keeper; alter table published.expert_levels rename column {} to {}; reset role"
    with changed(released, rename.format("level_ru", "level_name"), rename.format("level_name", "level_ru")):
        leader.open("evidence")
        text = leader.text()
        assert "дашборды и хранилище разных версий" in text
        title = leader.page.locator(".ant-alert-message, .ant-alert-title").first
        assert "Данные не прочитаны" in title.evaluate("title => getComputedStyle(title, '::after').content")
        assert title.evaluate("title => getComputedStyle(title).fontSize") == "0px"
        assert "level_ru" not in text
        # the other charts of the page are drawn all the same
        assert "Сбор и анализ данных по всем показателям" in text
    leader.open("evidence")
    assert "разных версий" not in leader.text()


def test_a_warehouse_that_cannot_be_reached_is_said_by_the_page(leader: Visitor, released: Settings) -> None:
    """Superset itself is well, its own database too: the page would wait for its filters for ever."""
    role = "alter role vmeste_bi_reader {}"
    with changed(released, role.format("nologin"), role.format("login")):
        answer = leader.page.goto(f"{leader.url}/superset/dashboard/evidence/")
        assert answer
        assert answer.status == 503
        assert "База данных не отвечает" in leader.text()


def test_a_database_that_is_down_is_said_by_the_page(leader: Visitor, released: Settings) -> None:
    embedded.stop(released)
    try:
        answer = leader.page.goto(f"{leader.url}/superset/dashboard/leadership/")
        assert answer
        assert answer.status == 503
        assert "База данных не отвечает" in leader.text()
        assert "vmeste bi up" in leader.text()
    finally:
        embedded.start(released)
    leader.open("leadership")
    assert "IV квартал 2021 года" in leader.text()


def test_an_expired_session_leads_to_the_log_in_and_back(browser: Browser, server: superset.Address) -> None:
    visitor = visit(browser, server, "leader")
    visitor.page.context.clear_cookies()
    visitor.page.goto(f"{server.url}/superset/dashboard/evidence/")
    visitor.page.wait_for_url("**/login/**")
    visitor.page.wait_for_selector("input[type=password]")
    assert "Введите ваш логин и пароль" in visitor.text()
    assert "evidence" in visitor.page.url
    visitor.page.close()


def test_a_page_that_is_not_there_is_said_in_russian(leader: Visitor) -> None:
    answer = leader.page.goto(f"{leader.url}/superset/dashboard/nothing/")
    assert answer
    leader.page.wait_for_load_state("networkidle")
    assert "нет" in leader.text()
