"""Who approves a release: names of Airflow users, from the environment."""

from __future__ import annotations

from functools import lru_cache

from pydantic_settings import BaseSettings, SettingsConfigDict


class Approvers(BaseSettings):
    """The two people without whom nothing is released.

    ``VMESTE_METHOD_OWNER`` owns the forms and definitions (the lead psychologist), ``VMESTE_DIRECTOR`` releases.
    """

    model_config = SettingsConfigDict(env_prefix="VMESTE_", env_file=".env", extra="ignore", frozen=True)

    method_owner: str = "demo_psychologist"
    director: str = "demo_director"


@lru_cache(maxsize=1)
def get_approvers() -> Approvers:
    """Read the names once per process."""
    return Approvers()
