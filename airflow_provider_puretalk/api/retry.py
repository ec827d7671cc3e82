"""When a request is sent again, how often, and after which pause.

==========================  ===========================================================================================
what                        429 and what gateways say in its place, 5xx, no response, one whose body broke; not where
                            ``Retry-After`` is more than :data:`LONGEST_RETRY_AFTER`, and no other error
how often                   the connection's ``max_retries`` for each page, as long as no deadline lies before the end of
                            the pause; not at all where a reading only tries something (a larger page, or the first
                            request after polls that failed); once, throttling aside, for a page of a size that the reading
                            found by itself
how long                    ``retry_backoff`` seconds, doubled with each try, with jitter, :data:`LONGEST_BACKOFF` at most;
                            a longer ``Retry-After`` counts instead
everything else meanwhile   a throttled request pauses the requests of all threads for as long; where that does not suffice,
                            they are spaced afterwards
==========================  ===========================================================================================

All requests are GETs, so sending one again is always safe. Airflow's own retries of a task are another matter:
:mod:`airflow_provider_puretalk.retry_policy`.
"""

from __future__ import annotations

import email.utils
import logging
import random
import re
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import tenacity

from airflow_provider_puretalk.exceptions import (
    PuretalkConnectionError,
    PuretalkRateLimitError,
    PuretalkResponseError,
    PuretalkServerError,
)

log = logging.getLogger(__name__)

#: Longest ``Retry-After`` in seconds that is waited for inside a task; a longer one is the scheduler's business.
LONGEST_RETRY_AFTER = 120.0
#: Longest pause in seconds between two tries where the server names none.
LONGEST_BACKOFF = 60.0


class BrokenBodyError(PuretalkResponseError):
    """A body that broke on its way: unlike a wrong shape, it may be whole at the next try. Never leaves the client."""

    def facts(self) -> dict[str, Any]:
        """Return what a plain error in its place must carry."""
        return {name: getattr(self, name) for name in ("status_code", "request_id", "retry_after", "url")}


_RETRIED = (PuretalkRateLimitError, PuretalkServerError, PuretalkConnectionError, BrokenBodyError)


def retrying(
    operation: str,
    attempts: int,
    *,
    failures: int | None = None,
    backoff: float,
    deadline: float,
    cancelled: threading.Event,
    throttled: Callable[[float], None],
    retried: Callable[[int | None], None],
) -> tenacity.Retrying:
    """Return what calls a function again while it raises transient errors; the last error is raised as it is.

    :param operation: what the function does, for the log.
    :param attempts: how many calls there may be in all.
    :param failures: how many of them may fail for another reason than throttling; all by default.
    :param backoff: seconds of the first pause.
    :param deadline: moment on the monotonic clock beyond which no pause may last.
    :param cancelled: ends pauses and further attempts when it is set.
    :param throttled: pauses all other requests for so many seconds.
    :param retried: counts a further attempt, by the status of the response before it, None where there was none.
    """
    failed = 0

    def is_retried(error: BaseException) -> bool:
        nonlocal failed
        failed += not isinstance(error, PuretalkRateLimitError)
        spent = failures is not None and failed >= failures
        return isinstance(error, _RETRIED) and not spent and _retry_after(error) <= LONGEST_RETRY_AFTER

    def pause(state: tenacity.RetryCallState) -> float:
        doubled: float = tenacity.wait_exponential(multiplier=backoff, max=LONGEST_BACKOFF)(state)
        return max(min(LONGEST_BACKOFF, doubled + random.uniform(0, backoff)), _retry_after(_error_of(state)))

    def before_pause(state: tenacity.RetryCallState) -> None:
        error, seconds = _error_of(state), state.upcoming_sleep
        if isinstance(error, PuretalkRateLimitError):
            throttled(seconds)
        retried(getattr(error, "status_code", None))
        log.warning("%s failed, retry in %.1f s (try %d): %s", operation, seconds, state.attempt_number + 1, error)

    return tenacity.Retrying(
        retry=tenacity.retry_if_exception(is_retried),
        stop=tenacity.stop_any(
            tenacity.stop_after_attempt(attempts), tenacity.stop_when_event_set(cancelled), _StopBefore(deadline)
        ),
        wait=pause,
        sleep=tenacity.sleep_using_event(cancelled),
        before_sleep=before_pause,
        reraise=True,
    )


def pause_after(error: PuretalkRateLimitError) -> float:
    """Return for how many seconds a throttled request that is not retried pauses the others.

    0 where ``Retry-After`` is missing or too long: then the next request ends in the same error.
    """
    seconds = _retry_after(error)
    return seconds if seconds <= LONGEST_RETRY_AFTER else 0.0


def _retry_after(error: BaseException | None) -> float:
    return getattr(error, "retry_after", None) or 0.0


def _error_of(state: tenacity.RetryCallState) -> BaseException | None:
    return state.outcome.exception() if state.outcome else None


class _StopBefore(tenacity.stop.stop_base):
    """Ends the tries where the next pause would last beyond a moment on the monotonic clock."""

    def __init__(self, deadline: float) -> None:
        self._deadline = deadline

    def __call__(self, retry_state: tenacity.RetryCallState) -> bool:
        return time.monotonic() + retry_state.upcoming_sleep >= self._deadline


def parse_retry_after(header: str | None) -> float | None:
    """Read ``Retry-After`` in both its forms (RFC 9110, 10.2.3); None where it says nothing usable."""
    if not header:
        return None
    text = header.strip()
    if re.fullmatch(r"[0-9]+(\.[0-9]*)?", text, re.ASCII):  # Fractions are in no standard, but some gateways send them.
        return float(text[:15])
    try:
        moment = email.utils.parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())
