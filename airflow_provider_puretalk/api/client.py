"""Asks the API for a page until it has one, as :mod:`.retry` says, and decodes the answer.

In come a page number and a limit; out comes a :class:`~airflow_provider_puretalk.api.page.Page` or an exception of this
package. Only GETs are sent, so asking again is always safe. Nothing it logs or raises holds the key or a body.
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
from airflow_provider_puretalk.api.page import Page, read_page
from airflow_provider_puretalk.api.request import BrokenBodyError, Exchange, Reply
from airflow_provider_puretalk.api.retry import retrying
from airflow_provider_puretalk.api.session import is_loopback, leads_to, origin
from airflow_provider_puretalk.api.settings import ApiSettings
from airflow_provider_puretalk.exceptions import (
    PuretalkRateLimitError,
    PuretalkResponseError,
)
from airflow_provider_puretalk.records import canonical_json

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer to a request for a page, not decoded.

    :ivar digest: hash of the question and of the answer's bytes, where the caller wanted to know.
    :ivar tries: how many requests it took.
    """

    number: int
    limit: int
    reply: Reply
    digest: bytes | None
    tries: int


class ApiClient:
    """Asks the API for pages. Safe to use from several threads at once.

    :param settings: the connection's settings.
    """

    def __init__(self, settings: ApiSettings) -> None:
        self.settings = settings
        self._exchange = Exchange(settings)
        self._origin = origin(settings.base_url)
        self._warned_of_next = False
        if urlsplit(settings.base_url).scheme == "http" and not is_loopback(settings.base_url):
            log.warning(
                "The PureTalk API is asked over plain http: everybody on the way, proxies too, sees the API key."
            )
        if settings.verify is False:
            log.warning("TLS certificates of the PureTalk API are not verified (extra field `verify` is false).")
            urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)

    @property
    def session(self) -> requests.Session:
        """The session that requests are sent with."""
        return self._exchange.session

    def get_page(self, number: int, limit: int) -> Page:
        """Ask for one page, trying again where that can help.

        :param number: the page, from 1.
        :param limit: rows to ask for; the server may send fewer.
        :raises PuretalkError: see :mod:`airflow_provider_puretalk.exceptions`; all but configuration, snapshot and drift.
        """
        page, _ = self.read(self.ask(number, limit))
        return page

    def hold(self, seconds: float) -> None:
        """Let no request start for so many seconds."""
        self._exchange.hold(seconds)

    def ask(
        self,
        number: int,
        limit: int,
        *,
        hashed: bool = False,
        retries: int | None = None,
        deadline: float = math.inf,
        cancelled: threading.Event | None = None,
    ) -> Answer:
        """Ask for one page, trying again where that can help, without looking into the answer.

        :param hashed: whether to hash the answer.
        :param retries: how often to try again; as often as the connection says by default.
        :param deadline: moment on the monotonic clock after which no further try is made.
        :param cancelled: set by another thread, it ends pauses, tries and what is in flight.
        """
        cancelled = cancelled or Cancellation()
        saved = 0 if retries is None else max(0, self.settings.max_retries - retries)
        trying = self._trying(self.settings.max_retries + 1 - saved, deadline, cancelled)
        with _broken_bodies_are_wrong_answers():
            reply = trying(self._exchange.ask, {"page": number, "limit": limit}, deadline, cancelled)
        # Tries that were not to be made are none that are left for a body that broke.
        return _answer(number, limit, reply, hashed=hashed, tries=trying.statistics["attempt_number"] + saved)

    def read(
        self, answer: Answer, *, deadline: float = math.inf, cancelled: threading.Event | None = None
    ) -> tuple[Page, bytes | None]:
        """Take the page out of an answer. Where its body broke on the way, ask again, as often as tries are left.

        :returns: the page, and the digest of the answer that it was in, where the one given had one.
        :raises PuretalkResponseError: it is not the documented shape.
        """
        try:
            body = _decode(answer.number, answer.reply)
        except BrokenBodyError as error:
            answer, body = self._ask_again(answer, error, deadline, cancelled or Cancellation())
        try:
            page = read_page(body, number=answer.number, limit=answer.limit)
        except PuretalkResponseError as error:
            for name, fact in answer.reply.facts.items():
                setattr(error, name, fact)
            raise
        self._look_at_next(page)
        return page, answer.digest

    def _ask_again(
        self, answer: Answer, broken: BrokenBodyError, deadline: float, cancelled: threading.Event
    ) -> tuple[Answer, Any]:
        """Ask again for an answer whose body was broken; returns one that is whole, and its decoded body."""
        behind_us = [broken]
        params = {"page": answer.number, "limit": answer.limit}

        def ask() -> tuple[Answer, Any]:
            if behind_us:
                raise behind_us.pop()  # The first of these tries was made: what it needs is the pause after it.
            reply = self._exchange.ask(params, deadline, cancelled)
            return _answer(answer.number, answer.limit, reply, hashed=answer.digest is not None), _decode(
                answer.number, reply
            )

        with _broken_bodies_are_wrong_answers():
            return self._trying(self.settings.max_retries + 2 - answer.tries, deadline, cancelled)(ask)

    def _trying(self, tries: int, deadline: float, cancelled: threading.Event) -> tenacity.Retrying:
        return retrying(
            tries,
            backoff=self.settings.retry_backoff,
            deadline=deadline,
            cancelled=cancelled,
            also_transient=BrokenBodyError,
            before_pause=self._before_pause,
        )

    def _before_pause(self, state: tenacity.RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        if isinstance(error, PuretalkRateLimitError):
            self._exchange.hold(state.upcoming_sleep)
        log.warning("%s Trying again in %.1f s (try %d).", error, state.upcoming_sleep, state.attempt_number + 1)

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


@contextlib.contextmanager
def _broken_bodies_are_wrong_answers() -> Iterator[None]:
    """Raise what callers know in place of what only this module knows."""
    try:
        yield
    except BrokenBodyError as error:
        raise PuretalkResponseError(error.message, **error.facts()) from error


def _answer(number: int, limit: int, reply: Reply, *, hashed: bool, tries: int = 1) -> Answer:
    return Answer(number, limit, reply, _digest(number, limit, reply.body) if hashed else None, tries)


def _decode(number: int, reply: Reply) -> Any:
    """Decode the body of a page. A whole one that is nested too deeply is not worth another request, a broken one is."""
    try:
        return canonical_json.loads(reply.body)
    except canonical_json.InvalidJSONError as error:
        # What has an end came as it was sent, and would come like that again.
        is_whole = reply.body.rstrip().endswith((b"}", b"]"))
        if is_whole and isinstance(error, canonical_json.NestedTooDeeplyError):
            raise PuretalkResponseError(
                f"Page {number} cannot be read: a record in it is nested too deeply, a thousand levels or more. Find the "
                "assistant on that page in PureTalk, and correct it there.",
                transient=False,
                **reply.facts,
            ) from None
        what = "an HTML page" if "html" in reply.content_type.lower() else "not valid JSON"
        raise BrokenBodyError(f"The answer is {what}: {error}.", **reply.facts) from None


def _digest(number: int, limit: int, body: bytes) -> bytes:
    """Hash an answer with its question: the same bytes for another page would be a list that does not advance."""
    digest = hashlib.sha256(f"page {number} of {limit} rows ".encode())
    digest.update(body)
    return digest.digest()
