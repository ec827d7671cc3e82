"""What the next snapshot says of the ones before it."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from typing import Any

import pytest

from airflow_provider_puretalk import snapshots
from airflow_provider_puretalk.sandbox import Sandbox
from tests.places import ACCOUNT, Folder, Place


def manifest_of(folder: Folder, snapshot: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(folder.files()[f"{ACCOUNT}/snapshot={snapshot}/manifest.json"])
    return loaded


def edit_manifest(folder: Folder, snapshot: str, **changes: Any) -> None:
    changed = manifest_of(folder, snapshot) | changes
    folder.write(f"{ACCOUNT}/snapshot={snapshot}/manifest.json", json.dumps(changed).encode())


@pytest.mark.parametrize(
    "form",
    [
        {"compression": "gzip"},
        {"compression": "zstd"},
        {"compression": None},
        {"file_format": "parquet"},
    ],
    ids=str,
)
def test_unchanged_fleet_gives_the_same_bytes(folder: Folder, take: Any, form: dict[str, Any]) -> None:
    """A second snapshot of an unchanged fleet has the same bytes under the same name, and says so."""
    first = take(partition="2026-11-21", **form)
    second = take(partition="2026-11-22", **form)
    files = folder.files()
    (one,) = manifest_of(folder, "2026-11-21")["files"]
    (two,) = manifest_of(folder, "2026-11-22")["files"]
    assert one == two
    assert (
        files[f"{ACCOUNT}/snapshot=2026-11-21/{one['name']}"] == files[f"{ACCOUNT}/snapshot=2026-11-22/{two['name']}"]
    )
    assert first["unchanged"] is None
    assert first["previous_snapshot"] is None
    assert second["unchanged"] is True
    assert second["previous_snapshot"] == "2026-11-21"


def test_changed_fleet_is_changed(place: Place, sandbox: Sandbox, context: Any) -> None:
    """One word in one prompt makes a snapshot differ from the one before it, which stays as it was."""
    first = place.take(context, partition="2026-11-21")
    before = place.files()
    sandbox.fleet.change(sandbox.fleet.ids()[100], {"prompt": "Hello."})
    second = place.take(context, partition="2026-11-22")
    assert second["unchanged"] is False
    assert second["previous_snapshot"] == "2026-11-21"
    assert second["content_sha256"] != first["content_sha256"]
    assert {name: data for name, data in place.files().items() if "2026-11-21" in name} == before
    assert snapshots.verify(first["manifest_path"]).content_sha256 == first["content_sha256"]


def test_only_saved_again_is_unchanged(folder: Folder, sandbox: Sandbox, take: Any) -> None:
    """Where only ``updated_at`` changed, the content is unchanged while the raw hash differs."""
    first = take(partition="2026-11-21")
    sandbox.fleet.change(sandbox.fleet.ids()[7], {})
    second = take(partition="2026-11-22")
    assert second["unchanged"] is True
    assert second["content_sha256"] == first["content_sha256"]
    one, two = manifest_of(folder, "2026-11-21"), manifest_of(folder, "2026-11-22")
    assert one["raw_sha256"] != two["raw_sha256"]
    assert one["files"] != two["files"]


@pytest.mark.parametrize(
    "moved",
    [
        "2026-11-22T00:00:00Z",
        'a "quoted" \\ value\n',
        "",
        None,
        7,
        {"updated_at": "inside"},
        ["2026", {"updated_at": 1}],
    ],
    ids=repr,
)
@pytest.mark.parametrize(
    "rest",
    [
        pytest.param({}, id="alone"),
        pytest.param({"zz": ',"updated_at":"x"'}, id="in a text"),
        pytest.param({"user": {"updated_at": "x", "a": 1}, "z": [{"b": 1, "updated_at": "x"}]}, id="inside others"),
        pytest.param({"\ud800": "\udfff"}, id="beside half a character"),
    ],
)
def test_whatever_updated_at_holds_only_it_is_left_out(
    folder: Folder, sandbox: Sandbox, context: Any, moved: Any, rest: dict[str, Any]
) -> None:
    """The content hash is that of the records without this one field, whatever its value and whatever stands beside."""
    hashes = []
    for partition, value in enumerate(("2026-11-21T00:00:00Z", moved), start=1):
        sandbox.fleet.replace_all([{"assistant_id": "a", "updated_at": value, **rest}])
        hashes.append(folder.take(context, partition=str(partition))["content_sha256"])
    sandbox.fleet.replace_all([{"assistant_id": "a", **rest}])
    hashes.append(folder.take(context, partition="3")["content_sha256"])
    assert len(set(hashes)) == 1


def test_null_is_not_absent(folder: Folder, connection: Callable[..., str], context: Any, sandbox: Sandbox) -> None:
    """A field that became null where it was absent is a change, and so is ``updated_at`` inside another object."""
    record = {"assistant_id": "a", "user": {"updated_at": "2026-11-21T00:00:00Z"}}
    sandbox.fleet.replace_all([record])
    folder.take(context, partition="1")
    sandbox.fleet.replace_all([record | {"phone_number": None}])
    assert folder.take(context, partition="2")["unchanged"] is False
    sandbox.fleet.replace_all([{"assistant_id": "a", "user": {"updated_at": "2026-11-22T00:00:00Z"}}])
    assert folder.take(context, partition="3")["unchanged"] is False


@pytest.mark.long
def test_previous_is_the_complete_one_read_last(place: Place, sandbox: Sandbox, context: Any) -> None:
    """Order is by when it was read, not by name: what was read before is what the next one is held against."""
    previous = None
    for partition in ("2026-11-20", "2026-11-24", "2026-11-22", "baseline", "1"):
        assert place.take(context, partition=partition)["previous_snapshot"] == previous
        previous = partition
    assert place.take(context, partition="1")["previous_snapshot"] == "baseline", "a rerun met what it replaced"


@pytest.mark.long
def test_incomplete_snapshots_are_no_measure(
    folder: Folder, sandbox: Sandbox, take: Any, connection: Callable[..., str]
) -> None:
    """A reading that proved nothing is kept and says so, and the next snapshot is compared with the one before it."""
    connection(host=sandbox.base_url, password=sandbox.api_key, extra={"page_size": 100})
    take(partition="1")
    # The list shrinks while its second page is read: rows are missing, and `best_effort` keeps what came.
    shorter = list(sandbox.fleet)[10:]
    sandbox.before_request(sandbox.request_count + 2, lambda request: sandbox.fleet.replace_all(shorter))
    torn = take(partition="2", consistency="best_effort")
    assert torn["complete"] is False
    assert torn["previous_snapshot"] == "1"
    assert manifest_of(folder, "2")["complete"] is False
    assert manifest_of(folder, "2")["consistency"]["requested"] == "best_effort"
    assert snapshots.verify(torn["manifest_path"]).count == torn["count"]
    assert take(partition="3")["previous_snapshot"] == "1"


@pytest.mark.parametrize(
    "data",
    [b"", b"{}", b"not JSON", b"[]", b'{"format_version": 1}', b"\xff\xfe", b'{"format_version": 2, "all": "new"}'],
    ids=repr,
)
def test_unreadable_manifests_stop_nothing(
    folder: Folder, take: Any, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str], data: bytes
) -> None:
    """A damaged or newer manifest does not stop the next snapshot; whether that is unchanged is unknown, and logged."""
    take(partition="1")
    folder.write(f"{ACCOUNT}/snapshot=2/manifest.json", data)
    with caplog.at_level(logging.WARNING):
        taken = take(partition="3")
    assert (taken["previous_snapshot"], taken["unchanged"]) == (None, None)
    assert "snapshot=2/manifest.json is" in caplog.text + capfd.readouterr().out
    assert folder.files()[f"{ACCOUNT}/snapshot=2/manifest.json"] == data


@pytest.mark.long
def test_other_things_in_the_folder_are_no_snapshots(place: Place, sandbox: Sandbox, context: Any) -> None:
    """Data without a manifest, foreign names and a stray file are orphans: ignored, and kept."""
    orphans = {
        f"{ACCOUNT}/snapshot=2026-11-20/assistants-0123456789abcdef.jsonl.gz": b"half a snapshot",
        f"{ACCOUNT}/snapshot=2026-11-20/.assistants-0123456789abcdef.jsonl.gz.1.tmp": b"a temporary file",
        f"{ACCOUNT}/snapshot=2026-11-20/.manifest.json.1.tmp": b"a temporary file",
        f"{ACCOUNT}/snapshot=../manifest.json".replace("..", "a b"): b"no name of a snapshot",
        f"{ACCOUNT}/backup/manifest.json": b"not ours",
        f"{ACCOUNT}/snapshot=2026-11-19": b"a file where a folder should be",
        "account=somebody/notes.txt": b"not ours",
        "README.md": b"not ours",
    }
    for name, data in orphans.items():
        place.write(name, data)
    result = place.take(context, partition="2026-11-21")
    assert result["previous_snapshot"] is None
    assert [info.snapshot for info in snapshots.list_snapshots(place.named)] == ["2026-11-21"]
    assert {name: place.files()[name] for name in orphans} == orphans


@pytest.mark.long
def test_accounts_do_not_meet(folder: Folder, connection: Callable[..., str], sandbox: Sandbox, context: Any) -> None:
    """Snapshots of two accounts in one destination know nothing of each other; the connection names the account."""
    place = {"host": sandbox.base_url, "password": sandbox.api_key}
    connection("emea_conn", extra={"account": "eu:sales"}, **place)
    connection("emea_conn_too", extra={"account": "eu:sales"}, **place)
    folder.take(context, partition="1")
    first = folder.take(context, partition="2", puretalk_conn_id="emea_conn")
    assert first["account"] == "eu:sales"
    assert first["previous_snapshot"] is None
    assert folder.take(context, partition="3", puretalk_conn_id="emea_conn_too")["previous_snapshot"] == "2"


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"canonical_version": 0}, id="other spelling"),
        pytest.param({"redaction": {"policy": {"user.email": "mask"}, "key_fingerprint": None}}, id="other redaction"),
        pytest.param({"redaction": {"policy": {}, "key_fingerprint": "0f"}}, id="other key"),
    ],
)
def test_unchanged_only_under_the_same_rules(folder: Folder, take: Any, changes: dict[str, Any]) -> None:
    """The same hash under another redaction or spelling means nothing, so it does not count as unchanged."""
    take(partition="1")
    edit_manifest(folder, "1", **changes)
    assert take(partition="2")["unchanged"] is False


def test_fields_that_a_later_release_adds_do_not_hurt(folder: Folder, take: Any) -> None:
    """A manifest of the same format with additional fields is read like any other, and keeps them."""
    path = take(partition="1")["manifest_path"]
    edit_manifest(folder, "1", approved_by="somebody")
    assert take(partition="2")["unchanged"] is True
    assert snapshots.verify(path).to_dict()["approved_by"] == "somebody"
