"""The tags of DAGs in Airflow's list: one set, so that a filter finds all there is."""

from enum import StrEnum


class Tag(StrEnum):
    """What a DAG belongs to."""

    INGESTION = "ingestion"
    TRANSFORMATION = "transformation"
    RELEASE = "release"
    MAINTENANCE = "maintenance"
