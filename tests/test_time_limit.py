"""Work that has a time limit ends itself; work that has none never does."""

from __future__ import annotations

import itertools
import math
import threading
from collections.abc import Callable, Iterator
from types import SimpleNamespace

import pytest

from airflow_provider_puretalk import time_limit
from airflow_provider_puretalk.snapshots.storage.object_storage import Storage
from airflow_provider_puretalk.time_limit import TimeLimitError


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """A clock that is a second later each time it is read; yields the first second."""
    ticks = itertools.count(1)
    monkeypatch.setattr(time_limit, "time", SimpleNamespace(monotonic=lambda: next(ticks)))
    return ticks


def test_without_a_limit_nothing_ends(clock: Iterator[int]) -> None:
    """And the clock is not read."""
    time_limit.check()
    assert time_limit.end() is None
    assert next(clock) == 1


def test_work_ends_at_its_first_check_after_the_limit(clock: Iterator[int]) -> None:
    """In its own thread alone, and what comes after it has no limit."""
    others = list[float | None]()
    with time_limit.ends_at(2):
        time_limit.check()
        time_limit.check()
        with pytest.raises(TimeLimitError):
            time_limit.check()
        thread = threading.Thread(target=lambda: others.append(time_limit.end()))
        thread.start()
        thread.join()
    time_limit.check()
    assert others == [None]


def test_fetching_a_file_ends_between_two_pieces(s3_bucket: str, clock: Iterator[int]) -> None:
    """With the sentence that the time is up, not as a failure of the storage."""
    storage = Storage(f"s3://aws_fleet@{s3_bucket}/fleet")
    storage.put_bytes(b"." * 1_000_000, "large")
    with time_limit.ends_at(math.inf), storage.local_copy("large") as copy:
        assert copy.stat().st_size == 1_000_000
    assert next(clock) == 1
    with time_limit.ends_at(4), pytest.raises(TimeLimitError), storage.local_copy("large"):
        pass
    assert next(clock) < 10  # It would take 15 pieces and more.


@pytest.mark.parametrize(
    "access",
    [
        lambda storage: storage.read("file"),
        lambda storage: storage.read_part("file", 0, 1),
        lambda storage: storage.names(),
        lambda storage: storage.exists("file"),
        lambda storage: storage.stat("file"),
    ],
)
def test_no_request_is_sent_when_the_time_is_up(
    memory_storage: str, clock: Iterator[int], access: Callable[[Storage], object]
) -> None:
    storage = Storage(memory_storage)
    storage.put_bytes(b"data", "file")
    with time_limit.ends_at(0), pytest.raises(TimeLimitError):
        access(storage)
    access(storage)
