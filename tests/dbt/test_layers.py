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
def target(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("dbt")


@pytest.fixture(scope="module")
def manifest(target: Path) -> dict[str, Any]:
    """The manifest of a parse in which every warning, deprecations among them, is an error."""
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
    # the one thing that is read back from what was released: when it was
    ledger = {"stg_published_releases": {"source.vmeste.published.releases"}}
    assert members
    assert read == forms | members | ledger
    assert [name for name, node in staging.items() if re.search(r"\bjoin\b", node["raw_code"])] == []


@pytest.mark.parametrize("name", sorted({f"stg_{form_id}" for form_id in FORMS} | MEMBER_MODELS.keys()))
def test_staging_drops_what_is_not_open(manifest: dict[str, Any], name: str) -> None:
    code = models(manifest, "staging")[name]["raw_code"]
    form_id = MEMBER_MODELS[name][0] if name in MEMBER_MODELS else name.removeprefix("stg_")
    asked = [*FORMS[form_id].questions, *(member for repeat in FORMS[form_id].repeats for member in repeat.members)]
    closed = [question.name for question in asked if question.privacy != "open" and question.kind != "repeat"]
    assert [question for question in closed if re.search(rf"\b{question}\b", code)] == []
    assert "_extra" not in code


def test_each_form_is_among_those_whose_submissions_count_once(manifest: dict[str, Any]) -> None:
    test = next(node for node in manifest["nodes"].values() if node["name"] == "staging_submissions_count_once")
    assert {name.split(".")[-1] for name in test["depends_on"]["nodes"]} == {f"stg_{form_id}" for form_id in FORMS}


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
        is_relation = node["config"]["materialized"] != "ephemeral"
        assert node["config"]["contract"]["enforced"] == is_relation, name
        assert not name.startswith(("stg_", "int_"))


PART_OF_READINESS = [
    *("organisation_code", "programme_code", "check_code"),
    *("counted", "counted_of", "is_due", "lacking_ru"),
]


def test_parts_of_readiness_end_in_it_alone_and_say_the_same(manifest: dict[str, Any]) -> None:
    parts = {name: node for name, node in models(manifest, "marts").items() if "readiness" in node["fqn"][2:-1]}
    assert parts
    whole = models(manifest)["evidence_readiness"]
    assert {name.split(".")[-1] for name in whole["depends_on"]["nodes"]} >= set(parts)
    for name, node in parts.items():
        assert node["config"]["materialized"] == "ephemeral", name
        assert list(node["columns"]) == PART_OF_READINESS, name
        readers = {
            other for other, about in models(manifest).items() if node["unique_id"] in about["depends_on"]["nodes"]
        }
        assert readers == {"evidence_readiness"}, name


DASHBOARDS = ["Доказательность", "Качество данных", "Показатели", "Руководителю", "Устойчивость"]


def test_each_dashboard_and_the_page_say_what_they_stand_on(manifest: dict[str, Any]) -> None:
    exposures = manifest["exposures"].values()
    assert sorted(about["label"] for about in exposures if about["type"] == "dashboard") == DASHBOARDS
    applications = sorted(about["name"] for about in exposures if about["type"] == "application")
    assert applications == ["published_tables", "quarterly_page"]
    for about in exposures:
        read = [manifest["nodes"][name] for name in about["depends_on"]["nodes"]]
        assert read, about["name"]
        shown = [node["name"] for node in read if node["resource_type"] == "seed" or node["fqn"][1] == "marts"]
        assert shown == [node["name"] for node in read], about["name"]
        assert about["description"], about["name"]


def test_the_page_reads_what_its_exposure_says(manifest: dict[str, Any]) -> None:
    (page,) = (about for about in manifest["exposures"].values() if about["name"] == "quarterly_page")
    code = (ROOT / "plugins" / "vmeste" / "releases" / "candidate.py").read_text(encoding="utf-8")
    read = set(re.findall(r"\{marts\}\.(\w+)", code)) | set(re.findall(r'_seed\(reader, "(\w+)"\)', code))
    assert read
    assert {name.split(".")[-1] for name in page["depends_on"]["nodes"]} == read


def test_a_release_freezes_what_its_exposure_says(manifest: dict[str, Any]) -> None:
    (frozen,) = (about for about in manifest["exposures"].values() if about["name"] == "published_tables")
    code = (ROOT / "plugins" / "vmeste" / "releases" / "companion_tables.py").read_text(encoding="utf-8")
    read = set(re.findall(r"\{(?:marts|seeds)\}\.(\w+)", code)) | set(re.findall(r'_as_it_is\("(\w+)"\)', code))
    assert read
    assert {name.split(".")[-1] for name in frozen["depends_on"]["nodes"]} == read


def test_no_mart_is_for_nobody(manifest: dict[str, Any]) -> None:
    read = {name for about in manifest["exposures"].values() for name in about["depends_on"]["nodes"]}
    read |= {name for node in models(manifest).values() for name in node["depends_on"]["nodes"]}
    # rows for whoever looks into a figure; no figure is made of them
    analysts = {"dim_mentor", "fct_meeting", "fct_survey_score"}
    unread = {name for name, node in models(manifest, "marts").items() if node["unique_id"] not in read}
    assert unread <= analysts


def test_each_seed_is_described_and_so_is_each_of_its_columns(manifest: dict[str, Any]) -> None:
    seeds = [node for node in manifest["nodes"].values() if node["resource_type"] == "seed"]
    assert seeds
    for node in seeds:
        header = (PROJECT / node["original_file_path"]).read_text(encoding="utf-8").splitlines()[0].split(",")
        assert node["description"], node["name"]
        assert set(header) == set(node["columns"]) == set(node["config"]["column_types"]), node["name"]
        assert [column for column, about in node["columns"].items() if not about["description"]] == [], node["name"]


@pytest.mark.usefixtures("manifest")
def test_the_documentation_builds(target: Path) -> None:
    """Without a database: the catalogue of types stays empty, the pages and their links do not."""
    outcome = subprocess.run(
        [
            *(str(Path(sys.executable).parent / "dbt"), "--partial-parse"),  # the project was parsed a moment ago
            *("docs", "generate", "--no-compile", "--empty-catalog"),
            *("--project-dir", str(PROJECT), "--profiles-dir", str(PROJECT)),
            *("--target-path", str(target), "--log-path", str(target / "logs")),
        ],
        env=os.environ | {"DBT_SEND_ANONYMOUS_USAGE_STATS": "false", "DO_NOT_TRACK": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert outcome.returncode == 0, outcome.stdout[-3000:]
    assert (target / "index.html").stat().st_size > 0
    assert "nodes" in json.loads((target / "catalog.json").read_text(encoding="utf-8"))


def test_each_data_test_has_a_name_that_claims_something(manifest: dict[str, Any]) -> None:
    for node in manifest["nodes"].values():
        metadata = node.get("test_metadata") if node["resource_type"] == "test" else None
        if metadata:
            assert node["name"] != node["alias"] or not node["name"].startswith(metadata["name"] + "_"), node["name"]
        names = [rule["name"] for rule in node["config"].get("meta", {}).get("rules", [])]
        assert len(set(names)) == len(names), node["name"]
        assert [name for name in names if not name.startswith(f"{node['name']}_")] == []


def test_each_relation_says_what_names_its_rows(manifest: dict[str, Any]) -> None:
    """Staging has one test for all of its submissions; every other relation has rules, which one test asks."""
    ruled = {name for name, node in manifest["nodes"].items() if node["config"].get("meta", {}).get("rules")}
    asking = [node for node in manifest["nodes"].values() if node["config"].get("meta", {}).get("tells_rules")]
    asked = [
        manifest["nodes"][name]["name"]
        for node in asking
        for name in node["depends_on"]["nodes"]
        if f'"{manifest["nodes"][name]["name"]}",\n' in node["raw_code"]
    ]
    assert sorted(asked) == sorted(manifest["nodes"][name]["name"] for name in ruled)
    others = [node for layer in ("intermediate", "marts") for node in models(manifest, layer).values()]
    assert (
        sorted(
            node["name"]
            for node in others
            if node["config"]["materialized"] != "ephemeral" and node["unique_id"] not in ruled
        )
        == []
    )


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
