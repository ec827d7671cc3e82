"""A ``requests.Session`` that gives the API key to one origin and to nobody else.

``requests`` takes ``Authorization`` off a redirect to another host but forwards every other header, ``X-API-KEY`` among
them. So the key is no header of the session: it is added per request, after a look at where the request goes, and a
redirect that leaves the origin is not followed.
"""

from __future__ import annotations

import platform
from collections.abc import MutableMapping
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests
from requests.auth import AuthBase

from airflow_provider_puretalk import __version__
from airflow_provider_puretalk.api.connections import LimitedAdapter
from airflow_provider_puretalk.api.settings import ApiSettings

API_KEY_HEADER = "X-API-KEY"

#: Scheme, host and port.
Origin = tuple[str, str | None, int | None]

_DEFAULT_PORTS = {"http": 80, "https": 443}


def origin(url: str) -> Origin:
    """Return scheme, host and port of a URL, the default port filled in. What is no URL has an origin of its own."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return "", None, None
    return parts.scheme, parts.hostname, port or _DEFAULT_PORTS.get(parts.scheme)


def leads_to(place: Origin, address: str, *, seen_from: str) -> bool:
    """Tell whether an address, absolute or as seen from another, lies in an origin. What is no address lies nowhere."""
    try:
        return origin(urljoin(seen_from, address)) == place
    except ValueError:
        return False


def open_session(settings: ApiSettings) -> PuretalkSession:
    """Return a session with a connection pool as large as the connection allows, and the package's headers."""
    session = PuretalkSession(settings)
    # Retries live in one place, the client; the adapter must not add its own.
    adapter = LimitedAdapter(pool_connections=1, pool_maxsize=settings.max_parallel_requests, max_retries=0)
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    session.headers.update(
        {
            "Accept": "application/json",
            "User-Agent": f"airflow-provider-puretalk/{__version__} python/{platform.python_version()}",
        }
    )
    return session


class PuretalkSession(requests.Session):
    """A session that is safe to hand out: whatever is asked with it, the key stays with the connection's origin."""

    def __init__(self, settings: ApiSettings) -> None:
        super().__init__()
        self._origin = origin(settings.base_url)
        self.auth = _KeyForOrigin(settings)
        self.verify = settings.verify
        self._timeout = settings.timeout
        self._environment: dict[Any, Any] = {}

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        """Send a request, however it was made; without a ``timeout`` of its own it gets the connection's."""
        if kwargs.get("timeout") is None:
            kwargs["timeout"] = self._timeout
        return super().send(request, **kwargs)

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        """Name where to go next, but only within the origin; the answer itself is returned otherwise."""
        try:
            target = super().get_redirect_target(resp)
        except UnicodeDecodeError:
            return None
        return target if target is not None and leads_to(self._origin, target, seen_from=resp.url) else None

    def merge_environment_settings(
        self,
        url: str | bytes | None,
        proxies: MutableMapping[str, str] | None,
        stream: bool | None,
        verify: bool | str | None,
        cert: Any,
    ) -> Any:
        """Let a CA bundle or ``false`` from the connection win over ``REQUESTS_CA_BUNDLE``; ``true`` honours it.

        The environment is looked up once for each origin: its proxy variables cost a tenth of a request.
        """
        if verify is None and self.verify is not True:
            verify = self.verify
        if proxies:
            return self._merge(url, proxies, stream, verify, cert)
        key = (origin(str(url)), stream, verify, cert)
        if key not in self._environment:
            self._environment[key] = self._merge(url, proxies, stream, verify, cert)
        return dict(self._environment[key])

    def _merge(self, *arguments: Any) -> Any:
        return super().merge_environment_settings(*arguments)


class _KeyForOrigin(AuthBase):
    """Adds the key to requests for the connection's origin."""

    def __init__(self, settings: ApiSettings) -> None:
        self._origin = origin(settings.base_url)
        self._key = settings.api_key

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if request.url is not None and origin(request.url) == self._origin:
            request.headers[API_KEY_HEADER] = self._key
        return request
