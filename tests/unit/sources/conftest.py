"""A folder of files as a source, described by a sources.yml as people write it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from vmeste.forms import Form, load_forms
from vmeste.settings import ROOT
from vmeste.sources import Source, load_sources, open_source
from vmeste.sources.base import Extraction

FORMS = load_forms(ROOT / "forms")
MEETING = FORMS["f4_meeting"]

HEADER = ["submission_id", "submitted_at", "pair_code", "held_on", "start_time", "duration_min", "mode", "status"]
ROW = ["s1", "2021-03-02T10:00:00+03:00", "П-001", "2021-03-01", "15:00", "60", "in_person", "held"]

Extract = Callable[..., Extraction]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    exports = tmp_path / "exports"
    exports.mkdir()
    return exports


@pytest.fixture
def source(tmp_path: Path, folder: Path) -> Source:
    config = tmp_path / "sources.yml"
    config.write_text(
        """
        stages: {surveys: [f4_meeting]}
        sources:
          - name: centre
            kind: files
            location: exports
            time_zone: Europe/Moscow
            forms:
              f4_meeting: {files: "f4_*", columns: {"Вид": mode}}
        """,
        encoding="utf-8",
    )
    return open_source(load_sources(config).sources[0])


@pytest.fixture
def extract(source: Source) -> Extract:
    def run(form: Form = MEETING, cursor: object = None) -> Extraction:
        return source.extract(form, cursor)  # type: ignore[arg-type]

    return run
