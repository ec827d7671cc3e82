"""The operators in DAGs that Airflow itself runs: XCom, mapping, asset events, states."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import Asset, task

from airflow_provider_puretalk import snapshots
from airflow_provider_puretalk.assets import puretalk_assistants_asset
from airflow_provider_puretalk.operators import PuretalkListAssistantsOperator, PuretalkSnapshotAssistantsOperator
from airflow_provider_puretalk.sandbox import Sandbox
from tests import airflow_runner
from tests.places import Folder

try:
    from airflow.sdk import DAG
except ImportError:
    from airflow import DAG  # Airflow 2.11

#: Airflow 2 has no ``run_after``; there a run without an interval is due at its logical date.
CAN_BE_DUE = "run_after" in inspect.signature(DAG.test).parameters


@pytest.fixture
def dag(request: pytest.FixtureRequest) -> Any:
    """A DAG named after the test."""
    name = request.node.name.replace("[", ".").rstrip("]").replace(" ", "_")
    return DAG(name, schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC))


@pytest.mark.long
def test_snapshot_emits_the_asset_event(sandbox: Sandbox, folder: Folder, dag: Any) -> None:
    """The event of the account's asset carries what the task returned; another asset's event carries nothing of it."""
    with dag:
        PuretalkSnapshotAssistantsOperator(
            task_id="snapshot",
            destination=folder.destination,
            partition="{{ dag.dag_id }}-1",
            outlets=[Asset("s3://foreign/asset"), puretalk_assistants_asset("puretalk_default")],
        )
    result = airflow_runner.run(dag)
    assert result.states == {"snapshot": "success"}
    returned = result.xcoms["snapshot"]
    assert returned["snapshot"] == f"{dag.dag_id}-1"
    assert result.asset_events == {"puretalk://puretalk_default/assistants": returned, "s3://foreign/asset": {}}
    assert snapshots.verify(returned["manifest_path"]).to_dict()["source"]["run_id"] == result.run_id


@pytest.mark.long
def test_snapshot_of_another_account_emits_nothing(sandbox: Sandbox, folder: Folder, dag: Any) -> None:
    """The asset of another account in the outlets gets no event: nothing is known of that account."""
    with dag:
        PuretalkSnapshotAssistantsOperator(
            task_id="snapshot", destination=folder.destination, outlets=[puretalk_assistants_asset("acme")]
        )
    result = airflow_runner.run(dag)
    assert result.states == {"snapshot": "success"}
    assert result.asset_events == {}


@pytest.mark.long
def test_default_partition_is_the_runs_own(sandbox: Sandbox, folder: Folder, dag: Any) -> None:
    """The moment the run was due, whatever class it is of, names the snapshot."""
    with dag:
        PuretalkSnapshotAssistantsOperator(task_id="snapshot", destination=folder.destination)
    due = datetime(2026, 11, 22, 12, 30, tzinfo=UTC)
    moments: dict[str, Any] = {"logical_date": due, "run_after": due} if CAN_BE_DUE else {"logical_date": due}
    result = airflow_runner.run(dag, **moments)
    assert result.xcoms["snapshot"]["snapshot"] == "20261122T123000Z"


@pytest.mark.long
def test_snapshot_is_handed_to_the_next_task(sandbox: Sandbox, folder: Folder, dag: Any) -> None:
    """The paths in XCom are all that a later task needs to read the records."""

    @task
    def count(snapshot: dict[str, Any]) -> int:
        return len(list(snapshots.iter_records(snapshot["manifest_path"])))

    with dag:
        taken: Any = PuretalkSnapshotAssistantsOperator(task_id="snapshot", destination=folder.destination).output
        count(taken)
    assert airflow_runner.run(dag).xcoms["count"] == 250


@pytest.mark.long
def test_snapshot_is_mapped_over_accounts(
    sandbox: Sandbox, folder: Folder, dag: Any, connection: Callable[..., str]
) -> None:
    """One task definition keeps snapshots of several accounts, each under its own name."""
    for name in ("sales", "care"):
        connection(name, host=sandbox.base_url, password=sandbox.api_key)
    with dag:
        PuretalkSnapshotAssistantsOperator.partial(
            task_id="snapshot",
            destination=folder.destination,
            outlets=[puretalk_assistants_asset("sales"), puretalk_assistants_asset("care")],
        ).expand(puretalk_conn_id=["sales", "care"])
    result = airflow_runner.run(dag)
    assert [one["account"] for one in result.xcoms["snapshot"]] == ["sales", "care"]
    assert sorted(info.account for info in snapshots.list_snapshots(folder.destination)) == ["care", "sales"]


@pytest.mark.long
def test_list_is_mapped_downstream(sandbox: Sandbox, dag: Any) -> None:
    """The list that XCom carries can be expanded over, one task an assistant."""
    sandbox.fleet.replace_all(list(sandbox.fleet)[:3])

    @task
    def language(assistant: dict[str, Any]) -> str:
        return f"{assistant['assistant_id']} {assistant['voice.language']}"

    with dag:
        listing = PuretalkListAssistantsOperator(task_id="list", fields=["assistant_id", "voice.language"])
        language.expand(assistant=listing.output)
    result = airflow_runner.run(dag)
    expected = sorted(f"{record['assistant_id']} {record['voice']['language']}" for record in sandbox.fleet)
    assert result.xcoms["language"] == expected


@pytest.mark.long
def test_whole_records_pass_through_xcom(sandbox: Sandbox, dag: Any) -> None:
    """Every field of a record, odd text and large numbers too, is the same on the other side of XCom."""
    record = {
        "assistant_id": "odd",
        "name": "日本 🙂 \u2028 \x01",
        "phone_number": None,
        "unknown": {"": [True, 1, 1.5, None, {}], "__data__": 1, "__version__": 2},
        "voice": {},
        "big": 2**53 + 1,
    }
    sandbox.fleet.replace_all([record])
    with dag:
        PuretalkListAssistantsOperator(task_id="list")
    result = airflow_runner.run(dag)
    assert result.states == {"list": "success"}
    assert result.xcoms["list"] == [record]


@pytest.mark.long
@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize("kind", ["list", "snapshot"])
def test_a_refused_key_is_not_retried(sandbox: Sandbox, folder: Folder, dag: Any, kind: str, status: int) -> None:
    """With a wrong key the task fails at once, in spite of its retries, after a single request."""
    sandbox.faults.add(f"{status}:times=always")
    with dag:
        if kind == "list":
            PuretalkListAssistantsOperator(task_id="task", retries=3, retry_delay=0.01)
        else:
            PuretalkSnapshotAssistantsOperator(
                task_id="task", destination=folder.destination, retries=3, retry_delay=0.01
            )
    result = airflow_runner.run(dag)
    assert result.states == {"task": "failed"}
    assert sandbox.request_count == 1
    assert folder.files() == {}


@pytest.mark.long
def test_other_errors_are_retried(sandbox: Sandbox, folder: Folder, dag: Any, connection: Callable[..., str]) -> None:
    """A server that failed once too often for one try is tried again at the task's next try."""
    connection(host=sandbox.base_url, password=sandbox.api_key, extra={"max_retries": 0})
    sandbox.faults.add("503")
    with dag:
        PuretalkSnapshotAssistantsOperator(task_id="task", destination=folder.destination, retries=1, retry_delay=0.001)
    result = airflow_runner.run(dag)
    assert result.states == {"task": "success"}
    assert result.xcoms["task"]["count"] == 250
