"""The middleware in front of the application: counts every request, lets it wait, and breaks its response by a fault.

An ASGI middleware. Faults of the wire are done here (a status, HTML, a redirect, half a body, a reset, a slow response);
those of the content are passed on to the application as ``scope["puretalk.fault"]``. Knows no pages.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import time
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from airflow_provider_puretalk.sandbox.faults import Fault, retry_after_header
from airflow_provider_puretalk.sandbox.pages import page_number
from airflow_provider_puretalk.sandbox.state import Sandbox, ServedRequest
from airflow_provider_puretalk.sandbox.store import encode

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

#: Where the API lies, as on the real host.
API_PATH = "/api"

#: Key of ``scope`` under which the application finds the fault for this request.
FAULT_KEY = "puretalk.fault"

#: Name of the ASGI extension under which the server hands over the connection.
TRANSPORT_EXTENSION = "puretalk.transport"

#: In how many pieces a slow response comes.
_DROPS = 20

_HTML = b"<!doctype html><html><head><title>Gateway</title></head><body><h1>Come back later</h1></body></html>"


def is_api(path: str) -> bool:
    """Return whether a path is one of the API's."""
    return path == API_PATH or path.startswith(f"{API_PATH}/")


class Gate:
    """The way in, for the API and for everything beside it."""

    def __init__(self, app: ASGIApp, sandbox: Sandbox) -> None:
        self._app = app
        self._sandbox = sandbox
        self._responses = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Respond to one request; the API's are counted and may go wrong, all others only get a request id."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        self._responses += 1
        send = _with_request_id(send, f"sandbox-{self._responses}")
        if not is_api(scope["path"]):
            await self._app(scope, receive, send)
            return
        try:
            await self._respond(scope, receive, send)
        except asyncio.CancelledError:
            # The server stops and has cut the connection already. uvicorn would log a traceback.
            transport = scope.get("extensions", {}).get(TRANSPORT_EXTENSION)
            if transport is None or not transport.is_closing():
                raise

    async def _respond(self, scope: Scope, receive: Receive, send: Send) -> None:
        query = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        request = ServedRequest(
            scope["method"], scope["path"], dict(query), headers, time.monotonic(), scope.get("client")
        )
        with self._sandbox.answering(request) as callbacks:
            for callback in callbacks:
                try:
                    await asyncio.to_thread(callback, request)
                except Exception as error:
                    self._sandbox.callback_errors.append(error)
            if self._sandbox.rules.latency_ms:
                await asyncio.sleep(self._sandbox.rules.latency_ms / 1000)
            fault = self._sandbox.faults.take(page_number(query))
            if fault is None:
                await self._app(scope, receive, send)
                return
            scope[FAULT_KEY] = fault
            if fault.kind in _WIRE:
                await _WIRE[fault.kind](fault, self._app, scope, receive, send)
            else:
                await self._app(scope, receive, send)


def _with_request_id(send: Send, request_id: str) -> Send:
    async def send_with_id(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message["headers"], (b"x-request-id", request_id.encode())]
        await send(message)

    return send_with_id


async def _status(fault: Fault, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    headers = {}
    if fault.retry_after is not None:
        headers["retry-after"] = retry_after_header(fault.retry_after)
    await _respond(send, fault.code, encode({"err": True, "msg": "Something went wrong."}), headers=headers)


async def _html(fault: Fault, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    await _respond(send, fault.code, _HTML, content_type="text/html; charset=utf-8")


async def _redirect(fault: Fault, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    await _respond(send, fault.code, b"", headers={"location": fault.url or ""})


async def _reset(fault: Fault, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    transport = _transport(scope)
    # Lingering for zero seconds: closing sends RST instead of FIN, and the client sees a reset and no clean end.
    transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
    await _gone(receive)


async def _half_body(fault: Fault, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    transport = _transport(scope)

    async def send_half(message: Message) -> None:
        if message["type"] == "http.response.body":
            body = message["body"]
            message = {**message, "body": body[: len(body) // 2], "more_body": True}
        await send(message)
        if message["type"] == "http.response.body":
            transport.close()

    await app(scope, receive, send_half)
    # The server takes an unfinished response for a bug of the application, unless the connection is gone by then.
    await _gone(receive)


async def _delay(fault: Fault, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    await asyncio.sleep(fault.seconds or 0)
    await app(scope, receive, send)


async def _trickle(fault: Fault, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    async def send_drops(message: Message) -> None:
        if message["type"] != "http.response.body":
            await send(message)
            return
        body = message["body"]
        size = max(1, -(-len(body) // _DROPS))
        for start in range(0, len(body), size):
            await send({"type": "http.response.body", "body": body[start : start + size], "more_body": True})
            await asyncio.sleep((fault.seconds or 0) / _DROPS)
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    await app(scope, receive, send_drops)


_WIRE: dict[str, Callable[[Fault, ASGIApp, Scope, Receive, Send], Awaitable[None]]] = {
    "status": _status,
    "html": _html,
    "redirect": _redirect,
    "reset": _reset,
    "half_body": _half_body,
    "delay": _delay,
    "trickle": _trickle,
}


async def _respond(
    send: Send,
    status: int | None,
    body: bytes,
    *,
    content_type: str = "application/json",
    headers: dict[str, str] | None = None,
) -> None:
    if status in (HTTPStatus.NO_CONTENT, HTTPStatus.RESET_CONTENT, HTTPStatus.NOT_MODIFIED):
        body = b""  # HTTP gives these no body; the server would refuse to send one.
    lines = {"content-type": content_type, "content-length": str(len(body)), **(headers or {})}
    raw = [(name.encode(), value.encode("latin-1")) for name, value in lines.items()]
    await send({"type": "http.response.start", "status": status or 500, "headers": raw})
    await send({"type": "http.response.body", "body": body, "more_body": False})


def _transport(scope: Scope) -> Any:
    """Return the connection: :mod:`.server` puts it into the scope."""
    return scope["extensions"][TRANSPORT_EXTENSION]


async def _gone(receive: Receive) -> None:
    """Wait until the connection is closed."""
    while (await receive())["type"] != "http.disconnect":
        pass
