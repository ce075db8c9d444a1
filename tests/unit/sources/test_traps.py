"""The register of traps names tests that are there: ``docs/sources/traps.md``."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from tests.unit.sources.conftest import REPOSITORY

REGISTER = REPOSITORY / "docs" / "sources" / "traps.md"
ROW = re.compile(r"\| *(\d+) *\|([^|]+)\|([^|]+)\|([^|]*)\|")
SHOWN = re.compile(r"`([^`]+)`")


@cache
def named_in(path: Path) -> frozenset[str]:
    """The names of a file's tests."""
    if not path.is_file():
        return frozenset()
    return frozenset(
        node.name
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    )


def problems(register: str) -> list[str]:
    """What is wrong with the register."""
    rows = [match for line in register.splitlines() if (match := ROW.fullmatch(line.strip()))]
    numbers = [int(row[1]) for row in rows]
    found = [] if numbers == list(range(1, 21)) else [f"the traps are {numbers}, not 1 to 20"]
    for row in rows:
        named = SHOWN.findall(row[4])
        if not named:
            found.append(f"trap {row[1]} has no test")
        if not row[2].strip() or not row[3].strip():
            found.append(f"trap {row[1]} or its answer is not told")
        for entry in named:
            path, _, name = entry.partition("::")
            if name not in named_in(REPOSITORY / path):
                found.append(f"trap {row[1]} names {entry}, which is not there")
    return found


def test_each_trap_has_tests_that_are_there() -> None:
    assert problems(REGISTER.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("broken", "with_what", "said"),
    [
        ("| 7 |", "| 77 |", "not 1 to 20"),
        ("| 20 |", "20.", "not 1 to 20"),
        ("::test_a_limit_that_is_clamped_is_no_end", "::test_a_limit", "names .*test_a_limit, which is not there"),
        ("unit/sources/test_transport.py", "unit/test_transport.py", "names tests/unit/test_transport.py"),
        ("No mark: nothing is filtered by time.", "", "trap 17 or its answer is not told"),
        (
            "`tests/unit/sources/test_kobotoolbox.py::"
            "test_a_backdated_arrival_and_a_deletion_are_seen_by_the_next_read`",
            "",
            "trap 17 has no test",
        ),
    ],
)
def test_a_broken_register_is_noticed(broken: str, with_what: str, said: str) -> None:
    register = REGISTER.read_text(encoding="utf-8")
    assert broken in register
    assert any(re.search(said, problem) for problem in problems(register.replace(broken, with_what)))
