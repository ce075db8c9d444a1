"""What Airflow learns from us at start-up; found by the entry point ``airflow.plugins`` of pyproject.toml."""

from airflow.plugins_manager import AirflowPlugin

from vmeste.timetables import QuarterPartitionTimetable


class VmestePlugin(AirflowPlugin):
    """Registers the quarterly timetable, without which a serialised DAG cannot be read back."""

    name = "vmeste"
    timetables = [QuarterPartitionTimetable]  # noqa: RUF012  (Airflow reads a plain class attribute)
