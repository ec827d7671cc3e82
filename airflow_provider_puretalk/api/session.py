"""The session: a ``requests.Session`` that gives the API key to one origin only.

``requests`` takes ``Authorization`` off a redirect to another host but forwards every other header, ``X-API-KEY`` among
them. So the key is no header of the session: it is added per request, by where the request goes, and a redirect that
leaves the origin is not followed. Requests to this machine never go through a proxy.
"""

from __future__ import annotations

import ipaddress
import platform
import socket
import threading
from collections.abc import MutableMapping
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests
from requests.auth import AuthBase

from airflow_provider_puretalk import __version__
from airflow_provider_puretalk.api import environment
from airflow_provider_puretalk.api.cancellation import Cancellation
from airflow_provider_puretalk.api.deadline import LimitedAdapter, current_limit
from airflow_provider_puretalk.api.rate_limiter import RateLimiter
from airflow_provider_puretalk.api.response_body import ACCEPTED
from airflow_provider_puretalk.api.settings import ApiSettings
from airflow_provider_puretalk.exceptions import PuretalkInconsistentScanError

API_KEY_HEADER = "X-API-KEY"

#: Scheme, host and port.
Origin = tuple[str, str | None, int | None]

#: What systems call themselves in their hosts file.
_LOOPBACK_NAMES = (
    *("localhost", "localhost4", "localhost6", "ip6-localhost", "ip6-loopback"),
    *("localhost.localdomain", "localhost4.localdomain4", "localhost6.localdomain6"),
)
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
    """Return whether an address, absolute or as seen from another, lies in an origin. What is no address lies nowhere."""
    try:
        return origin(urljoin(seen_from, address)) == place
    except ValueError:
        return False


def is_loopback(url: str) -> bool:
    """Return whether a URL leads to this machine, however its address is spelt."""
    host = (origin(url)[1] or "").rstrip(".")
    if host in _LOOPBACK_NAMES or host.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        try:
            address = ipaddress.ip_address(socket.inet_aton(host))  # 127.1, 0x7f000001: what connects takes these, too.
        except (OSError, ValueError):
            return False
    mapped = getattr(address, "ipv4_mapped", None) or address
    return bool(mapped.is_loopback or mapped.is_unspecified)


def open_session(settings: ApiSettings) -> PuretalkSession:
    """Return a session with a connection pool as large as the connection allows, and the package's headers."""
    session = PuretalkSession(settings)
    # Retries live in one place, `retry`; the adapter must not add its own.
    adapter = LimitedAdapter(pool_connections=1, pool_maxsize=settings.max_parallel_requests, max_retries=0)
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    session.headers.update(
        {
            "Accept": "application/json",
            "Accept-Encoding": ACCEPTED,
            "Cache-Control": "no-cache",  # What a reading proves rests on responses that were made after their requests.
            "User-Agent": f"airflow-provider-puretalk/{__version__} python/{platform.python_version()}",
        }
    )
    return session


class PuretalkSession(requests.Session):
    """A session that is safe to hand out: whatever is requested with it, the key stays with the connection's origin.

    :ivar rate_limiter: decides when the next request may start, of whichever thread, redirects included.
    """

    def __init__(self, settings: ApiSettings) -> None:
        super().__init__()
        self.rate_limiter = RateLimiter(settings.requests_per_second)
        self._base_url = settings.base_url
        self._origin = origin(settings.base_url)
        self.auth = _KeyForOrigin(settings)
        self.verify = settings.verify
        self._timeout = settings.timeout
        self._environment: dict[Any, Any] = {}

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        """Send a request in its slot, however it was made; without a ``timeout`` it gets the connection's.

        :raises PuretalkInconsistentScanError: it was cancelled, or its deadline passed, before its slot came.
        """
        if kwargs.get("timeout") is None:
            kwargs["timeout"] = self._timeout
        if "proxies" not in kwargs and is_loopback(str(request.url)):
            kwargs["proxies"] = dict(self.proxies)
        self._wait_for_slot()
        return super().send(request, **kwargs)

    @property
    def proxy(self) -> environment.Proxy | None:
        """The proxy that requests for the connection's origin go through, None for none."""
        url = self._base_url
        merged = self.merge_environment_settings(url, {}, True, None, None)
        return environment.proxy_of(url, merged["proxies"])

    def _wait_for_slot(self) -> None:
        limit = current_limit()
        if limit is None:
            self.rate_limiter.wait(Cancellation())
            return
        with limit.standing_still():
            if not self.rate_limiter.wait(limit.cancelled, limit.deadline):
                raise given_up(limit.cancelled)

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        """Return where to go next, but only within the origin; the response itself is returned otherwise."""
        try:
            target = super().get_redirect_target(resp)
        except UnicodeDecodeError:
            return None
        return target if target is not None and leads_to(self._origin, target, seen_from=resp.url) else None

    def rebuild_proxies(self, prepared_request: requests.PreparedRequest, proxies: Any) -> Any:
        """Choose the proxies of a redirect as those of the request before it."""
        if is_loopback(str(prepared_request.url)):
            return dict(proxies or {})
        return super().rebuild_proxies(prepared_request, proxies)  # type: ignore[no-untyped-call]

    def merge_environment_settings(
        self,
        url: str | bytes | None,
        proxies: MutableMapping[str, str] | None,
        stream: bool | None,
        verify: bool | str | None,
        cert: Any,
    ) -> Any:
        """Let a CA bundle or ``false`` from the connection win over ``REQUESTS_CA_BUNDLE``; ``true`` honours it.

        The environment is read once for each origin: its proxy variables cost a tenth of a request.
        """
        if verify is None and self.verify is not True:
            verify = self.verify
        if proxies:
            return self._merge(url, proxies, stream, verify, cert)
        key = (origin(str(url)), stream, verify, cert)
        if key not in self._environment:
            self._environment[key] = self._merge(url, proxies, stream, verify, cert)
        return dict(self._environment[key])

    def _merge(self, url: Any, proxies: Any, stream: Any, verify: Any, cert: Any) -> Any:
        given = dict(proxies or {})
        merged = super().merge_environment_settings(url, proxies, stream, verify, cert)
        if is_loopback(str(url)):
            merged["proxies"] = {**self.proxies, **given}
        return merged


def given_up(cancelled: threading.Event) -> PuretalkInconsistentScanError:
    """Return the error of a request that was cancelled or whose deadline passed."""
    why = "it was cancelled" if cancelled.is_set() else "the time set for it (`max_seconds`) ran out"
    return PuretalkInconsistentScanError(f"The reading was given up: {why}.")


class _KeyForOrigin(AuthBase):
    """Adds the key to requests for the connection's origin."""

    def __init__(self, settings: ApiSettings) -> None:
        self._origin = origin(settings.base_url)
        self._key = settings.api_key

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if request.url is not None and origin(request.url) == self._origin:
            request.headers[API_KEY_HEADER] = self._key
        return request
