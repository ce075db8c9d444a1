"""``sources.yml``, or a folder of one file for each organisation: which form lives where.

Read once, checked whole, every fault named by file, key and expectation.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit
from zoneinfo import available_timezones

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from vmeste.sources.bodies import LARGEST_MB
from vmeste.sources.errors import SourceError

EXPECTED = {
    "organisation_code": "the organisation of this file's forms, as the registration of pairs codes it",
    "stages": "stage name → list of form ids, read in this order, e.g. `people: [r1_mentee, r2_mentor]`",
    "sources": "a list of sources, each with name, kind, time_zone, forms, and what its kind needs",
    "name": "a short word of letters, digits, - and _, different for each source, e.g. centre",
    "kind": "one of files, odk_central, kobotoolbox, limesurvey, yandex_forms, google_forms",
    "location": "a folder, absolute or relative to the folder of this file, or an address such as s3://bucket/exports",
    "move_read_to": "a folder of the same place, relative to location or absolute, e.g. read",
    "server": "the server's address without a path of an API and without credentials, e.g. https://odk.example.org",
    "connection": "the id of an Airflow connection, or of the variable AIRFLOW_CONN_<ID>: letters, digits and _",
    "largest_answer_mb": f"how many megabytes one answer of the server may have, 1 to 4096; {LARGEST_MB} if not given",
    "reviews_that_count": "a list of review states as the server writes them, e.g. [received, edited, approved]",
    "time_zone": "a name from the IANA time zone database, e.g. Europe/Moscow",
    "forms": 'form id → where its answers lie, e.g. `f4_meeting: {files: "f4_meeting_*"}`',
    "files": 'a file name pattern without folders, e.g. "f4_meeting_*"',
    "project": "the number of the project in ODK Central, as its address shows it, e.g. 1",
    "form": "the form's id on its server, e.g. f4_meeting",
    "asset": "the uid of the form in KoboToolbox, as its address shows it, e.g. aT4xmGv7Rz3qSgBBJmDLcX",
    "survey": "the survey's id, e.g. 123456",
    "organisation": "the id of the organisation that owns the forms, as Yandex 360 or Yandex Cloud shows it",
    "columns": "header or field at the source → question name, or null if it answers none, e.g. "
    '{"Номер пары": pair_code, "Старый номер": null}',
    "choices": 'question → its codes at the source → ours, e.g. {mode: {"1": in_person}}',
}


KINDS = ("files", "odk_central", "kobotoolbox", "limesurvey", "yandex_forms", "google_forms")


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


def _is_not_blank(value: str) -> str:
    if not value.strip() or "/" in value:
        raise ValueError(f"{value!r} is no id of a form")
    return value


def _is_not_empty(value: str) -> str:
    if not value.strip() or "://" in value:
        raise ValueError("that is no folder beside the others")
    return value


def _is_location(value: str) -> str:
    if not value.strip():
        raise ValueError("that is no folder")
    host = value.rpartition("://")[2].partition("/")[0]
    if "://" in value and ("@" in host or "?" in value):
        # and is not repeated
        raise ValueError("an address with credentials in it: they belong into the connection of this source")
    return value


def _is_word(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,100}", value):
        raise ValueError(f"{value!r} is no such id")
    return value


def _is_connection(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_]{1,100}", value):
        raise ValueError(f"{value!r} cannot be the id of a connection")
    return value


def _is_address(value: str) -> str:
    parts = urlsplit(value)
    # the value is not repeated: it may hold a password
    if parts.username or parts.password or "@" in parts.netloc:
        raise ValueError("an address with credentials in it: they belong into the connection")
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise ValueError("that is no address of a server")
    return value.rstrip("/")


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class _Origin(_Strict):
    columns: Mapping[str, str | None] = Field(default_factory=dict)


class FormFiles(_Origin):
    """Where a files source keeps one form."""

    files: Annotated[str, AfterValidator(_is_pattern)]


class ServerForm(_Origin):
    """A form on a server: which of its fields answer which question, and what its choice codes are here."""

    choices: Mapping[str, Mapping[str, str]] = Field(default_factory=dict)


class OdkForm(ServerForm):
    """A form of a project of ODK Central."""

    project: Annotated[int, Field(gt=0)]
    form: Annotated[str, AfterValidator(_is_not_blank)]


class KoboForm(ServerForm):
    """An asset of KoboToolbox."""

    asset: Annotated[str, AfterValidator(_is_word)]


class LimeSurveyForm(ServerForm):
    """A survey of LimeSurvey."""

    survey: Annotated[int, Field(gt=0)]


class YandexForm(ServerForm):
    """A survey of Yandex Forms."""

    survey: Annotated[str, AfterValidator(_is_word)]


class GoogleForm(ServerForm):
    """A form of Google Forms."""

    form: Annotated[str, AfterValidator(_is_word)]


class _Source(_Strict):
    name: Annotated[str, AfterValidator(_is_name)]
    time_zone: Annotated[str, AfterValidator(_is_zone)]  # of moments that name none themselves
    organisation_code: Annotated[str, AfterValidator(_is_name)] | None = None  # None: forms of every organisation


class FilesConfig(_Source):
    """Files in a folder: ``location`` is an absolute path or an fsspec address once the file has been read."""

    kind: Literal["files"]
    location: Annotated[str, AfterValidator(_is_location)]
    connection: Annotated[str, AfterValidator(_is_connection)] | None = None
    move_read_to: Annotated[str, AfterValidator(_is_not_empty)] | None = None
    forms: Annotated[Mapping[str, FormFiles], Field(min_length=1)]


class _Server(_Source):
    server: Annotated[str, AfterValidator(_is_address)]
    connection: Annotated[str, AfterValidator(_is_connection)]
    largest_answer_mb: Annotated[int, Field(gt=0, le=4096)] = LARGEST_MB


class OdkConfig(_Server):
    """Forms of one ODK Central; a submission without a review state is ``received``."""

    kind: Literal["odk_central"]
    reviews_that_count: frozenset[Literal["received", "edited", "hasIssues", "approved", "rejected"]] = Field(
        default=frozenset({"received", "edited", "hasIssues", "approved"}), min_length=1, strict=False
    )
    forms: Annotated[Mapping[str, OdkForm], Field(min_length=1)]


class KoboConfig(_Server):
    """Forms of one KoboToolbox server; a submission that nobody validated is ``received``."""

    kind: Literal["kobotoolbox"]
    reviews_that_count: frozenset[Literal["received", "approved", "on_hold", "not_approved"]] = Field(
        default=frozenset({"received", "approved", "on_hold"}), min_length=1, strict=False
    )
    forms: Annotated[Mapping[str, KoboForm], Field(min_length=1)]


class LimeSurveyConfig(_Server):
    """Surveys of one LimeSurvey, by its RemoteControl 2."""

    kind: Literal["limesurvey"]
    forms: Annotated[Mapping[str, LimeSurveyForm], Field(min_length=1)]


class YandexConfig(_Server):
    """Surveys of one organisation in Yandex Forms."""

    kind: Literal["yandex_forms"]
    server: Annotated[str, AfterValidator(_is_address)] = "https://api.forms.yandex.net"
    organisation: Annotated[str, AfterValidator(_is_word)]
    is_cloud_organisation: bool = False
    forms: Annotated[Mapping[str, YandexForm], Field(min_length=1)]


class GoogleConfig(_Server):
    """Forms that are shared with one Google service account."""

    kind: Literal["google_forms"]
    server: Annotated[str, AfterValidator(_is_address)] = "https://forms.googleapis.com"
    forms: Annotated[Mapping[str, GoogleForm], Field(min_length=1)]


ServerConfig = OdkConfig | KoboConfig | LimeSurveyConfig | YandexConfig | GoogleConfig

SourceConfig = FilesConfig | ServerConfig
"""One source; each platform has its own kind."""


class SourcesConfig(_Strict):
    """The whole file: forms by stage in reading order, and the sources."""

    organisation_code: Annotated[str, AfterValidator(_is_name)] | None = None  # of each source that names none itself
    stages: Annotated[Mapping[str, list[str]], Field(min_length=1)]
    sources: Annotated[
        list[Annotated[SourceConfig, Field(discriminator="kind")]],
        Field(min_length=1),
    ]

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

    @property
    def organisations(self) -> dict[str, str]:
        """Return source → organisation, without the sources that hold every organisation's forms."""
        return {source.name: source.organisation_code for source in self.sources if source.organisation_code}


def load_sources(path: Path) -> SourcesConfig:
    """Read ``sources.yml``, or every ``*.yml`` of a folder, in the order of their names.

    Files of a folder name their sources differently, and each form stands in the same stage in all of them. The forms
    of a stage are read in the order of the first file that has them.

    Raises:
        SourceError: it cannot be read or something in it is wrong; names the file, the key and what is expected.
    """
    if not path.is_dir():
        return _read(path)
    files = sorted(path.glob("*.yml"))
    if not files:
        raise SourceError(f"{path} holds no *.yml file. Expected: one file for each organisation, as forms/sources.yml")
    configs = [_read(file) for file in files]
    stages: dict[str, list[str]] = {}
    for config in configs:
        for stage, form_ids in config.stages.items():
            stages[stage] = [*stages.get(stage, []), *(one for one in form_ids if one not in stages.get(stage, []))]
    try:
        return SourcesConfig(stages=stages, sources=[source for config in configs for source in config.sources])
    except ValidationError as error:
        said = (str(problem["msg"]).removeprefix("Value error, ") for problem in error.errors())
        raise SourceError("\n".join(f"{path}, its files together: {line}" for line in said)) from None


def _read(path: Path) -> SourcesConfig:
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
                source.model_copy(
                    update={"organisation_code": source.organisation_code or config.organisation_code}
                    | ({"location": _absolute(source.location, folder)} if isinstance(source, FilesConfig) else {})
                )
                for source in config.sources
            ]
        }
    )


def _absolute(location: str, folder: Path) -> str:
    return location if "://" in location else str((folder / Path(location).expanduser()).resolve())


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
    if len(where) > 2 and where[0] == "sources" and where[2] in KINDS:
        del where[2]  # pydantic says which kind it checked against, the file has no such key
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
    if problem["type"].startswith("union_tag"):
        known = "kind"
        parts.append("kind")
        message = "it is missing" if problem["type"] == "union_tag_not_found" else "there is no such kind of source"
    elif problem["type"] == "missing":
        message = "it is missing"
    elif problem["type"] == "extra_forbidden":
        message, known = "there is no such key", str(where[-2]) if len(where) > 1 else ""
        if isinstance(where[-2] if len(where) > 1 else None, int):
            known = "sources"
        elif known not in EXPECTED:
            known = "forms" if "forms" in where else "sources"
    return f"{'.'.join(parts)}: {message}" + (f". Expected: {EXPECTED[known]}" if known in EXPECTED else "")
