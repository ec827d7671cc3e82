"""When a whole list is worth trying as a single page.

Servers and gateways that refuse a large limit mostly do so at once, which costs nothing. One that is silent until the
timeout, or throttles, would delay each poll by that: it is tried again so late that what a failed try costs stays a small
share of the time, however often the list is read by this process.
"""

from __future__ import annotations

import math
import time
from typing import Final

#: Seconds without another try, for each second that one cost and was in vain.
_PAUSE_PER_SECOND: Final = 100.0
#: Seconds at most without another try: servers change.
_LONGEST_PAUSE: Final = 86_400.0


class SinglePageTries:
    """The tries of one account."""

    def __init__(self) -> None:
        self._not_before = -math.inf

    @property
    def are_due(self) -> bool:
        """Whether a single page may be tried now."""
        return time.monotonic() >= self._not_before

    def failed(self, seconds: float) -> None:
        """Record a failed try, and what it cost."""
        self._not_before = time.monotonic() + min(seconds * _PAUSE_PER_SECOND, _LONGEST_PAUSE)
