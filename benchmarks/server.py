"""A server for benchmarks that cannot be the bottleneck: all records are rendered before the first request.

It speaks just enough HTTP/1.1 for GETs with keep-alive, answers after a fixed latency, and returns on ``/cpu`` how many
seconds of processor time it has used so far, on ``/requests`` how many pages were requested. Usage:
``python -m benchmarks.server --assistants 50000``; the port it chose is the first line it prints.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import re
import socket
import time
import uuid
from collections.abc import Iterator

from airflow_provider_puretalk.sandbox.fleet import iter_fleet

_REQUEST = re.compile(rb"GET (\S*?)(?:\?(\S*))? HTTP/1\.1\r\n")
_NUMBER = {name: re.compile(rb"(?:^|&)" + name + rb"=(\d+)") for name in (b"page", b"limit")}

#: Different records; so many of them are far more than any compressor's window holds.
_INVENTED = 5_000


class Fleet:
    """The list as JSON text. The rows of a page, whatever its size, are one piece of it.

    :param longer_prompts: characters by which each prompt is longer than those that are invented.
    :param largest_page: the silent maximum of ``limit``.
    :param refuse_above: a greater ``limit`` is answered with 400.
    """

    def __init__(
        self, assistants: int, *, longer_prompts: int = 0, largest_page: int, refuse_above: float, port: int
    ) -> None:
        self._count = assistants
        self._largest = largest_page
        self._refuse_above = refuse_above
        self._port = port
        self.requests = 0
        self._starts: list[int] = []
        text = bytearray()
        for row in rows(assistants, longer_prompts):
            self._starts.append(len(text))
            text += row + b","
        self._starts.append(len(text))
        self._text = memoryview(bytes(text))

    def answer(self, page: int, limit: int) -> bytes:
        """Return the whole HTTP answer for a page."""
        self.requests += 1
        if limit > self._refuse_above:
            return _http(b'{"err":true,"msg":"Invalid limit."}', b"400 Bad Request")
        size = min(limit, self._largest)
        first, after = min((page - 1) * size, self._count), min(page * size, self._count)
        if first == after and page > 1:
            return _http(b'{"err":true,"msg":"Invalid page."}', b"404 Not Found")
        following = (
            f'"http://127.0.0.1:{self._port}/api/ai-assistants?page={page + 1}&limit={limit}"'
            if after < self._count
            else "null"
        )
        head = f'{{"count":{self._count},"next":{following},"previous":null,"results":['
        # Without the comma behind the last one.
        piece = self._text[self._starts[first] : max(self._starts[first], self._starts[after] - 1)]
        return _http(b"".join((head.encode(), piece, b"]}")))


def rows(assistants: int, longer_prompts: int = 0) -> Iterator[bytes]:
    """Yield that many records. Inventing is slow: after some thousands they come again, under ids of their own."""
    invented = [record for record in iter_fleet(min(assistants, _INVENTED), seed=1)]
    for record in invented if longer_prompts else ():
        record["prompt"] += ("\n" + record["prompt"])[:longer_prompts]
    for number in range(assistants):
        record = invented[number % len(invented)]
        identity = str(uuid.UUID(int=uuid.UUID(record["assistant_id"]).int ^ (number // len(invented))))
        yield json.dumps(record | {"assistant_id": identity}, separators=(",", ":"), ensure_ascii=False).encode()


class Connection(asyncio.Protocol):
    """One keep-alive connection; answers in order."""

    def __init__(self, fleet: Fleet, latency: float) -> None:
        self._fleet = fleet
        self._latency = latency
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep where to respond."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        # asyncio does this only for sockets that it made itself; without it each answer waits for an acknowledgement.
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def data_received(self, data: bytes) -> None:
        """Answer every request that is complete."""
        self._received += data
        while b"\r\n\r\n" in self._received:
            request, _, self._received = self._received.partition(b"\r\n\r\n")
            answer = self._answer(request + b"\r\n")
            if self._latency:
                asyncio.get_running_loop().call_later(self._latency, self._send, answer)
            else:
                self._send(answer)

    def _send(self, answer: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(answer)

    def _answer(self, request: bytes) -> bytes:
        match = _REQUEST.match(request)
        if match is None:
            return _http(b"{}", b"400 Bad Request")
        if match[1] == b"/cpu":
            return _http(json.dumps(time.process_time()).encode())
        if match[1] == b"/requests":
            return _http(json.dumps(self._fleet.requests).encode())
        query = match[2] or b""
        numbers = {name: pattern.search(query) for name, pattern in _NUMBER.items()}
        page, limit = numbers[b"page"], numbers[b"limit"]
        return self._fleet.answer(int(page[1]) if page else 1, int(limit[1]) if limit else 100)


def _http(body: bytes, status: bytes = b"200 OK") -> bytes:
    return b"HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (status, len(body), body)


async def _serve(arguments: argparse.Namespace) -> None:
    with socket.create_server(("127.0.0.1", arguments.port)) as listener:
        port = listener.getsockname()[1]
        fleet = Fleet(
            arguments.assistants,
            longer_prompts=arguments.longer_prompts,
            largest_page=arguments.largest_page,
            refuse_above=arguments.refuse_above,
            port=port,
        )
        server = await asyncio.get_running_loop().create_server(
            lambda: Connection(fleet, arguments.latency_ms / 1000), sock=listener
        )
        print(port, flush=True)
        await server.serve_forever()


def main() -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--assistants", type=int, default=50_000)
    parser.add_argument("--latency-ms", type=float, default=0)
    parser.add_argument("--longer-prompts", type=int, default=0, help="characters that each prompt has more")
    parser.add_argument("--largest-page", type=int, default=1_000, help="the silent maximum of `limit`")
    parser.add_argument("--refuse-above", type=float, default=math.inf, help="a greater `limit` is answered with 400")
    asyncio.run(_serve(parser.parse_args()))


if __name__ == "__main__":
    main()
