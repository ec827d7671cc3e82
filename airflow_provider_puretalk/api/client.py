"""Fetches pages of the list, as often as :mod:`.retry` says, and parses them.

A page is fetched as a :class:`RawPage`, which is cheap, and parsed into a :class:`~airflow_provider_puretalk.api.page.Page`.
Only GETs are sent, so sending one again is always safe. No log line and no error holds the key or a body.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import math
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import requests
import tenacity
import urllib3

from airflow_provider_puretalk.api.cancellation import Cancellation
from airflow_provider_puretalk.api.page import Page, parse_page
from airflow_provider_puretalk.api.request import Exchange, RawResponse
from airflow_provider_puretalk.api.request_counts import RequestCounts
from airflow_provider_puretalk.api.response_body import BodyMemory
from airflow_provider_puretalk.api.retry import BrokenBodyError, retrying
from airflow_provider_puretalk.api.session import is_loopback, leads_to, origin
from airflow_provider_puretalk.api.settings import ApiSettings
from airflow_provider_puretalk.api.validators import Validated
from airflow_provider_puretalk.exceptions import PuretalkResponseError
from airflow_provider_puretalk.records import canonical_json

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RawPage:
    """A fetched page, not parsed.

    :ivar digest: hash of the request and of the response's bytes, where the caller needs it. Where the API says that the
        page is as it was, there are no bytes, and it is the digest of those.
    :ivar validated: the same with what the API can be asked about it next time, where it gave such a validator.
    :ivar tries: how many requests it took.
    """

    number: int
    limit: int
    response: RawResponse
    digest: bytes | None
    tries: int
    validated: Validated | None = None


class ApiClient:
    """Fetches and parses pages. Safe to use from several threads at once.

    :param settings: the connection's settings.
    """

    def __init__(self, settings: ApiSettings) -> None:
        self.settings = settings
        self._exchange = Exchange(settings)
        self._origin = origin(settings.base_url)
        self._warned_of_next = False
        if urlsplit(settings.base_url).scheme == "http" and not is_loopback(settings.base_url):
            log.warning(
                "Requests to the PureTalk API go over plain http: every proxy and network on the way sees the API key."
            )
        if settings.verify is False:
            log.warning("TLS certificates of the PureTalk API are not verified (extra field `verify` is false).")
            urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)

    @property
    def counts(self) -> RequestCounts:
        """How many requests were sent, and how many of them again."""
        return self._exchange.counts

    @property
    def session(self) -> requests.Session:
        """The session that requests are sent with."""
        return self._exchange.session

    @property
    def memory(self) -> BodyMemory:
        """What the bodies of fetched pages lie in: give back those that are not needed any more."""
        return self._exchange.memory

    def get_page(self, number: int, limit: int) -> Page:
        """Fetch and parse one page, with retries.

        :param number: the page, from 1.
        :param limit: rows to request; the server may send fewer.
        :raises PuretalkError: see :mod:`airflow_provider_puretalk.exceptions`; all but configuration, snapshot and drift.
        """
        page, _ = self.parse(self.fetch(number, limit))
        return page

    def pause(self, seconds: float) -> None:
        """Let no request start for so many seconds."""
        self._exchange.pause(seconds)

    def fetch(
        self,
        number: int,
        limit: int,
        *,
        hashed: bool = False,
        retries: int | None = None,
        earlier: Validated | None = None,
        patient: bool = False,
        deadline: float = math.inf,
        cancelled: threading.Event | None = None,
    ) -> RawPage:
        """Fetch one page, with retries.

        :param hashed: whether to hash it.
        :param retries: how many at most; as many as the connection says by default.
        :param earlier: the page as it came before: where the API says that it is the same, it is not sent again.
        :param patient: whether a throttled request is sent again as often as the connection says all the same.
        :param deadline: moment on the monotonic clock after which no retry is made.
        :param cancelled: set by another thread, it ends pauses, retries and what is in flight.
        """
        cancelled = cancelled or Cancellation()
        tries = self.settings.max_retries + 1
        spared = 0 if retries is None else max(0, self.settings.max_retries - retries)
        attempts = tries if patient else tries - spared
        fetching = self._retrying(number, attempts, deadline, cancelled, failures=tries - spared)
        with _as_response_error():
            params = {"page": number, "limit": limit}
            response = fetching(self._exchange.send, params, deadline, cancelled, earlier and earlier.validator)
        # Retries that were not to be made are none that are left for a body that broke.
        tries = fetching.statistics["attempt_number"] + spared
        if response.not_modified and earlier is not None:
            return RawPage(number, limit, response, earlier.digest, tries, earlier)
        return _raw_page(number, limit, response, hashed=hashed, tries=tries)

    def parse(
        self, raw: RawPage, *, deadline: float = math.inf, cancelled: threading.Event | None = None
    ) -> tuple[Page, RawPage]:
        """Parse a page. Where its body broke on the way it is fetched again, as often as retries are left.

        :returns: the page, and the raw page that it was in: the given one, or the one that was whole.
        :raises PuretalkResponseError: it is not the documented shape.
        """
        try:
            body = _decode(raw.number, raw.response)
        except BrokenBodyError as error:
            raw, body = self._refetch(raw, error, deadline, cancelled or Cancellation())
        try:
            page = parse_page(body, number=raw.number, limit=raw.limit)
        except PuretalkResponseError as error:
            for name, fact in raw.response.facts.items():
                setattr(error, name, fact)
            raise
        self._check_next(page)
        return page, raw

    def _refetch(
        self, raw: RawPage, broken: BrokenBodyError, deadline: float, cancelled: threading.Event
    ) -> tuple[RawPage, Any]:
        """Fetch a page again whose body was broken; returns one that is whole, and its decoded body."""
        first_failure = [broken]
        params = {"page": raw.number, "limit": raw.limit}

        def fetch() -> tuple[RawPage, Any]:
            if first_failure:
                raise first_failure.pop()  # The first of these tries was made: what it needs is the pause after it.
            response = self._exchange.send(params, deadline, cancelled)
            body = _decode(raw.number, response)
            return _raw_page(raw.number, raw.limit, response, hashed=raw.digest is not None), body

        with _as_response_error():
            return self._retrying(raw.number, self.settings.max_retries + 2 - raw.tries, deadline, cancelled)(fetch)

    def _retrying(
        self, number: int, tries: int, deadline: float, cancelled: threading.Event, *, failures: int | None = None
    ) -> tenacity.Retrying:
        return retrying(
            f"Request for page {number}",
            tries,
            failures=failures,
            backoff=self.settings.retry_backoff,
            deadline=deadline,
            cancelled=cancelled,
            throttled=self._exchange.pause,
            retried=self.counts.add_retry,
        )

    def _check_next(self, page: Page) -> None:
        """Warn once of a ``next`` that names another origin. It is never requested, whatever it says."""
        if page.next is None or self._warned_of_next:
            return
        if not leads_to(self._origin, page.next, seen_from=self.settings.base_url):
            self._warned_of_next = True
            log.warning(
                "The API names another scheme, host or port as the next page's; it is not used, pages are requested "
                "from the connection's Host only. Behind a TLS proxy this is usual and harmless."
            )


@contextlib.contextmanager
def _as_response_error() -> Iterator[None]:
    """Raise the public error in place of the one that only this room knows."""
    try:
        yield
    except BrokenBodyError as error:
        raise PuretalkResponseError(error.message, **error.facts()) from error


def _raw_page(number: int, limit: int, response: RawResponse, *, hashed: bool, tries: int = 1) -> RawPage:
    if not hashed:
        return RawPage(number, limit, response, None, tries)
    digest = _digest(number, limit, response.body)
    validated = None if response.validator is None else Validated(digest, response.validator)
    return RawPage(number, limit, response, digest, tries, validated)


def _decode(number: int, response: RawResponse) -> Any:
    """Decode the body of a page. A whole one that is nested too deeply is not worth a retry, a broken one is."""
    try:
        return canonical_json.loads(response.body)
    except canonical_json.InvalidJSONError as error:
        # What has an end came as it was sent, and would come like that again.
        is_whole = bytes(response.body).rstrip().endswith((b"}", b"]"))
        if is_whole and isinstance(error, canonical_json.NestedTooDeeplyError):
            raise PuretalkResponseError(
                f"Page {number} cannot be read: a record in it is nested too deeply, a thousand levels or more. Find the "
                "assistant on that page in PureTalk, and correct it there.",
                transient=False,
                **response.facts,
            ) from None
        what = "an HTML page" if "html" in response.content_type.lower() else "not valid JSON"
        raise BrokenBodyError(f"The response is {what}: {error}.", **response.facts) from None


def _digest(number: int, limit: int, body: memoryview) -> bytes:
    """Hash a body with its request: the same bytes for another page would be a list that does not advance."""
    digest = hashlib.sha256(f"page {number} of {limit} rows ".encode())
    digest.update(body)
    return digest.digest()
