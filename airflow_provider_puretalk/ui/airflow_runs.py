"""What Airflow's own database says of a task instance: when its run was due, and which task instances started that run."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from airflow.models.asset import AssetEvent
from airflow.models.dagrun import DagRun
from airflow.models.taskinstance import TaskInstance as Row
from airflow.utils.session import create_session
from sqlalchemy import and_, select
from sqlalchemy.orm import aliased

from airflow_provider_puretalk.storable import storable
from airflow_provider_puretalk.ui.task_snapshots import TaskInstance

#: Events of a run that are considered, the last ones.
_MOST_EVENTS: Final = 100
#: Typed as a function by some Airflows.
_LABEL: Final[Any] = Row.rendered_map_index


def look_up(instance: TaskInstance) -> tuple[TaskInstance, list[TaskInstance]]:
    """Return a task instance with what is known of it, and those whose asset events started its run, the last first.

    What watchers or people sent comes of no task, and is left out.
    """
    if any(storable(name) != name for name in (instance.dag_id, instance.task_id, instance.run_id)):
        return instance, []  # No database has it, and some refuse the query.
    with create_session() as session:
        own = session.execute(_query_of(instance)).first()
        events = session.execute(_query_of_sources(instance)).all()
    if own is not None:
        instance = replace(instance, moments=_moments(*own[:2]), label=own[2])
    sources = [
        TaskInstance(dag_id, task_id, run_id, None if index is None or index < 0 else index, _moments(*due), label)
        for dag_id, task_id, run_id, index, *due, label in events
        if dag_id and task_id and run_id
    ]
    return instance, [*dict.fromkeys(sources)]


def _query_of(instance: TaskInstance) -> Any:
    index = -1 if instance.map_index is None else instance.map_index
    itself = and_(Row.dag_id == DagRun.dag_id, Row.run_id == DagRun.run_id, Row.task_id == instance.task_id)
    return (
        select(DagRun.run_after, DagRun.logical_date, _LABEL)
        .outerjoin(Row, and_(itself, Row.map_index == index))
        .where(DagRun.dag_id == instance.dag_id, DagRun.run_id == instance.run_id)
    )


def _query_of_sources(instance: TaskInstance) -> Any:
    source = aliased(DagRun)
    return (
        select(
            AssetEvent.source_dag_id,
            AssetEvent.source_task_id,
            AssetEvent.source_run_id,
            AssetEvent.source_map_index,
            source.run_after,
            source.logical_date,
            _LABEL,
        )
        .join(AssetEvent.created_dagruns)
        .outerjoin(source, and_(source.dag_id == AssetEvent.source_dag_id, source.run_id == AssetEvent.source_run_id))
        .outerjoin(
            Row,
            and_(
                Row.dag_id == AssetEvent.source_dag_id,
                Row.task_id == AssetEvent.source_task_id,
                Row.run_id == AssetEvent.source_run_id,
                Row.map_index == AssetEvent.source_map_index,
            ),
        )
        .where(DagRun.dag_id == instance.dag_id, DagRun.run_id == instance.run_id)
        .order_by(AssetEvent.timestamp.desc(), AssetEvent.id.desc())
        .limit(_MOST_EVENTS)
    )


def _moments(*moments: datetime | None) -> tuple[datetime, ...]:
    return tuple(moment for moment in moments if moment is not None)
