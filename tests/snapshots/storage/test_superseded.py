"""What a snapshot's rerun replaces leaves nothing behind that the rerun's policy takes out, comparisons included."""

from __future__ import annotations

import errno
import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fsspec.implementations.local import LocalFileSystem

from airflow_provider_puretalk.exceptions import PuretalkError
from airflow_provider_puretalk.operators import PuretalkCompareSnapshotsOperator
from airflow_provider_puretalk.sandbox import Sandbox
from airflow_provider_puretalk.snapshots.comparison import comparing
from airflow_provider_puretalk.snapshots.format import layout
from airflow_provider_puretalk.snapshots.format.manifest import Manifest
from airflow_provider_puretalk.snapshots.report import publishing
from airflow_provider_puretalk.snapshots.storage.object_storage import Storage
from tests.places import ACCOUNT, Folder, Place
from tests.snapshots.conftest import Reading
from tests.snapshots.storage.interleaving import SteppingFileSystem, orders, play

SECRET = "ann@example.com"

Take = Callable[..., dict[str, Any]]


@pytest.fixture
def take_into(sandbox: Sandbox, context: Any) -> Callable[..., dict[str, Any]]:
    """Take a snapshot of two assistants, of which the model moves with the name and the owner's address is a secret."""

    def take(place: Place, name: str, ids: str = "xy", **arguments: Any) -> dict[str, Any]:
        sandbox.fleet.replace_all(
            [{"assistant_id": one, "name": one, "model": name, "user": {"email": f"{one}-{SECRET}"}} for one in ids]
        )
        # Another policy replaces what is there only where that is said.
        return place.take(context, partition=name, if_exists="replace", **arguments)

    return take


def compare(place: Place, context: Any, **arguments: Any) -> dict[str, Any]:
    arguments = {"destination": place.destination, "storage_conn_id": place.storage_conn_id} | arguments
    result: dict[str, Any] = PuretalkCompareSnapshotsOperator(
        task_id="compare", account="puretalk_default", **arguments
    ).execute(context)
    return result


def holding(place: Place, secret: str = SECRET) -> list[str]:
    """List the files, data files apart, that hold a text."""
    return [name for name, data in place.files().items() if secret.encode() in data and "/assistants-" not in name]


@pytest.mark.long
def test_a_redacted_rerun_takes_the_comparisons_of_what_it_replaced(
    place: Place, take_into: Take, context: Any
) -> None:
    """Those beside it, and those beside other snapshots that had it as their baseline, older names as well."""
    take_into(place, "a")
    take_into(place, "b", ids="xz")
    take_into(place, "c", ids="w")
    old = place.files()[f"{ACCOUNT}/snapshot=b/manifest.json"]
    for pair in ({"snapshot": "b", "baseline": "a"}, {"snapshot": "c", "baseline": "b"}):
        compare(place, context, **pair)
    for snapshot, baseline in (("b", "a"), ("c", "b")):
        place.write(f"{ACCOUNT}/snapshot={snapshot}/changes.jsonl", SECRET.encode())
        place.write(f"{ACCOUNT}/snapshot={snapshot}/report.html", f"vs {baseline}: {SECRET}".encode())
    assert len(holding(place)) == 6  # The reports do not show whole records.
    take_into(place, "b", ids="xz", redact={"user.email": "drop"})
    assert place.files()[f"{ACCOUNT}/snapshot=b/manifest.json"] != old
    assert holding(place) == []


@pytest.mark.long
def test_comparisons_without_the_replaced_snapshot_stay(place: Place, take_into: Take, context: Any) -> None:
    """A rerun of one snapshot leaves alone what was made of others, and files that are none of ours."""
    for name in "abc":
        take_into(place, name)
    kept = compare(place, context, snapshot="c", baseline="b")["report_path"].removeprefix(f"{place.named}/")
    foreign = [f"{ACCOUNT}/snapshot=a/_notes.html", f"{ACCOUNT}/snapshot=a/_report-vs-b.html"]
    old = [f"{ACCOUNT}/snapshot=c/changes.jsonl", f"{ACCOUNT}/snapshot=c/report.html"]
    for name in (*foreign, *old):
        place.write(name, b"vs <code>b</code>")
    before = place.files()
    take_into(place, "a", redact={"user.email": "mask"})
    files = place.files()
    assert {name: files.get(name) for name in (kept, *foreign, *old)} == {
        name: before[name] for name in (kept, *foreign, *old)
    }


def test_a_comparison_with_a_baseline_that_holds_more_does_not_bring_it_back(
    place: Place, take_into: Take, context: Any
) -> None:
    """Beside a redacted snapshot nothing is written that its policy takes out, not of removed assistants either."""
    take_into(place, "a", ids="vwxyz")
    take_into(place, "b", ids="yz", redact={"user.email": "mask", "name": "drop"})
    result = compare(place, context)
    assert result["removed"] == ["v", "w", "x"]
    assert holding(place) == []
    changes = place.files()[result["changes_path"].removeprefix(f"{place.named}/")]
    records = [json.loads(line) for line in changes.splitlines()]
    assert [one["record"] for one in records if one["op"] == "removed"] == [
        {"assistant_id": one, "model": "a", "user": {}} for one in "vwx"
    ]


@pytest.mark.long
def test_a_rerun_with_the_same_content_finishes_what_a_killed_one_left(
    place: Place, take_into: Take, context: Any
) -> None:
    """The manifest was replaced, then the task was killed: its retry takes the comparisons that are still there."""
    take_into(place, "a")
    take_into(place, "b", ids="x")
    result = compare(place, context)
    left = {name: data for name, data in place.files().items() if "/_" in name}
    take_into(place, "a", redact={"user.email": "drop"})
    for name, data in left.items():  # As if it had been killed before it could remove them.
        place.write(name, data)
    assert result["changes_path"].removeprefix(f"{place.named}/") in holding(place)
    take_into(place, "a", redact={"user.email": "drop"})
    assert holding(place) == []


def test_a_damaged_manifest_is_no_reason_to_leave_comparisons(folder: Folder, take_into: Take, context: Any) -> None:
    """Where nobody knows what was replaced, what was made of it goes all the same."""
    take_into(folder, "a")
    take_into(folder, "b", ids="x")
    compare(folder, context)
    folder.write(f"{ACCOUNT}/snapshot=b/manifest.json", b"damaged")
    take_into(folder, "b", ids="x", redact={"user.email": "drop"})
    assert holding(folder) == []


@pytest.mark.long
def test_what_cannot_be_removed_is_named(
    folder: Folder,
    take_into: Take,
    context: Any,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The new snapshot stands: a warning says what stayed; where that may hold what was to be taken out, it is an error."""
    take_into(folder, "a")
    take_into(folder, "b", ids="x")
    paths = [compare(folder, context)[key] for key in ("changes_path", "report_path")]
    original = LocalFileSystem.rm_file

    def refuse(self: Any, path: str) -> None:
        if Path(path).name.startswith("_"):
            raise PermissionError(errno.EACCES, "Permission denied")
        original(self, path)

    monkeypatch.setattr(LocalFileSystem, "rm_file", refuse)
    with caplog.at_level(logging.WARNING):
        take_into(folder, "b", ids="xy")
    with pytest.raises(PuretalkError) as caught:
        take_into(folder, "b", ids="x", redact={"user.email": "drop"})
    for path in paths:
        assert path in caplog.text
        assert path in str(caught.value)


@pytest.mark.long
@pytest.mark.parametrize("side", ["baseline", "newer"])
def test_a_comparison_of_what_is_replaced_meanwhile_leaves_nothing(
    store: SteppingFileSystem, readings: dict[str, Reading], side: str
) -> None:
    """However far a comparison has come when a side is replaced, no file stays that quotes what was replaced."""
    names = {"baseline": readings["a"].manifest.snapshot, "newer": "20261123T000000Z"}

    def commit(reading: str, snapshot: str) -> None:
        manifest = readings[reading].manifest.model_copy(update={"snapshot": snapshot})
        Reading(manifest, readings[reading].staged).commit()

    def run() -> None:
        paths = (f"memory://stepping@fleet/{ACCOUNT}/snapshot={names[one]}/manifest.json" for one in names)
        with comparing.compare(*paths) as comparison:
            publishing.publish(Storage("memory://stepping@fleet"), comparison)

    ends = set()
    for switches in orders(2):
        store.clear()
        for name in names.values():
            commit("a", name)
        errors = play(store, [run, lambda: commit("b", names[side])], switches)
        ends.add(type(errors[0]).__name__)
        assert errors[1] is None
        editions = {one: _edition(store, name) for one, name in names.items()}
        for path in filter(lambda path: "/_" in path, store.store):
            parts = layout.parse_comparison_name(path.rpartition("/")[2])
            assert parts is not None
            assert (parts.baseline_edition, parts.edition) == (editions["baseline"], editions["newer"])
    assert ends == {"NoneType", "PuretalkSnapshotError"}


def _edition(store: SteppingFileSystem, snapshot: str) -> str:
    return Manifest.model_validate_json(store.cat_file(f"/fleet/{ACCOUNT}/snapshot={snapshot}/manifest.json")).edition
