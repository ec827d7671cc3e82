"""A proven reading of the whole list, from a client to records on disk.

In comes a client; out comes an :class:`AssistantScan` for as long as its context is open. This is where the room that
proves (:mod:`airflow_provider_puretalk.api.scan`) meets the one that sends.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from airflow_provider_puretalk.api import exact_json
from airflow_provider_puretalk.api.client import ApiClient
from airflow_provider_puretalk.api.errors import PuretalkConfigurationError
from airflow_provider_puretalk.api.scan import Consistency, Method, Proof, Scanner
from airflow_provider_puretalk.api.spool import Spool


class AssistantScan:
    """What a reading found; iterating yields the raw records in order of ``assistant_id``, as often as you like.

    :ivar consistency: what was asked for.
    :ivar started_at: when the first request was about to go out, in UTC.
    :ivar finished_at: when the proof was found, in UTC.
    """

    def __init__(self, spool: Spool, proof: Proof, *, consistency: Consistency, started_at: datetime) -> None:
        self._spool = spool
        self._proof = proof
        self.consistency = consistency
        self.started_at = started_at
        self.finished_at = datetime.now(UTC)

    @property
    def count(self) -> int:
        """How many assistants the reading holds."""
        return self._proof.count

    @property
    def method(self) -> Method:
        """How it was proven: ``one_page``, ``two_walks`` or ``union``; ``one_walk`` is checked or not even that."""
        return self._proof.method

    @property
    def walks(self) -> int:
        """How often the list was walked."""
        return self._proof.walks

    @property
    def complete(self) -> bool:
        """Whether every check of the consistency asked for held; only ``best_effort`` can leave it false."""
        return self._proof.complete

    @property
    def count_reported(self) -> int:
        """What the API said the count was, in the first answer of the last walk."""
        return self._proof.count_reported

    @property
    def duplicates_removed(self) -> int:
        """Rows of the last walk whose id had come before in it."""
        return self._proof.duplicates_removed

    def lines(self) -> Iterator[bytes]:
        """Yield the records in the canonical spelling, in order of ``assistant_id``, without line breaks."""
        if self._proof.moment is not None:
            return self._spool.lines_seen_around(self._proof.moment)
        return self._spool.lines_seen_in(self._proof.walks)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return map(exact_json.loads, self.lines())

    def __len__(self) -> int:
        return self.count


@contextmanager
def scan(
    client: ApiClient,
    *,
    page_size: int,
    consistency: Consistency = "verified",
    max_walks: int = 10,
    max_seconds: float = 3600,
) -> Iterator[AssistantScan]:
    """Read the whole list until the reading is proven, see :class:`airflow_provider_puretalk.api.scan.Scanner`.

    :param page_size: rows to ask for in each request.
    :param max_seconds: absolute ceiling on the reading's time.
    """
    if not max_seconds > 0:
        raise PuretalkConfigurationError("`max_seconds` must be above 0.")
    started_at = datetime.now(UTC)
    deadline = time.monotonic() + max_seconds
    cancelled = threading.Event()
    with Spool() as spool:
        scanner = Scanner(
            lambda number, limit: client.get_page(number, limit, deadline=deadline, cancelled=cancelled),
            spool,
            page_size=page_size,
            consistency=consistency,
            max_walks=max_walks,
            deadline=deadline,
            parallel=client.settings.max_parallel_requests,
            cancel=cancelled.set,
        )
        yield AssistantScan(spool, scanner.run(), consistency=consistency, started_at=started_at)
