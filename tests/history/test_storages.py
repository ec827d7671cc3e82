"""A history wherever snapshots are kept: two writers, killed ones, readers meanwhile, and what an object store is sent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from airflow_provider_puretalk import history
from airflow_provider_puretalk.exceptions import PuretalkError
from airflow_provider_puretalk.history.reader import HistoryFiles
from tests.history.snapshots import ACCOUNT, record, take
from tests.places import Bucket, Place, make_place
from tests.s3_front import guarded_by
from tests.snapshots.storage.interleaving import SteppingFileSystem, orders, play

STEPPING = "memory://stepping@fleet"


@pytest.fixture(params=["path", "file", "s3", "memory"])
def place(request: pytest.FixtureRequest) -> Place:
    """An empty place of every kind that snapshots are kept in."""
    return make_place(request.param, request)


@pytest.fixture
def stepping(connection: Callable[..., str]) -> SteppingFileSystem:
    """A storage in memory, on which writers can be stopped between any two requests."""
    try:
        from airflow.sdk.io import attach
    except ImportError:
        from airflow.io.store import attach  # Airflow 2.11
    connection("stepping", conn_type="generic", host=None)
    filesystem: SteppingFileSystem = attach("memory", "stepping", fs=SteppingFileSystem()).fs
    filesystem.clear()
    return filesystem


def days(destination: str, storage_conn_id: str | None = None, *, first: int = 0, last: int = 3) -> list[str]:
    return [
        take(
            destination,
            day,
            [record("a", prompt=str(day)), record("b"), record(f"c{day}")],
            storage_conn_id=storage_conn_id,
        ).snapshot
        for day in range(first, last)
    ]


def opened(place: Place) -> HistoryFiles:
    return HistoryFiles.open(place.destination, ACCOUNT, place.storage_conn_id)


@pytest.mark.long
def test_a_history_lies_beside_the_snapshots_of_any_storage(place: Place) -> None:
    """It is made, appended to, changed and proven; nothing but what its manifest names stays in its folder."""
    names = days(place.destination, place.storage_conn_id)
    update = lambda **arguments: history.update(place.destination, ACCOUNT, place.storage_conn_id, **arguments)  # noqa: E731
    assert update().folded == tuple(names)
    names += days(place.destination, place.storage_conn_id, first=4, last=5)
    assert update().folded == (names[-1],)
    (late,) = days(place.destination, place.storage_conn_id, first=3, last=4)
    done = update()
    assert done.folded == (late,)
    assert done.manifest_path == f"{place.named}/account={ACCOUNT}/history/_manifest.json"
    found = opened(place)
    assert len(history.verify(found).proven) == 5
    assert [version.record["prompt"] for version in found.versions_of("a")] == ["0", "1", "2", "3", "4"]
    folder = f"account={ACCOUNT}/history/"
    there = sorted(name.removeprefix(folder) for name in place.files() if name.startswith(folder))
    assert there == sorted(["_manifest.json", *(file.name for file in found.manifest.files)])


def test_orphans_of_killed_updates_go_after_a_day(place: Place) -> None:
    """A file that no manifest names is removed by the next update, once it is a day old, and other files stay."""
    days(place.destination, place.storage_conn_id)
    folder = f"account={ACCOUNT}/history"
    history.update(place.destination, ACCOUNT, place.storage_conn_id)
    old, young, foreign = f"current-{'0' * 16}.parquet", f"current-{'1' * 16}.parquet", "notes.txt"
    for name in (old, young, foreign):
        place.write(f"{folder}/{name}", b"left behind")
    place.age(f"{folder}/{old}", 90_000)
    history.update(place.destination, ACCOUNT, place.storage_conn_id)
    left = place.files()
    assert f"{folder}/{old}" not in left
    assert f"{folder}/{young}" in left
    assert f"{folder}/{foreign}" in left


@pytest.mark.long
def test_one_assistant_takes_six_requests_at_most(
    request: pytest.FixtureRequest, connection: Callable[..., str]
) -> None:
    """Of an object store, the versions of one assistant take the manifest and parts of three files."""
    bucket = make_place("s3", request)
    assert isinstance(bucket, Bucket)
    for day in range(0, 40, 3):
        take(bucket.destination, day, [record("a", prompt=str(day)), record("b")], storage_conn_id="aws_fleet")
    history.update(bucket.destination, ACCOUNT, "aws_fleet")
    requests = []

    def note(method: str, path: str, query: dict[str, str]) -> bool:
        requests.append((method, path))
        return True

    with guarded_by(note) as address:
        extra = {"endpoint_url": address, "region_name": "us-east-1"}
        connection("aws_noted", conn_type="aws", host=None, login="access-key", password="secret-key", extra=extra)
        found = HistoryFiles.open(bucket.destination, ACCOUNT, "aws_noted")
        assert len(found.manifest.files) == 3
        assert len(found.versions_of("a")) == 14
    assert 1 < len(requests) <= 6
    assert {method for method, _ in requests} == {"GET"}


@pytest.mark.long
def test_a_storage_that_fails_loses_nothing(request: pytest.FixtureRequest, connection: Callable[..., str]) -> None:
    """Whichever request fails, the history is the old one or the new one, whole, and the next update ends as if none had."""
    bucket = make_place("s3", request)
    names = days(bucket.destination, "aws_fleet")
    history.update(bucket.destination, ACCOUNT, "aws_fleet")
    names += days(bucket.destination, "aws_fleet", first=3, last=4)
    before = {name: data for name, data in bucket.files().items() if "/history/" in name}
    failed = 0
    for fails in range(40):
        for name in {name for name in bucket.files() if "/history/" in name} - before.keys():
            bucket.remove(name)
        for name, data in before.items():
            bucket.write(name, data)
        left = [fails]

        def policy(method: str, path: str, query: dict[str, str], left: list[int] = left) -> bool | str:
            if "/history/" not in path or method not in ("PUT", "POST", "DELETE"):
                return True
            left[0] -= 1
            return left[0] != -1 or "403 AccessDenied"

        with guarded_by(policy) as address:
            extra = {"endpoint_url": address, "region_name": "us-east-1"}
            conn_id = connection(
                f"aws_failing_{fails}",
                conn_type="aws",
                host=None,
                login="access-key",
                password="secret-key",
                extra=extra,
            )
            try:
                history.update(bucket.destination, ACCOUNT, conn_id)
            except PuretalkError:
                failed += 1
        proven = history.verify(HistoryFiles.open(bucket.destination, ACCOUNT, "aws_fleet")).proven
        assert proven in (tuple(names[:-1]), tuple(names))
        history.update(bucket.destination, ACCOUNT, "aws_fleet")
        assert history.verify(HistoryFiles.open(bucket.destination, ACCOUNT, "aws_fleet")).proven == tuple(names)
        if left[0] >= 0:
            break
    assert failed >= 2
    assert left[0] >= 0


class Prepared:
    """A history of two days, to which two more are to be folded."""

    def __init__(self, filesystem: SteppingFileSystem) -> None:
        self.filesystem = filesystem
        self.names = days(STEPPING, last=2)
        history.update(STEPPING, ACCOUNT)
        self.names += days(STEPPING, first=2, last=4)
        self._store = {path: bytes(file.getbuffer()) for path, file in filesystem.store.items()}
        self._folders = [*filesystem.pseudo_dirs]

    def restore(self) -> None:
        self.filesystem.clear()
        self.filesystem.pseudo_dirs[:] = self._folders
        for path, data in self._store.items():
            self.filesystem.pipe_file(path, data)

    def proven(self) -> tuple[str, ...]:
        return history.verify(HistoryFiles.open(STEPPING, ACCOUNT)).proven


def work(**arguments: Any) -> Callable[[], None]:
    def update() -> None:
        history.update(STEPPING, ACCOUNT, **arguments)

    return update


def steps_of(prepared: Prepared, work: Callable[[], None]) -> int:
    """Return how many accesses this makes."""
    prepared.restore()
    count = 0

    def wait() -> None:
        nonlocal count
        count += 1

    prepared.filesystem.turns.wait = wait
    work()
    prepared.filesystem.turns.wait = None
    return count


@pytest.mark.long
def test_an_update_killed_anywhere_leaves_a_whole_history(stepping: SteppingFileSystem) -> None:
    """Wherever a process dies, the history is one before or after a fold, and the next update ends as if none had died."""
    prepared = Prepared(stepping)
    for steps in range(1, steps_of(prepared, work()) + 1):
        prepared.restore()
        play(stepping, [work(), lambda: None], (steps,), kill=True)
        assert prepared.proven() == tuple(prepared.names[: len(prepared.proven())])
        work()()
        assert prepared.proven() == tuple(prepared.names)


@pytest.mark.parametrize("other", ["the same", "retract", "rebuild"])
@pytest.mark.long
def test_two_updates_at_once_lose_nothing(stepping: SteppingFileSystem, other: str) -> None:
    """In whatever order their steps come, every file of the manifest in place is there, and a next update folds the rest."""
    prepared = Prepared(stepping)
    second = {
        "the same": work(),
        "retract": work(retract=["20261001T020007Z"]),
        "rebuild": work(rebuild=True),
    }[other]
    for number, switches in enumerate(orders(1)):
        # Every place for two alike; the others take longer, and differ in what the files are.
        if other != "the same" and number % 3:
            continue
        prepared.restore()
        errors = play(stepping, [work(), second], switches)
        assert all(error is None or isinstance(error, PuretalkError) for error in errors), errors
        prepared.proven()
        work()()
        expected = prepared.names[1:] if other == "retract" else prepared.names
        assert prepared.proven() in (tuple(expected), tuple(prepared.names))


@pytest.mark.long
def test_a_reader_meanwhile_reads_one_history(stepping: SteppingFileSystem) -> None:
    """Whenever an update commits while it is read, a reader gets the old history or the new one, never parts of both."""
    prepared = Prepared(stepping)
    found: list[tuple[str, ...]] = []

    def read() -> None:
        found.append(history.verify(HistoryFiles.open(STEPPING, ACCOUNT)).proven)

    for steps in range(1, steps_of(prepared, read) + 1):
        prepared.restore()
        assert play(stepping, [read, work()], (steps,)) == [None, None]
    assert {len(names) for names in found} <= {2, 3, 4}
    assert len(found) > 3
