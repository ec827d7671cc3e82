"""What "newest" and "previous" mean: *read last*, whatever the snapshots are called."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_puretalk import snapshots
from airflow_provider_puretalk.exceptions import PuretalkDriftError, PuretalkSnapshotError
from airflow_provider_puretalk.operators import PuretalkCompareSnapshotsOperator
from airflow_provider_puretalk.sandbox import Sandbox
from airflow_provider_puretalk.sensors import PuretalkAssistantsChangedSensor
from airflow_provider_puretalk.snapshots.storage import reader
from airflow_provider_puretalk.snapshots.storage.object_storage import Storage
from tests.places import ACCOUNT, Folder, Place

#: Read by hand on Monday at ten, and by a run at midnight whose interval, and so its name, began before that.
BY_HAND, SCHEDULED = "20261123T100000Z", "20261123T000000Z"


@pytest.fixture
def contradicting(place: Place, sandbox: Sandbox, context: Any) -> Place:
    """Five assistants, one of which was deleted before the reading whose name sorts first."""
    sandbox.fleet.replace_all(list(sandbox.fleet)[:5])
    place.take(context, partition=BY_HAND)
    sandbox.fleet.replace_all(list(sandbox.fleet)[:4])
    place.take(context, partition=SCHEDULED)
    return place


def compare(place: Place, context: Any, **arguments: Any) -> Any:
    arguments = {"destination": place.destination, "storage_conn_id": place.storage_conn_id} | arguments
    operator = PuretalkCompareSnapshotsOperator(task_id="compare", account="puretalk_default", **arguments)
    return operator.execute(context)


def test_a_comparison_takes_the_two_read_last(contradicting: Place, context: Any) -> None:
    """What is gone is reported as removed, and the limit holds, though the names say another order."""
    result = compare(contradicting, context)
    assert (result["snapshot"], result["baseline"]) == (SCHEDULED, BY_HAND)
    assert (len(result["removed"]), result["added"]) == (1, [])
    with pytest.raises(PuretalkDriftError):
        compare(contradicting, context, max_removed=0)


def test_the_older_of_a_named_snapshot_is_the_one_read_before_it(contradicting: Place, context: Any) -> None:
    """The first one read has none before it, although a name sorts before its own."""
    assert compare(contradicting, context, snapshot=BY_HAND)["baseline"] is None
    assert compare(contradicting, context, snapshot=SCHEDULED)["baseline"] == BY_HAND


def test_lists_are_in_the_order_of_reading(contradicting: Place) -> None:
    """Oldest first, for the library and so for the command line."""
    found = snapshots.list_snapshots(contradicting.destination, storage_conn_id=contradicting.storage_conn_id)
    assert [one.snapshot for one in found] == [BY_HAND, SCHEDULED]


def test_a_sensor_waits_for_a_change_since_the_one_read_last(contradicting: Place, context: Any) -> None:
    """Nothing changed since, so it does not fire."""
    sensor = PuretalkAssistantsChangedSensor(
        task_id="wait",
        destination=contradicting.destination,
        storage_conn_id=contradicting.storage_conn_id,
        poke_interval=0.01,
        timeout=0.05,
        soft_fail=True,
    )
    from airflow.providers.common.compat.sdk import AirflowSkipException

    with pytest.raises(AirflowSkipException):
        sensor.execute(context)


@pytest.mark.long
@pytest.mark.parametrize("rule", [{"keep_daily": 1}, {"keep_weekly": 1}, {"keep_monthly": 1}], ids=str)
def test_retention_keeps_the_one_read_last(contradicting: Place, rule: dict[str, int]) -> None:
    """It is the newest of its day, week and month."""
    pruned = snapshots.prune(
        contradicting.destination, "puretalk_default", storage_conn_id=contradicting.storage_conn_id, **rule
    )
    assert [one.snapshot for one in pruned.kept] == [SCHEDULED]
    assert [one.snapshot for one in pruned.removed] == [BY_HAND]


def test_retention_counts_days_back_from_the_one_read_last(folder: Folder, sandbox: Sandbox, context: Any) -> None:
    """A snapshot whose name says a later day does not take the place of the newest one, and lists are oldest first."""
    sandbox.fleet.replace_all(list(sandbox.fleet)[:3])
    for name in ("2026-11-25", "2026-11-20", "2026-11-22"):
        folder.take(context, partition=name)
    pruned = snapshots.prune(folder.destination, "puretalk_default", keep_daily=2)
    assert [one.snapshot for one in pruned.kept] == ["2026-11-20", "2026-11-22"]
    assert [one.snapshot for one in pruned.removed] == ["2026-11-25"]


@pytest.mark.parametrize("operation", ["list", "compare", "take", "prune"])
def test_names_that_say_otherwise_are_told(
    folder: Folder, sandbox: Sandbox, context: Any, caplog: pytest.LogCaptureFixture, operation: str
) -> None:
    """One warning names both snapshots and when they were read."""
    sandbox.fleet.replace_all(list(sandbox.fleet)[:3])
    folder.take(context, partition=BY_HAND)
    folder.take(context, partition=SCHEDULED)
    caplog.clear()
    with caplog.at_level(logging.WARNING):
        match operation:
            case "list":
                snapshots.list_snapshots(folder.destination)
            case "compare":
                compare(folder, context)
            case "take":
                folder.take(context, partition="20261124T000000Z")
            case "prune":
                snapshots.prune(folder.destination, "puretalk_default", keep_daily=1)
    (warning,) = {record.getMessage() for record in caplog.records if "contradict" in record.getMessage()}
    assert BY_HAND in warning
    assert SCHEDULED in warning


@pytest.mark.parametrize(
    "names",
    [
        ("20261122T000000Z", "2026-11-22", "20261122T000000.5Z", "2026-11-22T00:00"),
        ("release", "baseline", "20261122T000000Z", "after"),
        ("20261122T000000Z-hourly", "20261122T000000Z-daily"),
        ("9", "10"),
    ],
    ids=str,
)
def test_names_that_say_nothing_of_the_order_are_not_told(
    folder: Folder, sandbox: Sandbox, context: Any, caplog: pytest.LogCaptureFixture, names: tuple[str, ...]
) -> None:
    """A name without a moment, or with a less exact one, contradicts nothing."""
    sandbox.fleet.replace_all(list(sandbox.fleet)[:3])
    for name in names:
        folder.take(context, partition=name)
    assert [one.snapshot for one in snapshots.list_snapshots(folder.destination)] == list(names)
    assert "contradict" not in caplog.text


Store = Callable[..., None]


@pytest.fixture
def store(folder: Folder, sandbox: Sandbox, context: Any) -> Store:
    """Store a snapshot of this name with other facts in its manifest."""
    sandbox.fleet.replace_all(list(sandbox.fleet)[:3])
    template = Path(folder.take(context, partition="template")["manifest_path"])
    manifest = json.loads(template.read_bytes())
    template.unlink()

    data = template.parent / manifest["files"][0]["name"]

    def put(name: str, **facts: Any) -> None:
        folder.write(f"{ACCOUNT}/snapshot={name}/{data.name}", data.read_bytes())
        folder.write(
            f"{ACCOUNT}/snapshot={name}/manifest.json", json.dumps(manifest | {"snapshot": name} | facts).encode()
        )

    return put


@pytest.mark.long
def test_many_snapshots_are_ordered(folder: Folder, store: Store) -> None:
    """Many manifests, read a few at a time, give one order and one newest; a moment without a zone counts as UTC."""
    began = datetime(2026, 1, 1, tzinfo=UTC)
    names = [f"{(number * 37) % 600:03}" for number in range(600)]
    for number, name in enumerate(names):
        moment = began + timedelta(minutes=number)
        store(name, finished_at=(moment.replace(tzinfo=None) if number % 2 else moment).isoformat())
    assert [one.snapshot for one in snapshots.list_snapshots(folder.destination)] == names
    storage = Storage(folder.destination)
    newest, before = reader.newest_complete(storage, "puretalk_default")
    assert before == reader.previous_complete(storage, "puretalk_default", newest)
    assert before is not None
    assert [before.snapshot, newest.snapshot] == names[-2:]


def test_a_damaged_manifest_that_may_be_the_newest_ends_a_comparison(
    folder: Folder, store: Store, context: Any
) -> None:
    """Written after the newest one that is understood, and named after it: nobody may compare as if it were not there."""
    store("2026-11-20")
    store("2026-11-21")
    folder.write(f"{ACCOUNT}/snapshot=2026-11-22/manifest.json", b"{")
    with pytest.raises(PuretalkSnapshotError, match="2026-11-22"):
        compare(folder, context)


@pytest.mark.parametrize("name", ["2026-11-19", "zzz"])
def test_an_old_damaged_manifest_blocks_nothing(
    folder: Folder, store: Store, context: Any, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    """One whose name sorts before, or that was written before the newest was read, is logged and skipped."""
    path = f"{ACCOUNT}/snapshot={name}/manifest.json"
    folder.write(path, b"{")
    if name == "zzz":
        os.utime(folder.root / path, (0, 0))
    store("2026-11-20", finished_at="2026-11-20T00:00:00Z")
    store("2026-11-21", finished_at="2026-11-21T00:00:00Z")
    result = compare(folder, context)
    assert (result["snapshot"], result["baseline"]) == ("2026-11-21", "2026-11-20")
    assert f"snapshot={name}" in caplog.text
