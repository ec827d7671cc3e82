"""Runs a DAG in the demo's Airflow and shows how it gets on."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

from demo.api import ApiRefused
from demo.cluster import Cluster
from demo.steps import DemoError, say

#: Seconds until a DAG file must have been read, and until a run must have ended.
PARSE_LIMIT = 120.0
RUN_LIMIT = 300.0

_FINISHED = {"success", "failed"}
_BAD = {"failed", "up_for_retry", "upstream_failed"}


def prepare(cluster: Cluster, dag: str) -> None:
    """Wait until Airflow has read a DAG, end what an interrupted demo left behind, and let the DAG run.

    :raises DemoError: the file was not read; the message has Airflow's reason.
    """
    deadline = time.monotonic() + PARSE_LIMIT
    while not _is_known(cluster, dag):
        cluster.programs.check()
        errors = cluster.api.get("/importErrors")["import_errors"]
        if errors:
            raise DemoError(f"Airflow cannot read {errors[0]['filename']}:\n{errors[0]['stack_trace']}")
        if time.monotonic() > deadline:
            raise DemoError(f"No DAG {dag} after {PARSE_LIMIT:.0f} s.", cluster.programs.log_of("dag-processor"))
        time.sleep(0.5)
    for state in ("running", "queued"):
        for run in cluster.api.get(f"/dags/{dag}/dagRuns?state={state}")["dag_runs"]:
            cluster.api.patch(f"/dags/{dag}/dagRuns/{quote(run['dag_run_id'])}", {"state": "failed"})
    cluster.api.patch(f"/dags/{dag}", {"is_paused": False})


def run(cluster: Cluster, dag: str) -> dict[str, Any]:
    """Trigger a DAG and wait for its success.

    :returns: what its tasks returned, by task.
    :raises DemoError: a task failed, or nothing happened for too long.
    """
    run_id = cluster.api.post(f"/dags/{dag}/dagRuns", {"logical_date": None})["dag_run_id"]
    path = f"/dags/{dag}/dagRuns/{quote(run_id)}"
    say(f"triggered; in the browser: {cluster.url}/dags/{dag}/runs/{quote(run_id)}")
    start = time.monotonic()
    shown: dict[str, str | None] = {}
    while True:
        cluster.programs.check()
        state = cluster.api.get(path)["state"]
        tasks = cluster.api.get(f"{path}/taskInstances")["task_instances"]
        for task in tasks:
            if shown.get(task["task_id"]) != task["state"]:
                shown[task["task_id"]] = task["state"]
                say(f"{time.monotonic() - start:5.1f} s  {task['task_id']:<12} {task['state'] or 'waiting'}")
        for task in tasks:
            if task["state"] in _BAD:
                raise DemoError(f"The task {task['task_id']} is {task['state']}.", _log(cluster, dag, run_id, task))
        if state in _FINISHED:
            break
        if time.monotonic() - start > RUN_LIMIT:
            raise DemoError(f"Still {state} after {RUN_LIMIT:.0f} s.", cluster.programs.log_of("scheduler"))
        time.sleep(0.5)
    return {task["task_id"]: _result(cluster, path, task) for task in tasks}


def _is_known(cluster: Cluster, dag: str) -> bool:
    try:
        cluster.api.get(f"/dags/{dag}")
    except ApiRefused as refusal:
        if refusal.status == 404:
            return False
        raise
    return True


def _result(cluster: Cluster, run_path: str, task: dict[str, Any]) -> Any:
    """Return what a task returned; None where it was skipped or returned nothing."""
    try:
        return cluster.api.get(f"{run_path}/taskInstances/{task['task_id']}/xcomEntries/return_value?deserialize=true")[
            "value"
        ]
    except ApiRefused as refusal:
        if refusal.status == 404:
            return None
        raise


def _log(cluster: Cluster, dag: str, run_id: str, task: dict[str, Any]) -> Path:
    folder = cluster.home / "logs" / f"dag_id={dag}" / f"run_id={run_id}" / f"task_id={task['task_id']}"
    return folder / f"attempt={task['try_number']}.log"
