"""The evidence of a scan: when each walk's requests went out and what came, for the certificate of a snapshot.

Times are those of one reading of the wall clock, and what the monotonic clock says since: a clock that is set meanwhile
cannot contradict the order in which things happened.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow_provider_puretalk.certificate import (
    MOST_CHARACTERS,
    MOST_OTHERS,
    MOST_VALUES,
    Certificate,
    Counting,
    IdsHasher,
    Moment,
    Seen,
    Walk,
)

if TYPE_CHECKING:
    from airflow_provider_puretalk.scan.prover import Proof
    from airflow_provider_puretalk.scan.spool import ScannedPage, Spool

#: Ids that are hashed at once.
_CHUNK = 1_000


@dataclass(slots=True)
class _Pages:
    """The pages of one walk so far."""

    pages: int = 0
    rows: int = 0
    limits: set[int] = field(default_factory=set)
    counts: set[int] = field(default_factory=set)
    first_request: float = math.inf
    last_response: float = -math.inf
    last_number: int = 0
    next_is_null: bool = False

    def add(self, page: ScannedPage) -> None:
        self.pages += 1
        self.rows += page.size
        self.limits.add(page.limit)
        self.counts.add(page.count)
        self.first_request = min(self.first_request, page.requested_at)
        self.last_response = max(self.last_response, page.responded_at)
        if page.number >= self.last_number:
            self.last_number, self.next_is_null = page.number, not page.has_next


@dataclass(slots=True)
class _Ended:
    """What is known of a walk at its end."""

    count: int
    broke_off: bool
    requests: int


class Evidence:
    """Collects what a certificate needs, by phases as the spool numbers them: a walk's counting request, then its pages.

    :ivar started_at: when it began, in UTC.
    """

    def __init__(self) -> None:
        self.started_at = datetime.now(UTC)
        self._started = time.monotonic()
        self._counting: dict[int, Counting] = {}
        self._pages: dict[int, _Pages] = {}
        self._ended: dict[int, _Ended] = {}
        self._requests = 0
        self._lock = threading.Lock()

    def counted(self, fetch: Callable[[int, int], Any]) -> Callable[[int, int], Any]:
        """Return a function that does the same, and whose calls are counted, whatever thread they come from."""

        def fetch_and_count(number: int, limit: int) -> Any:
            with self._lock:
                self._requests += 1
            return fetch(number, limit)

        return fetch_and_count

    def add(self, phase: int, page: ScannedPage) -> None:
        """Take a page that the spool takes in this phase."""
        walk, counts_only = (phase + 1) // 2, phase % 2
        if counts_only:
            self._counting[walk] = Counting(
                requested_at=self._time(page.requested_at),
                responded_at=self._time(page.responded_at),
                count=page.count,
                limit=page.limit,
                rows=page.size,
                next_is_null=not page.has_next,
            )
        else:
            self._pages.setdefault(walk, _Pages()).add(page)

    def end(self, walk: int, *, count: int, broke_off: bool) -> None:
        """Take the end of a walk.

        :param count: what its first response said.
        """
        before = sum(ended.requests for ended in self._ended.values())
        self._ended[walk] = _Ended(count, broke_off, self._requests - before)

    def certificate(self, spool: Spool, proof: Proof, *, cap: float, around: bool) -> Certificate:
        """Return the certificate of a proof.

        :param cap: the fewest rows that the server cut a first page to; infinite where it cut none.
        :param around: whether the proof is about a moment. Then the ids of both sides are sorted and hashed, which takes
            about as long as sorting them took.
        """
        moment = before = after = None
        if around:
            # One page is proven by its two requests alone: the first one is one side.
            walk = ((proof.phase - 1 if proof.moment is None else proof.moment) + 1) // 2
            before, after = _both_sides(spool.ids_on_both_sides(proof.phase, proof.moment, _CHUNK))
            moment = Moment(walk=walk, count=self._counting[walk].count)
        return Certificate(
            cap=None if math.isinf(cap) else int(cap),
            walks=[self._walk(number, pages) for number, pages in sorted(self._pages.items())],
            moment=moment,
            before=before,
            after=after,
        )

    def _walk(self, number: int, pages: _Pages) -> Walk:
        ended = self._ended[number]
        return Walk(
            number=number,
            limits=_bounded(pages.limits),
            requests=ended.requests,
            pages=pages.pages,
            rows=pages.rows,
            count=ended.count,
            counts=_bounded(pages.counts),
            first_request_at=self._time(pages.first_request),
            last_response_at=self._time(pages.last_response),
            next_is_null=pages.next_is_null,
            broke_off=ended.broke_off,
            counting=self._counting.get(number),
        )

    def _time(self, moment: float) -> datetime:
        return self.started_at + timedelta(seconds=moment - self._started)


class _Side:
    """The ids of one side of a moment."""

    def __init__(self) -> None:
        self._hasher = IdsHasher()
        self._others: list[str] | None = []
        self._characters = 0

    def add(self, ids: list[str], others: list[str]) -> None:
        """Take the next ids, and those of them that are not on the other side, in order."""
        self._hasher.add(ids)
        if self._others is None or not others:
            return
        self._others += others
        self._characters += sum(map(len, others))
        if len(self._others) > MOST_OTHERS or self._characters > MOST_CHARACTERS or any(map(_is_broken, others)):
            self._others = None

    def seen(self) -> Seen:
        return Seen(ids_sha256=self._hasher.hexdigest(), count=self._hasher.count, others=self._others)


def _both_sides(ids: Iterable[list[tuple[str, bool, bool]]]) -> tuple[Seen, Seen]:
    before, after = _Side(), _Side()
    for chunk in ids:
        before.add([one for one, first, _ in chunk if first], [one for one, _, second in chunk if not second])
        after.add([one for one, _, second in chunk if second], [one for one, first, _ in chunk if not first])
    return before.seen(), after.seen()


def _is_broken(text: str) -> bool:
    """Return whether a text holds half a surrogate pair, which cannot be encoded."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


def _bounded(values: set[int]) -> list[int]:
    """Return values in order, the largest one too where they are too many."""
    ascending = sorted(values)
    return [*ascending[: MOST_VALUES - 1], *ascending[MOST_VALUES - 1 :][-1:]]
