"""Where filled-in forms come from: one module a platform, one shape of what they give (``base``)."""

from __future__ import annotations

from vmeste.sources.base import Source
from vmeste.sources.config import SourceConfig, SourcesConfig, load_sources
from vmeste.sources.files import FilesSource

__all__ = ["Source", "SourceConfig", "SourcesConfig", "load_sources", "open_source"]


def open_source(config: SourceConfig) -> Source:
    """Return the connector that a source's configuration asks for."""
    return FilesSource(config)
