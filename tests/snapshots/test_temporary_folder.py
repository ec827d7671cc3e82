"""The temporary folder: what it cannot hold is an error of its own, and a killed process leaves nothing in it."""

from __future__ import annotations

import errno
import os
import signal
import sqlite3
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_puretalk import snapshots, temporary
from airflow_provider_puretalk.exceptions import PuretalkError, PuretalkTemporaryFolderError, is_transient
from airflow_provider_puretalk.sandbox import Sandbox
from airflow_provider_puretalk.scan.spool import Spool
from airflow_provider_puretalk.snapshots.comparison.change_store import ChangeStore
from airflow_provider_puretalk.snapshots.storage.object_storage import Storage
from tests.operators.test_snapshot_storage_failures import mounted
from tests.places import Bucket, Folder, make_place

READERS: dict[str, Callable[[str, str], object]] = {
    "iter_records": lambda a, b: list(snapshots.iter_records(b)),
    "verify": lambda a, b: snapshots.verify(b),
    "compare": lambda a, b: snapshots.compare(a, b),
}


@pytest.fixture
def two(folder: Folder, sandbox: Sandbox, context: Any) -> tuple[str, str]:
    """Two sound snapshots of 250 assistants, uncompressed; paths of their manifests."""
    first = folder.take(context, partition="1", compression=None)
    sandbox.fleet.change(sandbox.fleet.ids()[0], {"name": "Renamed"})
    return first["manifest_path"], folder.take(context, partition="2", compression=None)["manifest_path"]


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("named_by", ["tempdir", "TMPDIR"])
def test_missing_temporary_folder(
    two: tuple[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, reader: str, named_by: str
) -> None:
    """A folder that is gone is named together with TMPDIR; the snapshot is not called damaged, and waiting is no use."""
    gone = str(tmp_path / "gone")
    monkeypatch.setattr(tempfile, "tempdir", gone if named_by == "tempdir" else None)
    if named_by == "TMPDIR":
        monkeypatch.setenv("TMPDIR", gone)
    with pytest.raises(PuretalkTemporaryFolderError, match=rf"{gone} cannot hold .*TMPDIR") as caught:
        READERS[reader](*two)
    assert not is_transient(caught.value)


@pytest.mark.parametrize("reader", READERS)
def test_full_temporary_folder(
    two: tuple[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, reader: str
) -> None:
    """A folder without room is named, and the error is transient: others may make room."""
    small = tmp_path / "small"
    small.mkdir()
    with mounted(small, "-t", "tmpfs", "-o", "size=64k", "tmpfs"):
        monkeypatch.setattr(tempfile, "tempdir", str(small))
        with pytest.raises(
            PuretalkTemporaryFolderError, match=rf"{small} cannot hold .*No space left.*TMPDIR"
        ) as caught:
            READERS[reader](*two)
        assert is_transient(caught.value)
        monkeypatch.setattr(tempfile, "tempdir", None)


@pytest.mark.parametrize("make", [Spool, ChangeStore, lambda: temporary.database("it").execute("CREATE TABLE a (b)")])
def test_errors_of_sqlite(make: Callable[[], object], monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever SQLite says of its file, from the first statement on, is an error of the temporary folder."""

    class Failing(sqlite3.Connection):
        def execute(self, *args: Any) -> Any:
            error = sqlite3.OperationalError("database or disk is full")
            error.sqlite_errorcode = sqlite3.SQLITE_FULL
            raise error

    connect = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda *args, **named: connect(*args, factory=Failing, **named))
    with pytest.raises(PuretalkTemporaryFolderError, match=r"temporary folder .* cannot hold .*full.*TMPDIR") as caught:
        make()
    assert caught.value.transient


def test_a_vanished_folder_does_not_harm_what_is_open(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What was opened before the folder went stays usable."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "short-lived"))
    (tmp_path / "short-lived").mkdir()
    with temporary.local_file("it") as path:
        (tmp_path / "short-lived").rmdir()
        path.write_bytes(b"kept")
        assert path.read_bytes() == b"kept"


#: The operator that dies at a moment.
_DEATHS = {
    "while the list is read": "take",
    "when the data is opened": "take",
    "when the data is hashed or sent": "take",
    "when both sides are fetched": "compare",
    "when the changes are written": "compare",
}


@pytest.mark.long
@pytest.mark.parametrize("file_format", ["jsonl", "parquet"])
@pytest.mark.parametrize("death", _DEATHS)
@pytest.mark.parametrize("kind", ["path", "s3"])
def test_a_killed_task_leaves_no_records(
    request: pytest.FixtureRequest,
    sandbox: Sandbox,
    context: Any,
    die: Callable[..., int],
    tmp_path: Path,
    kind: str,
    death: str,
    file_format: str,
) -> None:
    """After ``kill -9`` nothing lies in the temporary folder, and nothing new in the destination, under any name."""
    place = make_place(kind, request)
    for partition in ("1", "2"):
        place.take(context, partition=partition, file_format=file_format, compression=None)
        sandbox.fleet.change(sandbox.fleet.ids()[0], {"name": "Renamed"})
    before = place.files()
    left = tmp_path / "temporary"
    left.mkdir()
    arguments: dict[str, Any] = {"destination": place.destination, "storage_conn_id": place.storage_conn_id}
    if _DEATHS[death] == "take":
        arguments |= {"partition": "3", "file_format": file_format, "compression": None}
    else:
        arguments |= {"account": "puretalk_default", "snapshot": "2", "baseline": "1"}
    assert die(_DEATHS[death], death, {"TMPDIR": str(left)}, **arguments) == -signal.SIGKILL
    assert [path for path in left.rglob("*") if path.is_file()] == []
    assert place.files() == before


def test_what_must_have_a_name_goes_with_the_next_run(
    folder: Folder, sandbox: Sandbox, context: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without nameless files the snapshot is whole as well; what a kill left goes after a day, others' folders never."""
    account = folder.root / "account=puretalk_default"
    for name, age in {".staging-killed": 90_000, ".staging-running": 60}.items():
        (account / name).mkdir(parents=True)
        (account / name / "data").write_bytes(b"records")
        for path in (account / name / "data", account / name):
            os.utime(path, (time.time() - age, time.time() - age))
    monkeypatch.setattr(temporary, "_last_touched", lambda stat: stat.st_mtime)
    open_file = os.open

    def without(path: Any, flags: int, *rest: Any, **named: Any) -> int:
        if flags & os.O_TMPFILE == os.O_TMPFILE:
            raise OSError(95, "Operation not supported")
        return open_file(path, flags, *rest, **named)

    monkeypatch.setattr(os, "open", without)
    result = folder.take(context)
    assert snapshots.verify(result["manifest_path"]).count == 250
    assert sorted(path.name for path in account.glob(".*")) == [".staging-running"]


def test_permissions_of_what_is_stored(folder: Folder, sandbox: Sandbox, context: Any) -> None:
    """Files in the destination are as readable as the user's umask has it: others are to read them, too."""
    mask = os.umask(0)
    os.umask(mask)
    result = folder.take(context)
    for path in (*result["files"], result["manifest_path"]):
        assert Path(path).stat().st_mode & 0o777 == 0o666 & ~mask


def test_reports_in_a_bucket_open_in_a_browser(request: pytest.FixtureRequest, sandbox: Sandbox, context: Any) -> None:
    """A report is stored as a page, although the file it was written to had no name to guess that from."""
    place = make_place("s3", request)
    assert isinstance(place, Bucket)
    storage = Storage(place.destination, place.storage_conn_id)
    with storage.staging("account=a/snapshot=b") as new_file:
        page = new_file()
        page.write_bytes(b"<html>")
        storage.put(page, "account=a/snapshot=b/report.html")
    head = place.client.head_object(Bucket=place.bucket, Key=f"{place.prefix}/account=a/snapshot=b/report.html")
    assert head["ContentType"] == "text/html"


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE])
def test_too_many_open_files_are_no_fault_of_the_folder(
    two: tuple[str, str], monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """Another folder would not help; waiting does."""

    def fail(*_: Any, **__: Any) -> Any:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(tempfile, "TemporaryFile", fail)
    with pytest.raises(PuretalkError, match="Too many open files") as caught:
        snapshots.verify(two[0])
    assert is_transient(caught.value)
    assert "TMPDIR" not in str(caught.value)
