"""Where filled-in forms come from: one connector a platform, all with the interface of ``vmeste.sources.base``."""

from vmeste.sources.base import Cursor, Extraction, Known, Refusal, Source, Submission
from vmeste.sources.config import FilesConfig, FormFiles, SourceConfig, SourcesConfig, load_sources
from vmeste.sources.errors import SourceError
from vmeste.sources.files import FilesSource

__all__ = [
    "Cursor",
    "Extraction",
    "FilesConfig",
    "FormFiles",
    "Known",
    "Refusal",
    "Source",
    "SourceConfig",
    "SourceError",
    "SourcesConfig",
    "Submission",
    "load_sources",
    "open_source",
]


def open_source(config: SourceConfig) -> Source:
    """Return the connector of a configured source; nothing is read yet."""
    return FilesSource(config.name, config.location, config.time_zone, config.forms)
