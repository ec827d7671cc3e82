"""Finds which task instances' asset events started a run, as Airflow's own database says."""

from __future__ import annotations

from typing import Final

from airflow.models.asset import AssetEvent
from airflow.models.dagrun import DagRun
from airflow.utils.session import create_session
from sqlalchemy import select

from airflow_provider_puretalk.ui.task_snapshots import TaskInstance

#: Events of a run that are considered, the last ones.
_MOST_EVENTS: Final = 100


def started_by(instance: TaskInstance) -> list[TaskInstance]:
    """Return the task instances whose asset events started the run of a task instance, the last first.

    What watchers or people sent comes of no task, and is left out.
    """
    query = (
        select(
            AssetEvent.source_dag_id,
            AssetEvent.source_task_id,
            AssetEvent.source_run_id,
            AssetEvent.source_map_index,
        )
        .join(AssetEvent.created_dagruns)
        .where(DagRun.dag_id == instance.dag_id, DagRun.run_id == instance.run_id)
        .order_by(AssetEvent.timestamp.desc(), AssetEvent.id.desc())
        .limit(_MOST_EVENTS)
    )
    with create_session() as session:
        found = session.execute(query).all()
    instances = [
        TaskInstance(dag_id, task_id, run_id, None if map_index is None or map_index < 0 else map_index)
        for dag_id, task_id, run_id, map_index in found
        if dag_id and task_id and run_id
    ]
    return [*dict.fromkeys(instances)]
