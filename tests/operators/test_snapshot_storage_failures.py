"""A storage that fails: one clear sentence, and what was kept before stays as it was."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_puretalk import snapshots
from airflow_provider_puretalk.exceptions import (
    PuretalkConfigurationError,
    PuretalkError,
    PuretalkTemporaryFolderError,
    is_transient,
)
from airflow_provider_puretalk.sandbox import Sandbox
from tests.places import ACCOUNT, Folder
from tests.s3_front import Policy, guarded_by, tried_once


@contextmanager
def mounted(folder: Path, *options: str) -> Iterator[None]:
    """Mount something for the duration of the block; the test is skipped where that is not allowed."""
    done = subprocess.run(["mount", *options, str(folder)], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"mounting is not permitted here: {done.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def is_one_sentence(error: BaseException) -> bool:
    return "\n" not in str(error) and len(str(error)) < 300 and "Traceback" not in str(error)


def test_read_only_folder(sandbox: Sandbox, folder: Folder, context: Any) -> None:
    """A destination on a read-only file system is refused before any request to the API; it can still be read."""
    kept = folder.take(context, partition="1")
    before = sandbox.request_count
    with mounted(folder.root, "--bind", str(folder.root)):
        subprocess.run(["mount", "-o", "remount,ro,bind", str(folder.root)], check=True)
        with pytest.raises(PuretalkConfigurationError, match="is read-only") as caught:
            folder.take(context, partition="2")
        assert [info.snapshot for info in snapshots.list_snapshots(folder.destination)] == ["1"]
        assert snapshots.verify(kept["manifest_path"]).count == 250
    assert is_one_sentence(caught.value)
    assert sandbox.request_count == before


def test_full_disk(sandbox: Sandbox, folder: Folder, context: Any) -> None:
    """Without room for the data the task ends in one sentence; the older snapshot stays, the new one never shows."""
    with mounted(folder.root, "-t", "tmpfs", "-o", "size=400k", "tmpfs"):
        kept = folder.take(context, partition="1")
        before = folder.files()
        for partition in ("2", "1"):
            with pytest.raises(PuretalkError, match="No space left on device") as caught:
                folder.take(context, partition=partition, compression=None)
            assert is_one_sentence(caught.value)
            assert folder.files() == before
        assert [info.snapshot for info in snapshots.list_snapshots(folder.destination)] == ["1"]
        assert snapshots.verify(kept["manifest_path"]).content_sha256 == kept["content_sha256"]


def test_disk_without_room_for_the_manifest(sandbox: Sandbox, folder: Folder, context: Any) -> None:
    """Where the data fits and the manifest does not, there is no snapshot: the manifest is the commit."""
    sandbox.fleet.replace_all(list(sandbox.fleet)[:3])
    with mounted(folder.root, "-t", "tmpfs", "-o", "nr_inodes=5,size=1m", "tmpfs"):
        # Names count here: the root, account, snapshot, data, and this one; the manifest finds no more.
        (folder.root / "filler").touch()
        with pytest.raises(PuretalkError, match=r"manifest\.json cannot be written: No space left") as caught:
            folder.take(context)
        assert is_one_sentence(caught.value)
        assert "manifest.json" not in "".join(folder.files())
        assert snapshots.list_snapshots(folder.destination) == []
        subprocess.run(["mount", "-o", "remount,nr_inodes=20", str(folder.root)], check=True)
    assert snapshots.verify(folder.take(context)["manifest_path"]).count == 3


@pytest.mark.parametrize("file_format", ["jsonl", "parquet"])
def test_full_temporary_folder(
    sandbox: Sandbox,
    folder: Folder,
    context: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    file_format: str,
) -> None:
    """Where the reading finds no room on the local disk, the task says so in one sentence and keeps nothing."""
    small = tmp_path / "small"
    small.mkdir()
    with mounted(small, "-t", "tmpfs", "-o", "size=64k", "tmpfs"):
        monkeypatch.setattr(tempfile, "tempdir", str(small))
        with pytest.raises(PuretalkTemporaryFolderError, match=rf"{small} cannot hold the reading.*TMPDIR") as caught:
            folder.take(context, file_format=file_format)
        assert is_one_sentence(caught.value)
        assert is_transient(caught.value)
        assert folder.files() == {}
        assert list(small.rglob("*")) == [], "something was left in the temporary folder"
        monkeypatch.setattr(tempfile, "tempdir", None)


@pytest.mark.parametrize("stray", ["account=puretalk_default", f"{ACCOUNT}/snapshot=1"])
def test_a_file_where_a_folder_should_be(sandbox: Sandbox, folder: Folder, context: Any, stray: str) -> None:
    """A file that stands in the way is named, and left alone."""
    folder.write(stray, b"in the way")
    with pytest.raises(PuretalkError, match=stray) as caught:
        folder.take(context, partition="1")
    assert is_one_sentence(caught.value)
    assert folder.files() == {stray: b"in the way"}


def test_destination_that_vanishes_while_the_list_is_read(sandbox: Sandbox, folder: Folder, context: Any) -> None:
    """A folder that is gone by the time of writing (a disk that was unmounted) is not made up on the way."""
    sandbox.before_request(1, lambda request: folder.root.rmdir())
    with pytest.raises(PuretalkConfigurationError, match="does not exist") as caught:
        folder.take(context)
    assert is_one_sentence(caught.value)
    assert not folder.root.exists()


@pytest.fixture
def guarded(s3_bucket: str, connection: Callable[..., str]) -> Iterator[Callable[[str, Policy], str]]:
    """Define an Airflow connection to the bucket that may do no more than a policy allows."""
    with ExitStack() as servers:

        def define(name: str, policy: Policy) -> str:
            place = {"endpoint_url": servers.enter_context(guarded_by(policy)), "region_name": "us-east-1"}
            return connection(name, conn_type="aws", host=None, login="key", password="secret", extra=place)

        yield define


def test_missing_bucket(sandbox: Sandbox, folder: Folder, s3_bucket: str, context: Any) -> None:
    """A bucket that does not exist is named before any request to the API."""
    with pytest.raises(PuretalkConfigurationError, match="no bucket 'no-such-bucket'") as caught:
        folder.take(context, destination="s3://no-such-bucket/fleet", storage_conn_id="aws_fleet")
    assert is_one_sentence(caught.value)
    assert sandbox.request_count == 0


def test_bucket_that_can_be_none(sandbox: Sandbox, folder: Folder, s3_bucket: str, context: Any) -> None:
    """What the storage's own library says of an impossible name is passed on in one line."""
    with pytest.raises(PuretalkError, match="Invalid bucket name") as caught:
        folder.take(context, destination="s3://a bucket!/fleet", storage_conn_id="aws_fleet")
    assert "\n" not in str(caught.value)
    assert sandbox.request_count == 0


@pytest.mark.long
def test_bucket_that_may_not_be_read(
    sandbox: Sandbox, folder: Folder, s3_bucket: str, guarded: Any, context: Any
) -> None:
    """A bucket that the key may not list is refused as that, not as missing, before any request to the API."""
    guarded("stranger", lambda method, path, query: False)
    with pytest.raises(PuretalkConfigurationError, match="permission denied") as caught:
        folder.take(context, destination=f"s3://{s3_bucket}/fleet", storage_conn_id="stranger")
    assert is_one_sentence(caught.value)
    assert sandbox.request_count == 0


@pytest.mark.long
def test_bucket_that_may_not_be_written(
    sandbox: Sandbox, folder: Folder, s3_bucket: str, guarded: Any, context: Any
) -> None:
    """Where the key may read and not write, the task says so, and older snapshots are as they were."""
    destination = f"s3://{s3_bucket}/fleet"
    kept = folder.take(context, destination=destination, storage_conn_id="aws_fleet", partition="1")
    guarded("reader", lambda method, path, query: method in ("GET", "HEAD"))
    with pytest.raises(PuretalkConfigurationError, match="cannot be written: permission denied") as caught:
        folder.take(context, destination=destination, storage_conn_id="reader", partition="2")
    assert is_one_sentence(caught.value)
    found = snapshots.list_snapshots(destination, storage_conn_id="reader")
    assert [info.snapshot for info in found] == ["1"]
    assert snapshots.verify(found[0].manifest_path).content_sha256 == kept["content_sha256"]


@pytest.mark.long
def test_least_rights_suffice(sandbox: Sandbox, folder: Folder, s3_bucket: str, guarded: Any, context: Any) -> None:
    """A key that may list one folder of a bucket, and not the bucket, is enough to keep snapshots there."""
    guarded(
        "keeper",
        lambda method, path, query: (
            path.startswith(f"{s3_bucket}/fleet/") or query.get("prefix", "").startswith("fleet/")
        ),
    )
    place = {"destination": f"s3://{s3_bucket}/fleet", "storage_conn_id": "keeper"}
    folder.take(context, partition="1", **place)
    sandbox.fleet.change(sandbox.fleet.ids()[0], {"name": "Renamed"})
    folder.take(context, partition="2", **place)
    sandbox.fleet.change(sandbox.fleet.ids()[0], {"name": "Renamed again"})
    again = folder.take(context, partition="2", **place)
    assert again["previous_snapshot"] == "1"
    assert snapshots.verify(again["manifest_path"]).count == 250
    assert [info.snapshot for info in snapshots.list_snapshots(f"s3://keeper@{s3_bucket}/fleet")] == ["1", "2"]


def test_storage_that_does_not_answer(
    sandbox: Sandbox, folder: Folder, connection: Callable[..., str], context: Any
) -> None:
    """A storage that cannot be reached is refused as that, not as missing, before any request to the API."""
    connection("dead", **tried_once("http://127.0.0.1:9"))
    with pytest.raises(PuretalkError, match="Could not connect") as caught:
        folder.take(context, destination="s3://bucket/fleet", storage_conn_id="dead")
    assert is_one_sentence(caught.value)
    assert sandbox.request_count == 0
