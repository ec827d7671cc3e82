"""Answers that end: a server that drips its answer, byte by byte, is never silent and never done.

``requests`` and ``urllib3`` bound the silence between two bytes, not the time that an answer takes as a whole. Here a
watchdog does: it shuts the connection down under the thread that reads from it.
"""

from __future__ import annotations

import contextlib
import heapq
import itertools
import os
import socket
import threading
import time
import weakref
from collections.abc import Iterator
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection


class TimeLimit:
    """The time that the answers to one request may take; the connection that is read from can change with a redirect."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sock: socket.socket | None = None
        self._over = False
        #: Whether the time ran out, and the connection was shut down.
        self.expired = False

    def watch(self, sock: socket.socket) -> None:
        """Name the connection that is to be shut down."""
        with self._lock:
            self._sock = sock
        if self.expired:
            self.expire()

    def end(self) -> None:
        """Forget the connection: the answers are there."""
        with self._lock:
            self._over, self._sock = True, None

    def expire(self) -> None:
        """Shut the connection down, which wakes the thread that reads from it; closing it would not."""
        with self._lock, contextlib.suppress(OSError):
            self.expired = not self._over
            if self._sock is not None:
                self._sock.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def time_limit(seconds: float) -> Iterator[TimeLimit]:
    """Bound what this thread reads through a :class:`LimitedAdapter`; whoever uses it looks at ``expired`` afterwards."""
    limit, outer = TimeLimit(), getattr(_current, "limit", None)
    _watchdog.set(seconds, limit)
    _current.limit = limit
    try:
        yield limit
    finally:
        _current.limit = outer
        limit.end()


class _Watchdog:
    """One thread that lets all limits expire; a timer for each request would be a thread for each request."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        # Weak: most are over long before their time comes. Kept until then, the lock of each would stand in the way where
        # the room of a whole answer is given back, and the process would grow with every request.
        self._limits: list[tuple[float, int, weakref.ref[TimeLimit]]] = []
        self._number = itertools.count()
        self._pid: int | None = None

    def set(self, seconds: float, limit: TimeLimit) -> None:
        with self._changed:
            while self._limits and self._limits[0][2]() is None:
                heapq.heappop(self._limits)
            number = next(self._number)
            heapq.heappush(self._limits, (time.monotonic() + seconds, number, weakref.ref(limit)))
            if self._limits[0][1] == number:
                self._changed.notify()
            if self._pid != os.getpid():  # The first one ever, or in this process: a fork takes no threads along.
                self._pid = os.getpid()
                threading.Thread(target=self._run, name="puretalk-time-limits", daemon=True).start()

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._limits or self._limits[0][0] > time.monotonic():
                    self._changed.wait(self._limits[0][0] - time.monotonic() if self._limits else None)
                limit = heapq.heappop(self._limits)[2]()
            if limit is not None:
                limit.expire()
            del limit  # Nor is the last one to be kept while this waits for the next.


_watchdog = _Watchdog()


class LimitedAdapter(HTTPAdapter):
    """An adapter whose connections keep to the :func:`time_limit` of the thread that reads."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Let the pools make limited connections."""
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        """Let the pools behind a proxy make limited connections too."""
        manager = super().proxy_manager_for(*args, **kwargs)
        manager.pool_classes_by_scheme = _POOLS
        return manager


_current = threading.local()


def _watched(sock: socket.socket) -> socket.socket:
    limit: TimeLimit | None = getattr(_current, "limit", None)
    if limit is not None:
        limit.watch(sock)
    return sock


class _Limited:
    sock: Any

    def _new_conn(self) -> Any:
        # From the first byte on: a TLS handshake or a proxy's answer to CONNECT may drip as well.
        return _watched(super()._new_conn())  # type: ignore[misc]  # of the connection class beside this one

    def getresponse(self) -> Any:
        _watched(self.sock)  # A connection that was kept is not new, and TLS has wrapped a new one meanwhile.
        return super().getresponse()  # type: ignore[misc]


class _LimitedHTTPConnection(_Limited, HTTPConnection):
    pass


class _LimitedHTTPSConnection(_Limited, HTTPSConnection):
    pass


class _LimitedHTTPPool(HTTPConnectionPool):
    ConnectionCls = _LimitedHTTPConnection


class _LimitedHTTPSPool(HTTPSConnectionPool):
    ConnectionCls = _LimitedHTTPSConnection


_POOLS = {"http": _LimitedHTTPPool, "https": _LimitedHTTPSPool}
