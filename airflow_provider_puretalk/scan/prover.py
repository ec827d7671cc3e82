"""The prover: a scan of the list that is proven complete, or an error that says why there is no proof.

The list is paged by number over a table that people edit meanwhile. A row deleted between two requests moves all later
rows up, and one of them is never seen; a row inserted shows another one twice. ``count`` alone proves nothing: a deletion
and an insertion cancel out in it.

It fetches page *n* with limit *m* through a function that it is given, and knows no HTTP, no files and no Airflow.

The proofs, given that an id once deleted does not come back and that walks do not overlap:

* **Around a moment.** Each walk but the first begins with a request that only counts. An id seen both before that request
  was sent and after its response came existed when the server counted. If as many ids were seen on both sides as ``count``
  says, they are all. It does not matter in which order the server counts and selects, in which order pages are read, how
  often a row is missed or doubled, or whether a walk breaks off. Two clean walks in a row with the same ids are the usual
  case of it (``two_walks``); when the server orders rows at random, it takes the union of more (``union``).
* **One page.** Two requests in a row give the same page: ``next`` is null, there are as many rows as ``count`` says, and
  fewer than the limit and than any cap the server applied. It is the rule above for two requests: where the server counts
  before it selects, the second ``count`` lies between both selections; where it selects first, the first one does.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Literal

from airflow_provider_puretalk.certificate import Certificate
from airflow_provider_puretalk.daemon_pool import DaemonPool
from airflow_provider_puretalk.exceptions import (
    PuretalkConfigurationError,
    PuretalkConnectionError,
    PuretalkError,
    PuretalkInconsistentScanError,
    PuretalkNotFoundError,
    PuretalkPaginationError,
    PuretalkResponseError,
    PuretalkServerError,
)
from airflow_provider_puretalk.logs import Progress
from airflow_provider_puretalk.scan.evidence import Evidence
from airflow_provider_puretalk.scan.options import ScanOptions
from airflow_provider_puretalk.scan.page_size import BYTES_AT_ONCE, PageSizeFailedError, PageSizes
from airflow_provider_puretalk.scan.spool import ScannedPage, Spool
from airflow_provider_puretalk.wording import pluralize

log = logging.getLogger(__name__)

Method = Literal["one_page", "two_walks", "union", "one_walk"]

#: So many pages more than may be in flight are requested or at hand: one is parsed, and the others keep the threads busy
#: while parsing it takes longer than usual. Each is held in memory, so that large pages must be fewer.
_PAGES_AT_HAND = 3
#: Seconds that pages at hand wait for those right behind them. Responses to requests sent together come together, and their
#: threads send the next requests sooner while no thread computes.
_GATHERING = 0.001
#: Seconds between two checks, while waiting for pages, of whether the scan is to go on.
_CHECK_EVERY = 0.1
#: Walks in a row that contradict themselves in the same way before reading again is given up.
_IDENTICAL_WALKS = 3

#: What fails where a page is too much for the server or for a gateway before it.
_TOO_MUCH = (PuretalkServerError, PuretalkConnectionError, PuretalkResponseError)

#: Fetches page n with limit m, as whatever can be parsed. Called from several threads at once where that is allowed.
Fetch = Callable[[int, int], Any]
#: Parses what was fetched. Called from the thread of the scan only: it is work for the interpreter, which does one thing
#: at a time anyway, and threads that only wait for the network must not queue behind several that compute.
Parse = Callable[[Any], ScannedPage]


@dataclass(frozen=True, slots=True)
class Proof:
    """The result of a scan and why it is complete.

    :ivar method: how it was proven; ``one_walk`` proves nothing beyond the checks of that walk.
    :ivar complete: whether every check of the requested consistency held.
    :ivar count: how many assistants the reading holds.
    :ivar walks: how many walks it took.
    :ivar count_reported: what the last walk's first response said.
    :ivar duplicates_removed: rows of the last walk whose id had come before in it.
    :ivar phase: the spool's phase that holds the last walk.
    :ivar moment: for proofs around a moment, the spool's phase of the request that counted.
    :ivar tried: what was tried before and why it proved nothing, a sentence each.
    """

    method: Method
    complete: bool
    count: int
    walks: int
    count_reported: int
    duplicates_removed: int
    phase: int
    moment: int | None = None
    tried: tuple[str, ...] = ()


@dataclass(slots=True)
class _Walk:
    """What one walk saw, page by page.

    :ivar first: the response to its first request.
    :ivar page_one: its first page, in the spool by now: that response where the request did not only count, one of its own
        where that came before the others, else None.
    :ivar unique: its different ids, once they were counted, which means to sort them.
    """

    number: int
    first: ScannedPage
    page_one: ScannedPage | None = None
    counts: set[int] = field(default_factory=set)
    rows: int = 0
    unique: int | None = None
    broke_off: bool = False

    @property
    def counting(self) -> int:
        """The spool's phase of its request that only counts."""
        return 2 * self.number - 1

    @property
    def phase(self) -> int:
        """The spool's phase of its pages."""
        return 2 * self.number

    @property
    def is_clean(self) -> bool:
        """Whether nothing in it contradicts itself; a walk that missed a row may still be clean."""
        return not self.broke_off and self.is_clean_of(self.unique)

    def is_clean_of(self, unique: int | None) -> bool:
        """Whether its rows are as many as every page said, and none came twice."""
        return self.counts == {self.rows} and self.rows == unique

    def add(self, page: ScannedPage) -> None:
        self.counts.add(page.count)
        self.rows += page.size


class Scanner:
    """Scans the list into a spool until the scan is proven complete.

    :ivar evidence: what the proof rests on.
    :param fetch: fetches one page; raises :class:`PuretalkNotFoundError` past the end.
    :param spool: where the records go.
    :param parse: parses what was fetched, which is the page itself by default; raises the same where it had to fetch again.
    :param options: how to scan; its ``page_size``, ``cancelled`` and functions count for nothing here.
    :param page_size: rows to request in a page; with ``sizes`` rows to begin with.
    :param deadline: moment on the monotonic clock at which it gives up.
    :param parallel: how many pages may be in flight at once, while some more are at hand to be parsed.
    :param cancelled: ends the scan when it is set. It is set when the scan fails, to end what is in flight.
    :param fetch_once: the same as ``fetch`` with a single request, however that fails, and with time left when it does; for
        what is worth one only.
    :param sizes: what is known about the sizes that the server gives; None keeps ``page_size`` to the letter.
    :param slow: seconds from which on a page that is not all of the list is too slow for its size to be kept.
    :param tried: what was tried before it, a sentence each.
    """

    def __init__(
        self,
        fetch: Fetch,
        spool: Spool,
        options: ScanOptions,
        *,
        parse: Parse = lambda page: page,
        page_size: int,
        deadline: float = math.inf,
        parallel: int = 1,
        cancelled: threading.Event | None = None,
        fetch_once: Fetch | None = None,
        sizes: PageSizes | None = None,
        slow: float = math.inf,
        tried: Sequence[str] = (),
    ) -> None:
        self.evidence = Evidence()
        self._fetch = self.evidence.counted(fetch)
        self._parse = parse
        self._spool = spool
        self._limit = page_size
        self._consistency = options.consistency
        self._max_walks = options.max_walks
        self._deadline = deadline
        self._parallel = parallel
        self._cancelled = cancelled or threading.Event()
        self._fetch_once = self.evidence.counted(fetch_once or fetch)
        self._sizes = sizes
        self._slow = slow
        self._cap = math.inf
        self._has_several_pages = False
        self._rows_a_page = page_size
        self._largest_body = 1
        self._counts: dict[int, int] = {}
        self._tried = list(tried)
        self._contradictions = 0
        self._contradiction: tuple[set[int], bool] = set(), False

    def run(self) -> Proof:
        """Scan until the scan is proven complete.

        :raises PuretalkInconsistentScanError: no proof within ``max_walks`` or before the deadline; never for
            ``best_effort`` unless the deadline passes.
        :raises PageSizeFailedError: pages of the size found fail, which those of the smallest may not; see ``sizes``.
        """
        for number in range(1, self._max_walks + 1):
            walk = self._start(number)
            proof = self._one_page(walk)
            if proof is None:
                self._check_that_walks_suffice(walk)
                self._read_the_rest(walk)
                proof = self._judge(walk)
            self.evidence.end(number, count=walk.first.count, broke_off=walk.broke_off)
            if proof is not None:
                return replace(proof, tried=tuple(self._tried))
            self._tried.append(f"Reading {number} proves nothing: {self._what_failed(walk)}.")
            self._check_that_walks_differ(walk)
            log.info("%s Reading again.", self._tried[-1])
        raise PuretalkInconsistentScanError(
            f"No complete reading could be proven within `max_walks` ({self._max_walks}, "
            f"consistency={self._consistency!r}). {self._tried[-1]} Read at a quieter hour, or raise `max_walks`."
        )

    def certificate(self, proof: Proof) -> Certificate:
        """Return the evidence of a proof that :meth:`run` gave, as long as the spool is open."""
        return self.evidence.certificate(self._spool, proof, cap=self._cap, around=self._consistency == "verified")

    def _keep(self, phase: int, page: ScannedPage) -> None:
        self._spool.add(phase, page)
        self.evidence.add(phase, page)

    def _check_that_walks_suffice(self, walk: _Walk) -> None:
        """Refuse to walk once where once cannot prove anything."""
        several = walk.first.has_next or walk.page_one is None or walk.page_one.has_next
        if self._consistency == "verified" and self._max_walks == 1 and several:
            raise PuretalkConfigurationError(
                "`max_walks=1` proves only a list that one page holds, and this one has several: `verified` takes two walks "
                "at least. Raise `max_walks`, or set consistency='checked'."
            )

    def _check_that_walks_differ(self, walk: _Walk) -> None:
        """Give up where the list contradicts itself in the same way again and again: it is not edited, it is wrong."""
        contradicts = walk.broke_off or not walk.is_clean_of(self._unique(walk))
        same = (
            (walk.counts, walk.broke_off) == self._contradiction
            and bool(self._contradictions)
            and self._spool.saw_the_same(walk.phase, walk.phase - 2)
        )
        self._contradiction = walk.counts, walk.broke_off
        self._contradictions = (self._contradictions + 1 if same else 1) if contradicts else 0
        if self._contradictions >= _IDENTICAL_WALKS:
            unique = self._unique(walk)
            ids = "" if unique == walk.rows else f" with {pluralize(unique, 'different id')}"
            count = " and ".join(f"{one:,}" for one in sorted({min(walk.counts), max(walk.counts)}))
            missing = ", and a page that was named is not there" if walk.broke_off else ""
            raise PuretalkInconsistentScanError(
                f"The list contradicts itself: `count` says {count}, but {pluralize(walk.rows, 'row')}{ids} came{missing}, "
                f"the same in each of {self._contradictions} walks. Reading again will not help. Report it to PureTalk, or "
                f"take what comes with consistency='best_effort'. {self._tried[-1]}",
                transient=False,
            )

    def _start(self, number: int) -> _Walk:
        """Send the walk's first request. From the second walk on it only counts: the moment that proofs are about."""
        # A single row is enough to count; unless that proved nothing, since some servers count what they send.
        only_counts = number == 2 and self._consistency == "verified" and self._has_several_pages
        page = self._first_page(1 if only_counts and self._sizes else self._limit)
        if number == 1 and self._sizes:
            page = self._largest_page(page, self._sizes)
        if page.limit == self._limit or number == 1:
            self._rows_a_page = page.size or self._limit
        self._has_several_pages = page.has_next
        walk = _Walk(number, page)
        if self._consistency != "verified" or (number == 1 and not self._is_whole(page)):
            walk.page_one = page
            self._keep(walk.phase, page)
        else:
            self._keep(walk.counting, page)
            self._counts[walk.counting] = page.count
        return walk

    def _largest_page(self, first: ScannedPage, sizes: PageSizes) -> ScannedPage:
        """Return the first page in the largest size that the server gives, and go on with that size."""
        if first.has_next and sizes.smallest <= first.size < first.limit:
            self._keep_size(first, sizes)  # The server gave more in an earlier reading.
            return first
        for limit in sizes.worth_trying(first):
            began = time.monotonic()
            try:
                page = self._parsed(partial(self._fetch_once, 1, limit))
            except PuretalkError as error:
                # Servers and gateways refuse a limit with any status, or give up on a long response. Whatever it was: if it
                # has nothing to do with the limit, the next page shows it.
                self._check_time(error)
                if self._cancelled.is_set():
                    break
                cost = time.monotonic() - began + (error.retry_after or 0.0)
                sizes.refuse(limit, cost)
                self._note(f"A page of {limit:,} rows failed: {error}")
                if cost > self._slow:
                    break  # A smaller one may cost as much.
                continue
            if page.size < first.size or not (page.has_next or page.count >= first.count):
                # The server takes such a limit for another one, or rows were deleted just now.
                self._note(
                    f"A page of {limit:,} rows was not given: {pluralize(page.size, 'row')} came, with a `count` of "
                    f"{page.count:,}."
                )
            elif page.has_next and page.seconds > self._slow:
                self._note(f"A page of {limit:,} rows took {page.seconds:.1f} s.")
            else:
                self._keep_size(page, sizes)
                return page
            sizes.refuse(limit, page.seconds)
        sizes.adopt(self._limit)
        return first

    def _keep_size(self, page: ScannedPage, sizes: PageSizes) -> None:
        """Go on with the size of a page, or with the server's cap that it shows: later pages must be cut alike."""
        self._limit = page.limit
        if page.has_next and page.size < page.limit:
            self._cap = min(self._cap, page.size)
            self._limit = page.size
            sizes.refuse(page.size + 1, 0.0)
            self._note(f"A page of {page.limit:,} rows: the server sends {page.size:,} at most.")
        sizes.adopt(self._limit)

    def _note(self, sentence: str) -> None:
        self._tried.append(sentence)
        log.info("%s", sentence)

    def _first_page(self, limit: int) -> ScannedPage:
        self._check_time()
        page = self._page(limit, lambda: self._fetch(1, limit))
        if page.has_next and 0 < page.size < limit:
            self._cap = min(self._cap, page.size)
        return page

    def _is_whole(self, page: ScannedPage) -> bool:
        """Return whether a first page is all of the list, as far as it says itself."""
        return not page.has_next and page.size == page.count < min(page.limit, self._cap)

    def _one_page(self, walk: _Walk) -> Proof | None:
        """Prove the scan by its first page, where that is all; to be verified it must come twice."""
        page = walk.first
        if not self._is_whole(page):
            return None
        if self._consistency == "verified":
            walk.page_one = again = self._first_page(self._limit)
            self._keep(walk.phase, again)
            confirmed = again.count == page.count and self._is_whole(again)
            if not (confirmed and self._spool.saw_the_same(walk.phase, walk.counting)):
                return None
        if self._spool.seen_in(walk.phase) != page.count:
            return None  # An id twice on one page: no query over ids gives that.
        return Proof("one_page", True, page.count, walk.number, page.count, 0, walk.phase)

    def _read_the_rest(self, walk: _Walk) -> None:
        progress = Progress(log, f"Reading {walk.number}", walk.first.count, page_size=self._rows_a_page)
        for page in self._pages(walk):
            walk.add(page)
            if page is not walk.page_one:
                self._keep(walk.phase, page)
            progress(walk.rows)

    def _judge(self, walk: _Walk) -> Proof | None:
        """Return a proof if the walks so far hold one for the requested consistency."""
        if self._consistency == "verified":
            return self._proof_around_a_moment(walk)
        unique = self._unique(walk)
        if self._consistency == "checked" and not walk.is_clean:
            return None
        return Proof("one_walk", walk.is_clean, unique, walk.number, walk.first.count, walk.rows - unique, walk.phase)

    def _proof_around_a_moment(self, walk: _Walk) -> Proof | None:
        for moment, count in reversed(self._counts.items()):
            around = self._spool.seen_around(moment)
            if around != count or not count:  # That there are none is proven by an empty page that comes twice.
                continue
            is_all_of_it = moment == walk.counting and around == walk.rows
            if is_all_of_it:
                walk.unique = around  # All that this walk saw, and none twice: no need to sort once more.
            unique = self._unique(walk)
            twice = is_all_of_it and walk.is_clean and self._is_all_in_the_walk_before(walk)
            method: Method = "two_walks" if twice else "union"
            removed = walk.rows - unique
            return Proof(method, True, around, walk.number, walk.first.count, removed, walk.phase, moment)
        return None

    def _is_all_in_the_walk_before(self, walk: _Walk) -> bool:
        """Return whether the walk before saw the same, given that all that this one saw was seen before it."""
        if walk.number == 2 and walk.counting - 2 not in self._counts:
            return True  # There was nothing else before it.
        return self._spool.seen_in_both(walk.phase, walk.phase - 2) == walk.unique

    def _unique(self, walk: _Walk) -> int:
        if walk.unique is None:
            walk.unique = self._spool.seen_in(walk.phase)
        return walk.unique

    def _what_failed(self, walk: _Walk) -> str:
        """Return what this walk lacked, for the log and the manifest."""
        if walk.broke_off:
            return "the list shrank while it was read"
        if len(walk.counts) > 1:
            return f"`count` changed while it was read, between {min(walk.counts):,} and {max(walk.counts):,}"
        if walk.counts != {walk.rows}:
            return f"`count` says {min(walk.counts):,}, {pluralize(walk.rows, 'row')} came"
        if walk.rows != (unique := self._unique(walk)):
            return f"{pluralize(walk.rows - unique, 'row')} came twice"
        if walk.page_one is not None and walk.counting in self._counts:
            return "the list changed between two requests for all of it"
        if walk.number == 1 and self._consistency == "verified":
            return "one walk cannot, a second one with the same assistants can"
        return "the assistants were not the same as before"

    def _pages(self, walk: _Walk) -> Iterator[ScannedPage]:
        """Yield the walk's pages as they come in, the first one first, with a bounded number in flight.

        ``next`` decides where the list ends. ``count`` only says how far ahead pages can be fetched.
        """
        first, number = walk.first, 1
        if walk.page_one is not None:
            yield walk.page_one
            if not walk.page_one.has_next:
                return
            first, number = walk.page_one, 2
        last_known = max(number, -(-first.count // self._rows_a_page))  # rounded up, whatever the size
        # Twice what it should take, and some: a list that never ends must end in an error, one that grows must not.
        ceiling = 2 * last_known + 10
        end = math.inf
        pending: set[Future[Any]] = set()
        done: set[Future[Any]] = set()
        of_page_one: Future[Any] | None = None
        threads = min(self._parallel, self._most_at_once())  # Each keeps memory of its own for the next page.
        with _Here() if threads == 1 else DaemonPool(threads, "puretalk-page") as pool:
            try:
                while True:
                    while len(pending) + len(done) < self._most_at_once() and number <= min(last_known, end):
                        pending.add(future := pool.submit(self._fetch, number, self._limit))
                        of_page_one = future if number == 1 else of_page_one
                        number += 1
                    if not done and not pending:
                        return
                    if not done:
                        done, pending = wait(pending, timeout=self._time_left(), return_when=FIRST_COMPLETED)
                        if not done and self._cancelled.is_set():
                            raise PuretalkInconsistentScanError("The reading was given up: it was cancelled.")
                        if not done and self._time_left() != 0.0:
                            continue
                        right_behind, pending = wait(pending, timeout=_GATHERING)
                        done |= right_behind
                    self._check_time()
                    try:
                        page = self._page(self._limit, (future := done.pop()).result)
                    except PuretalkNotFoundError:
                        if future is of_page_one:
                            raise  # However short the list, it has a first page.
                        walk.broke_off = True
                        end = 0  # Fetch no more; what is in flight still counts as seen.
                        continue
                    if page.has_next:
                        last_known = max(last_known, page.number + 1)
                        if page.number == 1:  # A server's cap may be another one than in the walk before.
                            last_known = max(last_known, -(-first.count // (page.size or self._limit)))
                            ceiling = max(ceiling, 2 * last_known + 10)
                    else:
                        end = min(end, page.number)
                    if last_known > ceiling:
                        error = PuretalkPaginationError(
                            f"The list does not end: page {page.number} of about {(ceiling - 10) // 2} names another."
                        )
                        if self._is_grown(self._limit):  # Or the server gives far fewer rows a page than it did.
                            raise PageSizeFailedError(self._limit, error)
                        raise error
                    yield page
            except BaseException:
                self._cancelled.set()  # What is in flight ends, and the pool need not wait for it.
                raise

    def _most_at_once(self) -> int:
        """Return how many pages may be in flight and at hand: the fewer, the larger they are."""
        usual = self._parallel + (_PAGES_AT_HAND if self._parallel > 1 else 0)
        return max(1, min(usual, BYTES_AT_ONCE // self._largest_body))

    def _page(self, limit: int, fetch: Callable[[], Any]) -> ScannedPage:
        """Fetch and parse a page of the walk.

        :raises PageSizeFailedError: it is too much, as it seems, and smaller ones may not be.
        """
        try:
            return self._parsed(fetch)
        except PuretalkError as error:
            self._check_time(error)  # What the deadline cut off failed because of the deadline.
            too_much = isinstance(error, _TOO_MUCH) and not isinstance(error, PuretalkPaginationError)
            if self._is_grown(limit) and too_much and not self._cancelled.is_set():
                raise PageSizeFailedError(limit, error) from error
            raise

    def _is_grown(self, limit: int) -> bool:
        """Return whether pages of this size are larger than they must be."""
        return self._sizes is not None and limit > self._sizes.smallest

    def _parsed(self, fetch: Callable[[], Any]) -> ScannedPage:
        page = self._parse(fetch())
        self._largest_body = max(self._largest_body, page.body_bytes)
        return page

    def _time_left(self) -> float:
        """Return how long to wait at most before the next check of whether to go on."""
        return max(0.0, min(_CHECK_EVERY, self._deadline - time.monotonic()))

    def _check_time(self, cause: Exception | None = None) -> None:
        if time.monotonic() >= self._deadline:
            last = f" {self._tried[-1]}" if self._tried else ""
            raise PuretalkInconsistentScanError(
                f"The time set for the reading (`max_seconds`) ran out before it was proven.{last}"
            ) from cause


class _Here(Executor):
    """An executor for one request at a time: it needs no thread."""

    def submit(self, function: Callable[..., Any], /, *arguments: Any, **options: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(function(*arguments, **options))
        except BaseException as error:
            future.set_exception(error)
        return future
