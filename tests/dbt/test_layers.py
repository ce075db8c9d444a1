"""The layer contract of the dbt project, read from its manifest: no database is needed."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from vmeste.forms import load_forms
from vmeste.settings import ROOT

PROJECT = ROOT / "dbt_project"
FORMS = load_forms(ROOT / "forms")

Node = dict[str, Any]


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The manifest of a parse in which every warning, deprecations among them, is an error."""
    target = tmp_path_factory.mktemp("dbt")
    options = ["--project-dir", str(PROJECT), "--profiles-dir", str(PROJECT), "--target-path", str(target)]
    outcome = subprocess.run(
        [
            str(Path(sys.executable).parent / "dbt"),
            "--warn-error",
            "parse",
            "--show-all-deprecations",
            *options,
            "--log-path",
            str(target / "logs"),
        ],
        env=os.environ | {"DBT_SEND_ANONYMOUS_USAGE_STATS": "false", "DO_NOT_TRACK": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert outcome.returncode == 0, outcome.stdout[-3000:]
    parsed: dict[str, Any] = json.loads((target / "manifest.json").read_text(encoding="utf-8"))
    return parsed


def models(manifest: dict[str, Any], layer: str | None = None) -> dict[str, Node]:
    found = {
        node["name"]: node
        for node in manifest["nodes"].values()
        if node["resource_type"] == "model" and (layer is None or node["fqn"][1] == layer)
    }
    assert found
    return found


def parents(node: Node) -> set[str]:
    """The layers of what a model reads: source, seed, staging, intermediate, marts."""
    return {name.split(".")[0] for name in node["depends_on"]["nodes"]}


MEMBER_MODELS = {
    f"stg_{form_id}_{repeat.name}": (form_id, repeat.name)
    for form_id, form in FORMS.items()
    for repeat in form.repeats
    if (form_id, repeat.name) != ("e1_expert_assessment", "recommendations")  # their words stay in raw
}


def test_each_form_has_one_staging_model_that_reads_it_alone(manifest: dict[str, Any]) -> None:
    staging = models(manifest, "staging")
    read = {name: set(node["depends_on"]["nodes"]) for name, node in staging.items()}
    forms = {f"stg_{form_id}": {f"source.vmeste.raw.{form_id}"} for form_id in FORMS}
    members = {
        name: {f"source.vmeste.raw.{form_id}", f"source.vmeste.raw.{form_id}__{repeat}"}
        for name, (form_id, repeat) in MEMBER_MODELS.items()
    }
    assert members
    assert read == forms | members
    assert [name for name, node in staging.items() if re.search(r"\bjoin\b", node["raw_code"])] == []


@pytest.mark.parametrize("name", sorted({f"stg_{form_id}" for form_id in FORMS} | MEMBER_MODELS.keys()))
def test_staging_drops_what_is_not_open(manifest: dict[str, Any], name: str) -> None:
    code = models(manifest, "staging")[name]["raw_code"]
    form_id = MEMBER_MODELS[name][0] if name in MEMBER_MODELS else name.removeprefix("stg_")
    asked = [*FORMS[form_id].questions, *(member for repeat in FORMS[form_id].repeats for member in repeat.members)]
    closed = [question.name for question in asked if question.privacy != "open" and question.kind != "repeat"]
    assert [question for question in closed if re.search(rf"\b{question}\b", code)] == []
    assert "_extra" not in code


def test_intermediate_stands_on_staging_and_marts_on_models(manifest: dict[str, Any]) -> None:
    marts = set(models(manifest, "marts"))
    for layer in ("intermediate", "marts"):
        for name, node in models(manifest, layer).items():
            read = node["depends_on"]["nodes"]
            assert not [other for other in read if other.startswith("source.")], name
            if layer == "intermediate":
                assert not [other for other in read if other.split(".")[-1] in marts], name


@pytest.mark.parametrize("layer", ["staging", "intermediate", "marts"])
def test_each_model_says_its_grain_and_describes_its_columns(manifest: dict[str, Any], layer: str) -> None:
    for name, node in models(manifest, layer).items():
        assert "Grain: " in node["description"], name
        assert node["columns"], name
        assert [column for column, about in node["columns"].items() if not about["description"]] == [], name


def test_marts_have_enforced_contracts(manifest: dict[str, Any]) -> None:
    for name, node in models(manifest, "marts").items():
        assert node["config"]["contract"]["enforced"], name
        assert not name.startswith(("stg_", "int_"))


def test_each_data_test_has_a_name_that_claims_something(manifest: dict[str, Any]) -> None:
    for node in manifest["nodes"].values():
        metadata = node.get("test_metadata") if node["resource_type"] == "test" else None
        if metadata:
            assert node["name"] != node["alias"] or not node["name"].startswith(metadata["name"] + "_"), node["name"]


def test_each_indicator_is_united_without_being_listed(manifest: dict[str, Any]) -> None:
    computed = {name for name in models(manifest, "intermediate") if name.startswith("int_indicator_")}
    united = models(manifest)["int_indicators_united"]
    assert {name.split(".")[-1] for name in united["depends_on"]["nodes"]} == computed
    assert [name for name in computed if name in united["raw_code"]] == []


def test_each_indicator_of_the_seed_has_its_model_and_each_model_its_definition(manifest: dict[str, Any]) -> None:
    seed = (PROJECT / "seeds" / "indicator_definitions.csv").read_text(encoding="utf-8").splitlines()[1:]
    defined = {f"int_indicator_{line.split(',', 1)[0].replace('.', '_')}" for line in seed}
    computed = {name for name in models(manifest, "intermediate") if name.startswith("int_indicator_")}
    assert computed == defined
