"""Airflow's view of the form servers: a connection type each, whose «Test» button tries the connector itself.

Names and fields of the connection form are in ``vmeste.provider``. Airflow tests what stands in its form under an id of
its own making, not under the connection's: which source is meant is then told by the kind and by the server's address.
"""

from __future__ import annotations

from typing import Any, ClassVar
from urllib.parse import urlsplit

from airflow.sdk import BaseHook

from vmeste.settings import SettingsError, get_settings
from vmeste.sources import ServerConfig, load_sources, open_source
from vmeste.sources.config import FilesConfig
from vmeste.sources.errors import SourceError


class FormServerHook(BaseHook):  # type: ignore[misc]  # Airflow's imports are skipped
    """What all kinds share; of itself no connection type."""

    kind: ClassVar[str]
    conn_type: ClassVar[str]
    hook_name: ClassVar[str]
    conn_name_attr: ClassVar[str] = "conn_id"

    def __init__(self, conn_id: str, **given: Any) -> None:
        super().__init__(**given)
        self.conn_id = conn_id

    def test_connection(self) -> tuple[bool, str]:
        """Try the sources that use this connection; return whether all of them answered, and a line for a person."""
        try:
            sources = self._sources()
            return True, "; ".join(f"{config.name}: {open_source(config).check()}" for config in sources)
        except (SourceError, SettingsError) as error:
            return False, str(error)

    def _sources(self) -> list[ServerConfig]:
        """Return the configured sources that are meant, each with this connection.

        Raises:
            SourceError: there is none, or which one cannot be told; credentials are sent to no server on a guess.
        """
        path = get_settings().sources
        configured = [
            config
            for config in load_sources(path).sources
            if not isinstance(config, FilesConfig) and config.kind == self.kind
        ]
        if meant := [config for config in configured if config.connection == self.conn_id]:
            return meant
        host = self._host()
        meant = [config for config in configured if not host or urlsplit(config.server).netloc == host]
        if not meant:
            where = f" on {host}" if host else ""
            raise SourceError(f"{path.name} has no source of the kind {self.kind}{where}: add it there first")
        if len({config.server for config in meant}) > 1:
            raise SourceError(
                f"{path.name} has sources of the kind {self.kind} on several servers: put the address of the one that "
                "is meant into the connection's Host"
            )
        return [config.model_copy(update={"connection": self.conn_id}) for config in meant]

    def _host(self) -> str:
        """Return the server's name and port that the connection says; people write addresses there as well."""
        connection = self.get_connection(self.conn_id)
        written = (connection.host or "").strip()
        host = urlsplit(written if "//" in written else f"//{written}").netloc
        return f"{host}:{connection.port}" if host and connection.port and ":" not in host else host


class OdkCentralHook(FormServerHook):
    """ODK Central."""

    kind = "odk_central"
    conn_type = "vmeste_odk_central"
    hook_name = "ODK Central (Вместе / Vmeste)"


class KoboToolboxHook(FormServerHook):
    """KoboToolbox."""

    kind = "kobotoolbox"
    conn_type = "vmeste_kobotoolbox"
    hook_name = "KoboToolbox (Вместе / Vmeste)"


class LimeSurveyHook(FormServerHook):
    """LimeSurvey."""

    kind = "limesurvey"
    conn_type = "vmeste_limesurvey"
    hook_name = "LimeSurvey (Вместе / Vmeste)"


class YandexFormsHook(FormServerHook):
    """Yandex Forms."""

    kind = "yandex_forms"
    conn_type = "vmeste_yandex_forms"
    hook_name = "Яндекс Формы / Yandex Forms (Вместе / Vmeste)"


class GoogleFormsHook(FormServerHook):
    """Google Forms."""

    kind = "google_forms"
    conn_type = "vmeste_google_forms"
    hook_name = "Google Forms (Вместе / Vmeste)"
