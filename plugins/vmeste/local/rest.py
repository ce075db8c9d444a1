"""A client of Airflow's REST API for what a person at its pages would do: trigger, look, answer approvals."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx

from vmeste.local.airflow import Address

RUN_ENDED = frozenset({"success", "failed"})
TASK_ENDED = frozenset({"success", "failed", "skipped", "upstream_failed", "removed"})


class ApiError(Exception):
    """Airflow refused a request; the message holds what it said."""


class Session:
    """One user's session; every call raises ``ApiError`` when Airflow refuses."""

    def __init__(self, address: Address, user: str) -> None:
        passwords = json.loads(Path(address.passwords).read_text(encoding="utf-8"))
        if user not in passwords:
            raise ApiError(f"{user} is not a user of this Airflow: it has {', '.join(sorted(passwords))}")
        self.user = user
        # two busy cores may take their time
        self._client = httpx.Client(base_url=address.url, timeout=60)
        granted = self._call("POST", "/auth/token", {"username": user, "password": passwords[user]})
        self._client.headers["Authorization"] = f"Bearer {granted['access_token']}"

    def unpause(self, dag_id: str) -> None:
        """Let a DAG run."""
        self._call("PATCH", f"/api/v2/dags/{dag_id}", {"is_paused": False})

    def dag_ids(self) -> set[str]:
        """Return the DAGs that Airflow has read."""
        return {dag["dag_id"] for dag in self._call("GET", "/api/v2/dags?limit=100")["dags"]}

    def import_errors(self) -> list[str]:
        """Return what keeps DAG files from being read."""
        found = self._call("GET", "/api/v2/importErrors")["import_errors"]
        return [f"{error['filename']}: {error['stack_trace'].strip().splitlines()[-1]}" for error in found]

    def trigger(self, dag_id: str, partition_key: str | None = None) -> str:
        """Start a run and return its id."""
        body = {"logical_date": None, "partition_key": partition_key}
        run: dict[str, Any] = self._call("POST", f"/api/v2/dags/{dag_id}/dagRuns", body)
        return str(run["dag_run_id"])

    def latest_run(self, dag_id: str) -> dict[str, Any] | None:
        """Return the newest run."""
        runs = self._call("GET", f"/api/v2/dags/{dag_id}/dagRuns?order_by=-run_after&limit=1")["dag_runs"]
        return runs[0] if runs else None

    def run(self, dag_id: str, run_id: str) -> dict[str, Any]:
        """Return a run as it is now."""
        found: dict[str, Any] = self._call("GET", f"/api/v2/dags/{dag_id}/dagRuns/{quote(run_id)}")
        return found

    def tasks(self, dag_id: str, run_id: str) -> list[dict[str, Any]]:
        """Return a run's task instances."""
        path = f"/api/v2/dags/{dag_id}/dagRuns/{quote(run_id)}/taskInstances?limit=100"
        found: list[dict[str, Any]] = []
        while True:
            page = self._call("GET", f"{path}&offset={len(found)}")
            found += page["task_instances"]
            if len(found) >= page["total_entries"] or not page["task_instances"]:
                return found

    def returned(self, dag_id: str, run_id: str, task_id: str) -> Any:
        """Return what an unmapped task returned."""
        path = f"/api/v2/dags/{dag_id}/dagRuns/{quote(run_id)}/taskInstances/{task_id}/xcomEntries/return_value"
        return self._call("GET", path)["value"]

    def answer(self, dag_id: str, run_id: str, task_id: str, option: str) -> None:
        """Answer an approval that this user is asked for."""
        path = f"/api/v2/dags/{dag_id}/dagRuns/{quote(run_id)}/taskInstances/{task_id}/-1/hitlDetails"
        self._call("PATCH", path, {"chosen_options": [option], "params_input": {}})

    def _call(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        try:
            response = self._client.request(method, path, json=body)
        except httpx.HTTPError as error:
            raise ApiError(f"Airflow does not answer {method} {path}: {error}") from error
        if response.is_error:
            raise ApiError(f"Airflow refused {method} {path} of {self.user}: {response.status_code} {response.text}")
        return response.json()
