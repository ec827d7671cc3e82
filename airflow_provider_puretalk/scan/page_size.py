"""The size of pages where the user has set none: the largest that the server gives without complaint.

A reading begins with a page that any server gives. Where the list goes on after it, a larger one is tried, which becomes the
first page of the walk. Servers that cap the limit say so by what they send. Those that refuse it, and gateways before them,
mostly do so at once; one that is silent until the timeout, or throttles, would delay each reading by that. So a size that
was refused is not tried for a while, the longer the more it cost.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from typing import Final

from airflow_provider_puretalk.api.settings import DEFAULT_PAGE_SIZE
from airflow_provider_puretalk.scan.spool import ScannedPage

#: Bytes of responses, decoded, that may be in flight and at hand together: memory must not grow with pages.
BYTES_AT_ONCE: Final = 24_000_000
#: So many pages must fit into that, or threads would wait for the network while there is nothing to parse.
_PAGES_AT_ONCE: Final = 4
#: Seconds without another try of a size, for each second that one cost and was in vain.
_PAUSE_PER_SECOND: Final = 100.0
#: Seconds at least and at most without another try: servers change, but a watcher must not ask at each poll.
_SHORTEST_PAUSE: Final = 3_600.0
_LONGEST_PAUSE: Final = 86_400.0


class PageSizeFailedError(Exception):
    """Pages of a size that had been given before fail: smaller ones are to be read, from the beginning.

    :ivar size: that size.
    """

    def __init__(self, size: int, why: Exception) -> None:
        super().__init__(f"Pages of {size:,} rows failed: {why}")
        self.size = size


class PageSizes:
    """What is known about the sizes that the server of one account gives.

    :param smallest: rows of the page that a reading begins with while nothing is known, and that always serves.
    :param largest: rows that are never exceeded. 1,000 is the usual maximum of servers, and beyond it there is nothing to
        gain: a request costs a few rows' time.
    :param step: the size that is tried where a far larger one is refused.
    :param slack: how many more rows than ``count`` a page for the whole list requests, so that rows added meanwhile do not
        spoil it.
    """

    def __init__(
        self, *, smallest: int = DEFAULT_PAGE_SIZE, largest: int = 1_000, step: int = 300, slack: int = 100
    ) -> None:
        self.smallest = smallest
        self.found = smallest
        self._largest = largest
        self._step = step
        self._slack = slack
        self._refused = math.inf
        self._refused_until = -math.inf

    def worth_trying(self, page: ScannedPage) -> Iterator[int]:
        """Yield larger sizes to try, the largest first; none where the page shows a cap, or is the whole list.

        :param page: the first page, of the size so far.
        """
        if not page.has_next or not page.size == page.limit <= page.count:
            return
        target = min(page.count + self._slack, self._largest)
        if page.body_bytes:
            target = min(target, BYTES_AT_ONCE // _PAGES_AT_ONCE * page.size // page.body_bytes)
        if target <= page.count and 2 * target < 3 * page.limit:
            return  # It would save little: rows are not all of one length, and next time another size would come out.
        for size in (target, self._step if 2 * self._step <= target else 0):
            if page.limit < size and (size < self._refused or time.monotonic() >= self._refused_until):
                yield size

    def adopt(self, size: int) -> None:
        """Record the size that a reading goes on with: the next one begins with it."""
        self.found = max(size, self.smallest)

    def refuse(self, size: int, seconds: float) -> None:
        """Record that a size was not given, and what finding that out has cost."""
        now = time.monotonic()
        pause = min(max(seconds * _PAUSE_PER_SECOND, _SHORTEST_PAUSE), _LONGEST_PAUSE)
        self._refused = min(size, self._refused if now < self._refused_until else math.inf)
        self._refused_until = max(self._refused_until, now + pause)
        if self.found >= size:
            self.found = self.smallest
