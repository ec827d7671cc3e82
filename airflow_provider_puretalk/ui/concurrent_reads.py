"""Reads many small things of a storage at once: one that fails, or never comes, costs nothing but itself."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Hashable, Iterable
from concurrent.futures import wait
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

from airflow_provider_puretalk.daemon_pool import DaemonPool
from airflow_provider_puretalk.locations import shown
from airflow_provider_puretalk.ui.destinations import Destination
from airflow_provider_puretalk.ui.failures import sentence

_Key = TypeVar("_Key", bound=Hashable)
_Found = TypeVar("_Found")

#: Requests to a destination at once, of all pages together: what hangs holds up so many threads at most.
_THREADS: Final = 16
_POOLS: Final = dict[Destination, DaemonPool]()


@dataclass(slots=True)
class Reads(Generic[_Key, _Found]):
    """What came of reading, by key, in the order of the keys; what does not exist is nowhere in it.

    :ivar failed: why something could not be read, in a sentence.
    :ivar late: what did not come in time.
    """

    found: dict[_Key, _Found] = field(default_factory=dict)
    failed: dict[_Key, str] = field(default_factory=dict)
    late: list[_Key] = field(default_factory=list)


def read_each(
    destination: Destination, read: Callable[[_Key], _Found], keys: Iterable[_Key], until: float
) -> Reads[_Key, _Found]:
    """Read what each key stands for.

    :param read: raises ``FileNotFoundError`` for what does not exist.
    :param until: when to end with what has come, in seconds of the monotonic clock.
    """
    pool = _POOLS.setdefault(destination, DaemonPool(_THREADS, "puretalk-page-reads"))
    calls = {key: pool.submit(read, key) for key in dict.fromkeys(keys)}
    wait(calls.values(), None if until == math.inf else max(0.0, until - time.monotonic()))
    reads = Reads[_Key, _Found]()
    for key, call in calls.items():
        if not call.done():
            call.cancel()
            reads.late.append(key)
            continue
        try:
            reads.found[key] = call.result()
        except FileNotFoundError:
            continue
        except Exception as error:
            reads.failed[key] = sentence(f"{key} of {shown(destination.url)}", error)
    return reads
