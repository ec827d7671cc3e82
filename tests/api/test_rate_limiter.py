"""When requests may start: evenly spaced below the ceiling, and none while the server throttles."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from airflow_provider_puretalk.api.rate_limiter import RateLimiter
from airflow_provider_puretalk.exceptions import PuretalkError, PuretalkRateLimitError

REFUSAL = {"err": True, "msg": "Something went wrong."}


def moments(rate_limiter: RateLimiter, clock: Any, count: int) -> list[float]:
    """Let requests start one after the other, and note when."""
    started = []
    for _ in range(count):
        rate_limiter.wait(threading.Event())
        started.append(clock.now)
    return started


@pytest.mark.parametrize(("rate", "interval"), [(1, 1.0), (4, 0.25), (0.1, 10.0), (1000, 0.001)])
def test_requests_are_evenly_spaced(clock: Any, rate: float, interval: float) -> None:
    """The first one starts at once, and no two come closer than the ceiling allows."""
    begin = clock.now
    started = moments(RateLimiter(rate), clock, 6)
    assert started == pytest.approx([begin + interval * number for number in range(6)])


def test_time_that_passed_is_not_saved_up(clock: Any) -> None:
    """After a rest there is no burst."""
    rate_limiter = RateLimiter(1)
    moments(rate_limiter, clock, 2)
    clock.now += 100
    begin = clock.now
    assert moments(rate_limiter, clock, 3) == pytest.approx([begin, begin + 1, begin + 2])


def test_without_a_ceiling_no_thread_waits(clock: Any) -> None:
    """The default."""
    moments(RateLimiter(None), clock, 100)
    assert clock.waits == []


def test_a_pause_pauses_every_thread(clock: Any) -> None:
    """Requests that have a slot already wait as well; the longest of several pauses counts."""
    begin, rate_limiter = clock.now, RateLimiter(None)
    rate_limiter.pause(5)
    rate_limiter.pause(2)
    assert moments(rate_limiter, clock, 2) == [begin + 5, begin + 5]


def test_a_pause_and_the_ceiling_together(clock: Any) -> None:
    """After the pause requests are spaced again: the server has just said that it gets too many."""
    begin, rate_limiter = clock.now, RateLimiter(1)
    rate_limiter.pause(5)
    started = moments(rate_limiter, clock, 3)
    assert started[0] == begin + 5
    assert started == pytest.approx([begin + 5, begin + 6, begin + 7])


def test_a_pause_that_comes_while_a_thread_waits_for_a_slot(clock: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The slot is given up for a later one, so that those who waited do not all start when the pause ends."""
    begin, rate_limiter = clock.now, RateLimiter(1)
    moments(rate_limiter, clock, 1)
    pass_time = clock.wait

    def wait(seconds: float) -> None:
        pass_time(seconds)
        if clock.now == begin + 1:  # another thread was refused in the very moment at which this one would start
            rate_limiter.pause(5)

    monkeypatch.setattr(clock, "wait", wait)
    assert moments(rate_limiter, clock, 3) == pytest.approx([begin + 6, begin + 7, begin + 8])


def test_requests_that_are_throttled_again_are_spaced(clock: Any) -> None:
    """After a second pause in a row, the wider the longer it lasts, and less with each request that may start."""
    rate_limiter = RateLimiter(None)
    for _ in range(2):
        rate_limiter.pause(8)
        moments(rate_limiter, clock, 1)
    first, second, third = moments(rate_limiter, clock, 3)
    assert 0.5 < third - second < second - first < 1
    moments(rate_limiter, clock, 200)
    begin = clock.now
    assert moments(rate_limiter, clock, 2) == [begin, begin]


def test_threads_share_one_ceiling() -> None:
    """Eight threads get eight slots, none twice."""
    rate_limiter, started, lock = RateLimiter(200), [], threading.Lock()

    def go() -> None:
        rate_limiter.wait(threading.Event())
        with lock:
            started.append(time.monotonic())

    begin = time.monotonic()
    with ThreadPoolExecutor(8) as pool:
        for _ in range(8):
            pool.submit(go)
    # Threads can be late but never early.
    assert all(moment - begin >= number / 200 - 1e-3 for number, moment in enumerate(sorted(started)))


def test_a_cancelled_wait_ends_at_once() -> None:
    """Somebody else failed: nobody sits out what is left."""
    rate_limiter, cancelled = RateLimiter(0.01), threading.Event()
    assert rate_limiter.wait(cancelled) is True
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(rate_limiter.wait, cancelled)
        cancelled.set()
        assert waiting.result(5) is False
    assert rate_limiter.wait(cancelled) is False


def test_a_slot_beyond_the_deadline_is_not_waited_for(clock: Any) -> None:
    """Nor is it taken from those who have more time."""
    rate_limiter, begin = RateLimiter(0.1), clock.now
    assert rate_limiter.wait(threading.Event(), deadline=begin + 5) is True
    assert rate_limiter.wait(threading.Event(), deadline=begin + 5) is False
    assert clock.waits == []
    assert rate_limiter.wait(threading.Event(), deadline=begin + 15) is True
    assert clock.now == begin + 10


def test_the_ceiling_of_the_connection_is_kept(
    serve: Callable[..., Any], make_client: Callable[..., Any], answers: Any, clock: Any
) -> None:
    """All requests of a client count, whatever page they ask for."""
    client = make_client(serve(answers.ok).address, extra={"requests_per_second": 2})
    for number in range(1, 6):
        client.get_page(number, 10)
    assert sum(clock.waits) == pytest.approx(4 * 0.5)


def test_further_tries_count_as_well(
    serve: Callable[..., Any], make_client: Callable[..., Any], answers: Any, clock: Any
) -> None:
    """A server in trouble does not get more requests than a healthy one."""
    service = serve(answers.answer(REFUSAL, 503), answers.answer(REFUSAL, 503), answers.ok)
    make_client(service.address, extra={"requests_per_second": 0.1, "retry_backoff": 0}).get_page(1, 10)
    assert sum(clock.waits) == pytest.approx(20)


@pytest.mark.long
def test_a_429_holds_back_other_requests_too(
    serve: Callable[..., Any], make_client: Callable[..., Any], answers: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """Two threads, one refused: the other's next request waits as long as the refused one."""
    limited = threading.Event()
    arrived: list[tuple[str, float]] = []

    def throttle(connection: Any) -> None:
        arrived.append((service.requests[-1].target, time.monotonic()))
        if not limited.is_set():
            limited.set()
            connection.sendall(answers.answer(REFUSAL, 429, Retry_After="1"))
        else:
            connection.sendall(answers.ok)

    service = serve(throttle)
    client = make_client(service.address)
    with ThreadPoolExecutor(2) as pool:
        refused = pool.submit(client.get_page, 1, 10)
        while not any("retry in" in record.getMessage() for record in caplog.records):
            time.sleep(0.01)
        other = pool.submit(client.get_page, 2, 10)
        assert (refused.result().count, other.result().count) == (1, 1)
    first, *later = [moment for _, moment in arrived]
    assert len(later) == 2
    assert all(moment - first >= 0.9 for moment in later)


@pytest.mark.parametrize(
    "extra", [{"requests_per_second": 0.01}, {}], ids=["waiting for a slot", "waiting to try again"]
)
def test_nothing_is_sent_after_a_cancellation(
    serve: Callable[..., Any], make_client: Callable[..., Any], answers: Any, extra: dict[str, Any]
) -> None:
    """Least of all to a server that has just asked to be left alone for a minute."""
    service = serve(answers.answer(REFUSAL, 429, Retry_After="60"))
    client = make_client(service.address, extra=extra)
    cancelled = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        fetching = pool.submit(client.fetch, 1, 10, cancelled=cancelled)
        while not service.requests:
            time.sleep(0.01)
        time.sleep(0.1)  # by now it waits
        cancelled.set()
        with pytest.raises(PuretalkError):
            fetching.result()
    assert len(service.requests) == 1


def test_no_further_try_begins_after_the_deadline(
    serve: Callable[..., Any], make_client: Callable[..., Any], answers: Any, clock: Any
) -> None:
    """A pause that would end later is not even begun."""
    service = serve(answers.answer(REFUSAL, 429, Retry_After="60"))
    with pytest.raises(PuretalkRateLimitError):
        make_client(service.address).fetch(1, 10, deadline=clock.now + 100)
    assert len(service.requests) == 2
    assert sum(clock.waits) == 60


def test_no_wait_for_a_slot_lasts_beyond_the_deadline(
    serve: Callable[..., Any], make_client: Callable[..., Any], answers: Any, clock: Any
) -> None:
    """``max_seconds`` is a ceiling on the time of a reading, with a slow ``requests_per_second`` too."""
    client = make_client(serve(answers.ok).address, extra={"requests_per_second": 0.01})
    client.fetch(1, 10, deadline=clock.now + 10)
    with pytest.raises(PuretalkError):
        client.fetch(1, 10, deadline=clock.now + 10)
    assert sum(clock.waits) <= 10


def test_redirects_count_as_requests(
    serve: Callable[..., Any], make_client: Callable[..., Any], answers: Any, clock: Any
) -> None:
    """The server meets them all, whoever sent the reader on; so it does those of a session that was handed out."""
    service = serve(answers.answer(b"", 302, Location="/api/ai-assistants/?page=1&limit=10"), answers.ok)
    client = make_client(f"{service.address}/api", extra={"requests_per_second": 0.1})
    client.get_page(1, 10)
    assert sum(clock.waits) == pytest.approx(10)
    client.session.get(f"{service.address}/api/ai-assistants/")
    assert sum(clock.waits) == pytest.approx(20)
