"""Who is told, and by which of Airflow's connections: ``VMESTE_NOTIFY_*``, nothing by default.

``docs/notifications.md`` lists them.
"""

from __future__ import annotations

from functools import lru_cache

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

ROLES = ("engineer", "method", "director")
"""Who keeps the pipeline, who owns the method, who releases. Beside them ``readers`` get the page of a release."""


class NotificationSettings(BaseSettings):
    """Connections by their id, people by their addresses, several separated by commas; empty: not told.

    Addresses are not checked here: a wrong one must not keep a DAG from being read, it is refused by the mail server.
    """

    model_config = SettingsConfigDict(env_prefix="VMESTE_NOTIFY_", env_file=".env", extra="ignore", frozen=True)

    smtp: str = ""
    webhook: str = ""
    engineer: str = ""
    method: str = ""
    director: str = ""
    readers: str = ""
    releases_url: str = ""
    release_days: int = Field(default=5, ge=1, le=60)

    def addresses(self, roles: tuple[str, ...]) -> list[str]:
        """Return the addresses of some roles, each once."""
        written = [address.strip() for role in roles for address in getattr(self, role).split(",")]
        return list(dict.fromkeys(address for address in written if address))


@lru_cache(maxsize=1)
def get_notification_settings() -> NotificationSettings:
    """Read the settings once per process."""
    return NotificationSettings()
