"""What becomes of a snapshot that lies where a new one is to go."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from airflow_provider_puretalk import snapshots
from airflow_provider_puretalk.exceptions import PuretalkConfigurationError, SnapshotExistsError
from airflow_provider_puretalk.hooks import PuretalkHook
from airflow_provider_puretalk.sandbox import Sandbox
from airflow_provider_puretalk.snapshots.storage.object_storage import Storage
from airflow_provider_puretalk.take_snapshot import take_snapshot
from tests.places import ACCOUNT, Folder, Place, make_place

FOLDER = f"{ACCOUNT}/snapshot=20261122T000000Z"
OTHERS = [{"dag_id": "hourly"}, {"task_id": "nightly"}, {"run_id": "manual__1"}, {"map_index": 0}]


@pytest.fixture
def spoken(caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> Callable[[], str]:
    """Everything that was logged or printed, however Airflow's loggers got it out."""
    caplog.set_level(logging.INFO)
    return lambda: "".join([*(record.getMessage() for record in caplog.records), *capfd.readouterr()])


def of(context: Any, **instance: Any) -> dict[str, Any]:
    """Return the context of another task instance."""
    return {**context, "ti": SimpleNamespace(**vars(context["ti"]) | instance)}


def make_older(place: Place, hours: float) -> None:
    """Let the stored snapshot have been read so long ago."""
    name = f"{FOLDER}/manifest.json"
    read = datetime.now(UTC) - timedelta(hours=hours)
    place.write(name, json.dumps(json.loads(place.files()[name]) | {"finished_at": read.isoformat()}).encode())


def refused(place: Place, sandbox: Sandbox, context: Any, *said: str, **arguments: Any) -> None:
    """Take a snapshot that must be refused without a request and without a trace."""
    before, requests = place.files(), sandbox.request_count
    with pytest.raises(PuretalkConfigurationError) as caught:
        place.take(context, **arguments)
    assert [one for one in said if one not in str(caught.value)] == []
    assert place.files() == before
    assert sandbox.request_count == requests


@pytest.mark.parametrize("other", OTHERS, ids=str)
def test_by_default_another_task_instance_replaces_nothing(
    place: Place, sandbox: Sandbox, context: Any, other: dict[str, Any]
) -> None:
    """The error names dag, task and run of what is there, and the ways out."""
    place.take(context)
    refused(
        place, sandbox, of(context, **other), "'fleet'", "'snapshot'", context["ti"].run_id, "partition", "if_exists"
    )


def test_by_default_a_rerun_replaces_its_own(place: Place, sandbox: Sandbox, context: Any) -> None:
    """The same dag, task, run and map index."""
    mapped = of(context, map_index=3)
    place.take(mapped)
    make_older(place, 23)
    sandbox.fleet.replace_all(list(sandbox.fleet)[:7])
    assert place.take(mapped)["count"] == 7


def test_a_run_of_last_month_that_is_cleared_keeps_its_record(place: Place, sandbox: Sandbox, context: Any) -> None:
    """What was read more than 24 hours ago is not replaced by how the fleet is now."""
    place.take(context)
    make_older(place, 25)
    refused(place, sandbox, context, "24 hours", "if_exists")


@pytest.mark.parametrize("if_exists", ["replace_own", "keep"])
@pytest.mark.parametrize("policies", [(None, {"name": "mask"}), ({"name": "mask"}, None)], ids=str)
def test_policies_do_not_stand_for_each_other(
    place: Place, sandbox: Sandbox, context: Any, policies: tuple[Any, Any], if_exists: str
) -> None:
    """Neither replaces the other, nor is it handed on instead; ``replace`` says that it shall be replaced."""
    first, second = policies
    place.take(context, redact=first)
    refused(place, sandbox, context, "name: mask", "nothing redacted", redact=second, if_exists=if_exists)
    place.take(context, redact=second, if_exists="replace")
    manifest = json.loads(place.files()[f"{FOLDER}/manifest.json"])
    assert manifest["redaction"]["policy"] == (second or {})


@pytest.mark.parametrize("other", OTHERS, ids=str)
def test_replace_replaces_whoever_wrote_it(
    folder: Folder, sandbox: Sandbox, context: Any, other: dict[str, Any]
) -> None:
    """Whatever its age, too."""
    folder.take(of(context, **other))
    make_older(folder, 1000)
    sandbox.fleet.replace_all(list(sandbox.fleet)[:7])
    assert folder.take(context, if_exists="replace")["count"] == 7


def test_keep_makes_the_stored_one_the_result(
    place: Place, sandbox: Sandbox, context: Any, spoken: Callable[[], str]
) -> None:
    """Nothing is read, the result is that of the task that wrote it, and the log says who that was."""
    place.take(context, partition="earlier")
    first = place.take(context)
    before, requests = place.files(), sandbox.request_count
    sandbox.fleet.replace_all(list(sandbox.fleet)[:7])
    assert place.take(of(context, dag_id="other"), if_exists="keep", file_format="parquet") == first
    assert place.files() == before
    assert sandbox.request_count == requests
    assert "is kept: 250 assistants, written by the task 'snapshot' of the DAG 'fleet'" in spoken()


@pytest.mark.parametrize("damage", ["missing", "torn"])
def test_keep_keeps_nothing_that_lost_its_data(place: Place, sandbox: Sandbox, context: Any, damage: str) -> None:
    """A manifest alone is a claim: the error says what is wrong before anything is read, and ``replace`` heals it."""
    place.take(context, partition="1")
    (data,) = [name for name in place.files() if "/assistants-" in name]
    if damage == "missing":
        place.remove(data)
    else:
        place.write(data, b"torn")
    sent = sandbox.request_count
    with pytest.raises(SnapshotExistsError, match=rf"cannot be kept: .*{data.rpartition('/')[2]}.*'replace'"):
        place.take(context, partition="1", if_exists="keep")
    assert sandbox.request_count == sent
    assert snapshots.verify(place.take(context, partition="1", if_exists="replace")["manifest_path"]).count == 250


def test_keep_reads_where_there_is_none(folder: Folder, sandbox: Sandbox, context: Any) -> None:
    assert folder.take(context, if_exists="keep")["count"] == 250


def test_fail_replaces_nothing_not_even_its_own(place: Place, sandbox: Sandbox, context: Any) -> None:
    place.take(context, if_exists="fail")
    refused(place, sandbox, context, "'fleet'", "'fail'", if_exists="fail")


@pytest.mark.parametrize("choice", ["", "None", "overwrite", None, True])
def test_other_choices_are_refused(folder: Folder, sandbox: Sandbox, context: Any, choice: Any) -> None:
    """By the operator and by the function that it calls."""
    refused(folder, sandbox, context, "if_exists", if_exists=choice)
    with pytest.raises(PuretalkConfigurationError, match="if_exists"):
        take_snapshot(PuretalkHook(), Storage(folder.destination), snapshot="1", if_exists=choice)


def test_what_is_taken_outside_a_dag_is_nobodys_own(folder: Folder, sandbox: Sandbox, context: Any) -> None:
    """No run says that it is the same one; a task does not take it for its own either."""

    def take(**arguments: Any) -> Any:
        return take_snapshot(PuretalkHook(), Storage(folder.destination), snapshot="20261122T000000Z", **arguments)

    take()
    with pytest.raises(PuretalkConfigurationError, match="outside a DAG"):
        take()
    refused(folder, sandbox, context, "outside a DAG")
    assert take(if_exists="keep").manifest.count == 250
    sandbox.fleet.replace_all(list(sandbox.fleet)[:7])
    assert take(if_exists="replace").manifest.count == 7


@pytest.mark.long
@pytest.mark.parametrize("if_exists", ["replace_own", "keep", "fail", "replace"])
def test_a_task_that_came_first_during_the_reading(
    place: Place, sandbox: Sandbox, context: Any, if_exists: str
) -> None:
    """What it committed is checked once more before the commit: it stays unless it was to be replaced."""
    done: list[dict[str, Any]] = []

    def come_first(_: Any) -> None:
        if not done:
            done.append({})
            sandbox.fleet.replace_all(list(sandbox.fleet)[:7])
            # Not by the operator: Airflow 2 lets none run in another thread.
            source = vars(context["ti"]) | {"dag_id": "faster"}
            storage = Storage(place.destination, place.storage_conn_id)
            taken = take_snapshot(
                PuretalkHook(), storage, snapshot="20261122T000000Z", file_format="parquet", source=source
            )
            done.append(taken.to_dict())

    sandbox.before_request(sandbox.request_count + 1, come_first)
    if if_exists == "replace":
        assert place.take(context, if_exists=if_exists)["files"][0].endswith(".jsonl.gz")
        assert len([name for name in place.files() if "assistants-" in name]) == 1
        return
    if if_exists == "keep":
        assert place.take(context, if_exists=if_exists) == done[1]
    else:
        with pytest.raises(PuretalkConfigurationError, match="'faster'"):
            place.take(context, if_exists=if_exists)
    assert snapshots.verify(done[1]["manifest_path"]).source.dag_id == "faster"
    (data,) = [name for name in place.files() if "assistants-" in name]
    assert data.endswith(".parquet")


@pytest.mark.parametrize("kind", ["path", "s3"])
def test_a_file_that_others_made_meanwhile_is_not_replaced(request: pytest.FixtureRequest, kind: str) -> None:
    """Where a file may only be new, the storage itself refuses another: on a disk and in a bucket."""
    place = make_place(kind, request)
    storage = Storage(place.destination, place.storage_conn_id)
    storage.put_bytes(b"1", "account=a/x", only_new=True)
    with pytest.raises(FileExistsError):
        storage.put_bytes(b"2", "account=a/x", only_new=True)
    assert place.files() == {"account=a/x": b"1"}


# --- names that lead to another's folder -----------------------------------------------------------------------------


@pytest.mark.parametrize("if_exists", ["replace_own", "replace", "keep", "fail"])
def test_an_account_whose_folder_is_anothers(
    folder: Folder, sandbox: Sandbox, context: Any, connection: Callable[..., str], if_exists: str
) -> None:
    """As where a file system ignores case: the identity in the manifest counts, whatever ``if_exists`` says."""
    connection("upper", host=sandbox.base_url, password=sandbox.api_key, extra={"account": "PureTalk_default"})
    folder.take(context)
    (folder.root / "account=PureTalk_default").symlink_to(folder.root / ACCOUNT, target_is_directory=True)
    refused(folder, sandbox, context, "'puretalk_default'", "case", puretalk_conn_id="upper", if_exists=if_exists)


@pytest.mark.parametrize("if_exists", ["replace_own", "replace", "keep", "fail"])
def test_a_partition_whose_folder_is_anothers(folder: Folder, sandbox: Sandbox, context: Any, if_exists: str) -> None:
    """As above, one folder deeper."""
    folder.take(context, partition="daily")
    (folder.root / ACCOUNT / "snapshot=Daily").symlink_to(folder.root / ACCOUNT / "snapshot=daily")
    refused(folder, sandbox, context, "'daily'", partition="Daily", if_exists=if_exists)


@pytest.mark.parametrize("manifest", ["newer", "damaged"])
def test_identity_counts_also_where_the_rest_is_not_understood(
    folder: Folder, sandbox: Sandbox, context: Any, manifest: str
) -> None:
    """A newer release's manifest, or one that lacks fields, still says whose it is."""
    folder.take(context, partition="daily")
    name = f"{ACCOUNT}/snapshot=daily/manifest.json"
    said = json.loads(folder.files()[name])
    folder.write(name, json.dumps(said | ({"format_version": 2} if manifest == "newer" else {"count": "?"})).encode())
    refused(folder, sandbox, of(context, dag_id="other"), "'fleet'", partition="daily")
    (folder.root / ACCOUNT / "snapshot=Daily").symlink_to(folder.root / ACCOUNT / "snapshot=daily")
    refused(folder, sandbox, context, "'daily'", partition="Daily", if_exists="replace")
    folder.take(context, partition="daily")


@pytest.mark.parametrize("damage", [b"", b"null", b"[]", b'{"format_version": 99}', b"\xff"], ids=repr)
@pytest.mark.parametrize("if_exists", ["keep", "fail"])
def test_what_is_not_understood_is_no_result(
    folder: Folder, sandbox: Sandbox, context: Any, damage: bytes, if_exists: str
) -> None:
    """It is neither kept nor passed over: the error says what lies there."""
    folder.write(f"{FOLDER}/manifest.json", damage)
    refused(folder, sandbox, context, "manifest.json", "replace", if_exists=if_exists)


def test_a_file_system_that_does_not_tell_case(
    folder: Folder, sandbox: Sandbox, context: Any, connection: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two accounts, or two partitions, that differ in nothing else are not mixed, even where no manifest is replaced."""
    from fsspec.implementations.local import LocalFileSystem

    folder.take(context, partition="daily")
    info = LocalFileSystem.info

    def info_in_any_case(self: Any, path: str, **arguments: Any) -> Any:
        for one in (ACCOUNT, "snapshot=daily"):
            path = re.sub(f"{one}(?=/|$)", one, str(path), flags=re.IGNORECASE)
        return info(self, path, **arguments)

    monkeypatch.setattr(LocalFileSystem, "info", info_in_any_case)
    connection("upper", host=sandbox.base_url, password=sandbox.api_key, extra={"account": "PureTalk_default"})
    refused(folder, sandbox, context, "case", puretalk_conn_id="upper", partition="weekly")
    refused(folder, sandbox, context, "case", partition="DAILY")
