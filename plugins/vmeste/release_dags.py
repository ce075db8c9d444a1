"""Which DAGs release: one, or one for each organisation that the files of sources name."""

from __future__ import annotations

from vmeste.settings import Settings
from vmeste.sources.config import load_sources

DAG_ID = "refresh_quarterly_indicators"


def release_dags(settings: Settings) -> dict[str, str]:
    """Return organisation → id of the DAG that releases its quarters; '' stands for the only one.

    Raises:
        SourceError: the file of sources cannot be read.
    """
    organisations = sorted(set(load_sources(settings.sources).organisations.values()))
    if len(organisations) < 2:
        return {"".join(organisations): DAG_ID}
    return {organisation: f"{DAG_ID}__{organisation}" for organisation in organisations}
