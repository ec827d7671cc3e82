"""When the next request may go out: one clock for all threads of a task.

Two rules share it: requests are spaced evenly below the connection's ceiling, and a 429 holds back every thread, not just
the one that got it.
"""

from __future__ import annotations

import threading
import time


class Pacer:
    """Hands out the moments at which requests may start.

    :param requests_per_second: ceiling for all threads together; None for none.
    """

    def __init__(self, requests_per_second: float | None) -> None:
        self._interval = 1 / requests_per_second if requests_per_second else 0.0
        self._lock = threading.Lock()
        self._next_slot = 0.0
        self._held_until = 0.0

    def wait(self, cancelled: threading.Event) -> None:
        """Sleep until this thread may send; returns early when cancelled."""
        with self._lock:
            slot = max(time.monotonic(), self._next_slot)
            self._next_slot = slot + self._interval
        # A 429 may come in while we sleep, so the hold is looked at again afterwards.
        while (pause := max(slot, self._held_until) - time.monotonic()) > 0:
            if cancelled.wait(pause):
                return

    def hold(self, seconds: float) -> None:
        """Let no request start for so many seconds."""
        with self._lock:
            self._held_until = max(self._held_until, time.monotonic() + seconds)
