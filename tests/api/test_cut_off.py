"""Requests that nobody wants any more are cut off wherever they are: the timeouts here are ten minutes long."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from airflow_provider_puretalk.api.deadline import time_limit
from airflow_provider_puretalk.exceptions import PuretalkConnectionError, PuretalkError, PuretalkInconsistentScanError
from airflow_provider_puretalk.scan.assistant_scan import scan
from airflow_provider_puretalk.scan.options import ScanOptions

PATIENT = {"timeout": 600, "max_retries": 5}


class Place:
    """Accepts connections, says what it is told to, and never ends an answer."""

    def __init__(self, says: bytes = b"", *, drips: bool = False) -> None:
        self._says, self._drips = says, drips
        self.over = threading.Event()
        self.reached = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            connection.recv(65536)
            connection.sendall(self._says)
            self.reached.set()
            while not self.over.wait(0.01):
                if self._drips:
                    connection.sendall(b" ")

    def close(self) -> None:
        self.over.set()
        self._listener.close()


HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n"


@pytest.fixture(params=["silent", "in the head", "in the body", "dripping"])
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    """A server at each stage of an answer that never ends."""
    place = {
        "silent": lambda: Place(),
        "in the head": lambda: Place(HEAD[:20]),
        "in the body": lambda: Place(HEAD + b"{"),
        "dripping": lambda: Place(HEAD, drips=True),
    }[request.param]()
    yield place
    place.close()


def set_when(reached: threading.Event, event: threading.Event) -> None:
    def wait() -> None:
        reached.wait(60)
        event.set()

    threading.Thread(target=wait, daemon=True).start()


@pytest.mark.parametrize("parallel", [1, 4])
def test_a_reading_that_is_cancelled(make_client: Callable[..., Any], place: Place, parallel: int) -> None:
    """Ends at once, in the middle of an answer."""
    client = make_client(f"http://127.0.0.1:{place.port}", extra=PATIENT | {"max_parallel_requests": parallel})
    cancelled = threading.Event()
    set_when(place.reached, cancelled)
    with (
        pytest.raises(PuretalkInconsistentScanError, match="given up: it was cancelled"),
        scan(client, ScanOptions(page_size=10, cancelled=cancelled)),
    ):
        pytest.fail("there is no reading")


def test_shaking_hands_is_cut_off(make_client: Callable[..., Any]) -> None:
    """TLS has the connection by then, and no answer has begun."""
    place, cancelled = Place(), threading.Event()
    set_when(place.reached, cancelled)
    client = make_client(f"https://127.0.0.1:{place.port}", extra=PATIENT)
    try:
        with (
            pytest.raises(PuretalkInconsistentScanError, match="cancelled"),
            scan(client, ScanOptions(page_size=10, cancelled=cancelled)),
        ):
            pytest.fail("there is no reading")
    finally:
        place.close()


@pytest.mark.long
def test_max_seconds_ends_an_answer_that_does_not_end(make_client: Callable[..., Any], place: Place) -> None:
    """And the error names it."""
    client = make_client(f"http://127.0.0.1:{place.port}", extra=PATIENT)
    with (
        pytest.raises(PuretalkInconsistentScanError, match="max_seconds"),
        scan(client, ScanOptions(page_size=10, max_seconds=0.5)),
    ):
        pytest.fail("there is no reading")


def test_a_failing_reading_sets_no_event_of_the_caller(
    serve: Callable[..., Any], make_client: Callable[..., Any], answers: Any
) -> None:
    """The event is the caller's: others may wait for it."""
    cancelled = threading.Event()
    with (
        pytest.raises(PuretalkError),
        scan(
            make_client(serve(answers.answer({"err": True}, 403)).address),
            ScanOptions(page_size=10, cancelled=cancelled),
        ),
    ):
        pytest.fail("there is no reading")
    assert not cancelled.is_set()


def test_a_name_that_is_never_resolved(make_client: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """The resolver cannot be stopped, and nobody waits for it."""
    asked, over, cancelled = threading.Event(), threading.Event(), threading.Event()

    def hangs(*_: Any) -> list[Any]:
        asked.set()
        over.wait(60)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", hangs)
    set_when(asked, cancelled)
    try:
        with (
            pytest.raises(PuretalkInconsistentScanError, match="cancelled"),
            scan(make_client("http://puretalk.test", extra=PATIENT), ScanOptions(page_size=10, cancelled=cancelled)),
        ):
            pytest.fail("there is no reading")
    finally:
        over.set()


@pytest.fixture
def full() -> Iterator[tuple[str, int]]:
    """An address that accepts nobody: its queue is full, so that connecting to it never ends."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(8):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        yield listener.getsockname()


@pytest.mark.long
def test_connecting_is_cut_off(make_client: Callable[..., Any], full: tuple[str, int]) -> None:
    """A connection that is not there yet can be given up as well."""
    cancelled = threading.Event()
    threading.Timer(0.3, cancelled.set).start()
    with (
        pytest.raises(PuretalkInconsistentScanError, match="cancelled"),
        scan(make_client(f"http://127.0.0.1:{full[1]}", extra=PATIENT), ScanOptions(page_size=10, cancelled=cancelled)),
    ):
        pytest.fail("there is no reading")


@pytest.mark.long
def test_the_timeout_counts_once_for_all_addresses_of_a_name(
    make_client: Callable[..., Any], full: tuple[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each address gets its share of what is left, so that those after one that is silent are tried as well."""
    entry = (socket.AF_INET, socket.SOCK_STREAM, 6, "", full)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_: [entry] * 20)
    client = make_client(f"http://puretalk.test:{full[1]}", extra={"timeout": 1, "max_retries": 0})
    begun = time.monotonic()
    with pytest.raises(PuretalkConnectionError, match="timed out"):
        client.get_page(1, 10)
    assert time.monotonic() - begun < 10  # 20 s, each by itself


@pytest.mark.long
def test_the_second_address_is_used_where_the_first_one_is_silent(
    serve: Callable[..., Any],
    make_client: Callable[..., Any],
    answers: Any,
    full: tuple[str, int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One address that leads nowhere, as of a family that the network does not carry, costs half of the time."""
    good = ("127.0.0.1", int(serve(answers.ok).address.rpartition(":")[2]))
    both = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", address) for address in (full, good)]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_: both)
    client = make_client("http://puretalk.test", extra={"timeout": 2, "max_retries": 0})
    assert client.get_page(1, 10).count == 1


SCRIPT = """
import signal, sys, threading
from airflow_provider_puretalk.api.client import ApiClient
from airflow_provider_puretalk.scan.assistant_scan import scan
from airflow_provider_puretalk.scan.options import ScanOptions
from airflow_provider_puretalk.api.settings import ApiSettings

def told(*_):
    raise KeyboardInterrupt

signal.signal(signal.SIGALRM, told)
def ring():
    sys.stdin.read(1)
    signal.pthread_kill(threading.main_thread().ident, signal.SIGALRM)

threading.Thread(target=ring, daemon=True).start()
client = ApiClient(ApiSettings(sys.argv[1], "key", "a", timeout=600, page_size=1))
try:
    with scan(client, ScanOptions(page_size=1, consistency="checked")) as found:
        pass
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""


@pytest.mark.long
def test_a_process_that_is_interrupted_ends(serve: Callable[..., Any], answers: Any) -> None:
    """With four pages in flight that are never answered: neither the reading nor the interpreter's end waits for them."""
    over, in_flight = threading.Event(), threading.Semaphore(0)

    def by_page(connection: socket.socket) -> None:
        if "page=1&" in service.requests[-1].target and len(service.requests) == 1:
            connection.sendall(answers.answer(answers.page("a", count=9, next="?page=2")))
        else:
            in_flight.release()
            over.wait()

    service = serve(by_page)
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, service.address],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    try:
        for _ in range(4):
            assert in_flight.acquire(timeout=600)
        out, _ = process.communicate(b"x", timeout=600)
    finally:
        over.set()
        process.kill()
    assert (out.strip().splitlines()[-1:], process.returncode) == ([b"interrupted"], 0)


def test_a_limit_that_expired_cuts_off_what_is_connected_afterwards() -> None:
    """A redirect may open a new connection when the time is up."""
    cancelled = threading.Event()
    cancelled.set()
    one, other = socket.socketpair()
    with one, other, time_limit(600, cancelled) as limit:
        limit.check()
        limit.watch(one)
        assert limit.expired
        assert other.recv(1) == b""
