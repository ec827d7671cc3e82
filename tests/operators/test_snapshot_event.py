"""Partition keys of the snapshot's asset event: where requested, and nowhere else."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_puretalk.assets import puretalk_assistants_asset
from airflow_provider_puretalk.exceptions import PuretalkConfigurationError
from airflow_provider_puretalk.operators import PuretalkSnapshotAssistantsOperator
from airflow_provider_puretalk.sandbox import Sandbox
from tests import airflow_runner

try:
    from airflow.sdk import DAG
except ImportError:
    from airflow import DAG  # Airflow 2.11
try:
    from airflow.sdk.execution_time.context import OutletEventAccessor
except ImportError:
    HAS_PARTITIONS = False
else:
    HAS_PARTITIONS = hasattr(OutletEventAccessor, "add_partitions")


def run(name: str, destination: Path, **arguments: Any) -> airflow_runner.Result:
    """Take a snapshot in a DAG."""
    with DAG(name, schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC)) as dag:
        PuretalkSnapshotAssistantsOperator(
            task_id="snapshot",
            destination=str(destination),
            partition="p1",
            outlets=[puretalk_assistants_asset("puretalk_default")],
            **arguments,
        )
    return airflow_runner.run(dag)


def partition_keys(run_id: str) -> list[str | None]:
    """Return the partition keys of the events of a run."""
    from airflow.models.asset import AssetEvent
    from airflow.utils.session import create_session

    with create_session() as session:
        return [row.partition_key for row in session.query(AssetEvent).filter(AssetEvent.source_run_id == run_id)]


@pytest.mark.long
@pytest.mark.skipif(not HAS_PARTITIONS, reason="Airflow before 3.3 has no such keys")
@pytest.mark.parametrize(("requested", "found"), [(False, None), (True, "p1")])
def test_the_event_has_the_snapshots_name_where_requested(
    sandbox: Sandbox, tmp_path: Path, requested: bool, found: str | None
) -> None:
    """By default there is none: it would wake no DAG that is scheduled on the whole asset."""
    result = run(f"partition_{requested}", tmp_path, emit_partition=requested)
    assert result.states == {"snapshot": "success"}
    assert partition_keys(result.run_id) == [found]
    assert result.asset_events == {"puretalk://puretalk_default/assistants": result.xcoms["snapshot"]}


@pytest.mark.skipif(HAS_PARTITIONS, reason="what older ones say")
def test_an_older_airflow_says_what_it_takes(sandbox: Sandbox, tmp_path: Path, context: dict[str, Any]) -> None:
    """Before anything is read."""
    operator = PuretalkSnapshotAssistantsOperator(
        task_id="snapshot",
        destination=str(tmp_path),
        partition="p1",
        emit_partition=True,
        outlets=[puretalk_assistants_asset("puretalk_default")],
    )
    with pytest.raises(PuretalkConfigurationError, match="needs Airflow 3.3"):
        operator.execute(context)
    assert sandbox.request_count == 0


def test_without_the_asset_there_is_nothing_to_emit(sandbox: Sandbox, tmp_path: Path, context: dict[str, Any]) -> None:
    """A key that would be forgotten in silence is refused before anything is read."""
    operator = PuretalkSnapshotAssistantsOperator(
        task_id="snapshot", destination=str(tmp_path), partition="p1", emit_partition=True
    )
    with pytest.raises(PuretalkConfigurationError, match=r"outlets.*puretalk_assistants_asset\('puretalk_default'\)"):
        operator.execute(context)
    assert sandbox.request_count == 0


def test_text_is_no_answer(sandbox: Sandbox, tmp_path: Path, context: dict[str, Any]) -> None:
    """A template that renders "False" would count as true."""
    operator = PuretalkSnapshotAssistantsOperator(
        task_id="snapshot", destination=str(tmp_path), partition="p1", emit_partition="False"
    )
    with pytest.raises(PuretalkConfigurationError, match="emit_partition"):
        operator.execute(context)
