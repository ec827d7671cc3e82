"""The rate limiter: when the next request may start, one clock for all threads of a task.

Two rules share it: requests are spaced evenly below the connection's ceiling, and a 429 pauses every thread, not just the
one that got it.
"""

from __future__ import annotations

import math
import threading
import time


class RateLimiter:
    """Hands out slots: the moments at which requests may start.

    :param requests_per_second: ceiling for all threads together; None for none.
    """

    def __init__(self, requests_per_second: float | None) -> None:
        self._interval = 1 / requests_per_second if requests_per_second else 0.0
        self._lock = threading.Lock()
        self._next_slot = 0.0
        self._paused_until = 0.0

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
                self._next_slot = slot + self._interval
            if slot > now:
                cancelled.wait(slot - now)
            # A 429 may have come in meanwhile. Then every thread takes a new slot, so that they do not all start at once.
            if self._paused_until <= slot and not cancelled.is_set():
                return True
        return False

    def pause(self, seconds: float) -> None:
        """Let no request start for so many seconds."""
        with self._lock:
            self._paused_until = max(self._paused_until, time.monotonic() + seconds)
