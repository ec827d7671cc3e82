"""A background thread for work that releases the interpreter lock: hashing, compressing, writing."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Any, Self

#: Calls running or pending. With one, each side would wait for the other; more would hold more data in memory.
_MAX_PENDING = 2


class Background:
    """Makes calls in order, in a thread of its own. A context manager that waits for all of them.

    An error of a call is raised by one of the next calls, at the latest by :meth:`finish`. Pending calls are dropped then.
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
        """Submit a call; blocks while too many are pending."""
        self._settle(_MAX_PENDING - 1)
        self._calls.append(self._pool.submit(self._make, function, *arguments))

    def finish(self) -> None:
        """Wait until all calls are made."""
        self._settle(0)

    def close(self) -> None:
        """Wait for the running call and drop the pending ones."""
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
