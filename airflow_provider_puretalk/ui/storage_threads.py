"""Work for pages in threads of its own, for a bounded time and within bounds of memory.

Neither Airflow's event loop nor the threads of its other routes ever wait for a storage, and one that hangs holds up no
other one.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Final, TypeVar

from airflow_provider_puretalk import size_limit, time_limit
from airflow_provider_puretalk.daemon_pool import DaemonPool
from airflow_provider_puretalk.time_limit import TimeLimitError
from airflow_provider_puretalk.ui.destinations import Destination

_Result = TypeVar("_Result")

#: Seconds after which work with a storage is given up, whatever the storage does.
TIME_LIMIT: Final = 8.0
#: Seconds after which work that goes well ends by itself, with what it has.
_SOFT_LIMIT: Final = 6.5
#: Seconds after which a page is not rendered any more: what was found until then has to become one.
_LAST: Final = 9.5
#: Threads of each destination, and of all pages for what takes no storage.
_THREADS: Final = 4
#: Bytes that are unpacked for a page: about what can be compared in time.
MAX_UNPACKED: Final = 500_000_000
#: Bytes of a piece that is in memory at once: a manifest, a record, the pages of a row group.
MAX_PIECE: Final = 8_000_000


class StorageThreads:
    """The threads of all destinations, and those that render."""

    def __init__(self) -> None:
        self._pools: dict[Destination | None, DaemonPool] = {}

    async def run(
        self, destination: Destination, work: Callable[[Destination, float], _Result], begun: float | None = None
    ) -> _Result:
        """Do some work with a destination.

        :param work: is given the destination, and when it should be over, in seconds of the monotonic clock.
        :param begun: when the request came; now by default.
        :raises TimeoutError: it took too long. Work that has begun ends where it next checks the time; what has not is given
            up.
        :raises SizeLimitError: there is more to be read than a page may read.
        """
        begun = time.monotonic() if begun is None else begun
        return await self._run(destination, lambda: work(destination, begun + _SOFT_LIMIT), begun + TIME_LIMIT)

    async def render(self, work: Callable[[], _Result], begun: float) -> _Result:
        """Do what takes no storage, such as rendering what was found.

        :param begun: when the request came.
        :raises TimeoutError: it took too long.
        """
        return await self._run(None, work, begun + _LAST)

    async def _run(self, place: Destination | None, work: Callable[[], _Result], until: float) -> _Result:
        if place not in self._pools:
            self._pools[place] = DaemonPool(_THREADS, "puretalk-pages")

        def limited() -> _Result:
            try:
                with time_limit.ends_at(until), size_limit.at_most(MAX_UNPACKED, MAX_PIECE):
                    return work()
            except (StopIteration, asyncio.CancelledError) as error:
                # To the event loop these would mean something else: that the request itself is over.
                raise RuntimeError(f"A storage library raised {type(error).__name__}.") from error

        future = self._pools[place].submit(limited)
        try:
            return await asyncio.wait_for(asyncio.wrap_future(future), until - time.monotonic())
        except TimeLimitError:
            raise TimeoutError from None
