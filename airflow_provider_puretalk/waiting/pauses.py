"""How long to wait between two looks: what Airflow's sensors do, for those who wait outside of a task."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

#: Shortest pause in seconds: many wait in one process, and none of them may keep it busy.
SHORTEST = 0.1


@dataclass(frozen=True)
class Pauses:
    """The pauses of one wait.

    :param interval: seconds.
    :param exponential_backoff: whether they double from look to look, with jitter.
    :param longest: seconds at most; None for no limit.
    :param began: when the waiting began, in seconds since 1970: how often was looked follows from the time gone by.
    """

    interval: float
    exponential_backoff: bool
    longest: float | None
    began: float

    def after(self, now: float) -> float:
        """Return the pause after a look.

        :param now: seconds since 1970.
        """
        if not self.exponential_backoff:
            return max(SHORTEST, self.interval)
        elapsed, number, gone = now - self.began, 0, 0.0
        while gone <= elapsed:
            number += 1
            pause = self._of(number)
            gone += pause
        return max(SHORTEST, pause if self.longest is None else min(self.longest, pause))

    def _of(self, number: int) -> float:
        """Return the pause after so many looks, as ``BaseSensorOperator`` reckons it."""
        least = max(int(max(SHORTEST, self.interval) * 2 ** min(number - 2, 40)), 1)
        jitter = int(hashlib.sha256(f"{self.began}#{number}".encode()).hexdigest(), 16) % least
        return float(least + jitter)
