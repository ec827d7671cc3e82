"""Asks this Airflow's web server for the links of a task, and prints the answer as JSON: ``{name: address or null}``.

Run as a program with the ids of a DAG, a run and tasks, in the Airflow home where the DAG ran; as a process of its own,
because what Airflow knows of providers is read once a process. Knows nothing of PureTalk.
"""

from __future__ import annotations

import contextlib
import inspect
import json
import sys
from typing import Any


def main() -> None:
    """Print what each task's page would link to."""
    dag_id, run_id, *task_ids = sys.argv[1:]
    with contextlib.redirect_stdout(sys.stderr):  # where Airflow may write what it likes
        from airflow import __version__

        ask = _airflow_2 if __version__.startswith("2.") else _airflow_3
        answer = {task_id: ask(dag_id, run_id, task_id) for task_id in task_ids}
    print(json.dumps(answer))


def _airflow_3(dag_id: str, run_id: str, task_id: str) -> Any:
    """Ask the API server as the browser does."""
    from urllib.parse import quote

    from airflow.api_fastapi.app import create_app, get_auth_manager
    from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
    from starlette.testclient import TestClient

    client = TestClient(create_app(apps="core"))
    token = get_auth_manager().generate_jwt(SimpleAuthManagerUser(username="tester", role="admin"))
    path = f"/api/v2/dags/{dag_id}/dagRuns/{quote(run_id)}/taskInstances/{task_id}/links"
    return client.get(path, headers={"Authorization": f"Bearer {token}"}).json()["extra_links"]


def _airflow_2(dag_id: str, run_id: str, task_id: str) -> Any:
    """Call the web server's function, without its look at permissions."""
    import flask
    from airflow.api_connexion.endpoints import extra_link_endpoint  # type: ignore[import-not-found]
    from airflow.models.dagbag import DagBag
    from airflow.utils.session import create_session

    web: Any = flask.Flask("web")
    web.dag_bag = DagBag(read_dags_from_db=True)
    look = inspect.unwrap(extra_link_endpoint.get_extra_links)
    with web.app_context(), create_session() as session:
        return look(dag_id=dag_id, dag_run_id=run_id, task_id=task_id, session=session)


if __name__ == "__main__":
    main()
