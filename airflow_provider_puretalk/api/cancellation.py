"""Cancellation: how another thread ends what this one is doing, by an event that everything that waits checks.

A reading has a :class:`Cancellation` of its own. It is set by its own failure, and counts as set when the caller's event or
that of the task is. A task that may be killed opens :func:`cancelled_by` around what it does.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from contextvars import ContextVar

#: Seconds between two checks of the events of others, and of what is in flight.
CHECK_EVERY = 0.1

_current: ContextVar[threading.Event | None] = ContextVar("puretalk_cancelled", default=None)


class Cancellation(threading.Event):
    """An event that is also set while one of others is; setting it sets none of them.

    :param others: events of others; None is left out. What :func:`cancelled_by` named for this context is one of them.
    """

    def __init__(self, *others: threading.Event | None) -> None:
        super().__init__()
        self._others = tuple({id(other): other for other in (*others, _current.get()) if other is not None}.values())

    def is_set(self) -> bool:
        """Return whether to end."""
        return super().is_set() or any(other.is_set() for other in self._others)

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it is set, or so many seconds; returns whether it is."""
        if not self._others:
            return super().wait(timeout)
        ends = None if timeout is None else time.monotonic() + timeout
        while not self.is_set():
            left = CHECK_EVERY if ends is None else min(CHECK_EVERY, ends - time.monotonic())
            if left <= 0:
                return False
            super().wait(left)
        return True


@contextlib.contextmanager
def cancelled_by(event: threading.Event) -> Iterator[None]:
    """Let an event end all requests that are made in this context."""
    token = _current.set(event)
    try:
        yield
    finally:
        _current.reset(token)
