from __future__ import annotations

import io
import tracemalloc
import zipfile
from collections.abc import Mapping

import pytest

from vmeste.sources import odk_export
from vmeste.sources.errors import AnswerNotUnderstood, AnswerTooLarge, FormUnusable, SourceError
from vmeste.sources.odk_export import Wanted

ROOT = "SubmissionDate,fare,KEY,Edits,FormVersion\n2026,12.50,a,0,1\n2026,,b/x[1],2,1\n"

MEMBERS = (
    "m_name,work-employer,PARENT_KEY,KEY\n"
    "А,Завод,a,a/people/member[1]\n"
    "Б,,a,a/people/member[2]\n"
    "В,,b/x[1],b/x[1]/people/member[1]\n"
)

COLUMNS = ("m_name", "work-employer")


def zipped(tables: Mapping[str, str]) -> bytes:
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in tables.items():
            archive.writestr(name, text)
    return body.getvalue()


def wanted(repeat: str = "people/member", columns: tuple[str, ...] = COLUMNS) -> Wanted:
    return Wanted("field, visit", ["fare"], {repeat: columns})


def members(text: str, repeat: str = "people/member", root: str = ROOT) -> dict[str, list[Mapping[str, str]]]:
    found = wanted(repeat).read(zipped({"f.csv": root, "f-member.csv": text}))
    return {key: list(exported.members_of(repeat)) for key, exported in found.items()}


def test_members_come_to_their_submissions_in_their_order() -> None:
    """Also to one whose id looks like a member's."""
    found = wanted().read(zipped({"f.csv": ROOT, "f-member.csv": MEMBERS}))
    assert {key: (exported.edits, dict(exported.values)) for key, exported in found.items()} == {
        "a": ("0", {"fare": "12.50"}),
        "b/x[1]": ("2", {"fare": ""}),
    }
    assert members(MEMBERS) == {
        "a": [{"m_name": "А", "work-employer": "Завод"}, {"m_name": "Б", "work-employer": ""}],
        "b/x[1]": [{"m_name": "В", "work-employer": ""}],
    }


def test_repeats_of_one_name_are_told_apart_by_their_keys() -> None:
    """Their tables are numbered in an order that a new version changes; one may lie within another."""
    tables = {
        "f.csv": ROOT,
        "f-job~1.csv": "title,PARENT_KEY,KEY\nтокарь,a/people/member[1],a/people/member[1]/job[1]\n",
        "f-job~2.csv": "title,PARENT_KEY,KEY\nпекарь,a,a/group/job[1]\n",
        "f-job~3.csv": "title,PARENT_KEY,KEY\nмаляр,a,a/job[1]\n",
    }
    found = wanted("job", ("title",)).read(zipped(tables))
    assert found["a"].members == {"job": [{"title": "маляр"}]}
    found = wanted("group/job", ("title",)).read(zipped(tables))
    assert found["a"].members == {"group/job": [{"title": "пекарь"}]}
    # that a repeat within another one lacks a column which the lost one of its name had is no fault
    tables["f-job~1.csv"] = "PARENT_KEY,KEY\na/people/member[1],a/people/member[1]/job[1]\n"
    assert wanted("job", ("title",)).read(zipped(tables))["a"].members == {"job": [{"title": "маляр"}]}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("m_name,work-employer,PARENT_KEY,KEY\nА,,a,a/people/member[1]\nБ,,a,a/people/member[3]\n", "lacks members"),
        ("m_name,work-employer,PARENT_KEY,KEY\nБ,,a,a/people/member[2]\n", "lacks members"),
        ("m_name,work-employer,PARENT_KEY,KEY\nБ,,a,a/people/member[2]\nА,,a,a/people/member[1]\n", "lacks members"),
        ("m_name,work-employer,PARENT_KEY,KEY\nА,,Завод,a/people/member[1]\n", "without their place"),
        ("m_name,work-employer,PARENT_KEY,KEY\nА,,a,Завод\n", "without their place"),
        ("m_name,work-employer,PARENT_KEY,KEY\nА,,a,a/people/member\n", "without their place"),
        ("m_name,work-employer,PARENT_KEY,KEY\nА,,a,a/people/member[1],Завод\n", "without their place"),
        ("m_name,PARENT_KEY,KEY\nА,a,a/people/member[1]\n", "lacks people/member/work-employer, which earlier"),
    ],
)
def test_an_export_that_does_not_have_each_member_whole_is_refused(text: str, said: str) -> None:
    """Central puts answers of a dropped question into the columns of another where names begin alike."""
    with pytest.raises((AnswerNotUnderstood, FormUnusable), match=f"field, visit: .*{said}"):
        members(text)


def test_columns_that_cannot_be_told_apart_are_refused() -> None:
    """A group's field and one with a dash in its name are one column."""
    with pytest.raises(FormUnusable, match=r"field, visit: .*two columns people/member/m_name: .*Rename"):
        members("m_name,m_name,work-employer,PARENT_KEY,KEY\nА,Б,,a,a/people/member[1]\n")
    with pytest.raises(FormUnusable, match="two columns fare"):
        members(MEMBERS, root="SubmissionDate,fare,fare,KEY,Edits\n2026,1,2,a,0\n")


def test_questions_called_as_the_servers_own_columns_do_not_take_their_place() -> None:
    found = Wanted("field, visit", ["fare"]).read(b"SubmissionDate,KEY,Edits,fare,KEY,Edits\n2026,x,9,1,a,0\n")
    assert {key: exported.edits for key, exported in found.items()} == {"a": "0"}


@pytest.mark.parametrize(
    "root",
    [
        "SubmissionDate,fare,KEY,Edits\n2026,1,a,0\n2026,2,a,0\n",  # twice
        "SubmissionDate,fare,KEY\n2026,1,a\n",
        "SubmissionDate,KEY,Edits\n2026,a,0\n",
        MEMBERS,
    ],
)
def test_an_export_of_another_shape_is_named(root: str) -> None:
    with pytest.raises(AnswerNotUnderstood, match="field, visit: the server's export"):
        members(MEMBERS, root=root)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        zipped({}),
        zipped({"f.csv": ""}),
        zipped({"f.csv": ROOT, "f-member.csv": MEMBERS})[:-30],
        zipped({"f.csv": ROOT[:-4], "f-member.csv": MEMBERS}),
        zipped({"f.csv": ROOT, "f-member.csv": 'm_name,work-employer,PARENT_KEY,KEY\n"А'}),
        zipped({"f.csv": ROOT, "f-member.csv": MEMBERS}).replace(b"PK\x01\x02", b"PK\x01\x03", 1),
    ],
)
def test_a_cut_export_is_cut_and_not_short(body: bytes) -> None:
    with pytest.raises(ValueError) as raised:
        wanted().read(body)
    assert not isinstance(raised.value, SourceError)


def test_an_answer_may_be_as_long_as_it_likes() -> None:
    long = "я" * 200_000
    found = Wanted("field, visit", ["fare"]).read(f"fare,KEY,Edits\n{long},a,0\n".encode())
    assert found["a"].values["fare"] == long


def test_a_small_body_that_is_a_large_export_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    body = zipped({"f.csv": ROOT + "2026,1,c,0,1\n" * 100_000, "f-member.csv": MEMBERS})
    monkeypatch.setattr(odk_export, "LARGEST_UNZIPPED", 50 * len(body))
    assert len(body) < 10_000
    with pytest.raises(AnswerTooLarge, match=r"field, visit: .*zipped export"):
        wanted().read(body)


def test_what_was_not_asked_for_is_not_kept() -> None:
    """A table is read row by row: neither its text nor its other columns lie in memory at once."""
    rows = 4_000
    root = "note,fare,KEY,Edits\n" + "".join(f"{'x' * 2_000},1,a{number},0\n" for number in range(rows))
    table = "m_name,work-employer,PARENT_KEY,KEY\n" + "".join(
        f"А,{'x' * 2_000},a{number},a{number}/people/member[1]\n" for number in range(rows)
    )
    body = zipped({"f.csv": root, "f-member.csv": table})
    of_names = wanted(columns=("m_name",))
    tracemalloc.start()
    found = of_names.read(body)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(found) == rows
    assert all(exported.members_of("people/member") == [{"m_name": "А"}] for exported in found.values())
    assert most < (len(root) + len(table)) / 2
