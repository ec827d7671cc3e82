"""One request for a page and its whole response: how many at once, how soon after another, and for how long.

A status other than 200 becomes an exception of this package. Nothing is retried here and no body is decoded: that is the
client's part.
"""

from __future__ import annotations

import contextlib
import math
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any
from urllib.parse import parse_qs, urlsplit

import requests
import urllib3

from airflow_provider_puretalk.api.cancellation import CHECK_EVERY, Cancellation
from airflow_provider_puretalk.api.deadline import TimeLimit, time_limit
from airflow_provider_puretalk.api.request_counts import RequestCounts
from airflow_provider_puretalk.api.response_body import BodyMemory, read_body
from airflow_provider_puretalk.api.retry import BrokenBodyError, parse_retry_after
from airflow_provider_puretalk.api.session import given_up, open_session
from airflow_provider_puretalk.api.settings import ApiSettings
from airflow_provider_puretalk.api.transport_errors import credentials_refused, explain
from airflow_provider_puretalk.api.validators import Validator, announces_body, validator_of
from airflow_provider_puretalk.exceptions import (
    PuretalkAuthError,
    PuretalkConfigurationError,
    PuretalkConnectionError,
    PuretalkError,
    PuretalkNotFoundError,
    PuretalkRateLimitError,
    PuretalkResponseError,
    PuretalkServerError,
)

#: A response as a whole may take this many times the longest silence.
WHOLE_RESPONSE_FACTOR = 5
#: Seconds for which a 429 pauses all requests before its slot is free again; how long in all, the retry says then.
_IMMEDIATE_PAUSE = 0.05


@dataclass(frozen=True, slots=True)
class RawResponse:
    """A whole response, not decoded; with status 200, but from :meth:`Exchange.send_unchecked`.

    :ivar facts: ``url``, ``status_code`` and ``request_id``, for errors that are found later.
    :ivar seconds: how long it took, without waiting for a slot and for the rate limiter.
    :ivar redirected: whether another address of the same origin gave it.
    :ivar fits: whether it is the page that was requested; a redirect can lose the query, and a 304 can be in doubt.
    :ivar requested_at: moment on the monotonic clock at which the request was about to be sent.
    :ivar responded_at: the same at which the response was there to its last byte.
    :ivar not_modified: whether the API says that the page is the one whose validator was sent, which has no body then.
    :ivar validator: how the API can be asked next time whether it still is.
    """

    body: memoryview
    headers: Mapping[str, str]
    facts: dict[str, Any]
    seconds: float = 0.0
    redirected: bool = False
    fits: bool = True
    requested_at: float = 0.0
    responded_at: float = 0.0
    not_modified: bool = False
    validator: Validator | None = None

    @property
    def content_type(self) -> str:
        """The kind of the body; empty where it has none."""
        return self.headers.get("Content-Type", "")


class Exchange:
    """Sends requests for pages. Safe to use from several threads at once; more than the connection allows have to wait.

    :param settings: the connection's settings.
    :ivar counts: of the requests that it sends; one that is redirected counts once.
    :ivar memory: what bodies lie in.
    """

    def __init__(self, settings: ApiSettings) -> None:
        self.session = open_session(settings)
        self.counts = RequestCounts()
        self._settings = settings
        self._path = "/ai-assistants"
        self._slots = threading.BoundedSemaphore(settings.max_parallel_requests)
        self._trusts_validators = True
        self.memory = BodyMemory()

    def send(
        self,
        params: Mapping[str, int],
        deadline: float,
        cancelled: threading.Event,
        validator: Validator | None = None,
    ) -> RawResponse:
        """Send one request and read its response.

        :param deadline: moment on the monotonic clock at which the response must be there.
        :param cancelled: set by another thread, it ends the wait for a slot, and shuts the connection down.
        :param validator: of the page as it came before, which need not be sent again.
        """
        validator = validator if self._trusts_validators else None
        response = self._exchange(params, deadline, cancelled, partial(self._read_page, validator), validator)
        if not response.fits:
            # A rewrite rule dropped the query: this is another page. Its own address has been learnt. Or a 304 is in doubt.
            response = self._exchange(params, deadline, cancelled, partial(self._read_page, None))
        if not response.fits:
            raise PuretalkResponseError(
                "The API redirects to an address that loses the requested page: check the connection's Host.",
                **response.facts,
            )
        return response

    def send_unchecked(self, params: Mapping[str, int], *, with_key: bool = True) -> RawResponse:
        """Send one request and read its response, whatever its status; a redirect teaches nothing.

        :param with_key: False leaves the API key out.
        """
        auth = None if with_key else _without_key
        return self._exchange(
            params, math.inf, Cancellation(), lambda response, _, facts: self._read(response, facts), auth=auth
        )

    def pause(self, seconds: float) -> None:
        """Let no request start for so many seconds."""
        self.session.rate_limiter.pause(seconds)

    def _exchange(
        self,
        params: Mapping[str, int],
        deadline: float,
        cancelled: threading.Event,
        read: Callable[[requests.Response, Mapping[str, int], dict[str, Any]], RawResponse],
        validator: Validator | None = None,
        *,
        auth: Callable[[requests.PreparedRequest], requests.PreparedRequest] | None = None,
    ) -> RawResponse:
        url = self._settings.base_url + self._path
        facts: dict[str, Any] = {"url": f"{url}?{'&'.join(f'{name}={value}' for name, value in params.items())}"}
        with self._slot(deadline, cancelled):
            left = max(0.001, deadline - (requested_at := time.monotonic()))
            silence = min(self._settings.timeout, left)
            with time_limit(self._settings.timeout * WHOLE_RESPONSE_FACTOR, cancelled, deadline) as limit:
                try:
                    with self.session.get(
                        url,
                        params=params,
                        headers=None if validator is None else validator.condition,
                        timeout=(silence, silence),
                        stream=True,
                        auth=auth,
                    ) as response:
                        self.counts.add_request(response.status_code)
                        facts |= {"status_code": response.status_code, "request_id": self._request_id(response)}
                        whole = read(response, params, facts)
                except requests.TooManyRedirects as error:
                    self.counts.add_request(None if error.response is None else error.response.status_code)
                    raise PuretalkResponseError("The API redirects in circles.", **facts) from None
                except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
                    if "status_code" not in facts:
                        self.counts.add_request(None)
                    if limit.expired:
                        raise self._cut_off(limit, facts) from None
                    raise self._failure(error, facts) from None  # Their messages may hold proxy credentials.
            if limit.expired:
                raise self._cut_off(limit, facts)
            return replace(whole, requested_at=requested_at, responded_at=time.monotonic())

    def _cut_off(self, limit: TimeLimit, facts: dict[str, Any]) -> PuretalkError:
        """Return the error of a response that was cut off."""
        if limit.cancelled.is_set() or time.monotonic() >= limit.deadline:
            return given_up(limit.cancelled)
        return PuretalkConnectionError(
            f"The response took too long as a whole: {WHOLE_RESPONSE_FACTOR} times the connection's `timeout` are over.",
            **facts,
        )

    def _failure(self, error: Exception, facts: dict[str, Any]) -> PuretalkError:
        """Return the error of a request without a whole response."""
        cause = explain(error, self.session.proxy)
        if cause.is_lasting:
            return PuretalkConfigurationError(cause.message, **facts)
        broken = cause.broke_off and "status_code" in facts
        return (BrokenBodyError if broken else PuretalkConnectionError)(cause.message, **facts)

    @contextlib.contextmanager
    def _slot(self, deadline: float, cancelled: threading.Event) -> Iterator[None]:
        """Wait for one of the slots in flight. The rate limiter's slot comes afterwards: it would pass meanwhile."""
        while not self._slots.acquire(timeout=CHECK_EVERY):
            if cancelled.is_set() or time.monotonic() >= deadline:
                raise given_up(cancelled)
        try:
            if cancelled.is_set():
                raise given_up(cancelled)
            yield
        finally:
            self._slots.release()

    def _read_page(
        self,
        validator: Validator | None,
        response: requests.Response,
        params: Mapping[str, int],
        facts: dict[str, Any],
    ) -> RawResponse:
        """Read a response to its end, if it is the requested page."""
        if response.status_code == requests.codes.too_many_requests:
            self.session.rate_limiter.pause(_IMMEDIATE_PAUSE)
        if response.status_code == requests.codes.proxy_authentication_required and (proxy := self.session.proxy):
            raise PuretalkConfigurationError(credentials_refused(proxy).message, **facts)
        if response.status_code == requests.codes.not_modified and validator is not None:
            return self._read_not_modified(validator, response, params, facts)
        if response.status_code != requests.codes.ok:
            raise _refusal(response, facts)
        if not self._is_requested_page(response, params):
            return RawResponse(memoryview(b""), response.headers, facts, fits=False)
        validator = validator_of(response.url, response.headers) if self._trusts_validators else None
        return replace(self._read(response, facts), validator=validator)

    def _read_not_modified(
        self, validator: Validator, response: requests.Response, params: Mapping[str, int], facts: dict[str, Any]
    ) -> RawResponse:
        """Read a response that says that the page is as it was; one that is in doubt is none, nor is any other later."""
        if not announces_body(response.headers):
            response.raw.read(1)  # So that its connection can be used again; otherwise it is closed.
        fits = self._is_requested_page(response, params)
        believed = fits and validator.is_confirmed_by(response.url, response.headers)
        if fits and not believed:
            self._trusts_validators = False
        return RawResponse(memoryview(b""), response.headers, facts, fits=believed, not_modified=believed)

    def _read(self, response: requests.Response, facts: dict[str, Any]) -> RawResponse:
        """Read a response to its end."""
        began = time.monotonic()
        try:
            body = self.memory.put(read_body(response, self._settings.max_response_bytes))
        except PuretalkResponseError as error:
            raise PuretalkResponseError(error.message, transient=error.transient, **facts) from None
        seconds = response.elapsed.total_seconds() + time.monotonic() - began
        return RawResponse(body, response.headers, facts, seconds, redirected=bool(response.history))

    def _request_id(self, response: requests.Response) -> str | None:
        """Return the response's id, unless the server put something odd there."""
        given = response.headers.get("X-Request-ID", "")
        fit = 0 < len(given) <= 200 and given.isprintable() and self._settings.api_key not in given
        return given if fit else None

    def _is_requested_page(self, response: requests.Response, params: Mapping[str, int]) -> bool:
        """Return whether a response is the requested page, also where a redirect led to it.

        From then on requests go where the API redirected to, so that each page costs one request and not two.
        """
        if not response.history:
            return True
        parts = urlsplit(response.url)
        moved = parts.path.removeprefix(urlsplit(self._settings.base_url).path)
        if moved.rstrip("/") == self._path.rstrip("/"):
            self._path = moved
        query = parse_qs(parts.query)
        return all(query.get(name) == [str(value)] for name, value in params.items())


def _without_key(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


#: How servers and gateways say that a request, or the page that it requests, is more than they take.
_TOO_LARGE = (400, 413, 414, 422)


def _refusal(response: requests.Response, facts: dict[str, Any]) -> PuretalkError:
    """Turn a status other than 200 into an exception."""
    status = response.status_code
    retry_after = parse_retry_after(response.headers.get("Retry-After"))
    if 400 <= status < 500 and status not in (401, 404, 429) and retry_after is not None:
        # A gateway's: what refuses a key or a request for good names no time to come back.
        return PuretalkRateLimitError(
            f"The API, or a gateway before it, throttled us for {retry_after:.0f} s.", retry_after=retry_after, **facts
        )
    if status in (401, 403):
        return PuretalkAuthError("The API refused the key: check the connection's Password field.", **facts)
    if status == 404:
        return PuretalkNotFoundError("The API knows no such page, or the connection's Host is wrong.", **facts)
    if status == 429:
        wait = "without saying for how long" if retry_after is None else f"for {retry_after:.0f} s"
        return PuretalkRateLimitError(f"The API throttled us {wait}.", retry_after=retry_after, **facts)
    if status >= 500:
        return PuretalkServerError("The API failed.", retry_after=retry_after, **facts)
    if status == 304:
        return PuretalkResponseError(
            "The API, or a cache before it, says that the page is as it was, to a request without a condition.",
            **facts,
        )
    if 300 <= status < 400:
        return PuretalkResponseError(
            "The API redirects to another scheme, host or port, where the key must not go: check the connection's Host.",
            **facts,
        )
    if status in _TOO_LARGE:
        return PuretalkResponseError(
            "The API refused the request. If its `limit` is too large, lower the connection's extra field `page_size`.",
            **facts,
        )
    return PuretalkResponseError("The API answered with a status that it does not document.", **facts)
