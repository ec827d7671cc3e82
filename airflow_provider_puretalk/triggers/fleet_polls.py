"""The poll loop of watchers: one poll for all triggers that watch an account, one :class:`Observation` each time, for ever.

Before each poll there is a pause, after a failure a longer one, and no error ends the loop. Airflow would begin anew a
second after an end, for ever, and would turn an outage into a storm.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final
from weakref import WeakKeyDictionary, WeakValueDictionary

from airflow_provider_puretalk import metrics
from airflow_provider_puretalk.conditions import poll_failures
from airflow_provider_puretalk.conditions.poll_schedule import Backoff
from airflow_provider_puretalk.triggers.sleeping import Sleep

if TYPE_CHECKING:
    from airflow_provider_puretalk.change_detection.fingerprints import Fleet, Observer
    from airflow_provider_puretalk.hooks import PuretalkHook
    from airflow_provider_puretalk.scan.options import ScanOptions
    from airflow_provider_puretalk.scan.page_memory import PageMemory

log = logging.getLogger(__name__)

#: Longest pause before the first poll, in seconds. It lets triggers that start together share it.
FIRST_PAUSE: Final = 1.0


@dataclass(slots=True)
class Observation:
    """The fleet at one moment.

    :ivar received_by: how many watchers have received it.
    :ivar when_acknowledged: what they add to be called once their events of it are stored.
    """

    fleet: Fleet
    received_by: int = 0
    when_acknowledged: list[Callable[[], Awaitable[None]]] = field(default_factory=list)

    async def acknowledge(self) -> None:
        """Save the checkpoints of all watchers that received it. One that cannot is saved at a later poll."""
        while self.when_acknowledged:
            try:
                await self.when_acknowledged.pop(0)()
            except Exception:
                log.warning("Saving the watcher's checkpoint failed, next try after the next poll.", exc_info=True)


class Pace:
    """How often to poll: at the shortest interval of the watchers that share the polls.

    :param interval: seconds between two polls while no watcher has joined yet.
    :param max_seconds: ceiling on the time of one poll while no watcher has joined yet, in seconds.
    """

    def __init__(self, interval: float, max_seconds: float) -> None:
        self._alone = interval, max_seconds
        self._members: list[tuple[float, float]] = []
        self._sleep = Sleep()

    @property
    def interval(self) -> float:
        """Seconds between two polls."""
        return min(interval for interval, _ in self._members or [self._alone])

    @property
    def max_seconds(self) -> float:
        """Seconds that a poll may take: the largest value of the watchers that share it."""
        return max(max_seconds for _, max_seconds in self._members or [self._alone])

    @contextmanager
    def joined(self, interval: float, max_seconds: float) -> Iterator[None]:
        """Request polls at this interval that may take so many seconds, for as long as the context lasts."""
        member = interval, max_seconds
        self._members.append(member)
        self._sleep.change()
        try:
            yield
        finally:
            self._members.remove(member)
            self._sleep.change()

    async def pause(self, seconds: Callable[[float], float]) -> None:
        """Sleep; a watcher that joins meanwhile shortens it.

        :param seconds: how long, by the interval.
        """
        began = asyncio.get_running_loop().time()
        await self._sleep.until(lambda: began + seconds(self.interval))


#: By event loop, since the events that end pauses belong to one.
_paces: WeakKeyDictionary[asyncio.AbstractEventLoop, WeakValueDictionary[Hashable, Pace]] = WeakKeyDictionary()


def shared_pace(key: Hashable, interval: float, max_seconds: float) -> Pace:
    """Return the pace of the watchers that share the polls of this key; it lasts as long as it is referenced."""
    paces = _paces.setdefault(asyncio.get_running_loop(), WeakValueDictionary())
    return paces.setdefault(key, Pace(interval, max_seconds))


async def observations(puretalk_conn_id: str, page_size: int | None, pace: Pace) -> AsyncIterator[Observation]:
    """Yield observations of the account, now and after each pause, for ever.

    :param page_size: rows a page; the connection's by default.
    """
    from airflow_provider_puretalk.change_detection.fingerprints import Observer
    from airflow_provider_puretalk.scan.options import ScanOptions
    from airflow_provider_puretalk.scan.page_memory import PageMemory
    from airflow_provider_puretalk.triggers import requests_in_threads

    observer, memory = Observer(), PageMemory()
    failures = 0
    await pace.pause(lambda interval: min(interval, FIRST_PAUSE))
    while True:
        try:
            options = ScanOptions(page_size, max_seconds=pace.max_seconds, probe=failures > 0)
            fleet = await requests_in_threads.run_with_hook(puretalk_conn_id, _call(observer, memory, options))
        except Exception as unexpected:
            error = poll_failures.failure(unexpected)
            failures += 1
            pause = Backoff(failures, at_least=poll_failures.retry_after(error))
            poll_failures.log_tolerated(puretalk_conn_id, error, failures, next_poll=pause(pace.interval))
        else:
            failures, pause = 0, Backoff(0)
            yield Observation(fleet)
        await pace.pause(pause)


async def acknowledged_later(stream: AsyncIterator[Observation]) -> AsyncIterator[Observation]:
    """Pass observations on, and acknowledge each when the next one comes: Airflow does not say when events are stored."""
    last: Observation | None = None
    async for observation in stream:
        if last is not None:
            await last.acknowledge()
        yield observation
        last = observation


def _call(
    observer: Observer, memory: PageMemory, options: ScanOptions
) -> Callable[[PuretalkHook, threading.Event], Fleet]:
    """Return the call of one poll, for a thread.

    After a failure the first request is sent once only: while the API fails, each poll is one request, and the pauses are
    long enough. Once it is answered the others are retried as usual, or an API that throttles would never be read.
    """

    def observe(hook: PuretalkHook, cancelled: threading.Event) -> Fleet:
        from airflow_provider_puretalk.api.client import ApiClient
        from airflow_provider_puretalk.scan.assistant_scan import scan

        settings = hook.settings
        client = ApiClient(settings)
        scanning = scan(client, replace(options, cancelled=cancelled), reading=hook.reading, memory=memory)
        with client.session, metrics.of_scan(client, scanning) as found:
            if found.unchanged:
                return observer.observe_again(found.finished_at)
            return observer.observe(
                settings.account,
                (line for line, _ in found.rows()),
                observed_at=found.finished_at,
                secret=settings.redaction_key,
            )

    return observe
