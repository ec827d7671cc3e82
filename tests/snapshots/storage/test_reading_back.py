"""The library for people outside a DAG: list snapshots, read a manifest, read the records."""

from __future__ import annotations

import gc
import json
import logging
import re
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_puretalk import snapshots
from airflow_provider_puretalk.exceptions import PuretalkConfigurationError, PuretalkError, PuretalkSnapshotError
from airflow_provider_puretalk.sandbox import Sandbox
from tests.places import ACCOUNT, Folder, Place


@pytest.mark.long
def test_lists_snapshots_oldest_first(place: Place, sandbox: Sandbox, context: Any) -> None:
    """Each snapshot has its line with the documented facts, in the order in which they were read."""
    results = {name: place.take(context, partition=name) for name in ("2026-11-22", "2026-11-20", "2026-11-21")}
    listed = snapshots.list_snapshots(place.destination, storage_conn_id=place.storage_conn_id)
    assert [info.snapshot for info in listed] == list(results)
    for info in listed:
        facts = asdict(info)
        finished_at = facts.pop("finished_at")
        assert isinstance(finished_at, datetime)
        assert finished_at <= datetime.now(UTC)
        facts["files"] = list(info.files)
        names = ("account", "snapshot", "manifest_path", "count", "complete", "content_sha256", "files")
        assert facts == {name: results[info.snapshot][name] for name in names}


def test_the_connection_may_stand_in_the_address(place: Place, sandbox: Sandbox, context: Any) -> None:
    """What the operator returned is enough to list what lies beside it: no connection has to be named again."""
    place.take(context)
    assert [info.snapshot for info in snapshots.list_snapshots(place.named)] == ["20261122T000000Z"]


def test_what_others_wrote_meanwhile_is_seen(place: Place, sandbox: Sandbox, context: Any) -> None:
    """A snapshot that another process wrote, or removed, since the last listing shows up, or does not any more."""
    result = place.take(context, partition="1")
    assert len(snapshots.list_snapshots(place.named)) == 1
    for name, data in place.files().items():
        place.write(name.replace("snapshot=1", "snapshot=2"), data.replace(b'"snapshot": "1"', b'"snapshot": "2"'))
    assert [info.snapshot for info in snapshots.list_snapshots(place.named)] == ["1", "2"]
    assert place.take(context, partition="3")["previous_snapshot"] == "2"
    place.remove(f"{ACCOUNT}/snapshot=1/manifest.json")
    assert [info.snapshot for info in snapshots.list_snapshots(place.named)] == ["2", "3"]
    with pytest.raises(PuretalkSnapshotError, match="There is no snapshot"):
        snapshots.read_manifest(result["manifest_path"])


@pytest.mark.long
def test_lists_one_account_or_all(
    folder: Folder, sandbox: Sandbox, connection: Callable[..., str], context: Any
) -> None:
    """Accounts are kept apart; without one, all of them are listed."""
    for account in ("sales", "eu:care"):
        connection("other", host=sandbox.base_url, password=sandbox.api_key, extra={"account": account})
        for partition in ("2", "1"):
            folder.take(context, partition=partition, puretalk_conn_id="other")
    # An account after the other, in each the one first that was read first.
    all_of_them = [(info.account, info.snapshot) for info in snapshots.list_snapshots(folder.destination)]
    assert all_of_them == [("eu:care", "2"), ("eu:care", "1"), ("sales", "2"), ("sales", "1")]
    one = snapshots.list_snapshots(folder.destination, "eu:care")
    assert [(info.account, info.snapshot) for info in one] == all_of_them[:2]
    assert snapshots.list_snapshots(folder.destination, account="nobody") == []


def test_nothing_there_yet_is_an_empty_list(place: Place) -> None:
    """A destination without snapshots has none."""
    assert snapshots.list_snapshots(place.destination, storage_conn_id=place.storage_conn_id) == []


@pytest.mark.parametrize("destination", ["/no/such/folder", "relative", "", "s3://", "nosuch://bucket"])
def test_a_destination_that_is_none_is_no_empty_list(destination: str) -> None:
    """A mistyped destination is an error, since an empty list would say that there are no snapshots."""
    with pytest.raises(PuretalkConfigurationError, match="destination"):
        snapshots.list_snapshots(destination)


@pytest.mark.parametrize("account", ["../x", "a/b", "", "a b"])
def test_an_account_that_can_be_none_is_refused(folder: Folder, account: str) -> None:
    """An account that no path can hold is refused."""
    with pytest.raises(PuretalkConfigurationError, match="account"):
        snapshots.list_snapshots(folder.destination, account)


def damage_bytes(manifest: bytes) -> dict[str, bytes]:
    data = json.loads(manifest)
    del data["count"]
    return {
        "empty": b"",
        "not JSON": b"{",
        "not an object": b"[]",
        "a field is missing": json.dumps(data).encode(),
        "newer": json.dumps({"format_version": 2, "layout": "new"}).encode(),
        "newer with the old fields": manifest.replace(b'"format_version": 1', b'"format_version": 7'),
        "another snapshot's": manifest.replace(b'"snapshot": "2"', b'"snapshot": "1"'),
        "a negative count": re.sub(rb'"count": \d+', b'"count": -1', manifest),
        "a negative size": re.sub(rb'"bytes": \d+', b'"bytes": -1', manifest),
        "the first day of all time": re.sub(
            rb'"finished_at": "[^"]*"', b'"finished_at": "0001-01-01T00:00:00Z"', manifest
        ),
        "the last day of all time": re.sub(
            rb'"finished_at": "[^"]*"', b'"finished_at": "9999-12-31T00:00:00Z"', manifest
        ),
        "a file named twice": re.sub(rb'"files": \[(.*?)\]', rb'"files": [\1, \1]', manifest, flags=re.DOTALL),
        "another account's": manifest.replace(b'"account": "puretalk_default"', b'"account": "../../elsewhere"'),
    }


@pytest.mark.long
@pytest.mark.parametrize("damage", damage_bytes(b'{"count": 1}'))
def test_unreadable_manifests_are_left_out_aloud(
    folder: Folder, take: Any, caplog: pytest.LogCaptureFixture, damage: str
) -> None:
    """One damaged or newer manifest hides no other snapshot; a warning names it, and reading it is an error."""
    for partition in ("1", "2", "3"):
        take(partition=partition)
    name = f"{ACCOUNT}/snapshot=2/manifest.json"
    folder.write(name, damage_bytes(folder.files()[name])[damage])
    with caplog.at_level(logging.WARNING):
        assert [info.snapshot for info in snapshots.list_snapshots(folder.destination)] == ["1", "3"]
    assert any(name in record.getMessage() for record in caplog.records)
    for read in (snapshots.read_manifest, snapshots.verify, lambda path: next(snapshots.iter_records(path))):
        with pytest.raises(PuretalkSnapshotError, match="Upgrade" if "newer" in damage else "is damaged") as caught:
            read(f"{folder.destination}/{name}")
        assert name in str(caught.value)


def test_read_manifest_knows_everything(place: Place, sandbox: Sandbox, context: Any) -> None:
    """A manifest read back says what the file says, field by field."""
    path = place.take(context)["manifest_path"]
    manifest = snapshots.read_manifest(path)
    assert manifest.to_dict() == json.loads(place.files()[f"{ACCOUNT}/snapshot=20261122T000000Z/manifest.json"])
    assert manifest.source.base_url == sandbox.base_url
    assert manifest.schema_report.absent_fields == []


def test_iter_records_is_in_order_and_lazy(place: Place, sandbox: Sandbox, context: Any) -> None:
    """Records come one by one in order of ``assistant_id``, and what is not taken is not waited for."""
    path = place.take(context)["manifest_path"]
    records = snapshots.iter_records(path)
    first = next(records)
    assert first["assistant_id"] == min(sandbox.fleet.ids())
    assert first == sandbox.fleet.get(first["assistant_id"])
    records.close()
    assert [record["assistant_id"] for record in snapshots.iter_records(path)] == sorted(sandbox.fleet.ids())


@pytest.mark.parametrize(
    "path",
    [
        "",
        "manifest.json",
        "/tmp",
        "/fleet/account=a/snapshot=b/",
        "/fleet/account=a/snapshot=b",
        "/fleet/account=a/snapshot=b/changes.jsonl",
        "/fleet/snapshot=b/account=a/manifest.json",
        "/fleet/account=../snapshot=b/manifest.json",
        "/fleet/account=a/snapshot=/manifest.json",
    ],
)
def test_what_is_no_manifest_is_said_to_be_none(path: str) -> None:
    """A path that cannot be a manifest's is refused with the form that one has."""
    for read in (snapshots.read_manifest, snapshots.verify, lambda path: next(snapshots.iter_records(path))):
        with pytest.raises(PuretalkSnapshotError, match="is not the path of a snapshot's manifest"):
            read(path)


def test_no_snapshot_there(place: Place) -> None:
    """A manifest that is not there is a snapshot that is not there, on every storage."""
    path = f"{place.named}/{ACCOUNT}/snapshot=1/manifest.json"
    for read in (snapshots.read_manifest, snapshots.verify, lambda path: next(snapshots.iter_records(path))):
        with pytest.raises(PuretalkSnapshotError, match="There is no snapshot at"):
            read(path)


def test_missing_storage_connection_is_named() -> None:
    """An address with a connection that does not exist says so; it is not tried without credentials."""
    with pytest.raises(PuretalkError, match="no Airflow connection 'gone'"):
        snapshots.read_manifest("s3://gone@bucket/account=a/snapshot=b/manifest.json")


def test_orphans_are_never_read(folder: Folder, take: Any) -> None:
    """A data file that no manifest names does not show up anywhere, whatever it is called."""
    result = take()
    path = Path(result["files"][0])
    (path.parent / "assistants-0000000000000000.jsonl").write_text('{"assistant_id": "0"}\n')
    assert len(list(snapshots.iter_records(result["manifest_path"]))) == 250
    assert len(snapshots.list_snapshots(folder.destination)) == 1


def test_a_moved_destination_is_still_readable(folder: Folder, take: Any, tmp_path: Path) -> None:
    """Nothing in a snapshot says where it lies, so a destination can be moved as a whole."""
    take(partition="1")
    moved = folder.root.rename(tmp_path / "elsewhere")
    (info,) = snapshots.list_snapshots(str(moved))
    assert snapshots.verify(info.manifest_path).count == 250
    assert str(folder.root).encode() not in (Path(info.manifest_path)).read_bytes()


@pytest.mark.long
def test_reading_parquet_keeps_the_collector_from_what_was_there_before(take: Any) -> None:
    """A reading that is left off halfway as well, and afterwards all is as it was."""
    if gc.get_freeze_count():
        pytest.skip("somebody has put things out of sight already")
    records = snapshots.iter_records(take(file_format="parquet")["manifest_path"])
    next(records)
    assert gc.get_freeze_count() > 0
    records.close()
    assert gc.get_freeze_count() == 0
