"""dbt's page as one file, whatever a description or a query holds."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from vmeste.settings import Settings
from vmeste.sites import dbt_docs
from vmeste.warehouse import transform

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(1)>"
PAGE = '<html><script>m = "MANIFEST.JSON INLINE DATA"; c = "CATALOG.JSON INLINE DATA"</script></html>'


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """What dbt has written, of one model that was named and described by somebody hostile."""
    node = {"description": HOSTILE, "name": HOSTILE, "raw_code": "select 1 < 2", "root_path": "/home/somebody"}
    node["columns"] = {HOSTILE: {"name": HOSTILE, "description": HOSTILE}}  # type: ignore[assignment]
    written = {}
    for name, text in (("manifest", json.dumps({"nodes": [node]})), ("catalog", "{}"), ("index", PAGE)):
        written[name] = tmp_path / name
        written[name].write_text(text, encoding="utf-8")
    monkeypatch.setattr(transform, "document", lambda _: written)
    return Settings(home=tmp_path / "home")


def test_a_description_cannot_end_the_script_it_stands_in(settings: Settings) -> None:
    page = (dbt_docs.build(settings) / "index.html").read_text(encoding="utf-8")
    assert page.count("<script>") == page.count("</script>") == 1
    node = json.loads(page.split("m = ")[1].split("; c = ")[0])["nodes"][0]
    # what is drawn as HTML has none, what is drawn as text is as it was
    assert "<" not in node["description"]
    assert "<" not in node["columns"][HOSTILE]["description"]
    assert (node["name"], node["raw_code"]) == (HOSTILE, "select 1 < 2")


def test_no_path_of_this_machine_is_told(settings: Settings) -> None:
    assert "/home/somebody" not in (dbt_docs.build(settings) / "index.html").read_text(encoding="utf-8")


def test_another_page_than_the_one_we_know_is_refused(settings: Settings) -> None:
    old = dbt_docs.build(settings)
    transform.document(settings)["index"].write_text("<html></html>", encoding="utf-8")
    with pytest.raises(ValueError, match="no place for its manifest"):
        dbt_docs.build(settings)
    assert (old / "index.html").is_file()
