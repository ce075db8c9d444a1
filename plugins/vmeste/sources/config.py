"""``sources.yml``: which form lives where. Read once, checked whole, every fault named by file, key and expectation."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import available_timezones

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from vmeste.sources.errors import SourceError

EXPECTED = {
    "stages": "stage name → list of form ids, read in this order, e.g. `people: [r1_mentee, r2_mentor]`",
    "sources": "a list of sources, each with name, kind, time_zone, forms, and what its kind needs",
    "name": "a short word of letters, digits, - and _, different for each source, e.g. centre",
    "kind": "files (the one kind of source that there is)",
    "location": "a folder, absolute or relative to the folder of this file, e.g. ../examples/reference_cohort",
    "time_zone": "a name from the IANA time zone database, e.g. Europe/Moscow",
    "forms": 'form id → where its answers lie, e.g. `f4_meeting: {files: "f4_meeting_*"}`',
    "files": 'a file name pattern without folders, e.g. "f4_meeting_*"',
    "columns": 'header or field at the source → question name, e.g. {"Номер пары": pair_code}',
    "choices": 'question → its codes at the source → ours, e.g. {mode: {"1": in_person}}',
}


def _is_name(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,40}", value):
        raise ValueError(f"{value!r} cannot be a name")
    return value


def _is_zone(value: str) -> str:
    if value not in available_timezones():
        raise ValueError(f"there is no time zone {value!r}")
    return value


def _is_pattern(value: str) -> str:
    if not value.strip() or "/" in value or "\\" in value:
        raise ValueError(f"{value!r} is no pattern of file names")
    return value


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class _Origin(_Strict):
    columns: Mapping[str, str] = Field(default_factory=dict)


class FormFiles(_Origin):
    """Where a files source keeps one form."""

    files: Annotated[str, AfterValidator(_is_pattern)]


class ServerForm(_Origin):
    """A form on a server: which of its fields answer which question, and what its choice codes are here."""

    choices: Mapping[str, Mapping[str, str]] = Field(default_factory=dict)


class _Source(_Strict):
    name: Annotated[str, AfterValidator(_is_name)]
    time_zone: Annotated[str, AfterValidator(_is_zone)]  # of moments that name none themselves


class FilesConfig(_Source):
    """Files in a folder: ``location`` is an absolute folder once the file has been read."""

    kind: Literal["files"]
    location: Annotated[Path, Field(strict=False)]
    forms: Annotated[Mapping[str, FormFiles], Field(min_length=1)]


SourceConfig = FilesConfig
"""One source; each platform adds its own kind to this union."""


class SourcesConfig(_Strict):
    """The whole file: forms by stage in reading order, and the sources."""

    stages: Annotated[Mapping[str, list[str]], Field(min_length=1)]
    sources: Annotated[list[SourceConfig], Field(min_length=1)]

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> SourcesConfig:
        staged = Counter(form_id for form_ids in self.stages.values() for form_id in form_ids)
        for form_id, times in staged.items():
            if times > 1:
                raise ValueError(f"stages: {form_id} stands in {times} places. Expected: each form in one stage")
        for name, times in Counter(source.name for source in self.sources).items():
            if times > 1:
                raise ValueError(f"sources: {times} sources are called {name}. Expected: {EXPECTED['name']}")
        for source in self.sources:
            for form_id in source.forms:
                if form_id not in staged:
                    raise ValueError(
                        f"sources.{source.name}.forms.{form_id}: no stage reads this form. Expected: one of "
                        f"{', '.join(staged)}, or the form in one of the stages {', '.join(self.stages)}"
                    )
        return self


def load_sources(path: Path) -> SourcesConfig:
    """Read ``sources.yml``.

    Raises:
        SourceError: it cannot be read or something in it is wrong; names the file, the key and what is expected.
    """
    try:
        written = yaml.load(path.read_text(encoding="utf-8-sig"), Loader=_UniqueKeys)  # noqa: S506 (a SafeLoader)
    except OSError as error:
        raise SourceError(
            f"{path} cannot be read ({error.strerror}). Expected: a YAML file that says which form lives where; "
            "VMESTE_SOURCES names it"
        ) from None
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise SourceError(f"{path} is not YAML in UTF-8: {' '.join(str(error).split())}") from None
    if not isinstance(written, dict):
        raise SourceError(f"{path}: the keys stages and sources are missing. See forms/sources.yml for an example")
    try:
        config = SourcesConfig.model_validate(written)
    except ValidationError as error:
        raise SourceError("\n".join(f"{path}, {_said(problem, written)}" for problem in error.errors())) from None
    folder = path.resolve().parent
    return config.model_copy(
        update={
            "sources": [
                source.model_copy(update={"location": (folder / source.location.expanduser()).resolve()})
                for source in config.sources
            ]
        }
    )


class _UniqueKeys(yaml.SafeLoader):
    """YAML keeps the last of two equal keys silently: a form's files would vanish."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        keys = [key.value for key, _ in node.value]
        for key, _ in node.value:
            if keys.count(key.value) > 1:
                raise yaml.constructor.ConstructorError(None, None, f"the key {key.value} stands twice", key.start_mark)
        return super().construct_mapping(node, deep=deep)


def _said(problem: Any, written: Mapping[str, Any]) -> str:
    """One fault as ``key: what is wrong. Expected: …``; a source is called by its name where it has one."""
    where = [part for part in problem["loc"] if part != "[key]"]
    parts: list[str] = []
    for position, part in enumerate(where):
        name = None
        if isinstance(part, int) and where[:position] == ["sources"]:
            entry = written["sources"][part]
            name = entry.get("name") if isinstance(entry, dict) else None
        parts.append(str(name or (part + 1 if isinstance(part, int) else part)))
    message = str(problem["msg"]).removeprefix("Value error, ")
    if not parts:  # a rule over several keys names them itself
        return message
    known = next((str(part) for part in reversed(where) if str(part) in EXPECTED), "")
    if problem["type"] == "missing":
        message = "it is missing"
    elif problem["type"] == "extra_forbidden":
        message, known = "there is no such key", str(where[-2]) if len(where) > 1 else ""
        if isinstance(where[-2] if len(where) > 1 else None, int):
            known = "sources"
        elif known not in EXPECTED:
            known = "forms" if "forms" in where else "sources"
    return f"{'.'.join(parts)}: {message}" + (f". Expected: {EXPECTED[known]}" if known in EXPECTED else "")
