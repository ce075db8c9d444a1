"""Where filled-in forms come from: one connector a platform, all with the interface of ``vmeste.sources.base``."""

from importlib import import_module

from vmeste.sources.base import Cursor, Extraction, Known, Refusal, Source, Submission
from vmeste.sources.config import FilesConfig, FormFiles, ServerConfig, SourceConfig, SourcesConfig, load_sources
from vmeste.sources.connections import storage_options
from vmeste.sources.errors import SourceError
from vmeste.sources.files import FilesSource

__all__ = [
    "Cursor",
    "Extraction",
    "FilesConfig",
    "FormFiles",
    "Known",
    "Refusal",
    "ServerConfig",
    "Source",
    "SourceConfig",
    "SourceError",
    "SourcesConfig",
    "Submission",
    "load_sources",
    "open_source",
]


CONNECTORS = {
    "odk_central": ("vmeste.sources.odk_central", "OdkCentralSource"),
    "kobotoolbox": ("vmeste.sources.kobotoolbox", "KoboToolboxSource"),
    "limesurvey": ("vmeste.sources.limesurvey", "LimeSurveySource"),
    "yandex_forms": ("vmeste.sources.yandex_forms", "YandexFormsSource"),
    "google_forms": ("vmeste.sources.google_forms", "GoogleFormsSource"),
}
"""Kind of a source → module and class; a platform's client is imported only where a source of its kind is read."""


def open_source(config: SourceConfig) -> Source:
    """Return the connector of a configured source; nothing is read yet."""
    if isinstance(config, FilesConfig):
        options = storage_options(config.connection, config.name) if config.connection else {}
        return FilesSource(config.name, config.location, config.time_zone, config.forms, config.move_read_to, options)
    module, name = CONNECTORS[config.kind]
    source: Source = getattr(import_module(module), name)(config)
    return source
