"""How many requests are in flight: never more than the connection allows, and no fewer while answers are decoded."""

from __future__ import annotations

import gc
import threading
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from airflow_provider_puretalk import exceptions as e
from airflow_provider_puretalk.api.client import ApiClient
from airflow_provider_puretalk.api.deadline import TimeLimit
from airflow_provider_puretalk.api.settings import ApiSettings
from airflow_provider_puretalk.sandbox import make_fleet
from airflow_provider_puretalk.scan.assistant_scan import scan
from airflow_provider_puretalk.scan.options import ScanOptions
from tests.api.wire import Answer, Exchange, WireServer, http, page, serving

FLEET = make_fleet(24, seed=5)
PAGES = 12


class Busy:
    """Answers pages of two, and counts the requests that it is busy with; each waits for others for a moment."""

    def __init__(self, answer: Answer, *, together: int) -> None:
        self._answer = answer
        self._together = threading.Barrier(together)
        self._lock = threading.Lock()
        self._now = self.most = 0

    def __call__(self, exchange: Exchange) -> None:
        with self._lock:
            self._now += 1
            self.most = max(self.most, self._now)
        try:
            self._together.wait(0.5)
        except threading.BrokenBarrierError:
            self._together.reset()
        with self._lock:
            self._now -= 1  # Before the answer: whoever has it may send the next request at once.
        self._answer(exchange)


def usual(exchange: Exchange) -> None:
    exchange.send(http(page(FLEET, exchange, most=2)))


def client_of(server: WireServer, **settings: Any) -> ApiClient:
    defaults = {"timeout": 10, "retry_backoff": 0, "max_parallel_requests": 1}
    return ApiClient(ApiSettings(f"http://127.0.0.1:{server.port}/api", "in-flight-key", "a", **(defaults | settings)))


class Hung:
    """A client of a server that has its first request and does not answer it."""

    def __init__(self, server: WireServer) -> None:
        self.server = server
        self.has_answered = threading.Event()
        # More patient than the server, so that only its answer ends the request.
        self.client = client_of(server, timeout=60)
        self._request = threading.Thread(target=self.client.get_page, args=(1, 2))
        self._request.start()
        for _ in range(1000):
            if server.requests:
                return
            time.sleep(0.01)
        pytest.fail("no request came")

    def end(self) -> None:
        self.server.stopped.set()
        self._request.join(30)


@pytest.fixture
def hung() -> Iterator[Hung]:
    def hangs(exchange: Exchange) -> None:
        server.stopped.wait(10)
        hung.has_answered.set()
        usual(exchange)

    with serving(hangs) as server:
        hung = Hung(server)
        try:
            yield hung
        finally:
            hung.end()


@pytest.mark.long
@pytest.mark.parametrize("parallel", [1, 2, 5])
@pytest.mark.parametrize("consistency", ["checked", "verified"])
def test_never_more_than_the_connection_allows(parallel: int, consistency: Any) -> None:
    """Neither tries after errors, nor bodies that have to be asked for again, nor a second walk add to it."""
    asked: Counter[int] = Counter()

    def stumbling(exchange: Exchange) -> None:
        asked[exchange.page] += 1
        if exchange.page % 3 == 0 and asked[exchange.page] == 1:
            exchange.send(http("{}", "503 Busy"))
        elif exchange.page % 4 == 0 and asked[exchange.page] == 1:
            exchange.send(http("{not JSON"))
        else:
            usual(exchange)

    busy = Busy(stumbling, together=parallel)
    with (
        serving(busy) as server,
        scan(
            client_of(server, max_parallel_requests=parallel), ScanOptions(page_size=2, consistency=consistency)
        ) as found,
    ):
        assert len(list(found)) == len(FLEET)
    assert busy.most == parallel
    assert len(asked) == PAGES


def test_readings_that_share_a_client_share_its_limit() -> None:
    """Three threads with a client that may send two requests at once send two."""
    busy = Busy(usual, together=2)
    with serving(busy) as server:
        client = client_of(server, max_parallel_requests=2)
        found: list[int] = []

        def read() -> None:
            with scan(client, ScanOptions(page_size=2, consistency="checked")) as reading:
                found.append(len(list(reading)))

        readers = [threading.Thread(target=read) for _ in range(3)]
        for reader in readers:
            reader.start()
        for reader in readers:
            reader.join(30)
    assert found == [len(FLEET)] * 3
    assert busy.most == 2


def test_requests_go_out_while_an_answer_is_decoded() -> None:
    """Page 4 is asked for although page 2 is not done with: two requests are allowed, so two are in flight."""
    four = threading.Event()

    def watched(exchange: Exchange) -> None:
        if exchange.page == 4:
            four.set()
        usual(exchange)

    def examine(record: dict[str, Any]) -> bool:
        first_page = record in FLEET[:2]
        return first_page or four.wait(10)

    with (
        serving(watched) as server,
        scan(
            client_of(server, max_parallel_requests=2), ScanOptions(page_size=2, consistency="checked", examine=examine)
        ) as found,
    ):
        assert [note for _, note in found.rows()] == [True] * len(FLEET)


def test_a_question_that_a_redirect_lost_is_asked_again_by_the_only_one_who_may_ask() -> None:
    """The second request of the two takes the turn of the first, and does not wait for it for ever."""

    def redirecting(exchange: Exchange) -> None:
        if exchange.path == "/api/ai-assistants":
            exchange.send(http("", "301 Moved", "Location: /api/ai-assistants/"))
        else:
            usual(exchange)

    with serving(redirecting) as server:
        found = client_of(server).get_page(3, 2)
    assert found.records == FLEET[4:6]


def test_who_waits_for_a_turn_can_be_told_to_stop(hung: Hung) -> None:
    """Cancelling ends the wait, though the request in whose place it would go has no answer."""
    cancelled = threading.Event()
    threading.Timer(0.2, cancelled.set).start()
    with pytest.raises(e.PuretalkInconsistentScanError, match="given up"):
        hung.client.fetch(2, 2, cancelled=cancelled)
    assert not hung.has_answered.is_set()
    assert len(hung.server.requests) == 1


@pytest.mark.long
def test_who_waits_for_a_turn_waits_no_longer_than_the_deadline(hung: Hung) -> None:
    """A reading's ceiling holds while others use up what the connection allows."""
    with pytest.raises(e.PuretalkInconsistentScanError, match="given up"):
        hung.client.fetch(2, 2, deadline=time.monotonic() + 0.3)
    assert not hung.has_answered.is_set()
    assert len(hung.server.requests) == 1


@pytest.mark.parametrize("failures", ["{{{{", "5{5{", "{555", "555{"])
def test_tries_count_whether_an_answer_or_its_body_was_broken(failures: str) -> None:
    """A page costs one request and ``max_retries`` more, however failures and broken bodies follow each other."""

    def fails(failure: str) -> Answer:
        return lambda exchange: exchange.send(http("{}", "503 Busy") if failure == "5" else http(failure))

    with serving(usual) as server:
        server.script = [fails(failure) for failure in failures]
        assert client_of(server, max_retries=4).get_page(2, 2).records == FLEET[2:4]
        assert len(server.requests) == 5
    with serving(usual) as server:
        server.script = [fails(failure) for failure in failures]
        with pytest.raises(e.PuretalkError) as caught:
            client_of(server, max_retries=3).get_page(2, 2)
        assert type(caught.value) is (e.PuretalkServerError if failures.endswith("5") else e.PuretalkResponseError)
        assert len(server.requests) == 4


def test_a_broken_body_is_not_known_as_the_page_that_came_after_it() -> None:
    """If the second walk gets the same broken bytes, it asks again instead of counting the page as seen."""
    asked: Counter[int] = Counter()

    def stumbling(exchange: Exchange) -> None:
        asked[exchange.page] += 1
        if exchange.page == 2 and asked[2] in (1, 3):
            exchange.send(http("{broken"))
        else:
            usual(exchange)

    with serving(stumbling) as server, scan(client_of(server), ScanOptions(page_size=2)) as found:
        assert (found.method, found.walks) == ("two_walks", 2)
        assert list(found) == sorted(FLEET, key=lambda record: record["assistant_id"])
    assert asked[2] == 4


@pytest.mark.long
def test_nothing_of_a_request_is_kept_once_it_is_over() -> None:
    """What bounds the time of an answer does not stay until that time has passed: readings of any length take no more."""

    def limits() -> int:
        gc.collect()
        # By type: asking a stand-in for a module what it is an instance of would import it.
        return sum(type(thing) is TimeLimit for thing in gc.get_objects())

    before = limits()
    with serving(usual) as server:
        client = client_of(server)
        for _ in range(20):
            client.get_page(1, 2)
    assert limits() <= before + 1
