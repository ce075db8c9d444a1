"""What Airflow learns from us at start-up; found by the entry point ``airflow.plugins`` of pyproject.toml."""

from airflow.plugins_manager import AirflowPlugin

from vmeste.local import preload
from vmeste.timetables import QuarterPartitionTimetable


class VmestePlugin(AirflowPlugin):
    """Registers the quarterly timetable, without which a serialised DAG cannot be read back, and the preloading."""

    name = "vmeste"
    # Airflow reads plain class attributes
    timetables = [QuarterPartitionTimetable]  # noqa: RUF012
    listeners = [preload]  # noqa: RUF012
