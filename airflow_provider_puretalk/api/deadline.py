"""Deadlines: connections that end when their time is up, and as soon as the request is cancelled.

``requests`` and ``urllib3`` bound the silence between two bytes, not the time that a response takes as a whole: one that
arrives byte by byte is never silent and never done. While they connect, the timeout counts for each address of a name
anew, and not at all for its DNS lookup. And nothing can stop them from another thread. Here a watchdog can: it shuts the
connection down under the thread that reads from it. A DNS lookup cannot be shut down: it happens in a daemon thread that
is abandoned.
"""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import math
import os
import socket
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

from requests import PreparedRequest, Response
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, LocationParseError, NameResolutionError, NewConnectionError
from urllib3.util.connection import allowed_gai_family
from urllib3.util.wait import wait_for_write

from airflow_provider_puretalk.api import environment
from airflow_provider_puretalk.api.cancellation import CHECK_EVERY, Cancellation


class TimeLimit:
    """The time that one request may take, redirects included; the connection that is read from can change with each.

    :param seconds: how long.
    :param cancelled: ends it before.
    :param deadline: so does this moment on the monotonic clock, whatever does not count.
    :ivar expired: whether the connection was shut down: the time ran out, or it was cancelled.
    """

    def __init__(self, seconds: float, cancelled: threading.Event, deadline: float = math.inf) -> None:
        self.cancelled = cancelled
        self.deadline = deadline
        self._ends = time.monotonic() + seconds
        self._lock = threading.Lock()
        self._descriptor: int | None = None
        self._over = False
        self.expired = False

    @contextlib.contextmanager
    def standing_still(self) -> Iterator[None]:
        """Let the time that passes meanwhile not count."""
        begun = time.monotonic()
        try:
            yield
        finally:
            self._ends += time.monotonic() - begun

    def watch(self, sock: Any) -> None:
        """Name the connection that is to be shut down."""
        # A descriptor of our own: TLS takes the socket's away to shake hands, and it may be closed at any time.
        descriptor = os.dup(sock.fileno())
        with self._lock:
            descriptor, self._descriptor = self._descriptor, descriptor  # type: ignore[assignment]
        if descriptor is not None:
            os.close(descriptor)
        if self.expired:
            self._shut()

    def end(self) -> None:
        """Drop the connection: the response is there."""
        with self._lock:
            self._over = True
            descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)

    def check(self) -> None:
        """Shut the connection down where its time is up, which wakes the thread that reads from it; closing would not."""
        if not self.expired and (time.monotonic() >= min(self._ends, self.deadline) or self.cancelled.is_set()):
            with self._lock:
                self.expired = not self._over
            self._shut()

    def _shut(self) -> None:
        with self._lock:
            descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            with contextlib.suppress(OSError), socket.socket(fileno=descriptor) as sock:
                sock.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def time_limit(
    seconds: float, cancelled: threading.Event | None = None, deadline: float = math.inf
) -> Iterator[TimeLimit]:
    """Bound what this thread reads through a :class:`LimitedAdapter`; ``expired`` has to be checked afterwards."""
    limit = TimeLimit(seconds, Cancellation() if cancelled is None else cancelled, deadline)
    outer = current_limit()
    _watchdog.add(limit)
    _current.limit = limit
    try:
        yield limit
    finally:
        _current.limit = outer
        _watchdog.remove(limit)
        limit.end()


def current_limit() -> TimeLimit | None:
    """Return the innermost limit of this thread."""
    return getattr(_current, "limit", None)


class _Watchdog:
    """One thread that checks all limits; a timer for each request would be a thread for each request."""

    def __init__(self) -> None:
        self._reset()
        os.register_at_fork(after_in_child=self._reset)  # A fork takes no threads along.

    def _reset(self) -> None:
        self._changed = threading.Condition()
        self._limits: dict[int, TimeLimit] = {}
        self._is_idle = False
        self._is_running = False

    def add(self, limit: TimeLimit) -> None:
        with self._changed:
            self._limits[id(limit)] = limit
            if self._is_idle:
                self._changed.notify()
            if not self._is_running:
                self._is_running = True
                threading.Thread(target=self._run, name="puretalk-time-limits", daemon=True).start()

    def remove(self, limit: TimeLimit) -> None:
        self._limits.pop(id(limit), None)

    def _run(self) -> None:
        while True:
            self._check_once()

    def _check_once(self) -> None:  # A call of its own: between two checks it keeps nothing of any request.
        with self._changed:
            self._is_idle = not self._limits
            self._changed.wait(None if self._is_idle else CHECK_EVERY)
            limits = list(self._limits.values())
        for limit in limits:
            limit.check()


_watchdog = _Watchdog()


class LimitedAdapter(HTTPAdapter):
    """An adapter whose connections keep to the :func:`time_limit` of the thread that reads."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._checked: set[Any] = set()

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Let the pools make limited connections."""
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, proxy: str, **proxy_kwargs: Any) -> Any:
        """Let the pools behind a proxy make limited connections too."""
        if proxy in self.proxy_manager:
            return self.proxy_manager[proxy]
        manager = super().proxy_manager_for(proxy, **proxy_kwargs)
        if proxy.lower().startswith("socks"):
            from airflow_provider_puretalk.api.socks_tunnel import POOLS  # Its library is optional.

            manager.pool_classes_by_scheme = POOLS
        else:
            manager.pool_classes_by_scheme = _POOLS
        return manager

    def send(
        self,
        request: PreparedRequest,
        stream: bool = False,
        timeout: Any = None,
        verify: bool | str = True,
        cert: Any = None,
        proxies: Any = None,
    ) -> Response:
        """Send a request; the body of a redirect is not read, however long it is.

        :raises PuretalkConfigurationError: what the environment says of proxies and certificates cannot be used.
        """
        ways = (str(request.url).partition("?")[0], verify, tuple((proxies or {}).items()))
        if ways not in self._checked:
            environment.check(ways[0], proxies or {}, verify)
            self._checked.add(ways)
        response = super().send(request, stream, timeout, verify, cert, proxies)
        if response.is_redirect:
            response.raw.close()
            response._content, response._content_consumed = b"", True  # type: ignore[attr-defined]
        return response


_current = threading.local()


def watched(sock: Any) -> Any:
    """Name a connection to this thread's limit, and return it."""
    limit = current_limit()
    if limit is not None:
        limit.watch(sock)
    return sock


def connect(host: str, port: int, timeout: float | None, source: Any, options: Any) -> socket.socket:
    """Connect to the first address of a host that answers, in so many seconds for all of them and for the DNS lookup.

    :raises OSError: none answered; the last one's error.
    """
    ends = moment_after(timeout)
    found = addresses(host.strip("[]"), port, ends)
    error: OSError = OSError("The host name has no address.")
    for behind, (family, kind, protocol, _, address) in enumerate(found):
        # One that does not answer leaves time for the others.
        share = None if ends is None else max(0.0, ends - time.monotonic()) / (len(found) - behind)
        sock = socket.socket(family, kind, protocol)
        try:
            for option in options or ():
                sock.setsockopt(*option)
            if source:
                sock.bind(source)
            sock.setblocking(False)
            begun = sock.connect_ex(address)
            if begun in (errno.EINPROGRESS, errno.EWOULDBLOCK, errno.EINTR):
                steps = _steps(moment_after(share))
                while not wait_for_write(sock, next(steps)):
                    pass
                begun = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if begun:
                raise OSError(begun, os.strerror(begun))
            sock.settimeout(timeout)
            return sock
        except BaseException as problem:
            sock.close()
            if not isinstance(problem, OSError) or _is_expired():
                raise
            error = problem
    try:
        raise error
    finally:
        del error  # It holds this frame, which holds it.


def addresses(host: str, port: int, ends: float | None, family: int | None = None) -> list[Any]:
    """Look up a name. The system's resolver takes as long as it likes and cannot be stopped, so it is abandoned in time.

    :param ends: when the time is up, on the monotonic clock.
    :param family: of which addresses; any that this machine has by default.
    """
    query = (host, port, allowed_gai_family() if family is None else family, socket.SOCK_STREAM)
    try:
        host.encode("idna")
    except UnicodeError:
        raise LocationParseError(host) from None
    with contextlib.suppress(ValueError):
        ipaddress.ip_address(host)
        return socket.getaddrinfo(*query)
    found: list[Any] = []
    done = threading.Event()

    def look_up() -> None:
        try:
            found.append(socket.getaddrinfo(*query))
        except Exception as error:
            found.append(error)
        done.set()

    threading.Thread(target=look_up, name="puretalk-resolver", daemon=True).start()
    steps = _steps(ends)
    while not done.wait(next(steps)):
        pass
    (outcome,) = found
    if isinstance(outcome, Exception):
        raise outcome
    resolved: list[Any] = outcome
    return resolved


def moment_after(seconds: float | None) -> float | None:
    """Return the moment on the monotonic clock after so many seconds; None where there is no end."""
    return None if seconds is None else time.monotonic() + seconds


def _steps(ends: float | None) -> Iterator[float]:
    """Yield short pauses, until the time is up.

    :raises TimeoutError: it is, or that of the thread's limit.
    """
    while True:
        left = CHECK_EVERY if ends is None else ends - time.monotonic()
        if left <= 0 or _is_expired():
            raise TimeoutError("timed out")
        yield min(CHECK_EVERY, left)


def _is_expired() -> bool:
    limit = current_limit()
    return limit is not None and limit.expired


class Limited:
    """Makes one of urllib3's connections, which this class stands beside, keep to its thread's limit."""

    sock: Any

    def open(self, timeout: float | None) -> socket.socket:
        """Connect.

        :raises OSError: that is not possible.
        """
        own: Any = self
        return connect(own._dns_host, own.port, timeout, own.source_address, own.socket_options)

    def _new_conn(self) -> Any:
        connection: Any = self
        timeout = connection.timeout if isinstance(connection.timeout, int | float) else None
        try:
            sock = self.open(timeout)
        except socket.gaierror as error:
            raise NameResolutionError(connection.host, connection, error) from error
        except TimeoutError as error:
            raise ConnectTimeoutError(connection, f"Connecting timed out (connect timeout={timeout}).") from error
        except OSError as error:
            raise NewConnectionError(connection, f"Failed to establish a new connection: {error}") from error
        sys.audit("http.client.connect", connection, connection.host, connection.port)
        # From the first byte on: a TLS handshake or a proxy's answer to CONNECT may drip as well.
        return watched(sock)

    def getresponse(self) -> Any:
        """Wait for the response."""
        watched(self.sock)  # A connection that was kept is not new.
        return super().getresponse()  # type: ignore[misc]


class _LimitedHTTPConnection(Limited, HTTPConnection):
    pass


class _LimitedHTTPSConnection(Limited, HTTPSConnection):
    pass


class _LimitedHTTPPool(HTTPConnectionPool):
    ConnectionCls = _LimitedHTTPConnection


class _LimitedHTTPSPool(HTTPSConnectionPool):
    ConnectionCls = _LimitedHTTPSConnection


_POOLS = {"http": _LimitedHTTPPool, "https": _LimitedHTTPSPool}
