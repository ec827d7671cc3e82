"""What a scan writes into its certificate: times around requests, ids of both sides, and never more than it may."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from airflow_provider_puretalk.certificate import MOST_OTHERS, Certificate, IdsHasher
from airflow_provider_puretalk.sandbox import Fault, Sandbox, running
from airflow_provider_puretalk.scan.assistant_scan import scan
from airflow_provider_puretalk.scan.options import ScanOptions
from airflow_provider_puretalk.scan.page_memory import PageMemory
from airflow_provider_puretalk.scan.prover import Scanner
from airflow_provider_puretalk.scan.spool import Row, ScannedPage, Spool


@pytest.fixture
def box() -> Iterator[Sandbox]:
    """25 assistants; pages of at most 10."""
    with running(25, page_size=10, max_limit=10) as sandbox:
        yield sandbox


def certificate_of(box: Sandbox, make_client: Callable[..., Any], *, page_size: int = 10) -> Certificate:
    client = make_client(box.base_url, password=box.api_key, extra={"max_parallel_requests": 1, "retry_backoff": 0})
    with scan(client, ScanOptions(page_size=page_size)) as found:
        return found.certificate()


@pytest.mark.parametrize("fault", ["status", "nan"])
def test_times_are_around_the_request_that_gave_the_page(
    box: Sandbox, make_client: Callable[..., Any], fault: str
) -> None:
    """Of a request that is sent again, for its status or for what came, the last one counts, from beginning to end."""
    arrivals: list[datetime] = []
    for nth in range(1, 9):
        box.before_request(nth, lambda _: arrivals.append(datetime.now(UTC)))
    # The three of the first walk; the request that counts for the second walk comes twice.
    box.faults.add(Fault("ok", times=3), Fault(fault))
    certificate = certificate_of(box, make_client)
    counting = certificate.walks[-1].counting
    assert counting is not None
    assert len(arrivals) == 8
    assert arrivals[3] < counting.requested_at <= arrivals[4] <= counting.responded_at <= arrivals[5]


def page(number: int, ids: list[str], limit: int, *, requested_at: float = 0.0) -> ScannedPage:
    """Return a page of a list, in pages of so many."""
    rows = [
        Row(one.encode("utf-8", "surrogatepass"), b"{}", None) for one in ids[(number - 1) * limit : number * limit]
    ]
    return ScannedPage(number, limit, len(ids), number * limit < len(ids), len(rows), rows)


def certificate_of_states(*states: list[str], limit: int = 500) -> Certificate:
    """Return the certificate of a list of which each walk, and what counts before it, sees the next state."""
    walks = 0

    def fetch(number: int, size: int) -> ScannedPage:
        nonlocal walks
        walks += number == 1 and (not walks or counts)
        return page(number, states[min(walks, len(states)) - 1], size)

    counts = False

    def parse(one: ScannedPage) -> ScannedPage:
        nonlocal counts
        counts = not one.has_next  # The next request for page 1 begins a walk.
        return one

    with Spool() as spool:
        scanner = Scanner(fetch, spool, ScanOptions(), parse=parse, page_size=limit)
        return scanner.certificate(scanner.run())


def ids(first: int, number: int) -> list[str]:
    return [f"{place:06}" for place in range(first, first + number)]


def hashed(ids: list[str]) -> str:
    text = "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in sorted(ids))
    return hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()


def test_ids_of_both_sides_are_hashed_in_order() -> None:
    """In whatever order they came, and whatever characters they hold, the hash is that of their sorted JSON spelling."""
    odd = ["b", "a", 'quote " and \\', "line\nbreak\x00", "é", "\U0001f600", "￿", "half \ud83d", "\x7f"]
    certificate = certificate_of_states([*odd, *ids(0, 3_000)])
    for side in (certificate.before, certificate.after):
        assert side is not None
        assert (side.count, side.ids_sha256, side.others) == (3_009, hashed([*odd, *ids(0, 3_000)]), [])


def test_other_ids_are_listed() -> None:
    """What was deleted before the moment is named on that side, and what was added after it on the other one."""
    certificate = certificate_of_states(ids(0, 2_000), ids(5, 1_995))
    assert certificate.before is not None
    assert certificate.after is not None
    assert (certificate.before.count, certificate.before.others) == (2_000, ids(0, 5))
    assert certificate.before.ids_sha256 == hashed(ids(0, 2_000))
    assert (certificate.after.count, certificate.after.others) == (1_995, [])


@pytest.mark.parametrize(
    ("others", "listed"),
    [
        (ids(0, MOST_OTHERS), True),
        (ids(0, MOST_OTHERS + 1), False),
        (["0" * 100_000], True),
        (["0" * 100_001], False),
        (["0" * 60_000, "1" * 60_000], False),
        (["0 half \ud83d"], False),
    ],
    ids=["as many as may be", "one more", "as long as may be", "longer", "longer together", "not to be written"],
)
def test_other_ids_are_bounded(others: list[str], listed: bool) -> None:
    """However many ids vanish, and whatever they are, the certificate stays small; it names all of them or none."""
    certificate = certificate_of_states([*others, *ids(500_000, 2_000)], ids(500_000, 2_000))
    assert certificate.before is not None
    assert certificate.before.count == 2_000 + len(others)
    assert certificate.before.others == (sorted(others) if listed else None)
    assert len(certificate.model_dump_json()) < 110_000


def test_counts_are_bounded() -> None:
    """A list that grows with each page leaves ten counts, the largest one among them."""
    requests = 0

    def fetch(number: int, limit: int) -> ScannedPage:
        nonlocal requests
        requests += 1
        return page(number, ids(0, 2_000 + requests), limit)

    with Spool() as spool:
        scanner = Scanner(fetch, spool, ScanOptions(consistency="best_effort"), page_size=100)
        certificate = scanner.certificate(scanner.run())
    (walk,) = certificate.walks
    assert walk.counts == [*range(2_001, 2_010), 2_021]
    assert (walk.requests, walk.pages, walk.limits) == (21, 21, [100])


def test_what_proves_no_moment_has_none(box: Sandbox, make_client: Callable[..., Any]) -> None:
    """A reading without a moment has the evidence of its walk, and no hashes."""
    client = make_client(box.base_url, password=box.api_key)
    with scan(client, ScanOptions(page_size=10, consistency="checked")) as found:
        certificate = found.certificate()
    assert (certificate.moment, certificate.before, certificate.after) == (None, None, None)
    (walk,) = certificate.walks
    assert (walk.number, walk.requests, walk.pages, walk.rows, walk.counts, walk.counting) == (1, 3, 3, 25, [25], None)


def test_pages_of_the_last_reading_are_evidence_of_this_one(box: Sandbox, make_client: Callable[..., Any]) -> None:
    """What came before and is not decoded again has the times of the requests that gave it now, and the same ids."""
    box.rules.etag = "none"  # What was not sent again cannot be hashed.
    client, memory = make_client(box.base_url, password=box.api_key), PageMemory()
    found = []
    for _ in range(2):
        with scan(client, ScanOptions(page_size=10), memory=memory) as reading:
            found.append((reading.started_at, reading.certificate()))
    (_, first), (started_at, second) = found
    assert second.walks[0].first_request_at >= started_at > first.walks[-1].last_response_at
    assert (second.moment, second.before, second.after) == (first.moment, first.before, first.after)


@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_ids_are_hashed_in_pieces(size: int) -> None:
    """The hash is the same in whatever pieces the ids come, with others before, among and after them."""
    others = ["a", "c", "e", "x", "z"]
    among = ["b", "d", "f", "w", "y"]
    hasher = IdsHasher(others)
    for start in range(0, len(among), size):
        hasher.add(among[start : start + size])
    assert (hasher.hexdigest(), hasher.count, hasher.met) == (hashed([*others, *among]), 10, False)


def test_an_id_that_comes_twice_is_noticed() -> None:
    """One of the others that is added as well does not pass for a single one."""
    hasher = IdsHasher(["a", "c"])
    hasher.add(["b", "c"])
    assert hasher.met
