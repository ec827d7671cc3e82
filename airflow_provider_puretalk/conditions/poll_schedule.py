"""The pauses between polls: those of a wait, as Airflow's sensors make them, and those of watchers, whose polls may fail."""

from __future__ import annotations

import bisect
import hashlib
import math
import random
from typing import Final

#: Shortest pause in seconds: many sensors wait in one process, and none of them may keep it busy.
SHORTEST = 0.1
#: Longest pause of a watcher after failures, in seconds, unless its poll interval itself is longer.
LONGEST_BACKOFF: Final = 900.0


class PollSchedule:
    """The pauses of one wait.

    :param interval: seconds.
    :param exponential_backoff: whether they double from poll to poll, with jitter.
    :param longest: seconds at most; None for no limit.
    :param began: when the wait began, in seconds since 1970: the number of polls follows from the time gone by.
    """

    def __init__(self, interval: float, exponential_backoff: bool, longest: float | None, began: float) -> None:
        self._interval = max(SHORTEST, interval)
        self._exponential_backoff = exponential_backoff
        self._longest = math.inf if longest is None else longest
        self._began = began
        #: When each pause would be over if nothing bounded it, in seconds since the beginning.
        self._ends: list[float] = [self._of(1)]

    def after(self, now: float) -> float:
        """Return the pause after a poll.

        :param now: seconds since 1970.
        """
        if not self._exponential_backoff:
            return self._interval
        elapsed = now - self._began
        while self._ends[-1] <= elapsed:
            self._ends.append(self._ends[-1] + self._of(len(self._ends) + 1))
        return max(SHORTEST, min(self._longest, self._of(bisect.bisect_right(self._ends, elapsed) + 1)))

    def _of(self, number: int) -> float:
        """Return the pause after so many polls, as ``BaseSensorOperator`` computes it."""
        least = max(int(self._interval * 2 ** min(number - 2, 40)), 1)
        jitter = int(hashlib.sha256(f"{self._began}#{number}".encode()).hexdigest(), 16) % least
        return float(least + jitter)


class Backoff:
    """The pause of watchers after so many consecutive failures: longer each time, and never of all watchers at once.

    :param at_least: seconds.
    """

    def __init__(self, failures: int, at_least: float = 0.0) -> None:
        self._factor = 2.0 ** min(failures, 32) * random.uniform(0.75, 1.0) if failures else 1.0
        self._at_least = at_least

    def __call__(self, interval: float) -> float:
        """Return the pause, by the interval between polls that succeed."""
        return max(self._at_least, min(interval * self._factor, max(interval, LONGEST_BACKOFF)))
