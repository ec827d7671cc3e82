"""Once the manifest is there the snapshot stands: tidying up behind it decides nothing, and hides nothing."""

from __future__ import annotations

import errno
import logging
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from fsspec.implementations.local import LocalFileSystem

from airflow_provider_puretalk import snapshots
from airflow_provider_puretalk.exceptions import PuretalkError, is_transient
from airflow_provider_puretalk.sandbox import Sandbox
from airflow_provider_puretalk.snapshots.storage.object_storage import Storage
from tests.places import ACCOUNT, Folder, Place
from tests.s3_front import Policy, guarded_by, tried_once

FOLDER = f"{ACCOUNT}/snapshot=1"
REDACT = {"prompt": "drop"}


@pytest.fixture
def guarded(s3_bucket: str, connection: Callable[..., str], folder: Folder, context: Any) -> Any:
    """Take a snapshot ``1`` into the bucket, by a connection that may do no more than a policy allows."""

    @contextmanager
    def taking(policy: Policy) -> Iterator[Callable[..., Any]]:
        with guarded_by(policy) as url:
            conn_id = f"guarded_{uuid.uuid4().hex[:8]}"
            connection(conn_id, **tried_once(url))
            yield lambda **given: folder.take(
                context, destination=f"s3://{s3_bucket}/fleet", storage_conn_id=conn_id, partition="1", **given
            )

    return taking


def no_deleting(method: str, path: str, query: dict[str, str]) -> bool:
    return method != "DELETE" and "delete" not in query


def change(sandbox: Sandbox) -> None:
    sandbox.fleet.change(sandbox.fleet.ids()[0], {"name": uuid.uuid4().hex})


def name_of(result: dict[str, Any]) -> str:
    return str(result["files"][0]).rpartition("/")[2]


@pytest.mark.long
def test_no_right_to_delete(sandbox: Sandbox, guarded: Any, caplog: pytest.LogCaptureFixture) -> None:
    """A rerun succeeds where it may write and not delete, and a warning names the file that stays."""
    with guarded(no_deleting) as take:
        old = take()
        change(sandbox)
        with caplog.at_level(logging.WARNING):
            new = take()
        assert name_of(old) != name_of(new)
        assert any(name_of(old) in record.getMessage() for record in caplog.records)
        assert snapshots.verify(new["manifest_path"]).count == 250
        assert take(redact=None)["content_sha256"] == new["content_sha256"]


@pytest.mark.long
def test_unredacted_data_that_cannot_be_removed_is_an_error(
    sandbox: Sandbox, guarded: Any, folder: Folder, context: Any
) -> None:
    """The redacted snapshot stands, and the task fails and names the file; so does the next try, until it is gone."""
    allowed = [False]
    with guarded(lambda *request: allowed[0] or no_deleting(*request)) as take:
        old = take()
        for _ in range(2):
            with pytest.raises(PuretalkError, match=name_of(old)) as caught:
                take(redact=REDACT, if_exists="replace")
            assert not is_transient(caught.value)
            manifest = snapshots.verify(old["manifest_path"])
            assert manifest.redaction.policy == REDACT
            change(sandbox)
        allowed[0] = True
        new = take(redact=REDACT, if_exists="replace")
        storage = Storage(new["manifest_path"].split("/account=")[0])
        assert storage.names(FOLDER) == sorted([name_of(new), "manifest.json"])


@pytest.mark.long
def test_the_same_redaction_holds_nothing_more(sandbox: Sandbox, guarded: Any) -> None:
    """What was redacted alike may stay, as anything: nothing is in it that should not be."""
    with guarded(no_deleting) as take:
        take(redact=REDACT, if_exists="replace")
        change(sandbox)
        assert snapshots.verify(take(redact=REDACT, if_exists="replace")["manifest_path"]).count == 250


@pytest.mark.long
def test_a_storage_that_is_out_of_breath_after_the_commit(
    sandbox: Sandbox, guarded: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """Requests after the commit may fail as well; with a redaction the error says that it may be over soon."""
    committed: list[str] = []

    def policy(method: str, path: str, query: dict[str, str]) -> bool | str:
        if method == "PUT" and path.endswith("manifest.json"):
            committed.append(path)
            return True
        return True if len(committed) < 2 else "503 SlowDown"

    with guarded(policy) as take:
        take()
        change(sandbox)
        with caplog.at_level(logging.WARNING):
            take()
        assert "could not be removed" in caplog.text
        committed.pop()
        with pytest.raises(PuretalkError, match="is committed") as caught:
            take(redact=REDACT, if_exists="replace")
        assert is_transient(caught.value)
        committed.clear()


@pytest.mark.long
def test_no_room_for_a_copy_of_what_was_replaced(
    sandbox: Sandbox, folder: Folder, take: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The copy is for the case that a twin needs the file; without room for it the file stays, and is named."""
    old = take(partition="1")
    change(sandbox)

    def full(self: Any, path: str, copy: str, **_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", copy)

    with monkeypatch.context() as patched:
        patched.setattr(LocalFileSystem, "get_file", full)
        with caplog.at_level(logging.WARNING):
            new = take(partition="1")
        assert new["manifest_path"] == old["manifest_path"]
        assert name_of(old) in caplog.text
        with pytest.raises(PuretalkError, match=name_of(new)):
            take(partition="1", redact=REDACT, if_exists="replace")
    last = take(partition="1", redact=REDACT, if_exists="replace")
    assert sorted(folder.files()) == [f"{FOLDER}/{name_of(last)}", f"{FOLDER}/manifest.json"]


def test_a_manifest_that_is_not_understood_had_named_something(sandbox: Sandbox, folder: Folder, take: Any) -> None:
    """A redacted rerun removes what lay there before, also where nobody knows any more to which manifest it belonged."""
    old = take(partition="1")
    folder.write(f"{FOLDER}/manifest.json", b"{")
    new = take(partition="1", redact=REDACT, if_exists="replace")
    assert sorted(folder.files()) == [f"{FOLDER}/{name_of(new)}", f"{FOLDER}/manifest.json"]
    assert name_of(old) != name_of(new)


@pytest.fixture
def left_behind(place: Place, sandbox: Sandbox, context: Any) -> str:
    """What a rerun with ``redact`` leaves that is killed once its manifest is there: the path of unredacted data."""
    place.take(context, partition="1")
    (old,) = [name for name in place.files() if "/assistants-" in name]
    data = place.files()[old]
    place.take(context, partition="1", redact=REDACT, if_exists="replace")
    place.write(old, data)
    place.age(old, 3_600)
    return old


def test_pruning_removes_at_once_what_a_killed_redaction_left(place: Place, left_behind: str) -> None:
    """However young it is; a dry run says so. The snapshot is kept, and data of a task that writes just now."""
    newer = f"{FOLDER}/assistants-0123456789abcdef.jsonl.gz"
    place.write(newer, b"")
    place.age(newer, -60)
    for dry_run in (True, False):
        pruned = snapshots.prune(
            place.destination, "puretalk_default", keep_daily=1, dry_run=dry_run, storage_conn_id=place.storage_conn_id
        )
        assert [f"{ACCOUNT}/{one.name}" for one in pruned.orphans] == [left_behind]
        assert [f"{ACCOUNT}/{one.name}" for one in pruned.skipped] == [newer]
        assert (left_behind in place.files()) is dry_run
    assert newer in place.files()


@pytest.mark.long
def test_verify_names_what_a_killed_redaction_left(
    place: Place, left_behind: str, context: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """In a warning: the snapshot itself is what it says. Once it is gone nothing is said."""
    path = f"{place.named}/{FOLDER}/manifest.json"
    with caplog.at_level(logging.WARNING):
        assert snapshots.verify(path).redaction.policy == REDACT
    assert left_behind.rpartition("/")[2] in caplog.text
    place.take(context, partition="1", redact=REDACT, if_exists="replace")
    caplog.clear()
    snapshots.verify(path)
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


@pytest.mark.long
def test_a_comparison_that_is_not_valid_and_cannot_be_removed(sandbox: Sandbox, guarded: Any) -> None:
    """The error is still that a snapshot was replaced meanwhile, not that there is no right to delete."""
    from airflow_provider_puretalk.snapshots.comparison import comparing
    from airflow_provider_puretalk.snapshots.report import publishing

    with guarded(no_deleting) as take:
        path = take()["manifest_path"]
        with comparing.compare(None, path) as comparison:
            change(sandbox)
            take()
            with pytest.raises(PuretalkError, match="was replaced or removed while it was compared"):
                publishing.publish(Storage(path.split("/account=")[0]), comparison)
