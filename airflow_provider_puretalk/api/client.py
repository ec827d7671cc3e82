"""The one place that sends a request: timeouts, retries, rate, and what an answer means.

In come a page number and a limit; out comes a :class:`~airflow_provider_puretalk.api.pages.Page` or an exception of this
package. Only GETs are sent, so asking again is always safe. Nothing it logs or raises holds the key or a body.
"""

from __future__ import annotations

import email.utils
import hashlib
import ipaddress
import logging
import math
import random
import threading
import time
from collections.abc import Container, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

import requests
import tenacity
import urllib3

from airflow_provider_puretalk.api import exact_json
from airflow_provider_puretalk.api.connections import time_limit
from airflow_provider_puretalk.api.errors import (
    PuretalkAuthError,
    PuretalkConnectionError,
    PuretalkError,
    PuretalkInconsistentScanError,
    PuretalkNotFoundError,
    PuretalkRateLimitError,
    PuretalkResponseError,
    PuretalkServerError,
)
from airflow_provider_puretalk.api.pacing import Pacer
from airflow_provider_puretalk.api.pages import Page, read_page
from airflow_provider_puretalk.api.session import leads_to, open_session, origin
from airflow_provider_puretalk.api.settings import ApiSettings
from airflow_provider_puretalk.api.transport_errors import explain

log = logging.getLogger(__name__)

#: Longest ``Retry-After`` in seconds that is sat out inside a task; a longer one is the scheduler's business.
LONGEST_WAIT = 120.0
#: Longest pause in seconds between two tries where the server names none.
LONGEST_BACKOFF = 60.0

#: An answer as a whole may take this many times the longest silence.
WHOLE_ANSWER_FACTOR = 5

_DRIPPED = "The answer took too long as a whole: it came in drips."


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer to a request for a page.

    :ivar body: the decoded JSON; None where the caller knows an answer of the same bytes.
    :ivar digest: hash of the question and of the answer's bytes, where the caller wanted to know.
    """

    body: Any
    digest: bytes | None
    url: str
    request_id: str | None


class ApiClient:
    """Asks the API for pages. Safe to use from several threads at once.

    :param settings: the connection's settings.
    """

    def __init__(self, settings: ApiSettings) -> None:
        self.settings = settings
        self.session = open_session(settings)
        self._path = "/ai-assistants"
        self._pacer = Pacer(settings.requests_per_second)
        self._origin = origin(settings.base_url)
        self._warned_of_next = False
        if urlsplit(settings.base_url).scheme == "http" and not _is_loopback(settings.base_url):
            log.warning(
                "The PureTalk API is asked over plain http: everybody on the way, proxies too, sees the API key."
            )
        if settings.verify is False:
            log.warning("TLS certificates of the PureTalk API are not verified (extra field `verify` is false).")
            urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)

    def get_page(self, number: int, limit: int) -> Page:
        """Ask for one page, trying again where that can help.

        :param number: the page, from 1.
        :param limit: rows to ask for; the server may send fewer.
        :raises PuretalkError: see :mod:`airflow_provider_puretalk.api.errors`; all but configuration, snapshot and drift.
        """
        return self.read(self.ask(number, limit), number, limit)

    def ask(
        self,
        number: int,
        limit: int,
        *,
        known: Container[bytes] | None = None,
        deadline: float = math.inf,
        cancelled: threading.Event | None = None,
    ) -> Answer:
        """Ask for one page, trying again where that can help, without looking into its envelope.

        :param known: digests of answers that the caller has: one of those is not decoded again. None saves the hashing.
        :param deadline: moment on the monotonic clock after which no further try is made.
        :param cancelled: set by another thread, it ends the pauses and the tries.
        """
        cancelled = cancelled or threading.Event()
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception(_is_worth_another_try),
            stop=tenacity.stop_any(
                tenacity.stop_after_attempt(self.settings.max_retries + 1),
                tenacity.stop_when_event_set(cancelled),
                _StopBefore(deadline),
            ),
            wait=self._pause,
            sleep=tenacity.sleep_using_event(cancelled),
            before_sleep=self._before_pause,
            reraise=True,
        )
        try:
            return retrying(self._ask_once, {"page": number, "limit": limit}, known, deadline, cancelled)
        except _BrokenBodyError as error:
            raise PuretalkResponseError(error.message, **error.facts()) from error

    def read(self, answer: Answer, number: int, limit: int) -> Page:
        """Take the page out of an answer.

        :raises PuretalkResponseError: it is not the documented shape.
        """
        try:
            page = read_page(answer.body, number=number, limit=limit)
        except PuretalkResponseError as error:
            error.status_code, error.request_id, error.url = requests.codes.ok, answer.request_id, answer.url
            raise
        self._look_at_next(page)
        return page

    def _ask_once(
        self,
        params: Mapping[str, int],
        known: Container[bytes] | None,
        deadline: float,
        cancelled: threading.Event,
        *,
        again: bool = False,
    ) -> Answer:
        """Send one request and decode its answer."""
        if not self._pacer.wait(cancelled, deadline):
            raise PuretalkInconsistentScanError("The reading was given up before its next request could be sent.")
        url = self.settings.base_url + self._path
        facts: dict[str, Any] = {"url": f"{url}?{'&'.join(f'{name}={value}' for name, value in params.items())}"}
        left = max(0.001, deadline - time.monotonic())
        silence = min(self.settings.timeout, left)
        with time_limit(min(self.settings.timeout * WHOLE_ANSWER_FACTOR, left)) as limit:
            try:
                with self.session.get(url, params=params, timeout=(silence, silence), stream=True) as response:
                    facts |= {"status_code": response.status_code, "request_id": self._request_id(response)}
                    if response.status_code != requests.codes.ok:
                        raise self._refusal(response, facts)
                    if not self._was_asked(response, params):
                        # A rewrite rule dropped the query: this is another page. Its own address has been learnt.
                        if again:
                            raise PuretalkResponseError(
                                "The API redirects to an address that loses the page asked for.", **facts
                            )
                        response.close()
                        return self._ask_once(params, known, deadline, cancelled, again=True)
                    body = response.raw.read(decode_content=True)
                    kind = response.headers.get("Content-Type", "")
            except requests.TooManyRedirects:
                raise PuretalkResponseError("The API redirects in circles.", **facts) from None
            except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
                broken, message = (False, _DRIPPED) if limit.expired else explain(error)
                raise (_BrokenBodyError if broken and "status_code" in facts else PuretalkConnectionError)(
                    message, **facts
                ) from None  # Their messages may hold proxy credentials.
        if limit.expired:
            raise PuretalkConnectionError(_DRIPPED, **facts)
        digest = None if known is None else _digest(params, body)
        if known is not None and digest in known:
            return Answer(None, digest, facts["url"], facts["request_id"])
        try:
            return Answer(exact_json.loads(body), digest, facts["url"], facts["request_id"])
        except exact_json.InvalidJSONError as error:
            what = "an HTML page" if "html" in kind.lower() else "not valid JSON"
            raise _BrokenBodyError(f"The answer is {what}: {error}.", **facts) from None

    def _refusal(self, response: requests.Response, facts: dict[str, Any]) -> PuretalkError:
        """Turn a status other than 200 into an exception."""
        status = response.status_code
        retry_after = _retry_after(response.headers.get("Retry-After"))
        if status in (401, 403):
            return PuretalkAuthError("The API refused the key: check the connection's Password field.", **facts)
        if status == 404:
            return PuretalkNotFoundError("The API knows no such page, or the connection's Host is wrong.", **facts)
        if status == 429:
            wait = "without saying for how long" if retry_after is None else f"for {retry_after:.0f} s"
            return PuretalkRateLimitError(f"The API throttled us {wait}.", retry_after=retry_after, **facts)
        if status >= 500:
            return PuretalkServerError("The API failed.", retry_after=retry_after, **facts)
        if 300 <= status < 400:
            return PuretalkResponseError(
                "The API redirects to another scheme, host or port, where the key must not go: check the connection's Host.",
                **facts,
            )
        return PuretalkResponseError("The API answered with a status that it does not document.", **facts)

    def _pause(self, state: tenacity.RetryCallState) -> float:
        """Return how long to wait before the next try, in seconds: what the server said, at least the back-off."""
        first = self.settings.retry_backoff
        backoff = tenacity.wait_exponential(multiplier=first, max=LONGEST_BACKOFF)(state)
        backoff = min(LONGEST_BACKOFF, backoff + random.uniform(0, first))
        error = state.outcome.exception() if state.outcome else None
        return max(backoff, getattr(error, "retry_after", None) or 0.0)

    def _before_pause(self, state: tenacity.RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        if isinstance(error, PuretalkRateLimitError):
            self._pacer.hold(state.upcoming_sleep)
        log.warning("%s Trying again in %.1f s (try %d).", error, state.upcoming_sleep, state.attempt_number + 1)

    def _request_id(self, response: requests.Response) -> str | None:
        """Return the answer's id, unless the server put something odd there."""
        given = response.headers.get("X-Request-ID", "")
        fit = 0 < len(given) <= 200 and given.isprintable() and self.settings.api_key not in given
        return given if fit else None

    def _was_asked(self, response: requests.Response, params: Mapping[str, int]) -> bool:
        """Tell whether an answer is to what was asked, also where a redirect led to it.

        From then on the API is asked where it redirected us to, so that each page costs one request and not two.
        """
        if not response.history:
            return True
        parts = urlsplit(response.url)
        moved = parts.path.removeprefix(urlsplit(self.settings.base_url).path)
        if moved.rstrip("/") == self._path.rstrip("/"):
            self._path = moved
        query = parse_qs(parts.query)
        return all(query.get(name) == [str(value)] for name, value in params.items())

    def _look_at_next(self, page: Page) -> None:
        """Warn once of a ``next`` that names another origin. It is never requested, whatever it says."""
        if page.next is None or self._warned_of_next:
            return
        if not leads_to(self._origin, page.next, seen_from=self.settings.base_url):
            self._warned_of_next = True
            log.warning(
                "The API names another scheme, host or port as the next page's; it is not asked, pages are requested "
                "from the connection's Host only. Behind a TLS proxy this is usual and harmless."
            )


class _StopBefore(tenacity.stop.stop_base):
    """Ends the tries where the next pause would last beyond a moment on the monotonic clock."""

    def __init__(self, deadline: float) -> None:
        self._deadline = deadline

    def __call__(self, retry_state: tenacity.RetryCallState) -> bool:
        return time.monotonic() + retry_state.upcoming_sleep >= self._deadline


class _BrokenBodyError(PuretalkResponseError):
    """A body that broke on its way: unlike a wrong shape, it may be whole at the next try."""

    def facts(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in ("status_code", "request_id", "retry_after", "url")}


def _is_worth_another_try(error: BaseException) -> bool:
    if getattr(error, "retry_after", None) and error.retry_after > LONGEST_WAIT:  # type: ignore[attr-defined]
        return False
    return isinstance(error, PuretalkRateLimitError | PuretalkServerError | PuretalkConnectionError | _BrokenBodyError)


def _digest(question: Mapping[str, int], body: bytes) -> bytes:
    """Hash an answer with its question: the same bytes for another page would be a list that does not advance."""
    digest = hashlib.sha256(repr(question).encode())
    digest.update(body)
    return digest.digest()


def _retry_after(header: str | None) -> float | None:
    """Read ``Retry-After`` in both its forms (RFC 9110, 10.2.3); None where it says nothing usable."""
    if not header:
        return None
    text = header.strip()
    if text.isascii() and text.isdigit():
        return float(text[:15])
    try:
        moment = email.utils.parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
