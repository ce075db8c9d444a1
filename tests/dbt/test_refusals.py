"""What dbt must not do in silence: keep rows that change by themselves, miss an indicator."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from vmeste.settings import ROOT, Settings
from vmeste.warehouse import transform

TOUCHED = """{{{{ config(
    materialized='incremental', schema='staging', incremental_strategy='touched',
    unique_key='submission_key', touched_by=['raw.f4_meeting'],
) }}}}

select {{{{ submission_key() }}}} as submission_key, pair_key, {more}
from ({{{{ current_versions(source('raw', 'f4_meeting')) }}}}) as versions
"""

REFUSED = {
    "kept_today": ("{{ as_of_on() }} as today", "It depends on today's date and so changes by itself"),
    "kept_by_the_clock": ("current_timestamp as read_at", "It depends on today's date and so changes by itself"),
    "kept_pairs": (
        "(select count(*) from {{ ref('stg_r3_pair') }}) as pairs",
        "It reads stg_r3_pair, which is no seed",
    ),
}
TAKEN = ("kept_items", "(select count(*) from {{ ref('scale_items') }}) as items")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project with models that no increment can keep, and one that it can."""
    folder = tmp_path_factory.mktemp("refusals") / "dbt_project"
    shutil.copytree(ROOT / "dbt_project", folder, ignore=shutil.ignore_patterns("target", "logs"))
    for name, more in [*((name, more) for name, (more, _) in REFUSED.items()), TAKEN]:
        (folder / "models" / "staging" / f"{name}.sql").write_text(TOUCHED.format(more=more), encoding="utf-8")
    return folder


def dbt(settings: Settings, project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    target = project.parent / "target"
    return subprocess.run(
        [
            *(str(Path(sys.executable).parent / "dbt"), *arguments, "--project-dir", str(project)),
            *("--target-path", str(target), "--log-path", str(target)),
        ],
        env=os.environ | transform.dbt_environment(settings),
        capture_output=True,
        text=True,
        check=False,
    )


def test_rows_that_change_by_themselves_are_not_kept(settings: Settings, project: Path) -> None:
    outcome = dbt(settings, project, "build", "--select", "scale_items", *REFUSED, TAKEN[0])
    assert outcome.returncode == 1
    for name, (_, reason) in REFUSED.items():
        assert re.search(rf"in model {name} [^\n]*\n\s*{reason}", outcome.stdout), outcome.stdout[-3000:]
    assert re.search(rf"OK created sql incremental model staging.{TAKEN[0]} ", outcome.stdout)


def test_an_indicator_that_came_after_the_parse_is_not_missed(settings: Settings, project: Path) -> None:
    assert dbt(settings, project, "parse").returncode == 0
    folder = project / "models" / "intermediate" / "indicators"
    shutil.copy(folder / "int_indicator_2_1.sql", folder / "int_indicator_2_1z.sql")
    refused = dbt(settings, project, "compile", "--select", "int_indicators_united", "--partial-parse")
    assert refused.returncode != 0
    assert "int_indicator_2_1z: added after dbt had parsed the project" in refused.stdout
