"""uvicorn, taught the two things a misbehaving service needs: to hand out its connections, and to stop at once.

Imports uvicorn and FastAPI at its start; :mod:`.server` imports it only when a server is started. Always uses h11 and
asyncio's own loop, so that a broken response is the same wherever the sandbox runs.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import TYPE_CHECKING, Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from airflow_provider_puretalk.sandbox.accounts import Accounts, KeyRouter
from airflow_provider_puretalk.sandbox.app import create_app
from airflow_provider_puretalk.sandbox.gate import TRANSPORT_EXTENSION
from airflow_provider_puretalk.sandbox.state import Sandbox

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send


def build_server(served: Sandbox | Accounts) -> PromptServer:
    """Make a server for a sandbox, or for several at one address; run it with ``server.run([listener])``."""
    config = uvicorn.Config(
        KeyRouter(served, create_app) if isinstance(served, Accounts) else create_app(served),
        http=_HandingProtocol,
        loop="asyncio",
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="warning",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        # Longer than a client may rest between two requests: a race between both ends would seem a fault.
        timeout_keep_alive=300,
    )
    return PromptServer(config)


class PromptServer(uvicorn.Server):
    """Stops without waiting for open requests, some of which wait for minutes on purpose."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """Let the server stop; from any thread."""
        self.should_exit = True
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # it stopped by itself in this very moment
                self._loop.call_soon_threadsafe(self._stopping.set)

    async def main_loop(self) -> None:
        """Do what uvicorn's own loop does, but wake up when :meth:`stop` is called."""
        self._loop = asyncio.get_running_loop()
        ticks = 0
        while not await self.on_tick(ticks):
            ticks += 1
            # The timeout is for signals: their handler sets should_exit only.
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), timeout=0.1)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Close everything now."""
        for server in self.servers:
            server.close()
        for listener in sockets or []:
            listener.close()
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        # Applications must learn that they are alone before they are cancelled, else uvicorn reports a crash.
        await asyncio.sleep(0.01)
        tasks = list(self.server_state.tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class _HandingProtocol(H11Protocol):
    """Puts its connection into the scope of every request, for faults that break it."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in uvicorn itself
        super().connection_made(transport)
        app: Any = self.app

        async def with_transport(scope: Scope, receive: Receive, send: Send) -> None:
            scope["extensions"] = {**scope.get("extensions", {}), TRANSPORT_EXTENSION: transport}
            await app(scope, receive, send)

        self.app = with_transport
