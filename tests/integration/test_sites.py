"""Data Docs and dbt's documentation of a warehouse whose answers and labels are marked and hostile."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.memory_source import REGISTRY, MemorySource
from vmeste import ingest
from vmeste.settings import ROOT, Settings
from vmeste.sites import data_docs, dbt_docs
from vmeste.warehouse.connect import connect

MARK = "МЕТКА7f3a"
"""Stands in every answer that people have typed: open, restricted, and of the vault."""
HOSTILE = f"{MARK}<script>fetch('https://x.example')</script><img src=x onerror=alert(1)>"
MEETING = {"pair_code": "П-1", "start_time": "15:00", "duration_min": "60", "mode": "in_person", "status": "held"}
LABEL = "<script>LABEL</script><img src=https://x.example onerror=LABEL>"


@pytest.fixture(scope="module")
def marked(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """Accepted and refused rows of the registry and of meetings, loaded with a form whose label is hostile."""
    forms = tmp_path_factory.mktemp("forms") / "forms"
    shutil.copytree(ROOT / "forms", forms)
    form = forms / "f4_meeting.md"
    text = form.read_text(encoding="utf-8")
    assert "Дата встречи" in text
    form.write_text(text.replace("Дата встречи", f"Дата встречи {LABEL}"), encoding="utf-8")
    hostile = settings.model_copy(update={"forms": forms})
    source = MemorySource("memory")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ingest, "load_sources", lambda path: type("Config", (), {"sources": [source]}))
        patch.setattr(ingest, "open_source", lambda config: config)
        typed = {"full_name": HOSTILE, "contacts": HOSTILE, "concern_txt": HOSTILE}
        questions = {form_id: {one.name for one in form.questions} for form_id, form in ingest.forms(hostile).items()}

        def add(form_id: str, name: str, **answers: str) -> None:
            known = {key: value for key, value in typed.items() if key in questions[form_id]}
            source.add(form_id, name, **answers | known)

        for form_id, answers in REGISTRY.items():
            add(form_id, f"{form_id}-1", at="2021-01-01T10:00", **answers)
        add("f4_meeting", "accepted", held_on="2021-03-01", concern="yes", **MEETING)
        # an answer that is wrong is what Great Expectations would print beside the rule
        add("f4_meeting", "refused", held_on="2021-03-02", **MEETING | {"duration_min": HOSTILE, "mode": HOSTILE})
        for form_id in (*REGISTRY, "f4_meeting"):
            batch = ingest.extract(hostile, "memory", form_id, "run")
            assert batch is not None
            ingest.load(hostile, batch)
    yield hostile


def pages(folder: Path) -> dict[str, str]:
    return {str(page.relative_to(folder)): page.read_text(encoding="utf-8") for page in folder.rglob("*.html")}


def test_data_docs_show_rules_and_counts_and_no_answer(marked: Settings) -> None:
    with connect(marked) as connection:
        (written,) = connection.execute(
            "select count(*) from quarantine.rows where payload::text like %s", (f"%{MARK}%",)
        ).fetchone() or (0,)
    assert written, "the marks are in the warehouse, so that the pages could have them"
    drawn = pages(data_docs.build(marked))
    assert not [name for name, text in drawn.items() if MARK in text]
    (result,) = [text for name, text in drawn.items() if name.startswith("validations/f4_meeting/")]
    assert "unexpected values found" in re.sub(r"\s+", " ", result)
    with connect(marked) as connection:
        (broken,) = connection.execute(
            "select count(*) from ops.check_results where form_id = 'f4_meeting' and unexpected_count > 0"
        ).fetchone() or (0,)
    assert broken >= 2, "the length is no number, the way of meeting no choice"
    assert f"нарушены: {broken} из" in drawn["index.html"]
    assert "expectations/marts/indicator_quarterly.html" in drawn


def test_a_hostile_label_does_nothing_there(marked: Settings) -> None:
    drawn = pages(data_docs.build(marked))
    rules = drawn["expectations/f4_meeting.html"]
    assert "Дата встречи" in rules
    for text in drawn.values():
        assert not re.search(r"<(script|img|link|iframe)", text)
        assert not re.search(r"<[^>]*(onerror|onclick|https?:)", text)


def test_dbt_documentation_has_no_answer_either(marked: Settings) -> None:
    (text,) = pages(dbt_docs.build(marked)).values()
    assert "fct_indicator_outcome" in text
    # the catalogue was read from this warehouse
    assert '"f4_meeting"' in text
    assert MARK not in text
