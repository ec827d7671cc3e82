"""Threads that end with the process: those of the standard library's pools hold up its end until their last call is over."""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Executor, Future
from types import TracebackType
from typing import Any

#: Seconds for which to wait for calls under way. What is cancelled ends at once, unless it is stuck for good.
_LONGEST_FAREWELL = 1.0


class DaemonPool(Executor):
    """Makes calls in some threads.

    :param threads: how many at most.
    :param name: what their names begin with.
    """

    def __init__(self, threads: int, name: str) -> None:
        self._most = threads
        self._name = name
        self._calls: queue.SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Wait for all calls; after an error, and where the task is killed, do not wait for one that is stuck."""
        self.shutdown(wait=True, cancel_futures=kind is not None)

    def submit(self, function: Callable[..., Any], /, *arguments: Any, **options: Any) -> Future[Any]:
        """Have a call made soon."""
        future: Future[Any] = Future()
        self._calls.put((future, lambda: function(*arguments, **options)))
        if len(self._threads) < self._most:
            thread = threading.Thread(target=self._work, name=f"{self._name}-{len(self._threads)}", daemon=True)
            self._threads.append(thread)
            thread.start()
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End the threads: when they have made all calls, or those under way only. Does not wait for one that is stuck."""
        with contextlib.suppress(queue.Empty):
            while cancel_futures:  # Never waiting for one: a thread may take the last call meanwhile.
                if call := self._calls.get_nowait():
                    call[0].cancel()
        for _ in self._threads:
            self._calls.put(None)
        until = time.monotonic() + _LONGEST_FAREWELL
        for thread in self._threads if wait else ():
            thread.join(max(0.0, until - time.monotonic()) if cancel_futures else None)

    def _work(self) -> None:
        while call := self._calls.get():
            future, function = call
            if future.set_running_or_notify_cancel():
                try:
                    result = function()
                except BaseException as error:
                    future.set_exception(error)
                else:
                    future.set_result(result)
                    del result
            # A thread without work keeps nothing of its last call alive.
            del call, future, function
