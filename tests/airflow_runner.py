"""Runs DAGs in this process on whichever Airflow is installed: ``run(dag)`` returns what became of them.

In comes a DAG, built in a test or parsed from a file; out comes a :class:`Result`. The database lies in the Airflow
home that ``tests/conftest.py`` made, so that module must have been imported first. Knows nothing of PureTalk.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from inspect import signature
from typing import Any


@dataclass(frozen=True, slots=True)
class Result:
    """What a run of a DAG left behind.

    :ivar state: the state of the run.
    :ivar states: the state of each task instance, by task id; of a mapped task, by ``task_id[map_index]``.
    :ivar xcoms: what each task returned; of a mapped task, a list in order.
    :ivar asset_events: the asset events of the run as ``{uri: extra}``.
    :ivar events: all of them, as ``(task_id, map_index, uri, extra)`` in order.
    :ivar labels: what the UI shows for mapped instances in place of their index, by ``task_id[map_index]``.
    """

    run_id: str
    state: str
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
    return _left_by(dags[0].test(run_conf=conf, **arguments))


def clear(dag: Any, run_id: str, task_id: str, map_index: int) -> Result:
    """Clear an instance of a mapped task with what comes after it, as people do in the UI, and run that again.

    Of the tasks after it those instances that come after this one: of the same index, or of tasks that are not mapped.
    """
    from airflow.models import DagRun
    from airflow.models.taskinstance import clear_task_instances
    from airflow.utils.session import create_session

    after = dag.get_task(task_id).get_flat_relative_ids(upstream=False)
    with create_session() as session:
        dag_run = session.query(DagRun).filter_by(dag_id=dag.dag_id, run_id=run_id).one()
        cleared = [
            one
            for one in dag_run.get_task_instances(session=session)
            if (one.task_id == task_id or one.task_id in after) and one.map_index in (map_index, -1)
        ]
        scheduled, execute = _loop(dag, session)
        dag_run.dag = scheduled
        for one in cleared:
            one.task = scheduled.get_task(one.task_id)
        clear_task_instances(cleared, session)
        dag_run.set_state("running")
        session.commit()
        while dag_run.state == "running":
            session.expire_all()
            ready, _ = dag_run.update_state(session=session)
            for one in ready:
                one.try_number += 1
                one.state = "scheduled"
            session.commit()
            for one in ready:
                execute(one)
        return _left_by(dag_run)


def _loop(dag: Any, session: Any) -> tuple[Any, Callable[[Any], Any]]:
    """Return the DAG as the scheduler has it, and what runs an instance of a task, as ``dag.test()`` does."""
    try:
        from airflow.sdk.definitions.dag import _run_task
    except ImportError:  # Airflow 2
        from airflow.models.dag import _run_task

        run_task: Any = _run_task

        def run_on_2(instance: Any) -> None:
            instance.task = dag.get_task(instance.task_id)
            with suppress(Exception):
                run_task(ti=instance, inline_trigger=True, session=session)

        return dag, run_on_2
    from airflow.serialization import serialized_objects

    # Called otherwise before Airflow 3.2.
    form: Any = getattr(serialized_objects, "DagSerialization", None) or serialized_objects.SerializedDAG
    scheduled = form.deserialize_dag(form.serialize_dag(dag))
    run_any: Any = _run_task
    takes_task = "task" in signature(_run_task).parameters

    def run_on_3(instance: Any) -> None:
        task = dag.get_task(instance.task_id)
        if takes_task:
            run_any(ti=instance, task=task, run_triggerer=True)
        else:
            instance.task = task
            run_any(ti=instance, run_triggerer=True)

    return scheduled, run_on_3


def _left_by(dag_run: Any) -> Result:
    """Collect what a run left."""
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
    by_uri = {uri: extra for *_, uri, extra in events}
    return Result(dag_run.run_id, str(dag_run.state), states, xcoms, by_uri, events, labels)


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
        if getattr(dag, "relative_fileloc", "") is None:
            dag.relative_fileloc = dag.fileloc  # Airflow 3.0 looks for what only a DAG from a file has.
        bag.bag_dag(dag)
    sync(bag, "dags-folder", None)


@cache
def initialise_database() -> None:
    """Make Airflow's tables, once."""
    from airflow.utils.db import initdb

    initdb()
    _pass_on_answers()
    try:
        from airflow.dag_processing.bundles.manager import DagBundlesManager
    except ImportError:  # Airflow 2
        return
    DagBundlesManager().sync_bundles_to_db()


def _pass_on_answers() -> None:
    """Let a trigger learn what a human has answered, as the triggerer does: ``dag.test()`` of Airflow 3.1 does not."""
    try:
        from airflow.sdk.execution_time.comms import GetHITLDetailResponse
        from airflow.sdk.execution_time.supervisor import InProcessTestSupervisor
    except ImportError:  # Airflow before 3.1
        return
    supervisor: Any = InProcessTestSupervisor
    handle = supervisor._handle_request

    def handle_this_too(self: Any, msg: Any, log: Any, req_id: int) -> None:
        if isinstance(msg, GetHITLDetailResponse):
            self.send_msg(self.client.hitl.get_detail_response(msg.ti_id), request_id=req_id)
        else:
            handle(self, msg, log, req_id)

    supervisor._handle_request = handle_this_too


def _bag() -> tuple[Any, Any]:
    """Return the class that collects DAGs, and what writes such a collection into the database; None on Airflow 2."""
    try:
        from airflow.dag_processing.dagbag import DagBag, sync_bag_to_db
    except ImportError:  # Airflow before 3.2
        from airflow.models.dagbag import DagBag

        try:
            from airflow.models.dagbag import sync_bag_to_db
        except ImportError:
            is_3_0 = "bundle_name" in signature(DagBag.sync_to_db).parameters
            return DagBag, DagBag.sync_to_db if is_3_0 else None
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
