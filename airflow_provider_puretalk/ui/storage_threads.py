"""Work with a storage in threads of its own, for a bounded time.

Neither Airflow's event loop nor the threads of its other routes ever wait for a storage, and one that hangs holds up no
other one.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Final, TypeVar

from airflow_provider_puretalk import time_limit
from airflow_provider_puretalk.daemon_pool import DaemonPool
from airflow_provider_puretalk.time_limit import TimeLimitError
from airflow_provider_puretalk.ui.destinations import Destination

_Result = TypeVar("_Result")

#: Seconds after which a request is answered, whatever the storage does.
TIME_LIMIT: Final = 8.0
#: Seconds after which work that goes well ends by itself, with what it has.
_SOFT_LIMIT: Final = 6.5
#: Threads of each destination.
_THREADS: Final = 4


class StorageThreads:
    """The threads of all destinations."""

    def __init__(self) -> None:
        self._pools: dict[Destination, DaemonPool] = {}

    async def run(self, destination: Destination, work: Callable[[Destination, float], _Result]) -> _Result:
        """Do some work with a destination.

        :param work: is given the destination, and when it should be over, in seconds of the monotonic clock.
        :raises TimeoutError: it took too long. Work that has begun ends where it next checks the time; what has not is given
            up.
        """
        if destination not in self._pools:
            self._pools[destination] = DaemonPool(_THREADS, "puretalk-pages")
        begun = time.monotonic()

        def limited() -> _Result:
            with time_limit.ends_at(begun + TIME_LIMIT):
                return work(destination, begun + _SOFT_LIMIT)

        future = self._pools[destination].submit(limited)
        try:
            return await asyncio.wait_for(asyncio.wrap_future(future), TIME_LIMIT)
        except TimeLimitError:
            raise TimeoutError from None
