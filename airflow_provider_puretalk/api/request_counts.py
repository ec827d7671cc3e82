"""Counts requests by the status of their responses."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass, field

#: In place of a status, where no response came.
NO_RESPONSE = "none"


@dataclass(slots=True)
class RequestCounts:
    """How many requests were sent since the last :meth:`take`. Safe to use from several threads at once.

    :ivar requests: all of them, by status.
    :ivar retries: those that were sent again, by the status of the response before, which may have come with a broken body.
    """

    requests: Counter[str] = field(default_factory=Counter)
    retries: Counter[str] = field(default_factory=Counter)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def add_request(self, status: int | None) -> None:
        """Count a request whose response has this status, or that has none."""
        with self._lock:
            self.requests[_name(status)] += 1

    def add_retry(self, status: int | None) -> None:
        """Count a retry after a response of this status, or after none."""
        with self._lock:
            self.retries[_name(status)] += 1

    def take(self) -> RequestCounts:
        """Return what was counted, and begin anew: each request is in one result only."""
        with self._lock:
            taken = RequestCounts(self.requests, self.retries)
            self.requests, self.retries = Counter(), Counter()
        return taken


def _name(status: int | None) -> str:
    return NO_RESPONSE if status is None else str(status)
