"""``sources.yml``: which form lives where, and in which order forms are read."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import available_timezones

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from vmeste.sources.base import SourceError


def _known_zone(name: str) -> str:
    if name not in available_timezones():
        raise ValueError(f"there is no time zone {name!r}; expected e.g. Europe/Moscow")
    return name


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class FormFiles(_Strict):
    """The files of one form: a glob in the source's folder, and headers that are not question names or labels."""

    files: str
    columns: dict[str, str] = Field(default_factory=dict)


class SourceConfig(_Strict):
    """One place where filled-in forms lie."""

    # goes into SQL identifiers of nobody, but into paths and logs: plain letters only
    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
    kind: Literal["files"]
    location: Path
    time_zone: Annotated[str, AfterValidator(_known_zone)]
    forms: dict[str, FormFiles]


class SourcesConfig(_Strict):
    """All sources, and stage → forms: a later stage is checked against what the earlier ones brought."""

    stages: dict[str, list[str]]
    sources: list[SourceConfig]


def load_sources(path: Path) -> SourcesConfig:
    """Read ``sources.yml``; relative locations are relative to its folder.

    Raises:
        SourceError: names the file, the key and what is expected there.
    """
    try:
        written = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise SourceError(f"{path} cannot be read as YAML: {error}") from None
    if not isinstance(written, dict):
        raise SourceError(f"{path} is empty: it needs `stages` and `sources`, see forms/sources.yml for an example")
    try:
        config = SourcesConfig.model_validate(written)
    except ValidationError as error:
        lines = [f"{'.'.join(str(part) for part in problem['loc'])}: {problem['msg']}" for problem in error.errors()]
        raise SourceError(f"{path}: " + "; ".join(lines)) from None
    staged = {form_id for form_ids in config.stages.values() for form_id in form_ids}
    for source in config.sources:
        unstaged = sorted(set(source.forms) - staged)
        if unstaged:
            raise SourceError(f"{path}: source {source.name} has {', '.join(unstaged)}, which no stage lists: add them")
    names = [source.name for source in config.sources]
    if len(names) != len(set(names)):
        raise SourceError(f"{path}: two sources have the same name: name each once")
    return config.model_copy(
        update={
            "sources": [
                source.model_copy(update={"location": (path.parent / source.location).resolve()})
                for source in config.sources
            ]
        }
    )
