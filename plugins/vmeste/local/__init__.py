"""Vmeste on one machine: Airflow's services as child processes, and the demonstration."""

PRELOAD = "VMESTE_PRELOAD"
"""In the environment of the scheduler alone: it imports heavy libraries once for all tasks (see ``preload``)."""
