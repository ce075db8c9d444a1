"""What Airflow learns from us at start-up; found by the entry point ``airflow.plugins`` of pyproject.toml."""

from airflow.plugins_manager import AirflowPlugin

from vmeste.local import preload
from vmeste.sites import navigation
from vmeste.timetables import QuarterPartitionTimetable


class VmestePlugin(AirflowPlugin):
    """Registers the quarterly timetable, without which a serialised DAG cannot be read back, and what goes with it.

    That is the preloading, and what the navigation leads to.
    """

    name = "vmeste"
    # Airflow reads plain class attributes
    timetables = [QuarterPartitionTimetable]  # noqa: RUF012
    listeners = [preload]  # noqa: RUF012
    external_views = navigation.VIEWS
    # every process of Airflow reads this file; the application itself is imported by the api-server alone
    fastapi_apps = [{"name": "vmeste", "app": navigation.application, "url_prefix": navigation.PREFIX}]  # noqa: RUF012
