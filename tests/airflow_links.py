"""Asks this Airflow's web server for the links of tasks, and prints the answers as JSON: ``{name: address or null}`` a task.

Run as a program in the Airflow home where the DAGs ran; as a process of its own, because what Airflow knows of providers is
read once a process. Each line on standard input has the ids of a DAG, a run and tasks, as a list in JSON; for each comes a
line on standard output. Knows nothing of PureTalk.
"""

from __future__ import annotations

import inspect
import json
import os
import sys
from collections.abc import Callable
from typing import Any


def main() -> None:
    """Print what each task's page would link to."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # Airflow may write what it likes to standard output, where only answers belong.
    from airflow import __version__

    links_of = _airflow_2() if __version__.startswith("2.") else _airflow_3()
    for line in sys.stdin:
        dag_id, run_id, *task_ids = json.loads(line)
        found = {task_id: links_of(dag_id, run_id, task_id) for task_id in task_ids}
        print(json.dumps(found), file=answers, flush=True)


def _airflow_3() -> Callable[[str, str, str], Any]:
    """Ask the API server as the browser does."""
    from urllib.parse import quote

    from airflow.api_fastapi.app import create_app, get_auth_manager
    from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
    from starlette.testclient import TestClient

    client = TestClient(create_app(apps="core"))
    token = get_auth_manager().generate_jwt(SimpleAuthManagerUser(username="tester", role="admin"))

    def links_of(dag_id: str, run_id: str, task_id: str) -> Any:
        path = f"/api/v2/dags/{dag_id}/dagRuns/{quote(run_id)}/taskInstances/{task_id}/links"
        return client.get(path, headers={"Authorization": f"Bearer {token}"}).json()["extra_links"]

    return links_of


def _airflow_2() -> Callable[[str, str, str], Any]:
    """Call the web server's function, without its look at permissions."""
    import flask
    from airflow.api_connexion.endpoints import extra_link_endpoint  # type: ignore[import-not-found]
    from airflow.models.dagbag import DagBag
    from airflow.utils.session import create_session

    web: Any = flask.Flask("web")
    look = inspect.unwrap(extra_link_endpoint.get_extra_links)

    def links_of(dag_id: str, run_id: str, task_id: str) -> Any:
        web.dag_bag = DagBag(read_dags_from_db=True)
        with web.app_context(), create_session() as session:
            return look(dag_id=dag_id, dag_run_id=run_id, task_id=task_id, session=session)

    return links_of


if __name__ == "__main__":
    main()
