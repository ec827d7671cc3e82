"""Parses the example DAGs and runs them in this process, on whichever Airflow is installed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_puretalk import sandbox

EXAMPLES = Path(__file__).parents[2] / "example_dags"


@pytest.fixture(scope="session")
def bag() -> Any:
    """Everything that Airflow finds in the folder, parsed without a connection or a destination."""
    try:
        from airflow.dag_processing.dagbag import DagBag
    except ImportError:  # Airflow before 3.2
        from airflow.models.dagbag import DagBag
    return DagBag(dag_folder=str(EXAMPLES))


@pytest.fixture(scope="session")
def database(bag: Any) -> None:
    """Airflow's database with the example DAGs in it: ``dag.test()`` looks them up there."""
    from airflow.utils.db import initdb

    initdb()
    try:
        from airflow.dag_processing.bundles.manager import DagBundlesManager
    except ImportError:  # Airflow 2
        for dag in bag.dags.values():
            dag.sync_to_db()
        return
    DagBundlesManager().sync_bundles_to_db()
    try:
        from airflow.dag_processing.dagbag import sync_bag_to_db
    except ImportError:  # Airflow 3.0 and 3.1
        from airflow.models.dagbag import sync_bag_to_db
    sync_bag_to_db(bag, "dags-folder", None)


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Iterator[sandbox.Sandbox]:
    """Serve a small account under the connection that the examples use."""
    with sandbox.running(assistants=40) as box:
        connection = {"conn_type": "puretalk", "password": box.api_key, "host": box.base_url}
        monkeypatch.setenv("AIRFLOW_CONN_PURETALK_DEFAULT", json.dumps(connection))
        yield box


@pytest.fixture
def run(bag: Any, database: None) -> Callable[..., dict[str, Any]]:
    """Run a DAG once and return what each task returned; a mapped task's results are a list."""

    def run_dag(dag_id: str, **conf: Any) -> dict[str, Any]:
        dag_run = bag.dags[dag_id].test(run_conf=conf)
        instances = dag_run.get_task_instances()
        states = {(instance.task_id, instance.map_index): str(instance.state) for instance in instances}
        assert set(states.values()) == {"success"}, states
        return {task_id: dag_run_result(instances, task_id) for task_id in {task_id for task_id, _ in states}}

    return run_dag


def dag_run_result(instances: list[Any], task_id: str) -> Any:
    """Read what a task left for the next ones."""
    mine = sorted((one for one in instances if one.task_id == task_id), key=lambda one: one.map_index)
    results = [one.xcom_pull(task_ids=task_id, map_indexes=one.map_index) for one in mine]
    return results if mine[0].map_index >= 0 else results[0]
