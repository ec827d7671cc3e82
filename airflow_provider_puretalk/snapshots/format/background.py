"""Work that needs no interpreter lock (hashing, compressing, writing), done beside the work that needs it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Any, Self

#: Calls that may be under way or waiting. With one, each side would wait for the other; what they work on lies in memory.
_MOST = 2


class Background:
    """Makes one call after the other, in order, in a thread of its own. A context manager, left when all are made.

    An error of a call is raised to the caller at one of the next calls, at the latest by :meth:`finish`. Those that wait by
    then are not made.
    """

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="puretalk-background")
        self._calls: deque[Future[None]] = deque()
        self._failed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self.finish()
        finally:
            self.close()

    def call(self, function: Callable[..., None], *arguments: Any) -> None:
        """Have a function called soon; waits while too many calls wait already."""
        self._settle(_MOST - 1)
        self._calls.append(self._pool.submit(self._make, function, *arguments))

    def finish(self) -> None:
        """Wait until all calls are made."""
        self._settle(0)

    def close(self) -> None:
        """Wait for the call under way, and make none of those that wait."""
        self._pool.shutdown(cancel_futures=True)

    def _make(self, function: Callable[..., None], *arguments: Any) -> None:
        if self._failed:
            return
        try:
            function(*arguments)
        except BaseException:
            self._failed = True
            raise

    def _settle(self, left: int) -> None:
        while len(self._calls) > left:
            self._calls.popleft().result()
