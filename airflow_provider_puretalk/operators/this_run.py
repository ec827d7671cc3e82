"""The snapshots that the run of a task is about: its own tasks' results, and the events that started it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from airflow_provider_puretalk.operators import lineage
from airflow_provider_puretalk.operators.snapshot import PuretalkSnapshotAssistantsOperator

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import BaseOperator, Context

    from airflow_provider_puretalk.snapshots.comparison.run_snapshots import DagRun
    from airflow_provider_puretalk.snapshots.storage.object_storage import Storage


def run_of(task: BaseOperator, context: Context, storage: Storage, account: str) -> DagRun:
    """Return the run that a task belongs to, with the snapshots of an account in a storage that it is about."""
    from airflow_provider_puretalk.snapshots.comparison.run_snapshots import DagRun

    instance = context["ti"]
    before = _relatives(task, upstream=True)
    return DagRun(
        dag_id=instance.dag_id,
        run_id=instance.run_id,
        before=frozenset(before),
        after=frozenset(_relatives(task, upstream=False)),
        named=frozenset(_snapshot_names(_results(task, instance, before), storage, account)),
        started_by=frozenset(_snapshot_names(_extras(context), storage, account)),
    )


def _relatives(task: BaseOperator, *, upstream: bool) -> set[str]:
    return set(task.get_flat_relative_ids(upstream=upstream)) if task.has_dag() else set()  # type: ignore[no-untyped-call]


def _results(task: BaseOperator, instance: Any, before: set[str]) -> Iterable[Any]:
    """Return what the snapshot tasks before a task returned, each of their mapped instances too."""
    task_ids = [one for one in sorted(before) if _takes_snapshots(task.dag.task_dict[one])]
    return instance.xcom_pull(task_ids=task_ids) or () if task_ids else ()


def _takes_snapshots(task: Any) -> bool:
    kind = getattr(task, "operator_class", type(task))  # Of a mapped task, what its instances are.
    return isinstance(kind, type) and issubclass(kind, PuretalkSnapshotAssistantsOperator)


def _extras(context: Context) -> Iterator[Any]:
    """Yield the extras of the events that started the run."""
    found: Any = context.get("triggering_asset_events")
    if found is None and getattr(context["dag_run"], "run_type", None) == "dataset_triggered":
        # Airflow 2 calls assets datasets, and reads them from the database at each run: only where there are some.
        found = context.get("triggering_dataset_events")
    for events in (found or {}).values():
        for event in events:
            yield event.extra


def _snapshot_names(results: Iterable[Any], storage: Storage, account: str) -> Iterator[str]:
    """Yield the snapshots of the account that results of the snapshot operator name, if they lie in this storage."""
    for result in results:
        if not isinstance(result, Mapping) or result.get("account") != account:
            continue
        snapshot, path = result.get("snapshot"), result.get("manifest_path")
        if isinstance(snapshot, str) and isinstance(path, str):
            here = storage.url_of(f"account={account}/snapshot={snapshot}/manifest.json")
            # Another connection may open the same place.
            if lineage.name_of(path) == lineage.name_of(here):
                yield snapshot
