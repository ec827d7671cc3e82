"""The scan: a proven reading of the whole list, from a client to records on disk.

The result is an :class:`AssistantScan`, for as long as the scan's context is open. This is where the prover
(:mod:`airflow_provider_puretalk.scan.prover`) meets the client.
"""

from __future__ import annotations

import logging
import time
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from airflow_provider_puretalk.api.cancellation import Cancellation
from airflow_provider_puretalk.api.client import ApiClient, RawPage
from airflow_provider_puretalk.api.page import Page
from airflow_provider_puretalk.api.request import RawResponse
from airflow_provider_puretalk.api.retry import pause_after
from airflow_provider_puretalk.api.validators import Validated
from airflow_provider_puretalk.certificate import Certificate
from airflow_provider_puretalk.exceptions import (
    PuretalkConfigurationError,
    PuretalkRateLimitError,
    PuretalkResponseError,
)
from airflow_provider_puretalk.records import canonical_json
from airflow_provider_puretalk.records.record_id import record_id
from airflow_provider_puretalk.scan.options import Consistency, ScanOptions
from airflow_provider_puretalk.scan.page_memory import PageMemory
from airflow_provider_puretalk.scan.page_size import PageSizeFailedError, PageSizes
from airflow_provider_puretalk.scan.prover import Method, Proof, Scanner
from airflow_provider_puretalk.scan.spool import NotSentAgainError, Row, ScannedPage, Spool

log = logging.getLogger(__name__)

#: The part of the connection's ``timeout`` from which on a page is too slow for its size to be kept.
_SLOW = 1 / 3

#: By base URL and account, for as long as this process lasts: watchers and sensors read the same list again and again.
_page_sizes: defaultdict[tuple[str, str], PageSizes] = defaultdict(PageSizes)


class AssistantScan:
    """The result of a scan; iterating yields the raw records in order of ``assistant_id``, any number of times.

    :ivar consistency: what was requested.
    :ivar started_at: when the first request was about to go out, in UTC.
    :ivar finished_at: when the proof was found, in UTC.
    :ivar unchanged: whether its records are exactly those of the reading that the memory is of; without a memory, False.
    """

    def __init__(
        self, spool: Spool, scanner: Scanner, proof: Proof, *, consistency: Consistency, unchanged: bool = False
    ) -> None:
        self._spool = spool
        self._scanner = scanner
        self._proof = proof
        self.consistency = consistency
        self.started_at = scanner.evidence.started_at
        self.finished_at = datetime.now(UTC)
        self.unchanged = unchanged

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
        """What the API said the count was, in the response to the last walk's first request."""
        return self._proof.count_reported

    @property
    def duplicates_removed(self) -> int:
        """Rows of the last walk whose id had come before in it."""
        return self._proof.duplicates_removed

    @property
    def tried(self) -> tuple[str, ...]:
        """What was tried before and why it proved nothing, a sentence each."""
        return self._proof.tried

    def certificate(self) -> Certificate:
        """Return what the proof rests on. Of a ``verified`` reading all ids are sorted and hashed for it.

        :raises ValueError: as :meth:`rows`.
        """
        return self._scanner.certificate(self._proof)

    def rows(self) -> Iterator[tuple[bytes, Any]]:
        """Yield each record in the canonical spelling, without a line break, and what ``examine`` found, in order.

        :raises ValueError: the reading is ``unchanged``, and the API has not sent all of it again.
        """
        if self._proof.moment is not None:
            return self._spool.rows_seen_around(self._proof.moment)
        return self._spool.rows_seen_in(self._proof.phase)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for line, _ in self.rows():
            yield canonical_json.loads(line)

    def __len__(self) -> int:
        return self.count


@contextmanager
def scan(
    client: ApiClient,
    options: ScanOptions,
    *,
    reading: Callable[[], AbstractContextManager[None]] = nullcontext,
    memory: PageMemory | None = None,
) -> Iterator[AssistantScan]:
    """Scan the whole list until it is proven complete, see :class:`airflow_provider_puretalk.scan.prover.Scanner`.

    :param reading: gives the context in which requests are sent; it is left when the scan is proven complete.
    :param memory: of the caller's last reading, by which pages that came then are not decoded again. When the context ends
        without an error it is of this one: what the caller made of its records can be used again at the next one that is
        ``unchanged``.
    """
    if memory is not None:
        memory.open(client.settings, options.page_size)
    with ExitStack() as spools, ExitStack() as requesting:
        requesting.enter_context(reading())
        requesting.callback(client.memory.clear)
        reader = _Reader(client, options, time.monotonic() + options.max_seconds, memory)
        spool, scanner, proof = _read(reader, spools)
        unchanged = reader.is_unchanged(spool, proof)
        result = AssistantScan(spool, scanner, proof, consistency=options.consistency, unchanged=unchanged)
        requesting.close()
        yield result
        if memory is not None:
            spool.keep_in(memory, reader.validated, _pages_of(spool, proof))


def _read(reader: _Reader, spools: ExitStack) -> tuple[Spool, Scanner, Proof]:
    """Read the list into a spool, anew where something was tried in vain: each of the two can be once only."""
    failed = None
    while True:
        spool = spools.enter_context(reader.spool())
        try:
            return spool, *reader.read(spool, failed=failed)
        except NotSentAgainError:
            # Some page is new, so the records of all are needed. What is given up are requests whose responses had no body.
            log.info("Some pages are as they were, and were not sent again; others have changed. Reading all of them.")
            reader.validated.clear()
        except PageSizeFailedError as error:
            failed = error.size, str(error)  # Not the error itself: it keeps alive what was in flight.
            log.info("%s Reading anew in smaller ones.", error)
        spool.close()


class _Reader:
    """Reads the list into a spool until that is proven complete, with what the client fetches.

    :param deadline: moment on the monotonic clock at which it gives up.
    :param memory: of the last reading.
    :ivar validated: how the API can be asked whether a page has changed, by number and limit.
    """

    def __init__(self, client: ApiClient, options: ScanOptions, deadline: float, memory: PageMemory | None) -> None:
        self._client = client
        self._options = options
        self._deadline = deadline
        self._memory = memory
        # Only a scan of several walks can meet the same page twice, or one after another.
        self._hashed = options.consistency == "verified" or memory is not None
        self._probing = options.probe
        self._page_size = options.page_size or client.settings.page_size
        self._sizes = _page_sizes[client.settings.base_url, client.settings.account]
        self.validated = {} if memory is None else dict(memory.validated)

    def spool(self) -> Spool:
        """Return an empty spool."""
        return Spool(self._memory, lambda page, body: self._decode(_raw(page, body))[0])

    def read(self, spool: Spool, *, failed: tuple[int, str] | None = None) -> tuple[Scanner, Proof]:
        """Read the list; return the proof, and the scanner that has what it rests on.

        :param failed: a page size that has failed, and how: read in the smallest ones.
        :raises PageSizeFailedError: pages of a size that was found, not set, fail.
        :raises NotSentAgainError: the records of a page are needed that was not sent again.
        """
        client, options, deadline = self._client, self._options, self._deadline
        # Of our own: a failure must end what is in flight here, and nothing else that the caller's event ends.
        stop = Cancellation(options.cancelled)
        sizes = self._sizes if self._page_size is None and failed is None else None
        # What only finds out whether the API answers must say nothing about sizes.
        page_size = self._page_size or (self._sizes.smallest if failed or options.probe else self._sizes.found)
        began, refused = deadline - options.max_seconds, failed

        def earlier(number: int, limit: int) -> Validated | None:
            found = self.validated.get((number, limit))
            return found if found is not None and spool.can_do_without(found.digest) else None

        def fetch(number: int, limit: int) -> RawPage:
            nonlocal refused
            grown = sizes is not None and limit > sizes.smallest
            # The first request of a scan is answered before any other is sent.
            retries, self._probing = 0 if self._probing else 1 if grown else None, False
            raw = client.fetch(
                number,
                limit,
                hashed=self._hashed,
                retries=retries,
                patient=grown,
                earlier=earlier(number, limit),
                deadline=deadline,
                cancelled=stop,
            )
            if refused:  # An API that fails at any size has not refused this one.
                self._sizes.refuse(refused[0], time.monotonic() - began)
                refused = None
            return raw

        def fetch_once(number: int, limit: int) -> RawPage:
            half = (time.monotonic() + deadline) / 2  # However long it is silent, there is time for the other way.
            try:
                return client.fetch(
                    number,
                    limit,
                    hashed=self._hashed,
                    retries=0,
                    earlier=earlier(number, limit),
                    deadline=half,
                    cancelled=stop,
                )
            except PuretalkRateLimitError as error:
                client.pause(pause_after(error))
                raise

        def parse(raw: RawPage) -> ScannedPage:
            body = None if raw.response.not_modified else raw.response.body
            page = raw.digest and (spool.known(raw.digest) or spool.skip(raw.digest, body))
            if not page:
                if body is None:
                    raise NotSentAgainError
                page, raw = self._decode(raw, stop)
            self.validated.pop((raw.number, raw.limit), None)
            if raw.validated is not None:
                self.validated[raw.number, raw.limit] = raw.validated
            found = _at(page, raw)
            client.memory.take_back(raw.response.body)
            return found

        scanner = Scanner(
            fetch,
            spool,
            options,
            parse=parse,
            page_size=page_size,
            deadline=deadline,
            parallel=client.settings.max_parallel_requests,
            cancelled=stop,
            fetch_once=fetch_once,
            sizes=sizes,
            slow=client.settings.timeout * _SLOW,
            tried=(failed[1],) if failed else (),
        )
        proof = scanner.run()
        if not self.is_unchanged(spool, proof):
            spool.decode_waiting()
        return scanner, proof

    def is_unchanged(self, spool: Spool, proof: Proof) -> bool:
        """Return whether the records are exactly those of the last reading."""
        pages = _pages_of(spool, proof)
        return self._memory is not None and pages is not None and pages == self._memory.result

    def _decode(self, raw: RawPage, cancelled: Cancellation | None = None) -> tuple[ScannedPage, RawPage]:
        """Return a page with its rows, and the raw page that it was in."""
        page, raw = self._client.parse(raw, deadline=self._deadline, cancelled=cancelled)
        return _scanned(page, raw.digest, self._options.examine or _nothing, self._options.redact), raw


def _pages_of(spool: Spool, proof: Proof) -> bytes | None:
    """Return what names the pages that hold exactly the records of a reading; None where no walk's pages do."""
    # All that the last walk saw, and each id in one place.
    is_one_walk = proof.method in ("one_page", "two_walks") or (
        proof.method == "one_walk" and not proof.duplicates_removed
    )
    return spool.result(proof.phase) if is_one_walk else None


def _raw(page: ScannedPage, body: bytes) -> RawPage:
    """Return a page as it was fetched."""
    return RawPage(page.number, page.limit, RawResponse(memoryview(body), {}, {}), page.digest, tries=1)


def _scanned(
    page: Page,
    digest: bytes | None,
    examine: Callable[[dict[str, Any]], Hashable],
    redact: Callable[[dict[str, Any]], dict[str, Any]] | None,
) -> ScannedPage:
    """Encode a page's records, so that none of their objects outlives it."""
    records = page.records if redact is None else [_redacted(record, redact) for record in page.records]
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


def _at(page: ScannedPage, raw: RawPage) -> ScannedPage:
    """Return a page with what its request was like: the same page may come several times."""
    response = raw.response
    return replace(
        page,
        requested_at=response.requested_at,
        responded_at=response.responded_at,
        body_bytes=len(response.body) or page.body_bytes,  # What was not sent again has none.
        seconds=response.seconds,
    )


def _redacted(record: dict[str, Any], redact: Callable[[dict[str, Any]], dict[str, Any]]) -> dict[str, Any]:
    identity = record_id(record)
    redacted = redact(record)
    if record_id(redacted) != identity:  # Assistants would be lost, and the list would seem to contradict itself.
        raise PuretalkConfigurationError("`redact` must return each record with its `assistant_id` as it is.")
    return redacted


def _nothing(record: dict[str, Any]) -> Hashable:
    return None
