"""Serves a sandbox over real sockets: in a background thread for tests, or in the foreground for people.

FastAPI and uvicorn are an extra: what needs them (:mod:`.engine`) is imported only when a server starts, so without
them this module names what to install instead of failing at import.
"""

from __future__ import annotations

import importlib.util
import socket
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from airflow_provider_puretalk.sandbox.accounts import Accounts
from airflow_provider_puretalk.sandbox.checks import require_whole
from airflow_provider_puretalk.sandbox.faults import Fault
from airflow_provider_puretalk.sandbox.fleet import iter_fleet
from airflow_provider_puretalk.sandbox.gate import API_PATH
from airflow_provider_puretalk.sandbox.state import DEFAULT_API_KEY, Rules, Sandbox
from airflow_provider_puretalk.sandbox.store import FleetStore

#: What the exception and the command line say where the extra is missing.
INSTALL_HINT = (
    "The sandbox needs FastAPI and uvicorn, which are optional: pip install 'airflow-provider-puretalk[sandbox]'"
)


@contextmanager
def running(
    assistants: int = 25,
    *,
    seed: int = 0,
    records: Iterable[Mapping[str, Any]] | None = None,
    faults: Iterable[Fault | str] = (),
    api_key: str = DEFAULT_API_KEY,
    page_size: int = 20,
    max_limit: int | None = 500,
    refuse_above: int | None = None,
    latency_ms: float = 0,
    requests_per_second: float | None = None,
    redirect_slash: bool = False,
    etag: str = "strong",
    port: int = 0,
) -> Iterator[Sandbox]:
    """Serve a sandbox on a loopback port from a background thread until the block ends.

    :param assistants: how many to invent from ``seed``.
    :param records: serve these instead, exactly as they are.
    :param faults: what goes wrong, in order.
    :param port: 0 takes a free one.
    :raises AirflowOptionalProviderFeatureException: FastAPI or uvicorn is not installed.
    :raises Exception: at the end of the block, what a callback of :meth:`Sandbox.before_request` raised.

    The other arguments are those of :class:`Rules`. Requests still open at the end are cut off.
    """
    rules = Rules(
        api_key=api_key,
        page_size=page_size,
        max_limit=max_limit,
        refuse_above=refuse_above,
        latency_ms=latency_ms,
        requests_per_second=requests_per_second,
        redirect_slash=redirect_slash,
        etag=etag,
    )
    fleet = FleetStore(iter_fleet(assistants, seed=seed) if records is None else records, seed=seed)
    sandbox = Sandbox(fleet, rules=rules, faults=faults, seed=seed)
    with _serving(sandbox, port):
        yield sandbox
    if sandbox.callback_errors:
        raise sandbox.callback_errors[0]


@contextmanager
def running_accounts(sandboxes: Iterable[Sandbox], *, port: int = 0) -> Iterator[Accounts]:
    """Serve several sandboxes on one loopback port, each to those who have its key, until the block ends.

    :param port: 0 takes a free one.
    :raises ValueError: two of them have the same key.
    :raises AirflowOptionalProviderFeatureException: FastAPI or uvicorn is not installed.
    :raises Exception: at the end of the block, what a callback of :meth:`Sandbox.before_request` raised.
    """
    accounts = Accounts(sandboxes)
    with _serving(accounts, port):
        yield accounts
    for sandbox in accounts.sandboxes:
        if sandbox.callback_errors:
            raise sandbox.callback_errors[0]


@contextmanager
def _serving(served: Sandbox | Accounts, port: int) -> Iterator[None]:
    """Serve from a background thread until the block ends."""
    if not is_extra_installed():
        from airflow.providers.common.compat.sdk import AirflowOptionalProviderFeatureException

        raise AirflowOptionalProviderFeatureException(INSTALL_HINT)
    from airflow_provider_puretalk.sandbox.engine import build_server

    listener = listen("127.0.0.1", port)
    served.base_url = base_url(listener)
    server = build_server(served)
    thread = threading.Thread(target=server.run, args=([listener],), name="puretalk-sandbox", daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.stop()
        thread.join()
        listener.close()  # a server that is stopped before it has started leaves it open


def serve(sandbox: Sandbox, listener: socket.socket) -> None:
    """Serve in the foreground until Ctrl-C.

    :raises KeyboardInterrupt: Ctrl-C was pressed; everything is closed by then.
    """
    from airflow_provider_puretalk.sandbox.engine import build_server

    sandbox.base_url = base_url(listener)
    build_server(sandbox).run([listener])


def listen(host: str, port: int) -> socket.socket:
    """Open the listening socket; connections wait in its queue from now on.

    :raises ValueError: there is no such port.
    :raises OSError: the port is taken, or the address is not one of this machine.
    """
    require_whole("the port", port, 0, 65_535)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # With the protocol named, unlike socket.create_server: asyncio switches Nagle's algorithm off for such sockets
    # only, and with it on every response on a kept connection takes 40 ms.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a port just left can be taken again
        listener.bind((host, port))
        listener.listen(256)
    except OSError:
        listener.close()
        raise
    return listener


def base_url(listener: socket.socket) -> str:
    """Return what belongs into the connection's Host field."""
    host, port = listener.getsockname()[:2]
    # The address that means "all of this machine's" is none that a client can connect to.
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://{f'[{host}]' if ':' in host else host}:{port}{API_PATH}"


def is_extra_installed() -> bool:
    """Return whether FastAPI and uvicorn are there."""
    return all(importlib.util.find_spec(name) is not None for name in ("fastapi", "uvicorn"))
