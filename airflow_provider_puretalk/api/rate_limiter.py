"""The rate limiter: when the next request may start, one clock for all threads of a task.

Three rules share it: requests are spaced evenly below the connection's ceiling, a 429 pauses every thread, not just the one
that got it, and where the requests after such a pause are throttled again, they are spaced further and further: an API that
allows no burst would refuse all but one of those that start together, each time.
"""

from __future__ import annotations

import math
import threading
import time
from typing import Final

#: Spacing after a pause that did not suffice, as a share of the pause, and its ceiling in seconds.
_SPACING: Final = 0.125
_WIDEST: Final = 1.0
#: What remains of the spacing with each request, and from where on there is none.
_KEPT: Final = 0.95
_NARROWEST: Final = 0.01


class RateLimiter:
    """Hands out slots: the moments at which requests may start.

    :param requests_per_second: ceiling for all threads together; None for none.
    """

    def __init__(self, requests_per_second: float | None) -> None:
        self._interval = 1 / requests_per_second if requests_per_second else 0.0
        self._lock = threading.Lock()
        self._next_slot = 0.0
        self._paused_until = 0.0
        self._pauses = 0
        self._spacing = 0.0

    def wait(self, cancelled: threading.Event, deadline: float = math.inf) -> bool:
        """Sleep until this thread's slot.

        :param deadline: moment on the monotonic clock after which it is too late.
        :returns: False where nothing may be sent any more: cancelled, or too late.
        """
        while not cancelled.is_set():
            with self._lock:
                now = time.monotonic()
                slot = max(now, self._next_slot, self._paused_until)
                if slot >= deadline:
                    return False
                self._next_slot = slot + max(self._interval, self._spacing)
            if slot > now:
                cancelled.wait(slot - now)
            # A 429 may have come in meanwhile. Then every thread takes a new slot, so that they do not all start at once.
            if self._paused_until <= slot and not cancelled.is_set():
                self._narrow()
                return True
        return False

    def pause(self, seconds: float) -> None:
        """Let no request start for so many seconds."""
        with self._lock:
            now = time.monotonic()
            if now >= self._paused_until:
                self._pauses += 1
                self._spacing = min(2 * self._spacing, _WIDEST)
            if self._pauses > 1:
                self._spacing = max(self._spacing, min(_SPACING * seconds, _WIDEST))
            self._paused_until = max(self._paused_until, now + seconds)

    def _narrow(self) -> None:
        """Space the next requests less: this one may start."""
        with self._lock:
            self._spacing *= _KEPT
            if self._pauses > 1 and self._spacing < _NARROWEST:
                self._pauses, self._spacing = 0, 0.0
