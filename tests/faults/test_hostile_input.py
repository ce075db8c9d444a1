"""What somebody may send to do harm: each is refused or kept as text, and takes a bounded share of the machine.

``HARM`` is the table: what is sent, and where it is seen to be harmless. Files are read in a process whose memory is
limited, so that one that would fill the machine ends it.
"""

from __future__ import annotations

import io
import json
import multiprocessing
import re
import resource
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from tests.integration.memory_source import REGISTRY, MemorySource
from tests.integration.test_sync import MEETING, connected, sync
from tests.unit.sources.conftest import GOOD, make_folder
from vmeste import quarantine_lists
from vmeste.settings import Settings
from vmeste.sources import load_sources
from vmeste.sources.errors import SourceError
from vmeste.warehouse.connect import connect

HEAD = ["submission_id", "pair_code", "held_on", "status", "minutes", "note"]
ROW = ["id-1", "П-1", "2021-03-01", "held", "60", "заметка"]

MEMORY = 1024**3
"""How many bytes more than at its beginning a reading process may take."""

LAUGHS = '<!ENTITY l0 "ha">' + "".join(f'<!ENTITY l{level} "&l{level - 1};&l{level - 1};">' for level in range(1, 28))


def workbook() -> dict[str, bytes]:
    """Return the parts of a sound workbook."""
    made, body = openpyxl.Workbook(), io.BytesIO()
    for row in (HEAD, ROW):
        made.active.append(row)
    made.save(body)
    with zipfile.ZipFile(body) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def zipped(parts: dict[str, bytes]) -> bytes:
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return body.getvalue()


def with_sheet(change: Callable[[bytes], bytes]) -> bytes:
    parts = workbook()
    (name,) = [name for name in parts if name.endswith("sheet1.xml")]
    return zipped(parts | {name: change(parts[name])})


def with_entities(before: str = "", encoding: str = "utf-8", declared: str = LAUGHS, used: str = "&l27;") -> bytes:
    def change(sheet: bytes) -> bytes:
        text = sheet.decode().partition("?>")[2] if sheet.startswith(b"<?xml") else sheet.decode()
        text = text.replace("60", used, 1)
        return f'<?xml version="1.0" encoding="{encoding}"?>{before}<!DOCTYPE x [{declared}]>{text}'.encode(encoding)

    return with_sheet(change)


def bomb(said: int) -> bytes:
    """A sheet with 50 MB of blanks, which deflate to 0.2 MB, and an archive that gives another size for it."""
    body = bytearray(with_sheet(lambda sheet: sheet.replace(b"<sheetData>", b" " * 50_000_000 + b"<sheetData>")))
    for mark, place in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        at = body.find(mark)
        while at >= 0:
            if struct.unpack_from("<I", body, at + place)[0] > 1_000_000:
                struct.pack_into("<I", body, at + place, said)
            at = body.find(mark, at + 4)
    return bytes(body)


FILES: list[tuple[str, str, Callable[[], bytes], str]] = [
    ("a zip bomb", "a.xlsx", lambda: bomb(4_000_000_000), "unpacked it is 3,815 MB"),
    ("a zip bomb that says it is small", "a.xlsx", lambda: bomb(1000), "broken"),
    ("entities that grow", "a.xlsx", with_entities, "XML entities"),
    ("… behind a long comment", "a.xlsx", lambda: with_entities(f"<!--{'x' * 200_000}-->"), "XML entities"),
    ("… in UTF-16", "a.xlsx", lambda: with_entities(encoding="utf-16"), "XML entities"),
    (
        "an entity that is a file of the server",
        "a.xlsx",
        lambda: with_entities(declared='<!ENTITY f SYSTEM "file:///etc/passwd">', used="&f;"),
        "XML entities",
    ),
    ("nothing but line ends", "a.csv", lambda: b"\n" * 40_000_000, "30,000,000 cells"),
    ("nothing but separators", "a.csv", lambda: GOOD.encode() + b"," * 40_000_000, "30,000,000 cells"),
    ("one endless cell", "a.csv", lambda: GOOD.encode() + b"x" * 4_000_000, "a cell of more than"),
    ("a cell that never ends", "a.csv", lambda: GOOD.encode() + b'"' + b"x,\n" * 3_000_000, "quotation mark|more than"),
    ("JSON without end", "a.jsonl", lambda: b'{"a": ' * 200_000, "too deep"),
    ("JSON as deep as Python reads it", "a.jsonl", lambda: b'{"a": ' * 950 + b"1" + b"}" * 950, "too deep|requires"),
    ("a number of a million digits", "a.jsonl", lambda: b'{"minutes": ' + b"9" * 1_000_000 + b"}", "too large"),
    ("JSON of nothing but lines", "a.jsonl", lambda: b"\n" * 40_000_000, "30,000,000 cells"),
    (
        "JSON whose every line has a question of its own",
        "a.jsonl",
        lambda: b"".join(b'{"q%d": 1}\n' % (number % 1900) for number in range(100_000)),
        "30,000,000 cells",
    ),
]


def read_limited(folder: Path, told: Any) -> None:
    with Path("/proc/self/statm").open() as pages:
        begun = int(pages.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (begun + MEMORY, begun + MEMORY))
    try:
        told.send(make_folder(folder).refusal())
    except BaseException as error:  # the test says what it was
        told.send(f"{type(error).__name__}: {error}")


@pytest.fixture(autouse=True)
def noted(request: pytest.FixtureRequest, record_property: Callable[[str, object], None]) -> None:
    """Note for the table what is sent."""
    record_property("harm", request.node.name.removeprefix("test_").replace("_", " "))


@pytest.mark.parametrize(("name", "content", "said"), [row[1:] for row in FILES], ids=[row[0] for row in FILES])
def test_a_file_that_would_fill_the_machine_is_refused(
    tmp_path: Path, name: str, content: Callable[[], bytes], said: str
) -> None:
    (tmp_path / name).write_bytes(content())
    ours, theirs = multiprocessing.Pipe()
    child = multiprocessing.get_context("fork").Process(target=read_limited, args=(tmp_path, theirs))
    child.start()
    assert ours.poll(120), "it never ended"
    reason = ours.recv()
    child.join()
    assert re.search(said, reason), reason
    assert "root:" not in reason


SQL = "x'); drop table raw.f4_meeting; --"

TEXTS = {
    "SQL": SQL,
    "SQL in double quotes": '"; drop schema raw cascade; select "',
    "a template": "{{ 7 * 7 }}{% for x in ().__class__.__base__.__subclasses__() %}{{ x }}{% endfor %}",
    "a format": "{0.__class__.__mro__} %s %(x)s $1 :x",
    "a shell": "$(touch /tmp/harm) `touch /tmp/harm` ; touch /tmp/harm",
    "a formula": '=HYPERLINK("http://example.invalid","x")',
    "a script": "<script>alert(1)</script><img src=x onerror=alert(1)>",
    "markup of the terminal": "[bold]x[/bold] [link=http://example.invalid]x[/link] [/]",
    "letters that steer a terminal": "\x1b]0;title\x07\x1b[2J\x9b31m",
    "letters that turn the direction": "\u202eabc\u202c",
    "half a pair of surrogates": "\ud800x",
    "a null": "a\x00b",
    "COPY's own end": "\\.\n\\N\t\\x",
    "a long text": "я" * 200_000,
}
"""What an answer, a code or a name may say; each is a text and stays one."""


@pytest.fixture(scope="module")
def registered(settings: Settings) -> Settings:
    with pytest.MonkeyPatch.context() as patch:
        memory = connected(MemorySource("registry"), patch)
        for form_id, answers in REGISTRY.items():
            memory.add(form_id, f"{form_id}-1", at="2021-01-01T10:00", **answers)
            sync(settings, memory, form_id)
    return settings


def written(text: str) -> str:
    """As it is kept: what a PostgreSQL text cannot hold is replaced."""
    return text.replace("\x00", "\ufffd").replace("\ud800", "\ufffd")


def test_what_answers_say_stays_text(
    registered: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """In answers, codes, ids, names of fields and files; in raw, in quarantine, on its lists and in the terminal."""
    from vmeste.cli import app

    settings = registered
    source = connected(MemorySource("hostile"), monkeypatch)
    for number, text in enumerate(TEXTS.values()):
        day = f"2021-03-{number + 1:02}"
        sound = MEETING | {"held_on": day, "concern": "1"}
        extra = {text: text, "_origin": f"{text[:50]}.csv, row 2"}
        source.add("f4_meeting", f"sound {number} {text[:50]}", **sound | {"concern_txt": text}, extra=extra)
        source.add(
            "f4_meeting", f"bad {number} {text[:50]}", **sound | {"mode": text, "start_time": "16:00"}, extra=extra
        )
        source.add("f4_meeting", f"stray {number}", **sound | {"pair_code": text, "start_time": "17:00"}, extra=extra)
    counts = sync(settings, source, "f4_meeting")
    assert (counts["accepted"], counts["quarantined"]) == (len(TEXTS), 2 * len(TEXTS))
    with connect(settings) as warehouse:
        found = warehouse.execute("select _submission_id, concern_txt, _extra from raw.f4_meeting").fetchall()
        refused = warehouse.execute("select submission_id, payload ->> 'mode' from quarantine.rows").fetchall()
    kept = {key.split()[1]: (answer, extra) for key, answer, extra in found}
    modes = {key.split()[1]: mode for key, mode in refused if key.startswith("bad")}
    for number, text in enumerate(TEXTS.values()):
        answer, extra = kept[str(number)]
        assert answer == written(text).strip(), "in raw"
        assert extra[written(text)] == written(text), "beside the answers"
        assert modes[str(number)] == written(text).strip(), "in quarantine"
    assert not Path("/tmp/harm").exists()

    quarantine_lists.write(settings, tmp_path)
    for path in tmp_path.glob("*.xlsx"):
        assert {cell.data_type for row in openpyxl.load_workbook(path).active for cell in row} <= {"s", "n"}
    assert {path.name for path in tmp_path.iterdir()} == {".lists", f"{quarantine_lists.NOBODY}.xlsx"}

    monkeypatch.setenv("VMESTE_HOME", str(settings.home))
    capfd.readouterr()
    app(["quarantine", "list"], standalone_mode=False)
    for key in sorted(key for key, _ in refused if key.startswith("bad")):
        app(["quarantine", "show", key], standalone_mode=False)
    shown = capfd.readouterr().out
    assert "[bold]x[/bold]" in shown
    assert not {letter for letter in shown if ord(letter) < 32 or 127 <= ord(letter) < 160} - {"\n", "\t"}


@pytest.mark.parametrize("text", [SQL, "../../etc/passwd", "a b", "{{ x }}", "x\n", "=1+1"])
@pytest.mark.parametrize("key", ["name", "connection", "form"])
def test_names_in_the_configuration_are_names(tmp_path: Path, key: str, text: str) -> None:
    """Or are quoted where they become part of an address: the id of a form may be any."""
    entry: dict[str, Any] = {
        "name": "field",
        "kind": "odk_central",
        "server": "https://odk.example.org",
        "connection": "odk",
        "time_zone": "Europe/Moscow",
        "forms": {"f4_meeting": {"project": 1, "form": text if key == "form" else "f4"}},
    }
    if key != "form":
        entry[key] = text
    path = tmp_path / "sources.yml"
    path.write_text(json.dumps({"stages": {"all": ["f4_meeting"]}, "sources": [entry]}), encoding="utf-8")
    if key == "form" and "/" not in text:
        (config,) = load_sources(path).sources
        assert config.forms["f4_meeting"].form == text
    else:
        with pytest.raises(SourceError):
            load_sources(path)


@pytest.mark.parametrize(
    "name",
    ["$(touch harm).csv", "a;rm -rf .csv", "a..csv", "a\nb.csv", "\x1b[2Jx.csv", "'; drop table x;--.csv", "-rf.csv"],
)
def test_names_of_files_are_names(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text(GOOD, encoding="utf-8")
    _, (submission,) = make_folder(tmp_path).extract()
    assert submission.answers["minutes"] == "60"
    assert sorted(path.name for path in tmp_path.iterdir()) == [name]


def test_a_link_out_of_the_folder_is_not_told(tmp_path: Path) -> None:
    """A file that is none of ours is refused, and nothing of it is said."""
    secret = tmp_path / "secret"
    secret.write_text("root:hash:1\nother:hash:2\n", encoding="utf-8")
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.csv").symlink_to(secret)
    assert "hash" not in make_folder(tmp_path / "in").refusal()
