"""The scan: a proven reading of the whole list, from a client to records on disk.

The result is an :class:`AssistantScan`, for as long as the scan's context is open. This is where the prover
(:mod:`airflow_provider_puretalk.scan.prover`) meets the client.
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from datetime import UTC, datetime
from typing import Any

from airflow_provider_puretalk.api.cancellation import Cancellation
from airflow_provider_puretalk.api.client import ApiClient, RawPage
from airflow_provider_puretalk.api.page import Page
from airflow_provider_puretalk.api.retry import pause_after
from airflow_provider_puretalk.exceptions import (
    PuretalkConfigurationError,
    PuretalkRateLimitError,
    PuretalkResponseError,
)
from airflow_provider_puretalk.records import canonical_json
from airflow_provider_puretalk.records.record_id import record_id
from airflow_provider_puretalk.scan.prover import Consistency, Method, Proof, Scanner
from airflow_provider_puretalk.scan.single_page import SinglePageTries
from airflow_provider_puretalk.scan.spool import Row, ScannedPage, Spool

#: By base URL and account, for as long as this process lasts: watchers and sensors read the same list again and again.
_single_pages: defaultdict[tuple[str, str], SinglePageTries] = defaultdict(SinglePageTries)


class AssistantScan:
    """The result of a scan; iterating yields the raw records in order of ``assistant_id``, any number of times.

    :ivar consistency: what was requested.
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
        """Whether every check of the requested consistency held; only ``best_effort`` can leave it false."""
        return self._proof.complete

    @property
    def count_reported(self) -> int:
        """What the API said the count was, on the first page of the last walk."""
        return self._proof.count_reported

    @property
    def duplicates_removed(self) -> int:
        """Rows of the last walk whose id had come before in it."""
        return self._proof.duplicates_removed

    @property
    def tried(self) -> tuple[str, ...]:
        """What was tried before and why it proved nothing, a sentence each."""
        return self._proof.tried

    def rows(self) -> Iterator[tuple[bytes, Any]]:
        """Yield each record in the canonical spelling, without a line break, and what ``examine`` found, in order."""
        if self._proof.moment is not None:
            return self._spool.rows_seen_around(self._proof.moment)
        return self._spool.rows_seen_in(self._proof.walks)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for line, _ in self.rows():
            yield canonical_json.loads(line)

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
    examine: Callable[[dict[str, Any]], Hashable] | None = None,
    redact: Callable[[dict[str, Any]], dict[str, Any]] | None = None,
    cancelled: threading.Event | None = None,
    probe: bool = False,
    reading: Callable[[], AbstractContextManager[None]] = nullcontext,
) -> Iterator[AssistantScan]:
    """Read the whole list until the reading is proven, see :class:`airflow_provider_puretalk.scan.prover.Scanner`.

    :param page_size: rows to request in each page.
    :param max_seconds: absolute ceiling on the reading's time.
    :param examine: called with each record as it comes in; what it returns comes back with the
        record in :meth:`AssistantScan.rows`. There should be few different results, each is kept in memory.
    :param redact: called with each record before anything else sees it or it is written down; what it returns takes the
        record's place. It must leave ``assistant_id`` as it is.
    :param cancelled: set by another thread, it ends the reading with an error: no further request is sent, and those in
        flight are cut off. Nothing here sets it.
    :param probe: whether the first request is sent once only, to find out whether the API answers at all. All others are
        tried again as the connection says.
    :param reading: gives the context in which requests are sent; it is left when the reading is proven.
    """
    examine = examine or _nothing
    if not max_seconds > 0:
        raise PuretalkConfigurationError("`max_seconds` must be above 0.")
    # Of our own: a failure must end what is in flight here, and nothing else that the caller's event ends.
    stop = Cancellation(cancelled)
    with Spool() as spool, ExitStack() as requesting:
        requesting.enter_context(reading())
        started_at = datetime.now(UTC)
        deadline = time.monotonic() + max_seconds
        # Only a reading of several walks can meet the same answer twice.
        hashed = consistency == "verified"

        probing = probe

        def fetch(number: int, limit: int) -> RawPage:
            nonlocal probing  # The first request of a reading is answered before any other is sent.
            retries, probing = 0 if probing else None, False
            return client.fetch(number, limit, hashed=hashed, retries=retries, deadline=deadline, cancelled=stop)

        def fetch_once(number: int, limit: int) -> RawPage:
            half = (time.monotonic() + deadline) / 2  # However long it is silent, there is time for the other way.
            try:
                return client.fetch(number, limit, hashed=hashed, deadline=half, cancelled=stop, retries=0)
            except PuretalkRateLimitError as error:
                client.pause(pause_after(error))
                raise

        def parse(raw: RawPage) -> ScannedPage:
            if raw.digest is not None and (known := spool.known(raw.digest)):
                return known
            page, digest = client.parse(raw, deadline=deadline, cancelled=stop)
            return _scanned(page, digest, examine, redact)

        scanner = Scanner(
            fetch,
            spool,
            parse=parse,
            page_size=page_size,
            consistency=consistency,
            max_walks=max_walks,
            deadline=deadline,
            parallel=client.settings.max_parallel_requests,
            cancelled=stop,
            fetch_once=fetch_once,
            single_pages=_single_pages[client.settings.base_url, client.settings.account],
        )
        result = AssistantScan(spool, scanner.run(), consistency=consistency, started_at=started_at)
        requesting.close()
        yield result


def _scanned(
    page: Page,
    digest: bytes | None,
    examine: Callable[[dict[str, Any]], Hashable],
    redact: Callable[[dict[str, Any]], dict[str, Any]] | None,
) -> ScannedPage:
    """Encode a page's records, so that none of their objects outlives it."""
    records = page.records if redact is None else [redact(record) for record in page.records]
    try:
        rows = [
            # `parse_page` has refused records without an id. Lone surrogates, passed like this, still sort by code point.
            Row(
                (record_id(record) or "").encode("utf-8", "surrogatepass"),
                canonical_json.dumps(record),
                examine(record),
            )
            for record in records
        ]
    except canonical_json.InvalidJSONError as error:
        raise PuretalkResponseError(
            f"Page {page.number} holds a record that cannot be written down: {error}.", transient=False
        ) from error
    return ScannedPage(page.number, page.limit, page.count, page.has_next, len(rows), rows, digest)


def _nothing(record: dict[str, Any]) -> Hashable:
    return None
