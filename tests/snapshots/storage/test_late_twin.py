"""A try that was thought dead goes on while its successor writes the same snapshot: none can tear it for the other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from airflow_provider_puretalk import snapshots
from airflow_provider_puretalk.exceptions import PuretalkSnapshotError
from tests.places import ACCOUNT
from tests.snapshots.conftest import Reading
from tests.snapshots.storage.interleaving import SteppingFileSystem, orders, play

FOLDER = f"/fleet/{ACCOUNT}/snapshot=20261122T000000Z"
MANIFEST = f"memory://stepping@fleet/{ACCOUNT}/snapshot=20261122T000000Z/manifest.json"

#: More steps than a commit has when nobody disturbs it.
STEPS = 10


def content_in_place(store: SteppingFileSystem) -> str | None:
    """Return which content lies there, None where there is no snapshot; fail where it is torn."""
    if not store.exists(f"{FOLDER}/manifest.json"):
        return None
    return snapshots.verify(MANIFEST).content_sha256


@pytest.mark.long
@pytest.mark.parametrize("before", [None, "a", "b"])
def test_killed_at_any_step(store: SteppingFileSystem, readings: dict[str, Reading], before: str | None) -> None:
    """Wherever a writer is killed, the old snapshot or the new one is there, whole; the rerun then succeeds."""
    seen = set()
    for steps in range(2 * STEPS):
        store.clear()
        if before:
            readings[before].commit()
        old = content_in_place(store)
        (error, _) = play(store, [readings["a"].commit, lambda: None], [steps], kill=True)
        now = content_in_place(store)
        assert now in (old, readings["a"].manifest.content_sha256), steps
        seen.add((type(error).__name__, now))
        readings["a_again"].commit()
        assert content_in_place(store) == readings["a"].manifest.content_sha256, steps
    assert ("Killed", old) in seen, "no kill came early"
    assert ("NoneType", readings["a"].manifest.content_sha256) in seen, "no writer came to its end"


@pytest.mark.long
@pytest.mark.parametrize(
    ("before", "one", "other", "kill"),
    [
        (None, "a", "b", False),
        (None, "a", "b", True),
        (None, "a", "a_again", False),
        (None, "a", "a_again", True),
        ("b", "a", "a_again", False),
        ("b", "a", "a_again", True),
        ("a", "a_again", "b", False),
        ("a", "a_again", "b", True),
        ("a", "b", "a_again", False),
        ("a", "b", "a_again", True),
    ],
)
def test_two_writers_in_any_order(
    store: SteppingFileSystem,
    readings: dict[str, Reading],
    before: str | None,
    one: str,
    other: str,
    kill: bool,
) -> None:
    """However the steps of two writers fall between each other, what the manifest in place names is there and right."""
    possible = {readings[name].manifest.content_sha256 for name in (before, one, other) if name}
    torn = []
    for switches in orders(2):
        store.clear()
        if before:
            readings[before].commit()
        errors = play(store, [readings[one].commit, readings[other].commit], switches, kill=kill)
        for error in errors:
            # A writer may find that another was later; it must say so, and no other way out is right.
            assert error is None or type(error).__name__ in ("PuretalkSnapshotError", "Killed"), (switches, error)
        try:
            assert content_in_place(store) in possible, switches
        except PuretalkSnapshotError:
            torn.append(switches)
    assert torn == []


@pytest.mark.long
def test_readers_meet_a_whole_snapshot_at_every_step(store: SteppingFileSystem, readings: dict[str, Reading]) -> None:
    """While a snapshot is replaced, a reader that starts between any two steps gets the old records or the new ones."""
    for steps in range(STEPS):
        store.clear()
        readings["a"].commit()
        found: list[str | None] = []

        def read(found: list[str | None] = found) -> None:
            found.append(content_in_place(store))

        errors = play(store, [readings["b"].commit, read], [steps, STEPS * 5])
        assert errors == [None, None], steps
        assert found[0] in {readings[name].manifest.content_sha256 for name in ("a", "b")}


@pytest.mark.long
def test_reader_overtaken_by_a_rerun_reads_the_manifest_once_more(
    store: SteppingFileSystem, readings: dict[str, Reading]
) -> None:
    """Between any two steps of a reader the snapshot may be replaced: it then gives the new records, not an error."""
    for steps in range(STEPS):
        store.clear()
        readings["a"].commit()
        found: list[int] = []

        def read(found: list[int] = found) -> None:
            found.append(len(list(snapshots.iter_records(MANIFEST))))

        errors = play(store, [read, readings["b"].commit], [steps, STEPS * 5])
        assert errors == [None, None], steps
        assert found == [3]


def test_reader_overtaken_twice_says_so(store: SteppingFileSystem, readings: dict[str, Reading]) -> None:
    """A reader that misses a file after the second try as well ends in one sentence that names the file."""
    readings["a"].commit()
    missed = readings["b"].staged.file.name

    def replace_and_lose() -> None:
        readings["b"].commit()
        store.rm_file(f"{FOLDER}/{missed}")

    def read() -> None:
        list(snapshots.iter_records(MANIFEST))

    for steps in range(1, 4):
        store.clear()
        readings["a"].commit()
        error, _ = play(store, [read, replace_and_lose], [steps, STEPS * 5])
        if error is not None:
            assert isinstance(error, PuretalkSnapshotError)
            assert missed in str(error)
            return
    pytest.fail("the reader was never overtaken")


def test_manifest_is_one_request_of_complete_bytes(
    store: SteppingFileSystem, readings: dict[str, Reading], monkeypatch: pytest.MonkeyPatch
) -> None:
    """On object stores the manifest is put in one request; it is never opened first and filled later."""
    seen: list[bytes] = []
    original: Callable[..., Any] = SteppingFileSystem.open

    def open_and_look(self: Any, path: str, mode: str = "rb", *args: Any, **kwargs: Any) -> Any:
        file = original(self, path, mode, *args, **kwargs)
        if path.endswith("manifest.json") and "w" in mode:
            seen.append(store.store[path].getvalue())
        return file

    monkeypatch.setattr(SteppingFileSystem, "open", open_and_look)
    readings["a"].commit()
    monkeypatch.undo()
    assert seen == [store.cat_file(f"{FOLDER}/manifest.json")]
