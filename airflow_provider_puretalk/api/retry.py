"""When a request is sent again, how often, and after which pause.

==========================  ===========================================================================================
sent again                  429 and what gateways say in its place, 5xx, no answer, an answer whose body broke
never                       all other errors, and a ``Retry-After`` of more than :data:`LONGEST_RETRY_AFTER`
how often                   the connection's ``max_retries``, as long as no deadline lies before the end of the pause
pause                       ``retry_backoff`` seconds, doubled with each try, with jitter, :data:`LONGEST_BACKOFF` at most;
                            a longer ``Retry-After`` counts instead
==========================  ===========================================================================================

All requests are GETs, so sending one again is always safe. Airflow's own retries of a task are another matter:
:mod:`airflow_provider_puretalk.retry_policy`.
"""

from __future__ import annotations

import email.utils
import random
import re
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime

import tenacity

from airflow_provider_puretalk.exceptions import PuretalkConnectionError, PuretalkRateLimitError, PuretalkServerError

#: Longest ``Retry-After`` in seconds that is waited for inside a task; a longer one is the scheduler's business.
LONGEST_RETRY_AFTER = 120.0
#: Longest pause in seconds between two tries where the server names none.
LONGEST_BACKOFF = 60.0

_TRANSIENT = (PuretalkRateLimitError, PuretalkServerError, PuretalkConnectionError)


def retrying(
    attempts: int,
    *,
    backoff: float,
    deadline: float,
    cancelled: threading.Event,
    also_transient: type[BaseException],
    before_pause: Callable[[tenacity.RetryCallState], None],
) -> tenacity.Retrying:
    """Return what calls a function again while it raises transient errors; the last error is raised as it is.

    :param attempts: how many calls there may be in all.
    :param backoff: seconds of the first pause.
    :param deadline: moment on the monotonic clock beyond which no pause may last.
    :param cancelled: ends pauses and further attempts when it is set.
    :param also_transient: an error of the caller's own that is worth another try.
    :param before_pause: called before each pause.
    """

    def is_worth_another_try(error: BaseException) -> bool:
        retry_after = getattr(error, "retry_after", None) or 0.0
        return isinstance(error, (*_TRANSIENT, also_transient)) and retry_after <= LONGEST_RETRY_AFTER

    def pause(state: tenacity.RetryCallState) -> float:
        doubled: float = tenacity.wait_exponential(multiplier=backoff, max=LONGEST_BACKOFF)(state)
        error = state.outcome.exception() if state.outcome else None
        retry_after = getattr(error, "retry_after", None) or 0.0
        return max(min(LONGEST_BACKOFF, doubled + random.uniform(0, backoff)), retry_after)

    return tenacity.Retrying(
        retry=tenacity.retry_if_exception(is_worth_another_try),
        stop=tenacity.stop_any(
            tenacity.stop_after_attempt(attempts), tenacity.stop_when_event_set(cancelled), _StopBefore(deadline)
        ),
        wait=pause,
        sleep=tenacity.sleep_using_event(cancelled),
        before_sleep=before_pause,
        reraise=True,
    )


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
