"""Connections that end: a server that drips the head of its answer, byte by byte, is never silent and never done.

``requests`` and ``urllib3`` bound the silence between two bytes, not the time a head may take. Bodies are read by the client
itself, which looks at the clock; heads are read in ``http.client``, out of its reach, so a timer cuts the connection there.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection

#: An answer as a whole may take this many times the longest silence.
WHOLE_ANSWER_FACTOR = 5


class BoundedAdapter(HTTPAdapter):
    """An adapter whose connections wait for the head of an answer for a bounded time."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Let the pools make bounded connections."""
        super().init_poolmanager(*args, **kwargs)  # type: ignore[no-untyped-call]
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        """Let the pools behind a proxy make bounded connections too."""
        manager = super().proxy_manager_for(*args, **kwargs)  # type: ignore[no-untyped-call]
        manager.pool_classes_by_scheme = _POOLS
        return manager


class _Bounded:
    """Cuts the connection when the head of the answer takes too long."""

    sock: Any
    timeout: Any

    def getresponse(self) -> Any:
        if not isinstance(self.timeout, int | float):
            return super().getresponse()  # type: ignore[misc]
        late = threading.Event()
        timer = threading.Timer(self.timeout * WHOLE_ANSWER_FACTOR, self._cut, [self.sock, late])
        timer.daemon = True
        timer.start()
        try:
            return super().getresponse()  # type: ignore[misc]
        finally:
            timer.cancel()
            if late.is_set():
                raise TimeoutError("the head of the answer took too long")

    @staticmethod
    def _cut(sock: socket.socket, late: threading.Event) -> None:
        late.set()
        with contextlib.suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)  # Wakes the thread that reads from it; closing would not.


class _BoundedHTTPConnection(_Bounded, HTTPConnection):
    pass


class _BoundedHTTPSConnection(_Bounded, HTTPSConnection):
    pass


class _BoundedHTTPPool(HTTPConnectionPool):
    ConnectionCls = _BoundedHTTPConnection


class _BoundedHTTPSPool(HTTPSConnectionPool):
    ConnectionCls = _BoundedHTTPSConnection


_POOLS = {"http": _BoundedHTTPPool, "https": _BoundedHTTPSPool}
