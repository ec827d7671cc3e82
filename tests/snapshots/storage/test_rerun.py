"""Taking a snapshot again under the same name replaces it, and nothing else."""

from __future__ import annotations

import json
import logging
import os
import threading
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_puretalk import snapshots
from airflow_provider_puretalk.sandbox import Sandbox
from tests.places import ACCOUNT, Folder, Place

FOLDER = f"{ACCOUNT}/snapshot=20261122T000000Z"


def test_same_fleet_leaves_the_same_files(place: Place, sandbox: Sandbox, context: Any) -> None:
    """A rerun that finds the same fleet leaves the same data file, and only times and the certificate move."""
    first = place.take(context)
    before = place.files()
    second = place.take(context)
    assert second == first
    after = place.files()
    assert set(after) == set(before)
    (data,) = [name for name in after if "assistants-" in name]
    assert after[data] == before[data]
    manifests = [json.loads(files[f"{FOLDER}/manifest.json"]) for files in (before, after)]
    for manifest in manifests:
        del manifest["started_at"], manifest["finished_at"], manifest["consistency"]["certificate"]
        del manifest["consistency"]["tried"]  # The second reading knows which page size the server gives.
    assert manifests[0] == manifests[1]


@pytest.mark.long
def test_other_fleet_replaces_exactly_what_was_there(place: Place, sandbox: Sandbox, context: Any) -> None:
    """A rerun that finds another fleet replaces the manifest and removes the old data file, and no other file."""
    place.take(context, partition="20261121T000000Z")
    old = place.take(context)
    foreign = {f"{FOLDER}/notes.txt": b"{}", f"{FOLDER}/assistants-0000000000000000.jsonl.gz": b"orphan"}
    for name, data in foreign.items():
        place.write(name, data)
    others = {name: data for name, data in place.files().items() if not name.startswith(FOLDER)}
    sandbox.fleet.change(sandbox.fleet.ids()[0], {"name": "Renamed"})
    new = place.take(context)
    assert new["manifest_path"] == old["manifest_path"]
    files = place.files()
    kept = {name.removeprefix(f"{place.named}/") for name in (new["manifest_path"], *new["files"])}
    assert set(files) == {*others, *foreign, *kept}
    assert {name: files[name] for name in others | foreign} == others | foreign
    assert snapshots.verify(new["manifest_path"]).content_sha256 == new["content_sha256"]


def test_other_format_replaces_the_file_and_not_the_content(place: Place, sandbox: Sandbox, context: Any) -> None:
    """A rerun with another file format leaves that format alone; the content is the same."""
    first = place.take(context)
    second = place.take(context, file_format="parquet")
    assert second["content_sha256"] == first["content_sha256"]
    (data,) = [name for name in place.files() if "assistants-" in name]
    assert data.endswith(".parquet")


@pytest.mark.long
def test_data_file_is_never_seen_torn(folder: Folder, sandbox: Sandbox, take: Any) -> None:
    """While reruns go on, a reader that reads the file again and again finds it whole every time."""
    path = Path(take()["files"][0])
    whole, seen, stop = path.read_bytes(), set(), threading.Event()

    def read() -> None:
        while not stop.is_set():
            seen.add(path.read_bytes())

    reader = threading.Thread(target=read)
    reader.start()
    try:
        for _ in range(5):
            take()
    finally:
        stop.set()
        reader.join()
    assert seen == {whole}


def test_files_are_on_the_disk_before_they_get_their_names(
    folder: Folder, take: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each file is forced to the disk, then named, then its name is forced to the disk; the manifest comes last."""
    events: list[tuple[str, int]] = []
    fsync = os.fsync

    def noted_fsync(descriptor: int) -> None:
        events.append(("fsync", os.fstat(descriptor).st_ino))
        fsync(descriptor)

    def noted(function: Any) -> Any:
        def name(source: Any, target: Any, **arguments: Any) -> None:
            events.append((f"name {target}", Path(source).stat().st_ino))
            function(source, target, **arguments)

        return name

    monkeypatch.setattr(os, "fsync", noted_fsync)
    monkeypatch.setattr(os, "replace", noted(os.replace))
    monkeypatch.setattr(os, "link", noted(os.link))
    result = take()
    place = Path(result["manifest_path"]).parent.stat().st_ino
    expected = []
    for path in (result["files"][0], result["manifest_path"]):
        file = Path(path).stat().st_ino
        expected += [("fsync", file), (f"name {path}", file), ("fsync", place)]
    assert events[-6:] == expected


@pytest.mark.parametrize("damage", [b"", b"not a manifest", b'{"format_version": 99}'], ids=repr)
def test_damaged_manifest_is_replaced(
    folder: Folder, take: Any, caplog: pytest.LogCaptureFixture, damage: bytes
) -> None:
    """A rerun replaces a manifest that cannot be understood, with a warning, and leaves the files it may mean."""
    take()
    stray = f"{FOLDER}/assistants-00000000000000aa.jsonl.gz"
    folder.write(stray, b"named by a manifest that is gone")
    folder.write(f"{FOLDER}/manifest.json", damage)
    with caplog.at_level(logging.WARNING):
        result = take()
    assert "manifest.json" in caplog.text
    assert snapshots.verify(result["manifest_path"]).count == 250
    assert stray in folder.files()


@pytest.mark.parametrize("name", ["../../../outside.txt", "manifest.json", "notes.txt", "/etc/hostname", ""])
def test_a_forged_manifest_cannot_make_a_rerun_remove_other_files(folder: Folder, take: Any, name: str) -> None:
    """Whatever the replaced manifest names, only data files beside it can be removed."""
    take()
    (folder.root.parent / "outside.txt").write_text("keep me")
    folder.write(f"{FOLDER}/notes.txt", b"keep me")
    manifest = json.loads(folder.files()[f"{FOLDER}/manifest.json"])
    manifest["files"].append({**manifest["files"][0], "name": name})
    folder.write(f"{FOLDER}/manifest.json", json.dumps(manifest).encode())
    result = take()
    assert snapshots.verify(result["manifest_path"]).count == 250
    assert (folder.root.parent / "outside.txt").read_text() == "keep me"
    assert f"{FOLDER}/notes.txt" in folder.files()


def test_missing_data_file_is_brought_back(folder: Folder, take: Any) -> None:
    """Where the data file of a snapshot was removed, a rerun puts it there again."""
    result = take()
    Path(result["files"][0]).unlink()
    assert snapshots.verify(take()["manifest_path"]).count == 250
