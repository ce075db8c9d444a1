"""The generator of the reference cohort is a script, not part of the package: it is loaded from its file."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

EXAMPLES = Path(__file__).parents[3] / "examples"


@pytest.fixture(scope="session")
def folder() -> Path:
    """The committed files of the reference cohort."""
    return EXAMPLES / "reference_cohort"


@pytest.fixture(scope="session")
def generator() -> ModuleType:
    """``examples/make_reference_cohort.py`` as a module."""
    name = "make_reference_cohort"
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def cohort(generator: ModuleType) -> Any:
    """All rows of all files, as the generator holds them before it writes."""
    return generator.build_cohort()


@pytest.fixture(scope="session")
def expected(folder: Path) -> dict[str, Any]:
    """What ``expected.yml`` promises."""
    return yaml.safe_load((folder / "expected.yml").read_text(encoding="utf-8"))


@pytest.fixture(scope="session")
def planted(folder: Path) -> dict[str, Any]:
    """What ``faults.yml`` lists."""
    return yaml.safe_load((folder / "faults.yml").read_text(encoding="utf-8"))
