"""A server of raw sockets that answers exactly what a test tells it, byte by byte, and breaks off where it is told to."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

#: Sends something, or nothing, on a connection. When it returns, the connection is closed.
Answer = Callable[["Exchange"], None]


class Exchange:
    """One request, and the socket to answer it on."""

    def __init__(self, sock: socket.socket, head: bytes) -> None:
        self.sock = sock
        target = head.split(b" ", 2)[1].decode()
        self.headers = {
            name.strip().lower(): value.strip()
            for name, _, value in (line.partition(":") for line in head.decode().split("\r\n")[1:] if line)
        }
        self.path = urlsplit(target).path
        query = parse_qs(urlsplit(target).query)
        self.page = int(query.get("page", ["1"])[0])
        self.limit = int(query.get("limit", ["100"])[0])

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def drip(self, data: bytes, pause: float) -> None:
        """Send byte by byte."""
        for position in range(len(data)):
            self.send(data[position : position + 1])
            time.sleep(pause)

    def reset(self) -> None:
        """End the connection with a reset."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


class WireServer:
    """Answers requests with the scripted answers first, one each, and then with the usual one."""

    def __init__(self, usual: Answer, *, tls: ssl.SSLContext | None = None) -> None:
        self._usual = usual
        self._tls = tls
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.script: list[Answer] = []
        self.requests: list[Exchange] = []
        self.stopped = threading.Event()
        self._lock = threading.Lock()
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self.stopped.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while not self.stopped.is_set():
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock: socket.socket) -> None:
        with contextlib.suppress(OSError, ValueError), contextlib.ExitStack() as stack:
            stack.enter_context(sock)
            if self._tls:
                sock = stack.enter_context(self._tls.wrap_socket(sock, server_side=True))
            head = b""
            while b"\r\n\r\n" not in head:
                piece = sock.recv(65536)
                if not piece:
                    return
                head += piece
            exchange = Exchange(sock, head.partition(b"\r\n\r\n")[0])
            with self._lock:
                self.requests.append(exchange)
                answer = self.script.pop(0) if self.script else self._usual
            answer(exchange)


@contextlib.contextmanager
def serving(usual: Answer, *, tls: ssl.SSLContext | None = None) -> Iterator[WireServer]:
    """Run a server while the context is open."""
    server = WireServer(usual, tls=tls)
    try:
        yield server
    finally:
        server.close()


def http(body: bytes | str, status: str = "200 OK", *headers: str, length: int | None = None) -> bytes:
    """Return the bytes of an answer; ``length`` lies about the body's."""
    body = body.encode() if isinstance(body, str) else body
    lines = [f"HTTP/1.1 {status}", "Content-Type: application/json", "Connection: close"]
    lines += [f"Content-Length: {len(body) if length is None else length}", *headers]
    # A later header of the same name is the one that the test means.
    kept = {line.partition(":")[0].lower(): line for line in lines}
    return "\r\n".join(kept.values()).encode() + b"\r\n\r\n" + body


def page(records: list[dict[str, Any]], exchange: Exchange, *, most: int = 100) -> str:
    """Return the documented body for a request."""
    limit = min(exchange.limit, most)
    start = (exchange.page - 1) * limit
    more = start + limit < len(records)
    return json.dumps(
        {
            "count": len(records),
            "next": f"http://127.0.0.1/api/ai-assistants/?page={exchange.page + 1}" if more else None,
            "previous": None,
            "results": records[start : start + limit],
        }
    )
