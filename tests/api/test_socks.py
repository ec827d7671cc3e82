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

from airflow_provider_puretalk.exceptions import (
    PuretalkConfigurationError,
    PuretalkConnectionError,
    PuretalkInconsistentScanError,
)
from airflow_provider_puretalk.scan.assistant_scan import scan
from airflow_provider_puretalk.scan.options import ScanOptions

pytest.importorskip("socks", reason="the library for SOCKS proxies is optional")

#: What a proxy says of who may use it, and then of where it should connect to (RFC 1928).
WELCOME, CREDENTIALS_WANTED, CREDENTIALS_REFUSED = b"\x05\x00", b"\x05\x02", b"\x01\x01"
CONNECTED, NOT_ALLOWED = b"\x05\x00\x00\x01" + bytes(6), b"\x05\x02\x00\x01" + bytes(6)


def through(monkeypatch: pytest.MonkeyPatch, proxy: str) -> None:
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.setenv("http_proxy", proxy)


@pytest.fixture
def proxy(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., list[bytes]]]:
    """Start a proxy that gives these answers, one to each message, then hangs up, and name it; returns what it was sent."""
    with contextlib.ExitStack() as stack:

        def start(*answers: bytes, then: bytes = b"", kind: str = "socks5h", silent_until: Any = None) -> list[bytes]:
            listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
            messages: list[bytes] = []

            def serve_one(connection: socket.socket) -> None:
                with contextlib.suppress(OSError), connection:
                    for answer in (*answers, then):
                        if not (message := connection.recv(65_536)):
                            return
                        messages.append(message)
                        connection.sendall(answer)
                        if silent_until and len(messages) == len(answers):
                            silent_until.wait(60)
                        if not answer:
                            return

            def accept() -> None:
                with contextlib.suppress(OSError):
                    while True:
                        threading.Thread(target=serve_one, args=listener.accept()[:1], daemon=True).start()

            threading.Thread(target=accept, daemon=True).start()
            through(monkeypatch, f"{kind}://us3r:s3cr3t@127.0.0.1:{listener.getsockname()[1]}")
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


def test_a_proxy_that_is_not_there(make_client: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """It is the proxy that is named, not the API."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    through(monkeypatch, f"socks5h://127.0.0.1:{port}")
    with pytest.raises(PuretalkConnectionError, match="the proxy that http_proxy names cannot be used"):
        make_client("http://puretalk.test/api", extra={"max_retries": 0}).get_page(1, 10)


@pytest.mark.parametrize(
    ("kind", "asked_for"),
    [
        ("socks4", b"\x04\x01\x00\x50" + bytes([192, 0, 2, 7]) + b"us3r\x00"),
        ("socks4a", b"\x04\x01\x00\x50" + bytes([0, 0, 0, 1]) + b"us3r\x00puretalk.test\x00"),
        ("socks5", b"\x05\x01\x00\x01" + bytes([192, 0, 2, 7]) + b"\x00\x50"),
        ("socks5h", b"\x05\x01\x00\x03\x0dpuretalk.test\x00\x50"),
    ],
)
def test_who_resolves_the_name(
    proxy: Callable[..., Any],
    make_client: Callable[..., Any],
    answers: Any,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    asked_for: bytes,
) -> None:
    """This machine for ``socks4`` and ``socks5``, the proxy for ``socks4a`` and ``socks5h``."""
    real = socket.getaddrinfo

    def known(host: str, *rest: Any) -> Any:
        return real("192.0.2.7" if host == "puretalk.test" else host, *rest)

    monkeypatch.setattr(socket, "getaddrinfo", known)
    said = [b"\x00\x5a" + bytes(6)] if "4" in kind else [WELCOME, CONNECTED]
    messages = proxy(*said, then=answers.ok, kind=kind)
    assert make_client("http://puretalk.test/api").get_page(1, 10).count == 1
    assert messages[-2] == asked_for


@pytest.mark.long
@pytest.mark.parametrize("ends", [{"max_seconds": 0.3}, {"cancelled": threading.Event()}])
@pytest.mark.parametrize("said", [(b"",), (WELCOME[:1],), (WELCOME, CONNECTED[:3])])
def test_shaking_hands_is_cut_off(
    proxy: Callable[..., Any], make_client: Callable[..., Any], said: tuple[bytes, ...], ends: dict[str, Any]
) -> None:
    """However far a proxy has come, and although its silence alone would be waited out for ten minutes."""
    silent = threading.Event()
    proxy(*said, silent_until=silent)
    if cancelled := ends.get("cancelled"):
        threading.Timer(0.3, cancelled.set).start()
    client = make_client("http://puretalk.test/api", extra={"timeout": 600})
    try:
        with (
            pytest.raises(PuretalkInconsistentScanError, match="given up|max_seconds"),
            scan(client, ScanOptions(page_size=10, **ends)),
        ):
            pytest.fail("there is no reading")
    finally:
        silent.set()


def test_a_name_that_nobody_knows(
    proxy: Callable[..., Any], make_client: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It can be that of either, and with socks5 the API's is resolved here."""
    proxy(WELCOME)
    for address in ("socks5h://nowhere.invalid:1080", os.environ["http_proxy"].replace("socks5h", "socks5")):
        monkeypatch.setenv("http_proxy", address)
        with pytest.raises(PuretalkConnectionError, match=r"cannot be resolved.*http_proxy names\. With socks5h"):
            make_client("http://puretalk.invalid/api", extra={"max_retries": 0}).get_page(1, 10)
