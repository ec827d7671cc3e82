"""Several stand-in accounts at one address, as the service has them: the key of a request says whose it is.

Each is a :class:`Sandbox` with a fleet, rules, faults and requests of its own. Knows no FastAPI: the application of one
account is made by a function that is handed in.
"""

from __future__ import annotations

import secrets
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from airflow_provider_puretalk.sandbox.gate import is_api
from airflow_provider_puretalk.sandbox.state import Rules, Sandbox
from airflow_provider_puretalk.sandbox.store import FleetStore

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send


class Accounts:
    """Sandboxes that are served at one address.

    :param sandboxes: each of another key.
    :ivar sandboxes: the same; keys may be changed while they are served.
    :ivar nobody: what gets the requests with any other key, and refuses them.
    :ivar max_at_once: the most accounts that had requests in flight at the same time.
    :ivar base_url: what belongs into the Host field of all connections. Empty until they are served.
    """

    def __init__(self, sandboxes: Iterable[Sandbox]) -> None:
        self.sandboxes = tuple(sandboxes)
        if len({sandbox.api_key for sandbox in self.sandboxes}) < len(self.sandboxes):
            raise ValueError("two accounts have the same key")
        self.nobody = Sandbox(FleetStore(), rules=Rules(api_key=secrets.token_urlsafe(32)))
        self.max_at_once = 0
        self._base_url = ""
        self._lock = threading.Lock()
        self._in_flight: Counter[Sandbox] = Counter()

    @property
    def base_url(self) -> str:
        """The address of all of them."""
        return self._base_url

    @base_url.setter
    def base_url(self, url: str) -> None:
        self._base_url = url
        for sandbox in (*self.sandboxes, self.nobody):
            sandbox.base_url = url

    def with_key(self, key: str | None) -> Sandbox:
        """Return the account with a key; :attr:`nobody` where there is none."""
        return next((sandbox for sandbox in self.sandboxes if sandbox.api_key == key), self.nobody)

    @contextmanager
    def answering(self, sandbox: Sandbox) -> Iterator[None]:
        """Count an account as long as a request to it is being answered."""
        with self._lock:
            self._in_flight[sandbox] += 1
            self.max_at_once = max(self.max_at_once, len(self._in_flight))
        try:
            yield
        finally:
            with self._lock:
                self._in_flight[sandbox] -= 1
                if not self._in_flight[sandbox]:
                    del self._in_flight[sandbox]


class KeyRouter:
    """An ASGI application that hands each request to the one of the account whose key it has.

    :param create_app: makes the application of an account.
    """

    def __init__(self, accounts: Accounts, create_app: Callable[[Sandbox], ASGIApp]) -> None:
        self._accounts = accounts
        self._apps = {sandbox: create_app(sandbox) for sandbox in (*accounts.sandboxes, accounts.nobody)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Respond to one request."""
        headers = dict(scope["headers"])
        key = headers.get(b"x-api-key")
        sandbox = self._accounts.with_key(None if key is None else key.decode("latin-1"))
        if sandbox is self._accounts.nobody or not is_api(scope["path"]):
            await self._apps[sandbox](scope, receive, send)
            return
        with self._accounts.answering(sandbox):
            await self._apps[sandbox](scope, receive, send)
