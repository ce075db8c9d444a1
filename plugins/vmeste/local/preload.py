"""Heavy libraries, imported once by the scheduler instead of by every task.

With the LocalExecutor a task is a fork of the scheduler, so what the scheduler has imported costs the task nothing.
Great Expectations alone takes 6 s of a core to import, Cosmos 1 s: for ten forms and 35 models that is a minute and a
half of two cores in every demonstration.
"""

from __future__ import annotations

import importlib
import logging
import os
from typing import Any

from airflow.listeners import hookimpl

from vmeste.local import PRELOAD

logger = logging.getLogger(__name__)

MODULES = (
    "vmeste.ingest",
    "vmeste.warehouse.load",
    "vmeste.quality.validate",
    "great_expectations",
    "cosmos.airflow.task_group",
    "cosmos.operators.watcher",
    "airflow.providers.standard.operators.hitl",
)


@hookimpl
def on_starting(component: Any) -> None:
    """Called by Airflow when a service starts, in the scheduler before the executor forks its workers."""
    if PRELOAD not in os.environ:  # the hook is told nothing by which to know the scheduler
        return
    for name in MODULES:
        try:
            importlib.import_module(name)
        except Exception:
            # the task that needs it will say so; the scheduler has other work as well
            logger.exception("%s could not be imported ahead", name)
