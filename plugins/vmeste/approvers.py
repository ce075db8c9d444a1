"""Who approves a release: names of Airflow users, from the environment."""

from __future__ import annotations

from functools import lru_cache

from pydantic_settings import BaseSettings, SettingsConfigDict


class Approvers(BaseSettings):
    """The two people without whom nothing is released.

    ``VMESTE_METHOD_OWNER`` owns the forms and definitions (the lead psychologist), ``VMESTE_DIRECTOR`` releases. Where
    organisations have their own: ``VMESTE_DIRECTOR=one=anna,two=boris``.
    """

    model_config = SettingsConfigDict(env_prefix="VMESTE_", env_file=".env", extra="ignore", frozen=True)

    method_owner: str = "demo_psychologist"
    director: str = "demo_director"

    def of(self, organisation: str) -> Approvers:
        """Return the two people of one organisation.

        Raises:
            ValueError: people are named for other organisations, and nobody for this one.
        """
        return self.model_copy(
            update={
                name: _of(organisation, getattr(self, name), f"VMESTE_{name.upper()}")
                for name in ("method_owner", "director")
            }
        )


def _of(organisation: str, given: str, setting: str) -> str:
    if "=" not in given:
        return given
    entries = (entry.partition("=") for entry in given.split(","))
    people = {code.strip(): person.strip() for code, _, person in entries}
    if organisation not in people:
        raise ValueError(f"{setting} names nobody for {organisation or 'a deployment of one organisation'}")
    return people[organisation]


@lru_cache(maxsize=1)
def get_approvers() -> Approvers:
    """Read the names once per process."""
    return Approvers()
