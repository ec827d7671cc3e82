"""Pruning while a task writes the same snapshot, and pruning that is killed: nothing that stays is torn."""

from __future__ import annotations

from datetime import timedelta

import pytest

from airflow_provider_puretalk import snapshots
from airflow_provider_puretalk.exceptions import PuretalkSnapshotError
from airflow_provider_puretalk.snapshots.storage.object_storage import Storage
from tests.places import ACCOUNT
from tests.snapshots.conftest import Reading
from tests.snapshots.storage.interleaving import SteppingFileSystem, orders, play

DESTINATION = "memory://stepping@fleet"
FOLDER = f"/fleet/{ACCOUNT}/snapshot=20261122T000000Z"
OLDER = f"{DESTINATION}/{ACCOUNT}/snapshot=20261122T000000Z/manifest.json"
NEWER = f"{DESTINATION}/{ACCOUNT}/snapshot=20261123T000000Z/manifest.json"

#: More steps than pruning two snapshots has when nobody disturbs it.
STEPS = 60


def prune(keep_daily: int = 1) -> None:
    snapshots.prune(DESTINATION, "puretalk_default", keep_daily=keep_daily, dry_run=False)


def prepare(store: SteppingFileSystem, reading: Reading) -> None:
    """Commit a snapshot, and a newer one that was read a day later, after any rerun of the first as well."""
    store.clear()
    reading.commit()
    finished_at = reading.manifest.finished_at + timedelta(days=1)
    later = reading.manifest.model_copy(update={"snapshot": "20261123T000000Z", "finished_at": finished_at})
    Reading(later, reading.staged).commit()


def is_there(store: SteppingFileSystem) -> bool:
    """Tell whether the older snapshot is there; fail where it is torn."""
    if not store.exists(f"{FOLDER}/manifest.json"):
        return False
    snapshots.verify(OLDER)
    return True


def age_everything(store: SteppingFileSystem) -> None:
    for file in store.store.values():
        file.modified -= timedelta(days=2)


@pytest.mark.long
def test_killed_at_any_step(store: SteppingFileSystem, readings: dict[str, Reading]) -> None:
    """Wherever pruning is killed, the snapshot is whole or gone, and a day later the next run clears what is left."""
    ends = set()
    for steps in range(STEPS):
        prepare(store, readings["a"])
        (error, _) = play(store, [prune, lambda: None], [steps], kill=True)
        there, files = is_there(store), [name for name in store.store if name.startswith(FOLDER)]
        ends.add((type(error).__name__, there, bool(files)))
        age_everything(store)
        prune()
        assert [name for name in store.store if name.startswith(FOLDER)] == [], steps
        snapshots.verify(NEWER)
    assert ends == {
        ("Killed", True, True),
        ("Killed", False, True),
        ("Killed", False, False),
        ("NoneType", False, False),
    }


@pytest.mark.long
@pytest.mark.parametrize("rerun", ["a_again", "b"])
@pytest.mark.parametrize("pruning_first", [True, False])
def test_a_rerun_at_any_moment(
    store: SteppingFileSystem, readings: dict[str, Reading], rerun: str, pruning_first: bool
) -> None:
    """However the steps of a rerun, with the same content or another, fall between those of pruning: no torn snapshot."""
    works = [prune, readings[rerun].commit] if pruning_first else [readings[rerun].commit, prune]
    outcomes = set()
    for switches in orders(2):
        prepare(store, readings["a"])
        errors = play(store, works, switches)
        for error in errors:
            assert error is None or isinstance(error, PuretalkSnapshotError), (switches, error)
        try:
            outcomes.add(is_there(store))
        except PuretalkSnapshotError as error:
            pytest.fail(f"torn after {switches}: {error}")
        snapshots.verify(NEWER)
    assert outcomes == {True, False}, "pruning and rerun never met"


@pytest.mark.long
def test_an_old_orphan_that_a_rerun_needs(store: SteppingFileSystem, readings: dict[str, Reading]) -> None:
    """A killed try left its data; a rerun with the same content commits it at any moment, and never misses it."""
    name = readings["a"].staged.file.name
    for switches in orders(2):
        prepare(store, readings["a"])
        Storage(DESTINATION).remove(f"{ACCOUNT}/snapshot=20261122T000000Z/manifest.json")
        age_everything(store)
        assert store.exists(f"{FOLDER}/{name}")
        errors = play(store, [lambda: prune(keep_daily=2), readings["a_again"].commit], switches)
        assert errors == [None, None], switches
        assert is_there(store), switches
