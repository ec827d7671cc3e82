"""Runs DAGs in this process on whichever Airflow is installed: ``run(dag)`` returns what became of them.

In comes a DAG, built in a test or parsed from a file; out comes a :class:`Result`. The database lies in the Airflow
home that ``tests/conftest.py`` made, so that module must have been imported first. Knows nothing of PureTalk.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any


@dataclass(frozen=True, slots=True)
class Result:
    """What a run of a DAG left behind.

    :ivar states: the state of each task instance, by task id; of a mapped task, by ``task_id[map_index]``.
    :ivar xcoms: what each task returned; of a mapped task, a list in order.
    :ivar asset_events: the asset events of the run as ``{uri: extra}``.
    :ivar events: all of them, as ``(task_id, map_index, uri, extra)`` in order.
    :ivar labels: what the UI shows for mapped instances in place of their index, by ``task_id[map_index]``.
    """

    run_id: str
    states: dict[str, str]
    xcoms: dict[str, Any]
    asset_events: dict[str, dict[str, Any]]
    events: list[tuple[str, int, str, dict[str, Any]]]
    labels: dict[str, str | None]


def run(*dags: Any, conf: dict[str, Any] | None = None, **arguments: Any) -> Result:
    """Register DAGs, run the first of them with ``dag.test()``, and collect what it left.

    :param conf: the run's configuration.
    :param arguments: passed on to ``dag.test()``; ``logical_date`` on every version.
    """
    register(*dags)
    if _bag()[1] is None and "logical_date" in arguments:
        arguments["execution_date"] = arguments.pop("logical_date")  # Airflow 2's name for it
    dag_run = dags[0].test(run_conf=conf, **arguments)
    instances = sorted(dag_run.get_task_instances(), key=lambda one: (one.task_id, one.map_index))
    states, xcoms = {}, {}
    for instance in instances:
        task_id, index = instance.task_id, instance.map_index
        states[task_id if index < 0 else f"{task_id}[{index}]"] = str(instance.state)
        value = instance.xcom_pull(task_ids=task_id, map_indexes=index)
        if index < 0:
            xcoms[task_id] = value
        else:
            xcoms.setdefault(task_id, []).append(value)
    mapped = [one for one in instances if one.map_index >= 0]
    labels = {f"{one.task_id}[{one.map_index}]": one.rendered_map_index for one in mapped}
    for one in mapped:  # Airflow 3 gives the index where there is no label, Airflow 2 None.
        if labels[f"{one.task_id}[{one.map_index}]"] == str(one.map_index):
            labels[f"{one.task_id}[{one.map_index}]"] = None
    events = _asset_events(dag_run.run_id)
    return Result(dag_run.run_id, states, xcoms, {uri: extra for *_, uri, extra in events}, events, labels)


def register(*dags: Any) -> None:
    """Write DAGs into the database, where ``dag.test()`` looks them up."""
    initialise_database()
    bag_class, sync = _bag()
    if sync is None:
        for dag in dags:
            dag.sync_to_db()
        return
    bag = bag_class(dag_folder="/dev/null")
    for dag in dags:
        bag.bag_dag(dag)
    sync(bag, "dags-folder", None)


@cache
def initialise_database() -> None:
    """Make Airflow's tables, once."""
    from airflow.utils.db import initdb

    initdb()
    try:
        from airflow.dag_processing.bundles.manager import DagBundlesManager
    except ImportError:  # Airflow 2
        return
    DagBundlesManager().sync_bundles_to_db()


def _bag() -> tuple[Any, Any]:
    """Return the class that collects DAGs, and what writes such a collection into the database; None on Airflow 2."""
    try:
        from airflow.dag_processing.dagbag import DagBag, sync_bag_to_db
    except ImportError:  # Airflow before 3.2
        from airflow.models.dagbag import DagBag

        try:
            from airflow.models.dagbag import sync_bag_to_db
        except ImportError:
            return DagBag, None
    return DagBag, sync_bag_to_db


def _asset_events(run_id: str) -> list[tuple[str, int, str, dict[str, Any]]]:
    from airflow.utils.session import create_session

    try:
        from airflow.models.asset import AssetEvent, AssetModel

        joined = AssetEvent.asset_id == AssetModel.id
    except ImportError:  # Airflow 2 calls assets datasets
        from airflow.models.dataset import DatasetEvent as AssetEvent
        from airflow.models.dataset import DatasetModel as AssetModel

        joined = AssetEvent.dataset_id == AssetModel.id
    source = AssetEvent.source_task_id, AssetEvent.source_map_index
    with create_session() as session:
        rows = session.query(*source, AssetModel.uri, AssetEvent.extra).join(AssetEvent, joined)
        found = rows.filter(AssetEvent.source_run_id == run_id).order_by(*source, AssetModel.uri)
        return [(task_id, index, uri, dict(extra)) for task_id, index, uri, extra in found]
