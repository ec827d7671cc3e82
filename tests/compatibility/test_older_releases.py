"""What earlier releases stored is read by this one: snapshots of every form, deferred sensors, watchers."""

from __future__ import annotations

import asyncio
import json
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_puretalk import compat, history, sandbox, snapshots, triggers
from airflow_provider_puretalk.operators import PuretalkSnapshotAssistantsOperator
from airflow_provider_puretalk.sandbox import Sandbox
from airflow_provider_puretalk.snapshots.format.layout import COMPRESSIONS
from tests.compatibility import write
from tests.compatibility.fleets import ACCOUNT, API_KEY, FIRST, REDACT, REDACTION_KEY, SECOND

RELEASES = sorted(folder.name for folder in write.STORED.iterdir())
FLEETS = {1: FIRST, 2: SECOND}
CHANGES = {"added": ["a-5"], "removed": ["a-4"], "changed": ["a-2"]}

every_release = pytest.mark.parametrize("release", RELEASES)
every_form = pytest.mark.parametrize(("file_format", "compression"), write.FORMS)


@pytest.fixture
def stored(tmp_path: Path, release: str) -> Path:
    """A release's leavings, where they may be added to."""
    return Path(shutil.copytree(write.STORED / release, tmp_path / release))


@pytest.fixture
def second(connection: Callable[..., str]) -> Iterator[Sandbox]:
    """The account of the samples in its second state, under the default connection."""
    with sandbox.running(records=SECOND, api_key=API_KEY) as box:
        extra = {"account": ACCOUNT, "redaction_secret": REDACTION_KEY}
        connection(host=box.base_url, password=API_KEY, extra=extra)
        yield box


def manifest_of(folder: Path, name: str) -> str:
    return str(folder / f"account={ACCOUNT}" / f"snapshot={name}" / "manifest.json")


def test_every_form_has_a_sample() -> None:
    """A new format or compression cannot come without a sample that later releases are held against."""
    forms = {(file_format, codec) for file_format, codecs in COMPRESSIONS.items() for codec in codecs}
    assert forms == set(write.FORMS)


@every_release
@every_form
@pytest.mark.parametrize("state", FLEETS)
def test_records_are_read_as_they_were_stored(
    release: str, file_format: str, compression: str | None, state: int
) -> None:
    """Every snapshot verifies, and its records come back equal to those of the fleet, exactly and in order."""
    folder = write.STORED / release / "snapshots"
    manifest = manifest_of(folder, write.partition(file_format, compression, state))
    assert snapshots.verify(manifest).count == len(FLEETS[state])
    spelled = [json.dumps(record, sort_keys=True) for record in snapshots.iter_records(manifest)]
    assert spelled == [json.dumps(record, sort_keys=True) for record in FLEETS[state]]


#: Releases that wrote certificates, and snapshots for each kind of proof.
CERTIFYING = [release for release in RELEASES if (write.STORED / release / "proofs").is_dir()]


@pytest.mark.parametrize("release", CERTIFYING)
@pytest.mark.parametrize("proof", write.PROOFS, ids=lambda proof: proof[0])
def test_a_certificate_supports_its_claim(release: str, proof: tuple[str, str, int, int | None]) -> None:
    """A certificate that a release wrote is one for this release too, whatever the reading was proven by."""
    name, consistency, _, _ = proof
    reading = snapshots.verify(manifest_of(write.STORED / release / "proofs", name)).consistency
    assert reading.certificate is not None
    assert (reading.requested, reading.method) == (consistency, "one_walk" if name == "best_effort" else name)


def test_there_are_samples_with_and_without_certificate() -> None:
    """The first releases wrote none, and what they wrote is verified by the tests of all releases."""
    assert set(RELEASES) > set(CERTIFYING) > set()


#: Releases that wrote a history.
FOLDING = [release for release in RELEASES if (write.STORED / release / "history").is_dir()]


@pytest.mark.parametrize("release", FOLDING)
def test_a_history_is_played_back(release: str) -> None:
    """Every day of a history is proven and comes back exactly, pruned ones too, and so does what happened to assistants."""
    played = history.open(str(write.STORED / release / "history"), ACCOUNT)
    assert played.verify().proven == (*write.FOLDED,)
    for name, fleet in write.FOLDED.items():
        spelled = [json.dumps(record, sort_keys=True) for record in played.at(name).records()]
        assert spelled == [json.dumps(record, sort_keys=True) for record in fleet]
    assert [entry.what for entry in played.log("a-5")] == ["removed", "added"]
    assert [entry.what for entry in played.log("a-4")] == ["returned", "removed", "first"]
    assert [entry.what for entry in played.log("a-2")] == ["changed", "changed", "first"]


@pytest.mark.parametrize("release", FOLDING)
@pytest.mark.parametrize("retract", [(), ("folded-2",)], ids=["appended", "made anew"])
def test_a_history_is_gone_on_with(stored: Path, second: Sandbox, context: Any, retract: tuple[str, ...]) -> None:
    """A snapshot taken now is folded into what an older release wrote, and all days that are in it are proven then."""
    destination = str(stored / "history")
    PuretalkSnapshotAssistantsOperator(task_id="take", destination=destination, partition="now").execute(context)
    updated = history.update(destination, ACCOUNT, retract=retract)
    assert (updated.folded, updated.retracted) == (("now",), retract)
    proven = history.open(destination, ACCOUNT).verify().proven
    assert proven == tuple(name for name in (*write.FOLDED, "now") if name not in retract)


@every_release
def test_snapshots_are_listed_in_the_order_of_reading(release: str) -> None:
    """All are listed, those of the first state before those of the second."""
    listed = snapshots.list_snapshots(str(write.STORED / release / "snapshots"), account=ACCOUNT)
    names = [info.snapshot for info in listed]
    assert names == [write.partition(*form, state) for state in FLEETS for form in write.FORMS]


@every_release
@every_form
def test_snapshots_are_compared(release: str, file_format: str, compression: str | None) -> None:
    """A comparison of two stored snapshots finds the changes that were made between them."""
    folder = write.STORED / release / "snapshots"
    baseline, current = (manifest_of(folder, write.partition(file_format, compression, state)) for state in FLEETS)
    with snapshots.compare(baseline, current) as comparison:
        found = comparison.to_dict()
    assert (found["added"], found["removed"], found["touched"]) == (["a-5"], ["a-4"], ["a-3"])
    assert found["changed"] == [{"assistant_id": "a-2", "fields": ["prompt"]}]


@every_release
@every_form
def test_a_snapshot_taken_now_is_unchanged(
    stored: Path, second: Sandbox, context: Any, file_format: str, compression: str | None
) -> None:
    """The same fleet, read by this release, has the content hash that it had, whatever form it was stored in."""
    destination = str(stored / "snapshots")
    newest = write.partition(file_format, compression, 2)
    for name in {write.partition(*form, 2) for form in write.FORMS} - {newest}:
        shutil.rmtree(Path(manifest_of(stored / "snapshots", name)).parent)
    taken = PuretalkSnapshotAssistantsOperator(task_id="take", destination=destination, partition="now").execute(
        context
    )
    assert (taken["unchanged"], taken["previous_snapshot"]) == (True, newest)


@every_release
def test_redacted_snapshots_are_compared_with_new_ones(stored: Path, second: Sandbox, context: Any) -> None:
    """Hashes of redacted fields are the same today, so that a change is one of the fleet, not of the release."""
    destination = str(stored / "redacted")
    PuretalkSnapshotAssistantsOperator(task_id="take", destination=destination, partition="now", redact=REDACT).execute(
        context
    )
    with snapshots.compare(
        manifest_of(stored / "redacted", "redacted-2"), manifest_of(stored / "redacted", "now")
    ) as same:
        found = same.to_dict()
    assert (found["added"], found["removed"], found["changed"], found["notes"]) == ([], [], [], [])


@every_release
def test_old_snapshots_are_pruned(stored: Path) -> None:
    """Retention removes what an older release wrote, its comparisons included, and keeps what it is told to keep."""
    folder = stored / "snapshots"
    pruned = snapshots.prune(str(folder), account=ACCOUNT, keep_daily=1, dry_run=False)
    left = sorted(path.name for path in (folder / f"account={ACCOUNT}").iterdir())
    assert left == [f"snapshot={write.partition(*write.FORMS[-1], 2)}"]
    assert len(pruned.removed) == 2 * len(write.FORMS) - 1


def deferred(stored: Path, name: str) -> dict[str, Any]:
    text = (stored / "deferred.json").read_text().replace("DESTINATION", str(stored / "snapshots"))
    sample: dict[str, Any] = json.loads(text)[name]
    return sample


@pytest.mark.long
@every_release
@pytest.mark.parametrize("name", ["by_id", "by_name", "changed"])
def test_deferred_sensors_go_on(stored: Path, second: Sandbox, name: str) -> None:
    """A trigger that an older release deferred polls, finds what its sensor waits for, and the sensor returns it."""
    sample = deferred(stored, name)
    path, arguments = sample["trigger"]
    trigger = getattr(triggers, path.rpartition(".")[2])(**arguments | {"deadline": time.time() + 60})

    async def first() -> Any:
        async for event in trigger.run():
            return event.payload

    event = asyncio.run(first())
    assert event == sample["event"] | {"result": event["result"]}
    sensor = write.sensors(str(stored / "snapshots"))[name]
    assert finds(getattr(sensor, sample["method"])(write.context(name), event))


@every_release
@pytest.mark.parametrize("name", ["by_id", "by_name", "changed"])
def test_events_on_their_way_are_read(stored: Path, second: Sandbox, name: str) -> None:
    """A sensor whose trigger fired under an older release is resumed by this one."""
    sample = deferred(stored, name)
    sensor = write.sensors(str(stored / "snapshots"))[name]
    assert finds(getattr(sensor, sample["method"])(write.context(name), sample["event"]))


def finds(result: dict[str, Any]) -> bool:
    """Tell whether a sensor returned the new assistant, or the change that brought it."""
    return result.get("assistant_id") == "a-5" or result.get("added") == ["a-5"]


@pytest.mark.long
@pytest.mark.skipif(not compat.has("asset watchers"), reason="this Airflow has no event triggers")
@every_release
def test_watchers_go_on_where_they_stopped(stored: Path, second: Sandbox) -> None:
    """From an older release's checkpoint a watcher emits what has changed since, once, and nothing else."""
    sample = json.loads((stored / "watcher.json").read_text())
    path, arguments = sample["trigger"]
    trigger = getattr(triggers, path.rpartition(".")[2])(**arguments)
    events: list[dict[str, Any]] = []

    async def watch() -> None:
        trigger.asset_state_store = write.State(sample["state"])
        with suppress(TimeoutError):
            async with asyncio.timeout(2):
                async for event in trigger.run():
                    events.append(event.payload)

    asyncio.run(watch())
    (event,) = events
    assert (event["added"], event["removed"], event["not_compared"]) == (["a-5"], ["a-4"], [])
    assert event["changed"] == [{"assistant_id": "a-2", "fields": ["prompt"]}]
