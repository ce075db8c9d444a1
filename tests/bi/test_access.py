"""What the leader cannot do: ask SQL, see another schema, another organisation's rows, or change anything."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import psycopg
import pytest
from playwright.sync_api import Browser

from tests.bi.conftest import Visitor, assets, visit
from vmeste.local import superset
from vmeste.settings import Settings
from vmeste.warehouse import bi_reader


@pytest.mark.parametrize(
    "path", ["/sqllab/", "/explore/?slice_id=1", "/tablemodelview/list/", "/users/", "/chart/list/", "/chart/add"]
)
def test_the_leader_is_told_that_a_page_is_not_open(leader: Visitor, path: str) -> None:
    leader.page.goto(leader.url + path)
    leader.page.wait_for_load_state("networkidle")
    text = leader.text()
    assert "не открыта" in text or "Такой страницы нет" in text, text[:300]
    leader.refused.clear()


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/sqllab/",
        "/api/v1/database/",
        "/api/v1/dataset/",
        "/api/v1/query/",
        "/api/v1/security/users/",
        "/api/v1/database/1/tables/?q=(schema_name:raw)",
        "/api/v1/dashboard/export/?q=!(1)",
    ],
)
def test_the_leaders_session_is_refused(leader: Visitor, path: str) -> None:
    answer = leader.page.request.get(leader.url + path)
    assert answer.status in {401, 403, 404}


def test_a_query_of_ones_own_is_refused(leader: Visitor) -> None:
    """The call that draws a chart does not take another table or a subquery from the leader."""
    csrf = leader.page.request.get(f"{leader.url}/api/v1/security/csrf_token/")
    token = csrf.json().get("result", "") if csrf.ok else ""
    for query in (
        {"columns": [{"label": "x", "expressionType": "SQL", "sqlExpression": "(select count(*) from raw.r1_mentee)"}]},
        {"columns": ["quarter"]},
    ):
        answer = leader.page.request.post(
            f"{leader.url}/api/v1/chart/data",
            headers={"X-CSRFToken": token, "Referer": leader.url},
            data={"datasource": {"id": 1, "type": "table"}, "queries": [query], "result_type": "full"},
        )
        assert answer.status in {400, 401, 403}, answer.text()[:300]


def test_the_connection_of_dashboards_reads_published_alone(released: Settings) -> None:
    with psycopg.connect(bi_reader.url(released), autocommit=True) as connection:
        for relation in ("raw.r1_mentee", "quarantine.rows", "ledger.outcomes", "ops.sync_runs"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(f"select 1 from {relation}".encode())
        with pytest.raises((psycopg.errors.ReadOnlySqlTransaction, psycopg.errors.InsufficientPrivilege)):
            connection.execute("delete from published.releases")


@pytest.mark.parametrize(("user", "other"), [("north", "south"), ("south", "north")])
def test_a_user_of_one_organisation_sees_its_rows_only(
    browser: Browser, server: superset.Address, released: Settings, user: str, other: str
) -> None:
    visitor = visit(browser, server, user)
    visitor.open("evidence")
    rows = visitor.chart("Уровни, присвоенные экспертами")
    assert {row["section_ru"] for row in rows} == {f"Обоснованность данных, {user}"}
    assert other not in visitor.page.content()
    visitor.page.close()


def test_every_dataset_says_whose_its_rows_are() -> None:
    """A dataset without the column would show a user of one organisation the rows of all."""
    for name, dataset in assets("datasets").items():
        assert "organisation_code" in {column["column_name"] for column in dataset["columns"]}, name


def test_passwords_are_drawn_once_and_lie_where_only_the_owner_reads(provisioned: Settings) -> None:
    file = superset.users_file(provisioned)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    before = file.read_text(encoding="utf-8")
    assert superset.draw_users(provisioned) == {}
    assert file.read_text(encoding="utf-8") == before
    passwords = [user["password"] for user in json.loads(before).values()]
    assert len(set(passwords)) == len(passwords)
    assert "admin" not in passwords


def test_no_secret_lies_in_the_logs(server: superset.Address, provisioned: Settings) -> None:
    passwords = [user["password"] for user in json.loads(server.users.read_text(encoding="utf-8")).values()]
    passwords.append(json.loads(bi_reader.secrets_file(provisioned).read_text(encoding="utf-8"))["password"])
    for log in Path(provisioned.home / "logs").glob("superset*"):
        text = log.read_text(encoding="utf-8", errors="replace")
        assert not [password for password in passwords if password in text], log
