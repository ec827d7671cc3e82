"""The operator that folds snapshots into the history: what it returns, what it needs to be told, and what others see."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from airflow_provider_puretalk import history
from airflow_provider_puretalk.assets import puretalk_history_asset
from airflow_provider_puretalk.exceptions import PuretalkConfigurationError
from airflow_provider_puretalk.operators import PuretalkUpdateHistoryOperator
from tests import airflow_runner
from tests.history.snapshots import ACCOUNT, record, take
from tests.places import Folder, make_place

try:
    from airflow.sdk import DAG
except ImportError:
    from airflow import DAG  # Airflow 2.11


@pytest.fixture
def taken(folder: Folder) -> Folder:
    """A folder with snapshots of three days, the last one incomplete."""
    for day in range(2):
        take(folder.destination, day, [record("a", prompt=f"Version {day}.")])
    take(folder.destination, 2, [record("a")], complete=False)
    return folder


def operator(folder: Folder, **arguments: Any) -> PuretalkUpdateHistoryOperator:
    given = {"destination": folder.destination, "account": ACCOUNT, "keep": "forever"} | arguments
    return PuretalkUpdateHistoryOperator(task_id="history", **given)


def test_returns_what_was_folded(taken: Folder, context: Any) -> None:
    """In names and counts that XCom can carry; folding again folds nothing, and the incomplete one is named."""
    result = operator(taken).execute(context)
    assert result["folded"] == ["20261001T020007Z", "20261002T020007Z"]
    assert [one["snapshot"] for one in result["skipped"]] == ["20261003T020007Z"]
    assert (result["readings"], result["versions"]) == (2, 2)
    assert json.loads(json.dumps(result)) == result
    assert [one.what for one in history.open(taken.destination, ACCOUNT).log("a")] == ["changed", "first"]
    again = operator(taken).execute(context)
    assert (again["folded"], again["readings"]) == ([], 2)


def test_says_whether_it_is_another_than_before(taken: Folder, context: Any) -> None:
    """The hash is that of the manifest as it lies there; where nothing is new it stays, and nothing has changed."""
    first, second = operator(taken).execute(context), operator(taken).execute(context)
    (manifest,) = [data for name, data in taken.files().items() if name.endswith("history/_manifest.json")]
    assert first["manifest_sha256"] == second["manifest_sha256"] == hashlib.sha256(manifest).hexdigest()
    assert (first["changed"], second["changed"]) == (True, False)
    third = operator(taken, retract=["20261002T020007Z"]).execute(context)
    assert third["changed"]
    assert third["manifest_sha256"] != first["manifest_sha256"]


@pytest.mark.parametrize("keep", [None, 0, "for ever", "3 days"])
def test_how_long_to_keep_must_be_said(taken: Folder, context: Any, keep: Any) -> None:
    """A default would either drop what somebody needs, or keep what nobody may: the error names both choices."""
    before = taken.files()
    with pytest.raises(PuretalkConfigurationError, match="number of days.*or the word 'forever'"):
        operator(taken, keep=keep).execute(context)
    assert taken.files() == before


def test_days_are_kept(taken: Folder, context: Any) -> None:
    """Of versions that ended longer ago nothing is left."""
    take(taken.destination, 9, [record("a", prompt="Version 9.")])
    assert operator(taken, keep="3").execute(context)["versions"] == 2
    assert [one.what for one in history.open(taken.destination, ACCOUNT).log("a")] == ["changed", "first"]


def test_a_snapshot_can_be_taken_out(taken: Folder, context: Any) -> None:
    operator(taken).execute(context)
    result = operator(taken, retract=["20261002T020007Z"]).execute(context)
    assert (result["retracted"], result["readings"]) == (["20261002T020007Z"], 1)


@pytest.mark.long
def test_in_a_dag_with_templates_and_its_asset(taken: Folder) -> None:
    """XCom takes the result, and so does the asset's event."""
    with DAG("history", schedule=None, start_date=datetime(2026, 1, 1, tzinfo=UTC)) as dag:
        PuretalkUpdateHistoryOperator(
            task_id="history",
            destination="{{ dag_run.conf['where'] }}",
            account="{{ 'sal' }}es",
            keep="{{ 3 * 365 }}",
            outlets=[puretalk_history_asset(ACCOUNT)],
        )
    result = airflow_runner.run(dag, conf={"where": taken.destination})
    assert result.states == {"history": "success"}
    assert result.xcoms["history"]["readings"] == 2


def test_the_event_carries_the_result(taken: Folder, context: Any) -> None:
    """Of the history's asset alone, not of another outlet."""
    ours, other = puretalk_history_asset(ACCOUNT), puretalk_history_asset("other")
    events = context["outlet_events"]
    result = operator(taken, outlets=[ours, other]).execute(context)
    assert events[ours].extra == result
    assert events[other].extra is None


@pytest.mark.parametrize("kind", ["path", "s3"])
def test_lineage(kind: str, request: pytest.FixtureRequest, context: Any) -> None:
    """Snapshots that were folded are read, and the history's folder is written, under names that carry no connection."""
    place = make_place(kind, request)
    take(place.destination, 0, [record("a")], storage_conn_id=place.storage_conn_id)
    task = PuretalkUpdateHistoryOperator(
        task_id="h",
        destination=place.destination,
        account=ACCOUNT,
        keep="forever",
        storage_conn_id=place.storage_conn_id,
    )
    task.execute(context)
    found = task.get_openlineage_facets_on_complete(None)
    assert [one.name.rpartition("/account=")[2] for one in found.inputs] == [f"{ACCOUNT}/snapshot=20261001T020007Z"]
    assert [one.name.rpartition("/account=")[2] for one in found.outputs] == [f"{ACCOUNT}/history"]
    assert "aws_fleet" not in str(found)


def test_the_link_leads_to_its_manifest(taken: Folder, context: Any, connection: Any) -> None:
    connection("files", conn_type="fs", host=None, password=None, extra={"browse_url": "https://files.test/{file}"})
    task = operator(taken, destination=f"file://files@{taken.destination}")
    task.execute(context)
    assert [*task.link_addresses.values()] == [f"https://files.test/account={ACCOUNT}/history/_manifest.json"]
