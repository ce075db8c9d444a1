"""What can be set from outside: environment variables ``VMESTE_*``, also read from a file ``.env``.

Every setting has a default that works on one machine; ``.env.example`` lists them all.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, available_timezones

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

ROOT = Path(__file__).resolve().parents[2]
"""The repository: forms, dbt project and expectations are read from here."""

EXPECTED = {
    "VMESTE_HOME": "a folder that this user may write to, without blanks in its path, e.g. .vmeste",
    "VMESTE_FORMS": "the folder of the instruments, e.g. forms",
    "VMESTE_SOURCES": "a YAML file that says which form lives where, e.g. forms/sources.yml, or a folder of such "
    "files, one for each organisation",
    "VMESTE_WAREHOUSE_URL": "postgresql://user:password@host:5432/database, or empty for the embedded PostgreSQL",
    "VMESTE_VAULT_URL": "postgresql://user:password@host:5432/another_database, or empty for the embedded PostgreSQL",
    "VMESTE_AIRFLOW_URL": "postgresql://user:password@host:5432/airflow, Airflow's own database, or empty",
    "VMESTE_LANDING": "a folder or an object store address, e.g. .vmeste/landing or s3://bucket/landing",
    "VMESTE_BACKUP_DAYS": "for how many days copies of the databases are kept, 1 to 3650, e.g. 30",
    "VMESTE_ORGANISATION": "the code of one organisation, as the registration of pairs has it, or empty",
    "VMESTE_PROGRAMME": "the code of one programme, as the registration of pairs has it, or empty",
    "VMESTE_CODE_REVISION": "the commit of an image without git, as `git describe` has it, or empty",
    "VMESTE_TIMEZONE": "a name from the IANA time zone database, e.g. Europe/Moscow",
}


class SettingsError(Exception):
    """A setting is missing or wrong: the message names it and the value expected."""


class Settings(BaseSettings):
    """The settings, resolved: paths are absolute, empty addresses mean the embedded PostgreSQL."""

    model_config = SettingsConfigDict(env_prefix="VMESTE_", env_file=".env", extra="ignore", frozen=True)

    home: Path = Path(".vmeste")
    forms: Path = ROOT / "forms"
    sources: Path = ROOT / "forms" / "sources.yml"
    warehouse_url: str = ""
    vault_url: str = ""
    airflow_url: str = ""
    landing: str = ""
    timezone: str = "Europe/Moscow"
    organisation: str = ""
    programme: str = ""
    code_revision: str = ""
    backup_days: int = Field(default=30, ge=1, le=3650)

    @field_validator("home")
    @classmethod
    def _home_is_a_folder(cls, value: Path) -> Path:
        home = value.expanduser().resolve()
        if any(character.isspace() for character in str(home)):
            raise ValueError("blanks in the path keep the embedded PostgreSQL from starting")
        if home.exists() and not home.is_dir():
            raise ValueError(f"{home} is a file")
        return home

    @field_validator("forms")
    @classmethod
    def _forms_is_a_folder(cls, value: Path) -> Path:
        forms = value.expanduser().resolve()
        if not forms.is_dir():
            raise ValueError(f"there is no folder {forms}")
        return forms

    @field_validator("sources")
    @classmethod
    def _sources_is_there(cls, value: Path) -> Path:
        sources = value.expanduser().resolve()
        if not sources.exists():
            raise ValueError(f"there is no file {sources}")
        return sources

    @field_validator("warehouse_url", "vault_url", "airflow_url")
    @classmethod
    def _url_is_postgresql(cls, value: str) -> str:
        if value and (urlsplit(value).scheme not in {"postgresql", "postgres"} or not urlsplit(value).path.strip("/")):
            raise ValueError("this is not the address of a PostgreSQL database")
        return value

    @field_validator("timezone")
    @classmethod
    def _timezone_is_known(cls, value: str) -> str:
        if value not in available_timezones():
            raise ValueError(f"there is no time zone {value!r}")
        return value

    @property
    def root(self) -> Path:
        """The repository."""
        return ROOT

    @property
    def zone(self) -> ZoneInfo:
        """The programme's zone: dates are decided in it."""
        return ZoneInfo(self.timezone)

    @property
    def landing_url(self) -> str:
        """Where batches land."""
        return self.landing or f"file://{self.home / 'landing'}"

    @property
    def is_embedded(self) -> bool:
        """Whether the warehouse is the private PostgreSQL in ``home``."""
        return not self.warehouse_url

    @property
    def releases(self) -> Path:
        """Where pages and workbooks are written."""
        return self.home / "releases"


@lru_cache(maxsize=1)
def get_settings() -> Settings:
    """Read the settings once per process.

    Raises:
        SettingsError: names every setting that is wrong, and what is expected.
    """
    try:
        settings = Settings()
    except ValidationError as error:
        lines = []
        for problem in error.errors():
            name = f"VMESTE_{str(problem['loc'][0]).upper()}"
            given = "…" if name.endswith("_URL") else problem["input"]  # an address holds a password
            reason = str(problem["msg"]).removeprefix("Value error, ")
            lines.append(f"{name}={given}: {reason}. Expected: {EXPECTED.get(name, 'see .env.example')}")
        raise SettingsError("\n".join(lines)) from None
    if bool(settings.warehouse_url) != bool(settings.vault_url):
        missing = "VMESTE_VAULT_URL" if settings.warehouse_url else "VMESTE_WAREHOUSE_URL"
        raise SettingsError(
            f"{missing} is missing: give both addresses, or neither for the embedded PostgreSQL. "
            f"Expected: {EXPECTED[missing]}"
        )
    return settings
