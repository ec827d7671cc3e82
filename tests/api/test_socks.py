"""The API through a SOCKS proxy: what it refuses is told as its doing, with the name of the variable."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from airflow_provider_puretalk.exceptions import PuretalkConfigurationError, PuretalkConnectionError

pytest.importorskip("socks", reason="the library for SOCKS proxies is optional")

#: What a proxy says of who may use it, and then of where it should connect to (RFC 1928).
WELCOME, CREDENTIALS_WANTED, CREDENTIALS_REFUSED = b"\x05\x00", b"\x05\x02", b"\x01\x01"
CONNECTED, NOT_ALLOWED = b"\x05\x00\x00\x01" + bytes(6), b"\x05\x02\x00\x01" + bytes(6)


@pytest.fixture
def proxy(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., list[bytes]]]:
    """Start a proxy that gives these answers, one to each message, then hangs up, and name it; returns what it was sent."""
    with contextlib.ExitStack() as stack:

        def start(*answers: bytes, then: bytes = b"") -> list[bytes]:
            listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
            messages: list[bytes] = []

            def serve_one(connection: socket.socket) -> None:
                with contextlib.suppress(OSError), connection:
                    for answer in (*answers, then):
                        if not (message := connection.recv(65_536)):
                            return
                        messages.append(message)
                        if not answer:
                            return
                        connection.sendall(answer)

            def accept() -> None:
                with contextlib.suppress(OSError):
                    while True:
                        threading.Thread(target=serve_one, args=listener.accept()[:1], daemon=True).start()

            threading.Thread(target=accept, daemon=True).start()
            monkeypatch.delenv("NO_PROXY", raising=False)
            monkeypatch.delenv("no_proxy", raising=False)
            monkeypatch.setenv("http_proxy", f"socks5h://us3r:s3cr3t@127.0.0.1:{listener.getsockname()[1]}")
            return messages

        yield start


def test_pages_come_through_it(proxy: Callable[..., Any], make_client: Callable[..., Any], answers: Any) -> None:
    """The proxy resolves the host, as socks5h asks it to."""
    messages = proxy(WELCOME, CONNECTED, then=answers.ok)
    assert make_client("http://puretalk.test/api").get_page(1, 10).count == 1
    assert b"puretalk.test" in messages[1]
    assert b"GET /api/ai-assistants?page=1&limit=10" in messages[2]


def test_a_proxy_that_wants_other_credentials(proxy: Callable[..., Any], make_client: Callable[..., Any]) -> None:
    """That is for people to correct: it is asked once, and nothing of the credentials is repeated."""
    messages = proxy(CREDENTIALS_WANTED, CREDENTIALS_REFUSED)
    with pytest.raises(PuretalkConfigurationError, match="http_proxy names wants other credentials") as caught:
        make_client("http://puretalk.test/api").get_page(1, 10)
    assert "s3cr3t" not in f"{caught.value!r} {vars(caught.value)}"
    assert len(messages) == 2


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ([WELCOME, NOT_ALLOWED], "the proxy that http_proxy names refused to connect to the API"),
        ([b""], "the proxy that http_proxy names cannot be used"),
        ([b"HTTP/1.1 400 Bad Request\r\n\r\n"], "the proxy that http_proxy names cannot be used"),
    ],
)
def test_a_proxy_that_does_not_connect(
    proxy: Callable[..., Any], make_client: Callable[..., Any], said: list[bytes], reason: str
) -> None:
    """It may pass, so it is tried again; and nobody looks for the cause at the API."""
    proxy(*said)
    with pytest.raises(PuretalkConnectionError, match=re.escape(reason)):
        make_client("http://puretalk.test/api", extra={"max_retries": 1}).get_page(1, 10)


def test_a_name_that_nobody_knows(
    proxy: Callable[..., Any], make_client: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It can be that of either, and with socks5 the API's is resolved here."""
    proxy(WELCOME)
    for address in ("socks5h://nowhere.invalid:1080", os.environ["http_proxy"].replace("socks5h", "socks5")):
        monkeypatch.setenv("http_proxy", address)
        with pytest.raises(PuretalkConnectionError, match=r"cannot be resolved.*http_proxy names\. With socks5h"):
            make_client("http://puretalk.invalid/api", extra={"max_retries": 0}).get_page(1, 10)
