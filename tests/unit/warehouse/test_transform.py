"""How dbt is called."""

from __future__ import annotations

from pathlib import Path

from vmeste.warehouse.transform import parse_option


def test_another_indicator_is_parsed_anew(tmp_path: Path) -> None:
    models, folder = tmp_path / "models" / "intermediate", tmp_path / "target"
    models.mkdir(parents=True)
    folder.mkdir()
    kept = folder / "partial_parse.msgpack"
    said = []
    for change in ("int_indicator_1_1.sql", None, "int_indicator_1_2.sql", None, "fct_meeting.sql"):
        kept.touch()
        if change:
            (models / change).touch()
        said.append((parse_option(tmp_path, folder), kept.exists()))
    anew, partly = ("--no-partial-parse", False), ("--partial-parse", True)
    assert said == [anew, partly, anew, partly, partly]
    (models / "int_indicator_1_1.sql").unlink()
    assert parse_option(tmp_path, folder) == "--no-partial-parse"
