"""The size of pages where none is set: the largest that the server gives, found at small cost; and one that is set, kept."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import pytest

from airflow_provider_puretalk.exceptions import (
    PuretalkAuthError,
    PuretalkInconsistentScanError,
    PuretalkNotFoundError,
    PuretalkServerError,
)
from airflow_provider_puretalk.sandbox import Sandbox, make_fleet, running
from airflow_provider_puretalk.scan.assistant_scan import AssistantScan, scan
from airflow_provider_puretalk.scan.options import ScanOptions
from airflow_provider_puretalk.scan.page_size import BYTES_AT_ONCE, PageSizes
from airflow_provider_puretalk.scan.prover import Proof, Scanner
from airflow_provider_puretalk.scan.spool import Row, ScannedPage, Spool

Read = Callable[..., AbstractContextManager[AssistantScan]]

LEVELS = ["verified", "checked", "best_effort"]


@pytest.fixture
def read(make_client: Callable[..., Any]) -> Read:
    """Read a sandbox without a page size, one page after the other."""

    def start(box: Sandbox, *, extra: Any = None, **arguments: Any) -> AbstractContextManager[AssistantScan]:
        client = make_client(
            box.base_url, password=box.api_key, extra={"max_parallel_requests": 1, "max_retries": 3} | (extra or {})
        )
        return scan(client, ScanOptions(**arguments))

    return start


@pytest.fixture(scope="module")
def records() -> list[dict[str, Any]]:
    """3,000 assistants; inventing them takes a while."""
    return make_fleet(3_000)


@pytest.fixture
def box(records: list[dict[str, Any]]) -> Iterator[Sandbox]:
    """All of them; pages of at most 1,000."""
    with running(records=records, max_limit=1_000) as sandbox:
        yield sandbox


def limits(box: Sandbox) -> list[int]:
    return [int(request.query["limit"]) for request in box.requests]


def ids(found: AssistantScan) -> list[str]:
    return [record["assistant_id"] for record in found]


def scripted(
    rows: int, sizes: PageSizes, *, parallel: int = 1, slow: float = 10.0, **about: Any
) -> tuple[Proof, list[int], int]:
    """Scan a list of so many rows; returns the proof, the limit of each request, and the most that were in flight.

    :param about: what each page says about itself: bytes of a row, seconds of a row.
    """
    requests: list[int] = []
    lock, in_flight, most = threading.Lock(), 0, 0

    def fetch(number: int, limit: int) -> ScannedPage:
        nonlocal in_flight, most
        with lock:
            requests.append(limit)
            in_flight += 1
            most = max(most, in_flight)
        time.sleep(0.002)
        places = range((number - 1) * limit, min(number * limit, rows))
        page = [Row(b"%05d" % place, b"{}", None) for place in places]
        with lock:
            in_flight -= 1
        told = {"body_bytes": len(page) * about.get("bytes", 0), "seconds": len(page) * about.get("seconds", 0.0)}
        return ScannedPage(number, limit, rows, number * limit < rows, len(page), page, **told)

    with Spool() as spool:
        scanner = Scanner(fetch, spool, ScanOptions(), page_size=sizes.found, parallel=parallel, sizes=sizes, slow=slow)
        return scanner.run(), requests, most


@pytest.mark.long
@pytest.mark.parametrize("parallel", [1, 4])
@pytest.mark.parametrize(
    ("assistants", "method", "expected"),
    [
        (30, "one_page", [100, 100]),
        (300, "one_page", [100, 400, 400]),
        (950, "one_page", [100, 1_000, 1_000]),
        (3_000, "two_walks", [100, 1_000, 1_000, 1_000, 1, 1_000, 1_000, 1_000]),
    ],
)
def test_what_a_first_reading_costs(
    records: list[dict[str, Any]], read: Read, assistants: int, method: str, expected: list[int], parallel: int
) -> None:
    """As few requests as can be: 2 for 30 assistants, 3 for 300, 8 for 3,000; the second walk begins with a row to count."""
    with running(records=records[:assistants], max_limit=1_000) as small:
        with read(small, extra={"max_parallel_requests": parallel}) as found:
            assert (found.method, found.count, found.complete) == (method, assistants, True)
            assert ids(found) == sorted(small.fleet.ids())
        assert limits(small) == expected


@pytest.mark.long
@pytest.mark.parametrize("consistency", ["checked", "best_effort"])
def test_one_walk_uses_large_pages_too(box: Sandbox, read: Read, consistency: str) -> None:
    """The page that shows the size is the first of the walk."""
    with read(box, consistency=consistency) as found:
        assert (found.method, found.count, found.complete) == ("one_walk", 3_000, True)
    assert limits(box) == [100, 1_000, 1_000, 1_000]


@pytest.mark.long
def test_the_next_reading_begins_with_what_was_found(read: Read) -> None:
    """Within a process, for the same account, whatever the fleet has become; where it has outgrown the size, it grows."""
    with running(300, max_limit=1_000) as box:
        with read(box):
            box.requests.clear()
        with read(box) as found:
            assert found.method == "one_page"
        for _ in range(150):
            box.fleet.add()
        with read(box) as found:
            assert (found.method, found.count) == ("one_page", 450)
        assert limits(box) == [400, 400, 400, 550, 550]
        box.requests.clear()
        with read(box, extra={"account": "another"}):
            assert limits(box) == [100, 550, 550]


@pytest.mark.parametrize("consistency", LEVELS)
@pytest.mark.parametrize("size", [7, 150])
@pytest.mark.parametrize("by", ["connection", "option"])
def test_a_size_that_is_set_is_kept_to_the_letter(read: Read, size: int, by: str, consistency: str) -> None:
    """In every request, those that only count included, however small the fleet or large the pages of the server."""
    with running(160, max_limit=None) as box:
        with read(
            box,
            extra={"page_size": size} if by == "connection" else {"page_size": 99},
            consistency=consistency,
            page_size=size if by == "option" else None,
        ) as found:
            assert (found.count, found.complete) == (160, True)
        assert set(limits(box)) == {size}


@pytest.mark.parametrize("parallel", [1, pytest.param(4, marks=pytest.mark.long)])
@pytest.mark.parametrize("consistency", LEVELS)
@pytest.mark.parametrize(
    "rules", [{"max_limit": 100}, {"max_limit": None, "refuse_above": 100}, {"max_limit": None, "refuse_above": 299}]
)
def test_a_server_that_gives_no_larger_pages_costs_two_requests_at_most(
    box: Sandbox, read: Read, rules: dict[str, Any], consistency: str, parallel: int
) -> None:
    """More than a reading in pages of 100, whether it caps them silently or refuses them; none in the next reading."""
    for name, value in rules.items():
        setattr(box.rules, name, value)
    extra = {"max_parallel_requests": parallel}
    with read(box, extra=extra | {"account": consistency}, consistency=consistency) as found:
        assert (found.count, found.complete) == (3_000, True)
        assert ids(found) == sorted(box.fleet.ids())
    first = len(box.requests)
    with read(box, extra=extra | {"account": consistency}, consistency=consistency):
        again = len(box.requests) - first
    with read(box, extra=extra, consistency=consistency, page_size=100):
        usual = len(box.requests) - first - again
    assert first <= usual + 2
    assert again == usual


@pytest.mark.long
def test_a_cap_between_is_the_size(box: Sandbox, read: Read) -> None:
    """The capped page is the first one of the walk; the next reading begins with the cap, and tries no more."""
    box.rules.max_limit = 250
    with read(box, consistency="checked") as found:
        assert found.count == 3_000
        assert found.tried == ("A page of 1,000 rows: the server sends 250 at most.",)
    assert limits(box) == [100, 1_000, *[250] * 11]
    box.requests.clear()
    with read(box, consistency="checked"):
        assert limits(box) == [250] * 12


@pytest.mark.long
def test_a_cap_below_the_first_page_is_seen_there(box: Sandbox, read: Read) -> None:
    """It is the page size without any larger one being requested."""
    box.rules.max_limit = 60
    with read(box) as found:
        assert (found.method, found.count) == ("two_walks", 3_000)
    assert sorted(set(limits(box))) == [1, 100]
    assert len(box.requests) == 50 + 1 + 50


@pytest.mark.long
def test_a_refused_size_leaves_a_smaller_one_to_be_found(box: Sandbox, read: Read) -> None:
    """Of about a third: a gateway that bears no 1,000 rows may well bear 300."""
    box.rules.max_limit, box.rules.refuse_above = None, 500
    with read(box, consistency="checked") as found:
        assert found.count == 3_000
    assert limits(box) == [100, 1_000, *[300] * 10]


@pytest.mark.long
@pytest.mark.parametrize("cap", [100, 250])
def test_a_cap_that_has_become_smaller_is_the_size_from_then_on(box: Sandbox, read: Read, cap: int) -> None:
    """The first page of the next reading shows it, and is part of the walk."""
    with read(box, consistency="checked"):
        box.requests.clear()
    box.rules.max_limit = cap
    with read(box, consistency="checked") as found:
        assert (found.method, found.count) == ("one_walk", 3_000)
    assert limits(box) == [1_000, *[cap] * (3_000 // cap - 1)]


@pytest.mark.long
@pytest.mark.parametrize(("cap", "request_number"), [(60, 5), (100, 5), (20, 3)])
def test_a_cap_that_becomes_smaller_during_a_reading(box: Sandbox, read: Read, cap: int, request_number: int) -> None:
    """After the first walk or in the middle of it: pages are as many more as it takes, and the reading is proven."""
    box.before_request(request_number, lambda _: setattr(box.rules, "max_limit", cap))
    with read(box) as found:
        assert found.complete
        assert ids(found) == sorted(box.fleet.ids())


@pytest.mark.long
def test_a_fleet_that_outgrows_its_single_page(read: Read) -> None:
    """Between the two requests for all of it: walks prove it, in pages of that size."""
    with running(300, max_limit=1_000) as box:
        box.before_request(3, lambda _: [box.fleet.add() for _ in range(120)])
        with read(box) as found:
            assert (found.complete, found.count) == (True, 420)
        assert set(limits(box)) == {100, 400}


def test_two_single_pages_that_differ(read: Read) -> None:
    """Where the list changed between the two, the next two decide."""
    with running(300, max_limit=1_000) as box:
        box.before_request(3, lambda _: box.fleet.remove(box.fleet.ids()[0]))
        with read(box) as found:
            assert (found.method, found.walks) == ("one_page", 2)
            assert ids(found) == sorted(box.fleet.ids())
        assert limits(box) == [100, 400, 400, 400, 400]


@pytest.mark.parametrize("nth", [3, 4, 7])
@pytest.mark.parametrize(
    "status", [400, pytest.param(413, marks=pytest.mark.long), 500, pytest.param(504, marks=pytest.mark.long)]
)
def test_a_size_that_fails_later_is_given_up_and_not_the_reading(
    box: Sandbox, read: Read, nth: int, status: int
) -> None:
    """In the first walk or in the second one: the list is read anew in pages of 100, and so it is the next time."""

    def overload(_: Any) -> None:
        box.rules.refuse_above = 100
        if status != 400:
            box.faults.add(f"{status}:times={2 if status >= 500 else 1}")

    box.before_request(nth, overload)
    with read(box) as found:
        assert (found.method, found.count, found.complete) == ("two_walks", 3_000, True)
        assert found.tried[0].startswith("Pages of 1,000 rows failed: ")
        assert ids(found) == sorted(box.fleet.ids())
    box.requests.clear()
    with read(box, consistency="checked"):
        assert 1_000 not in limits(box)


@pytest.mark.long
def test_a_size_that_was_found_is_not_given_up_at_once(box: Sandbox, read: Read) -> None:
    """A failure that does not come again is retried once; throttling says nothing of the size, and is sat out as ever."""
    box.before_request(3, lambda _: box.faults.add("503"))
    box.before_request(5, lambda _: box.faults.add("429:times=3"))
    box.before_request(10, lambda _: box.faults.add("half_body"))
    with read(box) as found:
        assert (found.method, found.tried[1:]) == ("two_walks", ())
    assert set(limits(box)) == {100, 1_000, 1}


@pytest.mark.long
def test_a_reading_that_is_cancelled_says_nothing_of_the_size(box: Sandbox, read: Read) -> None:
    """While a larger page is on its way, no other size is tried; the next reading tries the same one."""
    cancelled = threading.Event()
    for fault in ("ok:times=1", "delay:seconds=60,times=1"):
        box.faults.add(fault)
    box.before_request(2, lambda _: cancelled.set())
    with (
        pytest.raises(PuretalkInconsistentScanError, match="given up: it was cancelled"),
        read(box, cancelled=cancelled),
    ):
        pass
    assert limits(box) == [100, 1_000]
    box.requests.clear()
    with read(box) as found:
        assert (found.count, found.complete) == (3_000, True)
    assert limits(box)[:2] == [100, 1_000]


@pytest.mark.long
def test_an_outage_says_nothing_of_the_size(box: Sandbox, read: Read) -> None:
    """When pages of 100 fail as well that is the error, after as many tries as ever; afterwards the size is still known."""
    with read(box):
        box.requests.clear()
    box.faults.add("503:times=always")
    with pytest.raises(PuretalkServerError), read(box):
        pytest.fail("there is no reading")
    assert limits(box) == [1_000] * 2 + [100] * 4
    box.faults.replace_all([])
    box.requests.clear()
    with read(box, consistency="checked"):
        assert limits(box) == [1_000] * 3


@pytest.mark.long
def test_a_key_that_is_refused_from_now_on_is_no_matter_of_the_size(box: Sandbox, read: Read) -> None:
    """One request, and the error that it is."""
    with read(box):
        box.requests.clear()
    box.faults.add("401")
    with pytest.raises(PuretalkAuthError), read(box):
        pytest.fail("there is no reading")
    assert limits(box) == [1_000]


@pytest.mark.long
def test_finding_out_whether_the_api_answers_takes_a_small_page(box: Sandbox, read: Read) -> None:
    """While it does not, each reading is one request; once it does, the reading goes on with the size that is known."""
    with read(box):
        box.requests.clear()
    box.faults.add("503")
    with pytest.raises(PuretalkServerError), read(box, probe=True):
        pytest.fail("there is no reading")
    assert limits(box) == [100]
    with read(box, probe=True, consistency="checked"):
        assert limits(box) == [100, 100, 1_000, 1_000, 1_000]


@pytest.mark.long
@pytest.mark.parametrize("bytes_a_row", [100_000, 20_000, 1_000])
def test_large_records_make_small_pages_and_few_of_them_at_once(bytes_a_row: int) -> None:
    """What is in flight and at hand is bounded in bytes, whatever the number of requests allowed."""
    proof, requests, most = scripted(3_000, PageSizes(), parallel=8, bytes=bytes_a_row)
    assert proof.count == 3_000
    size = max(requests)
    assert size == {100_000: 100, 20_000: 300, 1_000: 1_000}[bytes_a_row]
    assert most * size * bytes_a_row <= BYTES_AT_ONCE


def test_a_page_that_comes_slowly_makes_the_size_a_smaller_one() -> None:
    """One that takes most of the time that the connection allows may take more than that the next time."""
    sizes = PageSizes()
    proof, requests, _ = scripted(3_000, sizes, seconds=0.02)
    assert proof.count == 3_000
    assert requests == [100, 1_000, *[300] * 10, 1, *[300] * 10]
    assert sizes.found == 300


def test_a_list_that_comes_whole_may_take_its_time() -> None:
    """Pages would take longer."""
    _, requests, _ = scripted(800, PageSizes(), seconds=0.02)
    assert requests == [100, 900, 900]


@pytest.mark.parametrize("parallel", [1, 4])
@pytest.mark.parametrize(
    "status",
    [
        400,
        401,
        403,
        404,
        405,
        413,
        414,
        422,
        429,
        500,
        502,
        504,
        "broken",
        "reset",
        "html",
        "html 400",
        "huge",
        "silent",
        "empty",
        "few",
    ],
)
def test_a_server_that_refuses_a_larger_limit(
    serve: Callable[..., Any], make_client: Callable[..., Any], answers: Any, status: Any, parallel: int
) -> None:
    """The attempt to have more rows at once costs one request, whatever comes of it, and is not made again."""
    all_ids = [f"{number:03}" for number in range(250)]

    def by_limit(connection: Any) -> None:
        query = dict(re.findall(r"(\w+)=(\d+)", connection_target(service)))
        number, limit = int(query["page"]), int(query["limit"])
        if limit > 100:
            large.append(limit)
            if isinstance(status, int):
                connection.sendall(answers.answer({"err": True}, status))
            elif status == "broken":
                connection.sendall(answers.answer(b'{"count": 250'))
            elif status.startswith("html"):
                code = int(status.partition(" ")[2] or 200)
                connection.sendall(answers.answer(b"<html>", code, Content_Type="text/html"))
            elif status == "huge":
                connection.sendall(answers.answer(b" " * 100_000))
            elif status == "silent":
                connection.recv(1)  # Until the other side has given up.
            elif status == "empty":
                connection.sendall(answers.answer(answers.page()))
            elif status == "few":
                connection.sendall(answers.answer(answers.page(*all_ids[:200])))
            return
        page = all_ids[(number - 1) * limit : number * limit]
        more = f"?page={number + 1}" if number * limit < 250 else None
        connection.sendall(answers.answer(answers.page(*page, count=250, next=more)))

    def connection_target(service: Any) -> str:
        with lock:  # Of the request that is answered: with several in flight the last one may be another's.
            taken.append(len(taken))
            return str(service.targets[taken[-1]])

    large: list[int] = []
    taken: list[int] = []
    lock = threading.Lock()
    service = serve(by_limit)
    client = make_client(service.address, extra={"max_parallel_requests": parallel, "max_response_bytes": 50_000})
    # Less time than the silence that the connection bears: some is left for the pages.
    with scan(client, ScanOptions(max_seconds=4)) as found:
        assert (found.method, found.walks, found.count) == ("two_walks", 2, 250)
        assert found.tried[0].startswith("A page of 350 rows ")
    assert large == [350]
    assert len(service.requests) == 1 + 3 + 1 + 3  # The large one, a walk, one that only counts, a walk.


@pytest.mark.long
@pytest.mark.parametrize("refusal", ["at once", "silent", "throttled"])
def test_a_size_that_was_refused_is_not_asked_for_at_each_reading(
    serve: Callable[..., Any], make_client: Callable[..., Any], answers: Any, refusal: str
) -> None:
    """A watcher that polls a server which is silent at a large limit, or wants a pause then, is held up once."""
    all_ids = [f"{number:03}" for number in range(250)]
    large: list[int] = []

    def by_limit(connection: Any) -> None:
        query = dict(re.findall(r"(\w+)=(\d+)", service.targets[-1]))
        number, limit = int(query["page"]), int(query["limit"])
        if limit > 100:
            large.append(limit)
            if refusal == "silent":
                connection.recv(1)  # Until the other side has given up.
            else:
                wait = {"Retry_After": "1"} if refusal == "throttled" else {}
                connection.sendall(answers.answer({"err": True}, 429 if wait else 400, **wait))
            return
        page = all_ids[(number - 1) * limit : number * limit]
        more = f"?page={number + 1}" if number * limit < 250 else None
        connection.sendall(answers.answer(answers.page(*page, count=250, next=more)))

    service = serve(by_limit)
    for _ in range(3):
        client = make_client(service.address, extra={"max_parallel_requests": 1, "timeout": 1})
        with scan(client, ScanOptions()) as found:
            assert (found.method, found.count) == ("two_walks", 250)
    assert large == [350]
    client = make_client(service.address, extra={"account": "other", "max_parallel_requests": 1, "timeout": 1})
    with scan(client, ScanOptions()) as found:
        assert found.count == 250
    assert large == [350, 350]


def test_a_single_page_that_fails_the_second_time(
    serve: Callable[..., Any], make_client: Callable[..., Any], answers: Any
) -> None:
    """The list is read anew in pages of 100, as many as there are, and two walks prove it."""
    all_ids = [f"{number:03}" for number in range(250)]

    def by_limit(connection: Any) -> None:
        query = dict(re.findall(r"(\w+)=(\d+)", service.targets[-1]))
        number, limit = int(query["page"]), int(query["limit"])
        asked.append(limit)
        if limit == 350 and asked.count(350) > 1:
            connection.sendall(answers.answer({"err": True}, 504))
            return
        page = all_ids[(number - 1) * limit : number * limit]
        more = f"?page={number + 1}" if number * limit < 250 else None
        connection.sendall(answers.answer(answers.page(*page, count=250, next=more)))

    asked: list[int] = []
    service = serve(by_limit)
    with scan(make_client(service.address, extra={"max_parallel_requests": 1}), ScanOptions()) as found:
        assert (found.method, found.walks, found.count) == ("two_walks", 2, 250)
        assert "Pages of 350 rows failed: The API failed." in found.tried[0]
    assert asked == [100, 350, 350, 350] + [100] * 7


@pytest.mark.long
def test_a_size_is_tried_again_the_later_the_more_a_try_cost(clock: Any) -> None:
    """After a refusal at once in an hour, after a minute of silence in some more, in a day at the latest."""
    page = ScannedPage(1, 100, 10_000, True, 100, [])
    pauses = []
    for seconds in (0.05, 60.0, 10.0**9):
        sizes, began = PageSizes(), clock.now
        assert list(sizes.worth_trying(page)) == [1_000, 300]
        sizes.refuse(300, seconds)
        while not list(sizes.worth_trying(page)):
            clock.now += 1
        pauses.append(clock.now - began)
    assert pauses == [3_600, 6_000, 86_400]


def test_an_outage_stays_an_outage(serve: Callable[..., Any], make_client: Callable[..., Any], answers: Any) -> None:
    """When the next page fails as well, that is the error, after as many tries as ever."""
    first = answers.answer(answers.page(*map(str, range(100)), count=250, next="?page=2"))
    service = serve(first, answers.answer({"err": True}, 503))
    client = make_client(service.address, extra={"max_retries": 2, "max_parallel_requests": 1})
    with pytest.raises(PuretalkServerError), scan(client, ScanOptions()):
        pytest.fail("there is no reading")
    assert len(service.requests) == 1 + 1 + 3


@pytest.mark.parametrize(
    ("status", "error_class"), [(401, PuretalkAuthError), (403, PuretalkAuthError), (404, PuretalkNotFoundError)]
)
def test_a_refusal_that_has_nothing_to_do_with_the_limit(
    serve: Callable[..., Any], make_client: Callable[..., Any], answers: Any, status: int, error_class: Any
) -> None:
    """A key that is refused from now on ends the reading at the next page, an address that is gone at the next walk."""
    first = answers.answer(answers.page(*map(str, range(100)), count=250, next="?page=2"))
    service = serve(first, answers.answer({"err": True}, status))
    client = make_client(service.address, extra={"max_parallel_requests": 1})
    with pytest.raises(error_class), scan(client, ScanOptions()):
        pytest.fail("there is no reading")
    assert len(service.requests) == (4 if status == 404 else 3)
