"""Waiting until the live list differs from a snapshot."""

from __future__ import annotations

import json
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowSensorTimeout

from airflow_provider_puretalk.exceptions import PuretalkConfigurationError, PuretalkError, PuretalkSnapshotError
from airflow_provider_puretalk.hooks import PuretalkHook
from airflow_provider_puretalk.operators import PERSONAL_FIELDS, PuretalkCompareSnapshotsOperator
from airflow_provider_puretalk.sandbox import Sandbox
from airflow_provider_puretalk.sensors import PuretalkAssistantsChangedSensor
from airflow_provider_puretalk.snapshots.storage.object_storage import Storage
from airflow_provider_puretalk.take_snapshot import take_snapshot
from tests.places import Folder, make_place
from tests.sensors.modes import wait


def take(account: Sandbox, folder: Folder, context: Any, partition: str = "2026-11-22", **arguments: Any) -> None:
    """Take a snapshot, and forget the requests that it took."""
    folder.take(context, partition=partition, **arguments)


def wait_for_change(folder: Any, mode: str, **arguments: Any) -> Any:
    return wait(PuretalkAssistantsChangedSensor, mode, destination=folder.destination, **arguments)


def change(account: Sandbox, place: int, **fields: Any) -> str:
    identity = account.fleet.ids()[place]
    account.fleet.change(identity, fields)
    return identity


@pytest.mark.long
def test_a_list_that_differs_already(account: Sandbox, folder: Folder, context: Any, mode: str) -> None:
    """It never defers: the summary says what differs, as a comparison of two snapshots would."""
    take(account, folder, context)
    changed = change(account, 3, prompt="Be brief.")
    account.fleet.remove(account.fleet.ids()[7])
    found = wait_for_change(folder, mode, poke_interval=3600)
    assert found["changed"] == [{"assistant_id": changed, "fields": ["prompt"]}]
    assert (found["counts"]["changed"], found["counts"]["removed"], found["counts"]["added"]) == (1, 1, 0)
    assert (found["baseline"], found["snapshot"]) == ("2026-11-22", None)
    take(account, folder, context, "2026-11-23")
    compare = PuretalkCompareSnapshotsOperator(
        task_id="compare", destination=folder.destination, account="puretalk_default"
    )
    stored = compare.execute(context)
    for only_stored in ("account", "changes_path", "report_path"):
        del stored[only_stored]
    assert found == stored | {"snapshot": None}


@pytest.mark.long
def test_a_change_that_comes_later(account: Sandbox, folder: Folder, context: Any, mode: str) -> None:
    """An unchanged list is waited on; the first poll after a change ends the wait. XCom takes it: it is plain JSON."""
    take(account, folder, context)
    before = account.request_count
    # Two requests a poll: a page, and then all 30 in a single one, which proves the reading.
    account.before_request(before + 7, lambda _: change(account, 0, call_recording_enabled=None))
    found = wait_for_change(folder, mode)
    assert found["changed"] == [{"assistant_id": account.fleet.ids()[0], "fields": ["call_recording_enabled"]}]
    assert account.request_count > before + 4
    assert json.loads(json.dumps(found)) == found


@pytest.mark.long
@pytest.mark.parametrize("mode", ["poke", "deferrable"])
def test_a_baseline_that_is_replaced_meanwhile(account: Sandbox, folder: Folder, context: Any, mode: str) -> None:
    """The list is as it was at the poll before, and differs all the same: from the snapshot that has the name now."""
    take(account, folder, context)
    earlier = folder.files()
    changed = change(account, 3, prompt="Be brief.")
    take(account, folder, context)

    def put_back(_: Any) -> None:
        for name, data in earlier.items():
            folder.write(name, data)

    account.before_request(account.request_count + 6, put_back)
    found = wait_for_change(folder, mode, baseline="2026-11-22")
    assert found["changed"] == [{"assistant_id": changed, "fields": ["prompt"]}]


def test_ignored_fields_do_not_count(account: Sandbox, folder: Folder, context: Any) -> None:
    """What only touches an assistant ends no wait, unless nothing is ignored."""
    take(account, folder, context)
    change(account, 0, updated_at="2027-01-01T00:00:00Z")
    with pytest.raises(AirflowSensorTimeout):
        wait_for_change(folder, "poke", timeout=0)
    assert wait_for_change(folder, "poke", ignore_fields=[])["changed"][0]["fields"] == ["updated_at"]
    change(account, 1, prompt="Be brief.")
    with pytest.raises(AirflowSensorTimeout):
        wait_for_change(folder, "poke", timeout=0, ignore_fields=["updated_at", "prompt"])


@pytest.mark.parametrize("ends", [True, False])
def test_names_to_ignore_that_no_record_has_are_warned_of(
    account: Sandbox, folder: Folder, context: Any, caplog: pytest.LogCaptureFixture, ends: bool
) -> None:
    """In the result where a poll finds a change, in the log where it finds none."""
    take(account, folder, context)
    arguments = {"poke_interval": 0.1, "timeout": 0, "ignore_fields": ["updated_at", "Prompt", "voice.avatar?"]}
    if ends:
        change(account, 1, prompt="Be brief.")
        warnings = wait_for_change(folder, "poke", **arguments)["notes"]
    else:
        with pytest.raises(AirflowSensorTimeout):
            wait_for_change(folder, "poke", **arguments)
        warnings = [record.getMessage() for record in caplog.records if "`ignore_fields` names" in record.getMessage()]
    assert {line.split("`")[3] for line in warnings} == {"Prompt"}


@pytest.mark.long
def test_a_snapshot_that_comes_meanwhile_is_no_baseline(
    account: Sandbox, folder: Folder, context: Any, mode: str
) -> None:
    """What is compared with is settled when the waiting begins, in every mode: later snapshots may hold the very change."""
    take(account, folder, context)
    before = account.request_count

    original = account.fleet.get(account.fleet.ids()[0])["prompt"]

    def store_a_change_and_undo_it(_: Any) -> None:
        change(account, 0, prompt="Be brief.")
        take_snapshot(PuretalkHook(), Storage(folder.destination), snapshot="2026-11-23")  # Not the task's thread.
        change(account, 0, prompt=original)

    account.before_request(before + 5, store_a_change_and_undo_it)
    account.before_request(before + 12, lambda _: change(account, 1, prompt="Be brief."))
    found = wait_for_change(folder, mode)
    assert found["baseline"] == "2026-11-22"
    assert found["changed"] == [{"assistant_id": account.fleet.ids()[1], "fields": ["prompt"]}]


def test_a_baseline_by_name(account: Sandbox, folder: Folder, context: Any, mode: str) -> None:
    """The snapshot that was named is compared with, however many there are since."""
    take(account, folder, context, "2026-11-20")
    change(account, 0, prompt="Be brief.")
    take(account, folder, context, "2026-11-21")
    assert wait_for_change(folder, mode, baseline="2026-11-20")["baseline"] == "2026-11-20"
    with pytest.raises(AirflowSensorTimeout):
        wait_for_change(folder, mode, timeout=0)


def test_the_live_list_is_redacted_as_the_snapshot_was(
    account: Sandbox, folder: Folder, context: Any, mode: str, connection: Any
) -> None:
    """What was masked, dropped or hashed is no difference; a changed value behind a hash is one, and stays hidden."""
    extra = {"max_retries": 0, "redaction_key": "secret-of-the-tests"}
    connection(host=account.base_url, password=account.api_key, extra=extra)
    take(account, folder, context, redact={**PERSONAL_FIELDS, "prompt": "hash", "tools": "drop"})
    change(account, 0, phone_number="+15550100", tools="[]")
    with pytest.raises(AirflowSensorTimeout):
        wait_for_change(folder, mode, timeout=0)
    change(account, 0, prompt="Be brief.")
    found = wait_for_change(folder, mode)
    assert found["changed"] == [{"assistant_id": account.fleet.ids()[0], "fields": ["prompt"]}]
    assert found["notes"] == []
    assert "brief" not in json.dumps(found)


@pytest.mark.long
def test_parquet_and_s3(account: Sandbox, context: Any, request: pytest.FixtureRequest, mode: str) -> None:
    """The storage's connection is looked up wherever the sensor waits."""
    bucket = make_place("s3", request)
    bucket.take(context, partition="2026-11-22", file_format="parquet")
    before = account.request_count
    account.before_request(before + 3, lambda _: change(account, 0, prompt="Be brief."))
    found = wait_for_change(bucket, mode, storage_conn_id="aws_fleet")
    assert found["counts"]["changed"] == 1


def test_no_snapshot_yet(account: Sandbox, folder: Folder, mode: str) -> None:
    """There is nothing to compare with: an error that says so, before the list is read."""
    with pytest.raises(PuretalkSnapshotError, match="no complete snapshot of 'puretalk_default'"):
        wait_for_change(folder, mode)
    assert account.request_count == 0


def test_a_snapshot_that_does_not_exist(account: Sandbox, folder: Folder, context: Any, mode: str) -> None:
    """A name that is wrong is an error."""
    take(account, folder, context)
    with pytest.raises(PuretalkSnapshotError, match="no snapshot at .*snapshot=2020-01-01"):
        wait_for_change(folder, mode, baseline="2020-01-01")


def test_an_incomplete_snapshot(account: Sandbox, folder: Folder, context: Any, mode: str) -> None:
    """Named, it is refused; not named, it is passed over."""
    account.faults.add("ok", "empty_page:page=2")
    take(account, folder, context, consistency="best_effort")
    with pytest.raises(PuretalkSnapshotError, match="incomplete"):
        wait_for_change(folder, mode, baseline="2026-11-22")
    with pytest.raises(PuretalkSnapshotError, match="no complete snapshot"):
        wait_for_change(folder, mode)


def test_a_torn_snapshot(account: Sandbox, folder: Folder, context: Any, mode: str) -> None:
    """A file that is not what its manifest says is never compared with; the message names it."""
    take(account, folder, context)
    (name,) = [name for name in folder.files() if "assistants-" in name]
    folder.write(name, b"torn")
    change(account, 0, prompt="Be brief.")
    with pytest.raises(PuretalkSnapshotError, match="assistants-"):
        wait_for_change(folder, mode)


def test_another_account(account: Sandbox, folder: Folder, context: Any) -> None:
    """``account`` names whose snapshots they are, where the connection files them under another name."""
    take(account, folder, context)
    change(account, 0, prompt="Be brief.")
    with pytest.raises(PuretalkSnapshotError, match="'other'"):
        wait_for_change(folder, "poke", account="other")
    assert wait_for_change(folder, "poke", account="puretalk_default")["counts"]["changed"] == 1


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"destination": ""}, "destination"),
        ({"baseline": "None"}, "baseline"),
        ({"account": " "}, "account"),
        ({"storage_conn_id": ""}, "storage_conn_id"),
        ({"ignore_fields": "updated_at"}, "ignore_fields"),
        ({"ignore_fields": [""]}, "ignore_fields"),
        ({"ignore_fields": ""}, "ignore_fields"),
    ],
)
def test_wrong_arguments(account: Sandbox, folder: Folder, mode: str, arguments: dict[str, Any], named: str) -> None:
    """They are refused by name, before anything is read."""
    with pytest.raises(PuretalkConfigurationError, match=f"`{named}`"):
        wait(PuretalkAssistantsChangedSensor, mode, **({"destination": folder.destination} | arguments))
    assert account.request_count == 0


@pytest.mark.parametrize(
    "damage",
    [
        {"counts": {"added": 0, "removed": 0, "changed": 0}},
        {"counts": {"added": "1"}},
        {"counts": None},
        {"added": "all"},
        {"notes": None},
        {"baseline": None},
        {"truncated": "no"},
    ],
)
def test_a_summary_that_is_none_is_not_believed(damage: dict[str, Any]) -> None:
    """What the trigger sends is checked before it goes into XCom."""
    whole: dict[str, Any] = {
        name: [] for name in ("added", "removed", "changed", "touched", "fields_appeared", "fields_vanished")
    }
    summary = whole | {"notes": [], "baseline": "a", "summary": "1 added.", "truncated": False, "counts": {"added": 1}}
    sensor = PuretalkAssistantsChangedSensor(task_id="wait", destination="/fleet", deferrable=True)
    event = {"status": "found", "began": 0.0, "result": summary}
    assert sensor.execute_complete({}, event=event) == summary
    with pytest.raises(PuretalkError, match="is none"):
        sensor.execute_complete({}, event={"status": "found", "began": 0.0, "result": summary | damage})


def test_log_hides_nothing(
    account: Sandbox,
    folder: Folder,
    context: Any,
    mode: str,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Names that would begin a line of their own, or turn one around, are spelled out in the log, not in XCom."""
    odd = "z\nCRITICAL \u202e\u2800"
    take(account, folder, context)
    identity = change(account, 0, **{"name": odd, odd: 1})
    with caplog.at_level("INFO"):
        found = wait_for_change(folder, mode, ignore_fields=["updated_at", f"no such {odd}"])
    assert found["changed"] == [{"assistant_id": identity, "fields": ["name", odd]}]
    log = caplog.text + capfd.readouterr().out
    assert r"no such z\nCRITICAL \u202e\u2800" in log
    assert not any(char in log for char in ("\nCRITICAL", "\u202e", "\u2800"))
