"""Each curator gets the refused rows of their pairs, and nobody else's."""

from __future__ import annotations

import stat
from pathlib import Path

import openpyxl
import pytest

from tests.integration.memory_source import REGISTRY, MemorySource
from tests.integration.test_sync import MEETING, connected, sync
from vmeste import quarantine_lists
from vmeste.settings import Settings


def rows(path: Path) -> list[tuple[object, ...]]:
    return list(openpyxl.load_workbook(path).active.iter_rows(min_row=2, values_only=True))


def test_rows_go_to_the_curator_of_their_pair(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    source = connected(MemorySource("memory"), monkeypatch)
    for form_id, answers in REGISTRY.items():
        source.add(form_id, f"{form_id}-1", **answers | ({"curator_code": "К-1"} if form_id == "r3_pair" else {}))
    second = {"pair_code": "П-2", "intake_code": "2021-2", "start_on": "2021-01-04"}
    source.add("r3_pair", "second", **REGISTRY["r3_pair"] | second | {"curator_code": "../К-2"})
    for form_id in REGISTRY:
        sync(settings, source, form_id)
    source.add("f4_meeting", "bad", held_on="2021-03-01", extra={"_origin": "=1+1"}, **MEETING | {"mode": "telegraph"})
    source.add("f4_meeting", "stray\x0b", held_on="2021-03-01", **MEETING | {"pair_code": "П-9"})
    source.add("f4_meeting", "odd", held_on="2021-03-01", **MEETING | {"mode": "telegraph", "pair_code": "П-2"})
    source.add("r1_mentee", "m", **REGISTRY["r1_mentee"] | {"sex": "?", "mentee_code": "В-1"})
    sync(settings, source, "f4_meeting")
    sync(settings, source, "r1_mentee")

    (tmp_path / "salaries.xlsx").write_bytes(b"")
    (tmp_path / "К-0.xlsx").write_bytes(b"")
    (tmp_path / ".lists").write_text("К-0\n", encoding="utf-8")
    assert quarantine_lists.write(settings, tmp_path) == {"К-1": 2, quarantine_lists.NOBODY: 2}
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        ".lists",
        "salaries.xlsx",
        "К-1.xlsx",
        "без куратора.xlsx",
    ]
    ours = rows(tmp_path / "К-1.xlsx")
    assert [(row[0], row[1], row[3]) for row in ours] == [
        ("F4. Журнал встреч", "П-1", "bad"),
        ("R1. Регистрация воспитанника или выпускника", None, "m"),
    ]
    assert ours[0][2] == "=1+1"
    assert openpyxl.load_workbook(tmp_path / "К-1.xlsx").active["C2"].data_type == "s"
    assert "mode.choices" in str(ours[0][5])
    assert {row[3] for row in rows(tmp_path / "без куратора.xlsx")} == {"stray\ufffd", "odd"}
    assert stat.S_IMODE((tmp_path / "К-1.xlsx").stat().st_mode) == 0o600
