"""What breaks on the way: each trouble of the network is one typed error with a sentence on its cause."""

from __future__ import annotations

import contextlib
import gc
import gzip
import json
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from airflow_provider_puretalk.exceptions import PuretalkConnectionError, PuretalkError, PuretalkResponseError


def reset(connection: socket.socket) -> None:
    """Send RST instead of an answer."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def then(data: bytes, after: Callable[[socket.socket], object]) -> Callable[[socket.socket], None]:
    """Send something, then do something else."""

    def send(connection: socket.socket) -> None:
        connection.sendall(data)
        after(connection)

    return send


def dripping(data: bytes, step: int, pause: float, done: threading.Event) -> Callable[[socket.socket], None]:
    """Send a few bytes at a time, never silent for long, until the test is over."""

    def send(connection: socket.socket) -> None:
        with contextlib.suppress(OSError):
            for start in range(0, len(data), step):
                connection.sendall(data[start : start + step])
                if done.wait(pause):
                    return

    return send


@pytest.fixture
def done() -> Iterator[threading.Event]:
    """Set when the test is over."""
    event = threading.Event()
    yield event
    event.set()


def failing(client: Any) -> PuretalkError:
    with pytest.raises(PuretalkError) as caught:
        client.get_page(1, 10)
    return caught.value


def free_port() -> int:
    """Return a port on which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def test_nobody_listens(make_client: Callable[..., Any]) -> None:
    """A refused connection says so, and is tried again like any other."""
    error = failing(make_client(f"http://127.0.0.1:{free_port()}", extra={"max_retries": 1}))
    assert type(error) is PuretalkConnectionError
    assert "refused" in str(error)
    assert (error.status_code, error.request_id) == (None, None)
    assert error.url is not None
    assert error.url.endswith("/ai-assistants?page=1&limit=10")


def test_a_name_that_does_not_exist(make_client: Callable[..., Any]) -> None:
    """``.invalid`` is reserved for names that never resolve."""
    error = failing(make_client("http://puretalk.invalid/api", extra={"max_retries": 0}))
    assert type(error) is PuretalkConnectionError
    assert "cannot be resolved" in str(error)


def test_a_reset_connection(serve: Callable[..., Any], make_client: Callable[..., Any]) -> None:
    """Instead of an answer."""
    error = failing(make_client(serve(reset).address, extra={"max_retries": 1}))
    assert type(error) is PuretalkConnectionError
    assert "No response: connection" in str(error)
    assert error.status_code is None


def test_a_server_that_says_nothing(
    serve: Callable[..., Any], make_client: Callable[..., Any], done: threading.Event
) -> None:
    """The silence ends with the connection's ``timeout``, which the message names."""
    error = failing(make_client(serve(lambda _: done.wait(5)).address, extra={"max_retries": 0, "timeout": 0.1}))
    assert type(error) is PuretalkConnectionError
    assert "`timeout`" in str(error)


def test_a_silence_in_the_middle_of_a_body(
    serve: Callable[..., Any], make_client: Callable[..., Any], answers: Any, done: threading.Event
) -> None:
    """The same limit holds between any two bytes."""
    stuck = then(answers.ok[:-5], lambda _: done.wait(5))
    error = failing(make_client(serve(stuck).address, extra={"max_retries": 0, "timeout": 0.1}))
    assert type(error) is PuretalkConnectionError
    assert "`timeout`" in str(error)


@pytest.mark.long
@pytest.mark.parametrize("part", ["head", "body"])
def test_an_answer_that_comes_in_drips(
    serve: Callable[..., Any], make_client: Callable[..., Any], answers: Any, done: threading.Event, part: str
) -> None:
    """Never silent and never done: a request as a whole ends after five times ``timeout``."""
    whole = {
        "head": b"HTTP/1.1 200 OK\r\n" + b"X-Drip: 1\r\n" * 90,
        "body": answers.answer(answers.page("a"), Content_Length="100000") + b" " * 10_000,
    }[part]
    service = serve(dripping(whole, 2, 0.02, done))  # At least 10 s, on any machine.
    error = failing(make_client(service.address, extra={"max_retries": 0, "timeout": 0.5}))
    assert type(error) is PuretalkConnectionError
    assert len(service.requests) == 1


def test_a_slow_answer_within_the_limits_is_read(
    serve: Callable[..., Any], make_client: Callable[..., Any], answers: Any, done: threading.Event
) -> None:
    """A compressed body in single bytes: what the decoder holds back is no end of the body."""
    body = gzip.compress(json.dumps(answers.page("a")).encode())
    service = serve(dripping(answers.answer(body, Content_Encoding="gzip"), 1, 0, done))
    assert make_client(service.address).get_page(1, 10).records == [{"assistant_id": "a"}]


def broken_bodies(answers: Any) -> dict[str, Any]:
    """Answers that begin well: the status is there, the body is not, or not whole."""
    body = json.dumps(answers.page("a")).encode()
    zipped = gzip.compress(body)
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\nX-Request-ID: id-7\r\n\r\n"
    known = {"X_Request_ID": "id-7"}
    return {
        "half": answers.answer(body, **known)[:-20],
        "nothing of it": answers.answer(b"", Content_Length="50", **known),
        "one byte short": answers.answer(body, Content_Length=str(len(body) + 1), **known),
        "half, then reset": then(answers.answer(body, Content_Length="9999", **known), reset),
        "a chunk cut short": chunked + b"fff\r\n" + body,
        "no last chunk": chunked + b"%x\r\n%s\r\n" % (len(body), body),
        "no chunk at all": chunked + b"zz\r\n",
        "gzip cut short": answers.answer(zipped[:-12], Content_Encoding="gzip", **known),
        "gzip damaged": answers.answer(zipped[:12] + b"\0\0\0\0" + zipped[16:], Content_Encoding="gzip", **known),
        "not gzip at all": answers.answer(body, Content_Encoding="gzip", **known),
    }


KINDS = [
    "half",
    "nothing of it",
    "one byte short",
    "half, then reset",
    "a chunk cut short",
    "no last chunk",
    "no chunk at all",
    "gzip cut short",
    "gzip damaged",
    "not gzip at all",
]


@pytest.mark.parametrize("kind", KINDS)
def test_half_a_body_is_a_wrong_answer(
    serve: Callable[..., Any], make_client: Callable[..., Any], answers: Any, kind: str
) -> None:
    """With status and request id; never a page with what happened to arrive."""
    service = serve(broken_bodies(answers)[kind])
    error = failing(make_client(service.address, extra={"max_retries": 1}))
    assert type(error) is PuretalkResponseError
    assert (error.status_code, error.request_id) == (200, "id-7")
    assert len(service.requests) == 2


@pytest.mark.parametrize("kind", KINDS)
def test_half_a_body_may_be_whole_the_next_time(fetch_page: Callable[..., Any], answers: Any, kind: str) -> None:
    """It is asked again."""
    page, _ = fetch_page(broken_bodies(answers)[kind], answers.ok)
    assert page.records == [{"assistant_id": "a"}]


@pytest.mark.long
@pytest.mark.parametrize(
    "data",
    [
        b"garbage\r\n\r\n",
        b"HTTP/1.1 abc OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 300 + b"\r\n{}",
        b"HTTP/1.1 200 OK\r\na: " + b"b" * 70_000 + b"\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5, 6\r\nConnection: close\r\n\r\n{}",
        b"\x16\x03\x01\x02\x00",
    ],
    ids=["garbage", "no status", "many headers", "long header", "two lengths", "tls"],
)
@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")  # urllib3 leaves some of these connections open
def test_what_is_no_http(serve: Callable[..., Any], make_client: Callable[..., Any], data: bytes) -> None:
    """Something else listens there, or breaks every rule: an error of this package all the same."""
    error = failing(make_client(serve(data).address, extra={"max_retries": 1}))
    assert isinstance(error, PuretalkConnectionError | PuretalkResponseError)
    assert str(error)
    gc.collect()  # here, where the warning belongs, and not in the middle of another test


def test_redirects_in_circles(serve: Callable[..., Any], make_client: Callable[..., Any], answers: Any) -> None:
    """Are given up by themselves, and not begun again."""
    service = serve(answers.answer(b"", 302, Location="/api/ai-assistants"))
    error = failing(make_client(f"{service.address}/api"))
    assert type(error) is PuretalkResponseError
    assert "circles" in str(error)
    assert len(service.requests) < 40


def test_the_connection_is_kept_for_the_next_page(make_client: Callable[..., Any]) -> None:
    """A new connection for each page would cost more than the page."""
    accepted = []
    body = b'{"count":1,"next":null,"previous":null,"results":[{"assistant_id":"a"}]}'
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    accepted.append(connection)
                    with connection:
                        while connection.recv(65536):
                            connection.sendall(answer)

        threading.Thread(target=serve, daemon=True).start()
        client = make_client(f"http://127.0.0.1:{listener.getsockname()[1]}")
        for number in range(1, 6):
            client.get_page(number, 10)
        client.session.close()
    assert len(accepted) == 1
