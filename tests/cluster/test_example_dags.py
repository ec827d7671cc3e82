"""All example DAGs as they stand, in one running Airflow, on one day, into one bucket."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_provider_puretalk import history, snapshots
from tests.cluster import examples
from tests.cluster.deployment import Deployment, Run
from tests.cluster.examples import ACCOUNTS, FROM_BACKEND, FROM_FORM, SCHEDULED, STORAGE, Surroundings

pytestmark = pytest.mark.cluster

Day = dict[str, list[Run]]


@pytest.fixture
def stored(surroundings: Surroundings, monkeypatch: pytest.MonkeyPatch) -> str:
    """The destination of the day, opened by this process as well."""
    monkeypatch.setenv(f"AIRFLOW_CONN_{STORAGE.upper()}", json.dumps(surroundings.storage))
    return surroundings.destination


def test_each_runs_to_its_end(airflow: Deployment, day: Day) -> None:
    """Those that wait get what they wait for: an assistant, an approval, an event of a snapshot or a history."""
    assert sorted(day) == examples.DAGS
    (waited,) = day["puretalk_wait_for_assistant"]
    assert waited.result("go_live") == f"Reception answers {examples.NUMBER}"
    (approved,) = day["puretalk_approve_baseline"]
    assert approved.result("accept") == approved.result("snapshot")["snapshot"]
    lines = [line for run in day["puretalk_react_to_change"] for line in run.result("log_changes")]
    (daily,) = day["puretalk_daily_snapshot"]
    taken = daily.result("snapshot")
    assert f"a snapshot was taken: {taken['snapshot']}, {taken['count']} assistants" in lines


def test_none_overwrites_the_snapshot_of_another(day: Day, stored: str) -> None:
    """All were due at midnight; each has its own beside the others', whole."""
    found = [one for one in snapshots.list_snapshots(stored) if one.account == FROM_FORM]
    assert all(snapshots.verify(one.manifest_path).complete for one in found)
    sources = [snapshots.read_manifest(one.manifest_path).source for one in found]
    due = [source for source in sources if (source.run_id or "").startswith("scheduled__")]
    assert sorted(source.dag_id or "" for source in due) == sorted(SCHEDULED)
    assert len({source.run_id for source in due}) == 1, "one moment"


def test_connections_come_from_the_form_the_environment_and_a_secrets_backend(day: Day, stored: str) -> None:
    """One run read an account from each, and kept it with a storage of the environment; a warehouse is the backend's."""
    (run,) = [run for run in day["puretalk_many_accounts"] if run.run_id.startswith("manual__")]
    assert run.result("puretalk.report")["failed"] == []
    counts = {one.account: one.count for one in snapshots.list_snapshots(stored) if one.snapshot.endswith("-accounts")}
    assert {**counts, FROM_FORM: 0} == {**ACCOUNTS, FROM_FORM: 0}
    assert counts[FROM_FORM] - ACCOUNTS[FROM_FORM] in (0, 1), "one assistant came that day"


def test_the_history_is_loaded_into_the_warehouse(day: Day, surroundings: Surroundings, stored: str) -> None:
    """Two DAGs folded snapshots into it, perhaps at once; it is whole, and the table has a row for each version."""
    kept = history.open(stored, FROM_FORM)
    kept.verify()
    folded = {reading.snapshot.rpartition("-")[2] for reading in kept.readings}
    assert folded >= {"history", "accounts"}
    (rows,) = surroundings.warehouse.select("SELECT count(*) FROM puretalk_assistant_versions")
    assert rows == (len([*kept.versions()]),)


@pytest.mark.parametrize("conn_id", ACCOUNTS)
def test_the_button_tests_connections_from_everywhere(
    airflow: Deployment, surroundings: Surroundings, day: Day, conn_id: str
) -> None:
    """With what is stored, which the browser never gets to see."""
    assert answer(airflow, connection_id=conn_id) == {
        "status": True,
        "message": f"Connected to {surroundings.accounts[conn_id].base_url}: {len(surroundings.accounts[conn_id].fleet)} "
        "assistants.",
    }


def test_the_button_refuses_a_wrong_key(airflow: Deployment, surroundings: Surroundings) -> None:
    airflow.keys.add(wrong := "a-key-that-is-wrong-and-secret")
    host = surroundings.accounts[FROM_FORM].base_url
    said = answer(airflow, connection_id="new", host=host, password=wrong)
    assert said["status"] is False
    assert "The API refused the key" in said["message"]


def test_a_worker_tests_a_connection(airflow: Deployment, surroundings: Surroundings) -> None:
    """As Airflow 3.3 offers it where only workers reach the account; the connection is stored when it works."""
    box = surroundings.accounts[FROM_BACKEND]
    new = {"connection_id": "tried", "conn_type": "puretalk", "host": box.base_url, "password": box.api_key}
    airflow.post("/connections/enqueue-test", {**new, "commit_on_success": True})
    query = "SELECT state, result_message FROM connection_test_request WHERE state IN ('success', 'failed')"
    ((state, message),) = airflow.until("a worker had tried it", lambda: airflow.database.select(query))
    assert (state, message) == ("success", f"Connected to {box.base_url}: {len(box.fleet)} assistants.")
    assert airflow.get("/connections/tried")["conn_type"] == "puretalk"


def answer(airflow: Deployment, **connection: Any) -> dict[str, Any]:
    """Return what Airflow says where people press *Test connection*."""
    said: dict[str, Any] = airflow.post("/connections/test", {"conn_type": "puretalk", **connection})
    return said
