"""A service that answers whatever a test writes down, byte for byte, over real sockets, and clients that ask it."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from email.parser import Parser
from types import SimpleNamespace
from typing import Any

import pytest

API_KEY = "test-key-0123456789"

#: Bytes to send, or something that does with the socket what it likes.
Answer = bytes | Callable[[socket.socket], None]


@dataclass
class Request:
    """One request as it arrived; names of headers in small letters."""

    method: str
    target: str
    headers: dict[str, str]


@dataclass
class Service:
    """Answers requests in the order written down; the last answer is repeated."""

    address: str
    answers: list[Answer]
    requests: list[Request] = field(default_factory=list)

    @property
    def keys(self) -> list[str | None]:
        """The API key of each request, None where there was none."""
        return [request.headers.get("x-api-key") for request in self.requests]

    @property
    def targets(self) -> list[str]:
        return [request.target for request in self.requests]


def answer(body: Any = b"", status: int = 200, **headers: str) -> bytes:
    """Write an answer down. Anything but bytes is sent as JSON; ``Retry_After="3"`` becomes a header."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = {"Content-Type": "application/json", "Content-Length": str(len(raw)), "Connection": "close"}
    lines |= {name.replace("_", "-"): value for name, value in headers.items()}
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"HTTP/1.1 {status} Whatever\r\n{head}\r\n".encode("latin-1") + raw


def page(*ids: str, count: int | None = None, **fields: Any) -> dict[str, Any]:
    """Write the body of a page down: records with these ids, and nothing after it unless told."""
    rows = [{"assistant_id": one} for one in ids]
    return {"count": len(rows) if count is None else count, "next": None, "previous": None, "results": rows} | fields


def _converse(connection: socket.socket, service: Service, lock: threading.Lock) -> None:
    connection.settimeout(10)
    head = b""
    while b"\r\n\r\n" not in head:
        piece = connection.recv(65536)
        if not piece:
            return
        head += piece
    first, _, rest = head.decode("latin-1").partition("\r\n")
    method, target, _ = first.split(" ", 2)
    headers = {name.lower(): value for name, value in Parser().parsestr(rest).items()}
    with lock:
        service.requests.append(Request(method, target, headers))
        given = service.answers[min(len(service.requests), len(service.answers)) - 1]
    if callable(given):
        given(connection)
        return
    connection.sendall(given)


@contextlib.contextmanager
def serving(*answers: Answer, tls: ssl.SSLContext | None = None) -> Iterator[Service]:
    """Run a service on a loopback port until the block ends."""
    listener = socket.create_server(("127.0.0.1", 0))
    scheme = "https" if tls else "http"
    service = Service(f"{scheme}://127.0.0.1:{listener.getsockname()[1]}", list(answers))
    lock = threading.Lock()

    def serve_one(connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection:
            if tls:
                connection = tls.wrap_socket(connection, server_side=True)
            with connection:
                _converse(connection, service, lock)

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=serve_one, args=(connection,), daemon=True).start()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield service
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


@pytest.fixture
def serve() -> Iterator[Callable[..., Service]]:
    """Start a service with these answers; it ends with the test."""
    with contextlib.ExitStack() as stack:

        def start(*answers: Answer, tls: ssl.SSLContext | None = None) -> Service:
            return stack.enter_context(serving(*answers, tls=tls))

        yield start


@pytest.fixture
def make_client() -> Iterator[Callable[..., Any]]:
    """Make a client from the plain fields of a connection. Without ``retry_backoff`` it pauses for no time at all."""
    from airflow_provider_puretalk.api.client import ApiClient
    from airflow_provider_puretalk.api.settings import ApiSettings

    clients = []

    def make(host: str, *, password: str = API_KEY, extra: Mapping[str, Any] | None = None, **fields: Any) -> ApiClient:
        settings = ApiSettings.from_fields(
            "fleet",
            host=host,
            schema=fields.get("schema"),
            port=fields.get("port"),
            password=password,
            extra={"retry_backoff": 0, "timeout": 5} | dict(extra or {}),
        )
        clients.append(ApiClient(settings))
        return clients[-1]

    yield make
    for client in clients:
        client.session.close()


class Clock:
    """A clock that only moves when somebody waits, so that no test has to. Waits are noted."""

    def __init__(self) -> None:
        self.now = 1_000_000.0
        self.waits: list[float] = []
        self._lock = threading.Lock()

    def __call__(self) -> float:
        return self.now

    def wait(self, seconds: float) -> None:
        with self._lock:
            self.waits.append(seconds)
            self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Let the test's own pauses pass at once: ``time.monotonic`` and ``threading.Event.wait`` follow this clock.

    Other threads wait for real.
    """
    clock, real_wait = Clock(), threading.Event.wait

    def wait(event: threading.Event, timeout: float | None = None) -> bool:
        if timeout is None or event.is_set() or threading.current_thread() is not threading.main_thread():
            return real_wait(event, timeout)
        clock.wait(timeout)
        return event.is_set()

    monkeypatch.setattr("time.monotonic", clock)
    monkeypatch.setattr(threading.Event, "wait", wait)
    return clock


@pytest.fixture
def answers() -> Any:
    """How to write an answer down: ``answers.answer(body, status, **headers)`` and ``answers.page(*ids, **fields)``."""
    return SimpleNamespace(answer=answer, page=page, ok=answer(page("a")))


@pytest.fixture
def fetch_page(serve: Callable[..., Service], make_client: Callable[..., Any]) -> Callable[..., Any]:
    """Ask a service with these answers for page 1 with limit 10, through a client; returns page and service."""

    def run(*answers: Answer, number: int = 1, limit: int = 10, **extra: Any) -> tuple[Any, Service]:
        service = serve(*answers)
        client = make_client(f"{service.address}/api", extra=extra)
        return client.get_page(number, limit), service

    return run
